"""Running an ONNX model, by ONNX Runtime, for :func:`graytorgb.models.verify`."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from ...errors import BackendUnavailable, ModelError
from ..files import ONNX, explain_read_errors
from ..preprocessing import Preprocessing
from ..stem import fit_batch, repeat_and_normalize
from ..weights import Normalization
from .collapse import choose_images, trace_images
from .files import external, is_large, read
from .graph import Graph, tensors, title
from .inputs import ImageInput, image_inputs
from .runtime import evaluate, session

Array = NDArray[Any]
PREPROCESSING = "graytorgb.preprocessing"  # the key among the metadata of an adapted model
_EPS: dict[int, float] = {
    TensorProto.DOUBLE: 2**-52,
    TensorProto.FLOAT: 2**-23,
    TensorProto.FLOAT16: 2**-10,
    TensorProto.BFLOAT16: 2**-7,
}


class Runner:
    """A model, with what it does to gray images.

    Parameters
    ----------
    model : ModelProto or path
    normalization : Normalization or None
        How gray becomes its planes; None for an adapted model, which takes gray.
    """

    def __init__(
        self, model: ModelProto | str | os.PathLike[str], normalization: Normalization | None
    ) -> None:
        if isinstance(model, ModelProto):
            self._graph = Graph(model)
            self._session = _session(_bytes(model))
        else:
            path = Path(model)
            proto = read(path, in_memory=False)
            with explain_read_errors(path, ONNX):
                self._graph = Graph(proto, path.parent)
                self._session = _session(str(path))
        self._normalization = normalization
        self._images = (
            [readings[0] for readings in image_inputs(self._graph, 1)]
            if normalization is None
            else choose_images(self._graph, normalization)
        )
        others = {v.name for v in self._graph.inputs} - {image.name for image in self._images}
        if others:
            raise ModelError(
                f"the model has inputs that aren't images, {sorted(others)}, and verify has "
                "nothing to give them"
            )

    @property
    def eps(self) -> float:
        """The machine epsilon of its weights; the largest, if they are mixed."""
        return (
            max((_EPS.get(t.data_type, 0) for t in tensors(self._graph.model.graph)), default=0)
            or _EPS[TensorProto.FLOAT]
        )

    @property
    def has_integers(self) -> bool:
        """Whether the model takes whole numbers."""
        return any(image.has_integers for image in self._images)

    @property
    def preprocessing(self) -> Preprocessing | None:
        """Return what the metadata say that the adapted model carries."""
        props = {entry.key: entry.value for entry in self._graph.model.metadata_props}
        return Preprocessing.from_text(props.get(PREPROCESSING))

    def eval_mode(self) -> AbstractContextManager[None]:
        """A model of ONNX has no other mode."""
        return nullcontext()

    def to_input(self, batch: Array) -> Array:
        """A batch (N, 1, ...) in the model's dtype and order of axes."""
        image = self._images[0]
        dtype = helper.tensor_dtype_to_np_dtype(image.dtype)
        axis = image.axis if image.is_batch else image.axis + 1
        return fit_batch(batch, image.spatial, dtype, axis, has_integers=image.has_integers)

    def __call__(self, gray: Array) -> list[Any]:
        """The model's outputs for gray, preprocessing included."""
        return self._run(self._session, gray)

    def _run(self, runner: Any, gray: Array, join: Any = np.stack) -> list[Any]:
        results = []
        names = {value.name for value in runner.get_inputs()}
        for part, count in self._batches(gray):
            given = {image.name: self._given(part, image, place)
                for place, image in enumerate(self._images) if image.name in names}  # fmt: skip
            try:
                outputs = runner.run(None, given)
            except Exception as error:  # ONNX Runtime has a class for each of its codes
                raise ModelError(f"ONNX Runtime can't run the model: {error}") from error
            results.append([_first(output, count) for output in outputs])
        if self._images[0].is_batch:
            join = np.concatenate
            if len(results) == 1:
                return results[0]
        return [join(parts) for parts in zip(*results, strict=True)]

    def _batches(self, gray: Array) -> Iterator[tuple[Array, int]]:
        """Parts of the size that the model takes, and how many images of each are new."""
        image = self._images[0]
        if not image.is_batch:
            yield from ((one, 1) for one in gray)
            return
        size = image.shape[0] or len(gray)
        for start in range(0, len(gray), size):
            part = gray[start : start + size]
            filled = np.resize(part, (size, *part.shape[1:])) if len(part) < size else part
            yield filled, len(part)

    def _given(self, gray: Array, image: ImageInput, place: int) -> Array:
        """The planes of an input; several are given the image shifted by parts of its width.

        What a network sees in the difference of two equal images would prove nothing.
        """
        if place:
            side = -2 if image.axis == image.rank - 1 else -1
            gray = np.roll(gray, place * gray.shape[side] // len(self._images), side)
        if self._normalization is None:
            return gray
        return repeat_and_normalize(gray, image.axis, self._normalization)

    def to_arrays(self, output: list[Any]) -> list[NDArray[np.float64]]:
        """Every array of numbers of an output."""
        found = (value for value in output if isinstance(value, np.ndarray))
        return [value.astype(np.float64) for value in found if value.dtype.kind in "biuf"]

    def find_scores(self, output: list[Any]) -> NDArray[np.float64] | None:
        """Class scores, (N, classes) or (N, classes, H, W); None if the first output has none."""
        first = next(iter(self.to_arrays(output)), np.zeros(0))
        channels_first = self._images[0].axis == 1 and first.ndim == self._images[0].rank
        if not (first.ndim == 2 or channels_first) or first.shape[1] < 2:
            return None
        return first

    def find_stem(self, gray: Array) -> str | None:
        """The name of the first convolution that the image meets."""
        assert self._normalization is not None
        edit, _ = trace_images(self._graph, self._images, self._normalization)
        return next(iter(edit.stems), None)

    def run_stem(self, layer: str, gray: Array) -> tuple[Any, Array] | None:
        """The gray's shape, and the output of a node; None if there is no such node."""
        node = self._node(layer)
        if node is None:
            return None
        part = self._graph.cut([node.output[0]])
        [output] = self._run(_session(_bytes(part)), gray, np.concatenate)
        return gray.shape, output.astype(np.float64)

    def _node(self, layer: str) -> NodeProto | None:
        return next((n for n in self._graph.nodes if title(n) == layer), None)

    def find_inside(self, layer: str, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Where a convolution's kernel lies wholly inside the image, explicit padding counted.

        Its taps are counted: a kernel of ones sees an image of ones.
        """
        edit, _ = trace_images(self._graph, self._images, Normalization.identity())
        if layer not in edit.stems:
            raise ModelError(
                f"layer {layer!r} isn't a convolution that sees the image: leave layer out"
            )
        part = edit.preview().cut([edit.stems[layer]])
        stem = next(n for n in part.graph.node if n.output[0] == edit.stems[layer])
        kernel = next(t for t in part.graph.initializer if t.name == stem.input[1])
        transposed = stem.op_type == "ConvTranspose"
        dims = list(kernel.dims)
        dims[1 if transposed else 0] = 1
        dtype = helper.tensor_dtype_to_np_dtype(kernel.data_type)
        kernel.CopyFrom(numpy_helper.from_array(np.ones(dims, dtype), kernel.name))
        del stem.input[2:]
        image = self._images[0]
        ones = np.ones(shape, helper.tensor_dtype_to_np_dtype(image.dtype))
        given = ones[:1] if image.is_batch else ones[0]
        [taps] = evaluate(part, {i.name: given for i in self._images})
        counted = taps[0, 0]
        return np.asarray(counted == (counted.max() if transposed else np.prod(dims)))


def _bytes(model: ModelProto) -> bytes:
    """A model as ONNX Runtime takes it from memory."""
    if external(model) or is_large(model):
        raise ModelError(
            "the model has tensors in files beside it, or over 2 GB of them: pass its path"
        )
    return bytes(model.SerializeToString())


def _session(model: bytes | str) -> Any:
    try:
        return session(model)
    except BackendUnavailable:
        raise
    except Exception as error:  # ONNX Runtime has a class for each of its codes
        name = "the model" if isinstance(model, bytes) else model
        raise ModelError(f"ONNX Runtime can't load {name}: {error}") from error


def _first(output: Any, count: int) -> Any:
    """Without what only filled a batch."""
    return output[:count] if isinstance(output, np.ndarray) and output.ndim else output
