"""Arithmetic that a torch network does with its input image, and that can be removed from it."""

import random
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from .image_lists import is_rcnn_transform
from .isolated_run import isolate_run
from .reversible_changes import ReversibleChanges

# Sizes beyond which a layer may resize or crop. A layer that a trial shows to do so is kept.
_TRIAL_SHAPES = ((2, 3, 37, 2100), (1, 3, 2100, 37))
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


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
        copy = deepcopy(module)
        measured = _measure(copy, copy._transform_input)  # Inception and GoogLeNet
        owner, name, without = module, "transform_input", cast(Any, False)
    elif returns_image and layer and not _has_hooks(module):
        copy = deepcopy(module).cpu().double()
        measured = _measure(copy, copy)
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


def _has_hooks(module: nn.Module) -> bool:
    """Whether a layer, or a layer in it, has hooks, which would be lost with it."""
    return any(getattr(part, kind, None) for part in module.modules() for kind in _HOOKS)


def _measure(
    module: nn.Module, function: Callable[[Tensor], Tensor]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the scale and offset by which a function changes an image, or None if it does more.

    Parameters
    ----------
    module : nn.Module
        The layer that the function belongs to, as a copy, whose mode is set.
    function : callable
    """
    try:
        with isolate_run(module), torch.no_grad():
            before = _list_random_states()
            measured = _measure_flat(function)
            if measured is None or not _keeps_to(function, *measured):
                return None
            for part in module.modules():  # a BatchNorm is taken as it is in eval mode
                part.training = not isinstance(part, _BatchNorm)
            if not _keeps_to(function, *measured) or _list_random_states() != before:
                return None
    except Exception:  # whatever a network's own code raises for an image of this size
        return None
    return measured


def _list_random_states() -> list[Any]:
    """Return the states of the generators of random numbers, which change when one is drawn."""
    numpy_state: Any = np.random.get_state(legacy=False)  # noqa: NPY002  # networks use it
    return [
        torch.get_rng_state().tolist(),
        random.getstate(),
        numpy_state["state"]["key"].tolist(),
        numpy_state["state"]["pos"],
    ]


def _measure_flat(
    function: Callable[[Tensor], Tensor],
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the scale and offset by which a function changes images of one value in each."""
    shape = (1, 3, 4, 4)
    results = [function(torch.full(shape, v, dtype=torch.float64)) for v in (0, 1, 0.5)]
    if any(result.shape != shape for result in results):
        return None
    zero, one, half = (result.double().cpu().numpy()[0] for result in results)
    offset, scale = zero[:, 0, 0], (one - zero)[:, 0, 0]
    is_flat = all(np.ptp(image, axis=(1, 2)).max() == 0 for image in (zero, one, half))
    if not is_flat or not scale.all() or not np.allclose(half[:, 0, 0], offset + scale / 2, 1e-6):
        return None
    return scale, offset


def _keeps_to(
    function: Callable[[Tensor], Tensor], scale: NDArray[np.float64], offset: NDArray[np.float64]
) -> bool:
    """Whether a function does this arithmetic, and no more, with random images of other sizes."""
    generator = np.random.default_rng(0)
    for shape in _TRIAL_SHAPES:
        image = generator.random(shape)
        expected = image * scale[:, None, None] + offset[:, None, None]
        result = function(torch.from_numpy(image))  # which may write into the image
        if result.shape != shape:
            return False
        limit = 1e-6 * max(np.abs(expected).max(), np.abs(scale).max())
        if np.abs(result.double().cpu().numpy() - expected).max() > limit:
            return False
    return True
