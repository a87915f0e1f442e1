"""What a target of shards records of its images: identity, class, bits and range."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from .conversion_options import Options
from .conversion_reading import Converted

NO_CLASS = -1  # the label of an image that lies in no folder of the source


class Row(NamedTuple):
    """What is recorded of one image.

    Attributes
    ----------
    path : str
        The image, relative to the source.
    size : int
        The bytes of its file.
    modified : int
        When the file was changed, in ns.
    bits : int
        The bits that the file states for a sample; 0 where it states none, as for floats.
    value_range : list of two numbers, or None
        The range that the file states.
    """

    path: str
    size: int
    modified: int
    bits: int
    value_range: Any

    @property
    def identity(self) -> tuple[Any, ...]:
        """What tells whether the image has changed."""
        return self[:3]


def describe_image(converted: Converted) -> Row:
    """Return what is recorded of an image."""
    assert converted.image is not None, "an image that was read"
    stated = converted.image.value_range
    is_range = isinstance(stated, tuple) and not isinstance(stated[0], str)
    path, size, modified = converted.planned.identify()
    bits = converted.image.bits or 0
    return Row(path, size, modified, bits, stated if is_range else None)


@dataclass(frozen=True)
class Summary:
    """What is recorded of all images together.

    Attributes
    ----------
    count : int
        How many there are.
    classes : dict of str to int
        The label of each class, in alphabetical order.
    value_range : (lo, hi) or other policy, or None
        The range that was stated, or else the one that every file states.
    """

    count: int
    classes: dict[str, int]
    value_range: Any

    @classmethod
    def of_rows(cls, rows: Iterable[Row], options: Options) -> "Summary":
        """Return the summary of images that were converted by these options."""
        count, names, ranges = 0, set(), set()
        for row in rows:
            count += 1
            names.add(find_class(row.path))
            if len(ranges) < 2:
                ranges.add(tuple(row.value_range) if row.value_range else None)
        value_range = options.value_range
        if options.bits == 8:
            value_range = (0, 255)
        elif value_range is None and len(ranges) == 1:
            value_range = ranges.pop()
        return cls(count, number_classes(names), value_range)

    def describe(self) -> dict[str, Any]:
        """Return what a target says of its images; JSON can hold it."""
        return {"classes": list(self.classes), "value_range": self.value_range}

    def find_label(self, path: str) -> int:
        """Return the label of an image."""
        return find_label(path, self.classes)


def find_class(path: str) -> str | None:
    """Return the class of an image: the first folder of its path; None where there is none.

    >>> find_class("cats/indoor/1.png"), find_class("1.png")
    ('cats', None)
    """
    folder, slash, _ = path.partition("/")
    return folder if slash else None


def number_classes(names: Iterable[str | None]) -> dict[str, int]:
    """Return the label of each class: its place in alphabetical order, as in ImageFolder."""
    return {name: label for label, name in enumerate(sorted({n for n in names if n is not None}))}


def find_label(path: str, classes: dict[str, int]) -> int:
    """Return the label of an image, or NO_CLASS."""
    name = find_class(path)
    return NO_CLASS if name is None else classes[name]
