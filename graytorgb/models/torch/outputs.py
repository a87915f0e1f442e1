"""Everything that a torch network returns, and where two networks' outputs differ."""

from collections.abc import Mapping, Sequence, Set
from types import GeneratorType, MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import keystr, tree_flatten_with_path

_DEEPEST = 8  # objects in objects
_EPS64 = torch.finfo(torch.float64).eps
_FILL = 1e-3  # of a value that is the same in both, what others are at most if it is a fill
_SPREAD = 30  # runs of a random network may lie as many times further apart than a few others did

Outputs = dict[str, Tensor]


def outputs_of(result: Any, *, text: bool = True) -> Outputs:
    """Return copies of all tensors, numbers and texts in what a network returned, by their places.

    Containers of every kind, arrays and plain objects are looked into; functions are not. Without
    `text`, texts are left out: the numbers of their letters are no figures.
    """
    found: Outputs = {}
    _collect(result, "", found, (), text=text)
    return found


def _collect(
    result: Any, place: str, found: Outputs, around: tuple[int, ...], *, text: bool
) -> None:
    """Add what is in `result`; `around` are the objects that it is in."""
    for path, leaf in tree_flatten_with_path(result)[0]:
        name = f"{place}{keystr(path)}"
        if isinstance(leaf, Tensor):
            for number, tensor in enumerate(leaf.unbind() if leaf.is_nested else [leaf]):
                key = f"{name}[{number}]" if leaf.is_nested else name
                found[key] = _plain(tensor.detach()).clone()
        elif isinstance(leaf, bool | int | float | complex | np.ndarray | np.generic):
            array = np.asarray(leaf)
            if array.dtype.kind in "biufc":
                kind = np.complex128 if array.dtype.kind == "c" else np.float64
                found[name] = _plain(torch.from_numpy(np.atleast_1d(array).astype(kind)))
        elif isinstance(leaf, str):
            if text:
                found[name] = torch.tensor([ord(letter) for letter in leaf])
        elif len(around) < _DEEPEST and id(leaf) not in around:
            for key, value in _parts(leaf).items():
                _collect(value, f"{name}{key}", found, (*around, id(leaf)), text=text)


def _parts(leaf: Any) -> dict[str, Any]:
    """Return what is in a container or a plain object, by its place there."""
    if isinstance(leaf, Mapping):
        return {f"[{key!r}]": value for key, value in leaf.items()}
    if isinstance(leaf, Set):
        leaf = sorted(leaf, key=repr)
    if isinstance(leaf, Sequence | GeneratorType) and not isinstance(leaf, bytes | range):
        return {f"[{place}]": value for place, value in enumerate(leaf)}
    if isinstance(leaf, type | nn.Module):
        return {}
    slots = [getattr(kind, "__slots__", ()) for kind in type(leaf).__mro__]
    names = [n for some in slots for n in ([some] if isinstance(some, str) else some)]
    named = {name: getattr(leaf, name) for name in names if hasattr(leaf, name)}
    return {f".{key}": value for key, value in {**named, **getattr(leaf, "__dict__", {})}.items()}


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
    expected: Outputs,
    given: Outputs,
    part: Any = usual_rounding,
    eps: float = 0,
    floor: float = 0,
    noise: Mapping[str, float] = MappingProxyType({}),
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
    noise : mapping of str to float
        How far an output differs from run to run; infinite where its shape does.
    """
    if expected.keys() != given.keys():
        return f"returns {_counted(given)} for gray and {_counted(expected)} for three planes"
    for name, e in expected.items():
        g = given[name]
        if noise.get(name) == float("inf"):
            continue
        if e.shape != g.shape:
            return (
                f"returns {_named(name)} of shape {tuple(g.shape)} for gray and "
                f"{tuple(e.shape)} for three planes"
            )
        if not e.numel():
            continue
        off, scale = _off(e, g), _scale(e, g)
        exact = not e.is_floating_point()
        limit = 0.0 if exact else part(max(eps, torch.finfo(e.dtype).eps)) * scale + floor
        if not off <= limit + noise.get(name, 0.0):
            return (
                f"returns other values for gray than for three planes: {_named(name)} differs by "
                f"{off:.2g}, of values up to {scale:.3g}"
            )
    return None


def noise_of(first: Outputs, *others: Outputs) -> dict[str, float] | None:
    """Return how far each output may differ from run to run; None if their number changes."""
    if any(first.keys() != other.keys() for other in others):
        return None
    return {
        name: _SPREAD * max(_off(tensor, other[name]) for other in others)
        for name, tensor in first.items()
    }


def _largest(tensor: Tensor) -> float:
    values = tensor.cpu().double()
    return float(torch.where(values.isfinite(), values.abs(), 0).max())


def _scale(expected: Tensor, given: Tensor) -> float:
    """Return the largest value, without a mask's fill: huge values that are the same in both."""
    largest = _largest(expected)
    others = _largest(torch.where(expected != given, expected, 0))
    return others if 0 < others < _FILL * largest else largest


def _off(expected: Tensor, given: Tensor) -> float:
    """Return the largest difference; infinite where one number alone isn't finite, or shapes."""
    if expected.shape != given.shape:
        return float("inf")
    e, g = expected.cpu().double(), given.cpu().double()
    same = (e == g) | (e.isnan() & g.isnan())
    off = torch.where(same, 0, (e - g).abs()).nan_to_num(float("inf"))
    return float(off.max()) if off.numel() else 0.0


def _named(name: str) -> str:
    return f"output {name}" if name else "an output"


def _counted(outputs: Outputs) -> str:
    return f"{len(outputs)} tensor{'s' * (len(outputs) != 1)}"
