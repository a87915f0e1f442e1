"""``Note``: what a user should know of images of a conversion, and of how many."""

from collections.abc import Iterable
from typing import NamedTuple

from ...core.notice import RangeWarning

_MOST = 100  # texts that are told apart
_OTHERS = "other notes, too many to list"


class Note(NamedTuple):
    """What a user should know of some images.

    Attributes
    ----------
    text : str
        It doesn't name the image.
    images : int
        Of how many images it is said.
    value_range : (lo, hi) or None
        A range that suits the values of all of these images, if the note is on the range.
    """

    text: str
    images: int = 1
    value_range: tuple[float, float] | None = None


class Notes:
    """The notes on all images of a conversion, one for each text."""

    def __init__(self) -> None:
        self._found: dict[str, Note] = {}

    def add(self, notes: Iterable[Note]) -> None:
        """Take notes; those of one text become one."""
        for note in notes:
            is_new = note.text not in self._found
            text = _OTHERS if is_new and len(self._found) >= _MOST else note.text
            earlier = self._found.get(text, Note(text, 0))
            self._found[text] = Note(
                text, earlier.images + note.images, _join(earlier.value_range, note.value_range)
            )

    def sort(self) -> list[Note]:
        """Return the notes in the order of their texts."""
        return sorted(self._found.values(), key=lambda note: note.text)


def make_note(warning: Warning | str) -> Note:
    """Return what a warning says as a note on one image."""
    if isinstance(warning, RangeWarning):
        return Note(warning.problem, 1, warning.value_range)
    return Note(" ".join(str(warning).split()))


def _join(
    first: tuple[float, float] | None, second: tuple[float, float] | None
) -> tuple[float, float] | None:
    """Return the range that holds both, or the one that there is."""
    known = [each for each in (first, second) if each is not None]
    return (min(lo for lo, _ in known), max(hi for _, hi in known)) if known else None
