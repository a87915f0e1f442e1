"""Core ML: conversion to its files, which only macOS runs."""

import platform
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelError
from ...extras import require
from .hidden_library import hide_library
from .table import TensorInfo

Array = NDArray[Any]


# coremltools would import TensorFlow beside torch, and Python ends with a segmentation fault
with hide_library("tensorflow"):
    coremltools = require("coremltools", "coremltools", "coreml")


def _convert_torch(model: Any, arrays: list[Array], path: Path) -> None:
    """Write a torch network that torch.export has exported, in float32."""
    program = require(f"{__package__}.torch_export").export_program(model, arrays)
    converted = coremltools.convert(
        program.run_decompositions({}),
        convert_to="mlprogram",
        compute_precision=coremltools.precision.FLOAT32,
        minimum_deployment_target=coremltools.target.iOS16,
        skip_model_load=True,
    )
    converted.save(str(path))


CONVERTERS = {"torch": _convert_torch}


def load_session(path: Path) -> Any:
    """Return a function that runs the model in a file by Core ML, on macOS.

    Raises
    ------
    ModelError
        On any other system.
    """
    if platform.system() != "Darwin":  # sys.platform would make mypy skip what follows
        raise ModelError(
            "Core ML runs on macOS alone, so nothing can be proven on this machine. What can be "
            "checked here is the conversion: graytorgb.models.runtimes.convert(adapted, 'coreml', "
            "'gray.mlpackage', sides=(224, 224)) returns the inputs of the converted network"
        )
    model = coremltools.models.MLModel(str(path))
    names = [tensor.name for tensor in read_inputs(path)]

    def run(arrays: list[Array]) -> list[Array]:
        """Run the model, and return its outputs."""
        outputs = model.predict(dict(zip(names, arrays, strict=True)))
        return [np.asarray(outputs[each.name]) for each in model.get_spec().description.output]

    return run


def read_inputs(path: Path) -> list[TensorInfo]:
    """Return the inputs of the model in a file."""
    model = coremltools.models.MLModel(str(path), skip_model_load=True)
    found = []
    for value in model.get_spec().description.input:
        array = value.type.multiArrayType
        kind = type(array).ArrayDataType.Name(array.dataType).lower()
        found.append(TensorInfo(value.name, tuple(array.shape), kind))
    return found
