"""Runs of ONNX models by ONNX Runtime, for :func:`graytorgb.models.verify`."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, helper, numpy_helper

from ...errors import BackendUnavailable, ModelError
from ..image_input import ImageInput
from ..preprocessing import Preprocessing
from ..stem import EPS
from ..weights import Normalization
from .collapse import choose_image_inputs, trace_images
from .files import is_large, list_external_tensors, open_graph
from .graph import get_title, list_tensors
from .inputs import find_image_inputs
from .runtime import evaluate_model, make_session

Array = NDArray[Any]
PREPROCESSING = "graytorgb.preprocessing"  # the key among the metadata of an adapted model


class Runner:
    """An ONNX model that is run on gray images.

    Parameters
    ----------
    model : ModelProto or path
    normalization : Normalization or None
        The normalization that makes the model's planes of gray; None for an adapted model.
    """

    def __init__(
        self, model: ModelProto | str | os.PathLike[str], normalization: Normalization | None
    ) -> None:
        with open_graph(model) as graph:
            self._graph = graph
            self._session = _load_session(model)
        self._normalization = normalization
        self._images = (
            [readings[0] for readings in find_image_inputs(graph, 1)]
            if normalization is None
            else choose_image_inputs(graph, normalization)
        )
        others = {v.name for v in graph.inputs} - {image.name for image in self._images}
        if others:
            raise ModelError(
                f"the model has inputs that aren't images, {sorted(others)}, and verify has no "
                "values for them"
            )

    @property
    def eps(self) -> float:
        """Return the machine epsilon of the weights' dtype; of several dtypes, the largest."""
        types = {tensor.data_type for tensor in list_tensors(self._graph.model.graph)}
        names = (np.dtype(helper.tensor_dtype_to_np_dtype(kind)).name for kind in types)
        return max((EPS.get(name, 0) for name in names), default=0) or EPS["float32"]

    @property
    def has_integers(self) -> bool:
        """Whether the model takes whole numbers."""
        return any(image.has_integers for image in self._images)

    @property
    def preprocessing(self) -> Preprocessing | None:
        """Return the record in the metadata of an adapted model, or None."""
        props = {entry.key: entry.value for entry in self._graph.model.metadata_props}
        return Preprocessing.from_text(props.get(PREPROCESSING))

    def share_inputs(self, other: Any) -> None:
        """Do nothing, because the network itself states its inputs."""

    def eval_mode(self) -> AbstractContextManager[None]:
        """Return a context that does nothing, because an ONNX model has no training mode."""
        return nullcontext()

    def to_input(self, batch: Array) -> Array:
        """Return a batch (N, 1, ...) in the model's dtype and order of axes."""
        return self._images[0].fit_batch(batch)

    def __call__(self, gray: Array) -> list[Any]:
        """Return the model's outputs for a gray batch, which the original first normalizes."""
        return self._run_session(self._session, gray)

    def _run_session(self, session: Any, gray: Array, join: Any = np.stack) -> list[Any]:
        """Run a batch in parts of the size that the model takes, and return the joined outputs."""
        results = []
        names = {value.name for value in session.get_inputs()}
        for part, count in self._split_batch(gray):
            inputs = {image.name: self._make_planes(part, image, place)
                for place, image in enumerate(self._images) if image.name in names}  # fmt: skip
            try:
                outputs = session.run(None, inputs)
            except Exception as error:  # ONNX Runtime has a class for each of its codes
                raise ModelError(f"ONNX Runtime can't run the model: {error}") from error
            # drop the outputs of images that only fill up the part
            results.append([output[:count] if isinstance(output, np.ndarray) and output.ndim
                else output for output in outputs])  # fmt: skip
        if self._images[0].is_batch:
            join = np.concatenate
            if len(results) == 1:
                return results[0]
        return [join(parts) for parts in zip(*results, strict=True)]

    def _split_batch(self, gray: Array) -> Iterator[tuple[Array, int | None]]:
        """Yield parts of the size that the model takes, each with how many of its images count.

        This is None for a model that takes one image, without an axis that counts images.
        """
        image = self._images[0]
        if not image.is_batch:
            yield from ((one, None) for one in gray)
            return
        size = image.shape[0] or len(gray)
        for start in range(0, len(gray), size):
            part = gray[start : start + size]
            filled = np.resize(part, (size, *part.shape[1:])) if len(part) < size else part
            yield filled, len(part)

    def _make_planes(self, gray: Array, image: ImageInput, place: int) -> Array:
        """Return the planes for an input, whose image is shifted if it isn't the first input.

        With equal images, a network that compares its inputs would prove nothing.
        """
        if place:
            side = -2 if image.axis == image.rank - 1 else -1
            gray = np.roll(gray, place * gray.shape[side] // len(self._images), side)
        return image.make_planes(gray, self._normalization)

    def to_planes(self, gray: Array) -> list[Array]:
        """Return an array for each input for a gray batch, which the original first normalizes."""
        if not self._images[0].is_batch:
            if len(gray) > 1:
                raise ModelError("the model takes one image at a time: pass batch_size=1")
            gray = gray[0]
        images = sorted(enumerate(self._images), key=lambda item: item[1].place)
        return [self._make_planes(gray, image, place) for place, image in images]

    def from_arrays(self, arrays: list[Array]) -> list[Array]:
        """Return the arrays of a converted model, as :meth:`__call__` returns its own."""
        return arrays if self._images[0].is_batch else [array[None] for array in arrays]

    def to_arrays(self, output: list[Any]) -> list[NDArray[np.float64]]:
        """Return every array of numbers of an output."""
        found = (value for value in output if isinstance(value, np.ndarray))
        return [value.astype(np.float64) for value in found if value.dtype.kind in "biuf"]

    def find_scores(self, output: list[Any]) -> NDArray[np.float64] | None:
        """Return class scores, (N, classes) or (N, classes, H, W), or None if there are none.

        Only the first output is looked at.
        """
        first = next(iter(self.to_arrays(output)), np.zeros(0))
        is_map = self._images[0].axis == 1 and first.ndim == self._images[0].rank
        if not (first.ndim == 2 or is_map) or first.shape[1] < 2:
            return None
        return first

    def find_stem(self, gray: Array) -> str | None:
        """Return the name of the first convolution that the image reaches, or None."""
        assert self._normalization is not None
        edit, _ = trace_images(self._graph, self._images, self._normalization)
        return next(iter(edit.stems), None)

    def run_stem(self, layer: str, gray: Array) -> tuple[Any, Array] | None:
        """Return the gray's shape and the output of a node, or None if there is no such node."""
        node = next((n for n in self._graph.nodes if get_title(n) == layer), None)
        if node is None:
            return None
        session = _load_session(self._graph.extract([node.output[0]]))
        [output] = self._run_session(session, gray, np.concatenate)
        return gray.shape, output.astype(np.float64)

    def find_inside(self, layer: str, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Return where a convolution's kernel lies wholly inside the image.

        On an image of ones, a kernel of ones counts how many pixels of the image it sees. Padding
        by a node of its own counts as image.
        """
        edit, _ = trace_images(self._graph, self._images, Normalization.identity())
        if layer not in edit.stems:
            raise ModelError(
                f"layer {layer!r} isn't a convolution that sees the image: leave layer out"
            )
        part = edit.preview_graph().extract([edit.stems[layer]])
        stem = next(n for n in part.graph.node if n.output[0] == edit.stems[layer])
        kernel = next(t for t in part.graph.initializer if t.name == stem.input[1])
        is_transposed = stem.op_type == "ConvTranspose"
        dims = list(kernel.dims)
        dims[1 if is_transposed else 0] = 1
        dtype = helper.tensor_dtype_to_np_dtype(kernel.data_type)
        kernel.CopyFrom(numpy_helper.from_array(np.ones(dims, dtype), kernel.name))
        del stem.input[2:]
        ones = np.ones(shape, self._images[0].array_dtype)
        given = ones[:1] if self._images[0].is_batch else ones[0]
        # the difference from a black image leaves out what a constant plane gives
        [taps], [black] = (
            evaluate_model(part, {image.name: value for image in self._images})
            for value in (given, np.zeros_like(given))
        )
        counted = np.rint((taps - black)[0, 0])
        is_whole = counted.max() >= np.prod(dims[2:])
        return np.asarray((counted == counted.max()) & (is_transposed or is_whole))


def _load_session(model: ModelProto | str | os.PathLike[str]) -> Any:
    """Return a session for a model or a file; ModelError if ONNX Runtime can't load this."""
    content: bytes | str
    if isinstance(model, ModelProto):
        if list_external_tensors(model) or is_large(model):
            raise ModelError(
                "the model has tensors in files beside it, or is larger than 2 GB: pass its path"
            )
        content, name = model.SerializeToString(), "the model"
    else:
        content = name = os.fspath(model)
    try:
        return make_session(content)
    except BackendUnavailable:
        raise
    except Exception as error:  # ONNX Runtime has a class for each of its codes
        raise ModelError(f"ONNX Runtime can't load {name}: {error}") from error
