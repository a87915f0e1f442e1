"""Warnings that are shown once for each key, although their text differs between images."""

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from .collected_warnings import get_own
from .locks import make_lock

# The keys of the warnings that were shown, with the list of warning filters at that time.
# `catch_warnings` puts another list in place: inside it a warning is new again, as it is for
# Python's own registry. In a thread that collects warnings it is the list that they are put in.
_said: dict[Any, Sequence[Any]] = {}
_lock = make_lock()  # so that of several threads one shows it

_has_range_policy: ContextVar[bool] = ContextVar("has_range_policy", default=False)


class RangeWarning(UserWarning):
    """A warning that the values of an image don't suit their range.

    Parameters
    ----------
    text : str
        The whole message, with the call that works.
    problem : str
        What is wrong, in words that are the same for all such images.
    value_range : (lo, hi) or None
        A range that the values suit, if one is known.
    """

    def __init__(
        self, text: str, problem: str, value_range: tuple[float, float] | None = None
    ) -> None:
        super().__init__(text, problem, value_range)
        self.problem, self.value_range = problem, value_range

    def __str__(self) -> str:
        return str(self.args[0])


@contextmanager
def with_range_policy() -> Iterator[None]:
    """Leave out the advice to state a range, in this thread, where the caller has a rule for it.

    A loader keeps all values, has a range, or raises an error that says how to state one.
    """
    token = _has_range_policy.set(True)
    try:
        yield
    finally:
        _has_range_policy.reset(token)


def warn_of_range(warning: RangeWarning, stacklevel: int) -> None:
    """Show advice to state a range, unless the caller has a rule for the range."""
    if not _has_range_policy.get():
        warnings.warn(warning, stacklevel=stacklevel + 1)


def is_due(key: Any) -> bool:
    """Return whether the warning of this key has not been shown yet."""
    return _said.get(key) is not _find_scope()


def warn_once(key: Any, warning: str | UserWarning) -> None:
    """Show a UserWarning at the caller's line, unless one of the same key was shown before.

    Python itself shows a warning once for each text, but a text that names a value is always new.
    """
    with _lock:
        due = is_due(key)
        _said[key] = _find_scope()
    if due:
        warnings.warn(warning, UserWarning, stacklevel=_callers_level())


def forget() -> None:
    """Forget which warnings were shown, so that each is shown again."""
    _said.clear()


def _find_scope() -> Sequence[Any]:
    """Return the list that this thread collects warnings in, or its list of filters."""
    own = get_own()
    if own is not None:
        return own
    # A free-threaded Python 3.14 has one for each context, and the module's is only the first.
    find: Callable[[], Sequence[Any]] | None = getattr(warnings, "_get_filters", None)
    return warnings.filters if find is None else find()


def _callers_level() -> int:
    """Return the stack level, seen from `warn_once`, of the first caller outside this package."""
    package = __name__.partition(".")[0]
    level, frame = 1, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        level, frame = level + 1, frame.f_back
    return level
