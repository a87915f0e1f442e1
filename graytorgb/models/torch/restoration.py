"""``restore_input`` for torch: the gray input of a network that was made again."""

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

from ...errors import ModelError
from ..preprocessing import Preprocessing
from ..stem import CHANNELS
from .adaptation import check_network, set_record
from .example import Call, find_parameter, list_calls
from .isolated_run import isolate_run
from .network_copy import copy_network
from .plain_mode import plain_mode
from .plane_inputs import find_plane_inputs, set_gray_input
from .planes import PlaneForm
from .reversible_changes import ReversibleChanges
from .runner import PREPROCESSING
from .stem_change import takes_bias


def restore_input(model: nn.Module, preprocessing: Preprocessing) -> nn.Module:
    """Return a copy that takes gray, as :func:`graytorgb.models.restore_input` says."""
    check_network(model)
    with plain_mode():
        return _restore(model, preprocessing)


def _restore(model: nn.Module, preprocessing: Preprocessing) -> nn.Module:
    """Return the copy, made under none of torch's modes."""
    record = Preprocessing.from_text(getattr(getattr(model, "config", None), PREPROCESSING, None))
    if record is not None:
        record.check_agrees(preprocessing)
        preprocessing = record
    preprocessing.require_stats()
    channels, call = _find_channels(model)
    if channels == 1 and preprocessing.normalization.has_offset:
        _check_stems(model, len(call.shape) - 1)
    restored = copy_network(model)
    inputs = find_plane_inputs(
        restored, call, PlaneForm(channels, *preprocessing.normalization.plane_numbers)
    )
    set_gray_input(restored, inputs, ReversibleChanges())
    set_record(restored, preprocessing)
    return restored


def _check_stems(model: nn.Module, spatial: int) -> None:
    """Check that the stems of a network of one channel can hold the means in their bias.

    Raises
    ------
    ModelError
        If one can't, so that its weights can't be adapted ones.
    """
    for name, module in model.named_modules():
        is_stem = isinstance(module, _ConvNd) and module.in_channels == 1
        if is_stem and len(module.kernel_size) == spatial and not takes_bias(module):
            raise ModelError(
                f"layer {name!r} sees one channel, and pads with zeros or has no bias, so it can't "
                "hold the means. adapt gives such a stem 2 channels: make the network with 2, such "
                "as timm.create_model(name, in_chans=2), and load the adapted weights"
            )


def _find_channels(model: nn.Module) -> tuple[int, Call]:
    """Return how many channels a network takes, one to three, and a call that it takes.

    Raises
    ------
    ModelError
        If it takes none of them, or three that aren't planes of gray.
    """
    like, raised = find_parameter(model), None
    counts = (2, 1, 3) if _sees_zeros(model) else (2, 1)
    for call in list_calls(model, None):
        for channels in counts:
            batch, *sides = call.shape
            images = torch.rand(batch, channels, *sides).to(like.device, like.dtype)
            try:
                with isolate_run(model), torch.no_grad():
                    call.run(model, images)
                return channels, call
            except Exception as error:  # whatever a network raises for other channels or sizes
                raised = raised or error
    raise ModelError(
        "this network takes neither one nor two channels, as one does that is made for adapted "
        f"weights; for two it raises {type(raised).__name__}: {raised}. An original network, "
        "whose weights aren't adapted, gets its gray input by adapt(model, stats)"
    )


def _sees_zeros(model: nn.Module) -> bool:
    """Whether a network has a stem that was adapted to gray, a constant and zeros.

    This is so in networks whose own code is written for three channels. The weights for the zeros
    are 0.
    """
    for module in model.modules():
        if isinstance(module, _ConvNd) and module.in_channels == CHANNELS and module.groups == 1:
            axis = 0 if module.transposed else 1
            kernel = module.weight.detach()
            if kernel.any() and not kernel.select(axis, CHANNELS - 1).any():
                return True
    return False
