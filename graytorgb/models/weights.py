"""The arithmetic of a stem that sees gray: kernels in, kernels out, in numpy alone.

A network trained on RGB sees the planes ``(g - mean[c]) / std[c]``, where ``g`` is the gray
image three times. Its first convolution (the stem) is linear, so the planes need not exist:

    sum_c w[c] * (g - mean[c]) / std[c]  =  (sum_c w[c] / std[c]) * g
                                          + (-sum_c w[c] mean[c] / std[c]) * 1

where ``*`` is the convolution and ``1`` a plane of ones. The second term is a constant, a bias,
where the kernel lies wholly inside the image. Within its reach of a border that is padded with
zeros it is not: the network pads after it normalizes, so the ones end where the image ends. The
plane of ones says so exactly, at every size.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ModelError

Array = NDArray[Any]


class Normalization(NamedTuple):
    """What the network's preprocessing does to the gray ``x`` that the adapted one is given.

    Plane ``c`` is ``(x - mean[c]) / std[c]``, in the units of ``x``.

    Attributes
    ----------
    mean, std : ndarray of shape (channels,), float64
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
        channels: int = 3,
    ) -> "Normalization":
        """Return the normalization by statistics for values 0 to 1, of gray in its own values.

        Parameters
        ----------
        mean, std : float or sequence of 1 or `channels` floats
            What the network was trained with, for values from 0 to 1.
        value_range : (lo, hi), optional
            The gray values that stand for 0 and 1; ``(0, 1)`` if neither this nor `normalized`
            is given.
        normalized : (m, s), optional
            The gray is ``(g - m) / s`` of values ``g`` from 0 to 1.
        channels : int

        Raises
        ------
        ModelError
            If a number isn't finite, a std isn't positive, there are not `channels` of them, or
            they can't be of values from 0 to 1.
        """
        mu, sigma = (_vector(name, v, channels) for name, v in (("mean", mean), ("std", std)))
        if (mu > 1).all():
            raise ModelError(
                f"mean and std are those of values from 0 to 1, and a mean of {mu.tolist()} is of "
                f"bytes, perhaps: divide both by 255, mean={_quote_numbers(mu / 255)}, "
                f"std={_quote_numbers(sigma / 255)}; value_range=(0, 255) is for gray in bytes"
            )
        if not (sigma > 0).all():
            raise ModelError(f"every std is above 0, and these aren't: {sigma.tolist()}")
        lo, hi = _limits(value_range, normalized)
        return cls(lo + (hi - lo) * mu, (hi - lo) * sigma)

    @classmethod
    def identity(cls, channels: int = 3) -> "Normalization":
        """Return the normalization whose planes are all the gray itself."""
        return cls(np.zeros(channels), np.ones(channels))

    def append_arithmetic(self, scale: ArrayLike, offset: ArrayLike) -> "Normalization":
        """Return this one with ``plane * scale[c] + offset[c]`` behind it, the network's own."""
        std = self.std / np.asarray(scale, np.float64)
        return Normalization(self.mean - np.asarray(offset, np.float64) * std, std)

    def equals(self, other: "Normalization") -> bool:
        """Whether both make the same planes."""
        return bool((self.mean == other.mean).all() and (self.std == other.std).all())

    @property
    def is_identity(self) -> bool:
        """Whether every plane is the gray itself."""
        return self.equals(Normalization.identity(len(self.mean)))

    @property
    def has_offset(self) -> bool:
        """Whether a gray of 0 isn't 0 in every plane, so that padding with zeros shows."""
        # statistics that cancel, as 0.5 - 1 * 0.5, leave a rounding error behind
        return bool((np.abs(self.mean / self.std) > 1e-9).any())


def collapse_kernel(
    kernel: ArrayLike, normalization: Normalization, axes: str = "OIHW", groups: int = 1
) -> tuple[Array, Array]:
    """Return the kernels that see the gray and a plane of ones, instead of the color planes.

    Parameters
    ----------
    kernel : array_like, floating point
        The stem's weights: one axis for each letter of `axes`.
    normalization : Normalization
        Of as many channels as the stem sees.
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
        If the kernel doesn't see as many channels as `normalization` has.

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
    """Return the kernel and the bias of a stem that sees gray.

    Parameters
    ----------
    kernel, normalization, axes, groups
        See :func:`collapse_kernel`.
    bias : ndarray of shape (outputs,) or None
    offset : {"plane", "bias"}
        Where the share of the means goes, unless they are 0: into weights for a second input
        channel, a plane of ones, or into the bias.

    Returns
    -------
    kernel : ndarray of float64
    bias : ndarray or None
        `bias` itself if nothing is added to it.

    Examples
    --------
    >>> import numpy as np
    >>> from graytorgb.models.weights import Normalization, collapse_stem
    >>> kernel, half = np.ones((1, 3, 1, 1)), Normalization.from_stats(0.5, 0.25)
    >>> collapse_stem(kernel, None, half, offset="plane")[0].ravel()
    array([12., -6.])
    >>> collapse_stem(kernel, np.array([1.0]), half, offset="bias")[1]
    array([-5.])
    """
    gray, ones = collapse_kernel(kernel, normalization, axes, groups)
    if not normalization.has_offset:
        return gray, bias
    if offset == "plane":
        return np.concatenate((gray, ones), axes.index("I")), bias
    added = ones.sum(tuple(k for k, axis in enumerate(axes) if axis != "O"))
    return gray, added if bias is None else added + bias


def mix_channels(
    kernel: ArrayLike, matrix: ArrayLike, axes: str = "OIHW", groups: int = 1
) -> Array:
    """Return the kernels that see the planes of which `matrix` makes the channels.

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
            f"a kernel of shape {weights.shape}, axes {axes}, in {groups} group(s) isn't one that "
            f"sees {channels} channels"
        )
    # float64: products are added here, and the caller rounds once
    first = np.moveaxis(weights.astype(np.float64), place, (0, 1))
    if inputs == channels:  # a transposed convolution's inputs count all groups, its outputs one
        grouped = first.reshape(first.shape[0], groups, -1, *first.shape[2:]).swapaxes(0, 1)
    else:
        grouped = first.reshape(groups, -1, *first.shape[1:])
    parts = matrix.reshape(groups, -1, matrix.shape[1])
    mixed = np.einsum("goi...,gip->gop...", grouped, parts)
    return np.moveaxis(mixed.reshape(-1, *mixed.shape[2:]), (0, 1), place)


def _vector(name: str, values: ArrayLike, channels: int) -> NDArray[np.float64]:
    """Return one number for each channel, or raise ModelError for unusable ones."""
    try:
        numbers = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        numbers = np.array([np.nan])
    if numbers.size == 1:
        numbers = np.full(channels, numbers)
    if numbers.shape != (channels,) or not np.isfinite(numbers).all():
        raise ModelError(
            f"{name} is a number or {channels} of them, those the network was trained with, for "
            f"values from 0 to 1; not {values!r}"
        )
    return numbers


def _quote_numbers(numbers: NDArray[np.float64]) -> str:
    """Return numbers as a tuple in a message."""
    return f"({', '.join(f'{number:.6g}' for number in numbers)})"


def _limits(
    value_range: tuple[float, float] | None, normalized: tuple[float, float] | None
) -> tuple[float, float]:
    """Return the gray values that stand for 0 and 1."""
    if normalized is not None:
        if value_range is not None:
            raise ModelError(
                "the gray is either in value_range=(lo, hi) or normalized=(mean, std), not both"
            )
        mean, std = (
            float(_vector("normalized", v, 1)[0]) for v in _check_pair("normalized", normalized)
        )
        if not std > 0:
            raise ModelError(f"normalized=(mean, std) has a std above 0, not {normalized!r}")
        return -mean / std, (1 - mean) / std
    lo, hi = (
        float(_vector("value_range", v, 1)[0])
        for v in _check_pair("value_range", (0, 1) if value_range is None else value_range)
    )
    if not lo < hi:
        raise ModelError(f"value_range=(lo, hi) has lo < hi, not {value_range!r}")
    return lo, hi


def _check_pair(name: str, values: Any) -> tuple[Any, Any]:
    """Return two values, or raise ModelError for anything else."""
    if isinstance(values, str) or np.shape(values) != (2,):
        raise ModelError(f"{name} is two numbers, not {values!r}")
    first, second = values
    return first, second
