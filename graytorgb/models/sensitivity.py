"""Sensitivity of a network: how far other images, or rounding, change its outputs."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError

Array = NDArray[Any]
Network = Callable[[Array], list[Array]]
# Equal networks differ by 1 to 3 times what the smallest step of each pixel changes.
_SAFETY = 8
_LAYERS = 100  # the rounding of a deep network in epsilons, where pixels are whole numbers
# A part of the largest output: images that change it by more do so beyond doubt.
PLENTY = 1e-3


def measure_differences(expected: list[Array], actual: list[Array]) -> Array:
    """Return the absolute differences of all values; infinity if the outputs' shapes differ.

    Values that are equal and not finite prove nothing, and are left out.
    """
    if [e.shape for e in expected] != [a.shape for a in actual]:
        return np.array([np.inf])
    parts = [np.zeros(0)]
    for e, a in zip(expected, actual, strict=True):
        is_same = (e == a) | (np.isnan(e) & np.isnan(a))
        with np.errstate(invalid="ignore"):
            parts.append(np.where(is_same, 0, np.abs(e - a))[~is_same | np.isfinite(e)])
    return np.concatenate(parts)


def measure_variation(
    network: Network, batch: Array, eps: float, span: tuple[float, float]
) -> float:
    """Return how much the original's outputs vary with its image.

    The first variation that is enough beyond doubt is returned, so that few images are run.

    Parameters
    ----------
    network : callable
        A function that returns the original's outputs for a batch.
    batch : ndarray of shape (N, 1, ...)
    eps : float
        The machine epsilon of the network's numbers.
    span : (lo, hi)
        The values that stand for black and white, for images that are flat.

    Raises
    ------
    ModelError
        If rounding changes the outputs as much: then they don't depend on the image.
    """
    expected = network(batch)
    scale = find_largest(expected)
    variation = 0.0
    for other in _make_other_images(batch, span):
        difference = float(measure_differences(expected, network(other)).max(initial=0))
        if not difference < PLENTY * min(1.0, scale):  # or shapes differ, or one isn't finite
            return difference if difference < np.inf else np.inf
        variation = max(variation, difference)
    if variation <= measure_rounding(network, batch, eps):
        raise ModelError(
            "nothing is proven: the original's outputs don't depend on these images. Of values "
            f"up to {scale:.3g}, they change by {variation:.2g} at most from one image to the "
            "others, to its negative and to black, so an adapted network that ignores its image "
            "would pass. Do the images have the values that the network takes (stats, "
            "value_range), and is it trained? After a softmax, all classes of an untrained head "
            "are equal"
        )
    return variation


def find_largest(arrays: list[Array]) -> float:
    """Return the largest finite value of any array, or 0."""
    return max((float(np.abs(a[np.isfinite(a)]).max(initial=0)) for a in arrays), default=0.0)


def _make_other_images(batch: Array, span: tuple[float, float]) -> Iterator[Array]:
    """Yield batches of the same shape with other images, within the batch's values."""
    low, high = batch.min(), batch.max()
    if low == high:  # a flat image and its negative show nothing
        noise = np.random.default_rng(0).random(batch.shape)
        yield (span[0] + (span[1] - span[0]) * noise).astype(batch.dtype)
        return
    yield (low - batch + high).astype(batch.dtype)
    if (batch != batch[:1]).any():
        yield np.repeat(batch[:1], len(batch), 0)
    yield np.full_like(batch, low)


def bound_rounding(eps: float, largest: float) -> float:
    """Return the rounding to assume at least: a few outputs may stay equal by luck."""
    return _SAFETY * eps * largest


def measure_rounding(network: Network, batch: Array, eps: float) -> float:
    """Return how far rounding can move the outputs of two networks that are equal without it.

    The original is run on its images again, with each pixel moved by the smallest step of its
    precision. Its layers then round as differently as those of an adapted network. The parameters
    are those of :func:`measure_variation`.
    """
    expected = network(batch)
    if batch.dtype.kind != "f":
        return _LAYERS * eps * find_largest(expected)
    rng = np.random.default_rng(0)
    # a step of float64 would vanish in float32
    least = np.float32 if eps >= np.finfo(np.float32).eps else np.float64
    dtype = np.promote_types(batch.dtype, least)
    rounding = 0.0
    for _ in range(2):
        moved = (batch * (1 + eps * rng.choice((-1, 1), batch.shape))).astype(dtype)
        differences = measure_differences(expected, network(moved))
        rounding = max(rounding, float(differences[np.isfinite(differences)].max(initial=0)))
    return _SAFETY * rounding
