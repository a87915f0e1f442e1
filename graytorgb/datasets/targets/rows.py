"""What a target of shards records of its images: name, class, bits and range."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...io.ranges import are_limits
from ..conversions.options import Options
from ..conversions.reading import Converted
from ..sources.items import find_class

NO_CLASS = -1  # the label of an image that lies in no folder of the source


class Row(NamedTuple):
    """What is recorded of one image.

    Attributes
    ----------
    path : str
        The image, relative to the source.
    bits : int
        The bits that the file states for a sample; 0 where it states none, as for floats.
    value_range : (lo, hi) or None
        The range that the file states.
    """

    path: str
    bits: int
    value_range: Any


def describe_image(converted: Converted) -> Row:
    """Return what is recorded of an image."""
    assert converted.image is not None, "an image that was read"
    stated = converted.image.value_range
    bits = converted.image.bits or 0
    return Row(converted.planned.name, bits, stated if are_limits(stated) else None)


@dataclass(frozen=True)
class Summary:
    """What is recorded of all images together.

    Attributes
    ----------
    missing : ndarray of int64
        The numbers of the images that couldn't be read, sorted.
    count : int
        How many images there are without these.
    value_range : (lo, hi) or other policy, or None
        The range that was stated, or else the one that every file states.
    """

    missing: NDArray[np.int64]
    count: int
    value_range: Any

    @classmethod
    def of_rows(cls, rows: Iterable[Row | None], options: Options) -> "Summary":
        """Return the summary of images that were converted by these options."""
        missing: list[int] = []
        ranges: set[Any] = set()
        count = 0
        for number, row in enumerate(rows):
            if row is None:
                missing.append(number)
                continue
            count += 1
            if len(ranges) < 2:
                ranges.add(tuple(row.value_range) if row.value_range else None)
        value_range = options.value_range
        if options.bits == 8:
            value_range = (0, 255)
        elif value_range is None and len(ranges) == 1:
            value_range = ranges.pop()
        return cls(np.array(missing, np.int64), count, value_range)

    @property
    def digest(self) -> str:
        """What differs for other missing images."""
        return digest_missing(self.missing)

    def find_kept(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return the numbers of the images in some rows of those that aren't missing.

        Examples
        --------
        >>> Summary(np.array([2, 5]), 6, None).find_kept(0, 5)
        array([0, 1, 3, 4, 6])
        """
        rows = np.arange(start, stop)
        earlier = self.missing - np.arange(len(self.missing))
        return rows + np.searchsorted(earlier, rows, side="right")


def digest_missing(missing: NDArray[np.int64]) -> str:
    """Return a short text that differs for other missing images; ``"none"`` if there are none."""
    return sha256(missing.tobytes()).hexdigest()[:16] if len(missing) else "none"


def number_classes(names: Iterable[str | None]) -> dict[str, int]:
    """Return the label of each class: its place in alphabetical order, as in ImageFolder."""
    return {name: label for label, name in enumerate(sorted({n for n in names if n is not None}))}


def find_label(path: str, classes: dict[str, int]) -> int:
    """Return the label of an image, or NO_CLASS."""
    name = find_class(path)
    return NO_CLASS if name is None else classes[name]
