"""Measurement of how much a network's outputs change with its images and with rounding."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError

Array = NDArray[Any]
Network = Callable[[Array], list[Array]]
# When each pixel moves by its smallest step, outputs move. Equal networks differ by up to 3 times
# as much; 8 leaves a margin.
_SAFETY = 8
_LAYERS = 100  # a deep network's rounding in epsilons; whole-number pixels have no small step
# Images matter beyond doubt if they change outputs by more than this part of the largest.
PLENTY = 1e-3


def measure_differences(expected: list[Array], actual: list[Array]) -> Array:
    """Return the absolute differences of all values; infinity if the outputs' shapes differ.

    Values that are equal and infinite, or both NaN, prove nothing and are left out.
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
    """Return how much the original's outputs change when its images change.

    The network is run on other images until its outputs change enough beyond doubt.

    Parameters
    ----------
    network : callable
        A function that returns the original's outputs for a batch.
    batch : ndarray of shape (N, 1, ...)
    eps : float
        The machine epsilon of the network's numbers.
    span : (lo, hi)
        The values of black and white. Only flat images need them.

    Raises
    ------
    ModelError
        If the outputs change no more than by rounding, so they don't depend on the image.
    """
    expected = network(batch)
    scale = find_largest(expected)
    variation = 0.0
    for other in _make_other_images(batch, span):
        difference = float(measure_differences(expected, network(other)).max(initial=0))
        if not difference < PLENTY * min(1.0, scale):  # NaN and infinity count too
            return difference if difference < np.inf else np.inf
        variation = max(variation, difference)
    if variation <= measure_rounding(network, batch, eps):
        raise ModelError(
            "nothing is proven: the original's outputs don't depend on these images. Of values "
            f"up to {scale:.3g}, they change by {variation:.2g} at most from one image to the "
            "others, to its negative and to black, so an adapted network that ignores its image "
            "would pass. Do the images have the values that the network takes (stats, "
            "value_range)? Is the network trained? An untrained head before a softmax gives all "
            "classes the same probability"
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
    """Return a lower bound of the rounding, because few outputs may stay equal by luck."""
    return _SAFETY * eps * largest


def measure_rounding(network: Network, batch: Array, eps: float) -> float:
    """Return by how much rounding alone can make the outputs of two equal networks differ.

    The original is run on its images again, with each pixel moved by the smallest step of its
    precision. This changes the rounding in its layers as much as an adaptation does. For the
    parameters see :func:`measure_variation`.
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
