"""Running a torch network so that nothing of the run stays: modes, buffers, random numbers."""

import random
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

_DEEPEST = 4  # containers in containers of a layer's attributes


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put every layer in eval mode, and leave the network as it was before.

    The flags are set one by one: ``model.eval()`` would call what a user's class does in it, as
    LoRA layers add to their weights there, and an exported program refuses it.
    """
    before = [_Before(module) for module in model.modules()]
    switched: list[Any] = [module for module in model.modules() if _has_graph_for_eval(module)]
    for module in model.modules():
        if module.training:
            module.training = False
    for module in switched:
        module.graph = module.eval_graph
    try:
        yield
    finally:
        for state in before:
            state.restore()
        for module in switched:
            module.recompile()


def _has_graph_for_eval(module: Any) -> bool:
    """Whether a network of create_feature_extractor is in training, with a graph for each mode."""
    is_graph = isinstance(module, torch.fx.GraphModule) and module.training
    return is_graph and isinstance(getattr(module, "eval_graph", None), torch.fx.Graph)


class _Before:
    """What a layer has before a run, to be restored after it."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._training = module.training
        if isinstance(module, torch.jit.ScriptModule):
            return
        self._attributes = dict(vars(module))
        # caches, counted calls, random numbers of its own, buffers and their table
        values = self._attributes.values()
        self._restores = [restore for v in values for restore in _restores_of(v, _DEEPEST)]

    def restore(self) -> None:
        """Make the layer what it was."""
        module = self._module
        if isinstance(module, torch.jit.ScriptModule):
            if module.training != self._training:
                module.training = self._training
            return
        vars(module).clear()
        vars(module).update(self._attributes)
        for restore in self._restores:
            restore()


def _restores_of(value: Any, depth: int) -> Iterator[Callable[[], object]]:
    """Yield what makes a value as it is now, if a run may change it in place.

    Parameters aren't changed by a run, and copies of them would need as much memory as the network.
    """
    if isinstance(value, list | dict | set | deque):
        yield partial(_refill, value, dict(value) if isinstance(value, dict) else list(value))
        inner = value.values() if isinstance(value, dict) else value
        for item in inner if depth else ():
            yield from _restores_of(item, depth - 1)
    elif isinstance(value, Tensor):
        if not (isinstance(value, nn.Parameter) or value.is_meta or value.layout != torch.strided):
            yield partial(_restore, value, value.clone())
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
    """Give a container its former content, unless it has it: some refuse every change."""
    if _has(container, content):
        return
    container.clear()
    if isinstance(container, list | deque):
        container.extend(content)
    else:
        container.update(content)


def _has(container: Any, content: Any) -> bool:
    """Whether a container has just these objects, in their order."""
    if len(container) != len(content):
        return False
    before, now = (list(c.items() if isinstance(c, dict) else c) for c in (content, container))
    if isinstance(content, dict):
        return all(k == j and v is w for (k, v), (j, w) in zip(before, now, strict=True))
    return all(a is b for a, b in zip(before, now, strict=True))


def _restore(buffer: Tensor, values: Tensor) -> None:
    if buffer.shape == values.shape and torch.equal(buffer, values):
        return
    with torch.no_grad():
        if buffer.shape != values.shape:
            buffer.resize_(values.shape)
        buffer.copy_(values)


@contextmanager
def seeded(device: torch.device) -> Iterator[None]:
    """Give a network the same random numbers in every run, and the caller its own afterwards."""
    with ExitStack() as stack:
        stack.callback(random.setstate, random.getstate())
        stack.callback(np.random.set_state, np.random.get_state())  # noqa: NPY002  # others draw
        devices = [device] if device.type == "cuda" else []
        stack.enter_context(torch.random.fork_rng(devices))
        seed(device)
        yield


def seed(device: torch.device) -> None:
    """Start the random numbers that a network draws anew."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    torch.default_generator.manual_seed(0)  # torch.manual_seed would seed every device
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(0)
