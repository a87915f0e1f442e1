"""``Step``: the work that replaces a Keras operation on an image, and helpers of its rules."""

from typing import Any, NamedTuple

import keras

from ..channel_map import ChannelMap, TraceError


class Step(NamedTuple):
    """The work on the image's base that replaces an operation.

    The base is prepared for zeros first, then the operation is applied, then the layers.

    Attributes
    ----------
    image : ChannelMap or None
        The result, whose base is set when the step is done; None if the result is no image.
    prepare : bool
        Whether the base is prepared for padding with zeros, as
        :meth:`.ChannelMap.prepare_for_zeros` says.
    keep : bool
        Whether a copy of the operation is applied.
    layers : list
        The layers, or functions of a tensor, that are applied.
    folds : bool
        Whether arithmetic is folded into the image's map.
    """

    image: ChannelMap | None
    prepare: bool = False
    keep: bool = False
    layers: list[Any] = []  # noqa: RUF012  # never written
    folds: bool = False


def get_kind(operation: Any) -> str:
    """Return the name of an operation's class, with the module if the class isn't Keras's own."""
    kind = type(operation)
    name: str = kind.__name__
    return name if is_from_keras(kind) else f"{kind.__module__}.{name}"


def is_from_keras(kind: type) -> bool:
    """Whether a class is Keras's own."""
    return kind.__module__.partition(".")[0] == "keras"


def is_float(dtype: str) -> bool:
    """Whether a dtype is floating point."""
    return bool(keras.backend.is_float_dtype(dtype))


def describe(operation: Any) -> str:
    """Return "layer" or "operation" and the name, for a message."""
    kind = "layer" if isinstance(operation, keras.layers.Layer) else "operation"
    return f"{kind} {operation.name!r}"


def rebuild_operation(operation: Any, **changes: Any) -> Any:
    """Return a new layer or operation of the same name and settings, without weights.

    Parameters
    ----------
    operation : keras.layers.Layer or keras.Operation
    **changes
        The settings to change.
    """
    config = operation.get_config()
    if type(operation) is keras.layers.Lambda:  # its functions can't be made from a config
        changes |= {"function": operation.function, "arguments": operation.arguments}
        changes |= {"mask": operation.mask, "output_shape": operation._output_shape}
        return keras.layers.Lambda(**config | changes)
    return type(operation).from_config(config | changes)


def check_axis(layer: Any, image: ChannelMap) -> None:
    """Check that a layer has its channels on the image's axis."""
    is_first = getattr(layer, "data_format", None) == "channels_first"
    axis = 1 if is_first else image.rank - 1
    if not image.has_axis or axis != image.axis:
        raise TraceError(
            f"goes into {describe(layer)}, which has its channels on axis {axis}, not "
            f"{image.axis if image.has_axis else 'one channel without an axis'}"
        )
