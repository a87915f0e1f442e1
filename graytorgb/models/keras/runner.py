"""Running a Keras network: parts of it for the adapter, all of it for the proof."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from ...errors import ModelError
from ..frameworks import make_run_error
from ..preprocessing import Preprocessing
from ..stem import CHANNELS, fit_batch, make_gray_noise, repeat_and_normalize
from ..weights import Normalization
from .files import read_network
from .inputs import ImageInput, find_layer, image_inputs, inputs_of, layers_of
from .operations import STEMS, kind_of
from .stem_layers import channels_seen, counter

Array = NDArray[Any]
_EPS = {"float16": 2**-10, "bfloat16": 2**-7}
_SIDE = 64  # where a network takes any


class Stopped(BaseException):
    """Nothing after the layers listened to has to run; Keras rewrites what is an Exception."""


def numpy_of(value: Any) -> Array:
    """A tensor as an array that NumPy can calculate with."""
    array = np.asarray(keras.ops.convert_to_numpy(value))
    return array if array.dtype.kind in "biuf" else array.astype(np.float32)  # bfloat16


def at_layers(model: keras.Model, names: list[str], inputs: Any) -> dict[str, tuple[Array, Array]]:
    """The input and the output of layers, in one pass that ends at the last of them."""
    seen: dict[str, tuple[Array, Array]] = {}
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(_listening(find_layer(model, name), name, names, seen))
        with suppress(Stopped):
            model(inputs, training=False)
    return seen


@contextmanager
def _listening(layer: Any, name: str, names: list[str], seen: Any) -> Iterator[None]:
    """Keep what goes into a layer and comes out."""
    call = layer.call
    own = vars(layer).get("call")  # set by the user in the place of the class's

    def record(inputs: Any, *args: Any, **kwargs: Any) -> Any:
        output = call(inputs, *args, **kwargs)
        seen.setdefault(name, (numpy_of(inputs), numpy_of(output)))
        if len(seen) == len(names):
            raise Stopped
        return output

    layer.call = record
    try:
        yield
    finally:
        del layer.call
        if own is not None:
            layer.call = own


def make_noise(
    model: keras.Model, images: list[ImageInput], rescaling: Normalization
) -> list[Array]:
    """Return something for each input: for images, gray noise that the adapted network takes."""
    given = []
    for tensor in inputs_of(model):
        given.append(np.zeros(_fill_shape(tensor.shape), tensor.dtype))
    for image in images:
        shape = _fill_shape(image.with_channels(1))
        dtype = image.dtype if image.has_integers else np.float32
        given[image.place] = make_gray_noise(
            shape, rescaling, dtype, has_integers=image.has_integers, seed=image.place
        )
    return given


def _fill_shape(shape: Any) -> list[int]:
    """Return a shape for one image, of usual sides where any will do."""
    return [n or (_SIDE if axis else 1) for axis, n in enumerate(shape)]


class Runner:
    """A network, with what it does to gray images.

    Parameters
    ----------
    model : keras.Model or path
    normalization : Normalization or None
        How gray becomes its planes; None for an adapted network, which takes gray.
    """

    def __init__(self, model: Any, normalization: Normalization | None) -> None:
        self._model = read_network(model)
        self._normalization = normalization
        images = image_inputs(self._model, 1 if normalization is None else CHANNELS)
        if len(images) != 1 or len(inputs_of(self._model)) != 1:
            names = [tensor.name for tensor in inputs_of(self._model)]
            raise ModelError(f"verify gives a network one image, and this one takes {names}")
        [self._image] = images

    @property
    def eps(self) -> float:
        """The machine epsilon of what its layers calculate in; the largest, if that is mixed."""
        # numbers in Keras's own layers are float32, whatever their dtype is
        return max(_EPS.get(layer.compute_dtype, 2**-23) for _, layer in layers_of(self._model))

    @property
    def has_integers(self) -> bool:
        """Whether the network takes whole numbers."""
        return self._image.has_integers

    @property
    def preprocessing(self) -> Preprocessing | None:
        """Return what the name of a layer says that the adapted network carries."""
        found = (Preprocessing.from_text(layer.name) for _, layer in layers_of(self._model))
        return next(filter(None, found), None)

    def eval_mode(self) -> AbstractContextManager[None]:
        """Each call says by itself that it isn't training."""
        return nullcontext()

    def to_input(self, batch: Array) -> Array:
        """A batch (N, 1, ...) with the network's order of axes."""
        image = self._image
        dtype = image.dtype if self.has_integers else np.float32
        return fit_batch(batch, image.spatial, dtype, image.axis, has_integers=self.has_integers)

    def __call__(self, gray: Array) -> Any:
        """The network's output for gray, preprocessing included, compiled as in predict()."""
        try:
            return self._model.predict_on_batch(self._given(gray))
        except Exception as error:  # whatever a layer raises
            is_adapted = self._normalization is None
            images = f"images of shape {gray.shape}"
            raise make_run_error(images, error, is_adapted=is_adapted) from error

    def _given(self, gray: Array) -> Array:
        if self._normalization is None:
            return gray
        return repeat_and_normalize(gray, self._image.axis, self._normalization)

    def to_arrays(self, output: Any) -> list[NDArray[np.float64]]:
        """Every array of an output."""
        return [numpy_of(value).astype(np.float64) for value in keras.tree.flatten(output)]

    def find_scores(self, output: Any) -> NDArray[np.float64] | None:
        """Class scores, (N, classes) or (N, classes, H, W); None if the first output has none."""
        [first, *_] = self.to_arrays(output)
        if first.ndim == len(self._image.shape):
            first = np.moveaxis(first, self._image.axis, 1)
        elif first.ndim != 2:
            return None
        return first if first.shape[1] > 1 else None

    def find_stem(self, gray: Array) -> str | None:
        """The path of the first layer whose kernel sees three channels."""
        stems = (
            path
            for path, layer in layers_of(self._model)
            if kind_of(layer) in STEMS and channels_seen(layer) == CHANNELS
        )
        return next(stems, None)

    def run_stem(self, layer: str, gray: Array) -> tuple[Any, Array] | None:
        """The gray's shape and the output of a layer, channels on axis 1; None without it."""
        if find_layer(self._model, layer) is None:
            return None
        seen = at_layers(self._model, [layer], self._given(gray))
        if layer not in seen:
            return None
        return gray.shape, np.moveaxis(seen[layer][1].astype(np.float64), self._image.axis, 1)

    def find_inside(self, layer: str, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Where a kernel lies wholly inside the image, padding in front of it counted.

        What differs between black and white is inside the image; a kernel of ones counts it.
        """
        black, white = (
            at_layers(self._model, [layer], self._given(np.full(shape, value, np.float32)))[layer][
                0
            ]
            for value in (0, 1)
        )
        taps = counter(find_layer(self._model, layer))
        axis = self._image.axis
        image = (black != white).any(axis, keepdims=True)[:1].astype(np.float32)
        counted = np.moveaxis(numpy_of(taps(image)), axis, 1)[0, 0]
        return np.asarray(counted == counted.max())
