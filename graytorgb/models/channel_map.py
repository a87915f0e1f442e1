"""What a value in the original's graph is, in terms of the planes in the adapted one's."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from .weights import Normalization

Array = NDArray[Any]
# statistics that cancel leave a rounding error behind
_NOTHING = 1e-9


@dataclass(frozen=True)
class Planes:
    """A value of the original graph, whose channels are made of a value of the adapted one.

    Channel ``c`` is ``sum_p matrix[c, p] * base[p] + constant[c]``, where ``base`` starts as
    the gray input, one plane. Arithmetic changes the matrix and the constant and leaves no node
    behind; what moves pixels is done to the base.

    Attributes
    ----------
    base : hashable
        The value in the adapted graph: its name in ONNX, its tensor in Keras.
    matrix : ndarray of shape (channels, planes)
    constant : ndarray of shape (channels,)
    axis, rank : int
        Of the base: where its planes are, and how many axes it has.
    dtype : int or str
        Its data type, as ONNX numbers it or Keras names it.
    has_axis : bool
        Whether the original has an axis for its channel; picking one by a number drops it.
    """

    base: Any
    matrix: Array
    constant: Array
    axis: int
    rank: int
    dtype: Any
    has_axis: bool = True

    @classmethod
    def of_input(
        cls, base: Any, normalization: Normalization, axis: int, rank: int, dtype: Any
    ) -> "Planes":
        """The color input, whose planes are those of the gray, normalized."""
        mean, std = normalization
        return cls(base, 1 / std[:, None], -mean / std, axis, rank, dtype)

    @property
    def channels(self) -> int:
        """Of the original value."""
        return len(self.matrix)

    @property
    def planes(self) -> int:
        """Of the base."""
        return int(self.matrix.shape[1])

    @property
    def is_plain(self) -> bool:
        """Whether each channel is the base itself, so that any function of it stays equal."""
        equal = self.planes == 1 and (self.matrix == 1).all() and not self.constant.any()
        return bool(equal)

    def scaled(self, factor: Array) -> "Planes":
        """Times a number, or one for each channel."""
        return replace(self, matrix=self.matrix * factor[:, None], constant=self.constant * factor)

    def shifted(self, offset: Array) -> "Planes":
        """Plus a number, or one for each channel."""
        constant = self.constant + offset
        return replace(self, matrix=np.resize(self.matrix, (len(constant), self.planes)),
            constant=constant)  # fmt: skip

    def picked(self, index: Array) -> "Planes":
        """These of the channels; one alone, without an axis, if `index` is a number."""
        rows = np.atleast_1d(index)
        return replace(
            self,
            matrix=self.matrix[rows],
            constant=self.constant[rows],
            has_axis=index.ndim > 0,
        )

    def differs(self, value: float = 0.0) -> bool:
        """Whether the constant is anything but `value`."""
        return bool((np.abs(self.constant - value) > _NOTHING).any())

    def with_ones(self, base: Any) -> "Planes":
        """The constant as the share of one more plane, of ones."""
        matrix = np.concatenate((self.matrix, self.constant[:, None]), 1)
        return replace(self, base=base, matrix=matrix, constant=np.zeros(self.channels))


def concatenated(parts: list[Planes], base: Any) -> Planes:
    """The channels of several values, one after the other.

    Parameters
    ----------
    base : hashable
        Their different bases, one after the other, in the order in which they come.
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


def as_taken(
    batch: Array, sides: tuple[int | None, ...], dtype: Any, axis: int, *, integers: bool
) -> Array:
    """A batch (N, 1, ...) in a network's dtype and order of axes, its channels on `axis`.

    Raises
    ------
    ModelError
        If the network takes images of other sides, None for any, or whole numbers.
    """
    given = batch.shape[2:]
    if len(sides) != len(given) or any(
        n not in (None, m) for n, m in zip(sides, given, strict=True)
    ):
        taken = " x ".join("any" if n is None else str(n) for n in sides)
        raise ModelError(f"the network takes images of {taken}, not {' x '.join(map(str, given))}")
    gray = np.asarray(batch).astype(dtype)
    if integers and not np.array_equal(gray, batch):
        raise ModelError(f"the network takes whole numbers, {dtype}, and these images aren't")
    return np.ascontiguousarray(np.moveaxis(gray, 1, axis))


def planes_of(gray: NDArray[Any], axis: int, normalization: Normalization) -> NDArray[Any]:
    """What the original is given: the gray three times, normalized."""
    if normalization.is_identity:
        return np.repeat(gray, len(normalization.mean), axis)
    shape = [-1 if k == axis else 1 for k in range(gray.ndim)]
    mean, std = (v.reshape(shape) for v in normalization)
    work = np.promote_types(gray.dtype, np.float32)  # small floats are rounded once, at the end
    return np.asarray((gray.astype(work) - mean.astype(work)) / std.astype(work), gray.dtype)
