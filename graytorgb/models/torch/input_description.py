"""What a torch network states about its input, corrected after the network is adapted."""

from typing import Any

from torch import nn

from ..preprocessing import Preprocessing
from ..stem import CHANNELS
from .reversible_changes import ReversibleChanges

# Attributes in which a layer may state how many channels its image has, to check the image, to
# make another layer, or to be made again from a file.
_COUNTS = ("num_channels", "in_channels", "_in_channels", "in_chans", "in_chs", "input_channels")


def correct_counts(
    model: nn.Module, layers: set[str], channels: int, changes: ReversibleChanges
) -> None:
    """Correct the number of channels that the layers state through which the image goes."""
    for name in layers:
        module = model.get_submodule(name)
        for count in _COUNTS:
            if getattr(module, count, None) == CHANNELS:
                changes.set_if_possible(module, count, channels)
    for config in _list_configs(model):
        for count in _COUNTS:
            if isinstance(config, dict) and config.get(count) == CHANNELS:
                changes.set_item(config, count, channels)
            elif getattr(config, count, None) == CHANNELS:
                changes.set_if_possible(config, count, channels)


def correct_pipeline(
    model: nn.Module, preprocessing: Preprocessing, changes: ReversibleChanges
) -> None:
    """Correct what timm and ultralytics know about the images that they read for the network."""
    layout = getattr(model, "yaml", None)  # ultralytics'
    if isinstance(layout, dict) and "backbone" in layout:
        changes.set_if_possible(model, "yaml", {**layout, "channels": 1})
    for name in ("pretrained_cfg", "default_cfg"):
        config = getattr(model, name, None)
        if isinstance(config, dict) and config.get("input_size"):
            # timm's pipeline makes values from 0 to 1, and these statistics map them to the range
            lo, hi = preprocessing.limits
            size = (1, *config["input_size"][1:])
            mean, std = (-lo / (hi - lo) + 0.0,), (1 / (hi - lo),)
            corrected = {**config, "input_size": size, "mean": mean, "std": std}
            changes.set_if_possible(model, name, corrected)


def _list_configs(model: nn.Module) -> list[Any]:
    """Return the configurations by which a library makes the network again.

    Hugging Face's are objects, some with others inside. That of segmentation_models_pytorch is a
    dict.
    """
    found: list[Any] = [getattr(model, "config", None)]
    for config in found:
        inner = vars(config).values() if hasattr(config, "to_dict") else ()
        found += [value for value in inner if hasattr(value, "to_dict")]
    return [config for config in found if isinstance(config, dict) or hasattr(config, "to_dict")]
