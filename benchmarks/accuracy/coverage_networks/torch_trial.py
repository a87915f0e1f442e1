"""``Specimen``: a torch network for a trial."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only

from graytorgb.models import adapt

from .cases import IMAGENET
from .results import Outputs
from .trial import Array, make_noise

Selection = Callable[[nn.Module, Callable[[], Any]], Any]


def _return_output(model: nn.Module, call: Callable[[], Any]) -> Any:
    """Return what a call of a network returns."""
    return call()


class Specimen(NamedTuple):
    """A torch network, and how it is called.

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
    select : callable
        ``select(model, call)`` returns the numbers to compare, among them what ``call()`` returns.
    dtype : torch.dtype
    """

    model: nn.Module
    shape: tuple[int, ...]
    channel_axis: int = 1
    keywords: tuple[str, ...] = ()
    others: Mapping[str, Any] = MappingProxyType({})
    as_list: bool = False
    normalizes: bool = False
    select: Selection = _return_output
    dtype: torch.dtype = torch.float32

    def make_gray(self, seed: int = 0) -> Tensor:
        """Return random gray images."""
        axis = self.channel_axis
        noise = make_noise((*self.shape[:axis], 1, *self.shape[axis + 1 :]), seed)
        return torch.from_numpy(noise).to(self.dtype)

    def make_color(self, gray: Tensor) -> Tensor:
        """Return what the original takes for gray images."""
        color = gray.expand(self.shape)
        if self.normalizes:
            return color
        axes = [1] * gray.ndim
        axes[self.channel_axis] = 3
        mean, std = (torch.tensor(v, dtype=self.dtype).reshape(axes) for v in IMAGENET)
        return (color - mean) / std

    def set_weights(self) -> None:
        """Make the fresh weights realistic, in place."""
        torch.manual_seed(0)
        self.model.to(self.dtype)
        randomize_constants(self.model)
        hooks = [
            module.register_forward_pre_hook(_take_statistics)
            for module in self.model.modules()
            if isinstance(getattr(module, "running_var", None), Tensor)
        ]
        if hooks:
            self.run(self.model, self.make_color(self.make_gray(seed=1)))
        for hook in hooks:
            hook.remove()

    def adapt(self, how: Literal["collapse", "expand"]) -> nn.Module:
        """Return the adapted network; for ``"expand"`` it contains the original itself."""
        example: Any = self.shape[2:]
        color = torch.zeros(self.shape, dtype=self.dtype)
        if self.keywords or self.others:
            example = {**dict.fromkeys(self.keywords, color), **self.others}
        elif self.channel_axis != 1:
            example = color
        stats = None if self.normalizes else IMAGENET
        return adapt(self.model, stats, how=how, example=example, inplace=how == "expand")

    def run_original(self) -> Outputs:
        """Return what the original returns for gray images and for their negatives."""
        gray = self.make_gray()
        return Outputs(*(self.run(self.model, self.make_color(each)) for each in (gray, 1 - gray)))

    def run_adapted(self, adapted: nn.Module) -> list[Array]:
        """Return what the adapted network returns for the gray images."""
        return self.run(adapted, self.make_gray())

    def run(self, model: nn.Module, images: Tensor) -> list[Array]:
        """Return the outputs of a network for a batch, as arrays."""
        batch = list(images) if self.as_list else images
        torch.manual_seed(0)  # for networks that mask a random part of the image

        def call() -> Any:
            if self.keywords:
                return model(**{**dict.fromkeys(self.keywords, batch), **self.others})
            return model(batch, **self.others)

        with torch.inference_mode():
            outputs = tree_leaves(self.select(model, call))
        tensors = [each for each in outputs if isinstance(each, Tensor) and each.numel()]
        return [each.numpy() for each in tensors if each.is_floating_point()]

    def describe_stems(self, adapted: nn.Module) -> str:
        """Say what became of the layers whose weights have changed, each kind once."""
        return describe_stems(self.model, adapted)

    def to_float64(self) -> Self:
        """Return the specimen in float64; the network itself is converted."""
        others = tree_map_only(Tensor, _to_float64, dict(self.others))
        return self._replace(model=self.model.double(), others=others, dtype=torch.float64)


def adapt_small_network() -> None:
    """Adapt a network of one layer, so that torch loads what it loads at the first use.

    This takes a second, which every forked process would take otherwise.
    """
    adapt(nn.Conv2d(3, 1, 3, padding=1), IMAGENET)


def _to_float64(tensor: Tensor) -> Tensor:
    """Return a tensor of floats in float64, and others unchanged."""
    return tensor.double() if tensor.is_floating_point() else tensor


def randomize_constants(model: nn.Module) -> None:
    """Put a network in eval mode, with random numbers in the place of constants.

    A fresh network's biases are zeros, and layer scales nearly 0. They would hide an error in what
    depends on them.
    """
    for tensor in model.eval().state_dict().values():
        is_random = not tensor.is_floating_point() or tensor.numel() == 0
        if not is_random and (tensor == tensor.flatten()[0]).all():
            tensor.add_(0.1 * torch.randn_like(tensor))


@torch.no_grad()
def _take_statistics(module: Any, inputs: tuple[Tensor, ...]) -> None:
    """Set a BatchNorm's statistics to those of its input, (N, C, ...), as training would.

    With the statistics of a fresh network the activations of a deep one vanish or overflow.
    """
    values = inputs[0].transpose(0, 1).flatten(1)
    # one value alone has no variance, and a layer that sees zeros has none either
    least = 0.1 * values.square().mean(1) + 1e-12
    variance = values.var(1, unbiased=False).maximum(least)
    module.running_mean.copy_(values.mean(1))
    module.running_var.copy_(variance)
    if isinstance(getattr(module, "weight", None), Tensor):
        # where the variance is less than epsilon, as with fresh weights, the output would vanish
        epsilon = getattr(module, "eps", 1e-5)  # frozen ones of transformers have no attribute
        module.weight.mul_((1 + epsilon / variance).sqrt())


def describe_stems(original: nn.Module, adapted: nn.Module) -> str:
    """Say what became of the layers whose weights have changed, each kind once."""
    before, modules = original.state_dict(), dict(adapted.named_modules())
    changed: dict[str, list[str]] = {}
    for name, tensor in adapted.state_dict().items():
        old = before.get(name)
        if old is None or old.shape != tensor.shape or not torch.equal(old, tensor):
            layer, _, part = name.rpartition(".")
            changed.setdefault(layer, []).append(part)
    texts = (_describe_stem(modules.get(layer), parts) for layer, parts in changed.items())
    return ", ".join(dict.fromkeys(texts)) or "unchanged"


def _describe_stem(module: Any, parts: list[str]) -> str:
    """Say what a layer sees, some of whose weights have changed."""
    if isinstance(module, nn.Linear):
        return f"linear of {module.in_features}"
    planes = getattr(module, "in_channels", None)
    if planes is None:
        return f"{type(module).__name__}: {', '.join(parts)}"
    return f"{planes} {'channel' if planes == 1 else 'planes'}" + " + bias" * ("bias" in parts)
