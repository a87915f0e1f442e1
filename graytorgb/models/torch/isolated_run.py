"""``isolate_run``: run a torch network and restore its modes, buffers and random numbers."""

import random
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from operator import is_
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .example import find_parameter
from .plain_mode import plain_mode

_DEEPEST = 4  # how many containers inside each other are restored
# returns a function that gives an object its present content, or None if it can't be changed
_Saver = Callable[[Any], Callable[[], object] | None]


@contextmanager
def isolate_run(model: nn.Module) -> Iterator[None]:
    """Put a network in eval mode with fixed random numbers; restore both when the context ends.

    Inference mode and autocast of the caller don't hold inside.
    """
    with plain_mode(), _set_eval_mode(model), _fix_seed(find_parameter(model).device):
        yield


@contextmanager
def _set_eval_mode(model: nn.Module) -> Iterator[None]:
    """Put every layer in eval mode, and restore the network when the context ends.

    The flags are set one by one, because ``model.eval()`` runs code of a user's class (in it, a
    LoRA layer changes its weights), and raises an error in an exported program.
    """
    state = _State(model)
    graphs: list[Any] = [module for module in model.modules() if _has_graph_for_eval(module)]
    for module in model.modules():
        if module.training:
            module.training = False
    for module in graphs:
        module.graph = module.eval_graph
    try:
        yield
    finally:
        state.restore()
        for module in graphs:
            module.recompile()


def _has_graph_for_eval(module: Any) -> bool:
    """Whether a network of create_feature_extractor is in training mode.

    Such a network has one graph for training and one for eval mode.
    """
    is_graph = isinstance(module, torch.fx.GraphModule) and module.training
    return is_graph and isinstance(getattr(module, "eval_graph", None), torch.fx.Graph)


class _State:
    """The modes and attributes of a network's layers, and what they hold, at one moment.

    A network of a thousand layers has some 30 000 attributes, so those that a run can't change in
    place are passed over, each object is saved once, and what didn't change isn't set again.

    Parameters
    ----------
    model : nn.Module
    """

    def __init__(self, model: nn.Module) -> None:
        self._layers: list[tuple[nn.Module, dict[str, Any]]] = []
        self._scripted: list[tuple[nn.Module, bool]] = []
        self._empty: list[Any] = []  # containers without content, as most of a layer's are
        self._restores: list[Callable[[], object]] = []
        self._saved: dict[int, int] = {}  # by an object's id, how deep was looked into it
        self._savers: dict[type, _Saver | None] = {}
        for module in model.modules():
            if isinstance(module, torch.jit.ScriptModule):
                self._scripted.append((module, module.training))
                continue
            attributes = dict(vars(module))
            self._layers.append((module, attributes))
            # such as caches, counters, random generators and buffers
            for value in attributes.values():
                self._save(value, _DEEPEST)

    def restore(self) -> None:
        """Give the layers the modes, the attributes and their content that were saved."""
        for module, is_training in self._scripted:
            if module.training != is_training:
                module.training = is_training
        for module, attributes in self._layers:
            if not _has_objects(vars(module), attributes):
                vars(module).clear()
                vars(module).update(attributes)
        for container in self._empty:
            if container:
                container.clear()
        for restore_value in self._restores:
            restore_value()

    def _save(self, value: Any, depth: int) -> None:
        """Save the present content of a value that a run may change in place."""
        kind = type(value)
        if kind not in self._savers:
            self._savers[kind] = _find_saver(kind)
        save = self._savers[kind]
        # the layers' attributes keep the objects alive, so no other object gets the same id
        if save is None or self._saved.get(id(value), -1) >= depth:
            return
        is_new = id(value) not in self._saved
        self._saved[id(value)] = depth
        if save is not _save_container:
            restore = save(value) if is_new else None
            if restore is not None:
                self._restores.append(restore)
        elif not len(value):
            if is_new:
                self._empty.append(value)
        else:
            if is_new:
                self._restores.append(_save_container(value))
            inner = value.values() if isinstance(value, dict) else value
            for item in inner if depth else ():
                self._save(item, depth - 1)


def _find_saver(kind: type) -> _Saver | None:
    """Return the function that saves values of a class, or None if a run can't change them."""
    return next((save for bases, save in _SAVERS if issubclass(kind, bases)), None)


def _save_container(value: Any) -> Callable[[], object]:
    """Return a function that restores a container's objects."""
    return partial(_refill, value, dict(value) if isinstance(value, dict) else list(value))


def _save_tensor(value: Tensor) -> Callable[[], object] | None:
    """Return a function that restores a tensor.

    Parameters are left out: a run doesn't change them, and copies would double the memory.
    """
    if isinstance(value, nn.Parameter) or value.is_meta or value.layout != torch.strided:
        return None
    return partial(_restore_tensor, value, value.clone())


def _save_array(value: NDArray[Any]) -> Callable[[], object] | None:
    """Return a function that restores an array, or None for one that can't be written."""
    return partial(np.copyto, value, value.copy()) if value.flags.writeable else None


def _save_bit_generator(value: np.random.Generator) -> Callable[[], object]:
    """Return a function that restores the state of NumPy's random numbers."""
    return partial(setattr, value.bit_generator, "state", value.bit_generator.state)


def _refill(container: Any, content: Any) -> None:
    """Give a container its former objects; don't touch it if it has them, as some are read-only."""
    if _has_objects(container, content):
        return
    container.clear()
    if isinstance(container, list | deque):
        container.extend(content)
    else:
        container.update(content)


def _has_objects(container: Any, content: Any) -> bool:
    """Whether a container has the same objects in the same order, and by the same names."""
    if len(container) != len(content):
        return False
    if isinstance(container, dict):
        if not all(map(is_, container, content)):
            return False
        container, content = container.values(), content.values()
    return all(map(is_, container, content))


def _restore_tensor(tensor: Tensor, values: Tensor) -> None:
    """Give a tensor its former shape and values, if they changed."""
    if tensor.shape == values.shape and torch.equal(tensor, values):
        return
    with torch.no_grad():
        if tensor.shape != values.shape:
            tensor.resize_(values.shape)
        tensor.copy_(values)


# What a run may change in place, and the functions that save it.
_SAVERS: tuple[tuple[tuple[type, ...], _Saver], ...] = (
    ((list, dict, set, deque), _save_container),
    ((Tensor,), _save_tensor),
    ((np.ndarray,), _save_array),
    ((torch.Generator, np.random.RandomState), lambda v: partial(v.set_state, v.get_state())),
    ((np.random.Generator,), _save_bit_generator),
    ((random.Random,), lambda v: partial(v.setstate, v.getstate())),
)


@contextmanager
def _fix_seed(device: torch.device) -> Iterator[None]:
    """Fix every random seed, and restore the caller's random states when the context ends."""
    with ExitStack() as stack:
        stack.callback(random.setstate, random.getstate())
        stack.callback(np.random.set_state, np.random.get_state())  # noqa: NPY002  # networks use it
        devices = [device] if device.type == "cuda" else []
        stack.enter_context(torch.random.fork_rng(devices))
        set_seed(device)
        yield


def set_seed(device: torch.device) -> None:
    """Seed every random generator that a network on `device` may use."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    torch.default_generator.manual_seed(0)  # torch.manual_seed would seed every device
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(0)
