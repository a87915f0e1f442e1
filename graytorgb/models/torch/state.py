"""Running a torch network so that nothing of the run stays: modes, buffers, random numbers."""

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


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
        # a run may add to these in place: caches, counted calls, the table of buffers itself
        kinds = (list, dict, set)
        self._contents = [(v, v.copy()) for v in self._attributes.values() if isinstance(v, kinds)]
        buffers = (b for b in module._buffers.values() if b is not None and not b.is_meta)
        self._buffers = [(buffer, buffer.clone()) for buffer in buffers]

    def restore(self) -> None:
        """Make the layer what it was."""
        module = self._module
        if isinstance(module, torch.jit.ScriptModule):
            if module.training != self._training:
                module.training = self._training
            return
        vars(module).clear()
        vars(module).update(self._attributes)
        for container, content in self._contents:
            _refill(container, content)
        for buffer, values in self._buffers:
            _restore(buffer, values)


def _refill(container: Any, content: Any) -> None:
    container.clear()
    if isinstance(container, list):
        container.extend(content)
    else:
        container.update(content)


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
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002
        torch.default_generator.manual_seed(0)  # torch.manual_seed would seed every device
        if devices:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(0)
        yield
