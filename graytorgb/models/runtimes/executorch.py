"""ExecuTorch: conversion to its files by XNNPACK's partitioner, and sessions for them."""

from pathlib import Path
from typing import Any

import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import to_edge_transform_and_lower
from executorch.runtime import Runtime
from numpy.typing import NDArray

from .table import TensorInfo
from .torch_export import export_program, to_tensors

Array = NDArray[Any]
# The numbers of the data types in a file, which are those of torch's ScalarType.
_DTYPES = ("uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")


def _convert_torch(model: Any, arrays: list[Array], path: Path) -> None:
    """Write a torch network that torch.export has exported, for ExecuTorch's CPU backend."""
    write_program(export_program(model, arrays), path)


def write_program(program: torch.export.ExportedProgram, path: Path) -> None:
    """Lower an exported program to XNNPACK and write it."""
    lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    path.write_bytes(lowered.to_executorch().buffer)


CONVERTERS = {"torch": _convert_torch}


def load_session(path: Path) -> Any:
    """Return a function that runs the program in a file by ExecuTorch, on the CPU."""
    program = Runtime.get().load_program(path.read_bytes())

    def run(arrays: list[Array]) -> list[Array]:
        """Run the program, and return its outputs, whose memory the next run reuses."""
        # the program is kept in this function, because its memory is the method's too
        outputs = program.load_method("forward").execute(to_tensors(arrays))
        return [o.numpy().copy() for o in outputs if isinstance(o, torch.Tensor)]

    return run


def read_inputs(path: Path) -> list[TensorInfo]:
    """Return the inputs of the program in a file."""
    metadata = Runtime.get().load_program(path.read_bytes()).metadata("forward")
    tensors = [metadata.input_tensor_meta(k) for k in range(metadata.num_inputs())]
    return [
        TensorInfo(f"input {k}", tuple(tensor.sizes()), _DTYPES[tensor.dtype()])
        for k, tensor in enumerate(tensors)
    ]
