"""how="collapse" for torch: the stem of a network, found and made to see gray."""

from copy import deepcopy
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvTransposeNd

from ...errors import ModelError
from .. import weights
from ..frameworks import AdaptOptions
from ..preprocessing import Preprocessing
from ..stem import CHANNELS, check_stem_outputs, refuse
from ..weights import Normalization
from .example import Call, in_float64
from .trial_runs import (
    Pass,
    make_gray,
    run_adapted,
    run_again,
    trace_at_two_sizes,
)
from .isolated_run import evaluating
from .modules import AppendOnes, repeat_and_normalize
from .outputs import Outputs, difference, noise_of
from .plan import Plan, is_inside, plan_for_layers, plan_from_traces
from .reversible_changes import ReversibleChanges

_EPS64 = torch.finfo(torch.float64).eps
_RUNS = 2  # of the original, to know a random one
_NOTHING = 1e-15
# What a layer that is given the image may say of its channels, and check.
_COUNTS = ("num_channels", "in_channels", "_in_channels", "in_chans", "input_channels")


def collapse(model: nn.Module, preprocessing: Preprocessing, options: AdaptOptions) -> None:
    """Change `model` itself: its stem sees one plane of gray.

    Raises
    ------
    ModelError
        If it can't be done exactly. The network is then as it was.
    """
    work = _plan_work(model, preprocessing, options)
    if not work.plan.fronts:
        preprocessing.require_stats()
    changes = ReversibleChanges()
    try:
        different = _carry_out(model, work, changes)
        if different is not None:
            changes.undo()
            if not _is_rounding(model, work, different, options):
                raise refuse(different.why)
            _apply(model, work, changes)
    except BaseException:
        changes.undo()
        raise


class Work(NamedTuple):
    """What has to be done, and what the original did.

    Attributes
    ----------
    plan : Plan
    passes : list of Pass
        Of the original; none if it can't be run by an image alone.
    preprocessing : Preprocessing
    folded : Normalization
        The stems' own normalization: the network's arithmetic in front of them is in it.
    alone : dict of str to Tensor
        What the stems give by themselves, if they are named.
    """

    plan: Plan
    passes: list[Pass]
    preprocessing: Preprocessing
    folded: Normalization
    alone: dict[str, Tensor]


class Different(NamedTuple):
    """Where the adapted network's outputs aren't the original's.

    Attributes
    ----------
    why : str
    made : Pass
        The original's.
    given : dict of str to Tensor
        The adapted network's outputs.
    largest : float
        The largest output of the stems.
    """

    why: str
    made: Pass
    given: Outputs
    largest: float


def _plan_work(model: nn.Module, preprocessing: Preprocessing, options: AdaptOptions) -> Work:
    """Trace an image through the network, or find what is named."""
    if options.layers is None:
        passes = trace_at_two_sizes(model, preprocessing, options.example)
        plan = plan_from_traces(model, [made.trace for made in passes])
    else:
        plan = plan_for_layers(model, options.layers)
        passes = _trace_named(model, plan, preprocessing, options.example)
    folded = preprocessing.normalization
    for front in plan.fronts:
        folded = folded.append_arithmetic(front.scale, front.offset)
    alone = {} if options.layers is None else _run_alone(model, plan, folded, preprocessing)
    return Work(plan, passes, preprocessing, folded, alone)


def _trace_named(
    model: nn.Module, plan: Plan, preprocessing: Preprocessing, example: Any
) -> list[Pass]:
    """Return passes of a network whose stem is named; none if it can't be run by an image alone."""
    try:
        passes = trace_at_two_sizes(model, preprocessing, example)
    except ModelError:
        if example is not None:
            raise
        return []
    seen = {meeting.layer for made in passes for meeting in made.trace.meetings}
    # an image given alone may have been taken for something else
    return passes if example is not None or seen >= set(plan.stems) else []


def _apply(model: nn.Module, work: Work, changes: ReversibleChanges) -> None:
    """Change the layers, and what the network says of its input."""
    plan, normalization = work.plan, work.folded
    for front in plan.fronts:
        front.remove(changes)
    places = set()
    for name, place in plan.stems.items():
        stem: Any = model.get_submodule(name)
        if not normalization.has_offset:
            _set_kernel(stem, normalization, "gray", changes)
        elif place == name and _pads_no_zeros(stem):
            _set_kernel(stem, normalization, "bias", changes)
        else:
            _set_kernel(stem, normalization, "ones", changes)
            places.add(place)
            spatial = len(stem.kernel_size)
    for place in places:
        changes.hook(model.get_submodule(place), AppendOnes(spatial))
    for name in plan.entered - set(plan.stems):
        module = model.get_submodule(name)
        planes = 2 if any(is_inside(name, place) for place in places) else 1
        for count in _COUNTS:
            if getattr(module, count, None) == CHANNELS:
                changes.set_if_possible(module, count, planes)
    _describe(model, work.preprocessing.rescaling, changes)


def _pads_no_zeros(stem: Any) -> bool:
    """Whether a plane of ones gives a constant, so that a bias says the same."""
    if type(stem) not in (nn.Conv1d, nn.Conv2d, nn.Conv3d):  # others may pad in their forward
        return False
    if stem.padding_mode != "zeros" or stem.padding == "valid":
        return True
    return not isinstance(stem.padding, str) and not any(stem.padding)


def _set_kernel(
    stem: Any, normalization: Normalization, form: str, changes: ReversibleChanges
) -> None:
    """Make the convolution see the gray alone, with a bias, or with a plane of ones."""
    transposed = isinstance(stem, _ConvTransposeNd)
    axes = ("IO" if transposed else "OI") + "DHW"[-len(stem.kernel_size) :]
    kernel = stem.weight.detach().double().cpu().numpy()
    gray, ones = weights.collapse_kernel(kernel, normalization, axes, stem.groups)
    channel = axes.index("I")
    if form == "ones":
        gray = np.concatenate((gray, ones), channel)
    if form == "bias":
        spread = ones.sum(tuple(i for i, axis in enumerate(axes) if axis != "O"))
        if stem.bias is not None:
            spread += stem.bias.detach().double().cpu().numpy()
        changes.set(
            stem, "bias", _parameter(spread, stem.weight if stem.bias is None else stem.bias)
        )
    changes.set(stem, "weight", _parameter(gray, stem.weight))
    changes.set(stem, "in_channels", gray.shape[channel])
    changes.set(stem, "groups", 1)


def _parameter(values: NDArray[np.float64], like: nn.Parameter) -> nn.Parameter:
    """In the layout of `like`, on its device, trainable if that is, and with its attributes."""
    form = torch.contiguous_format
    for ndim, last in ((4, torch.channels_last), (5, torch.channels_last_3d)):
        if (
            like.ndim == ndim
            and like.is_contiguous(memory_format=last)
            and not like.is_contiguous()
        ):
            form = last
    tensor = torch.empty(values.shape, dtype=like.dtype, device=like.device, memory_format=form)
    made = nn.Parameter(tensor.copy_(torch.from_numpy(values)), like.requires_grad)
    for name, value in vars(like).items():
        setattr(made, name, value)
    return made


def _describe(model: nn.Module, rescaling: Normalization, changes: ReversibleChanges) -> None:
    """Correct what the network says of its input, for who builds a pipeline from that."""
    for name in ("pretrained_cfg", "default_cfg"):  # timm
        said = getattr(model, name, None)
        if isinstance(said, dict) and said.get("input_size"):
            # its pipeline gives values from 0 to 1
            lo, span = float(rescaling.mean[0]), float(rescaling.std[0])
            size = (1, *said["input_size"][1:])
            now = {**said, "input_size": size, "mean": (-lo / span + 0.0,), "std": (1 / span,)}
            changes.set_if_possible(model, name, now)
    configs = [getattr(model, "config", None)]  # Hugging Face
    while configs:
        config = configs.pop()
        if getattr(config, "num_channels", None) == CHANNELS:
            changes.set_if_possible(config, "num_channels", 1)
        inner = vars(config).values() if hasattr(config, "to_dict") else ()
        configs += [value for value in inner if hasattr(value, "to_dict")]


def _carry_out(model: nn.Module, work: Work, changes: ReversibleChanges) -> Different | None:
    """Change the network, run it, and compare what comes out of the stems and of the whole."""
    _apply(model, work, changes)
    if work.alone:
        alone = _run_alone(model, work.plan, work.folded, work.preprocessing)
        for name, given in alone.items():
            _compare(name, [work.alone[name]], [given])
    for made in work.passes:
        different = _prove(model, work, made)
        if different is not None:
            return different
    return None


def _prove(model: nn.Module, work: Work, made: Pass) -> Different | None:
    """Run the changed network as the original was run, and compare."""
    stems, given = run_adapted(model, made.call, work.preprocessing, list(work.plan.stems))
    expected = made.trace.outputs
    for name in work.plan.stems:
        if name in expected:  # one that is named may be given what wasn't known for an image
            _compare(name, expected[name], stems[name])
    eps, coarsest = _eps(model)
    largest = max((float(t.abs().max()) for ts in stems.values() for t in ts), default=0.0)
    # what layers add up to nothing leaves a rounding error of theirs
    floor = _NOTHING * largest if coarsest <= _EPS64 else 0.0
    found = difference(made.outputs, given, eps=eps, floor=floor)
    if found is None:
        return None
    size = " x ".join(map(str, made.call.shape[1:]))
    why = (
        f"the network {found}, with images of {size}. It uses more of its image than what the "
        "first convolution gives, such as how many channels there are, the image itself or that "
        "convolution's weight again"
    )
    return Different(why, made, given, largest)


def _is_rounding(model: nn.Module, work: Work, different: Different, options: AdaptOptions) -> bool:
    """Whether outputs differ for no other reason than numbers that are rounded or random.

    `model` is the original again. In float64 a difference that is due to rounding vanishes, and
    every other stays.
    """
    made, coarsest = different.made, _eps(model)[1]
    again = [run_again(model, made.call, work.preprocessing) for _ in range(_RUNS)]
    noise = noise_of(made.outputs, *again)
    if noise is None:
        return True  # not even as many outputs from run to run, so the stems have to do
    if any(noise.values()) and (
        difference(made.outputs, different.given, _root, coarsest, noise=noise) is None
    ):
        return True  # they differ from run to run as much, and what stays agrees
    if coarsest <= _EPS64:
        return False
    options = replace(options, example=in_float64(options.example))
    try:
        double = deepcopy(model).double()
        work = _plan_work(double, work.preprocessing, options)
        return _carry_out(double, work, ReversibleChanges()) is None
    except Exception:  # whatever a network raises whose code says float32
        floor = coarsest * different.largest
        return difference(made.outputs, different.given, _root, coarsest, floor) is None


def _root(eps: float) -> float:
    """Return the part of the largest output that may be lost where float64 can't tell more."""
    return float(eps**0.5)


def _eps(model: nn.Module) -> tuple[float, float]:
    """Return the machine epsilon of the finest numbers that a network has, and of the coarsest."""
    dtypes = {p.dtype for p in model.parameters() if p.is_floating_point()} or {torch.float32}
    every = [float(torch.finfo(dtype).eps) for dtype in dtypes]
    return min(every), max(every)


def _run_alone(
    model: nn.Module, plan: Plan, normalization: Normalization, preprocessing: Preprocessing
) -> dict[str, Tensor]:
    """Return what each stem makes of gray noise, where the network around it can't be run.

    A class of its own may do more than convolve: standardize its weight, for one.
    """
    outputs = {}
    for name, place in plan.stems.items():
        stem: Any = model.get_submodule(name)
        sides = [d * (k - 1) + 9 for d, k in zip(stem.dilation, stem.kernel_size, strict=True)]
        gray = make_gray(stem, Call((1, *sides)), preprocessing)
        if stem.in_channels == CHANNELS:
            gray = repeat_and_normalize(gray, normalization)
        elif stem.in_channels == 2 and place != name:  # the ones come from a layer around it
            gray = AppendOnes(len(sides)).append(gray)
        with torch.no_grad(), evaluating(stem):
            outputs[name] = stem(gray)
    return outputs


def _compare(name: str, expected: list[Tensor], given: list[Tensor]) -> None:
    """Check that a stem's outputs agree, for each call of it."""
    if len(expected) != len(given):
        raise refuse(
            f"layer {name!r} is called {len(given)} times for gray, and {len(expected)} times for "
            "three planes"
        )
    for e, g in zip(expected, given, strict=True):
        precision = str(e.dtype).removeprefix("torch.")
        before, after = (t.double().cpu().numpy() for t in (e, g))
        check_stem_outputs(name, before, after, precision)
