"""``ShapeProbe``: the shapes of values in a graph, found by running it on images of a few sizes."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ValueInfoProto, helper

from ..channel_map import TraceError
from ..image_input import ImageInput
from ..stem import CHANNELS
from .graph import Graph
from .runtime import evaluate_model

Array = NDArray[Any]
# Sides that many networks take; unequal ones tell the height from the width.
_SIDES = ((224, 256), (64, 96), (512, 384), (224, 224), (384, 384), (32, 32), (28, 28))
_PROBES = 2
_FRAMES = 16  # of a video whose length isn't fixed
_LENGTH = 8  # of any other axis that isn't fixed


class ShapeProbe:
    """Runs of a graph up to a node, which tell the shapes of the node's values.

    Parameters
    ----------
    graph : Graph
    images : sequence of ImageInput
    """

    def __init__(self, graph: Graph, images: Sequence[ImageInput]) -> None:
        self._graph = graph
        self._images = {image.name: image for image in images}
        self.has_fixed_inputs = all(
            all(_read_dims(value)) and value.type.tensor_type.HasField("shape")
            for value in graph.inputs
        )

    def find_shapes(self, names: list[str]) -> list[list[tuple[int, ...]]]:
        """Return the shapes of values for two sizes of image, or for one if the size is fixed."""
        return [[value.shape for value in values] for values in self.find_values(names)]

    def find_values(self, names: list[str]) -> list[list[Array]]:
        """Return values for black images of two sizes, or of one if the size is fixed.

        Raises
        ------
        TraceError
            If the graph can't be run at any size.
        """
        part = self._graph.extract(names)
        used = {value.name for value in part.graph.input}
        found: list[list[Array]] = []
        cause: Exception | None = None
        for sizes in self._list_sizes():
            inputs = {v.name: self._make_input(v, sizes)
                for v in self._graph.inputs if v.name in used}  # fmt: skip
            try:
                found.append(evaluate_model(part, inputs))
            except Exception as error:  # whatever an operator raises at a size it doesn't take
                cause = error
            if len(found) == (1 if self.has_fixed_inputs else _PROBES):
                break
        if not found:
            raise TraceError(f"can't be followed to {names[0]!r}: {cause}")
        return found

    def _list_sizes(self) -> Iterator[tuple[int, int, int]]:
        """Yield the number of images and the sides to try."""
        for height, width in _SIDES:
            yield 2, height, width
            yield 3, width, height
        yield 1, 224, 224

    def _make_input(self, value: ValueInfoProto, sizes: tuple[int, int, int]) -> Array:
        """Return zeros for an input of the model."""
        dtype = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        image = self._images.get(value.name)
        dims = [*(_read_dims(value) if image is None else image.shape)]
        free = dict.fromkeys(range(len(dims)), _LENGTH)
        free[0] = sizes[0]
        if image is not None:
            dims[image.axis] = CHANNELS
            others = [k for k in range(image.is_batch, image.rank) if k != image.axis]
            sides = (_FRAMES,) * (len(others) - 2) + sizes[1:]
            free.update(zip(others, sides, strict=True))
        return np.zeros([free[k] if n is None else n for k, n in enumerate(dims)], dtype)


def _read_dims(value: ValueInfoProto) -> tuple[int | None, ...]:
    """Return the sizes of an input, with None for each that isn't fixed."""
    dims = value.type.tensor_type.shape.dim
    return tuple(d.dim_value if d.dim_value > 0 else None for d in dims)
