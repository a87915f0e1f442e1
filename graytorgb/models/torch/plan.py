"""``Plan``: the layers of a torch network that have to change, and how they are found."""

from typing import NamedTuple

from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils.parametrize import is_parametrized

from ...errors import ModelError
from ..stem import CHANNELS, make_collapse_error, make_trace_error, quote_names, suggest_name
from .input_arithmetic import InputArithmetic, find_input_arithmetic, takes_image_list
from .trace import Consumer, ImageTrace

_COMPUTED = "a convolution whose weight is computed at each call"


class Plan(NamedTuple):
    """The parts of a network that have to change.

    Attributes
    ----------
    stems : dict of str to str
        For each convolution that sees the image, the layer whose input gets the plane of ones:
        the convolution itself, or a layer around it whose forward() pads.
    arithmetic : list of InputArithmetic
        The arithmetic that the network does with its input, in order.
    image_layers : set of str
        The layers whose input is the image.
    """

    stems: dict[str, str]
    arithmetic: list[InputArithmetic]
    image_layers: set[str]


def plan_for_layers(model: nn.Module, layers: list[str]) -> Plan:
    """Return the plan for a network whose stems the caller names.

    Raises
    ------
    ModelError
        If no layer has a name, or the layer isn't a convolution that can be adapted.
    """
    modules = dict(model.named_modules())
    # a layer with several names is changed once
    first_names = {id(module): name for name, module in modules.items()}
    known = dict(model.named_modules(remove_duplicate=False))
    layers = list(dict.fromkeys(first_names[id(known[n])] if n in known else n for n in layers))
    for name in layers:
        if name not in modules:
            fit = [each for each, module in modules.items() if not _describe_unfit(module)]
            raise ModelError(
                f"no layer is called {name!r}{suggest_name(name, modules)} (layer=); the layers "
                f"that see 3 channels: {quote_names(fit) or 'none'}"
            )
        unfit = _describe_unfit(modules[name])
        if unfit:
            raise make_collapse_error(f"layer {name!r} is {unfit}")
    found = [find_input_arithmetic(model, name, returns_image=False) for name in modules]
    stems = {name: "" if takes_image_list(model) else name for name in layers}
    around = {name for name in modules if any(is_inside(layer, name) for layer in layers)}
    return Plan(stems, [arithmetic for arithmetic in found if arithmetic is not None], around)


def plan_from_traces(model: nn.Module, traces: list[ImageTrace]) -> Plan:
    """Return the plan for a network through which an image was traced.

    Raises
    ------
    ModelError
        If anything but a convolution with its own weights consumes the image.
    """
    modules = dict(model.named_modules())
    consumers = [consumer for trace in traces for consumer in trace.consumers]
    if not consumers:
        raise make_collapse_error(
            "the network's image doesn't reach any operation. Is it the first argument? State all "
            "arguments, example={name: tensor}"
        )
    problems = [_describe_problem(consumer, modules) for consumer in consumers]
    if any(problems):
        stems = [c.layer for c, problem in zip(consumers, problems, strict=True) if not problem]
        raise make_trace_error(filter(None, problems), stems)
    calculating = dict.fromkeys(
        step.layer for c in consumers for step in c.steps if step.kind == "arithmetic"
    )
    arithmetic = [_require_arithmetic(model, n, traces[0].image_makers) for n in calculating]
    calls = [call for trace in traces for call in trace.calls]
    image_layers = {call.layer for call in calls if call.steps is not None}
    return Plan(_choose_ones_layers(consumers), arithmetic, image_layers)


def _choose_ones_layers(stems: list[Consumer]) -> dict[str, str]:
    """Return, for each stem, the layer whose input gets the plane of ones.

    It is the innermost layer whose input is an image without padding; at best the stem itself.
    """
    chosen: dict[str, str] = {}
    for stem in stems:
        unpadded = [
            call.layer
            for call in stem.calls
            if call.steps is not None and all(step.kind != "pad" for step in call.steps)
        ]
        if is_inside(chosen.get(stem.layer, unpadded[-1]), unpadded[-1]):
            chosen[stem.layer] = unpadded[-1]  # the outermost of a stem's calls
    # a stem inside the layer of another stem uses that layer's ones
    return {
        name: min((other for other in chosen.values() if is_inside(layer, other)), key=len)
        for name, layer in chosen.items()
    }


def _describe_problem(consumer: Consumer, modules: dict[str, nn.Module]) -> str | None:
    """Say why an operation that consumes the image isn't a stem, or return None if it is one."""
    where = _describe_layer(consumer.layer)
    if "quantize" in consumer.operation:
        return f"is quantized in {where}: adapt the float network, then quantize it"
    if not consumer.operation.endswith("convolution"):
        return f"goes into {consumer.operation}, in {where}"
    unfit = _describe_unfit(modules[consumer.layer])
    if unfit:
        return f"goes into {where}, {unfit}"
    if not consumer.uses_layer_weight:
        return f"goes into {where}, {_COMPUTED} (by weight standardization or autocast, perhaps)"
    kinds = [step.kind for step in consumer.steps]
    if "pad" in kinds and "arithmetic" in kinds[kinds.index("pad") :]:
        return f"is padded before arithmetic, on its way to {where}"
    return None


def _describe_unfit(module: nn.Module) -> str | None:
    """Say why a layer can't be a stem, or return None if it can."""
    if not isinstance(module, _ConvNd):
        return f"a {type(module).__module__}.{type(module).__name__}, not a convolution"
    if module.in_channels != CHANNELS:
        return f"a convolution of {module.in_channels} channels, not 3"
    if not isinstance(module, _ConvTransposeNd) and module.groups not in (1, CHANNELS):
        return f"a convolution in {module.groups} groups"
    if is_parametrized(module, "weight"):
        stop = "torch.nn.utils.parametrize.remove_parametrizations(layer, 'weight')"
    elif "weight" not in module._parameters:  # a hook makes it, of weight_g and weight_v
        stop = "torch.nn.utils.remove_weight_norm, remove_spectral_norm or prune.remove"
    else:
        return None
    return f"{_COMPUTED}: {stop} first"


def _describe_layer(name: str) -> str:
    """Return a layer's name for a message."""
    return f"layer {name!r}" if name else "the network's own forward()"


def _require_arithmetic(model: nn.Module, layer: str, image_makers: set[str]) -> InputArithmetic:
    """Return a layer's arithmetic with the image; ModelError if it can't be removed."""
    arithmetic = find_input_arithmetic(model, layer, returns_image=layer in image_makers)
    if arithmetic is None:
        raise make_collapse_error(
            f"{_describe_layer(layer)} calculates with the image before the first convolution, and "
            "can't be taken out of the network"
        )
    return arithmetic


def is_inside(layer: str, other: str) -> bool:
    """Whether a layer is `other` itself or lies inside it, by their names."""
    return layer == other or not other or layer.startswith(f"{other}.")
