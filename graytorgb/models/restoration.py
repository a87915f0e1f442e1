"""``restore_input``: the gray input of a network that was made again with adapted weights."""

import os
from typing import Any, TypeVar, cast

from ..core.stats import stats_in_one
from ..errors import ModelError
from ..extras import require
from .frameworks import find_framework_line
from .preprocessing import Preprocessing

Model = TypeVar("Model")


@stats_in_one
def restore_input(
    model: Model,
    stats: Any = None,
    *,
    value_range: tuple[float, float] | None = None,
    normalized: tuple[float, float] | None = None,
) -> Model:
    """Give a torch network its gray input back after a library made it again.

    What makes an adapted network take gray isn't in its weights. Libraries such as transformers,
    segmentation_models_pytorch and timm make a network of their own classes and fill it with
    weights. With the weights of an adapted network, it takes the planes that :func:`adapt` makes
    of gray: two channels, one if the means fit into the stem's bias, or three if the network's own
    code is written for three.

    Parameters
    ----------
    model : torch.nn.Module
        A network that holds adapted weights, such as
        ``ResNetForImageClassification.from_pretrained(folder)``, or
        ``timm.create_model(name, in_chans=2)`` after ``load_state_dict``. It is copied.
    stats, value_range, normalized
        The arguments that :func:`adapt` was given. Networks of transformers carry them in their
        configuration, so you can leave them out.

    Returns
    -------
    torch.nn.Module
        The network with an input of one channel, as :func:`adapt` returned it.

    Raises
    ------
    ModelError
        If `model` isn't a torch network, takes none of these planes, or is adapted already,
        `stats` is missing, or the network's configuration states others.
    BackendUnavailable
        If torch is missing.

    See Also
    --------
    graytorgb.models.adapt : Adapt a network that takes color.

    Examples
    --------
    >>> import torch
    >>> from graytorgb.models import adapt, restore_input
    >>> def make_network(channels):
    ...     return torch.nn.Sequential(torch.nn.Conv2d(channels, 8, 3, padding=1), torch.nn.ReLU())
    >>> gray = adapt(make_network(3), "imagenet")
    >>> again = make_network(2)
    >>> again.load_state_dict(gray.state_dict())
    <All keys matched successfully>
    >>> again = restore_input(again, "imagenet")
    >>> x = torch.rand(1, 1, 32, 32)
    >>> torch.equal(again(x), gray(x))
    True
    """
    line = find_framework_line(model)
    if line.folder != "torch" or isinstance(model, str | os.PathLike):
        raise ModelError(
            "restore_input is for torch networks: an ONNX or a Keras network has its gray input in "
            "its graph"
        )
    preprocessing = Preprocessing.from_arguments(stats, value_range, normalized)
    restoration = require(f"{__package__}.torch.restoration", "torch", "models")
    return cast(Model, restoration.restore_input(model, preprocessing))
