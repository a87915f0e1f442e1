"""``prepare``: gray levels to a normalized batch of three channels, in one pass."""

from contextlib import suppress
from functools import partial
from numbers import Integral
from typing import Any, TypeVar, cast

import numpy as np

from .. import kinds
from ..backends import registry
from ..core import alpha as alphas
from ..core import saturation
from ..core.arithmetic import Arithmetic, constants
from ..core.layout import Layout, gray_moves, order
from ..core.percentile import nan_error
from ..core.stats import Stats, stats_in_one
from ..core.stats import stats as find_stats
from ..core.value_range import (
    NEARLY_0_TO_1,
    ValueRange,
    are_0_to_1,
    check_policy,
    map_blocks,
    nearest,
    ordered,
    outside_error,
    settle,
    stated_range,
)
from ..errors import DtypeError, GrayToRGBError, LevelsError, OptionError
from ..kinds import numpy as numpy_kind
from . import normalize as normalize

Batch = TypeVar("Batch")
Array = np.ndarray[Any, Any]


@stats_in_one
def prepare(
    batch: Batch,
    stats: Any,
    layout: str | None = None,
    *,
    value_range: ValueRange | None = None,
    dtype: Any = "float32",
    out: Any = None,
    threads: int | None = None,
) -> Batch:
    """Scale, normalize and expand gray images to what a pretrained RGB network takes.

    Each value becomes ``((value - lo) / (hi - lo) - mean) / std`` for each of three channels,
    where `lo` and `hi` are the ends of the value range. One pass, without temporaries. What
    is RGB already is normalized, each channel by its own statistics.

    Parameters
    ----------
    batch : ndarray, torch.Tensor, or another array as in :func:`graytorgb.to_rgb`
        Gray or RGB; integers, floats or bool, any strides. uint8, uint16, int16, float16 and
        float32 have compiled kernels, all others go through NumPy.
    stats : str, object or (mean, std)
        How the network's images were normalized in training: ``"imagenet"``, torchvision weights,
        or another source of :func:`graytorgb.stats`; or a pair of numbers, of sequences of 1 or 3
        numbers or of arrays, for values from 0 to 1.
    layout : str, optional
        As in :func:`graytorgb.to_rgb`: ``"NHW->NCHW"``.
    value_range : tuple or str, optional
        What becomes 0 and 1: ``(lo, hi)``, ``"dtype"``, ``"minmax"`` or
        ``("percentile", p, q)``, as in :func:`graytorgb.to_uint8`. Values beyond it are
        saturated. uint8 is (0, 255) unless stated. Floats are (0, 1) unless stated, and under
        ``"dtype"``; a float beyond that by more than a rounding error, 2**-10, is an error then.
        bool is black and white, whatever is stated.
    dtype : {"float32", "float16", "bfloat16", "uint8"} or dtype
        Of the result; bfloat16 for torch alone. uint8 is rounded and saturated.
    out : ndarray or torch.Tensor, optional
        Memory for the result, of its shape and dtype, C-contiguous; it is returned. After an
        error for a value it holds part of the result.
    threads : int, optional
        At most so many; by default one for each processor, and one in a worker process.

    Returns
    -------
    of the kind of `batch`
        Three channels in the axes of the layout, C-contiguous.

    Raises
    ------
    LevelsError
        If the statistics or the range can't be used, the range has to be stated and isn't, a
        value is NaN, or integers of 8 bits have a range of more than 8 bits.
    OptionError
        If `stats` is a name of no stats, mean and std are given apart, or `threads` is no
        number above 0.
    LayoutError, ChannelError, DtypeError
        As :func:`graytorgb.to_rgb`; DtypeError too for a `dtype` that isn't among the four.

    Warns
    -----
    UserWarning
        As :func:`graytorgb.to_uint8`.

    Notes
    -----
    float32 arithmetic, ``((x - m) - r) * s`` with the mean in two parts, whose error is at
    most 4 units in the last place of the result, away from the mean. Arrays that NumPy can't
    reach are computed by their own library: torch tensors on another device, with gradients or
    traced, and TensorFlow's and JAX's arrays. Floats beyond an unstated 0 to 1 are an error
    there too, in a graph when it runs; they are saturated under ``torch.vmap``, which shows no
    values, and in what ``torch.jit.trace`` makes, which keeps no check. Where ``(lo, hi)`` is
    stated NaN stays, because to look at values waits for a GPU: only the first batch there of each
    range is looked at, for the warning.

    Examples
    --------
    >>> import numpy as np, graytorgb as g2r
    >>> x = np.full((64, 28, 28), 255, np.uint8)
    >>> batch = g2r.prepare(x, "imagenet", "NHW->NCHW")
    >>> batch.shape, batch.dtype, [round(float(v), 2) for v in batch[0, :, 0, 0]]
    ((64, 3, 28, 28), dtype('float32'), [2.25, 2.43, 2.64])
    """
    try:
        found = find_stats(stats)
        target = check_dtype(dtype)
        if value_range is not None:
            value_range = check_policy(value_range)
        _check_threads(threads)
        if kinds.is_pil(batch):
            raise DtypeError(
                "prepare gives an array, and this is a PIL image: prepare(np.asarray(image), ...), "
                "or graytorgb.transforms.Prepare in a Compose"
            )
        return cast(Batch, prepare_checked(batch, found, layout, value_range, target, out, threads))
    except GrayToRGBError as error:
        error.args += (
            f"given: {kinds.describe(batch)}; layout={layout!r}, value_range={value_range!r}",
        )
        raise


def prepare_checked(
    batch: Any,
    stats: Stats,
    layout: str | None,
    value_range: ValueRange | None,
    target: str,
    out: Any = None,
    threads: int | None = None,
) -> Any:
    """:func:`prepare` after its checks; `target` may be float64 too, as a Keras layer's dtype."""
    kind = kinds.find(batch)
    array, axes = kinds.read(kind, batch, layout)
    if "C" in axes.source and array.shape[axes.source.index("C")] not in (1, 3):
        raise alphas.refuse(array.shape[axes.source.index("C")])
    dtype = kind.dtype(target)
    lent = kind.lend(array)
    if lent is None:
        if out is not None:
            raise kinds.refuse_out(kind)
        if kind.REACH == "blocks":
            one = threads or 1  # the blocks have a thread each
            function = partial(
                _prepare_block, stats=stats, layout=str(axes), dtype=target, threads=one
            )
            return map_blocks(kind, function, array, value_range, axes)
        result = _by_own_library(kind, array, axes, stats, value_range, target)
        return kind.wrap(result, batch)
    shape = axes.result_shape(array.shape)
    room = None if out is None else kinds.lend_out(kind, out, shape, dtype, lent)
    values = cast(Array, kind.lend_values(array))
    values, limits = settle(numpy_kind, values, value_range)
    arithmetic = _find_arithmetic(values.dtype, stats, limits, target)
    room, warm = (room, True) if room is not None else _empty(shape, target)
    if values.size and normalize.fill(
        values, axes, room, arithmetic, target, warm=warm, threads=threads
    ):
        raise nan_error() if arithmetic.stated else outside_error(values)
    saturation.check(numpy_kind, values, value_range)
    if out is None:
        return kind.wrap(kind.adopt(room, dtype), batch)
    kind.written(out)
    return out


def _prepare_block(block: Any, value_range: ValueRange | None, **options: Any) -> Any:
    return prepare(block, value_range=value_range, **options)


def _empty(shape: tuple[int, ...], target: str) -> tuple[Array, bool]:
    """Memory for the result, or its words, and whether its pages are there already."""
    dtype = np.dtype("uint16" if target == "bfloat16" else target)
    if registry.usable("native"):
        native: Any = registry.load("native")
        return cast(tuple[Array, bool], native.empty(shape, dtype))
    return np.empty(shape, dtype), False


def _find_arithmetic(
    dtype: np.dtype[Any], stats: Stats, value_range: ValueRange | None, target: str
) -> Arithmetic:
    """The arithmetic for a range that doesn't look at values any more."""
    ordered(dtype)
    stated = value_range is not None and not are_0_to_1(dtype, value_range)
    if value_range is not None:
        lo, hi = stated_range(dtype, value_range)
        largest = max(abs(lo), abs(hi))
        if dtype.kind in "iu" and largest > 2**53 and hi - lo < largest / 2**20:
            raise LevelsError(
                f"the range {lo} to {hi} lies beyond 2**53, where float64 doesn't tell integers "
                "apart: subtract its lower end, prepare(x - lo, ..., value_range=(0, hi - lo))"
            )
    elif dtype == np.uint8 or dtype.kind == "f":
        lo, hi = 0, 255 if dtype == np.uint8 else 1
    else:
        raise LevelsError(
            f"{dtype} doesn't tell how deep the image is: value_range=(0, 4095) for 12 "
            'bits, "dtype" for all of them'
        )
    return constants(lo, hi, stats, target, stated=stated)


def _by_own_library(
    kind: Any,
    array: Any,
    axes: Layout,
    stats: Stats,
    value_range: ValueRange | None,
    target: str,
) -> Any:
    """By the operations of the array's own library, which see no values."""
    array, limits = settle(kind, array, value_range)
    dtype = kind.dtype_name(array)
    arithmetic = kind.settle(_find_by_name, dtype, *stats, limits, target)
    if "float" in dtype and not arithmetic.stated:
        array = kind.demand(array, *NEARLY_0_TO_1, outside_error())
    axis = axes.target.index("C")
    if "C" in axes.source:  # of one channel the arithmetic makes three
        array = kind.transpose(array, order(axes.source, axes.target))
    else:
        if moves := gray_moves(axes):
            array = kind.transpose(array, moves)
        array = kind.insert_axis(array, axis)
    result = kind.normalize(array, axis, arithmetic, kind.dtype(target))
    saturation.check(kind, array, value_range)
    return result


def _find_by_name(
    dtype: str, mean: Any, std: Any, value_range: ValueRange | None, target: str
) -> Arithmetic:
    # torch's compiler takes no named tuple as an argument
    return _find_arithmetic(nearest(dtype), Stats(mean, std), value_range, target)


def check_dtype(dtype: Any) -> str:
    """The name of one of the four dtypes, as numpy or torch or a string says it."""
    name = str(dtype).removeprefix("torch.")
    if name not in normalize.DTYPES:
        with suppress(TypeError):
            name = np.dtype(dtype).name
    if name not in normalize.DTYPES:
        raise DtypeError(f"the result is one of {', '.join(normalize.DTYPES)}, not {dtype!r}")
    return name


def _check_threads(threads: Any) -> None:
    whole = isinstance(threads, Integral) and not isinstance(threads, bool)
    if threads is not None and not (whole and threads >= 1):
        raise OptionError(f"threads is a number, 1 or more, or None, not {threads!r}")
