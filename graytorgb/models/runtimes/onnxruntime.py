"""ONNX Runtime: conversion to ONNX files, and sessions for them."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from ...extras import require
from ..onnx.runtime import make_session
from .table import TensorInfo

Array = NDArray[Any]


def _convert_torch(model: Any, arrays: list[Array], path: Path) -> None:
    """Write a torch network by torch's own exporter."""
    torch = require("torch")
    program = require(f"{__package__}.torch_export").export_program(model, arrays)
    torch.onnx.export(program, (), path, dynamo=True, verbose=False)


def _convert_keras(model: Any, arrays: list[Array], path: Path) -> None:
    """Write a Keras network by Keras's own exporter, or by torch's on Keras's torch backend."""
    keras = require("keras")
    if keras.backend.backend() == "tensorflow":
        require("tf2onnx")
    export = require(f"{__package__}.keras_export")
    export.export_network(model, arrays, path, "onnx", _convert_torch)


def _copy_model(model: Any, arrays: list[Array], path: Path) -> None:
    """Write an ONNX model as it is."""
    if not isinstance(model, onnx.ModelProto):
        model = onnx.load(model)
    onnx.save(model, path)


CONVERTERS = {"torch": _convert_torch, "keras": _convert_keras, "onnx": _copy_model}


def load_session(path: Path) -> Any:
    """Return a function that runs the model in a file by ONNX Runtime, on the CPU."""
    session = make_session(str(path))
    names = [value.name for value in session.get_inputs()]

    def run(arrays: list[Array]) -> list[Array]:
        """Run the model, and return its outputs."""
        outputs = session.run(None, dict(zip(names, arrays, strict=True)))
        return [np.asarray(output) for output in outputs]

    return run


def read_inputs(path: Path) -> list[TensorInfo]:
    """Return the inputs of the model in a file."""
    graph = onnx.load(path, load_external_data=False).graph
    constants = {tensor.name for tensor in graph.initializer}
    found = []
    for value in graph.input:
        if value.name not in constants:
            tensor = value.type.tensor_type
            shape = [
                dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim
            ]
            dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.elem_type))
            found.append(TensorInfo(value.name, tuple(shape), dtype.name))
    return found
