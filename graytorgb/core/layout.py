"""Layouts: the meaning of each axis of an array, read from an arrow string or from a shape."""

import re
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from operator import index
from typing import Any, Literal, NamedTuple, TypeVar

from ..errors import LayoutError

_CANDIDATES = {3: (0, 2), 4: (1, 3)}  # for 3 and 4 axes: the places where C can be
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LEADING = "NT" + "".join(letter for letter in _LETTERS if letter not in "NTCHW")
RGB_SIZES = (1, 3)  # without a layout, an axis can be C only if it has one of these sizes

Shape = tuple[int | None, ...]  # None for a size that isn't known yet, in a graph or a plan
Index = tuple[Any, ...]
Size = TypeVar("Size", int, int | None)
Result = Literal["rgb", "gray"]  # what a verb makes: to_rgb three channels, to_gray one or no axis


class Layout(NamedTuple):
    """The axes of an input and of its result, a letter each: ``("NHW", "NHWC")``.

    The result has C, unless it is gray.
    """

    source: str
    target: str

    def __str__(self) -> str:
        return f"{self.source}->{self.target}"

    # methods, because torch's compiler misreads a number that a named tuple's property gives
    def channel_axis(self) -> int | None:
        """Return the axis of C in the input; None where the input has no channel axis."""
        return self.source.index("C") if "C" in self.source else None

    def rgb_axis(self) -> int:
        """Return the axis of C in the result."""
        return self.target.index("C")

    def channels(self, shape: tuple[Size, ...]) -> Size | int:
        """Return how many channels an input of this shape has; None for a size not yet known.

        >>> Layout("NHW", "NHWC").channels((64, 224, 224))
        1
        """
        return shape[self.source.index("C")] if "C" in self.source else 1

    def result_shape(self, shape: tuple[int, ...], channels: int = 3) -> tuple[int, ...]:
        """Return the shape of the result of an input of this shape, with so many channels."""
        return tuple(channels if a == "C" else shape[self.source.index(a)] for a in self.target)


def check_shape(shape: Any) -> tuple[int, ...]:
    """Return a shape that a caller states as a tuple of Python's own ints.

    Raises
    ------
    LayoutError
        If it isn't one, or a size is negative.
    """
    given = repr(shape)
    with suppress(TypeError, ValueError):
        if hasattr(shape, "shape") and tuple(shape.shape):
            given = f"an array of shape {tuple(shape.shape)}: pass its shape, x.shape"
        elif not isinstance(shape, str | bytes):
            sizes = tuple(index(each) for each in shape if not isinstance(each, bool))
            if min(sizes, default=0) >= 0 and len(sizes) == len(shape):
                return sizes
    raise LayoutError(f"a shape is a tuple of ints from 0 on, such as (64, 224, 224), not {given}")


def resolve(
    layout: str | None, shape: Shape, channels_first: bool = False, result: Result = "rgb"
) -> Layout:
    """Read a layout string, or infer one, for an array of this shape.

    Parameters
    ----------
    layout : str or None
        ``"NHW->NHWC"``, ``"HWC"``, … or None to infer the input's axes from `shape`.
    shape : tuple of int or None
        Shape of the input; None for a size that isn't known yet.
    channels_first : bool
        Whether a missing C goes in front of H, as in torch, when the layout has no arrow;
        otherwise it goes last.
    result : {"rgb", "gray"}
        What the layout is for. Without an arrow, a gray result has no C, except with
        `channels_first`.

    Returns
    -------
    Layout
        `source` has one letter an axis of `shape`; `target` has the same letters and C, or, for
        a gray result, perhaps no C.

    Raises
    ------
    LayoutError
        If the string is malformed, doesn't have an axis for each of the shape's, or, with
        None, if the shape can be read in two ways or isn't known where that matters.

    Examples
    --------
    >>> resolve("NHW->NCHW", (64, 224, 224))
    Layout(source='NHW', target='NCHW')
    >>> resolve(None, (224, 224), channels_first=True)
    Layout(source='HW', target='CHW')
    >>> resolve("NHWC", (64, 224, 224, 3), result="gray")
    Layout(source='NHWC', target='NHW')
    """
    if layout is None:
        source = _infer(shape, result)
        return Layout(source, _find_target(source, channels_first, result))
    parsed = parse(layout, channels_first, result)
    if len(parsed.source) != len(shape):
        raise _ask_for_layout(
            f"layout {layout!r} names {len(parsed.source)} axes, but the shape {shape} has "
            f"{len(shape)}: {_suggest(shape, result)}"
        )
    return parsed


def parse(layout: str, channels_first: bool = False, result: Result = "rgb") -> Layout:
    """Split a layout string into the axes of the input and of the result; spaces don't count."""
    if not isinstance(layout, str):
        raise LayoutError(f'layout is a string like "NHW->NHWC" or None, not {layout!r}')
    return recall(layout, channels_first, result) or _parse(layout, channels_first, result)


def recall(layout: str, channels_first: bool, result: Result) -> Layout | None:
    """Return the cached layout of a string; None for a malformed one.

    torch's compiler is told not to trace this function; it can't be told so for a cached one.
    """
    return _recall(layout, channels_first, result)


@lru_cache(256)  # a pipeline passes the same layout each time
def _recall(layout: str, channels_first: bool, result: Result) -> Layout | None:
    try:
        return _parse(layout, channels_first, result)
    except LayoutError:
        return None


def _parse(layout: str, channels_first: bool, result: Result) -> Layout:
    source, arrow, target = layout.replace(" ", "").partition("->")
    _check_axes(source, layout)
    default = _find_target(source, channels_first, result)
    if not arrow:
        return Layout(source, default)
    _check_axes(target, layout)
    allowed = set(source) | {"C"}
    needed = allowed if result == "rgb" else allowed - {"C"}
    missing, extra = sorted(needed - set(target)), sorted(set(target) - allowed)
    if missing or extra:
        problem = (f"lacks {', '.join(missing)}" if missing else "") + (
            (" and " if missing else "") + f"adds {', '.join(extra)}" if extra else ""
        )
        channel = "and C" if result == "rgb" else "with C or without"
        raise LayoutError(
            f"layout {layout!r}: the right side needs the left side's axes {channel}, but it "
            f'{problem}. Write "{source}->{default}"'
        )
    return Layout(source, target)


def remove_channel(axes: str) -> str:
    """Return the axes without C."""
    return axes.replace("C", "")


def insert(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """Return a shape with a new axis of size 3 at `axis`.

    >>> insert((64, 224, 224), 1)
    (64, 3, 224, 224)
    """
    return (*shape[:axis], 3, *shape[axis:])


def find_order(source: str, target: str) -> tuple[int, ...]:
    """Return the transposition that brings the axes `source` into the order of `target`.

    >>> find_order("HWC", "CHW")
    (2, 0, 1)
    """
    return tuple(source.index(letter) for letter in target)


def find_plane(axes: Layout, channel: int = 0) -> tuple[Index | None, tuple[int, ...] | None]:
    """Return how to take one channel of an input, in the axes of the result without C.

    Parameters
    ----------
    axes : Layout
    channel : int
        The number of the channel, if the input has a channel axis.

    Returns
    -------
    part : tuple or None
        The index that takes the channel; None if the input has no channel axis.
    order : tuple of int or None
        The transposition that comes next; None if the axes are in the order of the result.

    Examples
    --------
    >>> find_plane(Layout("HWCN", "NCHW"))
    ((slice(None, None, None), slice(None, None, None), 0, Ellipsis), (2, 0, 1))
    """
    axis = axes.channel_axis()
    part = None if axis is None else (*[slice(None)] * axis, channel, ...)
    source, target = remove_channel(axes.source), remove_channel(axes.target)
    return part, None if source == target else find_order(source, target)


def take_plane(
    array: Any, axes: Layout, channel: int, transpose: Callable[[Any, tuple[int, ...]], Any]
) -> Any:
    """Return one channel of an array of any library, in the axes of the result without C.

    Parameters
    ----------
    array
    axes : Layout
    channel : int
    transpose : callable
        The library's function that returns an array with its axes in another order.
    """
    part, order = find_plane(axes, channel)
    plane = array if part is None else array[part]
    return plane if order is None else transpose(plane, order)


def name_axes(ndim: int, last: str) -> str:
    """Return `ndim` axes that end in `last`, with any letters for the leading ones.

    >>> name_axes(5, "CHW")
    'NTCHW'
    """
    return _LEADING[: ndim - len(last)] + last


def _check_axes(axes: str, layout: str) -> None:
    bad = [c for c in axes if c not in _LETTERS]
    if bad:
        near = _guess_spelling(layout)
        hint = f' Did you mean "{near}"?' if near else ""
        raise LayoutError(
            f"layout {layout!r}: axes are upper-case letters, one each (H, W, C, and any other "
            f'for a leading axis), and "->" between input and result; got {bad[0]!r}.{hint}'
        )
    twice = [c for c in axes if axes.count(c) > 1]
    if twice:
        raise LayoutError(f"layout {layout!r}: axis {twice[0]} appears twice in {axes!r}")
    if not {"H", "W"} <= set(axes):
        raise LayoutError(
            f"layout {layout!r}: {axes!r} needs both H and W; one image is "
            '"HW" or "HWC", a batch "NHW" or "NCHW"'
        )


def _guess_spelling(layout: str) -> str | None:
    """Return the layout that was probably meant by a malformed string, or None.

    >>> _guess_spelling("nhw => nchw"), _guess_spelling("H x W"), _guess_spelling("channels_last")
    ('NHW->NCHW', 'HW', 'NHWC')
    """
    words = {"channels_last": "NHWC", "channels_first": "NCHW"}
    plain = re.sub(r"(?<=[A-Z])\s*x\s*(?=[A-Z])", "", layout)  # as in HxW
    plain = re.sub(r"[-=]+>|→|>|-", "->", plain.upper())
    guess = words.get(layout.strip().lower(), re.sub(r"[^A-Z>-]", "", plain))
    results: tuple[Result, ...] = ("rgb", "gray")
    if not set(guess.replace("->", "", 1)) <= set(_LETTERS):
        return None  # and its own error would ask for a guess again
    return guess if any(_recall(guess, False, result) for result in results) else None


def _with_channel(source: str, channels_first: bool) -> str:
    if "C" in source:
        return source
    at = source.index("H") if channels_first else len(source)
    return source[:at] + "C" + source[at:]


def _find_target(source: str, channels_first: bool, result: Result) -> str:
    """Return the axes of the result, where the layout has no arrow."""
    has_channel = result == "rgb" or channels_first
    return _with_channel(source, channels_first) if has_channel else remove_channel(source)


def _infer(shape: Shape, result: Result) -> str:
    """Return the axes of a shape that is one image or a batch with a channel axis.

    Raises
    ------
    LayoutError
        If the shape can be read in more than one way, or a size that decides it isn't known.
    """
    ndim = len(shape)
    if ndim == 2:
        return "HW"
    unknown = [axis for axis in _CANDIDATES.get(ndim, ()) if shape[axis] is None]
    if unknown:
        which = " and ".join(map(str, unknown))
        raise _ask_for_layout(
            f"the shape {shape} doesn't tell the size of axis {which} here, so say the layout: "
            f"{_suggest(shape, result)}"
        )
    if ndim == 3:
        if shape[-1] in RGB_SIZES and shape[0] not in RGB_SIZES:
            return "HWC"
        if shape[0] == 1 and shape[-1] not in RGB_SIZES:
            return "CHW"
    if ndim == 4:  # two conditions, because torch's compiler can't compare their results
        if shape[1] in RGB_SIZES and shape[3] not in RGB_SIZES:
            return "NCHW"
        if shape[3] in RGB_SIZES and shape[1] not in RGB_SIZES:
            return "NHWC"
    if ndim < 2:
        raise LayoutError(_suggest(shape, result))
    raise _ask_for_layout(
        f"the shape {shape} can be read in more than one way, so say the layout: "
        f"{_suggest(shape, result)}"
    )


def _ask_for_layout(message: str) -> LayoutError:
    """Return the error for axes that have to be stated, with the argument that states them."""
    error = LayoutError(message)
    error.remedies = ("layout",)
    return error


def _suggest(shape: Shape, result: Result) -> str:
    """Return the call for each reading of a shape that can be converted, for a message."""
    ndim, verb = len(shape), f"to_{result}"
    if ndim < 2:
        return (
            f"an image has at least the axes H and W, but the shape {shape} has {ndim}: "
            f"reshape it, {verb}(x.reshape(height, width))"
        )
    gray = {2: "HW", 3: "NHW", 4: "NTHW"}.get(ndim) or name_axes(ndim, "HW")
    calls = [f'{verb}(x, "{gray}") for {_count(shape[: ndim - 2])}']
    for axes in (name_axes(ndim, "CHW"), name_axes(ndim, "HWC")) if ndim > 2 else ():
        channels = shape[axes.index("C")]
        if channels is None:
            calls.append(f'{verb}(x, "{axes}") for channels on axis {axes.index("C")}')
        elif channels in RGB_SIZES:
            calls.append(f'{verb}(x, "{axes}") for {channels} channel(s) on axis {axes.index("C")}')
        elif channels in (2, 4):
            call = f'to_rgb(x, "{axes}", alpha="drop")'
            call = call if result == "rgb" else f'to_gray({call}, "{axes}")'
            calls.append(f"{call} for {channels} channels with alpha")
    text = ", or ".join(calls)
    if len(calls) == 1 and ndim > 2:
        text += (
            f'. "{name_axes(ndim, "CHW")}" or "{name_axes(ndim, "HWC")}" would be a color image, '
            "whose channel axis has 1 or 3 entries"
        )
    return text


def _count(leading: Shape) -> str:
    if not leading:
        return "one gray image"
    if None in leading:
        return "a batch of gray images"
    return f"a batch of {' x '.join(map(str, leading))} gray images"
