"""``ChannelMap``: how the original's channels are made of planes in the adapted graph."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .weights import Normalization

Array = NDArray[Any]
_CANCELED = 1e-9  # constants that cancel leave less, a rounding error


@dataclass(frozen=True)
class ChannelMap:
    """A map from the planes of a value in the adapted graph to the channels of the original's.

    Channel ``c`` is ``sum_p matrix[c, p] * base[p] + constant[c]``. The first ``base`` is the gray
    input, one plane. Arithmetic in the original's graph changes the matrix and the constant, and
    needs no node in the adapted graph. An operation that moves pixels makes a new base.

    Attributes
    ----------
    base : hashable
        The value in the adapted graph: its name in ONNX, its tensor in Keras.
    matrix : ndarray of shape (channels, planes)
    constant : ndarray of shape (channels,)
    axis, rank : int
        The base's axis of planes, and how many axes the base has.
    dtype : int or str
        The base's data type: ONNX's number or Keras's name of it.
    has_axis : bool
        Whether the original has an axis for its channels. Picking one by a number drops it.
    """

    base: Any
    matrix: Array
    constant: Array
    axis: int
    rank: int
    dtype: Any
    has_axis: bool = True

    @classmethod
    def from_input(
        cls, base: Any, normalization: Normalization, axis: int, rank: int, dtype: Any
    ) -> "ChannelMap":
        """Return the map that makes the color input of the gray one, `base`."""
        mean, std = normalization
        return cls(base, 1 / std[:, None], -mean / std, axis, rank, dtype)

    @property
    def channels(self) -> int:
        """Return how many channels the original value has."""
        return len(self.matrix)

    @property
    def planes(self) -> int:
        """Return how many planes the base has."""
        return int(self.matrix.shape[1])

    @property
    def is_plain(self) -> bool:
        """Whether each channel is the base itself, so that any function of both is equal."""
        equal = self.planes == 1 and (self.matrix == 1).all() and not self.constant.any()
        return bool(equal)

    def scale(self, factor: Array) -> "ChannelMap":
        """Return the map after a multiplication by a number, or by one for each channel."""
        return replace(self, matrix=self.matrix * factor[:, None], constant=self.constant * factor)

    def shift(self, offset: Array) -> "ChannelMap":
        """Return the map after an addition of a number, or of one for each channel."""
        constant = self.constant + offset
        return replace(self, matrix=np.resize(self.matrix, (len(constant), self.planes)),
            constant=constant)  # fmt: skip

    def pick(self, index: Array) -> "ChannelMap":
        """Return the map of some of the channels; of one, without an axis, for a number."""
        rows = np.atleast_1d(index)
        return replace(
            self,
            matrix=self.matrix[rows],
            constant=self.constant[rows],
            has_axis=index.ndim > 0,
        )

    def has_constant(self, other_than: float = 0.0) -> bool:
        """Whether a channel has a constant other than `other_than`."""
        return bool((np.abs(self.constant - other_than) > _CANCELED).any())

    def with_ones(self, base: Any) -> "ChannelMap":
        """Return the map of `base`, which has a plane of ones more, in place of the constant."""
        matrix = np.concatenate((self.matrix, self.constant[:, None]), 1)
        return replace(self, base=base, matrix=matrix, constant=np.zeros(self.channels))


def concatenate_channels(parts: list[ChannelMap], base: Any) -> ChannelMap:
    """Return the map for the channels of several values, one after the other.

    Parameters
    ----------
    parts : list of ChannelMap
    base : hashable
        The value in the adapted graph that has the planes of all different bases of `parts`, in
        the order in which they come.
    """
    starts, planes = {}, 0
    for part in parts:
        if part.base not in starts:
            starts[part.base] = planes
            planes += part.planes
    matrix = np.zeros((sum(part.channels for part in parts), planes))
    row = 0
    for part in parts:
        start = starts[part.base]
        matrix[row : row + part.channels, start : start + part.planes] = part.matrix
        row += part.channels
    constant = np.concatenate([part.constant for part in parts])
    return replace(parts[0], base=base, matrix=matrix, constant=constant)
