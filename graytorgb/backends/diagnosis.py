"""Diagnose why the compiled kernels can't be imported here, and name the command that mends it.

The registry imports this module when an import of the kernels has failed, and never before.
"""

import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path
from shlex import quote
from shutil import which
from urllib.parse import urlsplit
from urllib.request import url2pathname

KERNELS = "graytorgb._kernels"
_HOME = Path(__file__).resolve().parents[1]
_LOG = "_kernels_build.log"  # setup.py writes it where the compiler fails
_BINARIES = (".so", ".pyd", ".dylib")


def explain_absence(suffixes: Sequence[str], home: Path = _HOME) -> str:
    """Return why the kernels are missing from a copy of the package, and what to do about it.

    Parameters
    ----------
    suffixes : sequence of str
        The endings of the names of extension modules that this Python loads.
    home : Path
        The copy's folder.
    """
    text = f"it is compiled when graytorgb is installed, and {_find_cause(suffixes, home)}"
    for copy in _list_copies():
        if copy != home and _find_kernels(copy, suffixes):
            text += f". Or {_describe_way_out(home.parent)}: the copy in {copy} has it"
            break
    return text


def _find_cause(suffixes: Sequence[str], home: Path) -> str:
    """Return what is wrong with a copy of the package, and the command that mends it."""
    command, log = install_command(home), home / _LOG
    if kernels := _find_kernels(home, suffixes):
        return (
            f"{kernels[0]} is there, but sys.modules[{KERNELS!r}] keeps Python from "
            f"importing it: delete that entry. To compile it again: {command}"
        )
    place = f"this is the source tree {home.parent}, where it isn't compiled yet"
    is_source = _is_source(home)
    reason = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    reason = reason.partition("\n")[0]
    if reason and not (is_source and _is_mended(reason)):
        told = f"{place}. The last build there failed: " if is_source else ""
        if reason.startswith("no C compiler"):
            return f"{told}{reason} (see {log}). With one: {command}"
        told = told or "here it is not compiled: "
        return f"{told}see {log}, {reason}. When that is mended: {command}"
    if foreign := _list_binaries(home):
        return (
            f"{foreign[0]} was compiled for another Python than this one, which loads "
            f"{', '.join(suffixes)}: {command}"
        )
    if is_source:
        return f"{place}: {command}"
    return f"the copy in {home} came without it: {command}"


def _is_mended(reason: str) -> bool:
    """Return whether a build failed for lack of a compiler that is there now.

    A source tree may come from another machine, or a compiler may have been installed since.
    """
    lacked = re.fullmatch(r"no C compiler was found: there is no '(.+)'", reason)
    return lacked is not None and which(lacked[1]) is not None


def install_command(home: Path = _HOME) -> str:
    """Return the command that compiles the kernels for a copy of the package."""
    if _is_source(home):
        root = quote(str(home.parent))
        return (
            f"pip install -e {root} (or, in that folder, pip install -e . or "
            "python setup.py build_ext --inplace)"
        )
    source = "--no-binary graytorgb graytorgb"
    for found in distributions(name="graytorgb"):
        if Path(str(found.locate_file("graytorgb"))).resolve() == home:
            source = _find_origin(found) or source
    return f"pip install --force-reinstall --no-deps {source}"


def _find_origin(found: Distribution) -> str | None:
    """Return what pip installed a distribution from, if it was a folder or a repository."""
    url = json.loads(found.read_text("direct_url.json") or "{}")
    if "vcs_info" in url:
        return quote(f"{url['vcs_info']['vcs']}+{url['url']}")
    return quote(_path(url["url"])) if "dir_info" in url else None


def _path(url: str) -> str:
    """Return the path of a file URL."""
    return url2pathname(urlsplit(url).path)


def _list_copies() -> Iterator[Path]:
    """Yield the folders of the package that this Python could import it from."""
    for entry in sys.path:
        yield Path(entry, "graytorgb").resolve()
    for found in distributions(name="graytorgb"):
        url = json.loads(found.read_text("direct_url.json") or "{}")
        if url.get("dir_info", {}).get("editable"):
            yield Path(_path(url["url"]), "graytorgb").resolve()


def _list_binaries(home: Path) -> list[Path]:
    """Return the compiled kernels of a copy, for whichever Python."""
    return sorted(path for path in home.glob("_kernels.*") if path.suffix in _BINARIES)


def _find_kernels(home: Path, suffixes: Sequence[str]) -> list[Path]:
    """Return the compiled kernels of a copy that this Python would load."""
    return [path for path in _list_binaries(home) if path.name.removeprefix("_kernels") in suffixes]


def _is_source(home: Path) -> bool:
    """Whether a copy of the package is in a source tree."""
    return (home / "_native").is_dir() and (home.parent / "setup.py").is_file()


def _describe_way_out(root: Path) -> str:
    """Return how to start Python so that it doesn't import the package from `root`."""
    stated = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if root in (Path(entry).resolve() for entry in stated if entry):
        return f"take {root} off PYTHONPATH"
    if root == Path.cwd():
        return "start Python in another folder"
    return f"take {root} off sys.path"
