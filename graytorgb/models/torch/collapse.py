"""The stem of a torch network, found and made to see grey."""

from contextlib import ExitStack, suppress
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvTransposeNd

from ...errors import ModelError
from .. import weights
from ..weights import Normalisation, unstated
from .changes import Changes
from .example import Call, calls
from .follow import Follower, Stopped, evaluating, follow
from .modules import AppendOnes
from .plan import CHANNELS, OTHERWISE, Plan, found, is_inside, named

# What a layer that is given the image may say of its channels, and check.
_COUNTS = ("num_channels", "in_channels", "_in_channels", "in_chans", "input_channels")


def collapse(
    model: nn.Module,
    stated: Normalisation | None,
    plain: Normalisation,
    *,
    layer: str | list[str] | None,
    example: Any,
    as_list: bool,
) -> nn.Module:
    """Change `model` itself: its stem sees one plane of grey.

    Raises
    ------
    ModelError
        If it can't be done exactly. The network is then as it was.
    """
    normalisation = stated or plain
    call: Call | None = None
    passes: list[Follower] = []
    if layer is None or example is not None:
        call, passes = _follow(model, normalisation, plain, example, as_list=as_list)
    if layer is not None:
        plan = named(model, [layer] if isinstance(layer, str) else layer, as_list=as_list)
    else:
        plan = found(model, passes)
    if stated is None and not plan.fronts:
        raise ModelError(unstated("collapse"))
    for front in plan.fronts:
        normalisation = normalisation.then(front.scale, front.offset)
    alone = _run_alone(model, plan, normalisation, plain) if call is None else {}
    changes = Changes()
    try:
        _apply(model, plan, normalisation, changes)
        _describe(model, plain, changes)
        if call is not None:
            _prove(model, plan, call, plain, passes[0])
        for name, given in _run_alone(model, plan, normalisation, plain).items() if alone else ():
            _compare(name, [alone[name]], [given])
    except BaseException:
        changes.undo()
        raise
    return model


def _follow(
    model: nn.Module,
    normalisation: Normalisation,
    plain: Normalisation,
    example: Any,
    *,
    as_list: bool,
) -> tuple[Call, list[Follower]]:
    """Pass an image through the network, at a size that it takes."""
    # torchvision's detection models give the image to their backbone alone: the rest, slow and
    # dependent on what is detected, isn't run
    stop = as_list
    refused: list[tuple[Call, Exception]] = []
    for call in calls(model, example, as_list=as_list):
        try:
            first = _pass(model, call, normalisation, plain, stop=stop)
        except ModelError:
            raise
        except Exception as error:  # whatever a network raises at a size that it doesn't take
            refused.append((call, error))
            continue
        if example is not None:
            return call, [first]
        # at another size a network may pad what it didn't have to
        awkward = call._replace(shape=(1, *(n + 1 + 2 * i for i, n in enumerate(call.shape[1:]))))
        try:
            return call, [first, _pass(model, awkward, normalisation, plain, stop=True)]
        except Exception:  # it takes this size alone, so there is nothing to pad
            return call, [first]
    call, raised = refused[0]
    shape = (call.shape[0], CHANNELS, *call.shape[1:])
    raise ModelError(
        f"the network can't be followed: given images of shape {shape} it raises "
        f"{type(raised).__name__}: {raised}. State an input that it takes, "
        "example=(height, width), or name the convolution, layer="
    ) from raised


def _pass(
    model: nn.Module, call: Call, normalisation: Normalisation, plain: Normalisation, *, stop: bool
) -> Follower:
    """Follow grey noise, repeated and normalised."""
    planes = _planes(_grey(model, call, plain), normalisation)
    with evaluating(model):
        return follow(model, lambda: call.run(model, planes), [planes], stop=stop)


def _grey(model: nn.Module, call: Call, plain: Normalisation) -> Tensor:
    """Noise in the value range that the adapted network takes."""
    return call.grey(model) * float(plain.std[0]) + float(plain.mean[0])


def _planes(grey: Tensor, normalisation: Normalisation) -> Tensor:
    """What the original is given: the grey three times, normalised."""
    shape = (-1, *(1,) * (grey.ndim - 2))
    mean, std = (
        torch.from_numpy(v).to(grey.device, grey.dtype).reshape(shape) for v in normalisation
    )
    return (grey - mean) / std


def _apply(model: nn.Module, plan: Plan, normalisation: Normalisation, changes: Changes) -> None:
    """Carry out the plan."""
    for front in plan.fronts:
        front.remove(changes)
    places = set()
    for name, place in plan.stems.items():
        stem: Any = model.get_submodule(name)
        if not normalisation.has_offset:
            _set_kernel(stem, normalisation, "grey", changes)
        elif place == name and _pads_no_zeros(stem):
            _set_kernel(stem, normalisation, "bias", changes)
        else:
            _set_kernel(stem, normalisation, "ones", changes)
            places.add(place)
            spatial = len(stem.kernel_size)
    for place in places:
        changes.hook(model.get_submodule(place), AppendOnes(spatial))
    for name in plan.entered - set(plan.stems):
        module = model.get_submodule(name)
        planes = 2 if any(is_inside(name, place) for place in places) else 1
        for count in _COUNTS:
            if getattr(module, count, None) == CHANNELS:
                changes.set(module, count, planes)


def _pads_no_zeros(stem: Any) -> bool:
    """Whether a plane of ones gives a constant, so that a bias says the same."""
    if type(stem) not in (nn.Conv1d, nn.Conv2d, nn.Conv3d):  # others may pad in their forward
        return False
    if stem.padding_mode != "zeros" or stem.padding == "valid":
        return True
    return not isinstance(stem.padding, str) and not any(stem.padding)


def _set_kernel(stem: Any, normalisation: Normalisation, form: str, changes: Changes) -> None:
    """Make the convolution see the grey alone, with a bias, or with a plane of ones."""
    transposed = isinstance(stem, _ConvTransposeNd)
    axes = ("IO" if transposed else "OI") + "DHW"[-len(stem.kernel_size) :]
    kernel = stem.weight.detach().double().cpu().numpy()
    grey, ones = weights.collapse(kernel, normalisation, axes, stem.groups)
    channel = axes.index("I")
    if form == "ones":
        grey = np.concatenate((grey, ones), channel)
    if form == "bias":
        spread = ones.sum(tuple(i for i, axis in enumerate(axes) if axis != "O"))
        if stem.bias is not None:
            spread += stem.bias.detach().double().cpu().numpy()
        changes.set(
            stem, "bias", _parameter(spread, stem.weight if stem.bias is None else stem.bias)
        )
    changes.set(stem, "weight", _parameter(grey, stem.weight))
    changes.set(stem, "in_channels", grey.shape[channel])
    changes.set(stem, "groups", 1)


def _parameter(values: NDArray[np.float64], like: Tensor) -> nn.Parameter:
    """In the layout of `like`, on its device, trainable if that is."""
    tensor = torch.from_numpy(values).to(like.device, like.dtype)
    last = torch.channels_last
    if tensor.ndim == 4 and like.is_contiguous(memory_format=last) and not like.is_contiguous():
        tensor = tensor.contiguous(memory_format=last)
    return nn.Parameter(tensor, like.requires_grad)


def _describe(model: nn.Module, plain: Normalisation, changes: Changes) -> None:
    """Correct what the network says of its input, for who builds a pipeline from that."""
    for name in ("pretrained_cfg", "default_cfg"):  # timm
        said = getattr(model, name, None)
        if isinstance(said, dict) and said.get("input_size"):
            # its pipeline gives values from 0 to 1
            lo, span = float(plain.mean[0]), float(plain.std[0])
            size = (1, *said["input_size"][1:])
            now = {**said, "input_size": size, "mean": (-lo / span + 0.0,), "std": (1 / span,)}
            changes.set(model, name, now)
    configs = [getattr(model, "config", None)]  # Hugging Face
    while configs:
        config = configs.pop()
        if getattr(config, "num_channels", None) == CHANNELS:
            changes.set(config, "num_channels", 1)
        inner = vars(config).values() if hasattr(config, "to_dict") else ()
        configs += [value for value in inner if hasattr(value, "to_dict")]


def _prove(
    model: nn.Module, plan: Plan, call: Call, plain: Normalisation, before: Follower
) -> None:
    """Run what was made, and compare what comes out of the stem."""
    outputs: dict[str, list[Tensor]] = {name: [] for name in plan.stems}
    grey = _grey(model, call, plain)
    expected = {name: before.outputs.get(name, []) for name in plan.stems}
    last = list(before.outputs)[-1] if before.stopped else None

    def keep(name: str, module: nn.Module, args: Any, output: Tensor) -> None:
        outputs[name].append(output.clone())  # the next layer may work in place
        if name == last:
            raise Stopped

    with ExitStack() as stack:
        for name in plan.stems:
            handle = model.get_submodule(name).register_forward_hook(partial(keep, name))
            stack.callback(handle.remove)
        stack.enter_context(torch.no_grad())
        stack.enter_context(evaluating(model))
        try:
            with suppress(Stopped):
                call.run(model, grey)
        except Exception as error:
            raise ModelError(
                f"with one channel the network raises {type(error).__name__}: {error}; {OTHERWISE}"
            ) from error
    for name in plan.stems:
        _compare(name, expected[name], outputs[name])


def _run_alone(
    model: nn.Module, plan: Plan, normalisation: Normalisation, plain: Normalisation
) -> dict[str, Tensor]:
    """What each stem makes of grey noise, where the network around it can't be run.

    A class of its own may do more than convolve: standardise its weight, for one.
    """
    outputs = {}
    for name, place in plan.stems.items():
        stem: Any = model.get_submodule(name)
        sides = [d * (k - 1) + 9 for d, k in zip(stem.dilation, stem.kernel_size, strict=True)]
        grey = _grey(stem, Call((1, *sides)), plain)
        if stem.in_channels == CHANNELS:
            grey = _planes(grey, normalisation)
        elif stem.in_channels == 2 and place != name:  # the ones come from a layer around it
            grey = AppendOnes(len(sides)).append(grey)
        with torch.no_grad(), evaluating(stem):
            outputs[name] = stem(grey)
    return outputs


def _compare(name: str, expected: list[Tensor], given: list[Tensor]) -> None:
    """ModelError unless a stem's outputs agree, for each call of it."""
    if [e.shape for e in expected] != [g.shape for g in given]:
        raise ModelError(
            f"layer {name!r} gives {[tuple(g.shape) for g in given]} for grey and "
            f"{[tuple(e.shape) for e in expected]} for three planes; {OTHERWISE}"
        )
    for e, g in zip(expected, given, strict=True):
        scale, difference = float(e.abs().max()), float((e - g).abs().max())
        if not difference <= torch.finfo(e.dtype).eps ** 0.5 * scale:
            raise ModelError(
                f"layer {name!r} doesn't give for grey what it gave for three planes: they differ "
                f"by {difference:.2g}, of values up to {scale:.2g}. Something changes the image "
                f"before it, the order of the channels perhaps; {OTHERWISE}"
            )
