"""The weights of three channels in one gray channel, and the arithmetic for every dtype.

The arithmetic uses operators that every array library has. So it is the same for all of them, and
gives the same bits.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, cast

from ..errors import DtypeError, OptionError
from .wording import suggest

Weights = Literal["luma", "equal", "any"]
Plane = Any  # an array of any library; here always one channel of an image
Multiply = Callable[[Plane, float], Plane]

# The weights of red, green and blue: ITU-R BT.601's in thousandths, and a mean's in thirds
PARTS = {"luma": (299, 587, 114), "equal": (1, 1, 1)}
# Those of BT.601 in 65536ths, which Pillow multiplies 8 bits by; their sum is 65536 too
BYTE_PARTS = (19595, 38470, 7471)


def check_weights(weights: Any) -> Weights:
    """Return `weights` if it is one of the three names, or raise OptionError."""
    names = (*PARTS, "any")
    if isinstance(weights, str) and weights in names:
        return cast("Weights", weights)
    raise OptionError(
        'weights is "luma" (0.299 red + 0.587 green + 0.114 blue), "equal" (the mean) or "any" '
        f"(one channel, where all three are equal), not {weights!r}{suggest(weights, names)}"
    )


def find_working_dtype(name: str) -> str:
    """Return the dtype in which values of a dtype are weighed, by their names.

    >>> [find_working_dtype(name) for name in ("uint8", "uint16", "uint32", "int64", "bfloat16")]
    ['int32', 'int32', 'int32', 'int64', 'float32']

    Raises
    ------
    DtypeError
        For complex values.
    """
    if name.startswith("complex"):
        raise DtypeError(
            "complex values have no brightness to weigh: pass x.real or abs(x), or "
            'weights="any" if the three channels are equal'
        )
    if "float" in name:
        return name if _count_bits(name) > 32 else "float32"
    return "int64" if _count_bits(name) > 32 else "int32"


def weigh_integers(planes: Sequence[Plane], name: str, weights: str) -> Plane:
    """Return the weighted mean of three planes of integers, exact and rounded to nearest.

    Ties are rounded to even. uint8 under ``"luma"`` is computed as Pillow's ``convert("L")`` does:
    ``(19595 r + 38470 g + 7471 b + 32768) >> 16``.

    Parameters
    ----------
    planes : sequence of 3 arrays
        Cast to :func:`find_working_dtype` of `name`, in which too large values wrap around.
    name : str
        The dtype of the image: an integer dtype or ``"bool"``, whose values are 0 and 1.
    weights : {"luma", "equal"}

    Returns
    -------
    array
        In the working dtype. Cast to the dtype of the image, it is the result.
    """
    if name == "uint8" and weights == "luma":
        return (_add_products(planes, BYTE_PARTS) + 32768) // 65536
    parts = PARTS[weights]
    total, bits = sum(parts), _count_bits(name)
    if bits <= 16:  # int32 holds the sum of the products
        return _divide(0, _add_products(planes, parts), total)
    # No dtype may hold that sum, so quotients and remainders are weighed apart. Values of an
    # unsigned dtype are shifted by half its range to a signed one, of the same order, and back.
    half = -(2 ** (bits - 1)) if name.startswith("u") else 0
    planes = [plane + half for plane in planes] if half else planes
    whole = _add_products([plane // total for plane in planes], parts)
    rest = _add_products([plane % total for plane in planes], parts)
    mean = _divide(whole, rest, total)
    return mean + half if half else mean


def weigh_floats(planes: Sequence[Plane], weights: str, multiply: Multiply) -> Plane:
    """Return the weighted mean of three planes of floats, which isn't finite where it overflows.

    The formula ``g - 0.299 (g - r) - 0.114 (g - b)`` gives every finite gray value itself, and has
    the gradients of the weighted sum.

    Parameters
    ----------
    planes : sequence of 3 arrays
        Cast to :func:`find_working_dtype` of the image's dtype.
    weights : {"luma", "equal"}
    multiply : callable
        Returns an array times a number, rounded.
    """
    red, green, blue = planes
    first, _, last = _find_fractions(weights)
    return (green - multiply(green - red, first)) - multiply(green - blue, last)


def add_weighed_floats(planes: Sequence[Plane], weights: str, multiply: Multiply) -> Plane:
    """Return the weighted sum of three planes, for where :func:`weigh_floats` isn't finite."""
    red, green, blue = map(multiply, planes, _find_fractions(weights))
    return (red + green) + blue


def _find_fractions(weights: str) -> tuple[float, ...]:
    parts = PARTS[weights]
    return tuple(part / sum(parts) for part in parts)


def _add_products(planes: Sequence[Plane], parts: Sequence[int]) -> Plane:
    red, green, blue = planes
    if parts == (1, 1, 1):
        return red + green + blue
    return red * parts[0] + green * parts[1] + blue * parts[2]


def _divide(whole: Plane, rest: Plane, total: int) -> Plane:
    """Return ``whole + rest / total``, rounded to nearest, ties to even.

    Only whole numbers are used, because not every library adds a truth value to a number.
    """
    below = rest // total + whole
    twice = 2 * (rest % total) + below % 2  # more than the total if the next integer is nearer
    return below + (twice + (total - 1)) // (2 * total)


def _count_bits(name: str) -> int:
    """Return the bits of a value of a dtype by the dtype's name; 8 where it says none.

    >>> _count_bits("uint16"), _count_bits("float8_e4m3fn"), _count_bits("bool")
    (16, 8, 8)
    """
    digits = name.partition("_")[0].lstrip("abcdefghijklmnopqrstuvwxyz")
    return int(digits) if digits else 64 if "double" in name else 8
