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
_MOST_ROUNDINGS = 64  # by which sums of a few numbers may differ
_BETTER = 4  # times fewer roundings tell the better rule
_ROWS = 64  # patches by which features are paired, since noise is different in each
_TINY = 1e-6  # less than this part of the values is the rounding error of a mean
LARGEST_FIT = 2**26  # numbers in the matrix of a fit, of 512 MiB


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
        rows = _list_pixels(color, axis), _list_pixels(planes, axis)
        return self.count_roundings(*rows, eps) <= _MOST_ROUNDINGS

    def count_roundings(self, color: Array, planes: Array, eps: float) -> float:
        """Return by how many rounding errors channels differ at most from what the rule gives."""
        if (color.shape[1], planes.shape[1]) != self.matrix.shape:
            return np.inf
        parts = np.abs(planes) @ np.abs(self.matrix.T) + np.abs(self.constant)
        # where what was added cancels, the rounding errors of the parts are left
        rounding = eps * (parts + np.abs(color).max(initial=0))
        difference = np.abs(planes @ self.matrix.T + self.constant - color)
        return float((difference / np.where(rounding, rounding, eps)).max(initial=0))


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
    guesses: list[Callable[..., ChannelFit | None]] = [expect_fit]
    if rows[0].shape[1] * rows[1].shape[1] <= LARGEST_FIT:
        guesses += [partial(_repeat_rule, *rows, is_pixel_first=first) for first in (False, True)]
        guesses += [partial(_pair_features, *rows)]
    if max(rows[0].shape[1], rows[1].shape[1]) <= _FEW:
        guesses.append(partial(_solve, *rows))
    best, fewest = None, np.inf
    for guess in guesses:
        fit = guess(normalization, form, allows_constant=allows_constant)
        count = np.inf if fit is None else fit.count_roundings(*rows, eps)
        # in half precision, many rules are right up to rounding, and one is better than the others
        if count < fewest / _BETTER:
            best, fewest = fit, count
        if fewest <= _BETTER:
            break
    return best if fewest <= _MOST_ROUNDINGS else None


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
    if form.planes > 1:
        matrix[:, 0], matrix[:, 1] = form.scale / std, (form.center - mean) / std / form.level
    elif allows_constant or not normalization.has_offset:
        matrix[:, 0] = 1 / std
        constant = -mean / std if normalization.has_offset else constant
    else:
        return None
    return ChannelFit(matrix, constant)


def _repeat_rule(
    color: Array,
    planes: Array,
    normalization: Normalization,
    form: PlaneForm,
    *,
    allows_constant: bool,
    is_pixel_first: bool,
) -> ChannelFit | None:
    """Return the rule for features that are all pixels of an image or a patch, in their order.

    Parameters
    ----------
    is_pixel_first : bool
        Whether the channels of one pixel are next to each other, and not all pixels of a channel.
    """
    rule = expect_fit(normalization, form, allows_constant=allows_constant)
    pixels = planes.shape[1] // form.planes
    if rule is None or (color.shape[1], planes.shape[1]) != (pixels * 3, pixels * form.planes):
        return None
    each = np.eye(pixels)
    if is_pixel_first:
        return ChannelFit(np.kron(each, rule.matrix), np.tile(rule.constant, pixels))
    return ChannelFit(np.kron(rule.matrix, each), np.repeat(rule.constant, pixels))


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

    Noise is different at each pixel, so the feature of gray that is the same pixel is the one that
    rises and falls with it. What remains is a constant. If it has no place in a bias, it is a
    multiple of a feature that is constant.
    """
    rows = np.unique(np.linspace(0, len(color) - 1, _ROWS).astype(int))
    likeness = _standardize(color[rows]).T @ _standardize(planes[rows]) / len(rows)
    if len(rows) < 2 or not planes.shape[1]:
        return None
    features, gray = np.arange(color.shape[1]), likeness.argmax(1)
    deviation = planes[rows].std(0)[gray]
    slope = color[rows].std(0) / np.where(deviation, deviation, 1)
    constant = color[rows].mean(0) - slope * planes[rows].mean(0)[gray]
    constant[np.abs(constant) < _TINY * np.abs(color).max(initial=0)] = 0
    matrix = np.zeros((color.shape[1], planes.shape[1]))
    matrix[features, gray] = slope
    if allows_constant or not constant.any():
        return ChannelFit(matrix, constant)
    flat = np.flatnonzero((np.ptp(planes, 0) == 0) & (planes[0] != 0))
    if not len(flat):
        return None
    matrix[features, flat[0]] += constant / planes[0, flat[0]]
    return ChannelFit(matrix, np.zeros(len(constant)))


def _standardize(values: Array) -> Array:
    """Return columns with a mean of 0 and a variance of 1; those that are constant are 0."""
    deviation = values.std(0)
    return np.asarray((values - values.mean(0)) / np.where(deviation, deviation, np.inf))
