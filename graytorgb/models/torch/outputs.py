"""Outputs of torch networks: collect all that a network returns, and compare two networks."""

from collections.abc import Mapping, Sequence, Set
from types import GeneratorType, MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import keystr, tree_flatten_with_path

EPS64 = torch.finfo(torch.float64).eps
_DEEPEST = 8  # how many objects inside each other are looked into
_FILL = 1e-3  # a value is a mask's fill if all others are less than this part of it
_SPREAD = 30  # how much more than a few runs any two runs of a random network may differ

Outputs = dict[str, Tensor]


def collect_outputs(result: Any, *, text: bool = True) -> Outputs:
    """Return copies of all tensors, numbers and texts in a network's output, by path.

    Containers of every kind, arrays and plain objects are looked into; functions are not.

    Parameters
    ----------
    result : object
    text : bool
        Whether to return texts too, as the code points of their letters.
    """
    outputs: Outputs = {}
    _collect(result, "", outputs, (), text=text)
    return outputs


def _collect(
    result: Any, path: str, outputs: Outputs, parents: tuple[int, ...], *, text: bool
) -> None:
    """Add what is in `result` to `outputs`; `parents` are the ids of the objects around it."""
    for keys, leaf in tree_flatten_with_path(result)[0]:
        name = f"{path}{keystr(keys)}"
        if isinstance(leaf, Tensor):
            for number, tensor in enumerate(leaf.unbind() if leaf.is_nested else [leaf]):
                key = f"{name}[{number}]" if leaf.is_nested else name
                outputs[key] = _convert_to_plain(tensor.detach()).clone()
        elif isinstance(leaf, bool | int | float | complex | np.ndarray | np.generic):
            array = np.asarray(leaf)
            if array.dtype.kind in "biufc":
                dtype = np.complex128 if array.dtype.kind == "c" else np.float64
                numbers = torch.from_numpy(np.atleast_1d(array).astype(dtype))
                outputs[name] = _convert_to_plain(numbers)
        elif isinstance(leaf, str):
            if text:
                outputs[name] = torch.tensor([ord(letter) for letter in leaf])
        elif len(parents) < _DEEPEST and id(leaf) not in parents:
            for key, value in _list_parts(leaf).items():
                _collect(value, f"{name}{key}", outputs, (*parents, id(leaf)), text=text)


def _list_parts(leaf: Any) -> dict[str, Any]:
    """Return the parts of a container or plain object, by index or attribute."""
    if isinstance(leaf, Mapping):
        return {f"[{key!r}]": value for key, value in leaf.items()}
    if isinstance(leaf, Set):
        leaf = sorted(leaf, key=repr)
    if isinstance(leaf, Sequence | GeneratorType) and not isinstance(leaf, bytes | range):
        return {f"[{index}]": value for index, value in enumerate(leaf)}
    if isinstance(leaf, type | nn.Module):
        return {}
    slots = [getattr(kind, "__slots__", ()) for kind in type(leaf).__mro__]
    names = [n for some in slots for n in ([some] if isinstance(some, str) else some)]
    in_slots = {name: getattr(leaf, name) for name in names if hasattr(leaf, name)}
    attributes = {**in_slots, **getattr(leaf, "__dict__", {})}
    return {f".{key}": value for key, value in attributes.items()}


def _convert_to_plain(tensor: Tensor) -> Tensor:
    """Return a tensor as a dense one of real numbers."""
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor


def describe_difference(
    expected: Outputs,
    actual: Outputs,
    eps: float = 0,
    *,
    is_lenient: bool = False,
    floor: float = 0,
    noise: Mapping[str, float] = MappingProxyType({}),
) -> str | None:
    """Say where outputs differ by more than rounding, or return None if they don't.

    Parameters
    ----------
    expected, actual : dict of str to Tensor
    eps : float
        The network's machine epsilon. Outputs may be of a finer dtype than its layers.
    is_lenient : bool
        Whether rounding may change half of the digits, which is ``eps ** 0.5`` of the largest
        value. If not, and if the numbers aren't float64, rounding may change ``100 * eps``, as in
        networks of a hundred layers, if that is less.
    floor : float
        The difference that passes even where all values are 0.
    noise : mapping of str to float
        How far each output differs from run to run; infinite if its shape differs.
    """
    if expected.keys() != actual.keys():
        counts = _count_tensors(actual), _count_tensors(expected)
        return "returns {} for gray and {} for three planes".format(*counts)
    for name, e in expected.items():
        a, where = actual[name], f"output {name}" if name else "an output"
        if noise.get(name) == float("inf"):
            continue
        if e.shape != a.shape:
            shapes = f"{tuple(a.shape)} for gray and {tuple(e.shape)} for three planes"
            return f"returns {where} of shape {shapes}"
        if not e.numel():
            continue
        difference, scale = _find_difference(e, a), _find_scale(e, a)
        limit = noise.get(name, 0.0)
        if e.is_floating_point():
            own_eps = max(eps, torch.finfo(e.dtype).eps)
            root = own_eps**0.5
            part = root if is_lenient or own_eps <= EPS64 else min(100 * own_eps, root)
            limit += part * scale + floor
        if not difference <= limit:
            return (
                f"returns other values for gray than for three planes: {where} differs by "
                f"{difference:.2g}, of values up to {scale:.3g}"
            )
    return None


def measure_noise(first: Outputs, *others: Outputs) -> dict[str, float] | None:
    """Return how far each output may differ from run to run, or None if their number changes."""
    if any(first.keys() != other.keys() for other in others):
        return None
    return {
        name: _SPREAD * max(_find_difference(tensor, other[name]) for other in others)
        for name, tensor in first.items()
    }


def _find_largest(tensor: Tensor) -> float:
    """Return the largest absolute value that is finite."""
    values = tensor.cpu().double()
    return float(torch.where(values.isfinite(), values.abs(), 0).max())


def _find_scale(expected: Tensor, actual: Tensor) -> float:
    """Return the largest value, without huge values that are equal in both: a mask's fill."""
    largest = _find_largest(expected)
    others = _find_largest(torch.where(expected != actual, expected, 0))
    return others if 0 < others < _FILL * largest else largest


def _find_difference(expected: Tensor, actual: Tensor) -> float:
    """Return the largest difference, or infinity if shapes differ or only one is finite."""
    if expected.shape != actual.shape:
        return float("inf")
    e, a = expected.cpu().double(), actual.cpu().double()
    is_same = (e == a) | (e.isnan() & a.isnan())
    difference = torch.where(is_same, 0, (e - a).abs()).nan_to_num(float("inf"))
    return float(difference.max()) if difference.numel() else 0.0


def _count_tensors(outputs: Outputs) -> str:
    """Return how many tensors there are, in words."""
    return f"{len(outputs)} tensor{'s' * (len(outputs) != 1)}"
