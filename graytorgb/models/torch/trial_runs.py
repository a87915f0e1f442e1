"""Trial runs of a torch network on gray noise, before and after it is changed."""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ...errors import ModelError
from ..preprocessing import Preprocessing
from ..stem import CHANNELS, make_collapse_error
from .example import Call, find_parameter, list_calls
from .isolated_run import isolate_run
from .modules import repeat_and_normalize
from .outputs import Outputs, collect_outputs
from .trace import ImageTrace, StopRun, trace_image

_LARGE = 96  # pixels; a smaller side might not leave a pixel after all strides


class TrialRun(NamedTuple):
    """A run of the original network on gray noise, repeated and normalized.

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


def run_at_two_sizes(
    model: nn.Module, preprocessing: Preprocessing, example: Any
) -> list[TrialRun]:
    """Run the original network at a size that it takes, and at an odd one.

    At another size a network may pad what it didn't have to. A network that refuses the second
    size has one run.

    Raises
    ------
    ModelError
        If it takes none of the sizes.
    """
    refusals: list[tuple[Call, Exception]] = []
    for call in list_calls(model, example):
        try:
            first = run_original(model, call, preprocessing)
        except ModelError:
            raise
        except Exception as error:  # whatever a network raises at a size that it doesn't take
            refusals.append((call, error))
            continue
        for other in _list_odd_sizes(call):
            with suppress(Exception):  # the network doesn't take this size, so it can't pad for it
                return [first, run_original(model, other, preprocessing)]
        return [first]
    call, raised = refusals[0]
    shape = (call.shape[0], CHANNELS, *call.shape[1:])
    raise ModelError(
        f"no image can be traced through the network: given images of shape {shape} it raises "
        f"{type(raised).__name__}: {raised}. State an input that it takes, "
        "example=(height, width), or name the convolution, layer=",
        remedies=("example",),
    ) from raised


def _list_odd_sizes(call: Call) -> Iterator[Call]:
    """Yield calls with images of odd sides: smaller ones, which take less time, then larger."""
    larger = [n + 1 + 2 * i for i, n in enumerate(call.shape[1:])]
    smaller = [(5 * n // 8 | 1) + 2 * i for i, n in enumerate(call.shape[1:])]
    if min(call.shape[-2:]) >= _LARGE:
        yield call._replace(shape=(call.shape[0], *smaller))
    yield call._replace(shape=(call.shape[0], *larger))


def run_original(model: nn.Module, call: Call, preprocessing: Preprocessing) -> TrialRun:
    """Run the original network, and trace the image."""
    gray = make_gray(model, call, preprocessing)
    # in memory of its own: a network may write into its input
    color = repeat_and_normalize(gray, preprocessing.normalization).contiguous()
    with isolate_run(model):
        trace = trace_image(model, lambda: _run(model, call, color), color)
        return TrialRun(call, trace, collect_outputs(trace.result))


def run_adapted(
    model: nn.Module, call: Call, preprocessing: Preprocessing, stems: list[str]
) -> tuple[dict[str, list[Tensor]], Outputs]:
    """Run the changed network on gray.

    Returns
    -------
    stem_outputs : dict of str to list of Tensor
        The output of each call of the changed convolutions.
    outputs : dict of str to Tensor

    Raises
    ------
    ModelError
        If the network can't be run with one channel.
    """
    stem_outputs: dict[str, list[Tensor]] = {name: [] for name in stems}
    gray = make_gray(model, call, preprocessing)

    def keep_output(name: str, module: nn.Module, args: Any, output: Tensor) -> None:
        stem_outputs[name].append(output.clone())  # the next layer may work in place

    with isolate_run(model), torch.no_grad(), ExitStack() as stack:
        for name in stems:
            hook = partial(keep_output, name)
            stack.enter_context(model.get_submodule(name).register_forward_hook(hook))
        try:
            return stem_outputs, collect_outputs(_run(model, call, gray))
        except Exception as error:  # whatever a network raises that counts its channels
            raise make_collapse_error(
                f"with one channel the network raises {type(error).__name__}: {error}"
            ) from error


def _run(model: nn.Module, call: Call, images: Tensor) -> Any:
    """Return the network's output, or a detection model's features, in :func:`isolate_run`.

    In torchvision's detection models rounding decides which boxes are returned in which order,
    and only the backbone sees the image.
    """
    backbone = getattr(model, "backbone", None) if call.as_list else None
    if not isinstance(backbone, nn.Module):
        return call.run(model, images)
    transform: Any = model.transform
    if transform.fixed_size is None:  # else images would be made as large as 800 pixels
        transform.min_size = (min(call.shape[1:]),)
    features: list[Any] = []

    def keep_features(module: nn.Module, args: Any, output: Any) -> None:
        features.append(output)
        raise StopRun

    with backbone.register_forward_hook(keep_features), suppress(StopRun):
        return call.run(model, images)
    return features


def make_gray(model: nn.Module, call: Call, preprocessing: Preprocessing) -> Tensor:
    """Return gray noise, always the same, in the values that the adapted network takes."""
    batch, *sides = call.shape
    noise = preprocessing.rescaling.make_noise((batch, 1, *sides), seed=0)
    like = find_parameter(model)
    return torch.from_numpy(noise).to(like.device, like.dtype)
