"""how="expand" and "learned" for torch: put a network behind a layer that makes its channels."""

import torch
from torch import nn

from ...errors import ModelError
from ..frameworks import AdaptOptions
from ..preprocessing import Preprocessing
from ..stem import quote_names
from .call_search import find_call
from .calls import CALL, Call
from .example import find_parameter
from .example_arguments import sees_volumes
from .image_arguments import FIRST, ImageArgument
from .image_lists import takes_image_list
from .isolated_run import isolate_run
from .likely_calls import find_image_parameters
from .modules import GrayInput, Learned, Repeat
from .parameters import read_signature


def put_behind_layer(
    model: nn.Module, preprocessing: Preprocessing, options: AdaptOptions
) -> GrayInput:
    """Return the network behind a layer that makes its three channels of gray.

    Raises
    ------
    ModelError
        If no statistics are stated, or it can't be told which arguments are images.
    """
    if not takes_image_list(model):
        preprocessing.require_stats(options.how)
    call = find_call(model, preprocessing, options.example)
    images = _find_images_by_name(model) if call is None else call.images
    images = (*images, *_find_optional_images(model, images))
    kind = Repeat if options.how == "expand" else Learned
    front = kind(preprocessing.normalization, 3 if images[0].axis == -4 else 2)
    like = find_parameter(model)
    front.to(like.device, like.dtype)
    if isinstance(front, Repeat) and front.is_view:
        front.copies = call is None or _writes_into_input(model, call, preprocessing)
    if options.freeze:
        model.requires_grad_(False)
    adapted = GrayInput(front, model, images)
    if call is not None and options.example is not None:
        setattr(adapted, CALL, call._replace(rivals=()))
    return adapted


def _writes_into_input(model: nn.Module, call: Call, preprocessing: Preprocessing) -> bool:
    """Whether a network may write into its images; it does if it can't be run to the end."""
    grays = call.make_gray(find_parameter(model), preprocessing)
    images = call.make_color(grays, preprocessing.normalization)
    before = [image._version for image in images]
    try:
        with isolate_run(model), torch.no_grad():
            call.run(model, images)
    except Exception:  # whatever a network raises
        return True
    return before != [image._version for image in images]


def _find_images_by_name(model: nn.Module) -> tuple[ImageArgument, ...]:
    """Return the images of a network that couldn't be run, by the names of its parameters.

    Raises
    ------
    ModelError
        If the names don't tell which arguments are images.
    """
    parameters = find_image_parameters(model)
    if parameters is None or len(parameters) > 1:
        names = quote_names(read_signature(model).parameters)
        raise ModelError(
            f"it can't be told which arguments of forward() are images, of {names}, and no likely "
            "call works: state a call, example={name: tensor, ...} with all that the network needs",
            remedies=("example",),
        )
    axis = -4 if sees_volumes(model) else FIRST.axis
    return tuple(ImageArgument(p.position, p.name or None, (), axis) for p in parameters)


def _find_optional_images(
    model: nn.Module, images: tuple[ImageArgument, ...]
) -> list[ImageArgument]:
    """Return the further images that a network of Hugging Face may be given, such as a video."""
    names = {image.name for image in images}
    return [
        ImageArgument(p.position, p.name, (), FIRST.axis)
        for p in read_signature(model).parameters.values()
        if "pixel_values" in p.name and p.name not in names
    ]
