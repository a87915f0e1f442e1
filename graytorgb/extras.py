"""Optional libraries: the one place that imports by name, and that says which extra is missing."""

import importlib
from collections.abc import Callable
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from typing import Any

from .errors import BackendUnavailable

__all__ = ["EXTENSION_SUFFIXES", "describe_version", "is_missing", "require"]


def require(
    module: str, library: str | None, extra: str, explain: Callable[[bool], str] | None = None
) -> Any:
    """Import a module that needs a library, and explain a failure.

    Parameters
    ----------
    module : str
        What is imported: the library, or a module of this package that imports it.
    library : str or None
        The library; None for a module that needs none.
    extra : str
        The extra of this package that installs it.
    explain : callable, optional
        ``explain(missing)`` says what to do about a module of this package itself.

    Raises
    ------
    BackendUnavailable
        "needs …: pip install" if the library isn't installed, "is installed but failed to
        import" if it is; the import's own error is the cause.
    """
    try:
        return importlib.import_module(module)
    except Exception as error:  # an extension module can fail with any class
        if library is None:
            raise
        missing = is_missing(library)
        if missing:
            remedy = explain(missing) if explain else f"pip install 'graytorgb[{extra}]'"
            why = f"needs {library}: {remedy}"
        else:
            why = f"can't be used: {library} is installed but failed to import: {error}"
            why += explain(missing) if explain else ""
        unavailable = BackendUnavailable(why)
        unavailable.missing = missing
        raise unavailable from error


def is_missing(library: str) -> bool:
    """Whether a library isn't installed; one that is broken is there."""
    try:
        return find_spec(library) is None
    except ValueError:  # an entry of sys.modules without a spec
        return True


def describe_version(library: str) -> str:
    """Return the name and the version of a library that can be imported."""
    imported = importlib.import_module(library)
    return f"{imported.__name__} {getattr(imported, '__version__', 'of unknown version')}"
