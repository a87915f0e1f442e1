"""``Plan``: the layers of a torch network that have to change, and how they are found."""

from typing import NamedTuple

from torch import nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils.parametrize import is_parametrized

from ...errors import ModelError
from ..stem import CHANNELS, make_collapse_error, make_trace_error, quote_names, suggest_name
from .input_arithmetic import InputArithmetic, find_input_arithmetic
from .plain_convolution import Convolution
from .trace import STEM_OPERATIONS, Consumer, ImageTrace

_COMPUTED = "a convolution whose weight is computed at each call"


class Plan(NamedTuple):
    """The parts of a network that have to change.

    Attributes
    ----------
    stems : list of str
        The convolutions and linear layers that see the image.
    arithmetic : list of InputArithmetic
        The arithmetic that the network does with its input and that can be taken out, in order.
    image_layers : set of str
        The layers whose input is the image.
    has_arithmetic : bool
        Whether the network does arithmetic with its input, which may normalize it.
    computed : dict of str to Convolution
        The stems that compute their weight, by name.
    """

    stems: list[str]
    arithmetic: list[InputArithmetic]
    image_layers: set[str]
    has_arithmetic: bool
    computed: dict[str, Convolution]


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
        channels = getattr(modules[name], "in_channels", CHANNELS)
        if not unfit and channels % CHANNELS:
            unfit = f"a convolution of {channels} channels, not {CHANNELS}"
        if unfit:
            raise make_collapse_error(f"layer {name!r} is {unfit}")
    found = [find_input_arithmetic(model, name, returns_image=False) for name in modules]
    arithmetic = [each for each in found if each is not None]
    around = {name for name in modules if any(is_inside(layer, name) for layer in layers)}
    return Plan(layers, arithmetic, around, bool(arithmetic), {})


def plan_from_traces(model: nn.Module, traces: list[ImageTrace]) -> Plan:
    """Return the plan for a network through which an image was traced.

    Raises
    ------
    ModelError
        If anything but a convolution or a linear layer with its own weights consumes the image.
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
    found = [
        find_input_arithmetic(model, name, returns_image=name in traces[0].image_makers)
        for name in calculating
    ]
    calls = [call for trace in traces for call in trace.calls]
    image_layers = {call.layer for call in calls if call.steps is not None}
    stems = list(dict.fromkeys(consumer.layer for consumer in consumers))
    arithmetic = [each for each in found if each is not None]
    return Plan(stems, arithmetic, image_layers, bool(calculating), find_computed(traces[0]))


def find_computed(trace: ImageTrace) -> dict[str, Convolution]:
    """Return the convolutions of an image by a weight that a layer computes, by layer."""
    return {c.layer: c.convolution for c in trace.consumers if c.convolution is not None}


def pads_before_convolution(trace: ImageTrace, name: str) -> bool:
    """Whether a layer that computes its weight pads its image before it convolves it."""
    computed, calls = find_computed(trace).get(name), trace.stem_calls.get(name)
    if computed is None or not calls:
        return False
    return tuple(calls[0].image.shape[-len(computed.sides) :]) != computed.sides


def _describe_problem(consumer: Consumer, modules: dict[str, nn.Module]) -> str | None:
    """Say why an operation that consumes the image isn't a stem, or return None if it is one."""
    where = _describe_layer(consumer.layer)
    if "quantize" in consumer.operation:
        return f"is quantized in {where}: adapt the float network, then quantize it"
    if not consumer.operation.endswith(STEM_OPERATIONS):
        return f"goes into {consumer.operation}, in {where}"
    unfit = _describe_unfit(modules[consumer.layer])
    if unfit:
        return f"goes into {where}, {unfit}"
    if not consumer.uses_layer_weight and not _is_computed(consumer, modules):
        return f"goes into {where}, {_COMPUTED} (by weight standardization or autocast, perhaps)"
    return None


def _is_computed(consumer: Consumer, modules: dict[str, nn.Module]) -> bool:
    """Whether a layer computes its weight at each call, of the same shape, for a convolution."""
    module = modules[consumer.layer]
    if consumer.convolution is None or type(module).__module__.startswith("torch."):
        return False  # torch's own classes round the weight, in training for 8 bits
    return consumer.convolution.weight.shape == module.weight.shape


def _describe_unfit(module: nn.Module) -> str | None:
    """Say why a layer can't be a stem, or return None if it can."""
    if not isinstance(module, _ConvNd | nn.Linear):
        return f"a {type(module).__module__}.{type(module).__name__}, not a convolution"
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


def is_inside(layer: str, other: str) -> bool:
    """Whether a layer is `other` itself or lies inside it, by their names."""
    return layer == other or not other or layer.startswith(f"{other}.")
