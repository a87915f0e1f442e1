"""The description of a network's image input, which Keras and ONNX share."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from .stem import check_sides
from .weights import Normalization

Array = NDArray[Any]


@dataclass(frozen=True)
class ImageInput:
    """A network's input for images or volumes.

    Attributes
    ----------
    name : str
        The input's name; empty if the user gave it none.
    place : int
        The input's index among the network's inputs.
    shape : tuple of int or None
        The input's shape, with None for each size that isn't fixed.
    axis : int
        The axis of the channels.
    dtype : int or str
        The data type: a number in ONNX, a name in Keras.
    array_dtype : numpy dtype
        The data type of the arrays to pass to the input.
    has_integers : bool
        Whether the input takes whole numbers.
    """

    name: str
    place: int
    shape: tuple[int | None, ...]
    axis: int
    dtype: Any
    array_dtype: Any
    has_integers: bool

    @property
    def rank(self) -> int:
        """Return the number of axes."""
        return len(self.shape)

    @property
    def is_batch(self) -> bool:
        """Whether the first axis counts images, as in ``(N, C, H, W)``."""
        return self.rank > 3

    @property
    def sides(self) -> tuple[int | None, ...]:
        """Return the sides of an image, with None for each that isn't fixed."""
        return tuple(n for k, n in enumerate(self.shape) if k != self.axis)[self.is_batch :]

    @property
    def gray_shape(self) -> tuple[int | None, ...]:
        """Return the shape of the adapted network's input, which has one channel."""
        return tuple(1 if k == self.axis else n for k, n in enumerate(self.shape))

    def with_sides(
        self, sides: Sequence[int | None] | None, *, keep_fixed: bool = False
    ) -> "ImageInput":
        """Return the input for images of other sides.

        Parameters
        ----------
        sides : sequence of int or None, or None
            The sides that ``example=`` states. With None, the same input is returned.
        keep_fixed : bool
            Whether a side that the network fixes is kept.

        Raises
        ------
        ModelError
            If the input's images have another number of sides.
        """
        if sides is None:
            return self
        if len(sides) != len(self.sides):
            raise ModelError(f"example is {len(self.sides)} sides of an image here, not {sides}")
        if keep_fixed:
            sides = [fixed or side for fixed, side in zip(self.sides, sides, strict=True)]
        shape = [*self.shape[: self.is_batch], *sides]
        shape.insert(self.axis, self.shape[self.axis])
        return replace(self, shape=tuple(shape))

    def check_takes_normalized(self, normalization: Normalization) -> None:
        """Check that the input can take normalized values.

        Raises
        ------
        ModelError
            If the input takes whole numbers, and the normalization isn't the identity.
        """
        if self.has_integers and not normalization.is_identity:
            named = f" {self.name!r}" if self.name else ""
            raise ModelError(
                f"the input{named} takes whole numbers, so nothing can be normalized before "
                "it: call adapt(model) if the network normalizes its images itself, adapt(model, "
                "'0..1') if it takes three equal planes, and leave value_range out",
                remedies=("no stats",),
            )

    def make_noise(self, side: int, rescaling: Normalization) -> Array:
        """Return gray noise in the range that the adapted network takes.

        Parameters
        ----------
        side : int
            The size of each side that isn't fixed.
        rescaling : Normalization
            The normalization that makes values from 0 to 1 of the gray. An input of whole numbers
            gets noise from 0 to 127 instead.
        """
        images = [self.gray_shape[0] or 1] if self.is_batch else []
        shape = [*images, *(n or side for n in self.gray_shape[len(images) :])]
        seed = self.place  # several inputs get different images
        if self.has_integers:
            integers = np.random.default_rng(seed).integers(0, 128, shape, np.int64)
            return integers.astype(self.array_dtype)
        return np.asarray(rescaling.make_noise(shape, seed), self.array_dtype)

    def make_planes(self, gray: Array, normalization: Normalization | None) -> Array:
        """Return the network's input: the gray three times, normalized.

        Parameters
        ----------
        gray : ndarray
            A batch or an image of one channel.
        normalization : Normalization or None
            None for an adapted network, which takes the gray itself.
        """
        if normalization is None:
            return gray
        if normalization.is_identity:
            return np.repeat(gray, len(normalization.mean), self.axis)
        shape = [-1 if k == self.axis else 1 for k in range(gray.ndim)]
        mean, std = (v.reshape(shape) for v in normalization)
        work = np.promote_types(gray.dtype, np.float32)  # small floats are rounded once, at the end
        return np.asarray((gray.astype(work) - mean.astype(work)) / std.astype(work), gray.dtype)

    def fit_batch(self, batch: Array) -> Array:
        """Return a batch in the input's dtype and order of axes.

        Parameters
        ----------
        batch : ndarray of shape (N, 1, ...)

        Raises
        ------
        ModelError
            If the network takes other sides, or whole numbers which these images aren't.
        """
        check_sides(self.sides, batch.shape[2:])
        gray = np.asarray(batch).astype(self.array_dtype)
        if self.has_integers and not np.array_equal(gray, batch):
            raise ModelError(
                f"the network takes whole numbers, {self.array_dtype}, and these images aren't"
            )
        return np.ascontiguousarray(np.moveaxis(gray, 1, self.axis + (not self.is_batch)))
