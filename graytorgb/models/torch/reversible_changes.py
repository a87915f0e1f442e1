"""``ReversibleChanges``: changes to a network that can be undone."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any


class ReversibleChanges:
    """A record of changes to a network, which undoes them if the network can't be adapted."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], object]] = []

    def set(self, owner: Any, name: str, value: Any) -> None:
        """Set an attribute: a parameter, a layer or a plain value."""
        before = getattr(owner, name)
        setattr(owner, name, value)
        self._undo.append(lambda: setattr(owner, name, before))

    def set_item(self, owner: dict[str, Any], name: str, value: Any) -> None:
        """Set an item of a dict."""
        before = owner[name]
        owner[name] = value
        self._undo.append(lambda: owner.update({name: before}))

    def set_if_possible(self, owner: Any, name: str, value: Any) -> None:
        """Set an attribute, unless it is one that can't be set, such as a property."""
        with suppress(AttributeError, TypeError):
            self.set(owner, name, value)

    def add_undo(self, undo: Callable[[], object]) -> None:
        """Add what undoes a change that was made elsewhere."""
        self._undo.append(undo)

    def undo(self) -> None:
        """Undo every change, the last one first."""
        while self._undo:
            self._undo.pop()()
