"""LiteRT, formerly TensorFlow Lite: conversion to its files, and sessions for them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from ...extras import require
from .table import TensorInfo

Array = NDArray[Any]


def _convert_torch(model: Any, arrays: list[Array], path: Path) -> None:
    """Write a torch network by litert-torch."""
    export = require(f"{__package__}.torch_export")
    with _keep_jax_precision():
        litert_torch = require("litert_torch")
        litert_torch.convert(export.to_cpu(model), export.to_tensors(arrays)).export(str(path))


@contextmanager
def _keep_jax_precision() -> Iterator[None]:
    """Restore JAX's precision, which litert-torch sets to 64 bits for the whole process."""
    jax = require("jax")
    before = jax.config.jax_enable_x64
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", before)


def _convert_keras(model: Any, arrays: list[Array], path: Path) -> None:
    """Write a Keras network by Keras's own exporter, or by torch's on Keras's torch backend."""
    export = require(f"{__package__}.keras_export")
    export.export_network(model, arrays, path, "litert", _convert_torch)


CONVERTERS = {"torch": _convert_torch, "keras": _convert_keras}


def load_session(path: Path) -> Any:
    """Return a function that runs the network in a file by LiteRT, on the CPU.

    If the file's inputs and outputs are quantized integers, the function quantizes the arrays that
    it is given, and returns floats.
    """
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    inputs = _sort_by_number(interpreter.get_input_details())
    outputs = _sort_by_number(interpreter.get_output_details())

    def run(arrays: list[Array]) -> list[Array]:
        """Run the network, and return its outputs."""
        for detail, array in zip(inputs, arrays, strict=True):
            interpreter.set_tensor(detail["index"], _quantize(array, detail))
        interpreter.invoke()
        return [_dequantize(interpreter.get_tensor(d["index"]), d) for d in outputs]

    return run


def _sort_by_number(details: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return tensors in the order of the numbers in their names, as converters number them."""

    def find_number(detail: dict[str, Any]) -> int:
        numbers = re.findall(r"\d+", detail["name"])
        return int(numbers[-1]) if numbers else 0

    return sorted(details, key=find_number)


def _quantize(array: Array, detail: dict[str, Any]) -> Array:
    """Return an array in the data type of an input."""
    scale, zero = detail["quantization"]
    if not scale or array.dtype == detail["dtype"]:
        return array
    limits = np.iinfo(detail["dtype"])
    steps = np.rint(array / np.float32(scale)) + zero
    return np.asarray(np.clip(steps, limits.min, limits.max), detail["dtype"])


def _dequantize(array: Array, detail: dict[str, Any]) -> Array:
    """Return the floats that an output stands for."""
    scale, zero = detail["quantization"]
    if not scale:
        return array
    return np.asarray((array.astype(np.float32) - zero) * np.float32(scale))


def read_inputs(path: Path) -> list[TensorInfo]:
    """Return the inputs of the network in a file."""
    details = _sort_by_number(Interpreter(str(path)).get_input_details())
    return [
        TensorInfo(
            detail["name"],
            tuple(None if size < 0 else int(size) for size in detail["shape_signature"]),
            np.dtype(detail["dtype"]).name,
        )
        for detail in details
    ]
