"""``find_image_inputs``: finds the image inputs of an ONNX model, and their channel axes."""

from onnx import TensorProto, ValueInfoProto, helper

from ...errors import ModelError
from ..image_input import ImageInput
from ..stem import CHANNELS
from .graph import Graph

FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)
_INTEGERS = (TensorProto.UINT8, TensorProto.UINT16, TensorProto.INT8, TensorProto.INT16,
    TensorProto.INT32, TensorProto.INT64)  # fmt: skip
# The axes that can have the channels, by the number of axes: of 5, also those of (N, T, C, H, W).
_AXES = {3: (0, 2), 4: (1, 3), 5: (1, 2, 4)}


def find_image_inputs(graph: Graph, channels: int = CHANNELS) -> list[list[ImageInput]]:
    """Return the image inputs, each as a list of every way to read its axes.

    Parameters
    ----------
    graph : Graph
    channels : int
        The number of channels that the images have.

    Raises
    ------
    ModelError
        If no input is an image.
    """
    found = [readings for place, value in enumerate(graph.inputs)
        if (readings := _list_readings(place, value, channels))]  # fmt: skip
    # inputs that state their channels are preferred, and among them those that are batches
    ranks = [(readings[0].shape[readings[0].axis] is not None, readings[0].is_batch)
        for readings in found]  # fmt: skip
    if found:
        return [readings for readings, rank in zip(found, ranks, strict=True) if rank == max(ranks)]
    raise _make_input_error(graph, channels)


def make_axis_error(graph: Graph, readings: list[ImageInput]) -> ModelError:
    """Return the error for an input that doesn't state its channels, and leads to no stem."""
    if len(readings) == 1:  # another axis has a number of channels that isn't 3
        return _make_input_error(graph, CHANNELS)
    axes = " or ".join(str(reading.axis) for reading in readings)
    return ModelError(
        f"the input {readings[0].name!r} doesn't say whether its channels are on axis {axes}: "
        "state their number, onnx.tools.update_model_dims.update_inputs_outputs_dims(...)"
    )


def _make_input_error(graph: Graph, channels: int) -> ModelError:
    """Return the error for a model without an image among its inputs."""
    given = ", ".join(f"{v.name!r} {_describe_value(v)}" for v in graph.inputs) or "none"
    return ModelError(
        f"no input has {channels} channel{'s' * (channels > 1)}, (N, {channels}, H, W) or "
        f"(N, H, W, {channels}); the model's inputs: {given}"
    )


def _list_readings(place: int, value: ValueInfoProto, channels: int) -> list[ImageInput]:
    """Return one ImageInput for each axis that can have the channels.

    The size of such an axis is `channels`. If there is none, it is any axis that isn't fixed.
    """
    kind = value.type.tensor_type
    dims = kind.shape.dim
    shape = tuple(
        d.dim_value if d.HasField("dim_value") and d.dim_value >= 0 else None  # some write -1
        for d in dims
    )
    if len(dims) not in (3, 4, 5) or kind.elem_type not in (*FLOATS, *_INTEGERS):
        return []
    named = [k for k, d in enumerate(dims) if d.denotation == "DATA_CHANNEL"]
    if named and shape[named[0]] is None:
        shape = (*shape[: named[0]], channels, *shape[named[0] + 1 :])
    axes = named or [*_AXES[len(dims)]]
    stated = [axis for axis in axes if shape[axis] == channels]
    axes = stated or [axis for axis in axes if shape[axis] is None]
    dtype = kind.elem_type
    array_dtype = helper.tensor_dtype_to_np_dtype(dtype)
    return [
        ImageInput(value.name, place, shape, axis, dtype, array_dtype, dtype in _INTEGERS)
        for axis in axes
    ]


def _describe_value(value: ValueInfoProto) -> str:
    """Return the shape and the data type of a value, for a message."""
    kind = value.type.tensor_type
    name = TensorProto.DataType.Name(kind.elem_type).lower()
    if not kind.HasField("shape"):
        return f"of unknown axes {name}"
    dims = [d.dim_param or (str(d.dim_value) if d.HasField("dim_value") else "?")
        for d in kind.shape.dim]  # fmt: skip
    return f"({', '.join(dims)}) {name}"
