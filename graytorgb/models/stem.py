"""What is said of two networks that don't agree, or of one that doesn't run."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError

OTHERWISE = 'how="expand" works with any network'
_EPS = {"float64": 2**-52, "float32": 2**-23, "float16": 2**-10}


def check_stem(
    name: str, expected: NDArray[Any], given: NDArray[Any], precision: str | None = None
) -> None:
    """ModelError unless the outputs of a stem agree, up to the rounding of `precision`, a dtype.

    That of the arrays by default.
    """
    eps = _EPS.get(precision or expected.dtype.name, 2**-7)
    if expected.shape != given.shape:
        raise ModelError(
            f"{name!r} gives {given.shape} for gray, and {expected.shape} for three planes; "
            f"{OTHERWISE}"
        )
    e, g = expected.astype(np.float64), given.astype(np.float64)
    scale, difference = float(np.abs(e).max()), float(np.abs(e - g).max())
    if not difference <= eps**0.5 * scale:
        raise ModelError(
            f"{name!r} doesn't give for gray what it gave for three planes: they differ by "
            f"{difference:.2g}, of values up to {scale:.2g}; {OTHERWISE}"
        )


def not_run(images: str, error: Exception, *, adapted: bool) -> ModelError:
    """Why a network gives :func:`graytorgb.models.verify` nothing for these images."""
    return ModelError(
        f"the {'adapted' if adapted else 'original'} network, of verify(original, adapted, "
        f"images), raises {type(error).__name__} for {images}: {error}"
    )
