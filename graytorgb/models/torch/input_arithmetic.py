"""Arithmetic that a torch network itself does on its input, before the stem."""

import sys
from collections.abc import Callable
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .reversible_changes import ReversibleChanges


class InputArithmetic(NamedTuple):
    """Arithmetic that can be folded into the stem: plane ``c`` times scale, plus offset.

    Attributes
    ----------
    scale, offset : ndarray of shape (3,), float64
    remove : callable
        Takes it out of the network.
    """

    scale: NDArray[np.float64]
    offset: NDArray[np.float64]
    remove: Callable[[ReversibleChanges], None]


def is_rcnn_transform(module: Any) -> bool:
    """Whether it is what torchvision's detection models normalize, resize and batch with."""
    detection = sys.modules.get("torchvision.models.detection.transform")
    return detection is not None and isinstance(module, detection.GeneralizedRCNNTransform)


def takes_image_list(model: nn.Module) -> bool:
    """Whether a network takes a list of images, as torchvision's detection models do."""
    return is_rcnn_transform(getattr(model, "transform", None))


def find_input_arithmetic(
    model: nn.Module, layer: str, *, returns_image: bool
) -> InputArithmetic | None:
    """What the arithmetic in `layer` amounts to; None if it can't be taken out.

    Parameters
    ----------
    model : nn.Module
    layer : str
        The name of the layer whose operations they are.
    returns_image : bool
        Whether the layer does nothing else: an image comes in, and an image comes out.
    """
    module: Any = model.get_submodule(layer)
    if is_rcnn_transform(module):
        return _of_rcnn(module)
    if getattr(module, "transform_input", False) and hasattr(module, "_transform_input"):
        measured = _measure(deepcopy(module)._transform_input)  # Inception and GoogLeNet
        return measured and InputArithmetic(
            *measured, lambda changes: changes.set(module, "transform_input", False)
        )
    if not returns_image or not layer:
        return None
    measured = _measure(deepcopy(module).double())
    parent, _, name = layer.rpartition(".")
    nothing = nn.Identity().train(module.training)
    return measured and InputArithmetic(
        *measured,
        lambda changes: changes.set(model.get_submodule(parent), name, nothing),
    )


def _of_rcnn(transform: Any) -> InputArithmetic:
    mean, std = (np.asarray(v, np.float64) for v in (transform.image_mean, transform.image_std))
    mean, std = np.broadcast_arrays(mean, std)

    def remove(changes: ReversibleChanges) -> None:
        changes.set(transform, "image_mean", [0.0])
        changes.set(transform, "image_std", [1.0])

    return InputArithmetic(1 / std, -mean / std, remove)


def _measure(
    call: Callable[[Tensor], Tensor],
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Scale and offset of a function of planes; None if it isn't that."""
    try:
        with torch.no_grad():
            results = [
                call(torch.full((1, 3, 4, 4), value, dtype=torch.float64)) for value in (0, 1, 0.5)
            ]
    except Exception:  # whatever a network's own code raises: it isn't such a function
        return None
    if any(result.shape != (1, 3, 4, 4) for result in results):
        return None
    zero, one, half = (result.double().cpu().numpy()[0] for result in results)
    offset, scale = zero[:, 0, 0], (one - zero)[:, 0, 0]
    flat = all(np.ptp(planes, axis=(1, 2)).max() == 0 for planes in (zero, one, half))
    if not flat or not scale.all() or not np.allclose(half[:, 0, 0], offset + scale / 2, 1e-6):
        return None
    return scale, offset
