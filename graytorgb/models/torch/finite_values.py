"""Checks that a torch network's weights and outputs are finite, with the layer that isn't."""

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn

from ...errors import ModelError
from ..preprocessing import Preprocessing
from .example import find_parameter

_QUOTED = 3  # how many names a message quotes
# Beyond this, weights around 0.05 become too small for float16's 10 bits; 65504 is its largest
# number.
_LARGEST_IN_FLOAT16 = 1024


def check_finite(
    model: nn.Module, stem_outputs: Mapping[str, list[Tensor]], outputs: Mapping[str, Tensor]
) -> None:
    """Check that what an original network returned for an image proves anything.

    Parameters
    ----------
    model : nn.Module
    stem_outputs : mapping of str to list of Tensor
        The outputs of each stem's calls. All of their values have to be finite.
    outputs : mapping of str to Tensor
        The network's outputs. They may hold infinite values, as masks do, but not NaN that comes
        from weights or from float16.

    Raises
    ------
    ModelError
        That names the weights which hold NaN or infinite values, or says that float16 overflows.
    """
    stems = [name for name, calls in stem_outputs.items() if not _are_finite(calls)]
    has_nan = any(_has_nan(tensor) for tensor in outputs.values())
    if not stems and not has_nan:
        return
    broken = list(_find_broken_weights(model))
    if broken:
        names = ", ".join(f"{name!r} holds {what}" for name, what in broken[:_QUOTED])
        more = f" and {len(broken) - _QUOTED} more do" if len(broken) > _QUOTED else ""
        raise ModelError(
            f"the network returns NaN for an image, because its weights aren't finite: {names}"
            f"{more}. Load weights that are finite; nothing can be proven with these"
        )
    if any(p.dtype == torch.float16 for p in model.parameters()):
        where = f"in layer {stems[0]!r}" if stems else "inside the network"
        raise ModelError(
            f"float16 overflows {where}: values beyond 65504 are infinite there. Adapt the network "
            "in float32, and convert it afterwards: adapt(model.float(), ...).half()"
        )
    if stems:
        raise ModelError(
            f"the layer {stems[0]!r} returns NaN or infinite values for an image, though its "
            "weights are finite: they, or the statistics, are too large for its dtype"
        )


def check_half_range(model: nn.Module, preprocessing: Preprocessing) -> None:
    """Check that gray in its range, and the weights for it, fit into a network's float16.

    Raises
    ------
    ModelError
        If the network's weights are float16, and the range is too large for it.
    """
    lo, hi = preprocessing.limits
    if find_parameter(model).dtype == torch.float16 and hi - lo > _LARGEST_IN_FLOAT16:
        raise ModelError(
            "the network calculates in float16, whose largest number is 65504, and gray "
            f"from {lo:g} to {hi:g} doesn't fit into it: leave value_range out and give the "
            "network gray from 0 to 1, or call adapt(model.float(), ...)"
        )


def _find_broken_weights(model: nn.Module) -> Iterator[tuple[str, str]]:
    """Yield the name of each parameter or buffer that isn't finite, and what it holds."""
    parameters = dict(model.named_parameters())
    statistics = {n: b for n, b in model.named_buffers() if n.endswith(("_mean", "_var"))}
    for name, tensor in {**parameters, **statistics}.items():
        is_dense = tensor.layout == torch.strided and not tensor.is_meta
        if is_dense and tensor.is_floating_point() and not _are_finite([tensor]):
            yield name, "NaN" if _has_nan(tensor) else "infinite values"


def _are_finite(tensors: Iterable[Tensor]) -> bool:
    """Whether all values are finite. The extremes tell it without a tensor in memory."""
    return all(torch.isfinite(torch.stack(torch.aminmax(t.detach()))).all()
        for t in tensors if t.numel() and t.is_floating_point())  # fmt: skip


def _has_nan(tensor: Tensor) -> bool:
    """Whether a value is NaN: the largest one is NaN then too."""
    if not tensor.numel() or not tensor.is_floating_point():
        return False
    return bool(torch.isnan(torch.amax(tensor.detach())))
