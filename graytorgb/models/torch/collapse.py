"""how="collapse" for torch: find a network's stems and make them see gray."""

from copy import deepcopy
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvTransposeNd

from ...errors import ModelError
from ..frameworks import AdaptOptions
from ..preprocessing import Preprocessing
from ..stem import CHANNELS, check_stem_outputs, make_collapse_error
from ..weights import Normalization, collapse_stem
from .example import Call, convert_to_float64, find_epsilons
from .isolated_run import isolate_run
from .modules import AppendOnes, repeat_and_normalize
from .outputs import EPS64, Outputs, describe_difference, measure_noise
from .plan import Plan, is_inside, plan_for_layers, plan_from_traces
from .reversible_changes import ReversibleChanges
from .trial_runs import TrialRun, make_gray, run_adapted, run_at_two_sizes, run_original

_RUNS = 2  # more runs of the original, which show whether its outputs are random
_CANCELED = 1e-15  # less than this part of the stems' largest output is a rounding error
# Attributes in which a layer may state how many channels its image has, to check the image.
_COUNTS = ("num_channels", "in_channels", "_in_channels", "in_chans", "input_channels")


def collapse(model: nn.Module, preprocessing: Preprocessing, options: AdaptOptions) -> None:
    """Change `model` itself: its stem sees one channel, the gray.

    Raises
    ------
    ModelError
        If it can't be done exactly. The network is then as it was.
    """
    task = _prepare_task(model, preprocessing, options)
    if not task.plan.arithmetic:
        preprocessing.require_stats()
    changes = ReversibleChanges()
    try:
        mismatch = _change_and_compare(model, task, changes)
        if mismatch is not None:
            changes.undo()
            if not _is_rounding(model, task, mismatch, options):
                raise make_collapse_error(mismatch.reason)
            _change(model, task, changes)
    except BaseException:
        changes.undo()
        raise


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
        the network's own arithmetic.
    outputs_alone : dict of str to Tensor
        The outputs of stems that the caller names, each run without the network around it.
    """

    plan: Plan
    runs: list[TrialRun]
    preprocessing: Preprocessing
    normalization: Normalization
    outputs_alone: dict[str, Tensor]


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
        runs = run_at_two_sizes(model, preprocessing, options.example)
        plan = plan_from_traces(model, [run.trace for run in runs])
    else:
        plan = plan_for_layers(model, options.layers)
        runs = _run_for_layers(model, plan, preprocessing, options.example)
    normalization = preprocessing.normalization
    for arithmetic in plan.arithmetic:
        normalization = normalization.append_arithmetic(arithmetic.scale, arithmetic.offset)
    task = Task(plan, runs, preprocessing, normalization, {})
    return task if options.layers is None else task._replace(outputs_alone=_run_alone(model, task))


def _run_for_layers(
    model: nn.Module, plan: Plan, preprocessing: Preprocessing, example: Any
) -> list[TrialRun]:
    """Run a network whose stems the caller names; return no run if an image alone isn't enough."""
    try:
        runs = run_at_two_sizes(model, preprocessing, example)
    except ModelError:
        if example is not None:
            raise
        return []
    traced = {consumer.layer for run in runs for consumer in run.trace.consumers}
    # without example=, the image may have been passed as another argument
    return runs if example is not None or traced >= set(plan.stems) else []


def _change(model: nn.Module, task: Task, changes: ReversibleChanges) -> None:
    """Change the layers, and correct what the network states about its input."""
    plan, normalization = task.plan, task.normalization
    for arithmetic in plan.arithmetic:
        arithmetic.remove(changes)
    hooks = {}
    for name, ones_layer in plan.stems.items():
        stem: Any = model.get_submodule(name)
        needs_ones = ones_layer != name or not _pads_no_zeros(stem)
        _set_weights(stem, normalization, "plane" if needs_ones else "bias", changes)
        if normalization.has_offset and needs_ones:
            hooks[ones_layer] = AppendOnes(len(stem.kernel_size))
    for name, hook in hooks.items():
        changes.add_hook(model.get_submodule(name), hook)
    for name in plan.image_layers - set(plan.stems):
        module = model.get_submodule(name)
        channels = 2 if any(is_inside(name, ones_layer) for ones_layer in hooks) else 1
        for count in _COUNTS:
            if getattr(module, count, None) == CHANNELS:
                changes.set_if_possible(module, count, channels)
    _correct_description(model, task.preprocessing, changes)


def _pads_no_zeros(stem: Any) -> bool:
    """Whether a stem pads no zeros, so that a bias can replace the plane of ones."""
    if type(stem) not in (nn.Conv1d, nn.Conv2d, nn.Conv3d):  # others may pad in their forward
        return False
    if stem.padding_mode != "zeros" or stem.padding == "valid":
        return True
    return not isinstance(stem.padding, str) and not any(stem.padding)


def _set_weights(
    stem: Any, normalization: Normalization, offset: str, changes: ReversibleChanges
) -> None:
    """Set the weights of a convolution that sees the gray, and a plane of ones if it needs one."""
    transposed = isinstance(stem, _ConvTransposeNd)
    axes = ("IO" if transposed else "OI") + "DHW"[-len(stem.kernel_size) :]
    kernel = stem.weight.detach().double().cpu().numpy()
    bias = None if stem.bias is None else stem.bias.detach().double().cpu().numpy()
    gray, gray_bias = collapse_stem(
        kernel, bias, normalization, axes=axes, groups=stem.groups, offset=offset
    )
    if gray_bias is not None and gray_bias is not bias:
        like = stem.weight if stem.bias is None else stem.bias
        changes.set(stem, "bias", _make_parameter(gray_bias, like))
    changes.set(stem, "weight", _make_parameter(gray, stem.weight))
    changes.set(stem, "in_channels", gray.shape[axes.index("I")])
    changes.set(stem, "groups", 1)


def _make_parameter(values: NDArray[Any], like: nn.Parameter) -> nn.Parameter:
    """Return a parameter with these values, and with all other properties of `like`."""
    memory_format = torch.contiguous_format
    if not like.is_contiguous():
        for ndim, last in ((4, torch.channels_last), (5, torch.channels_last_3d)):
            if like.ndim == ndim and like.is_contiguous(memory_format=last):
                memory_format = last
    tensor = torch.empty(
        values.shape, dtype=like.dtype, device=like.device, memory_format=memory_format
    )
    parameter = nn.Parameter(tensor.copy_(torch.from_numpy(values)), like.requires_grad)
    for name, value in vars(like).items():
        setattr(parameter, name, value)
    return parameter


def _correct_description(
    model: nn.Module, preprocessing: Preprocessing, changes: ReversibleChanges
) -> None:
    """Correct what the network states about its input, which libraries build pipelines from."""
    for name in ("pretrained_cfg", "default_cfg"):  # timm
        config = getattr(model, name, None)
        if isinstance(config, dict) and config.get("input_size"):
            # timm's pipeline makes values from 0 to 1, and these statistics map them to the range
            lo, hi = preprocessing.limits
            size = (1, *config["input_size"][1:])
            mean, std = (-lo / (hi - lo) + 0.0,), (1 / (hi - lo),)
            corrected = {**config, "input_size": size, "mean": mean, "std": std}
            changes.set_if_possible(model, name, corrected)
    configs = [getattr(model, "config", None)]  # Hugging Face
    while configs:
        config = configs.pop()
        if getattr(config, "num_channels", None) == CHANNELS:
            changes.set_if_possible(config, "num_channels", 1)
        inner = vars(config).values() if hasattr(config, "to_dict") else ()
        configs += [value for value in inner if hasattr(value, "to_dict")]


def _change_and_compare(
    model: nn.Module, task: Task, changes: ReversibleChanges
) -> Mismatch | None:
    """Change the network, run it, and compare the outputs of the stems and of the network.

    Raises
    ------
    ModelError
        If a stem's outputs differ.
    """
    _change(model, task, changes)
    if task.outputs_alone:
        for name, actual in _run_alone(model, task).items():
            _compare_stem(name, [task.outputs_alone[name]], [actual])
    mismatches = (_compare_run(model, task, run) for run in task.runs)
    return next((mismatch for mismatch in mismatches if mismatch is not None), None)


def _compare_run(model: nn.Module, task: Task, run: TrialRun) -> Mismatch | None:
    """Run the changed network as the original was run, and compare the outputs."""
    stems, outputs = run_adapted(model, run.call, task.preprocessing, list(task.plan.stems))
    for name, expected in run.trace.outputs.items():
        if name in stems:
            _compare_stem(name, expected, stems[name])
    eps, coarsest = find_epsilons(model)
    largest = max(
        (float(t.abs().max()) for tensors in stems.values() for t in tensors), default=0.0
    )
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


def _is_rounding(model: nn.Module, task: Task, mismatch: Mismatch, options: AdaptOptions) -> bool:
    """Whether outputs differ only by rounding or by random numbers.

    `model` is the original, with all changes undone. In float64, a difference by rounding vanishes
    and any other difference stays.
    """
    run, outputs, coarsest = mismatch.run, mismatch.outputs, find_epsilons(model)[1]
    again = [run_original(model, run.call, task.preprocessing) for _ in range(_RUNS)]
    noise = measure_noise(run.outputs, *(other.outputs for other in again))
    if noise is None:
        return True  # even the number of outputs is random, so only the stems can be compared
    if any(noise.values()) and (
        describe_difference(run.outputs, outputs, coarsest, is_lenient=True, noise=noise) is None
    ):
        return True  # the outputs that differ are random: they differ as much from run to run
    if coarsest <= EPS64:
        return False
    options = replace(options, example=convert_to_float64(options.example))
    try:
        double = deepcopy(model).double()
        task = _prepare_task(double, task.preprocessing, options)
        return _change_and_compare(double, task, ReversibleChanges()) is None
    except Exception:  # a network whose code requires float32 may raise anything
        floor = coarsest * mismatch.largest
        difference = describe_difference(
            run.outputs, outputs, coarsest, is_lenient=True, floor=floor
        )
        return difference is None


def _run_alone(model: nn.Module, task: Task) -> dict[str, Tensor]:
    """Return the output of each stem for gray noise, run without the network around it.

    A stem of a user's class may do more than convolve. It may standardize its weight, for example.
    """
    outputs = {}
    for name, ones_layer in task.plan.stems.items():
        stem: Any = model.get_submodule(name)
        sides = [d * (k - 1) + 9 for d, k in zip(stem.dilation, stem.kernel_size, strict=True)]
        [images] = make_gray(stem, Call.of_batch((1, *sides)), task.preprocessing)
        if stem.in_channels == CHANNELS:
            images = repeat_and_normalize(images, task.normalization)
        elif stem.in_channels == 2 and ones_layer != name:
            images = AppendOnes(len(sides)).append(images)
        with torch.no_grad(), isolate_run(stem):
            outputs[name] = stem(images)
    return outputs


def _compare_stem(name: str, expected: list[Tensor], actual: list[Tensor]) -> None:
    """Check that the outputs of a stem agree in each of its calls."""
    if len(expected) != len(actual):
        raise make_collapse_error(
            f"layer {name!r} is called {len(actual)} times for gray, and {len(expected)} times for "
            "three planes"
        )
    for e, a in zip(expected, actual, strict=True):
        precision = str(e.dtype).removeprefix("torch.")
        before, after = (t.double().cpu().numpy() for t in (e, a))
        check_stem_outputs(name, before, after, precision)
