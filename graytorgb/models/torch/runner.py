"""Runner of a torch network on gray images, for :func:`graytorgb.models.verify`."""

from contextlib import AbstractContextManager, suppress
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from ...errors import ModelError
from ..frameworks import make_run_error
from ..preprocessing import Preprocessing
from ..weights import Normalization
from .calls import CALL, Call
from .example import find_epsilons, find_parameter, list_calls
from .image_lists import takes_image_list
from .isolated_run import isolate_run, set_seed
from .modules import repeat_and_normalize
from .outputs import collect_outputs
from .trace import trace_image

PREPROCESSING = "graytorgb_preprocessing"  # the attribute of an adapted network


def is_adapted(model: nn.Module) -> bool:
    """Whether a network, or a layer of it, is adapted."""
    return any(hasattr(module, PREPROCESSING) for module in model.modules())


class Runner:
    """A torch network that is run on gray images.

    A network that takes more than images is called as its adapted network was when it was made,
    which carries this call. Without it, likely calls are tried.

    Parameters
    ----------
    model : nn.Module
    normalization : Normalization or None
        The normalization that makes the network's three channels of gray; None for an adapted
        network.
    """

    has_integers = False

    def __init__(self, model: nn.Module, normalization: Normalization | None) -> None:
        self.model = model
        self._normalization = normalization
        self._like = find_parameter(model)
        found = (getattr(module, CALL, None) for module in model.modules())
        self._calls: list[Call] = [call for call in found if call is not None][:1]
        self.eps = find_epsilons(model)[1]

    @property
    def preprocessing(self) -> Preprocessing | None:
        """Return the one record that the network and its layers carry; None if none or several."""
        texts = {getattr(module, PREPROCESSING, None) for module in self.model.modules()} - {None}
        return Preprocessing.from_text(texts.pop()) if len(texts) == 1 else None

    def share_inputs(self, other: Any) -> None:
        """Call this network and another torch network with the same arguments."""
        if isinstance(other, Runner):
            self._calls = other._calls = other._calls or self._calls

    def eval_mode(self) -> AbstractContextManager[None]:
        """Return a context in which the network is in eval mode; at its end all is restored."""
        return isolate_run(self.model)

    def to_input(self, batch: NDArray[Any]) -> Tensor:
        """Return a batch (N, 1, ...) on the network's device, in its dtype."""
        return torch.from_numpy(batch).to(self._like.device, self._like.dtype)

    def __call__(self, gray: Tensor) -> Any:
        """Return the network's output for a gray batch, which the original first normalizes.

        A network that takes one image alone returns a list, with an output for each image.
        """
        call = self._find_call(gray)
        if call.batch_size is None:
            return [self._run(call, image) for image in gray]
        return self._run(call, gray)

    def _run(self, call: Call, gray: Tensor) -> Any:
        """Return the network's output for a batch (N, 1, ...), or for an image (1, ...)."""
        images = self._make_images(call, gray)
        try:
            set_seed(gray.device)  # so that random numbers are the same in both networks
            with torch.inference_mode():
                return call.run(self.model, images)
        except Exception as error:  # whatever a network raises
            shape = tuple(images[0].shape)
            width = shape[call.images[0].axis]
            described = f"{'gray' if width == 1 else f'{width} planes'} of shape {shape}"
            is_adapted = self._normalization is None
            raise make_run_error(described, error, is_adapted=is_adapted) from error

    def _make_images(self, call: Call, gray: Tensor) -> list[Tensor]:
        """Return the network's images for a gray batch (N, 1, ...), or for an image (1, ...).

        If there are several, the others are the first one, shifted sideways: with equal images, a
        network that compares them would prove nothing. A network of clips is given as many frames
        as it takes of an image that is no clip.
        """
        images = []
        axes = len(call.sides)
        if gray.ndim < axes + (call.batch_size is not None) + 1:  # an image for a network of clips
            gray = torch.stack([gray.roll(n, -1) for n in range(call.sides[0])], -3)
        for place, (image, shape) in enumerate(zip(call.images, call.shapes, strict=True)):
            moved = gray.roll(place * gray.shape[-1] // len(call.images), -1) if place else gray
            moved = moved.movedim(-axes - 1, image.axis)
            missing = len(shape) + 1 - moved.ndim
            if missing > 0:  # such as (N, views, 1, H, W)
                moved = moved.reshape(*moved.shape[:1], *(1,) * missing, *moved.shape[1:])
            if self._normalization is not None:
                moved = repeat_and_normalize(moved, self._normalization, image.axis)
            # memory of its own, because a network may write into its input
            is_own = moved.is_contiguous() and moved.data_ptr() != gray.data_ptr()
            images.append(moved if is_own else moved.clone(memory_format=torch.contiguous_format))
        return images

    def _find_call(self, gray: Tensor) -> Call:
        """Return the call for a gray batch (N, 1, ...).

        If none is known, the original, which runs first, decides.
        """
        sides = tuple(gray.shape[2:])
        if not self._calls:
            tried = [] if self._normalization is None else self._try_calls(gray)
            as_list = takes_image_list(getattr(self.model, "model", self.model))
            self._calls += tried or [Call.of_batch((1, *sides), as_list=as_list)]
        call = self._calls[0]
        return call.with_size((*call.sides[: -len(sides)], *sides), len(gray)).move_to(self._like)

    def _try_calls(self, gray: Tensor) -> list[Call]:
        """Return likely calls; the first one is a call that the network takes, if it takes any."""
        tried = []
        for call in list_calls(self.model, tuple(gray.shape[2:])):
            tried.append(call)
            with suppress(Exception), isolate_run(self.model), torch.inference_mode():
                fitted = call.with_size(call.sides, len(gray)).move_to(self._like)
                fitted.run(self.model, self._make_images(fitted, gray))
                return [call]
        return tried

    def to_planes(self, gray: Tensor) -> list[NDArray[Any]]:
        """Return the network's input for a gray batch, which the original first normalizes."""
        call = self._find_call(gray)
        others = [arg for arg in (*call.args, *call.kwargs.values()) if arg is not None]
        if len(call.images) > 1 or call.images[0].path or others:
            raise ModelError(
                "runtime= is for networks that take one batch of images, and this one takes a list "
                "of them, or other arguments too"
            )
        [images] = self._make_images(call, gray)
        return [images.contiguous().cpu().numpy()]

    def from_arrays(self, arrays: list[NDArray[Any]]) -> tuple[Tensor, ...]:
        """Return the output of a converted network as tensors."""
        return tuple(torch.from_numpy(np.array(array)) for array in arrays)

    def to_arrays(self, output: Any) -> list[NDArray[np.float64]]:
        """Return every tensor and number of an output."""
        outputs = collect_outputs(output, text=False)
        return [tensor.double().cpu().numpy() for tensor in outputs.values()]

    def find_scores(self, output: Any) -> NDArray[np.float64] | None:
        """Return class scores, (N, classes) or (N, classes, H, W), or None if the output has none.

        Three axes aren't scores, because (N, tokens, features) looks like (N, classes, pixels).
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
        """Return the name of the first convolution that sees the image, for an original network."""
        if self._is_scripted():
            return None
        call = self._find_call(gray)
        batch = gray[0] if call.batch_size is None else gray
        images = self._make_images(call, batch)
        trace = trace_image(
            self.model, lambda: call.run(self.model, images), images, stop_at_consumer=True
        )
        return next((c.layer for c in trace.consumers if c.uses_layer_weight), None)

    def _is_scripted(self) -> bool:
        """Whether the network, or a layer of it, is scripted or traced, and takes no hooks."""
        return any(isinstance(module, torch.jit.ScriptModule) for module in self.model.modules())

    def run_stem(self, layer: str, gray: Tensor) -> tuple[Any, NDArray[np.float64]] | None:
        """Return a convolution's input shape and output, or None if there is no such layer."""
        if self._is_scripted():
            return None
        try:
            module = self.model.get_submodule(layer)
        except AttributeError:
            return None
        if not isinstance(module, _ConvNd):
            return None
        calls: list[Any] = []

        def keep_call(module: Any, args: tuple[Tensor, ...], output: Tensor) -> None:
            is_batch = output.ndim > len(module.kernel_size) + 1
            batches = (args[0], output) if is_batch else (args[0][None], output[None])
            calls.append((tuple(batches[0].shape), batches[1].double().cpu().numpy().copy()))

        with module.register_forward_hook(keep_call):
            self(gray)
        return calls[0] if calls else None

    def find_inside(self, layer: str, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Return where in its output a convolution's kernel lies wholly inside its input.

        A kernel of ones, run on an image of ones, counts how many pixels of the image it sees.
        """
        counter: Any = deepcopy(self.model.get_submodule(layer)).double()
        with torch.no_grad():
            counter.weight.fill_(1)
            if counter.bias is not None:
                counter.bias.zero_()
            ones = torch.ones((1, *shape[1:]), dtype=torch.float64, device=self._like.device)
            counts = counter(ones)[0, 0].cpu().numpy()
        most = counts.max() if counter.transposed else counter.weight[0].numel()
        return np.asarray(counts == most)
