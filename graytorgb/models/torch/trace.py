"""Trace of an image through each operation of one forward pass of a torch network.

The network's input is an *image*. An operation that moves the pixels of an image (a view, a crop,
a resize), pads it with zeros, or does arithmetic with constants is a *step*, and its result is an
image again. Any other operation on an image is a *consumer*. Stems are consumers.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from .plain_convolution import Convolution

StepKind = Literal["move", "pad", "arithmetic"]

# These operations keep a constant plane. Views aren't listed: they share the image's storage.
_MOVES = {
    "_to_copy", "clone", "copy", "contiguous", "cat", "stack", "flip", "roll", "repeat", "index",
    "index_select", "lift_fresh_copy", "detach", "alias", "_adaptive_avg_pool2d",
    "_adaptive_avg_pool3d", "pixel_unshuffle", "native_channel_shuffle",
}  # fmt: skip
_MOVE_FAMILIES = ("upsample_", "_upsample_", "reflection_pad", "replication_pad")
# These operations add zeros around the image, so a constant plane is appended before them.
_PADS = {"constant_pad_nd", "avg_pool2d", "avg_pool3d", "grid_sampler_2d", "grid_sampler_3d"}
_ARITHMETIC = {"add", "sub", "rsub", "mul", "div", "neg"}
# A normalization by statistics of its own is arithmetic; it isn't if it measures the image.
_NORMALIZATIONS = {
    "native_batch_norm",
    "cudnn_batch_norm",
    "miopen_batch_norm",
    "_native_batch_norm_legit_no_training",
    "_batch_norm_no_update",
}
STEM_OPERATIONS = ("convolution", "addmm", "mm", "bmm", "matmul", "linear", "_addmm_activation")
# These operations read a tensor's shape or dtype, not its values.
_SHAPE_FAMILIES = ("new_", "sym_", "is_", "_assert_tensor_metadata")


class Step(NamedTuple):
    """An operation that an image went through, and the layer that did it."""

    kind: StepKind
    operation: str
    layer: str


class LayerCall(NamedTuple):
    """A call of a layer.

    Attributes
    ----------
    layer : str
        The layer's name; ``""`` is the network itself.
    steps : tuple of Step or None
        The steps that made the layer's input image, or None if its input is no image.
    """

    layer: str
    steps: tuple[Step, ...] | None


class Consumer(NamedTuple):
    """An operation that takes an image and whose result is no image.

    Attributes
    ----------
    layer, operation : str
        The layer that does it, and torch's name for the operation.
    steps : tuple of Step
        The steps that made its image.
    calls : tuple of LayerCall
        The calls of layers that are running, the outermost first.
    uses_layer_weight : bool
        Whether the operation is a convolution or a product of the image and the layer's own
        ``weight``.
    convolution : Convolution or None
        The arguments of a convolution whose weight was computed.
    """

    layer: str
    operation: str
    steps: tuple[Step, ...]
    calls: tuple[LayerCall, ...]
    uses_layer_weight: bool
    convolution: Convolution | None


class StemCall(NamedTuple):
    """What a convolution or a linear layer that sees an image was given, and what it returned."""

    image: Tensor
    output: Tensor


class StopRun(Exception):
    """A signal that ends a forward pass early."""


class ImageTrace(TorchDispatchMode):
    """A context that traces an image through all operations that run inside it.

    Parameters
    ----------
    model : nn.Module
        The network that is run. The trace uses the names of its layers.
    image : Tensor
        The network's input.
    stop_at_consumer : bool
        Whether to raise :class:`StopRun` at the first consumer.
    stop_after : int, optional
        After how many calls of stems to raise :class:`StopRun`.

    Attributes
    ----------
    consumers : list of Consumer
    calls : list of LayerCall
    image_makers : set of str
        The layers that took an image and returned one.
    stem_calls : dict of str to list of StemCall
        The calls of convolutions and linear layers whose input is an image, by layer.
    result : object
        The network's output.
    """

    def __init__(
        self,
        model: nn.Module,
        image: Any,
        *,
        stop_at_consumer: bool = False,
        stop_after: int | None = None,
    ) -> None:
        super().__init__()
        self.consumers: list[Consumer] = []
        self.calls: list[LayerCall] = []
        self.image_makers: set[str] = set()
        self.stem_calls: dict[str, list[StemCall]] = {}
        self.result: Any = None
        self._modules = dict(model.named_modules())
        self._stop_at_consumer = stop_at_consumer
        self._calls_left = stop_after
        self._stem_images: list[Tensor | None] = []  # of the layers that are running
        self._running: list[LayerCall] = []
        # by storage, since a view of an image is an image; the tensor keeps the storage alive
        self._images: dict[int, tuple[Tensor, tuple[Step, ...]]] = {}
        self._mark_images(image, ())

    def find_steps(self, value: Any) -> tuple[Step, ...] | None:
        """Return the steps that made the first image in a nest of tensors, or None if none is."""
        if isinstance(value, Tensor):
            return self._get_steps(value)
        for leaf in tree_leaves(value):
            if isinstance(leaf, Tensor):
                steps = self._get_steps(leaf)
                if steps is not None:
                    return steps
        return None

    def _get_steps(self, tensor: Tensor) -> tuple[Step, ...] | None:
        """Return the steps that made a tensor, or None if it is no image."""
        if tensor.layout != torch.strided:
            return None
        found = self._images.get(tensor.untyped_storage().data_ptr())
        return None if found is None else found[1]

    @contextmanager
    def watch_layers(self) -> Iterator[None]:
        """Register hooks on every layer, which tell the trace which layer is running."""
        with ExitStack() as stack:
            for name, module in self._modules.items():
                begin_call = self._make_hook(name)
                hook = module.register_forward_pre_hook(begin_call, with_kwargs=True)
                stack.enter_context(hook)
                hook = module.register_forward_hook(self._end_call, always_call=True)
                stack.enter_context(hook)
            yield

    def _make_hook(self, name: str) -> Callable[..., None]:
        """Return the hook that begins a call of the layer `name`."""

        def begin_call(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            steps = self.find_steps(args[0] if len(args) == 1 and not kwargs else (args, kwargs))
            self._running.append(LayerCall(name, steps))
            self.calls.append(self._running[-1])
            is_stem = steps is not None and isinstance(module, _ConvNd | nn.Linear)
            # a copy, because a layer may work in place
            image = tree_leaves((args, kwargs))[0].clone() if is_stem else None
            self._stem_images.append(image)

        return begin_call

    def _end_call(self, module: nn.Module, args: Any, result: Any) -> None:
        """End the innermost call."""
        call, image = self._running.pop(), self._stem_images.pop()
        if call.steps is not None and self.find_steps(result) is not None:
            self.image_makers.add(call.layer)
        if image is None or result is None:  # None after an error
            return
        self.stem_calls.setdefault(call.layer, []).append(StemCall(image, result.clone()))
        if self._calls_left is not None:
            self._calls_left -= 1
            if self._calls_left == 0:
                raise StopRun

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        tensors = list(_list_tensors((*args, *kwargs.values())))
        images = [steps for t in tensors if (steps := self._get_steps(t)) is not None]
        has_activation = any(hasattr(tensor, "_graytorgb_activation") for tensor in tensors)
        is_image_alone = len(images) == len(tensors)
        result = func(*args, **kwargs)
        operation = func._schema.name.partition("::")[2]
        if not images:
            if has_activation:
                _mark_activations(result)
        elif not operation.startswith(_SHAPE_FAMILIES) and not operation.endswith("_like"):
            steps = max(images, key=len)  # cat and stack take several images
            # arithmetic of an image with an activation isn't a step, nor a product of two images
            is_sum = operation.removesuffix("_") in ("add", "sub", "rsub")
            is_linear = not has_activation and (len(images) == 1 or is_sum)
            kind = self._find_step_kind(
                operation, args, result, is_image_alone=is_image_alone, is_linear=is_linear
            )
            if kind is None:
                self._add_consumer(operation, args, steps, result)
            else:
                step = Step(kind, operation, self._running[-1].layer if self._running else "")
                # the same view repeated a hundred times is one step
                self._mark_images(result, steps if steps[-1:] == (step,) else (*steps, step))
        return result

    def _add_consumer(
        self, operation: str, args: tuple[Any, ...], steps: tuple[Step, ...], result: Any
    ) -> None:
        """Record an operation that consumes an image."""
        layer = self._running[-1].layer if self._running else ""
        uses_layer_weight = False
        weight = getattr(self._modules.get(layer), "weight", None)
        if operation.endswith(STEM_OPERATIONS) and isinstance(weight, Tensor):
            uses_layer_weight = any(
                isinstance(arg, Tensor) and arg.data_ptr() == weight.data_ptr() for arg in args
            )
        convolution = None
        if operation == "convolution" and not uses_layer_weight and not args[6]:
            convolution = Convolution._make((*args[1:6], args[8], tuple(args[0].shape[2:])))
        self.consumers.append(
            Consumer(layer, operation, steps, tuple(self._running), uses_layer_weight, convolution)
        )
        _mark_activations(result)
        if self._stop_at_consumer:
            raise StopRun

    def _find_step_kind(
        self,
        operation: str,
        args: tuple[Any, ...],
        result: Any,
        *,
        is_image_alone: bool,
        is_linear: bool,
    ) -> StepKind | None:
        """Return the kind of a step, or None if the operation is a consumer."""
        name = operation.removesuffix("_")
        if name == "copy":  # into a tensor of zeros, presumably
            return "move" if is_image_alone else "pad"
        if name in _NORMALIZATIONS:
            is_fixed = "no_" in name or not args[5]
            return "arithmetic" if is_linear and is_fixed else None
        if name in _ARITHMETIC:
            return "arithmetic" if is_linear else None
        if name == operation and self.find_steps(result) is not None:
            return "move"  # a view
        if name in ("index", "index_select"):
            return "move"
        if is_image_alone and (name in _MOVES or name.startswith(_MOVE_FAMILIES)):
            return "move"
        if name == "constant_pad_nd":
            return None if any(args[2:]) else "pad"
        return "pad" if name in _PADS else None

    def _mark_images(self, result: Any, steps: tuple[Step, ...]) -> None:
        """Record that each tensor in `result` is an image that went through `steps`."""
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and leaf.layout == torch.strided and leaf.numel():
                self._images[leaf.untyped_storage().data_ptr()] = (leaf, steps)


def _list_tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    """Yield the tensors among an operation's arguments or results: alone, or in lists."""
    # not by tree_leaves, which takes as long as a small operation
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _list_tensors(value)


def _mark_activations(result: Any) -> None:
    """Mark each tensor in `result` as an activation: it depends on the image, but is no image."""
    # an attribute, because a list of tensors would keep their memory in use
    for tensor in _list_tensors((result,)):
        tensor._graytorgb_activation = True  # type: ignore[attr-defined]


def trace_image(model: nn.Module, run: Callable[[], Any], image: Any, **options: Any) -> ImageTrace:
    """Call `run`, one forward pass of `model`, and return the trace of its input.

    Parameters
    ----------
    model : nn.Module
    run : callable
    image : Tensor or nest of Tensor
    **options
        Those of :class:`ImageTrace`.
    """
    trace = ImageTrace(model, image, **options)
    with torch.no_grad(), trace.watch_layers(), trace, suppress(StopRun):
        trace.result = run()
    return trace
