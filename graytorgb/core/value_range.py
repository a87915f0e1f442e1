"""Value ranges: which values become the ends of a scale, stated or found in the image."""

import math
import sys
from functools import partial
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import DtypeError, LevelsError
from . import notice
from . import percentile as percentiles
from .percentile import nan_error, percentile

Array = NDArray[Any]
ValueRange = (
    tuple[float, float] | Literal["dtype", "minmax"] | tuple[Literal["percentile"], float, float]
)

_POLICIES = '(lo, hi), "dtype", "minmax" or ("percentile", p, q)'


def check_policy(value_range: Any) -> ValueRange:
    """The policy with Python's own numbers, or LevelsError unless it is one of the four."""
    if isinstance(value_range, Found):  # by a plan, for its blocks
        return cast(ValueRange, value_range)
    if isinstance(value_range, str):
        if value_range in ("dtype", "minmax"):
            return cast(ValueRange, value_range)
        from difflib import get_close_matches

        policies = {"dtype": '"dtype"', "minmax": '"minmax"', "percentile": '("percentile", 1, 99)'}
        near = get_close_matches(value_range, policies, n=1)
        hint = f"; did you mean {policies[near[0]]}?" if near else ""
        raise LevelsError(f"value_range is {_POLICIES}, not {value_range!r}{hint}")
    if isinstance(value_range, np.ndarray):
        value_range = tuple(value_range)
    if isinstance(value_range, tuple | list):
        head = tuple(v for v in value_range[:1] if isinstance(v, str) and v == "percentile")
        numbers = value_range[len(head) :]
        if len(numbers) == 2 and all(_is_finite(v) for v in numbers):
            lo, hi = map(_as_python, numbers)
            if head and not 0 <= lo < hi <= 100:
                raise LevelsError(f"percentiles go from 0 to 100, p < q, not {lo!r} and {hi!r}")
            if not lo < hi:
                raise LevelsError(f"the range is empty: lo < hi is needed, got {lo!r} and {hi!r}")
            if not (head or sys.float_info.min <= hi - lo <= sys.float_info.max):
                raise LevelsError(
                    f"float64 can't scale the range {lo!r} to {hi!r}: too wide, or too narrow"
                )
            return cast(ValueRange, (*head, lo, hi))
        if any(hasattr(v, "dtype") for v in numbers):
            raise LevelsError(
                f"value_range is {_POLICIES} with finite numbers, not arrays, {value_range!r}: "
                'float(x.min()), or "minmax"'
            )
    raise LevelsError(f"value_range is {_POLICIES} with finite numbers, not {value_range!r}")


_PYTHONS = (int, float)  # at once: to ask `numbers` takes as long as a small image


def _is_finite(value: Any) -> bool:
    if type(value) not in _PYTHONS and (isinstance(value, bool) or not isinstance(value, Real)):
        return False
    number = _as_python(value)  # a NumPy scalar would overflow in the comparison
    return abs(number) <= sys.float_info.max


def _as_python(value: Any) -> int | float:
    if type(value) in _PYTHONS:
        return cast(float, value)
    return int(value) if isinstance(value, Integral) else float(value)


def check_depth(dtype: str, value_range: ValueRange | None) -> None:
    """LevelsError for integers of 8 bits under a stated range of more: they lost their depth."""
    if dtype in ("uint8", "int8"):
        refuse_depth(255, 256, value_range)


def is_deeper(largest: int, levels: int, value_range: ValueRange | None) -> bool:
    """Whether a stated range is more than pixels of so many levels, up to `largest`, can fill.

    One above the largest is fine: DICOM's LINEAR_EXACT states 0 to 256 for 8 bits.
    """
    if value_range is None or isinstance(value_range[0], str):
        return False
    lo, hi = cast(tuple[float, float], value_range)
    return hi > largest + 1 or hi - lo > levels


def refuse_depth(largest: int, levels: int, value_range: ValueRange | None) -> None:
    """LevelsError for a stated range that is deeper than pixels of so many levels."""
    if not is_deeper(largest, levels, value_range):
        return
    lo, hi = cast(tuple[float, float], value_range)
    ends = f"to {hi}" if hi > largest else f"from {lo} to {hi}"
    raise LevelsError(
        f"this image's pixels go to {largest} at most, and the range goes {ends}. If the file has "
        "more, they were lost when it was opened, as by torchvision's ImageFolder: "
        "ImageFolder(root, loader=PIL.Image.open); by cv2.imread: cv2.imread(path, "
        "cv2.IMREAD_UNCHANGED); or by v1.ToTensor, which makes int16 of 16-bit images: put the "
        f'transform before it. Else (0, {largest}) or "dtype"'
    )


def ordered(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """`dtype` itself if its values have an order that numpy knows, else DtypeError."""
    if dtype.kind == "c":
        raise DtypeError(f"{dtype} values have no order: pass x.real or np.abs(x)")
    if dtype.kind not in "biuf":
        raise _unknown(str(dtype))
    return dtype


def nearest(name: str) -> np.dtype[Any]:
    """The dtype of numpy's own that holds the values of one of this name, or DtypeError."""
    if "float" in name and not hasattr(np, name):
        name = "float32"
    try:
        number = np.dtype(name)
    except TypeError:
        raise _unknown(name) from None
    return ordered(number)


def _unknown(name: str) -> DtypeError:
    return DtypeError(f"numpy has no {name}: convert it to one that holds its values, as int8 does")


def stated_range(dtype: np.dtype[Any], value_range: ValueRange) -> tuple[Any, Any]:
    """The values that become 0 and 255, by a policy that doesn't look at values."""
    if value_range != "dtype":
        return cast(tuple[Any, Any], value_range)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return int(limits.min), int(limits.max)
    return 0, 1


class Found(NamedTuple):
    """A range that was found in the values, and whether they have any contrast."""

    lo: Any
    hi: Any
    contrast: bool = True


def find_range(values: Array, value_range: ValueRange) -> Found:
    """The range by a policy that looks at values: Python ints where they are integers."""
    if not values.size:
        return Found(0, 1)
    if value_range == "minmax":
        lo, hi = values.min().item(), values.max().item()
        if math.isnan(lo):
            raise nan_error()
    else:
        lo, hi = percentile(values, cast(Any, value_range[1:]))
    return _check_found(lo, hi, value_range)


def _check_found(lo: Any, hi: Any, value_range: ValueRange) -> Found:
    """The range, or LevelsError if it isn't finite; one warning if it is empty."""
    if not (math.isfinite(lo) and math.isfinite(hi)):
        raise LevelsError(f"the range {lo} to {hi} isn't finite: state it, (lo, hi)")
    if lo < hi and (isinstance(lo, int) or hi - lo > sys.float_info.min):
        return Found(lo, hi)
    notice.warn_once(
        ("blank", value_range),
        f"an image has no contrast, {value_range!r} gives {lo} to {hi}: it becomes black. State "
        "the true range, (lo, hi), if that isn't meant. This is said once for each rule",
    )
    return Found(lo, hi, contrast=False)


def looks(value_range: ValueRange | None) -> bool:
    """Whether the policy depends on the values."""
    return value_range == "minmax" or (value_range is not None and value_range[0] == "percentile")


def settle(kind: Any, array: Any, value_range: Any) -> tuple[Any, Any]:
    """The image, and its range as far as its values say it: what every verb does first.

    Parameters
    ----------
    kind : ArrayKind
    array
        Of that kind.
    value_range : ValueRange, Found or None

    Returns
    -------
    array
        The image itself; a black one where a policy finds no contrast.
    value_range : (lo, hi), "dtype" or None
        (0, 1) for bool, whatever was stated: False is black and True is white.

    Raises
    ------
    LevelsError
        If 8 bits are under a range of more, or the policy looks at values that can't be seen.
    """
    dtype = kind.dtype_name(array)
    if dtype == "bool":
        return array, (0, 1)
    if looks(value_range):
        values = kind.look(array)
        if values is None:
            raise LevelsError(
                f"{value_range!r} looks at the values, which can't be seen here (another device, "
                "a gradient, a subclass, a trace or a graph): state the range, (lo, hi), or find "
                "it before"
            )
        value_range = find_range(values, value_range)
    if isinstance(value_range, Found):
        if not value_range.contrast:
            return kind.black(array), (0, 1)
        return array, (value_range.lo, value_range.hi)
    check_depth(dtype, value_range)
    return array, value_range


# Floats whose range nobody says are read as 0 to 1, and what passes these ends is an error, because
# nothing is clipped in silence. Arithmetic may pass them by a rounding error, 2**-10 in float16;
# that is less than half a level of 8 bits, and no error.
NEARLY_0_TO_1 = (-(2.0**-10), 1 + 2.0**-10)


def are_0_to_1(dtype: np.dtype[Any], value_range: ValueRange | None) -> bool:
    """Whether these are floats that are read as 0 to 1, and refused where they aren't."""
    return dtype.kind == "f" and value_range in (None, "dtype")


def outside_error(values: Array | None = None) -> LevelsError:
    """The error for floats that :func:`are_0_to_1`, and aren't: `values`, if they can be seen."""
    what = "values are beyond 0 to 1, or NaN"
    if values is not None:
        if np.isnan(np.min(values)):
            return nan_error()
        what = f"the values go from {values.min():g} to {values.max():g}"
    return LevelsError(
        f'{what}, and floats are read as 0 to 1, under "dtype" too, unless you say their range: '
        "value_range=(0, 255) for levels as floats, (0, 1) to saturate what is beyond, (lo, hi) "
        'or "minmax"'
    )


def map_blocks(
    kind: Any, function: Any, array: Any, value_range: ValueRange | None, axes: Any = None
) -> Any:
    """``function(block, value_range)`` of each block; what the policy asks is found by the plan."""
    if not looks(value_range) or array.size == 0 or array.dtype.kind == "b":
        stated = (0, 1) if looks(value_range) else value_range
        return kind.map_blocks(partial(function, value_range=stated), array, axes)
    if value_range == "minmax":
        ends = kind.fold(array, _ends, _ends_of_parts, None)
        found = kind.later(find_range, ends, value_range)
    else:
        found = _plan_percentiles(kind, array, value_range)
    return kind.map_blocks(function, array, axes, found)


def _ends(block: Array, state: None = None) -> Array:
    """The smallest and the largest value, as an array of two, or none."""
    return np.stack([block.min(), block.max()]) if block.size else block.reshape(0)


def _ends_of_parts(parts: list[Array]) -> Array:
    return _ends(np.concatenate(parts))


def _plan_percentiles(kind: Any, array: Any, value_range: Any) -> Any:
    percents = value_range[1:]
    if math.isnan(array.size):
        raise LevelsError(
            "percentiles need to know how many values there are: x.compute_chunk_sizes()"
        )
    found: Any = percentiles.begin(array.size, percents)
    for shift in percentiles.shifts(array.dtype):
        count = partial(percentiles.count, shift=shift)
        counts = kind.fold(array, count, percentiles.merge, found)
        found = kind.later(percentiles.narrow, found, counts)
    return kind.later(_finish, found, array.dtype, array.size, value_range)


def _finish(found: Any, dtype: np.dtype[Any], size: int, value_range: Any) -> Found:
    lo, hi = percentiles.finish(found, dtype, size, value_range[1:])
    return _check_found(lo, hi, value_range)
