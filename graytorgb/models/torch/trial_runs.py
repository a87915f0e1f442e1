"""Trial runs of a torch network on gray noise, before and after it is changed."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ...errors import ModelError
from ..preprocessing import Preprocessing
from ..stem import CHANNELS
from .example import Call, find_parameter, list_calls
from .isolated_run import isolate_run
from .modules import repeat_and_normalize
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
    outputs : dict of str to Tensor or None
        All that the network returned, or None if the run ended after the stems.
    gray : Tensor
        The noise.
    """

    call: Call
    trace: ImageTrace
    outputs: Outputs | None
    gray: Tensor


def run_original_twice(
    model: nn.Module, preprocessing: Preprocessing, example: Any
) -> list[TrialRun]:
    """Run the original network at a size that it takes, and once more with another image.

    The second image is darker, since a network may measure its image. It has odd sides if the
    network takes them, since it may pad an image that it didn't pad before. If it takes one size
    alone, the second run ends after the stems.

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
        except Exception as error:  # whatever a network raises at a size that it doesn't take
            refusals.append((call, error))
            continue
        for other in _list_odd_sizes(call):
            with suppress(Exception):  # a network that doesn't take this size never pads it
                return [first, run_original(model, other, preprocessing, is_dark=True)]
        count = sum(map(len, first.trace.stem_calls.values()))
        second = run_original(model, call, preprocessing, is_dark=True, stop_after=count)
        return [first, second] if count else [first]
    call, raised = refusals[0]
    shape = (call.shape[0], CHANNELS, *call.shape[1:])
    raise ModelError(
        f"no image can be traced through the network: given images of shape {shape} it raises "
        f"{type(raised).__name__}: {raised}. State an input that it takes, "
        "example=(height, width), or name the convolution, layer=",
        remedies=("example",),
    ) from raised


def _list_odd_sizes(call: Call) -> Iterator[Call]:
    """Yield calls with odd sides: smaller images first, which take less time, then larger ones."""
    larger = [n + 1 + 2 * i for i, n in enumerate(call.shape[1:])]
    smaller = [(5 * n // 8 | 1) + 2 * i for i, n in enumerate(call.shape[1:])]
    if min(call.shape[-2:]) >= _LARGE:
        yield call._replace(shape=(call.shape[0], *smaller))
    yield call._replace(shape=(call.shape[0], *larger))


def run_original(
    model: nn.Module,
    call: Call,
    preprocessing: Preprocessing,
    *,
    is_dark: bool = False,
    stop_after: int | None = None,
) -> TrialRun:
    """Run the original network, and trace the image.

    Parameters
    ----------
    model : nn.Module
    call : Call
    preprocessing : Preprocessing
    is_dark : bool
        Whether the noise is half as bright.
    stop_after : int, optional
        After how many calls of stems the run ends, without outputs.
    """
    gray = make_gray(model, call, preprocessing, is_dark=is_dark)
    # a copy and no view, because a network may write into its input
    color = repeat_and_normalize(gray, preprocessing.normalization).contiguous()
    with isolate_run(model):
        trace = trace_image(
            model, lambda: run_call(model, call, color), color, stop_after=stop_after
        )
        outputs = None if stop_after else collect_outputs(trace.result)
        return TrialRun(call, trace, outputs, gray)


def run_call(model: nn.Module, call: Call, images: Tensor) -> Any:
    """Return the network's output; for torchvision's detection models, the backbone's features.

    In these models only the backbone sees the image, and rounding decides which boxes are returned
    and in which order. The caller has to be in :func:`isolate_run`.
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


def make_gray(
    model: nn.Module, call: Call, preprocessing: Preprocessing, *, is_dark: bool = False
) -> Tensor:
    """Return gray noise in the adapted network's range, the same for each call."""
    batch, *sides = call.shape
    noise = preprocessing.rescaling.make_noise((batch, 1, *sides), seed=int(is_dark))
    if is_dark:
        black = preprocessing.limits[0]
        noise = black + (noise - black) / 2
    like = find_parameter(model)
    return torch.from_numpy(noise).to(like.device, like.dtype)
