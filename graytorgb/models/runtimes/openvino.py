"""OpenVINO: conversion to its files, and sessions for them."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...extras import require
from .hidden_library import hide_library
from .signal_stack import keep_signal_stack
from .table import TensorInfo

# OpenVINO's telemetry sends statistics of each conversion to its makers, from a forked process that
# may hang if JAX is loaded.
with hide_library("openvino_telemetry"):
    import openvino
    from openvino import properties

Array = NDArray[Any]


def _convert_torch(model: Any, arrays: list[Array], path: Path) -> None:
    """Write a torch network that torch.export has exported."""
    program = require(f"{__package__}.torch_export").export_program(model, arrays)
    converted = openvino.convert_model(program)
    # OpenVINO forgets the shapes of the program's inputs
    shapes = zip(converted.inputs, arrays, strict=True)
    converted.reshape({port: list(array.shape) for port, array in shapes})
    _save_model(converted, path)


def _convert_keras(model: Any, arrays: list[Array], path: Path) -> None:
    """Write a Keras network by Keras's own exporter, or by torch's on Keras's torch backend."""
    export = require(f"{__package__}.keras_export")
    export.export_network(model, arrays, path, "openvino", _convert_torch)


def _convert_onnx(model: Any, arrays: list[Array], path: Path) -> None:
    """Write an ONNX model, or the one in a file."""
    if isinstance(model, str | os.PathLike):
        _save_model(openvino.convert_model(os.fspath(model)), path)
        return
    beside = path.with_suffix(".onnx")
    beside.write_bytes(model.SerializeToString())
    _save_model(openvino.convert_model(beside), path)


def _save_model(model: openvino.Model, path: Path) -> None:
    """Write a model with its weights in float32, as they are."""
    openvino.save_model(model, path, compress_to_fp16=False)


CONVERTERS = {"torch": _convert_torch, "keras": _convert_keras, "onnx": _convert_onnx}


def load_session(path: Path) -> Any:
    """Return a function that runs the model in a file by OpenVINO, on the CPU.

    It calculates in float32. Without this setting, OpenVINO takes bfloat16 on some CPUs.
    """
    settings = {properties.hint.inference_precision: openvino.Type.f32}
    with keep_signal_stack():
        compiled = openvino.compile_model(path, "CPU", settings)

    def run(arrays: list[Array]) -> list[Array]:
        """Run the model, and return its outputs, which OpenVINO overwrites in the next run."""
        results = compiled(arrays)
        return [np.array(results[port]) for port in compiled.outputs]

    return run


def read_inputs(path: Path) -> list[TensorInfo]:
    """Return the inputs of the model in a file."""
    return [
        TensorInfo(
            port.any_name if port.names else port.node.friendly_name,
            tuple(None if size.is_dynamic else size.get_length() for size in port.partial_shape),
            np.dtype(port.element_type.to_dtype()).name,
        )
        for port in openvino.Core().read_model(path).inputs
    ]
