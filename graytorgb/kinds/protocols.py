"""What a kind of array offers to the verbs."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from ..core.layout import Layout, Shape


class ArrayKind(Protocol):
    """What a kind of array offers; arrays are `Any` because each kind has its own.

    A kind whose memory numpy can't always reach is an :class:`OwnLibrary` too, and one that is
    made of blocks is :class:`Blocks` instead.
    """

    REACH: str  # "memory", "library" or "blocks": what the work is done on, or by

    CHANNELS_FIRST: bool  # where a missing C goes

    def dtype(self, name: str) -> Any:
        """Its dtype of that name, or DtypeError."""

    def unwrap(self, image: Any) -> Any:
        """The plain array in `image`, or DtypeError for what can't be an image."""

    def axes(self, image: Any) -> str | None:
        """The axes that the object's own type states; None where it states none."""

    def shape(self, array: Any) -> Shape | None:
        """Its shape; None for a size that isn't known yet, or where the axes aren't counted."""

    def transpose(self, array: Any, order: tuple[int, ...]) -> Any:
        """A view with its axes in another order."""

    def view(self, array: Any) -> Any:
        """A view to hand out: read-only where the kind knows such a thing."""

    def copy(self, array: Any) -> Any:
        """Contiguous memory of its own."""

    def lend(self, array: Any) -> np.ndarray[Any, Any] | None:
        """The same memory as a numpy array; None where numpy can't reach it."""

    def lend_values(self, array: Any) -> np.ndarray[Any, Any] | None:
        """Its values as a numpy array: shared where numpy has the dtype, else converted.

        None where numpy can't reach them.
        """

    def adopt(self, result: np.ndarray[Any, Any], dtype: Any) -> Any:
        """A numpy result, or its words, as an array of this kind and dtype."""

    def written(self, out: Any) -> None:
        """Tell its library that the memory of `out` was written."""

    def wrap(self, result: Any, image: Any) -> Any:
        """The result as an object of the type of `image`."""

    def empty(self, shape: tuple[int, ...], dtype: Any) -> str:
        """The call that makes memory for a result, for a message."""


class OwnLibrary(Protocol):
    """What a kind offers besides, where its own library has to do the work.

    ``expand`` is None for numpy, which has no way of its own beside the backends. Only a kind
    whose graphs don't know a shape has `give_axes` and `give_channels`.
    """

    UNREACHED: str  # why numpy can't share the memory: "..., and JAX's isn't"
    TO_NUMPY: str  # what to pass instead, for a backend of one's choice

    def give_axes(self, array: Any, count: int) -> Any:
        """The array with so many axes; an error when the graph runs if it has others."""

    def give_channels(self, array: Any, axis: int) -> Any:
        """Three channels at `axis`, where the graph doesn't know if there are 1 or 3."""

    def insert_axis(self, array: Any, axis: int) -> Any:
        """An axis of one more, at `axis`."""

    def expand(self, array: Any, axis: int, *, view: bool) -> Any:
        """Three equal channels at `axis`: a view, or LayoutError; else a copy."""

    def dtype_name(self, array: Any) -> str:
        """Its dtype, as numpy would say it."""

    def settle(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """The result of a function that sees no values, so that a compiler needs not trace it."""

    def normalize(self, image: Any, axis: int, arithmetic: Any, dtype: Any) -> Any:
        """The arithmetic of ``graytorgb.functional.normalize``: 3 channels at `axis` of 1 or 3."""

    def look(self, array: Any) -> np.ndarray[Any, Any] | None:
        """The values, copied to the host; None in a graph or a trace, which has none yet."""

    def peek(self, array: Any) -> np.ndarray[Any, Any] | None:
        """The values where that waits for no device; else None, and in a graph or a trace."""

    def black(self, array: Any) -> Any:
        """Zeros of the same shape and dtype, in the same place."""

    def demand(self, array: Any, lo: float, hi: float, error: Exception) -> Any:
        """The array, or `error` if a value is NaN or not from `lo` to `hi`.

        In a graph the library raises an error of its own with this one's text, when it runs.
        """

    def digitize(self, array: Any, levels: Any) -> Any:
        """The level of each value in uint8, by the ``Levels`` of its dtype (``to_uint8``)."""


class Blocks(Protocol):
    """What a kind offers whose arrays are made of blocks of another, which come later."""

    UNREACHED: str
    TO_NUMPY: str

    def map_blocks(
        self,
        function: Callable[..., Any],
        array: Any,
        axes: Layout | None = None,
        limits: Any = None,
    ) -> Any:
        """`function` of each block, which has the axes of the layout; `limits` goes with it."""

    def later(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What `function` will give when the arguments have been computed."""

    def fold(
        self, array: Any, count: Callable[..., Any], merge: Callable[..., Any], state: Any
    ) -> Any:
        """``merge`` of ``count(block, state)``, with the blocks computed anew after `state`."""
