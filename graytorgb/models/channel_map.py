"""``ChannelMap``: how each channel of a traced image is made of planes in the adapted graph.

Keras and ONNX trace an image through a graph with these rules. Several functions have the
argument `where`, which describes a layer or node for messages.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .image_input import ImageInput
from .weights import Normalization, add_to_bias, mix_channels

Array = NDArray[Any]
# statistics that cancel leave a rounding error behind
_ROUNDING = 1e-9


class TraceError(Exception):
    """An error for a layer or node through which the image can't be traced.

    The message continues a sentence that begins with "the image".
    """


@dataclass(frozen=True)
class ChannelMap:
    """The rule by which a value of the original graph is made of one of the adapted graph.

    Channel ``c`` is ``sum_p matrix[c, p] * base[p] + constant[c]``, where ``base`` starts as
    the gray input, one plane. Arithmetic changes the matrix and the constant, and needs no node in
    the adapted graph. An operation that moves pixels is applied to the base.

    Attributes
    ----------
    base : hashable
        The value in the adapted graph: its name in ONNX, its tensor in Keras.
    matrix : ndarray of shape (channels, planes)
    constant : ndarray of shape (channels,)
    axis, rank : int
        The axis of the base's planes, and the number of the base's axes.
    dtype : int or str
        The base's data type, as ONNX numbers it or Keras names it.
    has_axis : bool
        Whether the original value has an axis for its channels. It has none after one channel is
        picked by its number.
    is_gray : bool
        Whether all planes of the base are of the gray, and none is of ones or of a mask.
    """

    base: Any
    matrix: Array
    constant: Array
    axis: int
    rank: int
    dtype: Any
    has_axis: bool = True
    is_gray: bool = True

    @classmethod
    def from_input(cls, base: Any, image: ImageInput, normalization: Normalization) -> "ChannelMap":
        """Return the map for an input of the original: each channel is the gray, normalized."""
        mean, std = normalization
        return cls(base, 1 / std[:, None], -mean / std, image.axis, image.rank, image.dtype)

    @property
    def channel_count(self) -> int:
        """Return how many channels the original value has."""
        return len(self.matrix)

    @property
    def plane_count(self) -> int:
        """Return how many planes the base has."""
        return int(self.matrix.shape[1])

    @property
    def is_plain(self) -> bool:
        """Whether each channel is the base itself; then any function keeps the channels equal."""
        return self.plane_count == 1 and bool((self.matrix == 1).all()) and not self.constant.any()

    def scale(self, factor: Array) -> "ChannelMap":
        """Multiply by a number, or by one for each channel."""
        return replace(self, matrix=self.matrix * factor[:, None], constant=self.constant * factor)

    def shift(self, offset: Array) -> "ChannelMap":
        """Add a number, or one for each channel."""
        constant = self.constant + offset
        matrix = np.resize(self.matrix, (len(constant), self.plane_count))
        return replace(self, matrix=matrix, constant=constant)

    def negate(self) -> "ChannelMap":
        """Multiply by -1."""
        return self.scale(-np.ones(1))

    def calculate(
        self, operator: str, operand: Any, where: str, *, is_left: bool = True
    ) -> "ChannelMap":
        """Return the map after arithmetic with a constant.

        Parameters
        ----------
        operator : {"add", "subtract", "multiply", "divide"}
        operand : array_like
            One number, or one for each channel.
        where : str
        is_left : bool
            Whether the image is the left operand.

        Raises
        ------
        TraceError
            If the image is the divisor, the result is infinite, or the operand's numbers differ
            from pixel to pixel.
        """
        numbers = self.read_numbers(operand, where)
        if operator == "divide" and not is_left:
            raise TraceError(f"is what {where} divides by")
        with np.errstate(divide="ignore", invalid="ignore"):
            if operator in ("multiply", "divide"):
                result = self.scale(1 / numbers if operator == "divide" else numbers)
            elif operator == "add" or is_left:
                result = self.shift(numbers if operator == "add" else -numbers)
            else:
                result = self.negate().shift(numbers)
        if not (np.isfinite(result.matrix).all() and np.isfinite(result.constant).all()):
            raise TraceError(f"becomes infinite in {where}")
        return result

    def combine(self, operator: str, other: "ChannelMap", where: str) -> "ChannelMap":
        """Return the map of the sum or difference of two values that are made of the same planes.

        Raises
        ------
        TraceError
            If the values are multiplied or divided, or are made of other planes.
        """
        if operator not in ("add", "subtract"):
            raise TraceError(f"goes into {where} twice")
        same = self.base == other.base and (self.axis, self.rank) == (other.axis, other.rank)
        if not same or self.has_axis != other.has_axis:
            raise TraceError(f"meets another image in {where}")
        sign = 1 if operator == "add" else -1
        matrix = self.matrix + sign * other.matrix  # a single channel meets each of the others
        return replace(self, matrix=matrix, constant=self.constant + sign * other.constant)

    def read_numbers(self, operand: Any, where: str) -> Array:
        """Return an operand's numbers: one for all channels, or one for each channel.

        Parameters
        ----------
        operand : array_like
            It broadcasts to the image as NumPy's operators do.
        where : str

        Raises
        ------
        TraceError
            If the operand adds axes, or its numbers differ from pixel to pixel.
        """
        values = np.asarray(operand, np.float64)
        rank = self.rank if self.has_axis else self.rank - 1
        if values.ndim > rank:
            raise TraceError(f"gets another axis in {where}")
        values = values.reshape((1,) * (rank - values.ndim) + values.shape)
        last = np.moveaxis(values, self.axis, -1) if self.has_axis else values[..., None]
        numbers = last.reshape(-1, last.shape[-1])
        if (numbers != numbers[0]).any():
            raise TraceError(f"meets other numbers at each pixel in {where}")
        if len(numbers[0]) not in (1, self.channel_count) and self.channel_count != 1:
            raise TraceError(
                f"has {self.channel_count} channels and meets {len(numbers[0])} numbers in {where}"
            )
        return np.asarray(numbers[0])

    def pick(self, index: Array) -> "ChannelMap":
        """Pick channels; a single number picks one channel and drops the axis."""
        rows = np.atleast_1d(index)
        matrix, constant = self.matrix[rows], self.constant[rows]
        return replace(self, matrix=matrix, constant=constant, has_axis=index.ndim > 0)

    def has_constant(self, other_than: float = 0.0) -> bool:
        """Whether the constant of any channel differs from `other_than`."""
        return bool((np.abs(self.constant - other_than) > _ROUNDING).any())

    @property
    def center(self) -> float:
        """Return the gray whose channels are nearest to 0; 0 if the base is more than the gray."""
        weights = self.matrix.sum(1)
        if not (self.is_gray and self.has_constant() and weights.any()):
            return 0.0
        return float(-(weights @ self.constant) / (weights @ weights))

    def prepare_for_zeros(self, base: Any) -> "ChannelMap":
        """Return the map onto a base that may be padded with zeros.

        The map has no constant, so zeros of the base stand for zeros of the original.

        Parameters
        ----------
        base : hashable
            This base minus :attr:`center`, with a plane of :attr:`ones_level` at its end if
            :attr:`needs_ones`. The center is about the mean of the gray, so the plane has to carry
            little, and quantization to 8 bits loses no more than in the original.
        """
        centered = self._subtract_center(base)
        return centered.with_ones(base, self.ones_level) if self.needs_ones else centered

    @property
    def needs_ones(self) -> bool:
        """Whether a constant is left after the center is subtracted, for a constant plane."""
        return self._subtract_center(None).has_constant()

    @property
    def ones_level(self) -> float:
        """Return the level of the constant plane, which is appended after the center is subtracted.

        It is the largest constant, as a difference of gray. So the weights for this plane, which
        are divided by the level, are of the size of those for the base.
        """
        centered = self._subtract_center(None)
        with np.errstate(divide="ignore", invalid="ignore"):
            levels = np.abs(centered.constant) / np.abs(centered.matrix).sum(1)
        return float(levels[np.isfinite(levels)].max(initial=0)) or 1.0

    def _subtract_center(self, base: Any) -> "ChannelMap":
        """Return the map onto a base that is this base minus the center."""
        constant = self.constant + self.center * self.matrix.sum(1)
        return replace(self, base=base, constant=constant)

    def with_ones(self, base: Any, level: float = 1.0) -> "ChannelMap":
        """Return the map onto `base`, whose last plane has this level and carries the constant."""
        matrix = np.concatenate((self.matrix, self.constant[:, None] / level), 1)
        constant = np.zeros(self.channel_count)
        return replace(self, base=base, matrix=matrix, constant=constant, is_gray=False)

    def map_planes(self, base: Any, count: int) -> "ChannelMap":
        """Return the map of a value beside this image, each of whose channels is a plane."""
        matrix, constant = np.eye(count), np.zeros(count)
        return replace(self, base=base, matrix=matrix, constant=constant, is_gray=False)

    def fold_into_stem(
        self, kernel: Array, bias: Array | None, axes: str, groups: int
    ) -> tuple[Array, Array | None]:
        """Return the kernel that sees the base, and the bias with the constant's share.

        Parameters
        ----------
        kernel, bias : ndarray
            The original's weights; `bias` itself is returned if there is no constant.
        axes : str
            A letter for each axis of the kernel, as in :func:`.weights.mix_channels`.
        groups : int
        """
        mixed = mix_channels(kernel, self.with_ones(None).matrix, axes, groups)
        seen, ones = np.split(mixed, [self.plane_count], axes.index("I"))
        return seen, add_to_bias(bias, ones, axes) if self.has_constant() else bias


def list_alike(parts: Sequence[ChannelMap | None], where: str) -> list[Any]:
    """Return the bases of images that are put together along another axis than their channels.

    Raises
    ------
    TraceError
        If a value isn't made of an image, or is made of it in another way than the first.
    """
    images = [part for part in parts if part is not None]
    first = images[0]
    for image in images:
        same = image.axis == first.axis and image.has_axis == first.has_axis
        same = same and image.dtype == first.dtype and np.array_equal(image.matrix, first.matrix)
        if not (same and np.array_equal(image.constant, first.constant)):
            raise TraceError(f"is put together with an image of other channels in {where}")
    if len(images) < len(parts):
        raise TraceError(f"is put together with something else in {where}")
    return [image.base for image in images]


def concatenate_channels(
    parts: Sequence[ChannelMap | None], axis: int, where: str, *, has_axis: bool = True
) -> tuple[ChannelMap, list[Any]]:
    """Return the map for the channels of several values, one after the other.

    Parameters
    ----------
    parts : sequence of ChannelMap or None
        None for a value that isn't made of the image.
    axis : int
        The axis along which the values are put together.
    where : str
    has_axis : bool
        Whether each value has an axis for its channels, or gets one now.

    Returns
    -------
    joined : ChannelMap
    bases : list
        The values' bases, each once. If there are several, the caller has to concatenate them and
        make that the base of `joined`.

    Raises
    ------
    TraceError
        If a value isn't made of the image, or the axis isn't the channels' axis.
    """
    images = [part for part in parts if part is not None]
    if len(images) < len(parts):
        raise TraceError(f"is put together with something else in {where}")
    if {(i.axis, i.has_axis) for i in images} != {(axis % images[0].rank, has_axis)}:
        raise TraceError(f"is put together along another axis than its channels in {where}")
    plane_counts = {image.base: image.plane_count for image in images}
    matrix = np.block([
        [image.matrix if image.base is base else np.zeros((image.channel_count, count))
            for base, count in plane_counts.items()]
        for image in images
    ])  # fmt: skip
    constant = np.concatenate([image.constant for image in images])
    is_gray = all(image.is_gray for image in images)
    joined = replace(images[0], matrix=matrix, constant=constant, has_axis=True, is_gray=is_gray)
    return joined, list(plane_counts)
