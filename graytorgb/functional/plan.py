"""The plan of a conversion to RGB: the steps for an array, and the backend that does them."""

import math
from functools import lru_cache
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from .. import kinds
from ..backends import registry
from ..backends.choose import apply_auto_rule
from ..backends.protocol import Backend
from ..core import alpha as alphas
from ..core.layout import Layout, find_order, find_plane, remove_channel, resolve
from ..errors import DtypeError, LayoutError
from ..kinds import LibraryKind

Array = NDArray[Any]
Dtype = np.dtype[Any]
Sizes = tuple[int, ...]
Key = tuple[str, bool | None, Any]  # the fields of Options, which may not be checked yet

IN_EVERY_LIBRARY = ("auto", "broadcast")  # every library has operations of its own for these


class Options(NamedTuple):
    """The options of a conversion, which hold for any image."""

    backend: str
    copy: bool | None
    alpha: alphas.Alpha

    def check(self) -> "Options":
        """Return the checked options, or raise an error if they fail for every image.

        This imports no backend.
        """
        alpha = alphas.check(self.alpha)
        if self.backend != "auto":
            registry.lookup(self.backend)
        if self.copy is not None and not isinstance(self.copy, bool):
            raise LayoutError(f"copy is None, True or False, not {self.copy!r}")
        if self.copy is False and self.backend != "auto" and not self.is_view:
            raise LayoutError(
                f"backend {self.backend!r} makes copies: copy=False goes with "
                'backend="broadcast", whose three channels are one memory'
            )
        return self if alpha is self.alpha else self._replace(alpha=alpha)

    def load_backend(self) -> "Options":
        """Import the backend that is named, if one is, and return the options."""
        if self.backend != "auto":
            registry.load(self.backend)
        return self

    @property
    def is_view(self) -> bool:
        """Whether the result is a view: `copy` decides, or the backend's rule if `copy` is None."""
        if self.backend == "auto":
            return self.copy is False
        return self.copy is not True and registry.lookup(self.backend).result == "view"


class Plan(NamedTuple):
    """The steps that convert an array, after every argument has been checked.

    Attributes
    ----------
    part : tuple or None
        The index that takes the gray channel, or the colors without their alpha.
    order : tuple of int or None
        The transposition to the axes of the result.
    axis : int or None
        Where the three equal channels go; None if the input is RGB already.
    backend : module or None
        The backend that puts them there; None if the array's own library does.
    view : bool
        Whether the result shares the memory of the input.
    is_copied : bool
        Whether a view that the backend makes is copied.
    background : tuple of 3 floats or None
        The color that the image is composited on. If there is one, no other step is done.
    axes : Layout
        The axes of the input and of the result.
    shape : tuple of int
        The shape of the result; empty if the array's own library converts it.
    """

    part: tuple[Any, ...] | None
    order: tuple[int, ...] | None
    axis: int | None
    backend: Backend | None
    view: bool
    is_copied: bool
    background: alphas.Background | None
    axes: Layout
    shape: Sizes


def plan_conversion(
    axes: Layout, channels: int, options: Options, shape: Sizes = (), dtype: Dtype | None = None
) -> Plan:
    """Return the plan that makes an array RGB, with the backend that does it.

    Parameters
    ----------
    axes : Layout
        The axes of the input and of the result.
    channels : int
        How many channels the input has; 1 without a channel axis.
    options : Options
        Checked.
    shape, dtype : tuple of int, dtype
        The shape and dtype of a numpy array; left away if the array's own library converts it.

    Raises
    ------
    ChannelError
        If there are 2 or 4 channels and `alpha` is ``"error"``, or 0 or more than 4 channels.
    DtypeError
        If the backend can't carry the dtype.
    BackendUnavailable
        If the backend is missing or broken, even if the image is RGB already and needs none.
    """
    options.load_backend()
    part = moves = axis = backend = background = None
    view, is_copied = options.is_view, False
    if channels in (2, 4) and not isinstance(options.alpha, str):
        if view:
            raise LayoutError(
                'compositing makes new values, which a view can\'t hold: copy=True, or alpha="drop"'
            )
        background = options.alpha
    elif channels == 3 or (channels == 4 and options.alpha == "drop"):
        leading = (slice(None),) * (axes.channel_axis() or 0)
        part = (*leading, slice(3), ...) if channels == 4 else None
        moves = find_order(*axes)
    elif channels == 1 or (channels == 2 and options.alpha == "drop"):
        (part, moves), axis = find_plane(axes), axes.rgb_axis()
        if dtype is not None:
            size, is_last = math.prod(shape) // channels, axes.target.endswith("C")
            name = _choose_backend(options.backend, view, size, dtype, is_last=is_last)
            backend = registry.load(name)
            is_copied = not view and registry.lookup(name).result == "view"
    else:
        raise alphas.refuse(channels)
    result = () if dtype is None else axes.result_shape(shape)
    return Plan(part, moves, axis, backend, view, is_copied, background, axes, result)


def _choose_backend(name: str, view: bool, size: int, dtype: Dtype, *, is_last: bool) -> str:
    """Return the name of the backend that puts three channels into a gray array.

    Parameters
    ----------
    name : str
        The backend that was asked for.
    view : bool
        Whether the result shares the array's memory.
    size, dtype : int, dtype
        The number of the array's values, and their dtype.
    is_last : bool
        Whether the channel goes last.
    """
    if name == "auto" and view:
        return "broadcast"
    if name == "auto":
        name = cast(str, apply_auto_rule(size, dtype, is_last).backend)
    elif not registry.lookup(name).takes(dtype):
        able = ", ".join(registry.backends_for_dtype(dtype))
        raise DtypeError(f"backend {name!r} can't carry {dtype}; these can: auto, {able}")
    return "fill" if not size and not view else name  # some libraries refuse empty images


def find_plan(shape: Sizes, dtype: Dtype, layout: str | Layout | None, options: Key) -> Plan:
    """Return the plan for a numpy array of numbers, from the cache if it was asked for before.

    A loop over batches asks for the same plan again and again, and to plan one small image takes
    as long as to convert it.
    """
    # these arguments are the key of the cache, so a plan may depend on nothing else
    return _plan_array(shape, dtype, layout, options, registry.version)


@lru_cache(1024)
def _plan_array(
    shape: Sizes, dtype: Dtype, layout: str | Layout | None, options: Key, version: int
) -> Plan:
    checked = Options(*options).check()
    axes = layout if isinstance(layout, Layout) else resolve(layout, shape)
    return plan_conversion(axes, axes.channels(shape), checked, shape, dtype)


def run_plan(plan: Plan, array: Array, out: Array | None = None) -> Array:
    """Convert a numpy array by its plan, into the checked memory of `out` if there is one."""
    part, moves, axis, backend, view, is_copied, background, axes, shape = plan
    if part is not None:
        array = array[part]
    if moves is not None:
        array = array.transpose(moves)
    if axis is not None and backend is not None:
        array = backend.expand(array, axis, out)
        if array is out or (out is None and not is_copied):
            return array
    elif background is not None:
        out = np.empty(shape, array.dtype) if out is None else out
        return _composite(array, axes, background, out)
    elif view and out is None:
        array = array.view()
        array.flags.writeable = False
        return array
    if out is None:
        return np.array(array, order="C")
    np.copyto(out, array)
    return out


def run_plan_by_library(plan: Plan, backend: str, library: LibraryKind, array: Any) -> Any:
    """Convert an array by its plan, with the operations of its own library."""
    if plan.background is not None:
        raise kinds.refuse_background(library)
    if plan.part is not None:
        array = array[plan.part]
    if plan.order is not None:
        array = library.transpose(array, plan.order)
    if plan.axis is None:
        return library.make_view(array) if plan.view else library.make_copy(array)
    if backend not in IN_EVERY_LIBRARY:
        raise kinds.refuse_backend(library, backend)
    return library.expand(array, plan.axis, view=plan.view)


def _composite(array: Array, axes: Layout, background: alphas.Background, out: Array) -> Array:
    """Composite gray or RGB with alpha on a background, in the axes of the result."""
    last = remove_channel(axes.source) + "C"
    alphas.composite(
        array.transpose(find_order(axes.source, last)),
        background,
        out.transpose(find_order(axes.target, last)),
    )
    return out
