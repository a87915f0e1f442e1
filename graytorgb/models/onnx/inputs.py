"""Which of a model's inputs are images, and where their channels are."""

from dataclasses import dataclass

from onnx import TensorProto, ValueInfoProto

from ...errors import ModelError
from ..stem import CHANNELS
from .graph import Graph

_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)
_INTEGERS = (TensorProto.UINT8, TensorProto.UINT16, TensorProto.INT8, TensorProto.INT16,
    TensorProto.INT32, TensorProto.INT64)  # fmt: skip


@dataclass(frozen=True)
class ImageInput:
    """An input that can be an image.

    Attributes
    ----------
    name : str
    shape : tuple of int or None
        None for what isn't fixed.
    axis : int
        Of the channels.
    dtype : int
        Its ONNX data type.
    """

    name: str
    shape: tuple[int | None, ...]
    axis: int
    dtype: int

    @property
    def rank(self) -> int:
        """How many axes it has."""
        return len(self.shape)

    @property
    def has_integers(self) -> bool:
        """Whether it takes whole numbers."""
        return self.dtype in _INTEGERS

    @property
    def is_batch(self) -> bool:
        """Whether its first axis counts images: ``(N, C, H, W)``, not ``(C, H, W)``."""
        return self.rank > 3

    @property
    def spatial(self) -> tuple[int | None, ...]:
        """The sizes of an image."""
        return tuple(n for k, n in enumerate(self.shape) if k != self.axis)[self.is_batch :]


def image_inputs(graph: Graph, channels: int = CHANNELS) -> list[list[ImageInput]]:
    """The inputs that are images, each with every reading of its axes.

    Raises
    ------
    ModelError
        If there is none.
    """
    found = [readings for value in graph.inputs if (readings := _readings(value, channels))]
    for sure in (_has_channels, lambda readings: True):
        for batch in (True, False):
            images = [r for r in found if r[0].is_batch == batch and sure(r)]
            if images:
                return images
    given = ", ".join(f"{v.name!r} {_described(v)}" for v in graph.inputs) or "none"
    raise ModelError(
        f"no input has {channels} channel{'s' * (channels > 1)}, (N, {channels}, H, W) or "
        f"(N, H, W, {channels}); the model's inputs: {given}"
    )


def _has_channels(readings: list[ImageInput]) -> bool:
    return readings[0].shape[readings[0].axis] is not None


def _readings(value: ValueInfoProto, channels: int) -> list[ImageInput]:
    """Each axis that can be the channels': of that size, or of any if none states its size."""
    kind = value.type.tensor_type
    dims = kind.shape.dim
    shape = tuple(
        d.dim_value if d.HasField("dim_value") and d.dim_value >= 0 else None  # -1 by some
        for d in dims
    )
    if len(dims) not in (3, 4, 5) or kind.elem_type not in (*_FLOATS, *_INTEGERS):
        return []
    axes = [k for k, d in enumerate(dims) if d.denotation == "DATA_CHANNEL"]
    axes = axes or [1 if len(dims) > 3 else 0, len(dims) - 1]
    wanted = channels if any(shape[axis] for axis in axes) else None
    return [
        ImageInput(value.name, shape, axis, kind.elem_type)
        for axis in axes
        if shape[axis] == wanted
    ]


def _described(value: ValueInfoProto) -> str:
    kind = value.type.tensor_type
    name = TensorProto.DataType.Name(kind.elem_type).lower()
    if not kind.HasField("shape"):
        return f"of unknown axes {name}"
    dims = [d.dim_param or (str(d.dim_value) if d.HasField("dim_value") else "?")
        for d in kind.shape.dim]  # fmt: skip
    return f"({', '.join(dims)}) {name}"
