"""How far a network's outputs move with other images, and how far with rounding."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError

Array = NDArray[Any]
Outputs = Callable[[Array], list[Array]]
Difference = Callable[[list[Array], list[Array]], Array]
# networks that give the same up to rounding differ by 1 to 3 times what a nudged image changes
_SAFETY = 8
_LAYERS = 100  # what whole numbers can't be nudged for: a deep network's rounding, in epsilons
# of the largest output: images that change more than this change it beyond doubt
PLENTY = 1e-3


def measure_variation(
    outputs: Outputs, batch: Array, eps: float, span: tuple[float, float], difference: Difference
) -> float:
    """Return how much the original's outputs change with its image.

    The first change that is enough beyond doubt is returned, so that few images are run.

    Parameters
    ----------
    outputs : callable
        The original's outputs for a batch.
    batch : ndarray of shape (N, 1, ...)
    eps : float
        The machine epsilon of the network's numbers.
    span : (lo, hi)
        The values that stand for black and white, for images that are flat.
    difference : callable
        The differences between two lists of outputs.

    Raises
    ------
    ModelError
        If rounding changes the outputs as much: then they don't depend on the image.
    """
    expected = outputs(batch)
    scale = find_largest(expected)
    changed = 0.0
    for other in _make_other_images(batch, span):
        off = float(difference(expected, outputs(other)).max(initial=0))
        if not off < PLENTY * min(1.0, scale):  # or shapes differ, or one isn't finite
            return off if off < np.inf else np.inf
        changed = max(changed, off)
    if changed <= measure_rounding(outputs, batch, eps, difference):
        raise ModelError(
            "nothing is proven: the original's outputs don't depend on these images. Of values "
            f"up to {scale:.3g}, they change by {changed:.2g} at most from one image to the "
            "others, to its negative and to black, so an adapted network that ignores its image "
            "would pass. Do the images have the values that the network takes (stats, "
            "value_range), and is it trained? After a softmax, all classes of an untrained head "
            "are equal"
        )
    return changed


def find_largest(arrays: list[Array]) -> float:
    """Return the largest finite value of any array, or 0."""
    return max((float(np.abs(a[np.isfinite(a)]).max(initial=0)) for a in arrays), default=0.0)


def _make_other_images(batch: Array, span: tuple[float, float]) -> Iterator[Array]:
    """Yield batches of the same shape with other images, in the range of these."""
    low, high = batch.min(), batch.max()
    if low == high:  # nothing is seen in black images, nor in their negatives
        noise = np.random.default_rng(0).random(batch.shape)
        yield (span[0] + (span[1] - span[0]) * noise).astype(batch.dtype)
        return
    yield (low - batch + high).astype(batch.dtype)
    if (batch != batch[:1]).any():
        yield np.repeat(batch[:1], len(batch), 0)
    yield np.full_like(batch, low)


def bound_rounding(eps: float, largest: float) -> float:
    """Return the rounding that is always possible: few outputs may by luck stay what they were."""
    return _SAFETY * eps * largest


def measure_rounding(outputs: Outputs, batch: Array, eps: float, difference: Difference) -> float:
    """Return how far rounding can move the outputs of two networks that are equal without it.

    The original is run on its images again, each value moved by one unit of its precision: its
    layers then round as differently as the layers of an adapted network. For the parameters see
    :func:`measure_variation`.
    """
    expected = outputs(batch)
    if batch.dtype.kind != "f":
        return _LAYERS * eps * find_largest(expected)
    rng = np.random.default_rng(0)
    # in float32 a nudge of float64 would vanish
    least = np.float32 if eps >= np.finfo(np.float32).eps else np.float64
    dtype = np.promote_types(batch.dtype, least)
    moved = 0.0
    for _ in range(2):
        nudged = outputs((batch * (1 + eps * rng.choice((-1, 1), batch.shape))).astype(dtype))
        off = difference(expected, nudged)
        moved = max(moved, float(off[np.isfinite(off)].max(initial=0)))
    return _SAFETY * moved
