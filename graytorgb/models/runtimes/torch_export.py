"""Exported programs of torch networks, which converters of several runtimes take."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..torch.example import find_parameter
from ..torch.network_copy import copy_network


def to_cpu(model: nn.Module) -> nn.Module:
    """Return a network in eval mode on the CPU: the network itself, or a copy if it isn't there."""
    return model if find_parameter(model).device.type == "cpu" else copy_network(model).cpu()


def to_tensors(arrays: list[NDArray[Any]]) -> tuple[Tensor, ...]:
    """Return arrays as tensors that own their memory."""
    return tuple(torch.from_numpy(np.array(array)) for array in arrays)


def export_program(model: nn.Module, arrays: list[NDArray[Any]]) -> torch.export.ExportedProgram:
    """Return the program of a network, for inputs of exactly the shapes of these arrays."""
    return torch.export.export(to_cpu(model), to_tensors(arrays))
