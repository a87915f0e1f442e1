"""``prepare``: gray levels to a normalized batch of three channels, in one pass."""

from contextlib import suppress
from functools import lru_cache, partial
from numbers import Integral
from typing import Any, NamedTuple, TypeVar, cast, overload

import numpy as np

from .. import kinds
from ..backends import registry
from ..core import alpha as alphas
from ..core import saturation
from ..core import value_range as value_ranges
from ..core.arithmetic import Arithmetic, find_constants
from ..core.image_file import ImageFile
from ..core.layout import Layout, find_order, find_plane
from ..core.percentile import refuse_nan
from ..core.stats import Stats, stats_in_one
from ..core.stats import stats as find_stats
from ..core.value_range import ValueRange
from ..core.wording import add_call, suggest
from ..errors import DtypeError, GrayToRGBError, LevelsError, OptionError
from ..kinds import BlockKind, LibraryKind, SharedKind
from . import normalize
from .ranges import convert_blocks, resolve_range_by_library, warn_if_white_by_library

# The calls that mend an error, which the parts shared with to_rgb name as calls of to_rgb
_CALLS = {"alpha": 'prepare(to_rgb(x, layout, alpha="drop"), stats)'}
Batch = TypeVar("Batch")
Array = np.ndarray[Any, Any]


@overload
def prepare(
    batch: ImageFile,
    stats: Any,
    layout: str | None = None,
    *,
    value_range: ValueRange | None = None,
    dtype: Any = "float32",
    out: Any = None,
    threads: int | None = None,
) -> Array: ...
@overload
def prepare(
    batch: Batch,
    stats: Any,
    layout: str | None = None,
    *,
    value_range: ValueRange | None = None,
    dtype: Any = "float32",
    out: Any = None,
    threads: int | None = None,
) -> Batch: ...
@stats_in_one
def prepare(
    batch: Any,
    stats: Any,
    layout: str | None = None,
    *,
    value_range: ValueRange | None = None,
    dtype: Any = "float32",
    out: Any = None,
    threads: int | None = None,
) -> Any:
    """Scale, normalize and expand gray images to what a pretrained RGB network takes.

    Each value becomes ``((value - lo) / (hi - lo) - mean) / std`` for each of three channels,
    where `lo` and `hi` are the ends of the value range. This takes one pass and no temporaries.
    Each channel of what is RGB already is normalized by its own statistics.

    Parameters
    ----------
    batch : ndarray, torch.Tensor, or another array
        Gray or RGB; integers, floats or bool, of any strides and of any kind of array that
        :func:`graytorgb.to_rgb` takes. uint8, uint16, int16, float16 and float32 have compiled
        kernels, and NumPy computes all others. Or a file that :func:`graytorgb.io.read` gave.
    stats : str, object or (mean, std)
        How the network's images were normalized in training: ``"imagenet"``, torchvision weights,
        or another source of :func:`graytorgb.stats`; or a pair of numbers, of sequences of 1 or 3
        numbers or of arrays, for values from 0 to 1.
    layout : str, optional
        The axes, such as ``"NHW->NCHW"``, as :func:`graytorgb.to_rgb` takes them.
    value_range : tuple or str, optional
        What becomes 0 and 1: ``(lo, hi)``, ``"dtype"``, ``"minmax"`` or
        ``("percentile", p, q)``, as in :func:`graytorgb.to_uint8`. Values beyond it are
        saturated. By default it is what is known: a file's own range, 0 to 255 for uint8 and 0 to
        1 for floats. A float beyond 0 to 1, by more than a rounding error of 2**-10, is an error
        then, and under ``"dtype"``. bool is black and white under every range.
    dtype : {"float32", "float16", "bfloat16", "uint8"} or dtype
        The dtype of the result. Only torch, TensorFlow and JAX have bfloat16. uint8 is rounded
        and saturated.
    out : ndarray or torch.Tensor, optional
        Memory for the result, of its shape and dtype, C-contiguous; it is returned. After an
        error for a value it holds part of the result.
    threads : int, optional
        The most threads to use; by default one for each processor, and one in a worker process.

    Returns
    -------
    of the kind of `batch`
        Three channels in the axes of the layout, C-contiguous; an ndarray for a file.

    Raises
    ------
    LevelsError
        If the statistics or the range can't be used, the range has to be stated and isn't, a
        value is NaN, or integers of 8 bits have a range of more than 8 bits.
    OptionError
        If `stats` is a name of no stats, mean and std are given apart, or `threads` is no
        number above 0.
    LayoutError, ChannelError, DtypeError
        For the same reasons as in :func:`graytorgb.to_rgb`; DtypeError also for a `dtype` that
        isn't among the four.

    Warns
    -----
    UserWarning
        For the same reasons as in :func:`graytorgb.to_uint8`.

    Notes
    -----
    The arithmetic is float32, ``((x - m) - r) * s`` with the mean in two parts. Away from the mean,
    its error is at most 4 units in the last place of the result.

    Arrays that NumPy can't reach are computed by their own library: torch tensors on another
    device, with gradients or traced, and arrays of TensorFlow and JAX. Floats beyond an unstated 0
    to 1 are an error there too, in a graph when it runs. They are saturated under ``torch.vmap``,
    which shows no values, and in what ``torch.jit.trace`` makes, which keeps no check. Where
    ``(lo, hi)`` is stated NaN stays, because to look at values waits for a GPU: only the first
    batch of each range is looked at there, for the warning.

    Examples
    --------
    >>> import numpy as np, graytorgb as g2r
    >>> x = np.full((64, 28, 28), 255, np.uint8)
    >>> batch = g2r.prepare(x, "imagenet", "NHW->NCHW")
    >>> batch.shape, batch.dtype, [round(float(v), 2) for v in batch[0, :, 0, 0]]
    ((64, 3, 28, 28), dtype('float32'), [2.25, 2.43, 2.64])
    """
    given = batch
    try:
        found = find_stats(stats)
        target = check_dtype(dtype)
        if isinstance(batch, ImageFile):
            layout, value_range = batch.find_layout(layout), batch.find_range(value_range)
            batch = batch.array
        value_range = value_ranges.check_policy(value_range)
        _check_threads(threads)
        if kinds.is_pil(batch):
            raise DtypeError(
                "prepare gives an array, and this is a PIL image: prepare(np.asarray(image), ...), "
                "or graytorgb.transforms.Prepare in a Compose"
            )
        return prepare_checked(batch, found, layout, value_range, target, out, threads)
    except GrayToRGBError as error:
        add_call(error, _CALLS | {"layout": _name_layout(batch)})
        told = kinds.describe_image(given)
        error.args += (f"given: {told}; layout={layout!r}, value_range={value_range!r}",)
        raise


def _name_layout(batch: Any) -> str:
    """Return the call with a layout that images of this shape often have.

    >>> _name_layout(np.zeros((224, 224, 3)))
    'prepare(x, stats, "HWC->CHW") for one image with channels last'
    """
    try:
        shape = tuple(batch.shape)
    except (AttributeError, TypeError, ValueError):  # a graph may not know how many axes there are
        shape = ()
    if len(shape) == 1:
        return 'prepare(x.reshape(height, width), stats, "HW->CHW")'
    has_channels = len(shape) > 2 and shape[-1] in (1, 3)
    layout, what = {
        (2, False): ("HW->CHW", "one gray image"),
        (3, True): ("HWC->CHW", "one image with channels last"),
        (4, False): ("NCHW", "a batch with channels in front"),
        (4, True): ("NHWC->NCHW", "a batch with channels last"),
    }.get((len(shape), has_channels), ("NHW->NCHW", "a batch of gray images"))
    return f'prepare(x, stats, "{layout}") for {what}'


def prepare_checked(
    batch: Any,
    stats: Stats,
    layout: str | None,
    value_range: ValueRange | None,
    target: str,
    out: Any = None,
    threads: int | None = None,
    *,
    one_channel: bool = False,
) -> Any:
    """Prepare a batch once the arguments are checked.

    Parameters
    ----------
    batch, stats, layout, value_range, out, threads
        As for :func:`prepare`.
    target : str
        The dtype of the result by its name; float64 too, which a Keras layer may ask for.
    one_channel : bool
        Whether the result is the first of its channels alone, in `out`; for gray images.
    """
    kind = kinds.find_kind(batch)
    array, axes, channels = kinds.read_image(kind, batch, layout)
    if channels not in (1, 3):
        raise alphas.refuse(channels)
    dtype, options = kind.get_dtype(target), _Options(stats, value_range, target)
    if isinstance(kind, SharedKind):
        shared = kind.to_numpy_shared(array)
        values = None if shared is None else kind.read_shared(array, shared)
        if shared is not None and values is not None:
            shape = axes.result_shape(shared.shape, 1 if one_channel else 3)
            write = partial(_normalize_values, values, axes, options, threads, shape)
            return kinds.write_result(kind, batch, out, shape, dtype, shared, write)
    library = kinds.require_unshared(kind, out)
    if isinstance(library, BlockKind):
        one = threads or 1  # the blocks have a thread each
        function = partial(_prepare_block, stats=stats, layout=str(axes), dtype=target, threads=one)
        return convert_blocks(library, function, array, value_range, axes)
    result = _normalize_by_library(library, array, axes, options)
    return library.wrap_result(result, batch)


class _Options(NamedTuple):
    """The checked arguments that say what is computed."""

    stats: Stats
    value_range: ValueRange | None
    target: str


def _normalize_values(
    values: Array,
    axes: Layout,
    options: _Options,
    threads: int | None,
    shape: tuple[int, ...],
    out: Array | None,
) -> Array:
    """Return the prepared batch of a numpy array, in the checked memory of `out` if it is given."""
    stats, value_range, target = options
    values, resolved = value_ranges.resolve_array_range(values, value_range)
    arithmetic = _find_arithmetic(values.dtype, stats, resolved, target)
    is_warm = out is not None
    if out is None:
        out, is_warm = _make_room(shape, target)
    if values.size and normalize.write_normalized(
        values, axes, out, arithmetic, target, warm=is_warm, threads=threads
    ):
        raise refuse_nan() if arithmetic.stated else value_ranges.refuse_outside(values)
    saturation.warn_if_white(values, value_range)
    return out


def _prepare_block(block: Any, value_range: ValueRange | None, **options: Any) -> Any:
    return prepare(block, value_range=value_range, **options)


def _make_room(shape: tuple[int, ...], target: str) -> tuple[Array, bool]:
    """Return memory for the result, and whether its pages are there already.

    The memory is 16-bit integers for bfloat16, which numpy lacks.
    """
    dtype = np.dtype("uint16" if target == "bfloat16" else target)
    if registry.is_usable("native"):
        native: Any = registry.load("native")
        return cast(tuple[Array, bool], native.allocate(shape, dtype))
    return np.empty(shape, dtype), False


@lru_cache(64)  # a pipeline asks for the same each time
def _find_arithmetic(
    dtype: np.dtype[Any], stats: Stats, value_range: ValueRange | None, target: str
) -> Arithmetic:
    """Return the arithmetic for a range that doesn't need the values any more."""
    value_ranges.check_order(dtype)
    lo, hi = value_ranges.get_limits(dtype, value_range)
    largest = max(abs(lo), abs(hi))
    if dtype.kind in "iu" and largest > 2**53 and hi - lo < largest / 2**20:
        raise LevelsError(
            f"the range {lo} to {hi} lies beyond 2**53, where float64 doesn't tell integers "
            "apart: subtract its lower end, prepare(x - lo, ..., value_range=(0, hi - lo))"
        )
    is_stated = value_range is not None and not value_ranges.is_unit_range(dtype, value_range)
    return find_constants(lo, hi, stats, target, stated=is_stated)


def _normalize_by_library(library: LibraryKind, array: Any, axes: Layout, options: _Options) -> Any:
    """Return the prepared batch of an array, with the operations of its own library."""
    stats, value_range, target = options
    array, resolved = resolve_range_by_library(library, array, value_range)
    dtype = library.get_dtype_name(array)
    arithmetic = library.call_untraced(_find_by_name, dtype, *stats, resolved, target)
    if axes.channel_axis() is not None:  # of one channel the arithmetic makes three
        array = library.transpose(array, find_order(*axes))
    else:
        _, order = find_plane(axes)
        array = array if order is None else library.transpose(array, order)
        array = library.insert_axis(array, axes.rgb_axis())
    result = library.normalize(array, axes.rgb_axis(), arithmetic, library.get_dtype(target))
    warn_if_white_by_library(library, array, value_range)
    return result


def _find_by_name(
    dtype: str, mean: Any, std: Any, value_range: ValueRange | None, target: str
) -> Arithmetic:
    # torch's compiler takes no named tuple as an argument
    number = value_ranges.find_numpy_dtype(dtype)
    return _find_arithmetic(number, Stats(mean, std), value_range, target)


def check_dtype(dtype: Any) -> str:
    """Return the name of one of the four dtypes, given by numpy, by torch or as a string."""
    name = str(dtype).removeprefix("torch.")
    if name not in normalize.DTYPES:
        with suppress(TypeError):
            name = np.dtype(dtype).name
    if name not in normalize.DTYPES:
        near = suggest(dtype, normalize.DTYPES)
        raise DtypeError(f"the result is one of {', '.join(normalize.DTYPES)}, not {dtype!r}{near}")
    return name


def _check_threads(threads: Any) -> None:
    whole = isinstance(threads, Integral) and not isinstance(threads, bool)
    if threads is not None and not (whole and threads >= 1):
        raise OptionError(f"threads is a number, 1 or more, or None, not {threads!r}")
