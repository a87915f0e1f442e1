"""``fit_channels``: how a stem's color input is made of the planes that reach it for gray.

A network may do anything linear with its image before the stem: reorder the channels, normalize
them, unshuffle pixels, cut patches. So both networks' inputs of the stem are compared, the
original's and the adapted network's, and each color channel is written as a sum of planes.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..weights import Normalization
from .planes import PlaneForm

Array = NDArray[Any]
_FEW = 8  # channels, up to which each may be a mixture of all planes
_ROUNDING = 64  # machine epsilons by which sums of a few numbers may differ
_ROWS = 8  # pixels or patches by which features are paired; noise is different in each


class ChannelFit(NamedTuple):
    """A rule by which channels are made of planes: ``channel = matrix @ planes + constant``.

    Attributes
    ----------
    matrix : ndarray of shape (channels, planes)
    constant : ndarray of shape (channels,)
    """

    matrix: Array
    constant: Array

    @property
    def has_constant(self) -> bool:
        """Whether something is added to the planes."""
        return bool(self.constant.any())

    def explains(self, color: Tensor, planes: Tensor, axis: int, eps: float) -> bool:
        """Whether the channels of `color` are made of `planes` by this rule, up to rounding."""
        if not _have_same_pixels(color, planes, axis):
            return False
        return self._explains_rows(_list_pixels(color, axis), _list_pixels(planes, axis), eps)

    def _explains_rows(self, color: Array, planes: Array, eps: float) -> bool:
        if (color.shape[1], planes.shape[1]) != self.matrix.shape:
            return False
        rounding = (
            _ROUNDING * eps * (np.abs(planes) @ np.abs(self.matrix.T) + np.abs(self.constant))
        )
        # where what was added cancels, the rounding errors of the parts are left
        rounding += _ROUNDING * eps * np.abs(color).max(initial=0)
        return bool((np.abs(planes @ self.matrix.T + self.constant - color) <= rounding).all())


def fit_channels(
    color: Tensor,
    planes: Tensor,
    axis: int,
    normalization: Normalization,
    form: PlaneForm,
    eps: float,
    *,
    allows_constant: bool,
) -> ChannelFit | None:
    """Return the rule by which channels are made of planes, or None if there is none.

    Parameters
    ----------
    color, planes : Tensor
        A stem's input in the original network and in the adapted one, for the same image.
    axis : int
        The axis of the channels.
    normalization : Normalization
        What makes the original's image of gray.
    form : PlaneForm
        The planes of the adapted network's image.
    eps : float
        The machine epsilon of the network's coarsest dtype.
    allows_constant : bool
        Whether the stem has a bias that can take a constant.
    """
    if not _have_same_pixels(color, planes, axis):
        return None
    rows = _list_pixels(color, axis), _list_pixels(planes, axis)
    guesses: list[Callable[..., ChannelFit | None]] = [expect_fit, partial(_pair_features, *rows)]
    if max(rows[0].shape[1], rows[1].shape[1]) <= _FEW:
        guesses.append(partial(_solve, *rows))
    for guess in guesses:
        fit = guess(normalization, form, allows_constant=allows_constant)
        if fit is not None and fit._explains_rows(*rows, eps):
            return fit
    return None


def _have_same_pixels(color: Tensor, planes: Tensor, axis: int) -> bool:
    """Whether two values differ in their number of channels alone."""
    if color.ndim != planes.ndim:
        return False
    return color.movedim(axis, -1).shape[:-1] == planes.movedim(axis, -1).shape[:-1]


def _list_pixels(value: Tensor, axis: int) -> Array:
    """Return a value as float64, one row for each pixel and one column for each channel."""
    last = value.detach().movedim(axis, -1).double().cpu()
    return last.reshape(-1, last.shape[-1]).numpy()


def expect_fit(
    normalization: Normalization, form: PlaneForm, *, allows_constant: bool
) -> ChannelFit | None:
    """Return the rule for a stem that sees the network's image itself.

    It is None if the means have no place: no second plane, and no bias.
    """
    mean, std = normalization
    matrix, constant = np.zeros((len(std), form.planes)), np.zeros(len(std))
    if not normalization.has_offset:
        matrix[:, 0] = 1 / std
    elif form.planes > 1:
        matrix[:, 0], matrix[:, 1] = (1 - mean / form.white) / std, -mean / std / form.white
    elif allows_constant:
        matrix[:, 0], constant = 1 / std, -mean / std
    else:
        return None
    return ChannelFit(matrix, constant)


def _solve(
    color: Array,
    planes: Array,
    normalization: Normalization,
    form: PlaneForm,
    *,
    allows_constant: bool,
) -> ChannelFit:
    """Return the rule of least squares."""
    ones = np.ones((len(planes), int(allows_constant)))
    solution = np.linalg.lstsq(np.concatenate((planes, ones), 1), color, rcond=1e-6)[0].T
    matrix, constant = np.split(solution, [planes.shape[1]], 1)
    return ChannelFit(matrix, constant.sum(1))


def _pair_features(
    color: Array,
    planes: Array,
    normalization: Normalization,
    form: PlaneForm,
    *,
    allows_constant: bool,
) -> ChannelFit | None:
    """Return the rule for features that are single pixels of a patch, each of one channel.

    Noise is different at each pixel, so a few rows tell which feature is which pixel.
    """
    mean, std = normalization
    if len(color) < 2 or (form.planes == 1 and normalization.has_offset and not allows_constant):
        return None
    rows = np.unique(np.linspace(0, len(color) - 1, _ROWS).astype(int))
    few, seen = color[rows], planes[rows]
    # the gray of each feature, if it were of this channel, and the plane's feature nearest to it
    found = [_find_nearest(few * s + m, seen) for m, s in zip(mean, std, strict=True)]
    channel = np.argmin([distance for _, distance in found], 0)
    gray = np.array([found[c][0][feature] for feature, c in enumerate(channel)])
    negative = _find_nearest(form.white - seen[:, gray], seen)[0]
    mean, std, features = mean[channel], std[channel], np.arange(len(channel))
    matrix, constant = np.zeros((color.shape[1], planes.shape[1])), np.zeros(color.shape[1])
    if form.planes == 1:
        matrix[features, gray] = 1 / std
        constant = -mean / std if normalization.has_offset else constant
    else:
        matrix[features, gray] = (1 - mean / form.white) / std
        matrix[features, negative] += -mean / std / form.white
    return ChannelFit(matrix, constant)


def _find_nearest(wanted: Array, features: Array) -> tuple[Array, Array]:
    """Return for each column of `wanted` the column of `features` nearest to it, and how near."""
    distance = np.max(
        [np.abs(w[:, None] - f[None]) for w, f in zip(wanted, features, strict=True)], 0
    )
    return distance.argmin(1), distance.min(1)
