"""Runs of Keras networks: the first layers for ``adapt``, all layers for ``verify``."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from ...errors import ModelError
from ..frameworks import make_run_error
from ..image_input import ImageInput
from ..preprocessing import Preprocessing
from ..stem import CHANNELS, EPS
from ..weights import Normalization
from .files import read_network
from .inputs import find_image_inputs, find_layer, list_inputs, list_layers
from .operations import STEMS
from .stem_layers import count_channels, make_counter, to_float64
from .steps import get_kind

Array = NDArray[Any]
_SIDE = 64  # the side of noise for a network that takes any size


class StopRun(BaseException):
    """A signal that ends a run early; no Exception, because Keras replaces those."""


def record_layers(
    model: keras.Model, names: list[str], inputs: Any
) -> dict[str, tuple[Array, Array]]:
    """Run a network until these layers have run, and return the input and output of each."""
    records: dict[str, tuple[Array, Array]] = {}
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(_record_calls(find_layer(model, name), name, names, records))
        with suppress(StopRun):
            model(inputs, training=False)
    return records


@contextmanager
def _record_calls(layer: Any, name: str, names: list[str], records: Any) -> Iterator[None]:
    """Record the first input and output of a layer while the context is open."""
    call = layer.call
    own = vars(layer).get("call")  # a function that the user set on this layer

    def call_and_record(inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Call the layer, and end the run when every layer is recorded."""
        output = call(inputs, *args, **kwargs)
        records.setdefault(name, (to_float64(inputs), to_float64(output)))
        if len(records) == len(names):
            raise StopRun
        return output

    layer.call = call_and_record
    try:
        yield
    finally:
        del layer.call
        if own is not None:
            layer.call = own


def make_inputs(
    model: keras.Model, images: list[ImageInput], rescaling: Normalization
) -> list[Array]:
    """Return the inputs of an adapted network: gray noise for images, zeros for the others."""
    arrays = [
        np.zeros([n or (_SIDE if axis else 1) for axis, n in enumerate(tensor.shape)], tensor.dtype)
        for tensor in list_inputs(model)
    ]
    for image in images:
        arrays[image.place] = image.make_noise(_SIDE, rescaling)
    return arrays


class Runner:
    """A Keras network that is run on gray images.

    Parameters
    ----------
    model : keras.Model or path
    normalization : Normalization or None
        The normalization that makes the network's planes of gray; None for an adapted network.
    """

    def __init__(self, model: Any, normalization: Normalization | None) -> None:
        self._model = read_network(model)
        self._normalization = normalization
        images = find_image_inputs(self._model, 1 if normalization is None else CHANNELS)
        inputs = list_inputs(self._model)
        if len(inputs) != 1:
            shapes = ", ".join(str(tuple(tensor.shape)) for tensor in inputs)
            raise ModelError(
                f"verify gives a network one image, and this one has {len(inputs)} inputs: {shapes}"
            )
        [self._image] = images

    @property
    def eps(self) -> float:
        """Return the machine epsilon of the layers' dtype; of several dtypes, the largest."""
        # Keras's own layers calculate with float32 numbers even where their dtype is float64
        layers = (layer for _, layer in list_layers(self._model))
        return max(EPS["float32"], *(EPS.get(layer.compute_dtype, 0) for layer in layers))

    @property
    def has_integers(self) -> bool:
        """Whether the network takes whole numbers."""
        return self._image.has_integers

    @property
    def preprocessing(self) -> Preprocessing | None:
        """Return the record in the name of an adapted network's layer, or None."""
        found = (Preprocessing.from_text(layer.name) for _, layer in list_layers(self._model))
        return next(filter(None, found), None)

    def share_inputs(self, other: Any) -> None:
        """Do nothing, because the network itself states its inputs."""

    def eval_mode(self) -> AbstractContextManager[None]:
        """Return a context that does nothing, because each call is made in inference mode."""
        return nullcontext()

    def to_input(self, batch: Array) -> Array:
        """Return a batch (N, 1, ...) in the network's dtype and order of axes."""
        return self._image.fit_batch(batch)

    def __call__(self, gray: Array) -> Any:
        """Return the network's output for a gray batch, which the original first normalizes.

        The network runs in a compiled function, as in ``predict()``.
        """
        try:
            planes = self._image.make_planes(gray, self._normalization)
            return self._model.predict_on_batch(planes)
        except Exception as error:  # whatever a layer raises
            is_adapted = self._normalization is None
            images = f"images of shape {gray.shape}"
            raise make_run_error(images, error, is_adapted=is_adapted) from error

    def to_planes(self, gray: Array) -> list[Array]:
        """Return the network's input for a gray batch, which the original first normalizes."""
        return [self._image.make_planes(gray, self._normalization)]

    def from_arrays(self, arrays: list[Array]) -> list[Array]:
        """Return the arrays of a converted network, which are an output of Keras too."""
        return arrays

    def to_arrays(self, output: Any) -> list[NDArray[np.float64]]:
        """Return every array of an output."""
        return [to_float64(value) for value in keras.tree.flatten(output)]

    def find_scores(self, output: Any) -> NDArray[np.float64] | None:
        """Return class scores, (N, classes) or (N, classes, H, W), or None if there are none.

        Only the first output is looked at.
        """
        [first, *_] = self.to_arrays(output)
        if first.ndim == self._image.rank:
            first = np.moveaxis(first, self._image.axis, 1)
        elif first.ndim != 2:
            return None
        return first if first.shape[1] > 1 else None

    def find_stem(self, gray: Array) -> str | None:
        """Return the path of the first layer whose kernel sees three channels, or None."""
        stems = (
            path
            for path, layer in list_layers(self._model)
            if get_kind(layer) in STEMS and count_channels(layer) == CHANNELS
        )
        return next(stems, None)

    def run_stem(self, layer: str, gray: Array) -> tuple[Any, Array] | None:
        """Return the gray's shape and a layer's output, with channels on axis 1, or None."""
        if find_layer(self._model, layer) is None:
            return None
        planes = self._image.make_planes(gray, self._normalization)
        records = record_layers(self._model, [layer], planes)
        if layer not in records:
            return None
        return gray.shape, np.moveaxis(records[layer][1], self._image.axis, 1)

    def find_inside(self, layer: str, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Return where a kernel lies wholly inside the image.

        Pixels that differ between a black and a white input belong to the image, and a kernel of
        ones counts them. Padding by a layer of its own counts as image.
        """
        seen = []
        for value in (0, 1):
            gray = np.full(shape, value, np.float32)
            planes = self._image.make_planes(gray, self._normalization)
            seen.append(record_layers(self._model, [layer], planes)[layer][0])
        black, white = seen
        axis = self._image.axis
        image = (black != white).any(axis, keepdims=True)[:1].astype(np.float32)
        taps = make_counter(find_layer(self._model, layer))(image)
        counted = np.moveaxis(to_float64(taps), axis, 1)[0, 0]
        return np.asarray(counted == counted.max())
