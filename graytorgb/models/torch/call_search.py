"""Search for a call that a torch network takes, among those that an example may mean."""

from typing import Any

import torch
from torch import nn

from ...errors import ModelError
from ..preprocessing import Preprocessing
from ..stem import quote_names
from .calls import Call
from .example import find_parameter, list_calls
from .example_arguments import make_doubt_error
from .image_names import is_image_name
from .isolated_run import isolate_run
from .parameters import read_signature
from .trace import trace_image

_PRODUCTS = ("convolution", "mm", "matmul", "linear")  # what weights do first with an image
_TRIES = 3  # how many sizes are tried to find out which arguments are images


def find_call(model: nn.Module, preprocessing: Preprocessing, example: Any) -> Call | None:
    """Return the first call that the network takes, or None if it takes none.

    The runs end at the first operation that uses an image, if that is enough to tell which
    arguments are images.

    Raises
    ------
    ModelError
        If the network takes none of the calls that `example` may mean, or several.
    """
    refusals: list[tuple[Call, Exception]] = []
    for call in list_calls(model, example):
        alike = sum(other.images == call.images for other, _ in refusals)
        if example is None and alike >= _TRIES:  # other sizes are hardly what it needs
            continue
        try:
            _probe(model, call, preprocessing)
        except Exception as error:  # whatever a network raises for a call that it doesn't take
            refusals.append((call, error))
            continue
        check_rivals(model, call, preprocessing)
        _check_unnamed(model, call, preprocessing)
        return call
    if example is not None:
        raise make_trial_error(model, refusals)
    return None


def _probe(model: nn.Module, call: Call, preprocessing: Preprocessing) -> None:
    """Run a network until the first operation that uses an image; to the end if there are rivals.

    Raises
    ------
    Exception
        Whatever the network raises for a call that it doesn't take.
    """
    grays = call.make_gray(find_parameter(model), preprocessing)
    images = call.make_color(grays, preprocessing.normalization)
    with isolate_run(model), torch.no_grad():
        if call.rivals or len(images) > 1:
            call.run(model, images)
        else:
            trace_image(model, lambda: call.run(model, images), images, stop_at_consumer=True)


def check_rivals(model: nn.Module, call: Call, preprocessing: Preprocessing) -> None:
    """Raise a ModelError if the network takes another call too that the example may mean."""
    for rival in call.rivals:
        try:
            _probe(model, rival, preprocessing)
        except Exception:  # whatever a network raises for a call that it doesn't take
            continue
        raise make_doubt_error([image.describe() for c in (call, rival) for image in c.images])


def _check_unnamed(model: nn.Module, call: Call, preprocessing: Preprocessing) -> None:
    """Check that several images, whose names don't say that they are images, are used as such.

    Raises
    ------
    ModelError
        If a tensor of three channels isn't what a convolution or a product with weights uses
        first, so it may be the target of a loss.
    """
    if len(call.images) == 1:
        return
    grays = call.make_gray(find_parameter(model), preprocessing)
    images = call.make_color(grays, preprocessing.normalization)
    for argument, image in zip(call.images, images, strict=True):
        if is_image_name(argument.label):
            continue
        with isolate_run(model):
            trace = trace_image(
                model, lambda: call.run(model, images), image, stop_at_consumer=True
            )
        if not all(consumer.operation.endswith(_PRODUCTS) for consumer in trace.consumers):
            raise make_doubt_error([argument.describe()])


def make_trial_error(model: nn.Module, refusals: list[tuple[Call, Exception]]) -> ModelError:
    """Return the error for a network that takes none of the calls that were tried."""
    required = [p.name for p in read_signature(model).parameters.values() if p.is_required]
    remedy = (
        "State an input that it takes, example=(height, width), or all of its arguments, "
        "example={name: tensor}, or name the convolution, layer="
    )
    if not refusals:
        return ModelError(
            "no image can be traced through the network: forward() requires "
            f"{quote_names(required)}, of which not all are images. {remedy}",
            remedies=("example",),
        )
    call, raised = refusals[0]
    error = ModelError(
        f"no image can be traced through the network: given images of shape "
        f"{call.describe_images()} it raises {type(raised).__name__}: {raised}. {remedy}",
        remedies=("example",),
    )
    error.__cause__ = raised
    return error
