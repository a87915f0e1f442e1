"""``GraphCopy``: copies a Keras network layer by layer and replaces layers that see the image."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from ..channel_map import ChannelMap, TraceError, concatenate_channels, list_alike
from ..image_input import ImageInput
from ..preprocessing import Preprocessing
from ..stem import make_trace_error
from .files import warn_not_compiled
from .inputs import copy_inputs, list_layers, pack_inputs
from .operations import is_stem, plan_step
from .steps import Step, describe, get_kind, is_float, is_from_keras, rebuild_operation


def is_graph(operation: Any) -> bool:
    """Whether an operation is a network that only runs its graph of layers."""
    kinds = (keras.Sequential, keras.Function)
    if not (isinstance(operation, keras.Model) and isinstance(operation, kinds)):
        return False
    classes = type(operation).__mro__
    owners = [next(c for c in classes if name in vars(c)) for name in ("call", "__call__")]
    return all(map(is_from_keras, owners))


class GraphCopy:
    """A copy of a network and of the networks inside it, made layer by layer.

    Layers that the image doesn't meet are copied with their weights. Each image has a
    :class:`ChannelMap`. If arithmetic is folded into the map and needs no layer, the output of an
    unused Identity layer is the key of the result.

    Attributes
    ----------
    stems : list of str
        The paths of the original layers whose kernels see the image.
    folds : bool
        Whether the network's own arithmetic was folded into the stems.
    """

    def __init__(self, preprocessing: Preprocessing | None = None) -> None:
        self._preprocessing = preprocessing  # None once a layer carries it
        self.stems: list[str] = []
        self.folds = False
        self._images: dict[Any, ChannelMap] = {}
        self._planes: dict[Any, Any] = {}
        # the keys are ids of operations in the original
        self._copies: dict[int, Any] = {}
        self._steps: dict[int, tuple[Any, Step]] = {}
        self._networks: dict[int, tuple[Any, Any, list[ChannelMap | None]]] = {}
        self._casts: dict[int, Any] = {}
        self._path: list[str] = []

    def record_image(self, tensor: Any, image: ChannelMap) -> Any:
        """Record the map of an image, a tensor of the copy, and return the tensor."""
        self._images[tensor] = image
        return tensor

    def find_image(self, value: Any) -> ChannelMap | None:
        """Return the map of a tensor's channels, or None if it isn't an image."""
        return self._images.get(value) if isinstance(value, keras.KerasTensor) else None

    def copy_network(self, model: Any, inputs: list[Any]) -> tuple[Any, list[ChannelMap | None]]:
        """Copy a network, calling other layers where it meets an image.

        Parameters
        ----------
        model : keras.Model
            A network for which :func:`is_graph` is true.
        inputs : list of KerasTensor
            The inputs of the copy, from :func:`.inputs.copy_inputs`.

        Returns
        -------
        copy : keras.Model
        images : list of ChannelMap or None
            The map of each output, or None if the output is no image.
        """
        if isinstance(model, keras.Sequential):
            layers, value = [*inputs], inputs[0]
            for layer in model.layers:
                used, value = self._replace_call(layer, (value,), {})
                layers += used
            if len(layers) == 1:  # all of them were arithmetic
                layers.append(keras.layers.Identity())
            copy, outputs = keras.Sequential(layers, name=model.name), [value]
        else:
            with _keep_uncompiled(model):
                copy = keras.models.clone_model(
                    model,
                    input_tensors=pack_inputs(model, inputs),
                    clone_function=lambda operation: operation,
                    call_function=lambda operation, *args, **kwargs: self._replace_call(
                        operation, args, kwargs
                    )[1],
                )
            outputs = copy.outputs
        self._copy_settings(model, copy)
        return copy, [self.find_image(output) for output in outputs]

    def _copy_settings(self, model: Any, copy: Any) -> None:
        """Copy which layers are trainable, and how the network is compiled."""
        if not self._path:  # only for the outermost network, since it sets its inner layers too
            copies = dict(list_layers(copy))
            if not model.trainable:
                copy.trainable = False
            for path, layer in list_layers(model):
                if path in copies and copies[path].trainable != layer.trainable:
                    copies[path].trainable = layer.trainable
        if model.compiled:
            try:
                copy.compile_from_config(model.get_compile_config())
            except Exception as error:  # whatever Keras raises for a loss or metric of the user's
                warn_not_compiled(model.name, error)

    def _replace_call(
        self, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[list[Any], Any]:
        """Call the layers that replace an operation, and return them and their output."""
        if not args and "inputs" in kwargs:
            args, kwargs = (kwargs["inputs"],), {k: v for k, v in kwargs.items() if k != "inputs"}
        try:
            if is_graph(operation):
                return self._call_network(operation, args, kwargs)
            values = keras.tree.flatten((args, kwargs))
            if any(self.find_image(value) is not None for value in values):
                return self._trace_call(operation, args, kwargs)
            copy, output = self._call_copy(operation, args, kwargs)
            return [copy], output
        except TraceError as error:
            raise make_trace_error([str(error)], self.stems) from None

    def _call_copy(
        self, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Any, Any]:
        """Call the copy of an operation, one for all calls, and return it and its output."""
        if id(operation) in self._steps:
            raise TraceError(f"goes into {describe(operation)}, which sees something else too")
        is_new = id(operation) not in self._copies
        if is_new:
            self._copies[id(operation)] = rebuild_operation(operation)
        copy = self._copies[id(operation)]
        output = copy(*args, **kwargs)
        if is_new and isinstance(operation, keras.layers.Layer):  # the call has made its weights
            for old, new in zip(operation.variables, copy.variables, strict=True):
                # not the array itself: JAX gives its memory away in training
                new.assign(np.array(keras.ops.convert_to_numpy(old)))
        return copy, output

    def _trace_call(
        self, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[list[Any], Any]:
        """Call the layers that replace an operation on the image; return them and their output."""
        if args and isinstance(args[0], list | tuple):
            return self._join_images(operation, args[0])
        places = [k for k, value in enumerate(args) if self.find_image(value) is not None]
        if len(places) == len(args) == 2 and get_kind(operation) in ("Add", "Subtract"):
            left, right = (self._images[value] for value in args)
            image = left.combine(get_kind(operation).lower(), right, describe(operation))
            self.folds = True
            return [], self.record_image(keras.layers.Identity()(image.base), image)
        if len(places) != 1:
            how = "more than once" if places else "by a keyword"
            raise TraceError(f"goes into {get_kind(operation)}, {describe(operation)}, {how}")
        [place] = places
        image = self._images[args[place]]
        if get_kind(operation) == "Split":
            return [], self._split_image(operation, image)
        is_video = get_kind(operation) == "TimeDistributed"
        step = (
            self._plan_frames(operation, image)
            if is_video
            else self._plan_call(operation, image, args, place)
        )
        self.folds |= step.folds
        layers, value, changes = [], image.base, {}

        def apply_layer(layer: Any) -> Any:
            """Apply a layer to the value, and add it to the list."""
            layers.append(layer)
            return layer(value)

        if (step.folds or step.image is None) and not is_float(image.dtype):
            value = apply_layer(self._casts.setdefault(id(operation), _make_cast(operation)))
            changes["dtype"] = value.dtype
        dtype = value.dtype
        if step.prepare:
            value = apply_layer(self._make_planes_network(value, image, operation))
        if step.keep:
            args = (*args[:place], value, *args[place + 1 :])
            copy, value = self._call_copy(operation, args, kwargs)
            layers.append(copy)
        if step.image is None and self._preprocessing is not None:  # the first stem
            value = apply_layer(make_mark(self._preprocessing, dtype))
            self._preprocessing = None
        for layer in step.layers:
            value = apply_layer(layer)
        if step.image is None:
            return layers, value
        stand_in = value if layers else keras.layers.Identity()(value)
        return layers, self.record_image(stand_in, replace(step.image, base=value, **changes))

    def _plan_call(
        self, operation: Any, image: ChannelMap, args: tuple[Any, ...], place: int
    ) -> Step:
        """Return the step for a call. A stem that is called several times keeps one kernel."""
        if not is_stem(operation):
            return plan_step(operation, image, args, place)
        key = _make_key(image)
        if id(operation) not in self._steps and id(operation) not in self._copies:
            self._steps[id(operation)] = key, plan_step(operation, image, args, place)
            self.stems.append("/".join((*self._path, operation.name)))
        known, step = self._steps.get(id(operation), (None, None))
        if step is None or known != key:
            raise TraceError(f"goes into {describe(operation)}, which sees something else too")
        return step

    def _join_images(self, operation: Any, values: Sequence[Any]) -> tuple[list[Any], Any]:
        """Put images together; return the layers that were called and a tensor for the result.

        Values beside the image, such as a mask, become planes of the base.
        """
        kind = get_kind(operation)
        where = f"{kind}, {describe(operation)}"
        images = [self.find_image(value) for value in values]
        if kind not in ("Stack", "Concatenate"):
            raise TraceError(f"goes into {where}, with something else")
        has_axis = kind == "Concatenate"
        first = next(image for image in images if image is not None)
        axis = operation.axis % (first.rank + (first.has_axis and not has_axis))
        if first.has_axis and (axis != first.axis or not has_axis):
            # along another axis, or a new one, the bases are put together as the images are
            copy, value = self._call_copy(operation, (list_alike(images, where),), {})
            moved = first.axis + (not has_axis and axis <= first.axis)
            stand_in = keras.layers.Identity()(value)
            image = replace(first, base=value, axis=moved, rank=len(value.shape))
            return [copy], self.record_image(stand_in, image)
        for k, value in enumerate(values):
            if has_axis and images[k] is None and isinstance(value, keras.KerasTensor):
                images[k] = _map_other_value(value, first)
        image, bases = concatenate_channels(images, operation.axis, where, has_axis=has_axis)
        base = bases[0]
        if len(bases) > 1:
            layer = keras.layers.Concatenate(image.axis, name=f"{operation.name}_planes")
            base = layer(bases)
        stand_in = keras.layers.Identity()(base)
        return [], self.record_image(stand_in, replace(image, base=base))

    def _make_planes_network(self, base: Any, image: ChannelMap, operation: Any) -> Any:
        """Return a network of Keras's own operations that prepares the base for zeros."""
        key = base, image.center, image.ones_level
        if key not in self._planes:
            gray = keras.Input(batch_shape=base.shape, dtype=base.dtype)
            center: Any = image.center
            if base.dtype == "float64":  # Keras on torch and JAX subtracts a number in float32
                center = keras.ops.full_like(gray, center)
            planes = keras.ops.subtract(gray, center) if image.center else gray
            if image.needs_ones:
                width = [(0, int(k == image.axis)) for k in range(len(base.shape))]
                planes = keras.ops.pad(planes, width, constant_values=image.ones_level)
            name = f"{operation.name}_planes" + (f"_{len(self._planes)}" if self._planes else "")
            self._planes[key] = keras.Model(gray, planes, name=name)
        return self._planes[key]

    def _split_image(self, operation: Any, image: ChannelMap) -> list[Any]:
        """Return tensors for the parts of the channels that an operation splits."""
        if not image.has_axis or operation.axis % image.rank != image.axis:
            raise TraceError(f"is split along its sides by {describe(operation)}")
        rows = np.split(np.arange(image.channel_count), operation.indices_or_sections)
        parts = [(keras.layers.Identity()(image.base), image.pick(index)) for index in rows]
        return [self.record_image(tensor, part) for tensor, part in parts]

    def _plan_frames(self, operation: Any, image: ChannelMap) -> Step:
        """Return the step for a TimeDistributed layer: its layer's step, for each frame."""
        inner, key = operation.layer, _make_key(image)
        if not image.has_axis or image.axis < 2 or not is_float(image.dtype):
            raise TraceError(f"goes into {describe(operation)}, which takes other frames")
        if id(operation) not in self._steps:
            shape = (image.base.shape[0], *image.base.shape[2:])
            base = keras.KerasTensor(shape, image.dtype)
            frames = replace(image, base=base, axis=image.axis - 1, rank=image.rank - 1)
            self._path.append(operation.name)
            if is_graph(inner):
                copy, [output] = self._copy_inner_network(inner, [frames])
                step = Step(output, layers=[copy])
            else:
                step = self._plan_call(inner, frames, (base,), 0)
            self._path.pop()
            names = [operation.name, *(f"{operation.name}_{k}" for k in range(1, 9))]
            layers = [keras.layers.TimeDistributed(layer, name=name)
                for layer, name in zip(step.layers, names, strict=False)]  # fmt: skip
            moved = step.image and replace(
                step.image, axis=step.image.axis + 1, rank=step.image.rank + 1
            )
            self._steps[id(operation)] = key, step._replace(layers=layers, image=moved)
        known, step = self._steps[id(operation)]
        if known != key:
            raise TraceError(f"goes into {describe(operation)}, which sees something else too")
        return step

    def _call_network(
        self, model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[list[Any], Any]:
        """Call the copy of an inner network, and return it and its output."""
        images = [self.find_image(value) for value in keras.tree.flatten(args[0])]
        copy, outputs = self._copy_inner_network(model, images)
        output = copy(*keras.tree.map_structure(self._get_base, args), **kwargs)
        for value, image in zip(keras.tree.flatten(output), outputs, strict=True):
            if image is not None:
                self.record_image(value, replace(image, base=value))
        return [copy], output

    def _copy_inner_network(
        self, model: Any, images: list[ChannelMap | None]
    ) -> tuple[Any, list[ChannelMap | None]]:
        """Return the copy of an inner network, one for all calls, and the maps of its outputs."""
        key = [None if image is None else (image.base.shape, _make_key(image)) for image in images]
        if id(model) not in self._networks:
            shapes = {k: i.base.shape for k, i in enumerate(images) if i is not None}
            inputs = copy_inputs(model, shapes)
            for new, image in zip(inputs, images, strict=True):
                if image is None:
                    continue
                if not is_float(new.dtype) and not image.is_plain:
                    raise TraceError(f"is rounded, in the input of the network {model.name!r}")
                self.record_image(new, replace(image, base=new, dtype=new.dtype))
            self._path.append(model.name)
            self._networks[id(model)] = (key, *self.copy_network(model, inputs))
            self._path.pop()
        known, copy, outputs = self._networks[id(model)]
        if known != key:
            raise TraceError(f"goes into the network {model.name!r}, which sees something else too")
        return copy, outputs

    def _get_base(self, value: Any) -> Any:
        """Return an image's base, or the value itself if it isn't an image."""
        image = self.find_image(value)
        return value if image is None else image.base


@contextmanager
def _keep_uncompiled(model: Any) -> Iterator[None]:
    """Keep Keras's clone_model from compiling the copy; :class:`GraphCopy` does it itself."""
    compiled = model.compiled
    model.compiled = False
    try:
        yield
    finally:
        model.compiled = compiled


def _make_cast(operation: Any) -> Any:
    """Return a layer that converts whole numbers to floats, as the operation does."""
    is_layer = isinstance(operation, keras.layers.Layer)
    dtype = operation.dtype_policy if is_layer else operation.output.dtype
    return keras.layers.Rescaling(1.0, dtype=dtype, name=f"{operation.name}_cast")


def make_mark(preprocessing: Preprocessing, dtype: str) -> keras.layers.Layer:
    """Return a layer that does nothing, and whose name is the record that a network carries.

    A name is the only place for it: Keras's own layers keep their names in files, clones and
    exports. With a layer class of this package, a network couldn't be loaded without the package.
    """
    return keras.layers.Identity(dtype=dtype, name=preprocessing.to_text())


def resize_network(model: keras.Model, images: list[ImageInput]) -> keras.Model:
    """Return a copy of a network, with its weights, that takes images of other shapes."""
    inputs = copy_inputs(model, {image.place: image.shape for image in images})
    return GraphCopy().copy_network(model, inputs)[0]


def _map_other_value(value: Any, image: ChannelMap) -> ChannelMap:
    """Return the map of a tensor that isn't an image, each of whose channels is a plane."""
    count = value.shape[image.axis] if len(value.shape) == image.rank else None
    if count is None:
        raise TraceError(f"is put together with {value.name!r}, of shape {tuple(value.shape)}")
    return image.map_planes(value, count)


def _make_key(image: ChannelMap) -> tuple[Any, ...]:
    """Return a key that two images share if a layer does the same to both."""
    numbers = image.matrix.tobytes(), image.constant.tobytes()
    return image.axis, image.has_axis, image.is_gray, *numbers
