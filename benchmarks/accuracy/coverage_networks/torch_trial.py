"""The trial of a torch network: adapt it, and compare what it returns for gray images."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only

from graytorgb.errors import ModelError
from graytorgb.models import adapt

from .cases import IMAGENET, Case
from .results import SINGLE, Difference, Outputs, Result, describe_error, describe_refusal

Selection = Callable[[nn.Module, Callable[[], Any]], Any]


def _return_output(model: nn.Module, call: Callable[[], Any]) -> Any:
    """Return what a call of a network returns."""
    return call()


class Specimen(NamedTuple):
    """A network that was built, and how it is called.

    Attributes
    ----------
    model : nn.Module
    shape : tuple of int
        The shape of the batch of color images.
    channel_axis : int
        The axis of `shape` that has the 3 channels.
    keywords : tuple of str
        The arguments that take the batch; without them it is the first argument. Networks for two
        images have two.
    others : mapping
        The other arguments.
    as_list : bool
        Whether the network takes a list of images instead of a batch.
    normalizes : bool
        Whether the network normalizes its images itself.
    outputs : callable
        ``outputs(model, call)`` returns the numbers to compare, among them what ``call()`` returns.
    """

    model: nn.Module
    shape: tuple[int, ...]
    channel_axis: int = 1
    keywords: tuple[str, ...] = ()
    others: Mapping[str, Any] = MappingProxyType({})
    as_list: bool = False
    normalizes: bool = False
    outputs: Selection = _return_output

    @property
    def example(self) -> Any:
        """The argument ``example=`` of `adapt`: a size where that says it all."""
        if self.keywords or self.others:
            return {**dict.fromkeys(self.keywords, torch.zeros(self.shape)), **self.others}
        if self.channel_axis == 1:
            return self.shape[2:]
        return torch.zeros(self.shape)

    @property
    def stats(self) -> Any:
        """The argument ``stats`` of `adapt`."""
        return None if self.normalizes else IMAGENET

    def make_color(self, gray: Tensor) -> Tensor:
        """Return what the original takes for gray images."""
        color = gray.expand(self.shape)
        if self.normalizes:
            return color
        axes = [1] * gray.ndim
        axes[self.channel_axis] = 3
        mean, std = (torch.tensor(v, dtype=gray.dtype).reshape(axes) for v in IMAGENET)
        return (color - mean) / std

    def run(self, model: nn.Module, images: Tensor) -> list[Any]:
        """Return the outputs of a network for a batch, as arrays."""
        batch = list(images) if self.as_list else images
        others = tree_map_only(Tensor, partial(_convert_like, images), dict(self.others))
        if self.keywords:
            call = partial(model, **{**dict.fromkeys(self.keywords, batch), **others})
        else:
            call = partial(model, batch, **others)
        torch.manual_seed(0)  # of networks that mask a random part of the image
        with torch.inference_mode():
            outputs = tree_leaves(self.outputs(model, call))
        tensors = [each for each in outputs if isinstance(each, Tensor) and each.numel()]
        return [each.numpy() for each in tensors if each.is_floating_point()]


def _convert_like(images: Tensor, tensor: Tensor) -> Tensor:
    return tensor.to(images.dtype) if tensor.is_floating_point() else tensor


def randomize_constants(model: nn.Module) -> nn.Module:
    """Put a network in eval mode, with random numbers in the place of constants.

    A fresh network's biases are zeros, and layer scales nearly 0. They would hide an error in what
    depends on them.
    """
    for tensor in model.eval().state_dict().values():
        is_random = not tensor.is_floating_point() or tensor.numel() == 0
        if not is_random and (tensor == tensor.flatten()[0]).all():
            tensor.add_(0.1 * torch.randn_like(tensor))
    return model


def set_statistics(specimen: Specimen, color: Tensor) -> None:
    """Give each BatchNorm the statistics of its input for a batch, as training would.

    With the statistics of a fresh network the activations of a deep one vanish or overflow.
    """
    hooks = [
        module.register_forward_pre_hook(_take_statistics)
        for module in specimen.model.modules()
        if isinstance(getattr(module, "running_var", None), Tensor)
    ]
    if hooks:
        specimen.run(specimen.model, color)
    for hook in hooks:
        hook.remove()


@torch.no_grad()
def _take_statistics(module: Any, inputs: tuple[Tensor, ...]) -> None:
    """Set a BatchNorm's statistics to those of its input, (N, C, ...)."""
    values = inputs[0].transpose(0, 1).flatten(1)
    # one value alone has no variance, and a layer that sees zeros has none either
    least = 0.1 * values.square().mean(1) + 1e-12
    variance = values.var(1, unbiased=False).maximum(least)
    module.running_mean.copy_(values.mean(1))
    module.running_var.copy_(variance)
    if isinstance(getattr(module, "weight", None), Tensor):
        # where the variance is less than epsilon, as with fresh weights, the output would vanish
        module.weight.mul_((1 + module.eps / variance).sqrt())


def try_network(build: Callable[[Case], Specimen], case: Case) -> Result:
    """Return what happens to a network when it is adapted."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    try:
        specimen = build(case)
        specimen = specimen._replace(model=randomize_constants(specimen.model.float()))
        shape = list(specimen.shape)
        shape[specimen.channel_axis] = 1
        gray = torch.rand(shape)
        set_statistics(specimen, specimen.make_color(torch.rand(shape)))
        expected = _run_original(specimen, gray)
    except Exception as error:
        return Result.of_case(case, "not run", describe_error(error))
    expand = _try_expand(specimen, gray, expected)
    return _try_collapse(case, specimen, gray, expected)._replace(expand=expand)


def _run_original(specimen: Specimen, gray: Tensor) -> Outputs:
    """Return what the original returns for gray images, and for their negatives."""
    images = (gray, 1 - gray)
    return Outputs(*(specimen.run(specimen.model, specimen.make_color(each)) for each in images))


def _try_expand(specimen: Specimen, gray: Tensor, expected: Outputs) -> str:
    """Say whether how="expand" gives the same outputs: ``"yes"``, or why it doesn't."""
    try:
        model = adapt(
            specimen.model, specimen.stats, how="expand", example=specimen.example, inplace=True
        )
    except ModelError as error:
        return describe_refusal(error)
    except Exception as error:
        return f"error: {describe_error(error)}"
    try:
        difference = expected.compare(specimen.run(model, gray))
    except Exception as error:
        return f"error: {describe_error(error)}"
    return "yes" if difference.value <= SINGLE else f"differs: {difference}"


def _try_collapse(case: Case, specimen: Specimen, gray: Tensor, expected: Outputs) -> Result:
    """Return what how="collapse" does, compared in float32, and in float64 where that is large."""
    try:
        adapted = adapt(specimen.model, specimen.stats, example=specimen.example)
    except ModelError as error:
        return Result.of_case(case, "refused", describe_refusal(error))
    except Exception as error:
        return Result.of_case(case, "error", describe_error(error))
    stem = describe_stems(specimen.model, adapted)
    try:
        difference = expected.compare(specimen.run(adapted, gray))
    except Exception as error:
        reason = f"the adapted network fails: {describe_error(error)}"
        return Result.of_case(case, "error", reason)._replace(stem=stem)
    result = Result.of_case(case, "exact")._replace(stem=stem, float32=difference.value)
    if difference.value <= SINGLE and expected.prove(difference):
        return result
    del adapted
    return _compare_in_float64(result, specimen, gray, difference)


def _compare_in_float64(
    result: Result, specimen: Specimen, gray: Tensor, difference: Difference
) -> Result:
    """Return the result with the difference in float64, where only rounding vanishes."""
    try:
        double = specimen._replace(
            model=specimen.model.double(), others=_to_float64(dict(specimen.others))
        )
        gray = gray.double()
        expected = _run_original(double, gray)
        adapted = adapt(double.model, double.stats, example=_to_float64(double.example))
        difference = expected.compare(double.run(adapted, gray))
    except Exception as error:
        reason = f"{difference} in float32, and in float64: {describe_error(error)}"
        return result._replace(verdict="differs", reason=reason)
    return result.with_float64(difference, is_proven=expected.prove(difference))


def _to_float64(example: Any) -> Any:
    return tree_map_only(Tensor, lambda t: t.double() if t.is_floating_point() else t, example)


def describe_stems(original: nn.Module, adapted: nn.Module) -> str:
    """Say what became of the layers whose weights have changed, each kind once."""
    before, after = original.state_dict(), adapted.state_dict()
    changed = [
        name
        for name in after
        if name not in before
        or before[name].shape != after[name].shape
        or not torch.equal(before[name], after[name])
    ]
    modules = dict(adapted.named_modules())
    texts = {}
    for layer in dict.fromkeys(name.rpartition(".")[0] for name in changed):
        parts = [name.rpartition(".")[2] for name in changed if name.rpartition(".")[0] == layer]
        module = modules.get(layer)
        planes = getattr(module, "in_channels", None)
        if isinstance(module, nn.Linear):
            text = f"linear of {module.in_features}"
        elif planes is None:
            text = f"{type(module).__name__}: {', '.join(parts)}"
        else:
            text = f"{planes} {'channel' if planes == 1 else 'planes'}"
            text += " + bias" * ("bias" in parts)
        texts[text] = None
    return ", ".join(texts) or "unchanged"
