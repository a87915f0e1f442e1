"""Plain convolutions in place of those that compute their weight at each call.

Networks such as NFNet and BiT standardize the weight of each convolution. In a stem that sees gray,
the weight would be standardized otherwise. So the computed weight becomes that of a plain layer.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .reversible_changes import ReversibleChanges

_PLAIN = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


class Convolution(NamedTuple):
    """The arguments of a convolution, as torch computed it.

    Attributes
    ----------
    weight : Tensor
    bias : Tensor or None
    stride, padding, dilation : list of int
    groups : int
    sides : tuple of int
        The sides of the image that was convolved.
    """

    weight: Tensor
    bias: Tensor | None
    stride: list[int]
    padding: list[int]
    dilation: list[int]
    groups: int
    sides: tuple[int, ...]


class SameConv2d(nn.Conv2d):
    """A convolution that pads with zeros as TensorFlow's "SAME" does.

    The output has ``ceil(side / stride)`` pixels along each side. Where an odd number of zeros is
    needed, one more follows than goes before.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # as torch names it
        """Return ``(N, outputs, ceil(H / stride), ceil(W / stride))``."""
        padding: list[int] = []
        for axis in (1, 0):
            side, stride = input.size(axis - 2), self.stride[axis]
            span = self.dilation[axis] * (self.kernel_size[axis] - 1) + 1
            missing = max(0, (side + stride - 1) // stride * stride - stride + span - side)
            padding += [missing // 2, missing - missing // 2]
        output: Tensor = self._conv_forward(F.pad(input, padding), self.weight, self.bias)
        return output


def replace_by_plain(
    model: nn.Module, name: str, computed: Convolution, changes: ReversibleChanges, *, pads: bool
) -> None:
    """Replace a layer of a network by one that has the computed weight.

    Parameters
    ----------
    model : nn.Module
    name : str
        The layer's name.
    computed : Convolution
    changes : ReversibleChanges
    pads : bool
        Whether the layer pads its image before it convolves it, perhaps at some sizes only.
    """
    layer: Any = model.get_submodule(name)
    spatial = computed.weight.ndim - 2
    make: Any = SameConv2d if pads and spatial == 2 else _PLAIN[spatial]
    with torch.device("meta"):
        plain: Any = make(
            computed.weight.shape[1] * computed.groups, computed.weight.shape[0],
            tuple(computed.weight.shape[2:]), tuple(computed.stride), tuple(computed.padding),
            tuple(computed.dilation), computed.groups, bias=False,
        )  # fmt: skip
    plain.weight = nn.Parameter(computed.weight.detach().clone(), layer.weight.requires_grad)
    if computed.bias is not None:
        plain.bias = nn.Parameter(computed.bias.detach().clone(), computed.bias.requires_grad)
    kept = {k: v for k, v in vars(layer).items() if k.endswith("_hooks") or k not in vars(plain)}
    vars(plain).update(kept, training=layer.training)
    owner, _, attribute = name.rpartition(".")
    changes.set(model.get_submodule(owner), attribute, plain)
