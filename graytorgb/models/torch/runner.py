"""Running a torch network for :func:`graytorgb.models.verify`."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from ..frameworks import cannot_run
from ..preprocessing import Preprocessing
from ..stem import CHANNELS
from ..weights import Normalization
from .example import any_parameter
from .input_arithmetic import takes_image_list
from .isolated_run import evaluating, seed, seeded
from .modules import GrayInput, repeat_and_normalize
from .outputs import outputs_of
from .trace import trace_image

PREPROCESSING = "graytorgb_preprocessing"  # the attribute that an adapted network has
_EPS = float(torch.finfo(torch.float32).eps)


class Runner:
    """A network, with what it does to gray images.

    Parameters
    ----------
    model : nn.Module
    normalization : Normalization or None
        How gray becomes its planes; None for an adapted network, which takes gray.
    """

    has_integers = False

    def __init__(self, model: nn.Module, normalization: Normalization | None) -> None:
        self.model = model
        self._normalization = normalization
        inner = model.model if isinstance(model, GrayInput) else model
        self._as_list = takes_image_list(inner)
        self._like = any_parameter(model)
        dtypes = {p.dtype for p in model.parameters() if p.is_floating_point()}
        self.eps = max((torch.finfo(dtype).eps for dtype in dtypes), default=_EPS)

    @property
    def preprocessing(self) -> Preprocessing | None:
        """Return what the network or a layer of it carries, or None unless that is one thing."""
        carried = {getattr(module, PREPROCESSING, None) for module in self.model.modules()}
        found = carried - {None}
        return Preprocessing.from_text(found.pop()) if len(found) == 1 else None

    @contextmanager
    def eval_mode(self) -> Iterator[None]:
        """The network in eval mode, and then in its own again; the caller's random numbers stay."""
        with evaluating(self.model), seeded(self._like.device):
            yield

    def to_input(self, batch: NDArray[Any]) -> Tensor:
        """A batch (N, 1, ...) on the network's device, in its dtype."""
        return torch.from_numpy(batch).to(self._like.device, self._like.dtype)

    def __call__(self, gray: Tensor) -> Any:
        """The network's output for gray, preprocessing included."""
        images = gray
        if self._normalization is not None:
            images = repeat_and_normalize(gray, self._normalization)
        try:
            seed(gray.device)  # a network that draws random numbers draws the same ones
            with torch.inference_mode():
                return self.model(list(images) if self._as_list else images)
        except Exception as error:  # whatever a network raises
            is_adapted = self._normalization is None
            raise cannot_run(_describe_images(images), error, is_adapted=is_adapted) from error

    def to_arrays(self, output: Any) -> list[NDArray[np.float64]]:
        """Every tensor and number of an output."""
        found = outputs_of(output, text=False)
        return [tensor.double().cpu().numpy() for tensor in found.values()]

    def find_scores(self, output: Any) -> NDArray[np.float64] | None:
        """Class scores, (N, classes) or (N, classes, H, W); None if the output has none.

        In (N, tokens, features) nothing says which axis is what.
        """
        if isinstance(output, dict):  # torchvision's segmentation, Hugging Face
            output = output.get("logits", output.get("out"))
        if isinstance(output, tuple):
            output = output[0] if output else None
        if not isinstance(output, Tensor) or output.is_complex() or output.layout != torch.strided:
            return None
        if output.is_nested or output.ndim not in (2, 4, 5) or output.shape[1] < 2:
            return None
        return output.double().cpu().numpy()

    def find_stem(self, gray: Tensor) -> str | None:
        """The name of the first convolution that the image meets, in a network of 3 channels."""
        if any(isinstance(module, torch.jit.ScriptModule) for module in self.model.modules()):
            return None  # it takes no hooks
        images: Tensor = gray.expand(-1, CHANNELS, *gray.shape[2:]).clone()
        given = list(images) if self._as_list else images
        trace = trace_image(self.model, lambda: self.model(given), [images], stop=True)
        found = [m.layer for m in trace.meetings if m.is_convolution and m.plain]
        return found[0] if found else None

    def run_stem(self, layer: str, gray: Tensor) -> tuple[Any, NDArray[np.float64]] | None:
        """The input's shape and the output of a layer; None if there is no such convolution."""
        try:
            module = self.model.get_submodule(layer)
        except AttributeError:
            return None
        if not isinstance(module, _ConvNd):
            return None
        seen: list[Any] = []

        def keep(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
            seen.append((tuple(args[0].shape), output.double().cpu().numpy().copy()))

        handle = module.register_forward_hook(keep)
        try:
            self(gray)
        finally:
            handle.remove()
        return seen[0] if seen else None

    def find_inside(self, layer: str, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Where a convolution's kernel lies wholly inside its input: its output's spatial shape."""
        counter: Any = deepcopy(self.model.get_submodule(layer)).double()
        with torch.no_grad():
            counter.weight.fill_(1)
            if counter.bias is not None:
                counter.bias.zero_()
            taps = counter(
                torch.ones((1, *shape[1:]), dtype=torch.float64, device=self._like.device)
            )
        counted = taps[0, 0].cpu().numpy()
        every = counted.max() if counter.transposed else counter.weight[0].numel()
        return np.asarray(counted == every)


def _describe_images(images: Tensor) -> str:
    kind = "gray" if images.shape[1] == 1 else f"{images.shape[1]} planes"
    return f"{kind} of shape {tuple(images.shape)}"
