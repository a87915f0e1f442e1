"""Readers and writers of ONNX files and of the files beside them that hold large tensors."""

import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
from .graph import Graph, list_tensors

_LIMIT = (1 << 31) - 1  # bytes of a protobuf message
# data types that pack several numbers into a byte
_PACKED = {getattr(TensorProto, name) for name in ("INT4", "UINT4", "FLOAT4E2M1", "INT2", "UINT2")
    if hasattr(TensorProto, name)}  # fmt: skip


@contextmanager
def open_graph(
    model: ModelProto | str | os.PathLike[str], *, in_memory: bool = False
) -> Iterator[Graph]:
    """Open the graph of a model, or of the model in a file.

    A damaged file may raise errors only when the graph is used. So any error inside this context
    names the file.

    Parameters
    ----------
    model : ModelProto or path
    in_memory : bool
        Whether external tensors, which are in other files, are loaded.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, PermissionError
        If the file can't be opened.
    ModelError
        If the file isn't ONNX, or a file that it names is missing or too short.
    """
    if isinstance(model, ModelProto):
        yield Graph(model)
        return
    path = Path(model)
    proto = _read_model(path)
    with explain_read_errors(path, ONNX):
        if in_memory:
            onnx.load_external_data_for_model(proto, str(path.parent))
        yield Graph(proto, path.parent)


def _read_model(path: Path) -> ModelProto:
    """Read the model in a file, and check its external tensors without loading them."""
    check_file(path)
    with explain_read_errors(path, ONNX):
        model = onnx.load(path, format="protobuf", load_external_data=False)
        if not model.graph.node:
            raise make_read_error(path, ONNX, ValueError("there is no graph in it"))
        for tensor in list_external_tensors(model):
            _check_data(tensor, path)
    return model


def _check_data(tensor: TensorProto, path: Path) -> None:
    """Check that the file of an external tensor is long enough to hold the tensor."""
    file = path.parent / _read_location(tensor)
    problem = f"the tensor {tensor.name!r} of {path} can't be read: its file {file}"
    if not file.is_file():
        raise ModelError(f"{problem} {'is no file' if file.exists() else 'is missing'}")
    entries = {entry.key: entry.value for entry in tensor.external_data}
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type))
    needed = math.prod(tensor.dims) * dtype.itemsize
    if tensor.data_type in _PACKED:
        needed = int(entries.get("length", 0))
    start, length = int(entries.get("offset", 0)), int(entries.get("length", needed))
    if start < 0:
        raise ModelError(f"{problem} has no byte {start}, where it starts")
    if length != needed:
        raise ModelError(f"{problem} has {length} bytes for it, and {needed} are needed")
    size = file.stat().st_size
    if start + length > size:
        raise ModelError(f"{problem} is too short: {size} bytes, and {start + length} are needed")


def list_external_tensors(model: ModelProto) -> list[TensorProto]:
    """Return the tensors whose data is in other files."""
    graphs = model.graph, *model.functions
    return [t for graph in graphs for t in list_tensors(graph) if uses_external_data(t)]


def list_tensor_files(path: Path) -> list[Path]:
    """Return the files that hold the external tensors of the model in a file.

    Raises
    ------
    ModelError
        If the file isn't ONNX, or names a file outside of its folder.
    """
    external = list_external_tensors(_read_model(path))
    return [path.parent / name for name in dict.fromkeys(map(_read_location, external))]


def is_large(model: ModelProto) -> bool:
    """Whether a model in memory is too large for one file."""
    try:
        return bool(model.ByteSize() > _LIMIT)
    except EncodeError:
        return True


def write_model(model: ModelProto, path: Path, folder: Path) -> None:
    """Write a model that was read from a file in `folder`.

    Tensors that were in files beside the original go into files beside the new one:
    ``model.onnx`` has ``model.onnx.data``. If the original had several such files, the new ones are
    numbered. Each file is copied unchanged, and never held in memory.
    """
    external = list_external_tensors(model)
    new = {location: f"{path.name}.data{count or ''}"
        for count, location in enumerate(dict.fromkeys(map(_read_location, external)))}  # fmt: skip
    _check_targets({path: None} | {path.with_name(n): folder / s for s, n in new.items()})
    for location, name in new.items():
        source, target = folder / location, path.with_name(name)
        if not (target.exists() and target.samefile(source)):
            with replacing(target) as written:
                shutil.copyfile(source, written)
    for tensor in external:
        entry = _find_location(tensor)
        entry.value = new[entry.value]
    with replacing(path) as written:
        written.write_bytes(model.SerializeToString())


def _check_targets(sources: Mapping[Path, Path | None]) -> None:
    """Check that no target holds tensors that are still to be copied.

    Parameters
    ----------
    sources : mapping of Path to Path or None
        Each target, and the file that is copied to it.
    """
    read = [source for source in sources.values() if source is not None and source.exists()]
    for target, own in sources.items():
        if target.exists() and any(target.samefile(s) for s in read if s != own):
            raise ModelError(
                f"{target} holds tensors of the model itself, which would be lost: write it into "
                f"another folder than {str(target.parent)!r}"
            )


def _find_location(tensor: TensorProto) -> Any:
    """Return the entry of an external tensor that names its file."""
    return next(entry for entry in tensor.external_data if entry.key == "location")


def _read_location(tensor: TensorProto) -> str:
    """Return the file of an external tensor; ModelError if it isn't in the model's folder."""
    location = str(_find_location(tensor).value)
    parts = PurePosixPath(location)
    if parts.is_absolute() or ".." in parts.parts or "\\" in location:
        raise ModelError(
            f"the tensor {tensor.name!r} is in {location!r}, outside of the model's folder: "
            "ONNX doesn't allow that"
        )
    return location
