"""``choose_backend``: the rule of ``backend="auto"``, which can be asked without converting."""

import math
from typing import Any, NamedTuple

from numpy import dtype as Dtype
from numpy.typing import DTypeLike

from ..core.alpha import refuse
from ..core.layout import check_shape, resolve
from ..kinds.numpy import find_dtype
from . import registry

_SMALL = 1024  # elements: up to here a call of a library costs more than its work


class Choice(NamedTuple):
    """A backend and the reason for it; `backend` is None where none is needed."""

    backend: str | None
    reason: str


def choose_backend(shape: tuple[int, ...], dtype: DTypeLike, layout: str | None = None) -> Choice:
    """Return the backend that ``to_rgb(..., backend="auto")`` takes for such an array, and why.

    Parameters
    ----------
    shape : tuple of int
        The array's shape.
    dtype : dtype-like
        The array's dtype.
    layout : str, optional
        The axes, as in :func:`graytorgb.to_rgb` for a NumPy array. For a tensor, give the layout
        with the arrow.

    Returns
    -------
    Choice
        ``backend`` and ``reason``.

    Raises
    ------
    LayoutError, ChannelError, DtypeError
        If :func:`graytorgb.to_rgb` would raise it for this shape, layout and dtype; or if `shape`
        isn't a tuple of ints from 0 on, or `dtype` no dtype of numbers or bool.

    Examples
    --------
    >>> import graytorgb as g2r
    >>> g2r.choose_backend((64, 224, 224), "uint8", "NHW->NCHW").backend
    'native'
    """
    shape, kind = check_shape(shape), find_dtype(dtype)
    axes = resolve(layout, shape)
    channels = axes.channels(shape)
    if channels not in (1, 3):
        raise refuse(channels)
    if channels == 3:
        return Choice(None, "3 channels are RGB already, and are only passed on")
    return apply_auto_rule(math.prod(shape), kind, axes.target.endswith("C"))


def apply_auto_rule(size: int, dtype: Dtype[Any], interleaved: bool) -> Choice:
    """Return the first backend of the rule that fits the array and is usable here.

    The times in the comments are medians on an Intel Xeon (Emerald Rapids) with 2 cores, for 64
    uint8 images of 224x224 unless another array is named. On an AMD EPYC with AVX-512 and 2 cores,
    `cv2.cvtColor` of the whole batch took 0.62 to 0.84 of the time of ``native`` in six cells with
    the channels last, whose results have 0.8 to 19 MB. That was measured before the kernels kept
    their threads in a pool, and not since. ``python -m benchmarks.speed.auto`` measures the rule on
    another machine, and :func:`graytorgb.recommend` measures the backends for one array.

    Parameters
    ----------
    size : int
        How many elements the gray array has.
    dtype : numpy.dtype
        The array's dtype.
    interleaved : bool
        Whether the channels are the result's last axis; otherwise the result is planar.
    """
    if registry.is_usable("native"):
        # one image of 28x28, the whole call: native 1.3 us, fill 3.5
        # interleaved: native 0.23 ms, opencv 0.32 to 0.5, fill 3.5; planar: native 0.24, fill 0.53;
        # from 30 MB of result on, 2 to 7 times as fast as the next, in memory that is kept
        return Choice("native", "the compiled kernels run at the speed of memory")
    if size <= _SMALL:
        # one image of 28x28: fill 3.5 us, opencv 5.3, repeat 5.8
        return Choice("fill", "so small that a call costs more than its work")
    if not interleaved:
        # torchvision 0.39 ms by two threads, once torch is imported; fill 0.53, opencv 0.52
        return Choice("fill", "a planar result is whole planes copied, for which NumPy is enough")
    if registry.is_usable("opencv"):
        # opencv 0.50 ms, torchvision 3.9, fill 3.5, repeat 6.1
        return Choice("opencv", "OpenCV's vector code is the next best to the compiled kernels")
    if dtype.itemsize >= 8:
        # float64: repeat 19 ms, fill 30
        return Choice("repeat", "np.repeat interleaves wide elements best in NumPy")
    # uint8: fill 3.5 ms, repeat 6.1
    return Choice("fill", "one pass a channel is NumPy's best")
