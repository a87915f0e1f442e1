"""how="collapse" for torch: find a network's stems and make them see gray.

The adapted network is an ordinary one. Its stem sees the gray alone if the means fit into its bias,
and else two planes, normalized gray and a constant. If its own code is written for three
channels, it sees zeros too. What makes the planes is in :mod:`.gray_class`.
"""

from copy import deepcopy
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ...errors import ModelError
from ..frameworks import AdaptOptions
from ..preprocessing import Preprocessing
from ..stem import CHANNELS, make_collapse_error
from ..weights import Normalization
from .calls import CALL, Call
from .example import convert_to_float64, find_epsilons, list_calls
from .input_description import correct_counts, correct_pipeline
from .integer_images import check_same_for_integers
from .isolated_run import isolate_run
from .likely_calls import make_partial_call
from .modules import repeat_and_normalize
from .outputs import EPS64, Outputs, collect_outputs, describe_difference, measure_noise
from .plain_convolution import replace_by_plain
from .plan import (
    Plan,
    find_computed,
    pads_before_convolution,
    plan_for_layers,
    plan_from_traces,
)
from .plane_inputs import find_plane_inputs, set_gray_input
from .planes import PlaneForm, append_planes
from .reversible_changes import ReversibleChanges
from .shared_parameters import SharedParameters
from .stem_change import (
    PlaneRules,
    StemChange,
    compare_outputs_of_stem,
    get_channel_axis,
    takes_bias,
)
from .trial_runs import TrialRun, make_gray, repeat_run, run_call, run_original_twice

_RUNS = 2  # more runs of the original, which show whether its outputs are random
_CANCELED = 1e-15  # less than this part of the stems' largest output is a rounding error


def collapse(model: nn.Module, preprocessing: Preprocessing, options: AdaptOptions) -> None:
    """Change `model` itself: its stems see gray, and other planes if they need them.

    Raises
    ------
    ModelError
        If it can't be done exactly. The network is then as it was.
    """
    task = _prepare_task(model, preprocessing, options)
    if not task.plan.has_arithmetic:
        preprocessing.require_stats()
    refusals = []
    for form in _list_forms(model, task):
        changes = ReversibleChanges()
        try:
            mismatch = _change_and_compare(model, task, form, changes)
            if mismatch is not None:
                changes.undo()
                if not _is_rounding(model, task, form, mismatch, options):
                    raise make_collapse_error(mismatch.reason)
                _change_and_compare(model, task, form, changes)
            if task.runs:
                call = task.runs[0].call
                check_same_for_integers(model, call, task.preprocessing, options.example)
            correct_pipeline(model, task.preprocessing, changes)
            if task.runs and options.example is not None:
                setattr(model, CALL, task.runs[0].call._replace(rivals=()))
            return
        except ModelError as refusal:
            changes.undo()
            refusals.append(refusal)
        except BaseException:
            changes.undo()
            raise
    raise refusals[0]


class Task(NamedTuple):
    """What has to change in a network, and what the original returned.

    Attributes
    ----------
    plan : Plan
    runs : list of TrialRun
        Runs of the original; none if it can't be run on an image alone.
    preprocessing : Preprocessing
    normalization : Normalization
        The normalization that makes the stems' input of gray: by the preprocessing first, then by
        the network's own arithmetic that is taken out.
    """

    plan: Plan
    runs: list[TrialRun]
    preprocessing: Preprocessing
    normalization: Normalization


class Mismatch(NamedTuple):
    """Outputs of the adapted network that differ from the original's.

    Attributes
    ----------
    reason : str
    run : TrialRun
        The original's run.
    outputs : dict of str to Tensor
        The adapted network's outputs.
    largest : float
        The largest output of the stems.
    """

    reason: str
    run: TrialRun
    outputs: Outputs
    largest: float


def _prepare_task(model: nn.Module, preprocessing: Preprocessing, options: AdaptOptions) -> Task:
    """Return the task for a network, by tracing an image or by the layers that the caller names."""
    if options.layers is None:
        runs = run_original_twice(model, preprocessing, options.example)
        plan = plan_from_traces(model, [run.trace for run in runs])
    else:
        plan = plan_for_layers(model, options.layers)
        runs = _run_for_layers(model, plan, preprocessing, options.example)
        if runs:
            found = find_computed(runs[0].trace)
            plan = plan._replace(computed={n: c for n, c in found.items() if n in plan.stems})
    normalization = preprocessing.normalization
    for arithmetic in plan.arithmetic:
        normalization = normalization.append_arithmetic(arithmetic.scale, arithmetic.offset)
    return Task(plan, runs, preprocessing, normalization)


def _run_for_layers(
    model: nn.Module, plan: Plan, preprocessing: Preprocessing, example: Any
) -> list[TrialRun]:
    """Run a network whose stems the caller names; return no run if an image alone isn't enough."""
    try:
        runs = run_original_twice(model, preprocessing, example)
    except ModelError:
        if example is not None:
            raise
        return []
    traced = {layer for run in runs for layer in run.trace.stem_calls}
    # without example=, the image may have been passed as another argument
    return runs if example is not None or traced >= set(plan.stems) else []


def _list_forms(model: nn.Module, task: Task) -> list[PlaneForm]:
    """Return the numbers of planes to try, the fewest first."""
    stems = [model.get_submodule(name) for name in task.plan.stems]
    fits_one = not task.normalization.has_offset or all(map(takes_bias, stems))
    return [
        PlaneForm(count, *task.normalization.plane_numbers)
        for count in (1, 2, 3)
        if count > 1 or fits_one
    ]


def _change_and_compare(
    model: nn.Module, task: Task, form: PlaneForm, changes: ReversibleChanges
) -> Mismatch | None:
    """Change the network, run it, and compare the outputs of the stems and of the network.

    Raises
    ------
    ModelError
        If the network can't be run on so many planes, a stem's outputs differ, or layers that
        share a parameter would need different ones.
    """
    shared = SharedParameters(model)
    for arithmetic in task.plan.arithmetic:
        arithmetic.remove(changes)
    layers = task.plan.image_layers - set(task.plan.stems)
    correct_counts(model, layers, form.planes, changes)
    for name, computed in task.plan.computed.items():
        pads = any(pads_before_convolution(run.trace, name) for run in task.runs)
        replace_by_plain(model, name, computed, changes, pads=pads)
    rules = PlaneRules(task.normalization, form, find_epsilons(model)[1])
    change = StemChange(model, task.plan.stems, rules, changes)
    if not task.runs:
        _change_alone(model, task, form, change)
        call = _find_call(model, task.plan.stems[0])
    else:
        call = task.runs[0].call
        if "" in task.plan.stems:  # the network is a convolution, whose calls begin with gray
            change.change_unseen()
    set_gray_input(model, find_plane_inputs(model, call, form), changes)
    mismatches = [_compare_run(model, task, run, change) for run in task.runs]
    mismatch = next((mismatch for mismatch in mismatches if mismatch is not None), None)
    if mismatch is None:
        shared.share_again(changes)
    return mismatch


def _change_alone(model: nn.Module, task: Task, form: PlaneForm, change: StemChange) -> None:
    """Change the stems of a network that can't be run, and compare what they return alone.

    A stem of a user's class may do more than convolve. It may standardize its weight, for example.
    """
    for name in task.plan.stems:
        if getattr(model.get_submodule(name), "in_channels", None) != CHANNELS:
            raise make_collapse_error(
                f"layer {name!r} doesn't see the image itself, so the network has to be run. State "
                "all arguments, example={name: tensor}"
            )
    expected = {n: _run_alone(model, n, task, None) for n in task.plan.stems}
    change.change_unseen()
    for name, output in expected.items():
        compare_outputs_of_stem(name, [output], [_run_alone(model, name, task, form)])


def _find_call(model: nn.Module, name: str) -> Call:
    """Return a call that tells which arguments of a network are images; it may lack the others."""
    spatial = len(model.get_submodule(name).kernel_size)  # type: ignore[arg-type]
    partial_call = make_partial_call(model, (1, *(224,) * spatial), -spatial - 1)
    if partial_call is None:
        raise make_collapse_error(
            "it isn't clear which arguments are images. State all arguments, example={name: tensor}"
        )
    return next(list_calls(model, None), partial_call)


def _run_alone(model: nn.Module, name: str, task: Task, form: PlaneForm | None) -> Tensor:
    """Return the output of a stem for gray noise, run without the network around it.

    `form` is None for the original.
    """
    stem: Any = model.get_submodule(name)
    sides = [d * (k - 1) + 9 for d, k in zip(stem.dilation, stem.kernel_size, strict=True)]
    [gray] = make_gray(stem, Call.of_batch((1, *sides)), task.preprocessing)
    if form is None:
        images = repeat_and_normalize(gray, task.normalization)
    elif form.planes == 1:
        images = gray
    else:
        images = append_planes(gray, get_channel_axis(stem), *form[1:], form.planes - 2)
    with torch.no_grad(), isolate_run(stem):
        output: Tensor = stem(images)
    return output


def _compare_run(
    model: nn.Module, task: Task, run: TrialRun, change: StemChange
) -> Mismatch | None:
    """Run the changed network as the original was run, and compare the outputs."""
    calls = {name: run.trace.stem_calls.get(name, []) for name in task.plan.stems}
    result = change.run(
        lambda: run_call(model, run.call, run.gray), calls, stops=run.outputs is None
    )
    if run.outputs is None:
        return None
    outputs = collect_outputs(result)
    eps, coarsest = find_epsilons(model)
    tensors = [call.output for each in calls.values() for call in each]
    largest = max((float(tensor.abs().max()) for tensor in tensors), default=0.0)
    # where values cancel each other, a rounding error is left
    floor = _CANCELED * largest if coarsest <= EPS64 else 0.0
    difference = describe_difference(run.outputs, outputs, eps, floor=floor)
    if difference is None:
        return None
    size = " x ".join(map(str, run.call.sides))
    reason = (
        f"the network {difference}, with images of {size}. It uses more than the first "
        "convolution's output, such as the number of channels, the image itself, or the weight of "
        "that convolution once more"
    )
    return Mismatch(reason, run, outputs, largest)


def _is_rounding(
    model: nn.Module,
    task: Task,
    form: PlaneForm,
    mismatch: Mismatch,
    options: AdaptOptions,
) -> bool:
    """Whether outputs differ only by rounding or by random numbers.

    `model` is the original, with all changes undone. In float64, a difference by rounding vanishes
    and any other difference stays.
    """
    run, outputs, coarsest = mismatch.run, mismatch.outputs, find_epsilons(model)[1]
    expected = run.outputs or {}
    again: list[Outputs] = []
    noise: dict[str, float] | None = {}
    while len(again) < _RUNS:
        again.append(repeat_run(model, run, task.preprocessing).outputs or {})
        noise = measure_noise(expected, *again)
        if noise is not None and not any(noise.values()):
            break  # it returns the same once more, so nothing is random
    if noise is None:
        return True  # even the number of outputs is random, so only the stems can be compared
    if any(noise.values()) and (
        describe_difference(expected, outputs, coarsest, is_lenient=True, noise=noise) is None
    ):
        return True  # the outputs that differ are random: they differ as much from run to run
    if coarsest <= EPS64:
        return False
    options = replace(options, example=convert_to_float64(options.example))
    try:
        double = deepcopy(model).double()
        task = _prepare_task(double, task.preprocessing, options)
        return _change_and_compare(double, task, form, ReversibleChanges()) is None
    except Exception:  # a network whose code requires float32 may raise anything
        floor = coarsest * mismatch.largest
        difference = describe_difference(expected, outputs, coarsest, is_lenient=True, floor=floor)
        return difference is None
