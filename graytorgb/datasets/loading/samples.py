"""The images of a data set and their classes, as torchvision's ``ImageFolder`` lists them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

from ..sources.items import Item, find_class
from ..sources.opening import open_source


@dataclass
class Samples:
    """The images of a data set and their classes.

    Attributes
    ----------
    classes : list of str
        The names of the classes, sorted.
    class_to_idx : dict
        The index of each class.
    samples : list of (str, int)
        The path of each image, and the index of its class.
    items : mapping of str to Item
        How the image at a path is read, where it isn't a file of its own.
    """

    classes: list[str]
    class_to_idx: dict[str, int]
    samples: list[tuple[str, int]]
    items: Mapping[str, Item] = field(default_factory=dict)


def list_samples(root: str | PathLike[str] | Sequence[Any]) -> Samples:
    """Return the images below `root`; the first folder of an image's path is its class."""
    # TODO of the helper who owns this: errors, empty classes, files that aren't images, tar, Zarr
    items = [item for item in open_source(root).items() if isinstance(item, Item)]
    named = [(item, find_class(item.path)) for item in items if item.is_named_image]
    classes = sorted({name for _, name in named if name is not None})
    numbers = {name: number for number, name in enumerate(classes)}
    samples = [(item.location, numbers[name]) for item, name in named if name is not None]
    return Samples(classes, numbers, samples)
