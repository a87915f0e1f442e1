"""Rules for stems (first convolutions) that torch, Keras and ONNX share."""

import difflib
from collections.abc import Callable, Collection, Iterable, Sequence
from operator import eq
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from .option_error import ModelOptionError

Array = NDArray[Any]
CHANNELS = 3  # of the image that an original's stem sees
# machine epsilons by dtype
EPS = {"float64": 2**-52, "float32": 2**-23, "float16": 2**-10, "bfloat16": 2**-7}


def make_collapse_error(why: str, *, remedies: tuple[str, ...] = ()) -> ModelError:
    """Return the error for a network that ``how="collapse"`` can't adapt; "expand" can."""
    remedies = (*remedies, "how")
    return ModelError(f'{why}; how="expand" works with any network', remedies=remedies)


def quote_names(names: Iterable[str]) -> str:
    """Return names as text for a message, each once and in quotes."""
    return ", ".join(map(repr, dict.fromkeys(names)))


def make_trace_error(problems: Iterable[str], stems: Iterable[str]) -> ModelError:
    """Return the error for an image that can't be traced to convolutions alone.

    Parameters
    ----------
    problems : iterable of str
        What the image meets, in words that follow "the image".
    stems : iterable of str
        The convolutions that the image reaches nevertheless.
    """
    names = quote_names(stems)
    also = f", beside the convolution(s) {names}" if names else ""
    return make_collapse_error(f"the image {'; '.join(dict.fromkeys(problems))}{also}")


def suggest_name(name: str, known: Iterable[str]) -> str:
    """Return a hint at the known name that is most like `name`, or ``""`` if none is."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean {near[0]!r}?" if near else ""


def check_stems(
    layers: Sequence[str] | None,
    stems: Collection[str],
    known: Collection[str],
    *,
    kind: str,
    is_name_of: Callable[[str, str], bool] = eq,
) -> None:
    """Check that the image reaches a stem, and that the caller names all stems or none.

    Parameters
    ----------
    layers : sequence of str or None
        The caller's names; None leaves the choice to the trace.
    stems : collection of str
        The convolutions that see the image.
    known : collection of str
        Every name in the network.
    kind : {"layer", "node"}
        The framework's word for a part of a network.
    is_name_of : callable
        ``is_name_of(name, full_name)`` returns whether a caller's name means that part.

    Raises
    ------
    ModelError
        If there is no stem, a name doesn't stand for a stem, or a stem isn't named.
    """
    if not stems:
        raise make_collapse_error("the image reaches no convolution")
    if layers is None:
        return
    for name in layers:
        if not any(is_name_of(name, stem) for stem in stems):
            is_there = any(is_name_of(name, each) for each in known)
            why = "isn't a convolution that sees the image"
            if not is_there:
                why = f"isn't there{suggest_name(name, [*stems, *known])}"
            raise ModelError(
                f"the {kind} {name!r} {why} (layer=); the image goes into {quote_names(stems)}"
            )
    others = [stem for stem in stems if not any(is_name_of(name, stem) for name in layers)]
    if others:
        raise ModelError(
            f"the image goes into {quote_names(others)} too, which have to change with "
            f"{quote_names(layers)}: leave layer out, or name them all"
        )


def check_sides(sides: Sequence[int | None], image: Sequence[int]) -> None:
    """Check that a network takes images of these sides.

    Parameters
    ----------
    sides : sequence of int or None
        The sides that the network takes, None for any size.
    image : sequence of int
        The sides of the images.

    Raises
    ------
    ModelError
        If the network takes other sides.
    """
    fits = [n in (None, m) for n, m in zip(sides, image, strict=False)]
    if len(sides) != len(image) or not all(fits):
        expected = " x ".join("any" if n is None else str(n) for n in sides)
        actual = " x ".join(map(str, image))
        raise ModelError(f"the network takes images of {expected}, not {actual}")


def read_size(example: Any) -> tuple[int | None, ...] | None:
    """Return the sides of an image that ``example=`` states for Keras and ONNX.

    Parameters
    ----------
    example : int, tuple of int or None, or None
        One side, or all of them. A side that is None may have any size.

    Returns
    -------
    tuple of int or None
        None if `example` is None.

    Raises
    ------
    ModelOptionError
        If `example` is anything else, such as a batch.
    """
    if example is None:
        return None
    size = (example, example) if isinstance(example, int | np.integer) else example
    if isinstance(size, tuple | list) and all(
        n is None or (isinstance(n, int | np.integer) and n is not True and n > 0) for n in size
    ):
        return tuple(None if n is None else int(n) for n in size)
    given = repr(example) if isinstance(size, tuple | list | str) else type(example).__name__
    shape = f" of shape {np.shape(example)}" if hasattr(example, "shape") else ""
    raise ModelOptionError(
        "for Keras and ONNX, example is the size of an image, (H, W), with None for any side; not "
        f"{given}{shape}"
    )


def make_overflow_error(name: str, output: Array, precision: str) -> ModelError:
    """Return the error for a stem whose output for an image isn't finite.

    Parameters
    ----------
    name : str
        The stem's name.
    output : ndarray
        The original stem's output, or the adapted one's if only that isn't finite.
    precision : str
        The dtype in which the stem calculates.
    """
    has_nan = bool(np.isnan(output).any())
    if precision == "float16" and not has_nan:
        return ModelError(
            f"float16 overflows in layer {name!r}: its output for an image is beyond 65504. Adapt "
            "the network in float32, model.float() in torch, and convert the adapted one"
        )
    what = "NaN" if has_nan else "infinite values"
    return ModelError(
        f"layer {name!r} returns {what} for an image, so its weights, or those of a layer before "
        "it, hold NaN or infinite values: load weights that are finite"
    )


def check_stem_outputs(name: str, expected: Array, actual: Array, precision: str) -> None:
    """Check that a stem's output for gray equals the original's, up to rounding.

    Parameters
    ----------
    name : str
        The stem's name.
    expected, actual : ndarray
        The original's output and the adapted stem's.
    precision : str
        The dtype in which the stem calculates.

    Raises
    ------
    ModelError
        If the shapes differ, or values differ by more than rounding.
    """
    if expected.shape != actual.shape:
        raise make_collapse_error(
            f"layer {name!r} gives {actual.shape} for gray, and {expected.shape} for three planes"
        )
    e, a = expected.astype(np.float64), actual.astype(np.float64)
    if not np.isfinite(e).all() or not np.isfinite(a).all():
        raise make_overflow_error(name, a if np.isfinite(e).all() else e, precision)
    scale, difference = float(np.abs(e).max()), float(np.abs(e - a).max())
    if not difference <= EPS.get(precision, 2**-7) ** 0.5 * scale:
        raise make_collapse_error(
            f"layer {name!r} doesn't give for gray what it gave for three planes: they differ by "
            f"{difference:.2g}, of values up to {scale:.2g}. Perhaps something changes the image "
            "before it, such as the order of the channels"
        )
