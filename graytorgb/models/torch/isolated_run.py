"""``isolate_run``: run a torch network and restore its modes, buffers and random numbers."""

import random
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import chain
from operator import is_
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .example import find_parameter
from .plain_mode import plain_mode

_DEEPEST = 4  # how many containers inside each other are restored


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
    restores = [_save_layer(module) for module in model.modules()]
    graphs: list[Any] = [module for module in model.modules() if _has_graph_for_eval(module)]
    for module in model.modules():
        if module.training:
            module.training = False
    for module in graphs:
        module.graph = module.eval_graph
    try:
        yield
    finally:
        for restore in restores:
            restore()
        for module in graphs:
            module.recompile()


def _has_graph_for_eval(module: Any) -> bool:
    """Whether a network of create_feature_extractor is in training mode.

    Such a network has one graph for training and one for eval mode.
    """
    is_graph = isinstance(module, torch.fx.GraphModule) and module.training
    return is_graph and isinstance(getattr(module, "eval_graph", None), torch.fx.Graph)


def _save_layer(module: nn.Module) -> Callable[[], None]:
    """Return a function that gives a layer the mode and attributes that it has now."""
    if isinstance(module, torch.jit.ScriptModule):
        return partial(_set_mode, module, is_training=module.training)
    attributes = dict(vars(module))
    # such as caches, counters, random generators and buffers
    restores = [r for value in attributes.values() for r in _save_value(value, _DEEPEST)]

    def restore() -> None:
        vars(module).clear()
        vars(module).update(attributes)
        for restore_value in restores:
            restore_value()

    return restore


def _set_mode(module: nn.Module, *, is_training: bool) -> None:
    """Set a scripted layer's mode, unless it has that mode."""
    if module.training != is_training:
        module.training = is_training


def _save_value(value: Any, depth: int) -> Iterator[Callable[[], object]]:
    """Yield functions that restore the present content of a value that a run may change in place.

    Parameters are left out: a run doesn't change them, and copies would double the memory.
    """
    if isinstance(value, list | dict | set | deque):
        yield partial(_refill, value, dict(value) if isinstance(value, dict) else list(value))
        inner = value.values() if isinstance(value, dict) else value
        for item in inner if depth else ():
            yield from _save_value(item, depth - 1)
    elif isinstance(value, Tensor):
        if not (isinstance(value, nn.Parameter) or value.is_meta or value.layout != torch.strided):
            yield partial(_restore_tensor, value, value.clone())
    elif isinstance(value, np.ndarray):
        if value.flags.writeable:
            yield partial(np.copyto, value, value.copy())
    elif isinstance(value, torch.Generator):
        yield partial(value.set_state, value.get_state())
    elif isinstance(value, np.random.Generator):
        yield partial(setattr, value.bit_generator, "state", value.bit_generator.state)
    elif isinstance(value, np.random.RandomState):
        yield partial(value.set_state, value.get_state())
    elif isinstance(value, random.Random):
        yield partial(value.setstate, value.getstate())


def _refill(container: Any, content: Any) -> None:
    """Give a container its former objects; don't touch it if it has them, as some are read-only."""
    now, before = (
        list(chain(*c.items()) if isinstance(c, dict) else c) for c in (container, content)
    )
    if len(now) == len(before) and all(map(is_, now, before)):
        return
    container.clear()
    if isinstance(container, list | deque):
        container.extend(content)
    else:
        container.update(content)


def _restore_tensor(tensor: Tensor, values: Tensor) -> None:
    """Give a tensor its former shape and values, if they changed."""
    if tensor.shape == values.shape and torch.equal(tensor, values):
        return
    with torch.no_grad():
        if tensor.shape != values.shape:
            tensor.resize_(values.shape)
        tensor.copy_(values)


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
