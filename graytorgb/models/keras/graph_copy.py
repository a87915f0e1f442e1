"""A Keras network copied layer by layer, with what sees the image changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from ..channel_map import ChannelMap
from ..preprocessing import Preprocessing
from ..stem import refuse
from .files import warn_not_compiled
from .inputs import ImageInput, input_like, inputs_of, layers_of
from .operations import (
    STEMS,
    Refused,
    Step,
    is_float,
    is_kerass,
    join,
    kind_of,
    operate,
    remake,
    where,
)


def is_graph(operation: Any) -> bool:
    """Whether it is a network that does what its layers do, and nothing else."""
    kinds = (keras.Sequential, keras.Function)
    return (
        isinstance(operation, keras.Model)
        and isinstance(operation, kinds)
        and not any(_is_overridden(operation, name) for name in ("call", "__call__"))
    )


def _is_overridden(operation: Any, name: str) -> bool:
    """Whether a method is the user's own."""
    owner = next(kind for kind in type(operation).__mro__ if name in vars(kind))
    return not is_kerass(owner)


class Copy:
    """One pass through a network, and through the networks in it.

    What the image doesn't meet is copied with its weights. A value that is an image is known by
    its :class:`ChannelMap`; where arithmetic went into those and left no layer, an identity that
    nothing uses stands for the value.

    Attributes
    ----------
    stems : list of str
        The paths of the layers whose kernels see the image.
    folds : bool
        Whether the network's own arithmetic went into them.
    """

    def __init__(self, preprocessing: Preprocessing | None = None) -> None:
        self._mark = preprocessing
        self.stems: list[str] = []
        self.folds = False
        # by id; each keeps what it belongs to
        self._images: dict[int, tuple[Any, ChannelMap]] = {}
        self._copies: dict[int, tuple[Any, Any]] = {}
        self._filled: set[int] = set()
        self._steps: dict[int, tuple[Any, Any, Step]] = {}
        self._networks: dict[int, tuple[Any, Any, Any]] = {}
        self._casts: dict[int, Any] = {}
        self._ones: dict[int, tuple[Any, Any]] = {}
        self._path: list[str] = []

    def image(self, value: Any, planes: ChannelMap) -> Any:
        """Say that a tensor of the copy is an image; the tensor."""
        self._images[id(value)] = value, planes
        return value

    def planes(self, value: Any) -> ChannelMap | None:
        """Those of a tensor; None if it isn't an image."""
        return self._images.get(id(value), (None, None))[1]

    def network(self, model: Any, given: dict[int, Any]) -> tuple[Any, list[ChannelMap | None]]:
        """A copy of a network.

        Parameters
        ----------
        model : keras.Model
            One that :func:`is_graph`.
        given : dict of int to KerasTensor
            The inputs that change, by their place.

        Returns
        -------
        copy : keras.Model
        planes : list of ChannelMap or None
            Of its outputs, one after the other.
        """
        inputs = [
            given[place] if place in given else input_like(model, place)
            for place in range(len(inputs_of(model)))
        ]
        if isinstance(model, keras.Sequential):
            return self._sequential(model, inputs[0])
        with _uncompiled(model):
            copy = keras.models.clone_model(
                model,
                input_tensors=keras.tree.pack_sequence_as(model.input, inputs),
                clone_function=lambda operation: operation,
                call_function=lambda operation, *args, **kwargs: self._apply(
                    operation, args, kwargs
                )[1],
            )
        self._settings(model, copy)
        return copy, [self.planes(output) for output in copy.outputs]

    def _settings(self, model: Any, copy: Any) -> None:
        """What is trained, and how."""
        if not self._path:  # of the whole network, since each network says it of those in it
            copies = dict(layers_of(copy))
            if not model.trainable:
                copy.trainable = False
            for path, layer in layers_of(model):
                if path in copies and copies[path].trainable != layer.trainable:
                    copies[path].trainable = layer.trainable
        if model.compiled:
            try:
                copy.compile_from_config(model.get_compile_config())
            except Exception as error:  # whatever Keras raises for a loss or metric of the user's
                warn_not_compiled(model.name, error)

    def _sequential(self, model: Any, tensor: Any) -> tuple[Any, list[ChannelMap | None]]:
        layers, value = [tensor], tensor
        for layer in model.layers:
            used, value = self._apply(layer, (value,), {})
            layers += used
        if len(layers) == 1:  # all of them were arithmetic
            layers.append(keras.layers.Identity())
        copy = keras.Sequential(layers, name=model.name)
        self._settings(model, copy)
        return copy, [self.planes(value)]

    def _apply(
        self, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[list[Any], Any]:
        """The layers that take an operation's place, and their output."""
        if not args and "inputs" in kwargs:
            args, kwargs = (kwargs["inputs"],), {k: v for k, v in kwargs.items() if k != "inputs"}
        try:
            if is_graph(operation):
                return self._inner(operation, args, kwargs)
            if any(self.planes(value) is not None for value in keras.tree.flatten((args, kwargs))):
                return self._change(operation, args, kwargs)
            copy = self._copy(operation)
            return [copy], self._call(operation, copy, args, kwargs)
        except Refused as refused:
            stems = ", ".join(map(repr, self.stems))
            also = f", beside the layer(s) {stems}" if stems else ""
            raise refuse(f"the image {refused}{also}") from None

    def _copy(self, operation: Any) -> Any:
        """A copy, the same one for each call."""
        if id(operation) in self._steps:
            raise Refused(f"goes into {where(operation)}, which sees something else too")
        if id(operation) not in self._copies:
            self._copies[id(operation)] = operation, remake(operation)
        return self._copies[id(operation)][1]

    def _call(self, operation: Any, copy: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
        """The copy's output; the first call builds it, and it is given its weights."""
        output = copy(*args, **kwargs)
        if isinstance(operation, keras.layers.Layer) and id(operation) not in self._filled:
            self._filled.add(id(operation))
            for old, new in zip(operation.variables, copy.variables, strict=True):
                # not the array itself: JAX gives its memory away in training
                new.assign(np.array(keras.ops.convert_to_numpy(old)))
        return output

    def _change(
        self, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[list[Any], Any]:
        """What takes the place of an operation that meets the image."""
        if args and isinstance(args[0], list | tuple):
            return [], self._joined(operation, list(args[0]))
        places = [place for place, value in enumerate(args) if self.planes(value) is not None]
        if len(places) != 1:
            how = "more than once" if places else "by a keyword"
            raise Refused(f"goes into {kind_of(operation)}, {where(operation)}, {how}")
        [place] = places
        planes = self.planes(args[place])
        assert planes is not None
        step = self._step(operation, planes, args, place)
        self.folds |= step.folds
        layers, value, changes = [], planes.base, {}
        if (step.folds or step.planes is None) and not is_float(planes.dtype):
            layers.append(self._casts.setdefault(id(operation), _cast(operation)))
            value = layers[-1](value)
            changes["dtype"] = value.dtype
        if step.ones:
            layers.append(self._append_ones(value, planes.axis, operation))
            value = layers[-1](value)
        if step.keep:
            layers.append(self._copy(operation))
            args = (*args[:place], value, *args[place + 1 :])
            value = self._call(operation, layers[-1], args, kwargs)
        if step.planes is None and self._mark is not None:  # the first stem
            layers.append(make_mark(self._mark, value.dtype))
            value, self._mark = layers[-1](value), None
        for layer in step.layers:
            layers.append(layer)
            value = layer(value)
        if step.planes is None:
            return layers, value
        stand_in = value if layers else keras.layers.Identity()(value)
        return layers, self.image(stand_in, replace(step.planes, base=value, **changes))

    def _step(self, operation: Any, planes: ChannelMap, args: tuple[Any, ...], place: int) -> Step:
        """What has to be done; a shared stem has one kernel for all its calls."""
        if kind_of(operation) not in STEMS:
            return operate(operation, planes, args, place)
        key = _key(planes)
        if id(operation) not in self._steps and id(operation) not in self._copies:
            self._steps[id(operation)] = operation, key, operate(operation, planes, args, place)
            self.stems.append("/".join((*self._path, operation.name)))
        if id(operation) not in self._steps or self._steps[id(operation)][1] != key:
            raise Refused(f"goes into {where(operation)}, which sees something else too")
        return self._steps[id(operation)][2]

    def _joined(self, operation: Any, values: list[Any]) -> Any:
        """A value that stands for several, channel by channel."""
        planes, bases = join(operation, [self.planes(value) for value in values])
        base = bases[0]
        if len(bases) > 1:
            base = keras.layers.Concatenate(planes.axis, name=f"{operation.name}_planes")(bases)
        return self.image(keras.layers.Identity()(base), replace(planes, base=base))

    def _append_ones(self, base: Any, axis: int, operation: Any) -> Any:
        """A network that appends a plane of ones; Keras loads it without this package."""
        if id(base) not in self._ones:
            width = [(0, int(k == axis)) for k in range(len(base.shape))]
            gray = keras.Input(batch_shape=base.shape, dtype=base.dtype)
            network = keras.Model(
                gray,
                keras.ops.pad(gray, width, constant_values=1),
                name=f"{operation.name}_ones" + (f"_{len(self._ones)}" if self._ones else ""),
            )
            self._ones[id(base)] = base, network
        return self._ones[id(base)][1]

    def _inner(
        self, model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[list[Any], Any]:
        """The copy of a network in the network, and its output."""
        planes = [self.planes(value) for value in keras.tree.flatten(args[0])]
        key = [None if p is None else (p.base.shape, _key(p)) for p in planes]
        if id(model) not in self._networks:
            given = {}
            for place, (old, p) in enumerate(zip(inputs_of(model), planes, strict=True)):
                if p is not None:
                    if not is_float(old.dtype) and not p.is_plain:
                        raise Refused(f"is rounded, in the input of the network {model.name!r}")
                    new = input_like(model, place, p.base.shape)
                    given[place] = self.image(new, replace(p, base=new, dtype=old.dtype))
            self._path.append(model.name)
            self._networks[id(model)] = (key, *self.network(model, given))
            self._path.pop()
        known, copy, outputs = self._networks[id(model)]
        if known != key:
            raise Refused(f"goes into the network {model.name!r}, which sees something else too")
        bases = keras.tree.map_structure(self._base, args)
        output = copy(*bases, **kwargs)
        for value, p in zip(keras.tree.flatten(output), outputs, strict=True):
            if p is not None:
                self.image(value, replace(p, base=value))
        return [copy], output

    def _base(self, value: Any) -> Any:
        planes = self.planes(value)
        return value if planes is None else planes.base


@contextmanager
def _uncompiled(model: Any) -> Iterator[None]:
    """Keras's clone_model compiles as the model says; :class:`Copy` does it by itself."""
    compiled = model.compiled
    model.compiled = False
    try:
        yield
    finally:
        model.compiled = compiled


def _cast(operation: Any) -> Any:
    """A layer that makes floats of whole numbers, as the operation does."""
    layer = isinstance(operation, keras.layers.Layer)
    dtype = operation.dtype_policy if layer else operation.output.dtype
    return keras.layers.Rescaling(1.0, dtype=dtype, name=f"{operation.name}_cast")


def make_mark(preprocessing: Preprocessing, dtype: str) -> keras.layers.Layer:
    """Return a layer that does nothing, and whose name says what the adapted network carries.

    A name is all that Keras's own layers keep through files, clones and exports; a layer of ours
    couldn't be loaded without this package.
    """
    return keras.layers.Identity(dtype=dtype, name=preprocessing.to_text())


def resized(model: keras.Model, images: list[ImageInput]) -> keras.Model:
    """A network copied with its weights, for images of these sizes, which may be its own."""
    given = {image.place: input_like(model, image.place, image.shape) for image in images}
    return Copy().network(model, given)[0]


def _key(planes: ChannelMap) -> tuple[Any, ...]:
    return planes.axis, planes.has_axis, planes.matrix.tobytes(), planes.constant.tobytes()
