"""Everything that a torch network returns, and where two networks' outputs differ."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import keystr, tree_flatten_with_path

_DEEPEST = 3  # objects in objects
_EPS64 = torch.finfo(torch.float64).eps

Outputs = dict[str, Tensor]


def outputs_of(result: Any) -> Outputs:
    """Return copies of all tensors and numbers in what a network returned, by their places.

    Lists, tuples, dicts, arrays and plain objects are looked into; text and functions are not.
    """
    found: Outputs = {}
    _collect(result, "", found, _DEEPEST)
    return found


def _collect(result: Any, place: str, found: Outputs, depth: int) -> None:
    for path, leaf in tree_flatten_with_path(result)[0]:
        name = f"{place}{keystr(path)}"
        if isinstance(leaf, Tensor):
            found[name] = _plain(leaf.detach()).clone()
        elif isinstance(leaf, bool | int | float | np.ndarray | np.generic):
            array = np.asarray(leaf)
            if array.dtype.kind in "biuf":
                found[name] = torch.from_numpy(np.atleast_1d(array).astype(np.float64))
        elif depth and hasattr(leaf, "__dict__") and not isinstance(leaf, type | nn.Module):
            for key, value in vars(leaf).items():  # a dataclass, a namespace, a distribution
                _collect(value, f"{name}.{key}", found, depth - 1)


def _plain(tensor: Tensor) -> Tensor:
    """Return a tensor of real numbers in the usual layout."""
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor


def usual_rounding(eps: float) -> float:
    """Return the part of the largest output by which rounding may move one, for a machine epsilon.

    It is 100 times `eps`, as in networks of a hundred layers, or its root where that is stricter
    (half precision) or float64 needs no strictness.
    """
    return float(eps**0.5 if eps <= _EPS64 else min(100 * eps, eps**0.5))


def difference(
    expected: Outputs, given: Outputs, part: Any = usual_rounding, eps: float = 0, floor: float = 0
) -> str | None:
    """Say where outputs differ by more than rounding; None if they don't.

    Parameters
    ----------
    expected, given : dict of str to Tensor
    part : callable
        Which part of the largest value of a tensor may be lost, for a machine epsilon.
    eps : float
        The network's own machine epsilon: its outputs may be of finer numbers than its layers.
    floor : float
        What may differ even where all values are 0.
    """
    if expected.keys() != given.keys():
        return f"returns {_counted(given)} for gray and {_counted(expected)} for three planes"
    for name, e in expected.items():
        g = given[name]
        if e.shape != g.shape:
            return (
                f"returns {_named(name)} of shape {tuple(g.shape)} for gray and "
                f"{tuple(e.shape)} for three planes"
            )
        if not e.numel():
            continue
        largest, off = _largest(e), _off(e, g)
        exact = not e.is_floating_point()
        limit = 0.0 if exact else part(max(eps, torch.finfo(e.dtype).eps)) * largest + floor
        if not off <= limit:
            return (
                f"returns other values for gray than for three planes: {_named(name)} differs by "
                f"{off:.2g}, of values up to {largest:.3g}"
            )
    return None


def largest_of(outputs: Outputs) -> float:
    """Return the largest finite value, or 0 if there is none."""
    return max((_largest(tensor) for tensor in outputs.values() if tensor.numel()), default=0.0)


def _largest(tensor: Tensor) -> float:
    values = tensor.cpu().double()
    return float(torch.where(values.isfinite(), values.abs(), 0).max())


def _off(expected: Tensor, given: Tensor) -> float:
    """Return the largest difference; infinite where one number alone isn't finite."""
    e, g = expected.cpu().double(), given.cpu().double()
    same = (e == g) | (e.isnan() & g.isnan())
    return float(torch.where(same, 0, (e - g).abs()).nan_to_num(float("inf")).max())


def _named(name: str) -> str:
    return f"output {name}" if name else "an output"


def _counted(outputs: Outputs) -> str:
    return f"{len(outputs)} tensor{'s' * (len(outputs) != 1)}"
