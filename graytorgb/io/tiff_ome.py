"""The OME description of a TIFF: its planes and other files are checked before it is used.

tifffile takes memory for as many planes as the description states, and opens the files it names.
"""

import math
import os
import stat
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from tifffile import TiffFile

from .request import Request
from .tiff_directories import check_directories


class Ome(NamedTuple):
    """The OME description of a file, None if it has none that can be read, and notes on it."""

    root: ElementTree.Element | None = None
    notes: tuple[str, ...] = ()


def read_ome(file: TiffFile) -> Ome:
    """Return the OME description of a file, as tifffile finds it."""
    text = file.ome_metadata if file.is_ome else None
    if not text:
        return Ome()
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        return Ome(None, (f"its OME description can't be read: {error}",))
    others = [e.get("MetadataFile", "") for e in root.iter() if e.tag.endswith("BinaryOnly")]
    return Ome(
        root, tuple(f"its OME description is in {name!r}, and isn't read" for name in others)
    )


def check_ome(request: Request, file: TiffFile, ome: Ome) -> tuple[str, ...]:
    """Check the description, and return a note of the other files that planes come from.

    A description that names files elsewhere, or more planes than there are, is refused.
    """
    if ome.root is None:
        return ()
    folder = Path(os.path.realpath(request.path)).parent
    own = Path(os.path.realpath(request.path)).name
    pages, companions = len(file.pages), []
    names = {e.attrib["FileName"] for e in ome.root.iter() if "FileName" in e.attrib}
    for name in sorted(names):
        if name.lower() == own.lower() or not _check_companion(request, folder, name):
            continue
        companions.append(name)
        pages += len(check_directories(request, folder / name))
    for element in ome.root.iter():
        if element.tag.endswith("Pixels"):
            _check_planes(request, file, element, pages)
        elif element.tag[:-1].endswith("Along"):
            _check_labels(request, element, pages)
    return (f"planes come from files beside it too: {', '.join(companions)}",) * bool(companions)


def _check_companion(request: Request, folder: Path, name: str) -> bool:
    """Return whether a named file is there; refuse one that isn't in the same folder."""
    if request.is_alone:
        return False
    path = folder / name
    is_plain = not set(name) & {"/", "\\", "\0", ":"} and name not in ("", ".", "..")
    try:
        kind = path.stat().st_mode if is_plain else 0
    except OSError:
        return False  # a later check tells that planes are missing
    if not is_plain or not stat.S_ISREG(kind) or Path(os.path.realpath(path)).parent != folder:
        raise request.error(
            f"its OME description names the file {name!r}, and only regular files in its own "
            f"folder are read: {request.call}, index=0) reads its own first page"
        )
    return True


def _check_planes(
    request: Request, file: TiffFile, pixels: ElementTree.Element, pages: int
) -> None:
    """Refuse a description that states more planes than all pages hold."""
    first = file.pages.first
    most = pages * max(1, first.samplesperpixel) * max(1, first.imagedepth)
    planes = math.prod(max(1, _read_number(pixels.get(f"Size{axis}"))) for axis in "ZCT")
    counts = [
        _read_number(part.get(key))
        for part in pixels
        if part.tag.endswith("TiffData")
        for key in ("PlaneCount", "NumPlanes", "IFD", "FirstZ", "FirstC", "FirstT")
    ]
    stated = max([planes, *counts])
    if stated > most:
        raise request.error(
            f"its OME description states {stated:,} planes, and there are {pages:,}: "
            f"{stated - pages:,} planes are missing; they may be in files beside it"
        )


def _check_labels(request: Request, along: ElementTree.Element, pages: int) -> None:
    """Refuse a further dimension of more steps than there are planes."""
    if "Start" not in along.attrib:
        return
    try:
        start, end, step = (float(along.get(k, 1)) for k in ("Start", "End", "Step"))
        count = (end - start) / step + 1
    except (ValueError, ZeroDivisionError):
        count = float("inf")
    if not abs(count) <= max(1000, 16 * pages):
        raise request.error(
            f"its OME description states a dimension from {along.get('Start')} to "
            f"{along.get('End')} by {along.get('Step')}, and it has {pages} pages"
        )


def _read_number(text: str | None) -> int:
    """Return a whole number from text, 0 if there is none."""
    try:
        return int(text or 0)
    except ValueError:
        return 0
