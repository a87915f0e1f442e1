"""The protocols of the kinds: the methods that each kind of array offers to the verbs.

Every array that a caller holds is converted in one of three ways, and each way has its protocol:

- :class:`SharedKind`: numpy shares the array's memory, and this package's backends do the work.
- :class:`LibraryKind`: the array's own library does the work, on its device or in its graph.
- :class:`BlockKind`: the array is a plan of blocks of another kind, which are converted later.

A kind is one class and one instance of it, ``KIND``, in a file of its own. torch is of the first
two kinds: numpy shares the memory of a plain tensor, and torch converts all others.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

from numpy.typing import NDArray

from ..core.arithmetic import Arithmetic
from ..core.layout import Layout, Shape
from ..core.levels import Levels
from ..errors import ChannelError, LayoutError

Array = NDArray[Any]


class ArrayKind(ABC):
    """The methods of every kind; an array is `Any` here, because each kind has its own classes.

    Attributes
    ----------
    channels_first : bool
        Whether a missing C goes in front of H; otherwise it goes last.
    """

    channels_first: ClassVar[bool] = False

    @abstractmethod
    def get_dtype(self, name: str) -> Any:
        """Return the library's dtype of a name such as ``"float32"``, or raise DtypeError."""

    @abstractmethod
    def get_array(self, image: Any) -> Any:
        """Return the plain array in an image, or raise DtypeError for what can't be one."""

    def get_stated_axes(self, image: Any) -> str | None:
        """Return the axes that the image's own type states; None where it states none."""
        return None

    def get_shape(self, array: Any) -> Shape | None:
        """Return the array's shape: None for each size, or for all of it, that isn't known yet."""
        return tuple(array.shape)

    def set_rank(self, array: Any, count: int) -> Any:
        """Return an array of unknown shape as one with `count` axes.

        The library raises an error when its graph runs on an array with another number of axes.
        """
        raise LayoutError(f"the layout names {count} axes, and the array has an unknown number")

    def set_channels(self, array: Any, axis: int) -> Any:
        """Return an array with an unknown number of channels at `axis` as one with 3 channels.

        The number must be 1 or 3. The library raises an error when its graph runs on an array
        with another number.
        """
        raise ChannelError(
            f"the shape {self.get_shape(array)} doesn't tell here how many channels there are: "
            "set it, x.compute_chunk_sizes() in dask"
        )

    def wrap_result(self, result: Any, image: Any) -> Any:
        """Return a result as an object of the type of `image`, on the same device."""
        return result


class SharedKind(ArrayKind):
    """A kind whose arrays can have memory that numpy shares."""

    @abstractmethod
    def to_numpy_shared(self, array: Any) -> Array | None:
        """Return the array's memory as a numpy array; None where numpy can't share it.

        A dtype that numpy lacks, such as bfloat16, is seen as integers of the same size.
        """

    @abstractmethod
    def to_numpy_values(self, array: Any) -> Array | None:
        """Return the array's values as a numpy array; None where numpy can't reach them.

        The memory is shared where numpy has the dtype; otherwise the values become float32.
        """

    def read_shared(self, array: Any, shared: Array) -> Array | None:
        """Return what `to_numpy_values` does, for an array whose shared memory is known already.

        A kind that gets the values faster from `shared` overrides this.
        """
        return self.to_numpy_values(array)

    @abstractmethod
    def from_numpy(self, result: Array, dtype: Any) -> Any:
        """Return a numpy result as an array of this kind and of `dtype`, over the same memory."""

    @abstractmethod
    def format_empty_call(self, shape: tuple[int, ...], dtype: Any) -> str:
        """Return the text of the call that makes memory for a result, for a message."""

    def mark_written(self, out: Any) -> None:
        """Tell the library that the memory of `out` was written, if the library counts writes."""


class UnsharedKind(ArrayKind):
    """A kind with arrays whose memory numpy can't share.

    Attributes
    ----------
    why_not_shared : str
        The reason, for a message: the words after "… memory that numpy can share, and …".
    numpy_call : str
        The call that makes a numpy array of `x`, so that a backend can convert it.
    """

    why_not_shared: ClassVar[str]
    numpy_call: ClassVar[str]


class LibraryKind(UnsharedKind):
    """A kind whose own library converts its arrays.

    Attributes
    ----------
    library : str
        The name of the library, for a message.
    """

    library: ClassVar[str] = "this library"

    @abstractmethod
    def get_dtype_name(self, array: Any) -> str:
        """Return the name of the array's dtype, as numpy writes it: ``"uint8"``."""

    @abstractmethod
    def cast(self, array: Any, name: str) -> Any:
        """Return the array in the dtype of a name; integers that are too large wrap around."""

    @abstractmethod
    def select(self, condition: Any, first: Any, second: Any) -> Any:
        """Return the values of `first` where `condition` is true, and of `second` elsewhere."""

    @abstractmethod
    def transpose(self, array: Any, order: tuple[int, ...]) -> Any:
        """Return the array with its axes in another order."""

    @abstractmethod
    def insert_axis(self, array: Any, axis: int) -> Any:
        """Return the array with a new axis of size 1 at `axis`."""

    def make_view(self, array: Any) -> Any:
        """Return a view of the array, or raise LayoutError where the library has none."""
        raise LayoutError(
            f'{self.library} isn\'t known to make views: leave copy=False and backend="broadcast" '
            f'away, or to_rgb({self.numpy_call}, backend="broadcast")'
        )

    @abstractmethod
    def make_copy(self, array: Any) -> Any:
        """Return the array in contiguous memory of its own."""

    @abstractmethod
    def expand(self, gray: Any, axis: int, *, view: bool) -> Any:
        """Put three equal channels into a gray array.

        Parameters
        ----------
        gray : array of shape (a, …, b, …)
        axis : int
            Where the channel goes.
        view : bool
            Whether to share the memory of `gray`; LayoutError where the library has no views.

        Returns
        -------
        array of shape (a, …, 3, b, …)
        """

    @abstractmethod
    def normalize(self, image: Any, axis: int, arithmetic: Arithmetic, dtype: Any) -> Any:
        """Return the image after ``prepare``'s arithmetic, with 3 channels at `axis`.

        Parameters
        ----------
        image : array of shape (a, …, C, b, …)
            The image, with 1 or 3 channels.
        axis : int
            The axis of C.
        arithmetic : Arithmetic
        dtype : dtype of the library
            The dtype of the result.

        Returns
        -------
        array of shape (a, …, 3, b, …)
        """

    @abstractmethod
    def look_up_levels(self, array: Any, levels: Levels) -> Any:
        """Return the level of each value, in uint8 and in the array's shape."""

    @abstractmethod
    def check_values(self, array: Any, lo: float, hi: float, error: Exception) -> Any:
        """Return the array, or raise `error` if a value is NaN or lies outside of `lo` to `hi`.

        A library with graphs raises its own error, with the text of `error`, when the graph runs.
        """

    @abstractmethod
    def read_values(self, array: Any) -> Array | None:
        """Return the values, copied from their device; None in a graph or a trace, which has none.

        A dtype that numpy lacks becomes float32.
        """

    @abstractmethod
    def read_host_values(self, array: Any) -> Array | None:
        """Return the values like `read_values`; None also if that would wait for a device."""

    @abstractmethod
    def make_black(self, array: Any) -> Any:
        """Return zeros of the array's shape and dtype, on its device."""

    def call_untraced(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function that takes no arrays, so that a compiler doesn't trace into it."""
        return function(*arguments)


class BlockKind(UnsharedKind):
    """A kind whose arrays are plans of blocks, each of which is an array of another kind."""

    @abstractmethod
    def map_blocks(
        self,
        function: Callable[..., Any],
        array: Any,
        axes: Layout | None = None,
        limits: Any = None,
        channels: int = 3,
    ) -> Any:
        """Plan the call of a function on each block.

        Parameters
        ----------
        function : callable
            ``function(block)``, or ``function(block, limits)``.
        array
            An array of this kind.
        axes : Layout, optional
            The axes of a block and of what `function` makes of it; by default they are the same.
        limits : optional
            A result of `delay_call`, if the function takes limits.
        channels : int
            How many channels `function` makes, if there is a C in what it makes.
        """

    @abstractmethod
    def delay_call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Plan the call of a function, once its arguments have been computed."""

    @abstractmethod
    def reduce_blocks(
        self, array: Any, count: Callable[..., Any], merge: Callable[..., Any], state: Any
    ) -> Any:
        """Plan ``merge([count(block, state), ...])`` over all blocks.

        The blocks are computed anew after `state`, so that none of them has to be kept.
        """
