"""An image's passes through a torch network, before and after it is changed."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ...errors import ModelError
from ..preprocessing import Preprocessing
from ..stem import CHANNELS, refuse
from .example import Call, any_parameter, calls
from .isolated_run import evaluating, seeded
from .modules import repeat_and_normalize
from .outputs import Outputs, outputs_of
from .trace import ImageTrace, Stopped, trace_image

_LARGE = 96  # pixels; a smaller side might not leave a pixel after all strides


class Pass(NamedTuple):
    """What the original did with gray noise, repeated and normalized.

    Attributes
    ----------
    call : Call
    trace : ImageTrace
        Where the image went.
    outputs : dict of str to Tensor
        All that the network returned.
    """

    call: Call
    trace: ImageTrace
    outputs: Outputs


def trace_at_two_sizes(model: nn.Module, preprocessing: Preprocessing, example: Any) -> list[Pass]:
    """Pass an image through the network at a size that it takes, and at an awkward one.

    At another size a network may pad what it didn't have to. One that refuses the second size has
    a single pass.

    Raises
    ------
    ModelError
        If it takes none of the sizes.
    """
    refused: list[tuple[Call, Exception]] = []
    for call in calls(model, example):
        try:
            first = _pass(model, call, preprocessing)
        except ModelError:
            raise
        except Exception as error:  # whatever a network raises at a size that it doesn't take
            refused.append((call, error))
            continue
        for other in _awkward_sizes(call):
            with suppress(Exception):  # it doesn't take this size, so nothing is padded for it
                return [first, _pass(model, other, preprocessing)]
        return [first]
    call, raised = refused[0]
    shape = (call.shape[0], CHANNELS, *call.shape[1:])
    raise ModelError(
        f"the network can't be followed: given images of shape {shape} it raises "
        f"{type(raised).__name__}: {raised}. State an input that it takes, "
        "example=(height, width), or name the convolution, layer=",
        remedies=("example",),
    ) from raised


def _awkward_sizes(call: Call) -> Iterator[Call]:
    """Yield calls with images of odd sides: smaller ones, which take less time, then larger."""
    larger = [n + 1 + 2 * i for i, n in enumerate(call.shape[1:])]
    smaller = [(5 * n // 8 | 1) + 2 * i for i, n in enumerate(call.shape[1:])]
    if min(call.shape[-2:]) >= _LARGE:
        yield call._replace(shape=(call.shape[0], *smaller))
    yield call._replace(shape=(call.shape[0], *larger))


def _pass(model: nn.Module, call: Call, preprocessing: Preprocessing) -> Pass:
    planes = make_planes(make_gray(model, call, preprocessing), preprocessing)
    with _alone(model):
        trace = trace_image(model, lambda: _run(model, call, planes), [planes])
        return Pass(call, trace, outputs_of(trace.result))


def run_again(model: nn.Module, call: Call, preprocessing: Preprocessing) -> Outputs:
    """Return the outputs of the original once more, by which a random network is known."""
    planes = make_planes(make_gray(model, call, preprocessing), preprocessing)
    with _alone(model), torch.no_grad():
        return outputs_of(_run(model, call, planes))


def run_adapted(
    model: nn.Module, call: Call, preprocessing: Preprocessing, stems: list[str]
) -> tuple[dict[str, list[Tensor]], Outputs]:
    """Run the changed network on gray.

    Returns
    -------
    stems : dict of str to list of Tensor
        What each call of the changed convolutions gave.
    outputs : dict of str to Tensor

    Raises
    ------
    ModelError
        If the network can't be run with one channel.
    """
    seen: dict[str, list[Tensor]] = {name: [] for name in stems}
    gray = make_gray(model, call, preprocessing)

    def keep(name: str, module: nn.Module, args: Any, output: Tensor) -> None:
        seen[name].append(output.clone())  # the next layer may work in place

    with _alone(model), torch.no_grad(), ExitStack() as stack:
        for name in stems:
            handle = model.get_submodule(name).register_forward_hook(partial(keep, name))
            stack.callback(handle.remove)
        try:
            return seen, outputs_of(_run(model, call, gray))
        except Exception as error:  # whatever a network raises that counts its channels
            raise refuse(
                f"with one channel the network raises {type(error).__name__}: {error}"
            ) from error


@contextmanager
def _alone(model: nn.Module) -> Iterator[None]:
    """Run it in eval mode with the same random numbers each time, and leave no trace."""
    with evaluating(model), seeded(any_parameter(model).device):
        yield


def _run(model: nn.Module, call: Call, images: Tensor) -> Any:
    """Return the network's output, or a detection model's features; within :func:`_alone`.

    Which boxes torchvision's models return, and in which order, rounding decides, and only their
    backbone sees the image.
    """
    backbone = getattr(model, "backbone", None) if call.as_list else None
    if not isinstance(backbone, nn.Module):
        return call.run(model, images)
    transform: Any = model.transform
    if transform.fixed_size is None:  # else images would be made as large as 800 pixels
        transform.min_size = (min(call.shape[1:]),)
    features: list[Any] = []

    def stop(module: nn.Module, args: Any, output: Any) -> None:
        features.append(output)
        raise Stopped

    handle = backbone.register_forward_hook(stop)
    try:
        with suppress(Stopped):
            return call.run(model, images)
    finally:
        handle.remove()
    return features


def make_gray(model: nn.Module, call: Call, preprocessing: Preprocessing) -> Tensor:
    """Return gray noise in the value range that the adapted network takes."""
    lo, hi = preprocessing.limits
    return call.gray(model) * (hi - lo) + lo


def make_planes(gray: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Return what the original is given, in memory of its own: a network may write into it."""
    return repeat_and_normalize(gray, preprocessing.normalization).contiguous()
