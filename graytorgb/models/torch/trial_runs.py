"""Trial runs of a torch network on gray noise, before and after it is changed."""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ...errors import ModelError
from ..preprocessing import Preprocessing
from ..stem import make_collapse_error
from .call_search import check_rivals, make_trial_error
from .calls import Call
from .example import find_parameter, list_calls
from .input_arithmetic import takes_image_list
from .isolated_run import isolate_run
from .outputs import Outputs, collect_outputs
from .trace import ImageTrace, StopRun, trace_image

_LARGE = 96  # pixels; images with smaller sides may have no pixel left after all strides


class TrialRun(NamedTuple):
    """A run of the original network on gray noise, repeated and normalized.

    Attributes
    ----------
    call : Call
    trace : ImageTrace
        The trace of the image.
    outputs : dict of str to Tensor
        All that the network returned.
    """

    call: Call
    trace: ImageTrace
    outputs: Outputs


def run_at_two_sizes(
    model: nn.Module, preprocessing: Preprocessing, example: Any
) -> list[TrialRun]:
    """Run the original network at a size that it takes, and at a size with odd sides.

    At the second size, a network may pad an image that it didn't pad at the first. If the network
    raises an error for the second size, there is one run.

    Raises
    ------
    ModelError
        If the network takes none of the sizes.
    """
    refusals: list[tuple[Call, Exception]] = []
    for call in list_calls(model, example):
        try:
            first = run_original(model, call, preprocessing)
        except ModelError:
            raise
        except Exception as error:  # whatever a network raises for a call that it doesn't take
            refusals.append((call, error))
            continue
        check_rivals(model, call, preprocessing)
        for other in _list_odd_sizes(call):
            with suppress(Exception):  # a network that doesn't take this size never pads it
                return [first, run_original(model, other, preprocessing)]
        return [first]
    raise make_trial_error(model, refusals)


def _list_odd_sizes(call: Call) -> Iterator[Call]:
    """Yield calls with odd sides: smaller images first, which take less time, then larger ones."""
    larger = [n + 1 + 2 * i for i, n in enumerate(call.sides)]
    smaller = [(5 * n // 8 | 1) + 2 * i for i, n in enumerate(call.sides)]
    if min(call.sides[-2:]) >= _LARGE:
        yield call.with_size(tuple(smaller))
    yield call.with_size(tuple(larger))
    if len(call.sides) == 3:  # a network of a fixed number of frames
        yield call.with_size((call.sides[0], *larger[1:]))


def run_original(model: nn.Module, call: Call, preprocessing: Preprocessing) -> TrialRun:
    """Run the original network, and trace the image."""
    grays = make_gray(model, call, preprocessing)
    color = call.make_color(grays, preprocessing.normalization)
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
        except Exception as error:  # a network that checks its channels may raise anything
            raise make_collapse_error(
                f"with one channel the network raises {type(error).__name__}: {error}"
            ) from error


def _run(model: nn.Module, call: Call, images: tuple[Tensor, ...]) -> Any:
    """Return the network's output; for torchvision's detection models, the backbone's features.

    In these models only the backbone sees the image, and rounding decides which boxes are returned
    and in which order. The caller has to be in :func:`isolate_run`.
    """
    backbone = getattr(model, "backbone", None) if takes_image_list(model) else None
    if not isinstance(backbone, nn.Module):
        return call.run(model, images)
    transform: Any = model.transform
    if transform.fixed_size is None:  # else images would be made as large as 800 pixels
        transform.min_size = (min(call.sides),)
    features: list[Any] = []

    def keep_features(module: nn.Module, args: Any, output: Any) -> None:
        features.append(output)
        raise StopRun

    with backbone.register_forward_hook(keep_features), suppress(StopRun):
        return call.run(model, images)
    return features


def make_gray(
    model: nn.Module, call: Call, preprocessing: Preprocessing, *, is_dark: bool = False
) -> tuple[Tensor, ...]:
    """Return gray noise for each image of a call, in the adapted network's range."""
    return call.make_gray(find_parameter(model), preprocessing, is_dark=is_dark)
