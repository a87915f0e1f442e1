"""Trial runs of a torch network on gray noise, before and after it is changed."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from torch import Tensor, nn

from ...errors import ModelError
from ..preprocessing import Preprocessing
from .call_search import check_rivals, make_trial_error
from .calls import Call
from .example import find_parameter, list_calls
from .finite_values import check_finite
from .image_lists import takes_image_list
from .isolated_run import isolate_run
from .outputs import Outputs, collect_outputs
from .trace import ImageTrace, StopRun, trace_image

_LARGE = 96  # pixels; images with smaller sides may have no pixel left after all strides
_HUGE = 100_000_000  # weights; a network of more is compared as a whole for one image, not for two


class TrialRun(NamedTuple):
    """A run of the original network on gray noise, repeated and normalized.

    Attributes
    ----------
    call : Call
    trace : ImageTrace
        The trace of the image.
    outputs : dict of str to Tensor or None
        All that the network returned, or None if the run ended after the stems.
    gray : tuple of Tensor
        The noise, for each image of the call.
    """

    call: Call
    trace: ImageTrace
    outputs: Outputs | None
    gray: tuple[Tensor, ...]


def run_original_twice(
    model: nn.Module, preprocessing: Preprocessing, example: Any
) -> list[TrialRun]:
    """Run the original network at a size that it takes, and once more with another image.

    The second image is darker, since a network may measure its image. It has odd sides if the
    network takes them, since it may pad an image that it didn't pad before. If it takes one size
    alone, the second run ends after the stems.

    A huge network's second run has no outputs, so that the adapted network needn't be run to the
    end: all that the image reaches is traced nevertheless, and the stems are compared.

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
                second = run_original(model, other, preprocessing, is_dark=True)
                return [first, second._replace(outputs=None) if _is_huge(model) else second]
        count = sum(map(len, first.trace.stem_calls.values()))
        second = run_original(model, call, preprocessing, is_dark=True, stop_after=count)
        return [first, second] if count else [first]
    raise make_trial_error(model, refusals)


def _is_huge(model: nn.Module) -> bool:
    """Whether a forward pass of a network takes so long that each one counts."""
    return sum(p.numel() for p in model.parameters()) > _HUGE


def _list_odd_sizes(call: Call) -> Iterator[Call]:
    """Yield calls with odd sides: smaller images first, which take less time, then larger ones."""
    larger = [n + 1 + 2 * i for i, n in enumerate(call.sides)]
    # 3/8 of the side is a seventh of the time
    smaller = [
        (max(3 * n // 8, 5 * min(n, _LARGE) // 8) | 1) + 2 * i for i, n in enumerate(call.sides)
    ]
    if min(call.sides[-2:]) >= _LARGE:
        yield call.with_size(tuple(smaller))
    yield call.with_size(tuple(larger))
    if len(call.sides) == 3:  # a network of a fixed number of frames
        yield call.with_size((call.sides[0], *larger[1:]))


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
    grays = make_gray(model, call, preprocessing, is_dark=is_dark)
    return _run_on_gray(model, call, preprocessing, grays, stop_after)


def repeat_run(model: nn.Module, run: TrialRun, preprocessing: Preprocessing) -> TrialRun:
    """Run the original network once more on the same images."""
    return _run_on_gray(model, run.call, preprocessing, run.gray, None)


def _run_on_gray(
    model: nn.Module,
    call: Call,
    preprocessing: Preprocessing,
    grays: tuple[Tensor, ...],
    stop_after: int | None,
) -> TrialRun:
    """Run the original network on gray that is repeated and normalized, and trace it."""
    color = call.make_color(grays, preprocessing.normalization)
    with isolate_run(model):
        trace = trace_image(
            model, lambda: run_call(model, call, color), color, stop_after=stop_after
        )
        outputs = None if stop_after else collect_outputs(trace.result)
    stems = {name: [c.output for c in calls] for name, calls in trace.stem_calls.items()}
    check_finite(model, stems, outputs or {})
    return TrialRun(call, trace, outputs, grays)


def run_call(model: nn.Module, call: Call, images: tuple[Tensor, ...]) -> Any:
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
