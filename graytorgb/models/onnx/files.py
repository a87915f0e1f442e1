"""ONNX files, with the files beside them that hold the tensors of large models."""

import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import onnx
from google.protobuf.message import DecodeError, EncodeError
from onnx import ModelProto, TensorProto
from onnx.external_data_helper import uses_external_data

from ...errors import ModelError
from ...writing import replacing
from .graph import tensors

_LIMIT = (1 << 31) - 1  # bytes of a protobuf message


def read(path: Path, *, in_memory: bool) -> ModelProto:
    """The model of a file, its external tensors in memory or left in their files.

    Raises
    ------
    ModelError
        If it isn't ONNX, or a file that it names is missing.
    """
    if not path.is_file():
        raise ModelError(f"there is no file {str(path)!r}")
    try:
        model = onnx.load(path, load_external_data=in_memory)
    except DecodeError as error:
        raise ModelError(f"{path} can't be read as ONNX: {error}") from error
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        raise ModelError(f"{path} names tensors in a file that can't be read: {error}") from error
    if not model.graph.node:
        raise ModelError(f"{path} can't be read as ONNX: there is no graph in it")
    return model


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


def write(model: ModelProto, path: Path, folder: Path | None) -> None:
    """Write a model; what was in files beside it goes into files beside the new one.

    ``model.onnx`` has ``model.onnx.data``, and where the original had several files they are
    numbered. The data are copied as they are, file by file, and never held in memory.
    """
    outside = external(model)
    if outside and folder is None:
        raise ModelError(
            "the model's tensors are in a file beside it that wasn't loaded: onnx.load(path) "
            "loads them, or pass the model's path"
        )
    if not outside:
        if not is_large(model):
            with replacing(path) as written:
                onnx.save(model, written)
            return
        data = path.with_name(f"{path.name}.data")
        data.unlink(missing_ok=True)  # onnx appends
        onnx.save(model, path, save_as_external_data=True, location=data.name)
        onnx.load_external_data_for_model(model, str(path.parent))  # onnx took them out of it
        return
    assert folder is not None
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
