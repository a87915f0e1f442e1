"""Value ranges: which values become the ends of a scale, stated or found in the image."""

import math
import sys
from collections.abc import Callable
from functools import lru_cache
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import DtypeError, LevelsError
from . import notice
from .percentile import percentile, refuse_nan
from .wording import suggest

Array = NDArray[Any]
ValueRange = (
    tuple[float, float] | Literal["dtype", "minmax"] | tuple[Literal["percentile"], float, float]
)

POLICIES = '(lo, hi), "dtype", "minmax" or ("percentile", p, q)'
_NAMED = {"dtype": '"dtype"', "minmax": '"minmax"', "percentile": '("percentile", 1, 99)'}


def check_policy(value_range: Any) -> ValueRange | None:
    """Return a policy with Python's own numbers, or raise LevelsError if it isn't a policy.

    None stays None: it stands for the range that the image itself tells.
    """
    if value_range is None or isinstance(value_range, Found):  # a plan found it for its blocks
        return cast("ValueRange | None", value_range)
    if isinstance(value_range, str):
        if value_range in ("dtype", "minmax"):
            return cast("ValueRange", value_range)
        hint = suggest(value_range, _NAMED, show=_NAMED.__getitem__, cutoff=0.6)
        raise LevelsError(f"value_range is {POLICIES}, not {value_range!r}{hint}")
    if isinstance(value_range, np.ndarray):
        value_range = tuple(value_range)
    hint = ""
    if isinstance(value_range, tuple | list):
        head = tuple(v for v in value_range[:1] if isinstance(v, str) and v == "percentile")
        hint = "" if head else "".join(suggest(v, ("percentile",)) for v in value_range[:1])
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
            return cast("ValueRange", (*head, lo, hi))
        if any(hasattr(v, "dtype") for v in numbers):
            raise LevelsError(
                f"value_range is {POLICIES} with finite numbers, not arrays, {value_range!r}: "
                'float(x.min()), or "minmax"'
            )
    raise LevelsError(f"value_range is {POLICIES} with finite numbers, not {value_range!r}{hint}")


_PYTHONS = (int, float)  # asked first: to ask `numbers` takes as long as a small image


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
    """Raise LevelsError for 8-bit integers with a range of more bits: they lost their depth."""
    if dtype in ("uint8", "int8"):
        refuse_depth(255, 256, value_range)


def is_deeper(largest: int, levels: int, value_range: ValueRange | None) -> bool:
    """Return whether a range goes beyond the levels that pixels can have.

    A range may end one above the largest level: DICOM's LINEAR_EXACT states 0 to 256 for 8 bits.

    Parameters
    ----------
    largest, levels : int
        The largest level of the pixels, and how many levels they have.
    value_range : ValueRange or None
    """
    if value_range is None or isinstance(value_range[0], str):
        return False
    lo, hi = cast(tuple[float, float], value_range)
    return hi > largest + 1 or hi - lo > levels


def refuse_depth(largest: int, levels: int, value_range: ValueRange | None) -> None:
    """Raise LevelsError for a range that `is_deeper` than the levels of the pixels."""
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


def check_order(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return `dtype` itself, or raise DtypeError if its values have no order that numpy knows."""
    if dtype.kind == "c":
        raise DtypeError(f"{dtype} values have no order: pass x.real or np.abs(x)")
    if dtype.kind not in "biuf":
        raise _refuse_unknown(str(dtype))
    return dtype


def find_numpy_dtype(name: str) -> np.dtype[Any]:
    """Return numpy's dtype for the values of a dtype of another library, given by its name.

    >>> find_numpy_dtype("bfloat16")
    dtype('float32')

    Raises
    ------
    DtypeError
        If numpy has no dtype for them.
    """
    if "float" in name and not hasattr(np, name):
        name = "float32"
    try:
        number = np.dtype(name)
    except TypeError:
        raise _refuse_unknown(name) from None
    return check_order(number)


def _refuse_unknown(name: str) -> DtypeError:
    return DtypeError(f"numpy has no {name}: convert it to a dtype that numpy has, such as int8")


def ask_for_range(message: str) -> LevelsError:
    """Return the error for a range that has to be stated, with the argument that states it."""
    error = LevelsError(message)
    error.remedies = ("value_range",)
    return error


def get_limits(dtype: np.dtype[Any], value_range: ValueRange | None) -> tuple[Any, Any]:
    """Return the values that are black and white, under a range that is known without the values.

    Parameters
    ----------
    dtype : dtype
        The image's dtype.
    value_range : (lo, hi), "dtype" or None
        None is the range that the dtype tells: 0 to 255 for uint8 and 0 to 1 for floats.

    Raises
    ------
    LevelsError
        If the range is None and the dtype doesn't tell it.
    """
    if value_range is None and dtype != np.uint8 and dtype.kind != "f":
        raise ask_for_range(
            f"{dtype} doesn't tell how deep the image is: value_range=(0, 4095) for 12 bits, "
            '"dtype" for all of them, "minmax" or ("percentile", 1, 99) for what this image holds'
        )
    if value_range not in (None, "dtype"):
        return cast(tuple[Any, Any], value_range)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return int(limits.min), int(limits.max)
    return 0, 1


class Found(NamedTuple):
    """A range that was found in the values, and whether the values have any contrast."""

    lo: Any
    hi: Any
    contrast: bool = True


def find_range(values: Array, value_range: ValueRange) -> Found:
    """Return the range that a policy finds in the values, as Python's ints or floats."""
    if not values.size:
        return Found(0, 1)
    if value_range == "minmax":
        lo, hi = values.min().item(), values.max().item()
        if math.isnan(lo):
            raise refuse_nan()
    else:
        lo, hi = percentile(values, cast(Any, value_range[1:]))
    return check_found(lo, hi, value_range)


def check_found(lo: Any, hi: Any, value_range: ValueRange) -> Found:
    """Return a range that was found, or raise LevelsError if it isn't finite.

    An empty range has no contrast, and causes one warning for each policy.
    """
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


def needs_values(value_range: Any) -> bool:
    """Return whether a policy depends on the values."""
    return value_range == "minmax" or (value_range is not None and value_range[0] == "percentile")


def resolve_range(
    dtype: str, value_range: Any, read_values: Callable[[], Array | None]
) -> tuple[ValueRange | None, bool]:
    """Turn a policy into a range that doesn't need the image's values any more.

    Parameters
    ----------
    dtype : str
        The name of the image's dtype.
    value_range : ValueRange, Found or None
    read_values : callable
        Returns the image's values, or None where they can't be seen. It is called only for a
        policy that needs them.

    Returns
    -------
    value_range : (lo, hi), "dtype" or None
        (0, 1) for bool, even if another range was stated: False is black and True is white.
    has_contrast : bool
        False if the policy finds none, so that the image becomes black.

    Raises
    ------
    LevelsError
        If an image of 8 bits has a range of more, or a policy needs values that can't be seen.
    """
    if dtype == "bool":
        return (0, 1), True
    if needs_values(value_range):
        values = read_values()
        if values is None:
            raise LevelsError(
                f"{value_range!r} looks at the values, which can't be seen here (another device, "
                "a gradient, a subclass, a trace or a graph): state the range, (lo, hi), or find "
                "it before"
            )
        value_range = find_range(values, value_range)
    if isinstance(value_range, Found):
        ends = (value_range.lo, value_range.hi) if value_range.contrast else (0, 1)
        return ends, value_range.contrast
    check_depth(dtype, value_range)
    return value_range, True


def resolve_array_range(array: Array, value_range: Any) -> tuple[Array, ValueRange | None]:
    """Find the range of a numpy array like `resolve_range`.

    Returns
    -------
    array : ndarray
        The array itself, or a black one where the policy finds no contrast.
    value_range : (lo, hi), "dtype" or None
    """
    name = _get_dtype_name(array.dtype)
    value_range, has_contrast = resolve_range(name, value_range, lambda: array)
    return (array if has_contrast else np.zeros(array.shape, array.dtype)), value_range


@lru_cache(64)  # numpy makes the name anew each time, which takes as long as a small image
def _get_dtype_name(dtype: np.dtype[Any]) -> str:
    return str(dtype.name)


# Floats whose range isn't stated are read as 0 to 1. A value beyond these ends is an error, because
# nothing is clipped in silence. Arithmetic can go beyond by a rounding error, up to 2**-10 in
# float16, which is less than half a level of 8 bits and no error.
NEARLY_0_TO_1 = (-(2.0**-10), 1 + 2.0**-10)


def is_unit_range(dtype: np.dtype[Any], value_range: ValueRange | None) -> bool:
    """Return whether values are floats that are read as 0 to 1, and refused beyond that."""
    return dtype.kind == "f" and value_range in (None, "dtype")


def refuse_outside(values: Array | None = None) -> LevelsError:
    """Return the error for floats beyond 0 to 1, or NaN; it tells the values if they are given."""
    advice = (
        'and floats are read as 0 to 1, under "dtype" too, unless you say their range: '
        "value_range=(0, 255) for levels as floats, (0, 1) to saturate what is beyond, (lo, hi), "
        '"minmax" or ("percentile", 1, 99)'
    )
    if values is None:  # torch's compiler traces this, and no assignment to an error
        return LevelsError(f"values are beyond 0 to 1, or NaN, {advice}")
    if np.isnan(np.min(values)):
        return refuse_nan()
    return ask_for_range(f"the values go from {values.min():g} to {values.max():g}, {advice}")
