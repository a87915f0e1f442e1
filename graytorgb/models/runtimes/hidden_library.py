"""``hide_library``: import a runtime's library without another library that it would use."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hide_library(name: str) -> Iterator[None]:
    """Let a library appear as if it weren't installed, unless it is imported already."""
    is_hidden = name not in sys.modules
    if is_hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # an import of it now fails
    try:
        yield
    finally:
        if is_hidden:
            del sys.modules[name]
