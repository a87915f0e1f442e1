"""``Conversion``: what a conversion did, or would do."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ...core.notebook import call_safely, make_card, make_table
from ...core.value_range import ValueRange
from ...core.wording import tell_count
from ..conversions.notes import Note


class KindOfFile(NamedTuple):
    """Files that a conversion treats alike.

    Attributes
    ----------
    source : str
        What they are: ``"PNG, gray, 16 bits"``.
    target : str
        What their images become: ``"PNG, uint16, 3 channels"``.
    images : int
        How many images they hold.
    example : str
        The path of one of them.
    """

    source: str
    target: str
    images: int
    example: str


@dataclass(frozen=True)
class Conversion:
    """What a conversion did, or would do with ``dry_run=True``.

    Attributes
    ----------
    dst : Path
        The target.
    converted : int
        How many images were written by this run; with ``dry_run`` how many would be.
    already_done : int
        How many images an earlier run had written.
    errors : list of (str, str)
        The images that can't be read or converted, by their paths in the source, with the reason.
        Nothing is written for them.
    skipped : list of (str, str)
        The files that aren't images by name or content, with the reason.
    left_over : list of str
        What an earlier run wrote into the target that isn't part of this conversion. It stays.
    notes : list of Note
        What a user should know of the images, such as a depth that isn't used: its ``text``, of how
        many ``images``, and the ``value_range`` that suits them.
    value_range : (lo, hi), "dtype" or None
        The values that are black and white: for 8 bits the range that was applied to all images,
        else what was stated, for the record.
    kinds : list of KindOfFile
        The kinds of files, and what becomes of each.
    kept : Path
        The file in the target that has all of this, one line an image, and lets a run resume.
    is_dry_run : bool
        Whether nothing was written.
    """

    dst: Path
    converted: int
    already_done: int
    errors: list[tuple[str, str]]
    skipped: list[tuple[str, str]]
    left_over: list[str]
    notes: list[Note]
    value_range: ValueRange | None
    kinds: list[KindOfFile]
    kept: Path
    is_dry_run: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether every image could be read and converted."""
        return not self.errors

    def __repr__(self) -> str:
        verb = "would convert" if self.is_dry_run else "converted"
        more = f", {self.already_done:,} done before" if self.already_done else ""
        bad = f", {len(self.errors):,} can't be read" if self.errors else ""
        images = tell_count(self.converted, "image")
        return f"Conversion({str(self.dst)!r}: {verb} {images}{more}{bad})"

    def _repr_html_(self) -> str:
        """Return the card that notebooks show; it never raises."""
        return call_safely(self._make_card, self)

    def _make_card(self) -> str:
        verb = "would convert" if self.is_dry_run else "converted"
        rows = [
            ("done before", tell_count(self.already_done, "image") if self.already_done else ""),
            ("can't be read", f"{len(self.errors):,}" if self.errors else ""),
            ("skipped", f"{len(self.skipped):,} files" if self.skipped else ""),
            ("value range", "" if self.value_range is None else str(self.value_range)),
        ]
        kinds = [(each.source, each.target, f"{each.images:,}") for each in self.kinds]
        table = make_table(("files", "become", "images"), kinds, texts=2) if kinds else ""
        notes = [note.text for note in self.notes]
        notes += [f"{path}: {reason}" for path, reason in self.errors]
        title = f"{verb} {tell_count(self.converted, 'image')}, {self.dst}"
        return make_card(title, rows, table=table, notes=notes, passed=self.is_complete)
