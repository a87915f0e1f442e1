"""ReversibleChanges to a network's layers that can be taken back."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from torch import nn


class ReversibleChanges:
    """What was changed, so that a network that can't be adapted is left as it was."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def set(self, owner: Any, name: str, value: Any) -> None:
        """Set an attribute: a parameter, a layer or a plain value."""
        before = getattr(owner, name)
        setattr(owner, name, value)
        self._undo.append(lambda: setattr(owner, name, before))

    def say(self, owner: Any, name: str, value: Any) -> None:
        """Set what an object says of its input, unless it lets nobody: a property, a constant."""
        with suppress(AttributeError, TypeError):
            self.set(owner, name, value)

    def update(self, mapping: dict[str, Any], **values: Any) -> None:
        """Set keys of a dict."""
        before = dict(mapping)

        def undo() -> None:
            mapping.clear()
            mapping.update(before)

        self._undo.append(undo)
        mapping.update(values)

    def hook(self, module: nn.Module, hook: Callable[..., Any]) -> None:
        """Register a forward pre-hook."""
        self._undo.append(module.register_forward_pre_hook(hook, with_kwargs=True).remove)

    def undo(self) -> None:
        """Take everything back, the last first."""
        while self._undo:
            self._undo.pop()()
