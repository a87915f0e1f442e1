"""Warnings that are shown once for each key, although their text differs between images."""

import sys
import warnings
from collections.abc import Sequence
from typing import Any

# The keys of the warnings that were shown, with the list of warning filters at that time.
# `catch_warnings` puts another list in place: inside it a warning is new again, as it is for
# Python's own registry.
_said: dict[Any, Sequence[Any]] = {}


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


def is_due(key: Any) -> bool:
    """Return whether the warning of this key has not been shown yet."""
    return _said.get(key) is not _filters()


def warn_once(key: Any, warning: str | UserWarning) -> None:
    """Show a UserWarning at the caller's line, unless one of the same key was shown before.

    Python itself shows a warning once for each text, but a text that names a value is always new.
    """
    if is_due(key):
        _said[key] = _filters()
        warnings.warn(warning, UserWarning, stacklevel=_callers_level())


def forget() -> None:
    """Forget which warnings were shown, so that each is shown again."""
    _said.clear()


def _filters() -> Sequence[Any]:
    return warnings.filters


def _callers_level() -> int:
    """Return the stack level, seen from `warn_once`, of the first caller outside this package."""
    package = __name__.partition(".")[0]
    level, frame = 1, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        level, frame = level + 1, frame.f_back
    return level
