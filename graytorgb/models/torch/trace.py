"""Where the image goes in a torch network: one forward pass, followed operation by operation.

A tensor is an *image* while it is the input, or was made of it alone by moving pixels
(views, crops, resizing), padding with zeros, or arithmetic with constants. The first other
operation on it is a *meeting*; the convolutions among them are the stem.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# A plane of ones stays one through these; views are known by their storage.
_MOVES = {
    "_to_copy", "clone", "copy", "contiguous", "cat", "stack", "flip", "roll", "repeat", "index",
    "index_select", "lift_fresh_copy", "detach", "alias", "_adaptive_avg_pool2d",
    "_adaptive_avg_pool3d", "pixel_unshuffle", "native_channel_shuffle",
}  # fmt: skip
_MOVE_FAMILIES = ("upsample_", "_upsample_", "reflection_pad", "replication_pad")
# It ends at the image's border in these, so it has to go through them.
_PADS = {"constant_pad_nd", "avg_pool2d", "avg_pool3d", "grid_sampler_2d", "grid_sampler_3d"}
_ARITHMETIC = {"add", "sub", "rsub", "mul", "div", "neg"}
# These look at a tensor's shape or dtype, not at its values.
_SHAPE_FAMILIES = ("new_", "sym_", "is_", "_assert_tensor_metadata")


class Step(NamedTuple):
    """An operation that an image went through, and the layer that did it."""

    kind: Literal["move", "pad", "arithmetic"]
    operation: str
    layer: str


class Entry(NamedTuple):
    """A layer that was called.

    Attributes
    ----------
    layer : str
        Its name; ``""`` is the network itself.
    is_image : bool
        Whether an argument is an image.
    path : tuple of Step
        What that image had gone through.
    """

    layer: str
    is_image: bool
    path: tuple[Step, ...]


class Meeting(NamedTuple):
    """The first operation on an image that isn't a step.

    Attributes
    ----------
    layer, operation : str
        Whose it is, and torch's name for it.
    path : tuple of Step
        The steps before it.
    within : tuple of Entry
        The layers that were being called, the outermost first.
    plain : bool
        Whether it is a convolution of the image with the layer's own ``weight``.
    """

    layer: str
    operation: str
    path: tuple[Step, ...]
    within: tuple[Entry, ...]
    plain: bool

    @property
    def is_convolution(self) -> bool:
        """Whether the image met a kernel."""
        return self.operation.endswith("convolution")


class Stopped(Exception):
    """The forward pass was ended on purpose."""


class ImageTrace(TorchDispatchMode):
    """A trace of images through whatever runs inside it.

    Parameters
    ----------
    model : nn.Module
        Its layers' names are told, and its state isn't touched.
    images : list of Tensor
        The network's input.
    stop : bool
        Whether to end the pass, by :class:`Stopped`, after the first meeting.

    Attributes
    ----------
    meetings : list of Meeting
    calls : list of Entry
    returned : set of str
        The layers that were given an image and returned one.
    outputs : dict of str to list of Tensor
        What the convolutions of images gave, by layer.
    result : object
        What the run returned.
    """

    def __init__(self, model: nn.Module, images: list[Tensor], *, stop: bool = False) -> None:
        super().__init__()
        self.meetings: list[Meeting] = []
        self.calls: list[Entry] = []
        self.returned: set[str] = set()
        self.outputs: dict[str, list[Tensor]] = {}
        self.result: Any = None
        self._modules = dict(model.named_modules())
        self._stop = stop
        self._stack: list[Entry] = []
        # by storage, so that a view of an image is one; the tensor keeps the address taken
        self._images: dict[int, tuple[Tensor, tuple[Step, ...]]] = {}
        for image in images:
            self._mark(image, ())

    def path_of(self, value: Any) -> tuple[Step, ...] | None:
        """The steps behind the image in `value`, a tensor or a nest of them; None if none is."""
        for leaf in tree_leaves(value):
            if isinstance(leaf, Tensor) and leaf.layout == torch.strided:
                found = self._images.get(leaf.untyped_storage().data_ptr())
                if found is not None:
                    return found[1]
        return None

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Hooks on every layer, so that each operation has one."""
        handles = []
        for name, module in self._modules.items():
            handles.append(module.register_forward_pre_hook(self._enter(name), with_kwargs=True))
            handles.append(module.register_forward_hook(self._leave, always_call=True))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, name: str) -> Callable[..., None]:
        def enter(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            path = self.path_of((args, kwargs))
            self._stack.append(Entry(name, path is not None, path or ()))
            self.calls.append(self._stack[-1])

        return enter

    def _leave(self, module: nn.Module, args: Any, result: Any) -> None:
        entry = self._stack.pop()
        if entry.is_image and self.path_of(result) is not None:
            self.returned.add(entry.layer)

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        paths = [self.path_of(tensor) for tensor in tensors]
        result = func(*args, **kwargs)
        known = [path for path in paths if path is not None]
        if known:
            self._follow(func._schema.name.partition("::")[2], args, tensors, known, result)
        elif any(hasattr(tensor, "_graytorgb_activation") for tensor in tensors):
            self._mark_activations(result)
        return result

    def _follow(
        self,
        operation: str,
        args: tuple[Any, ...],
        tensors: list[Tensor],
        known: list[tuple[Step, ...]],
        result: Any,
    ) -> None:
        """Say what an operation did to an image."""
        if operation.startswith(_SHAPE_FAMILIES) or operation.endswith("_like"):
            return
        path = max(known, key=len)  # cat and stack take several
        layer = self._stack[-1].layer if self._stack else ""
        kind = self._kind(operation, args, tensors, known, result)
        if kind is not None:
            step = Step(kind, operation, layer)
            # a view repeated a hundred times says nothing new
            longer = path if path and path[-1] == step else (*path, step)
            for leaf in tree_leaves(result):
                if isinstance(leaf, Tensor):
                    self._mark(leaf, longer)
            return
        plain = False
        if operation.endswith("convolution") and self.path_of(args[0]) is not None:
            weight = getattr(self._modules.get(layer), "weight", None)
            plain = isinstance(weight, Tensor) and args[1].data_ptr() == weight.data_ptr()
            # the next layer may work in place
            self.outputs.setdefault(layer, []).append(result.clone())
        self.meetings.append(Meeting(layer, operation, path, tuple(self._stack), plain))
        self._mark_activations(result)
        if self._stop:
            raise Stopped

    def _kind(
        self,
        operation: str,
        args: tuple[Any, ...],
        tensors: list[Tensor],
        known: list[tuple[Step, ...]],
        result: Any,
    ) -> Literal["move", "pad", "arithmetic"] | None:
        """What kind of step it is, or None for a meeting."""
        name = operation.removesuffix("_")
        alone = len(known) == len(tensors)
        if name == "copy":  # into zeros, as far as this can know
            return "move" if alone else "pad"
        if name in _ARITHMETIC:
            active = any(hasattr(tensor, "_graytorgb_activation") for tensor in tensors)
            return None if active or len(known) > 1 else "arithmetic"
        if name == operation and self.path_of(result) is not None:
            return "move"  # a view
        if name in ("index", "index_select"):
            return "move"
        if alone and (name in _MOVES or name.startswith(_MOVE_FAMILIES)):
            return "move"
        if name == "constant_pad_nd":
            return None if any(args[2:]) else "pad"
        return "pad" if name in _PADS else None

    def _mark(self, tensor: Tensor, path: tuple[Step, ...]) -> None:
        if tensor.layout == torch.strided and tensor.numel():
            self._images[tensor.untyped_storage().data_ptr()] = (tensor, path)

    def _mark_activations(self, result: Any) -> None:
        # an attribute and not a list, so that memory is free when the network lets it go
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                leaf._graytorgb_activation = True  # type: ignore[attr-defined]


def trace_image(
    model: nn.Module, run: Callable[[], Any], images: list[Tensor], *, stop: bool = False
) -> ImageTrace:
    """Trace `images`, the input, through one forward pass of `model`, which `run` makes."""
    trace = ImageTrace(model, images, stop=stop)
    with torch.no_grad(), trace.watched(), trace, suppress(Stopped):
        trace.result = run()
    return trace
