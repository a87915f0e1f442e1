"""What a conversion has recorded of a data set: the classes, and the range of values."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import ImageFileError
from ...io.ranges import Range

_WHOLE_DEPTHS = tuple(
    limits
    for bits in (16, 32, 64)
    for limits in ((0, 2**bits - 1), (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1))
)


class Notes(NamedTuple):
    """What a conversion has recorded of all images together.

    Attributes
    ----------
    classes : tuple of str
        The name of each label.
    value_range : (lo, hi) or None
        The values that are black and white, in images of more than 8 bits. None where the
        conversion recorded nothing but the depth of the files: a camera of 12 bits doesn't fill
        the 16 of its file.
    attributes : mapping
        All that is recorded.
    """

    classes: tuple[str, ...]
    value_range: Range | None
    attributes: Mapping[str, Any]

    def find_range(self, bits: int | None) -> Range | None:
        """Return the range of an image whose file stated `bits`; 0 or None is not at all.

        It isn't that of images of 8 bits in a set of deeper ones, which would become black.
        """
        return None if bits and bits <= 8 else self.value_range


def parse_notes(attributes: Any) -> Notes | None:
    """Return what a conversion of this package has recorded; None if it was another program.

    >>> made = {"options": {"bits": "keep", "value_range": [0, 4095]}}
    >>> parse_notes({"classes": ["a"], "value_range": [0, 4095], "graytorgb": made}).value_range
    (0, 4095)
    """
    if not isinstance(attributes, Mapping):
        return None
    made, classes = attributes.get("graytorgb"), attributes.get("classes")
    if not isinstance(made, Mapping) or not isinstance(classes, list):
        return None
    options = made.get("options")
    if not isinstance(options, Mapping):
        options = {}
    limits = _parse_limits(attributes.get("value_range"))
    if options.get("bits") != "keep":
        limits = None  # the values have 8 bits
    elif limits in _WHOLE_DEPTHS and limits != _parse_limits(options.get("value_range")):
        limits = None  # the files' depth, which the user hasn't stated
    return Notes(tuple(map(str, classes)), limits, attributes)


def load_notes(path: Path) -> Notes | None:
    """Return what a conversion has recorded in a file of JSON; None if there is no such file."""
    try:
        return parse_notes(json.loads(path.read_bytes()))
    except (OSError, ValueError):
        return None


class ArrayNotes(NamedTuple):
    """What a conversion has recorded of an array in a .npy file.

    Attributes
    ----------
    notes : Notes
    images : list of (str, int, int)
        The path, the label and the bits of each image; empty if the array was made of an array.
    """

    notes: Notes
    images: Sequence[tuple[str, int, int]]


def load_array_notes(path: Path) -> ArrayNotes | None:
    """Return what a conversion has recorded beside a .npy file.

    Returns
    -------
    ArrayNotes or None
        None if there is no ``train.npy.json``, or it is of an array of another size: the array has
        been replaced since.
    """
    notes = load_notes(path.with_name(f"{path.name}.json"))
    if notes is None:
        return None
    labels = path.with_name(f"{path.stem}.labels.npy")
    size = sum(each.stat().st_size for each in (path, labels) if each.exists())
    if notes.attributes["graytorgb"].get("bytes") != size:
        return None
    try:
        told = notes.attributes.get("images", ())
        rows = [(str(row["path"]), int(row["label"]), int(row["bits"])) for row in told]
    except (TypeError, KeyError, ValueError):
        return None
    return ArrayNotes(notes, rows)


def find_own_label(label: int, classes: Sequence[str], name: str) -> int | None:
    """Return the label of an image as an item has it: None for a negative one, which is no class.

    Raises
    ------
    ImageFileError
        If there is no such class.
    """
    if label >= len(classes):
        raise ImageFileError(
            f"{name}: an image has the label {label}, and there are {len(classes)} classes"
        )
    return label if label >= 0 else None


def _parse_limits(value: Any) -> Range | None:
    """Return a range that is two numbers as a tuple; None for rules and for no range."""
    is_pair = isinstance(value, list | tuple) and len(value) == 2
    if not is_pair or not all(isinstance(end, int | float) for end in value):
        return None
    lo, hi = value
    return (lo, hi)
