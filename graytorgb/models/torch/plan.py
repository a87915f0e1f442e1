"""Which of a torch network's layers have to change, from where its image goes."""

import difflib
from typing import NamedTuple

from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils.parametrize import is_parametrized

from ...errors import ModelError
from ..stem import CHANNELS, quote_names, refuse
from .input_arithmetic import InputArithmetic, find_input_arithmetic, takes_image_list
from .trace import ImageTrace, Meeting

_COMPUTED = "a convolution whose weight is computed at each call"


class Plan(NamedTuple):
    """What has to change.

    Attributes
    ----------
    stems : dict of str to str
        The convolutions that see the image, each with the layer in front of which the plane
        of ones belongs: itself, or one around it whose forward() pads.
    fronts : list of InputArithmetic
        The network's own arithmetic, in order.
    entered : set of str
        The layers that are given the image.
    """

    stems: dict[str, str]
    fronts: list[InputArithmetic]
    entered: set[str]


def plan_for_layers(model: nn.Module, layers: list[str]) -> Plan:
    """Return the plan where the caller says which convolutions see the image."""
    modules = dict(model.named_modules())
    first = {id(module): name for name, module in reversed(modules.items())}
    known = dict(model.named_modules(remove_duplicate=False))
    # a layer that has several names is changed once
    layers = list(dict.fromkeys(first[id(known[n])] if n in known else n for n in layers))
    for name in layers:
        if name not in modules:
            near = difflib.get_close_matches(name, modules, n=1)
            raise ModelError(
                f"no layer is called {name!r}"
                + (f"; did you mean layer={near[0]!r}?" if near else "")
                + f" Those that see 3 channels: {quote_names(_three_channels(modules)) or 'none'}"
            )
        why = _why_not(modules[name])
        if why:
            raise refuse(f"layer {name!r} is {why}")
    fronts = [find_input_arithmetic(model, name, returns_image=False) for name in modules]
    stems = {name: "" if takes_image_list(model) else name for name in layers}
    around = {name for name in modules if any(is_inside(layer, name) for layer in layers)}
    return Plan(stems, [front for front in fronts if front is not None], around)


def _three_channels(modules: dict[str, nn.Module]) -> list[str]:
    return [name for name, module in modules.items() if not _why_not(module)]


def plan_from_traces(model: nn.Module, traces: list[ImageTrace]) -> Plan:
    """Return the plan from where the image went.

    Raises
    ------
    ModelError
        If the image doesn't go through plain convolutions alone.
    """
    modules = dict(model.named_modules())
    meetings = [meeting for trace in traces for meeting in trace.meetings]
    if not meetings:
        raise refuse(
            "the image that the network is given doesn't reach any operation: is it the first "
            "argument? State all of them, example={name: tensor}"
        )
    problems = [p for meeting in meetings if (p := _problem(meeting, modules)) is not None]
    if problems:
        stems = [m.layer for m in meetings if _problem(m, modules) is None]
        also = f", beside the convolution(s) {quote_names(stems)}" if stems else ""
        raise refuse(f"the image {'; '.join(dict.fromkeys(problems))}{also}")
    fronts: dict[str, InputArithmetic] = {}
    for meeting in meetings:
        for name in _arithmetic(meeting):
            if name not in fronts:
                fronts[name] = _front(model, name, traces[0].returned)
    entered = {entry.layer for trace in traces for entry in trace.calls if entry.is_image}
    return Plan(_places(meetings), list(fronts.values()), entered)


def _places(meetings: list[Meeting]) -> dict[str, str]:
    """Where the ones of each stem belong."""
    places: dict[str, str] = {}
    for meeting in meetings:
        place = _place_of_ones(meeting)
        if is_inside(places.get(meeting.layer, place), place):  # the outermost of several calls
            places[meeting.layer] = place
    # a stem inside another's place is given ones already
    return {
        name: min((p for p in places.values() if is_inside(place, p)), key=len)
        for name, place in places.items()
    }


def _problem(meeting: Meeting, modules: dict[str, nn.Module]) -> str | None:
    """Why what the image meets isn't a stem; None if it is."""
    where = f"layer {meeting.layer!r}" if meeting.layer else "the network's own forward()"
    if "quantize" in meeting.operation:
        return f"is quantized in {where}: adapt the float network, then quantize it"
    if not meeting.is_convolution:
        return f"goes into {meeting.operation}, in {where}"
    module = modules[meeting.layer]
    why = _why_not(module)
    if why:
        return f"goes into {where}, {why}"
    if not meeting.plain:
        return f"goes into {where}, {_COMPUTED} (by weight standardization or autocast, perhaps)"
    if _is_padded_before_arithmetic(meeting):
        return f"is padded before arithmetic, on its way to {where}"
    return None


def _why_not(module: nn.Module) -> str | None:
    """What a layer is, if it isn't a convolution of the three channels."""
    if not isinstance(module, _ConvNd):
        return f"a {type(module).__module__}.{type(module).__name__}, not a convolution"
    if module.in_channels != CHANNELS:
        return f"a convolution of {module.in_channels} channels, not 3"
    if not isinstance(module, _ConvTransposeNd) and module.groups not in (1, CHANNELS):
        return f"a convolution in {module.groups} groups"
    return _how_computed(module)


def _how_computed(module: nn.Module) -> str | None:
    """What makes a layer's weight anew at each call, and how to stop it; None if nothing does."""
    if is_parametrized(module, "weight"):
        stop = "torch.nn.utils.parametrize.remove_parametrizations(layer, 'weight')"
    elif "weight" not in module._parameters:  # by a hook, from weight_g and weight_v or the like
        stop = "torch.nn.utils.remove_weight_norm, remove_spectral_norm or prune.remove"
    else:
        return None
    return f"{_COMPUTED}: {stop} first"


def _arithmetic(meeting: Meeting) -> list[str]:
    """The layers that calculate with the image on its way, in order."""
    return list(dict.fromkeys(s.layer for s in meeting.path if s.kind == "arithmetic"))


def _is_padded_before_arithmetic(meeting: Meeting) -> bool:
    kinds = [step.kind for step in meeting.path]
    return "pad" in kinds and "arithmetic" in kinds[kinds.index("pad") :]


def _front(model: nn.Module, name: str, returned: set[str]) -> InputArithmetic:
    front = find_input_arithmetic(model, name, returns_image=name in returned)
    if front is None:
        where = f"layer {name!r}" if name else "the network's own forward()"
        raise refuse(
            f"{where} calculates with the image before the first convolution, and can't be taken "
            "out of the network"
        )
    return front


def _place_of_ones(meeting: Meeting) -> str:
    """The innermost layer, the stem itself at best, that is given an image not padded yet."""
    unpadded = [
        entry.layer
        for entry in meeting.within
        if entry.is_image and not any(step.kind == "pad" for step in entry.path)
    ]
    return unpadded[-1]


def is_inside(layer: str, other: str) -> bool:
    """Whether a layer is another, or one of its layers."""
    return layer == other or not other or layer.startswith(f"{other}.")
