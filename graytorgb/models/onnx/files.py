"""ONNX files, with the files beside them that hold the tensors of large models."""

import math
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import EncodeError
from onnx import ModelProto, TensorProto, helper
from onnx.external_data_helper import uses_external_data

from ...core.writing import replacing
from ...errors import ModelError
from ..files import ONNX, check_file, explain_read_errors, make_read_error
from .graph import tensors

_LIMIT = (1 << 31) - 1  # bytes of a protobuf message
# several numbers in a byte
_PACKED = {getattr(TensorProto, name) for name in ("INT4", "UINT4", "FLOAT4E2M1", "INT2", "UINT2")
    if hasattr(TensorProto, name)}  # fmt: skip


def read(path: Path, *, in_memory: bool) -> ModelProto:
    """The model of a file, its external tensors in memory or left in their files.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, PermissionError
        As ``open`` raises them.
    ModelError
        If it isn't ONNX, or a file that it names is missing or too short.
    """
    check_file(path)
    with explain_read_errors(path, ONNX):
        model = onnx.load(path, format="protobuf", load_external_data=False)
        if not model.graph.node:
            raise make_read_error(path, ONNX, ValueError("there is no graph in it"))
        for tensor in external(model):
            _check_data(tensor, path)
        if in_memory:
            onnx.load_external_data_for_model(model, str(path.parent))
    return model


def _check_data(tensor: TensorProto, path: Path) -> None:
    """ModelError unless the file of an external tensor holds it."""
    file = path.parent / _location(tensor)
    told = f"the tensor {tensor.name!r} of {path} can't be read: its file {file}"
    if not file.is_file():
        raise ModelError(f"{told} {'is no file' if file.exists() else 'is missing'}")
    said = {entry.key: entry.value for entry in tensor.external_data}
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type))
    needed = math.prod(tensor.dims) * dtype.itemsize
    if tensor.data_type in _PACKED:
        needed = int(said.get("length", 0))
    start, length = int(said.get("offset", 0)), int(said.get("length", needed))
    if start < 0:
        raise ModelError(f"{told} has no byte {start}, where it starts")
    if length != needed:
        raise ModelError(f"{told} has {length} bytes for it, and {needed} are needed")
    size = file.stat().st_size
    if start + length > size:
        raise ModelError(f"{told} is too short: {size} bytes, and {start + length} are needed")


def external(model: ModelProto) -> list[TensorProto]:
    """The tensors whose data isn't loaded."""
    graphs = model.graph, *model.functions
    return [t for graph in graphs for t in tensors(graph) if uses_external_data(t)]


def beside(path: Path) -> list[Path]:
    """Return the files that hold a model's external tensors.

    Raises
    ------
    ModelError
        If it isn't ONNX, or names a file outside of its folder.
    """
    outside = external(read(path, in_memory=False))
    return [path.parent / name for name in dict.fromkeys(map(_location, outside))]


def is_large(model: ModelProto) -> bool:
    """Whether a model in memory is too large for one file."""
    try:
        return bool(model.ByteSize() > _LIMIT)
    except EncodeError:
        return True


def write(model: ModelProto, path: Path, folder: Path) -> None:
    """Write a model that was read from a file in `folder`.

    What was in files beside it goes into files beside the new one:
    ``model.onnx`` has ``model.onnx.data``, and where the original had several files they are
    numbered. The data are copied as they are, file by file, and never held in memory.
    """
    outside = external(model)
    new = {location: f"{path.name}.data{count or ''}"
        for count, location in enumerate(dict.fromkeys(map(_location, outside)))}  # fmt: skip
    _check_targets({path: None} | {path.with_name(n): folder / s for s, n in new.items()})
    for location, name in new.items():
        source, target = folder / location, path.with_name(name)
        if not (target.exists() and target.samefile(source)):
            with replacing(target) as written:
                shutil.copyfile(source, written)
    for tensor in outside:
        entry = _entry(tensor)
        entry.value = new[entry.value]
    with replacing(path) as written:
        written.write_bytes(model.SerializeToString())


def _check_targets(sources: Mapping[Path, Path | None]) -> None:
    """ModelError if a file to write holds tensors that are still to be read from it."""
    held = [source for source in sources.values() if source is not None and source.exists()]
    for target, own in sources.items():
        if target.exists() and any(target.samefile(s) for s in held if s != own):
            raise ModelError(
                f"{target} holds tensors of the model itself, which would be lost: write it into "
                f"another folder than {str(target.parent)!r}"
            )


def _entry(tensor: TensorProto) -> Any:
    return next(entry for entry in tensor.external_data if entry.key == "location")


def _location(tensor: TensorProto) -> str:
    """The file of an external tensor; ModelError if it lies outside of the model's folder."""
    location = str(_entry(tensor).value)
    parts = PurePosixPath(location)
    if parts.is_absolute() or ".." in parts.parts or "\\" in location:
        raise ModelError(
            f"the tensor {tensor.name!r} is in {location!r}, outside of the model's folder: "
            "ONNX doesn't allow that"
        )
    return location
