"""What a target of shards records of its images: identity, class, bits and range."""

from collections.abc import Iterable
from typing import Any, NamedTuple

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
    def identity(self) -> tuple[str, int, int]:
        """What tells whether the image has changed."""
        return self[:3]


def find_class(path: str) -> str | None:
    """Return the class of an image: the first folder of its path; None where there is none.

    >>> find_class("cats/indoor/1.png"), find_class("1.png")
    ('cats', None)
    """
    folder, slash, _ = path.partition("/")
    return folder if slash else None


def list_classes(paths: Iterable[str]) -> list[str]:
    """Return the classes of images, sorted; a class's place is its label, as in ImageFolder."""
    return sorted({name for name in map(find_class, paths) if name is not None})


def find_label(path: str, classes: dict[str, int]) -> int:
    """Return the number of an image's class, or NO_CLASS."""
    name = find_class(path)
    return NO_CLASS if name is None else classes[name]
