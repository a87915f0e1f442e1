"""``PlannedImage``: one image of a conversion, as the first pass over the headers describes it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..sources.items import Item


@dataclass(frozen=True, slots=True)
class PlannedImage:
    """One image that becomes one image of the target, as its header describes it.

    Attributes
    ----------
    item : Item
        The file, or the image of an array, that it is read from.
    frame : int or None
        Which image of a file that holds several, from 0; None for a file of one.
    frames : int
        How many images the file holds.
    shape : tuple of int
        The shape of the result, (H, W) or (H, W, 3), after turning and resizing.
    dtype : str
        The dtype of the result.
    value_range : (lo, hi) or None
        The range that the file states.
    leading_axes : int
        How many axes of the file's array count its images.
    stack_bytes : int
        The bytes of the file's array, with all of its images.
    """

    item: "Item"
    frame: int | None
    frames: int
    shape: tuple[int, ...]
    dtype: str
    value_range: Any = None
    leading_axes: int = 0
    stack_bytes: int = 0

    @property
    def name(self) -> str:
        """The path relative to the source, with the frame's number: ``"a/scan.tif[3]"``."""
        return self.item.path if self.frames == 1 else f"{self.item.path}[{self.frame}]"

    @property
    def is_only_here(self) -> bool:
        """Whether other processes can't read it, because it is in the memory of this one."""
        return self.item.is_only_here

    def identify(self) -> list[Any]:
        """Return what tells whether the source has changed: path, size and time in ns."""
        return [self.name, self.item.size, self.item.modified]
