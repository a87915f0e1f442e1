"""Arithmetic that a torch network does with its input image, and that can be removed from it."""

import sys
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .reversible_changes import ReversibleChanges


class InputArithmetic(NamedTuple):
    """A network's arithmetic with its image: ``channel * scale[c] + offset[c]``.

    It can be folded into the weights of the stem.

    Attributes
    ----------
    scale, offset : ndarray of shape (3,), float64
    remove : callable
        A function that removes the arithmetic from the network, as reversible changes.
    """

    scale: NDArray[np.float64]
    offset: NDArray[np.float64]
    remove: Callable[[ReversibleChanges], None]


def is_rcnn_transform(module: Any) -> bool:
    """Whether a module is the input transform of torchvision's detection models."""
    detection = sys.modules.get("torchvision.models.detection.transform")
    return detection is not None and isinstance(module, detection.GeneralizedRCNNTransform)


def takes_image_list(model: nn.Module) -> bool:
    """Whether a network takes a list of images, as torchvision's detection models do."""
    return is_rcnn_transform(getattr(model, "transform", None))


def find_input_arithmetic(
    model: nn.Module, layer: str, *, returns_image: bool
) -> InputArithmetic | None:
    """Return the arithmetic in a layer, or None if there is none that can be removed.

    Parameters
    ----------
    model : nn.Module
    layer : str
        The layer's name.
    returns_image : bool
        Whether the layer takes an image and returns one, so that it may do arithmetic alone.
    """
    module: Any = model.get_submodule(layer)
    if is_rcnn_transform(module):
        mean, std = (np.asarray(v, np.float64) for v in (module.image_mean, module.image_std))
        mean, std = np.broadcast_arrays(mean, std)
        return InputArithmetic(1 / std, -mean / std, partial(_remove_from_rcnn, module))
    if getattr(module, "transform_input", False) and hasattr(module, "_transform_input"):
        measured = _measure(deepcopy(module)._transform_input)  # Inception and GoogLeNet
        owner, name, without = module, "transform_input", cast(Any, False)
    elif returns_image and layer:
        measured = _measure(deepcopy(module).double())
        parent, _, name = layer.rpartition(".")
        owner, without = model.get_submodule(parent), nn.Identity().train(module.training)
    else:
        return None
    return measured and InputArithmetic(
        *measured, lambda changes: changes.set(owner, name, without)
    )


def _remove_from_rcnn(transform: Any, changes: ReversibleChanges) -> None:
    """Make the transform of a detection model leave the images' values as they are."""
    changes.set(transform, "image_mean", [0.0])
    changes.set(transform, "image_std", [1.0])


def _measure(
    function: Callable[[Tensor], Tensor],
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the scale and offset by which a function changes an image, or None if it does more."""
    try:
        with torch.no_grad():
            results = [
                function(torch.full((1, 3, 4, 4), value, dtype=torch.float64))
                for value in (0, 1, 0.5)
            ]
    except Exception:  # whatever a network's own code raises for an image of this size
        return None
    if any(result.shape != (1, 3, 4, 4) for result in results):
        return None
    zero, one, half = (result.double().cpu().numpy()[0] for result in results)
    offset, scale = zero[:, 0, 0], (one - zero)[:, 0, 0]
    is_flat = all(np.ptp(image, axis=(1, 2)).max() == 0 for image in (zero, one, half))
    if not is_flat or not scale.all() or not np.allclose(half[:, 0, 0], offset + scale / 2, 1e-6):
        return None
    return scale, offset
