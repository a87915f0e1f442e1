"""Arithmetic in NumPy that turns a stem's kernel for color into a kernel for gray.

A network trained on RGB sees the planes ``(g - mean[c]) / std[c]`` of a gray image ``g``. Its
first convolution (the stem) is linear, so the planes don't have to be made:

    sum_c w[c] * (g - mean[c]) / std[c]  =  (sum_c w[c] / std[c]) * g
                                          + (-sum_c w[c] mean[c] / std[c]) * 1

where ``*`` is the convolution and ``1`` a plane of ones. Where the kernel lies wholly inside the
image, the second term is a constant, a bias. Near a border that is padded with zeros it isn't
constant: the network pads after it normalizes, so the kernel sees ones inside the image and zeros
outside. A second input channel with a plane of a constant does the same, exactly and at every
size. The gray is normalized first, by the mean of the means and of the stds, so that this plane
carries only what the means differ by. Weights of 8 bits then round no more than the original's.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ModelError
from .option_error import ModelOptionError

Array = NDArray[Any]

# Values from 0 to 1 have a std of 0.5 at most. 1 stands for no division, and 256 / 255 for bytes
# that are divided by 256; a std in bytes is 10 and more.
_LARGEST_STD = 2.0

_EQUAL = 1e-4  # means that differ by less than this part of a std are equal


class Normalization(NamedTuple):
    """The normalization that makes an original network's three channels of gray.

    Channel ``c`` is ``(x - mean[c]) / std[c]``, where ``x`` is the adapted network's gray input.

    Attributes
    ----------
    mean, std : ndarray of shape (3,), float64
        In the units of ``x``.
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64]

    @classmethod
    def from_stats(
        cls,
        mean: ArrayLike,
        std: ArrayLike,
        value_range: tuple[float, float] | None = None,
        normalized: tuple[float, float] | None = None,
    ) -> "Normalization":
        """Return the normalization of gray in its own range by statistics for values from 0 to 1.

        Parameters
        ----------
        mean, std : float or sequence of 1 or 3 floats
            The statistics of the training images, for values from 0 to 1.
        value_range : (lo, hi), optional
            The gray values that stand for 0 and 1; ``(0, 1)`` if neither this nor `normalized`
            is given.
        normalized : (m, s), optional
            The mean and the std if the gray is ``(g - m) / s`` of values ``g`` from 0 to 1.

        Raises
        ------
        ModelError
            If a number isn't finite, a std isn't positive, there aren't 1 or 3 numbers, or they
            can't be statistics of values from 0 to 1.
        """
        mu, sigma = (_to_vector(name, v, 3) for name, v in (("mean", mean), ("std", std)))
        if (mu > 1).all():
            raise ModelError(
                f"mean and std are statistics of values from 0 to 1, and a mean of {mu.tolist()} "
                f"may be of bytes: divide both by 255, mean={_quote_numbers(mu / 255)}, "
                f"std={_quote_numbers(sigma / 255)}; value_range=(0, 255) is for gray in bytes"
            )
        if not (sigma > 0).all():
            raise ModelError(f"every std is above 0, and these aren't: {sigma.tolist()}")
        if (sigma > _LARGEST_STD).any():
            raise ModelError(
                "the std is of values from 0 to 1, where it is at most 0.5 (or 1, if the values "
                f"aren't divided), and {sigma.tolist()} may be of bytes: divide it by 255, "
                f"std={_quote_numbers(sigma / 255)}; value_range=(0, 255) is for gray in bytes"
            )
        lo, hi = _find_limits(value_range, normalized)
        return cls(lo + (hi - lo) * mu, (hi - lo) * sigma)

    @classmethod
    def identity(cls) -> "Normalization":
        """Return the normalization whose channels are all the gray itself."""
        return cls(np.zeros(3), np.ones(3))

    def append_arithmetic(self, scale: ArrayLike, offset: ArrayLike) -> "Normalization":
        """Return this normalization followed by ``channel * scale[c] + offset[c]``."""
        std = self.std / np.asarray(scale, np.float64)
        return Normalization(self.mean - np.asarray(offset, np.float64) * std, std)

    def make_noise(self, shape: Sequence[int], seed: int) -> NDArray[np.float64]:
        """Return gray noise that becomes values from 0 to 1 by this normalization."""
        noise = np.random.default_rng(seed).random(shape)
        return np.asarray(noise * self.std[0] + self.mean[0])

    @property
    def plane_numbers(self) -> tuple[float, float, float]:
        """Return the center, the scale and the level of the planes that a stem sees.

        The first plane is ``(gray - center) / scale``, by the mean of the three means and of the
        three stds. The second one is `level`: what a mean differs from the center by at most, so
        that the weights for both planes are of the same size. If the means are equal, it is 1, and
        its weights are 0.
        """
        center, scale = float(self.mean.mean()), float(self.std.mean())
        spread = float(np.abs(self.mean - center).max() / abs(scale))
        return center, scale, spread if spread > _EQUAL else 1.0

    def equals(self, other: "Normalization") -> bool:
        """Whether both make the same channels."""
        return bool((self.mean == other.mean).all() and (self.std == other.std).all())

    @property
    def is_identity(self) -> bool:
        """Whether every channel is the gray itself."""
        return self.equals(Normalization.identity())

    @property
    def has_offset(self) -> bool:
        """Whether a gray of 0 isn't 0 in every channel, unlike padding with zeros."""
        # statistics that cancel, as 0.5 - 1 * 0.5, leave a rounding error behind
        return bool((np.abs(self.mean / self.std) > 1e-9).any())


def collapse_kernel(
    kernel: ArrayLike, normalization: Normalization, axes: str = "OIHW", groups: int = 1
) -> tuple[Array, Array]:
    """Return two kernels that replace a kernel for color: for the gray and for a plane of ones.

    Parameters
    ----------
    kernel : array_like, floating point
        The stem's weights: one axis for each letter of `axes`.
    normalization : Normalization
    axes : str
        ``O``: output channels, ``I``: input channels in a group. ``"OIHW"`` is torch's and
        ONNX's, ``"HWIO"`` is Keras's, ``"IOHW"`` is torch's transposed convolution; other
        letters are spatial.
    groups : int
        The result has one group.

    Returns
    -------
    gray, ones : ndarray of float64
        Like `kernel` with an ``I`` of 1 (and an ``O`` of all groups): ``sum_c w[c] / std[c]``
        and ``-sum_c w[c] mean[c] / std[c]``.

    Raises
    ------
    ModelError
        If the kernel doesn't see 3 channels.

    Examples
    --------
    >>> import numpy as np
    >>> from graytorgb.models.weights import Normalization, collapse_kernel
    >>> kernel = np.ones((8, 3, 5, 5), np.float32)
    >>> gray, ones = collapse_kernel(kernel, Normalization.from_stats(0.5, 0.25))
    >>> gray.shape, gray[0, 0, 0, 0], ones[0, 0, 0, 0]
    ((8, 1, 5, 5), np.float64(12.0), np.float64(-6.0))
    """
    columns = np.stack([1 / normalization.std, -normalization.mean / normalization.std], 1)
    gray, ones = np.split(mix_channels(kernel, columns, axes, groups), 2, axes.index("I"))
    return gray, ones


def collapse_stem(
    kernel: ArrayLike,
    bias: Array | None,
    normalization: Normalization,
    *,
    axes: str = "OIHW",
    groups: int = 1,
    offset: str,
) -> tuple[Array, Array | None]:
    """Return the kernel and the bias of a stem that sees gray instead of color.

    Parameters
    ----------
    kernel, normalization, axes, groups
        See :func:`collapse_kernel`.
    bias : ndarray of shape (outputs,) or None
    offset : {"plane", "bias"}
        Where the effect of the means goes, unless all means are 0: into the weights of two input
        channels, the planes of :attr:`Normalization.plane_numbers`, or into the bias.

    Returns
    -------
    kernel : ndarray of float64
    bias : ndarray or None
        The same `bias` if nothing is added to it.

    Examples
    --------
    >>> import numpy as np
    >>> from graytorgb.models.weights import Normalization, collapse_stem
    >>> kernel, half = np.ones((1, 3, 1, 1)), Normalization.from_stats(0.5, 0.25)
    >>> collapse_stem(kernel, None, half, offset="plane")[0].ravel()
    array([3., 0.])
    >>> collapse_stem(kernel, np.array([1.0]), half, offset="bias")[1]
    array([-5.])
    """
    gray, ones = collapse_kernel(kernel, normalization, axes, groups)
    if not normalization.has_offset:
        return gray, bias
    if offset == "plane":
        center, scale, level = normalization.plane_numbers
        rest = (ones + center * gray) / level
        return np.concatenate((gray * scale, rest), axes.index("I")), bias
    return gray, add_to_bias(bias, ones, axes)


def add_to_bias(bias: Array | None, ones: Array, axes: str) -> Array:
    """Return the bias plus what a kernel of these axes gives for a plane of ones.

    Parameters
    ----------
    bias : ndarray of shape (outputs,) or None
    ones : ndarray
        The kernel that sees the plane of ones.
    axes : str
        A letter for each axis of `ones`, as in :func:`collapse_kernel`.
    """
    added = np.asarray(ones.sum(tuple(k for k, axis in enumerate(axes) if axis != "O")))
    return added if bias is None else added + bias


def mix_channels(
    kernel: ArrayLike, matrix: ArrayLike, axes: str = "OIHW", groups: int = 1
) -> Array:
    """Return the kernel that sees planes instead of the channels that `matrix` makes of them.

    Parameters
    ----------
    kernel : array_like, floating point
        One axis for each letter of `axes`, as in :func:`collapse_kernel`.
    matrix : array_like of shape (channels, planes)
        Channel ``c`` is ``sum_p matrix[c, p] * plane[p]``.
    axes : str
    groups : int
        The result has one group.

    Returns
    -------
    ndarray of float64
        ``sum_c w[c] matrix[c, p]``: like `kernel`, with an ``I`` of the number of planes (and
        an ``O`` of all groups).

    Raises
    ------
    ModelError
        If the kernel doesn't see as many channels as `matrix` has.

    Examples
    --------
    >>> import numpy as np
    >>> from graytorgb.models.weights import mix_channels
    >>> mix_channels(np.ones((8, 3, 5, 5)), [[1, 0], [1, 0], [0, 1]])[0, :, 0, 0]
    array([2., 1.])
    """
    weights, matrix = np.asarray(kernel), np.asarray(matrix, np.float64)
    place, channels = (axes.index("O"), axes.index("I")), len(matrix)
    inputs = weights.shape[place[1]] if weights.ndim == len(axes) else 0
    if channels not in (inputs, inputs * groups) or channels % groups:
        raise ModelError(
            f"a kernel of shape {weights.shape}, axes {axes}, in {groups} group(s) doesn't see "
            f"{channels} channels"
        )
    # in float64, so that only the caller rounds the sum
    first = np.moveaxis(weights.astype(np.float64), place, (0, 1))
    if inputs == channels:  # a transposed convolution's inputs count all groups, its outputs one
        grouped = first.reshape(first.shape[0], groups, -1, *first.shape[2:]).swapaxes(0, 1)
    else:
        grouped = first.reshape(groups, -1, *first.shape[1:])
    parts = matrix.reshape(groups, -1, matrix.shape[1])
    mixed = np.einsum("goi...,gip->gop...", grouped, parts)
    return np.moveaxis(mixed.reshape(-1, *mixed.shape[2:]), (0, 1), place)


def _to_vector(name: str, values: ArrayLike, channels: int) -> NDArray[np.float64]:
    """Return one number for each channel, or raise a ModelError for unusable ones."""
    try:
        numbers = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        numbers = np.array([np.nan])
    if numbers.size == 1:
        numbers = np.full(channels, numbers)
    if numbers.shape != (channels,) or not np.isfinite(numbers).all():
        wanted = f"one number, or {channels} numbers, for values from 0 to 1"
        raise ModelError(f"{name} is {'a number' if channels == 1 else wanted}, not {values!r}")
    return numbers


def _quote_numbers(numbers: NDArray[np.float64]) -> str:
    """Return numbers as a tuple in a message."""
    return f"({', '.join(f'{number:.6g}' for number in numbers)})"


def _find_limits(
    value_range: tuple[float, float] | None, normalized: tuple[float, float] | None
) -> tuple[float, float]:
    """Return the gray values that stand for 0 and 1."""
    if normalized is not None:
        if value_range is not None:
            raise ModelError("state value_range=(lo, hi) or normalized=(mean, std), not both")
        mean, std = _to_pair("normalized", normalized)
        if not std > 0:
            raise ModelError(f"normalized=(mean, std) has a std above 0, not {normalized!r}")
        return -mean / std, (1 - mean) / std
    lo, hi = _to_pair("value_range", (0, 1) if value_range is None else value_range)
    if not lo < hi:
        raise ModelError(f"value_range=(lo, hi) has lo < hi, not {value_range!r}")
    return lo, hi


def _to_pair(name: str, values: Any) -> tuple[float, float]:
    """Return two numbers, or raise a ModelError for anything else."""
    try:
        is_pair = not isinstance(values, str) and np.shape(values) == (2,)
    except (TypeError, ValueError, RuntimeError):  # lists of different lengths, GPU tensors
        is_pair = False
    if not is_pair:
        raise ModelOptionError(f"{name} is two numbers, not {values!r}")
    first, second = (float(_to_vector(f"each half of {name}", v, 1)[0]) for v in values)
    return first, second
