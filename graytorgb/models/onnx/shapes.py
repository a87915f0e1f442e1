"""``ShapeProbe``: the shapes of values in a graph, found by running it on images of a few sizes."""

from collections.abc import Mapping, Sequence
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
# The number of images and the sides to try. Unequal sides tell the height from the width, and no
# products are equal.
_SIZES = ((2, 224, 256), (3, 448, 384), (2, 64, 96), (3, 512, 768), (2, 224, 224), (3, 448, 448),
    (2, 256, 256), (3, 384, 384), (2, 32, 32), (3, 28, 28), (1, 224, 224))  # fmt: skip
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
        for sizes in _SIZES:
            inputs = self._make_inputs(sizes, used)
            try:
                found.append(evaluate_model(part, inputs))
            except Exception as error:  # whatever an operator raises at a size it doesn't take
                cause = error
            if len(found) == (1 if self.has_fixed_inputs else _PROBES):
                break
        if not found:
            raise TraceError(f"can't be followed to {names[0]!r}: {cause}")
        return found

    def _make_inputs(self, sizes: tuple[int, int, int], used: set[str]) -> dict[str, Array]:
        """Return black images of these sizes, and values for the other inputs that are used."""
        images = {}
        for image in self._images.values():
            free = [_FRAMES] * (len(image.sides) - 2) + [*sizes[1:]]
            free = [sizes[0]] * image.is_batch + free
            free.insert(image.axis, CHANNELS)
            shape = [n or size for n, size in zip(image.shape, free, strict=True)]
            images[image.name] = np.zeros(shape, image.array_dtype)
        inputs = images | make_other_inputs(self._graph, images)
        return {name: array for name, array in inputs.items() if name in used}


def make_other_inputs(graph: Graph, images: Mapping[str, Array]) -> dict[str, Array]:
    """Return values for the inputs of a graph beside its images: noise, or zeros for integers.

    Sizes with a name are those that the images have for it; a first size without one is the
    number of images.

    Parameters
    ----------
    graph : Graph
    images : mapping of str to ndarray
        The images by the names of their inputs.
    """
    known: dict[str, int] = {}
    count = 1
    for value in graph.inputs:
        if value.name in images:
            shape = images[value.name].shape
            count = shape[0]
            dims = value.type.tensor_type.shape.dim
            known |= {d.dim_param: size for d, size in zip(dims, shape, strict=True)}
    others: dict[str, Array] = {}
    for value in graph.inputs:
        if value.name in images or not value.type.HasField("tensor_type"):
            continue
        sizes = _read_dims(value)
        names = [d.dim_param for d in value.type.tensor_type.shape.dim]
        shape = tuple(
            known.get(name or " ", _LENGTH if k else count) if size is None else size
            for k, (size, name) in enumerate(zip(sizes, names, strict=True))
        )
        dtype = np.dtype(helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))
        noise = np.random.default_rng(len(others)).random(shape)
        others[value.name] = np.asarray(noise if dtype.kind == "f" else 0 * noise).astype(dtype)
    return others


def _read_dims(value: ValueInfoProto) -> tuple[int | None, ...]:
    """Return the sizes of an input, with None for each that isn't fixed."""
    dims = value.type.tensor_type.shape.dim
    return tuple(d.dim_value if d.dim_value > 0 else None for d in dims)
