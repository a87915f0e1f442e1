"""The registry of backends: register one, look it up, and import it when it is first asked for.

A backend is a line in :data:`graytorgb.backends.table.BUILT_IN`, an entry point of an installed
package, or what :func:`register_backend` was told. :data:`BACKENDS` shows them all.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal, cast
from warnings import warn

import numpy as np
from numpy.typing import DTypeLike

from ..core.locks import make_lock
from ..core.wording import suggest
from ..errors import BackendUnavailable, OptionError, UnknownBackend
from ..extras import EXTENSION_SUFFIXES, is_missing, require
from ..kinds.numpy import NUMBERS
from .protocol import Backend
from .table import BUILT_IN, Entry

# What this process registered, and what the entry points of installed packages name
_registered: dict[str, Entry] = {}
_installed: dict[str, Entry] = {}
_lock = make_lock()

_entries = dict(BUILT_IN)
BACKENDS: Mapping[str, Entry] = MappingProxyType(_entries)

# Counts the changes of the table. The key of whatever keeps a choice or a module of a backend has
# this number, read before the table is, so that nothing kept outlives a change.
version = 0


def register_backend(
    name: str,
    module: str,
    *,
    library: str | None = None,
    result: Literal["copy", "view"] = "copy",
    dtypes: Iterable[DTypeLike] | None = None,
    replace: bool = False,
) -> None:
    """Add a backend of your own, which works in every verb and command like the built-in ones.

    Parameters
    ----------
    name : str
        What ``to_rgb(..., backend=name)`` takes: letters, digits, ``_`` and ``-``.
    module : str
        The dotted name of a module with the function ``expand(gray, axis, out=None)`` of
        :class:`graytorgb.backends.Backend`. It is imported when the backend is first used.
    library : str, optional
        The package that the module imports, for the message where it isn't installed. By default
        it is the package that `module` is in.
    result : {"copy", "view"}
        Whether the result has memory of its own, or is a read-only view of the input.
    dtypes : iterable of dtype, optional
        The dtypes that the backend takes, such as ``["uint8", "uint16"]``. By default it takes
        every number and bool.
    replace : bool
        Whether it may take the place of another backend of this name, for ``"auto"`` too.

    Raises
    ------
    OptionError
        If the name is taken and `replace` is False, the name is "native", which `prepare` computes
        with, or an argument can't be used.

    See Also
    --------
    unregister_backend : Undo this.
    graytorgb.testing.BackendContract : The tests that a backend has to pass.

    Examples
    --------
    >>> import numpy as np, graytorgb as g2r
    >>> g2r.register_backend("mine", "graytorgb.backends.fill", dtypes=["uint8"])
    >>> g2r.to_rgb(np.zeros((4, 5), np.uint8), backend="mine").shape
    (4, 5, 3)
    >>> g2r.list_backends()["mine"].takes
    'uint8'
    >>> g2r.unregister_backend("mine")
    """
    entry = _make_entry(name, module, library=library, result=result, dtypes=dtypes)
    with _lock:
        if name == "native":
            raise OptionError(
                "backend 'native' can't be replaced, because prepare computes with its kernels: "
                "take another name"
            )
        if name in _entries and not replace:
            raise OptionError(
                f"there is a backend {name!r} already: take another name, or "
                f"register_backend({name!r}, {module!r}, replace=True)"
            )
        _registered[name] = entry
        _update()


def unregister_backend(name: str) -> None:
    """Remove a backend that :func:`register_backend` added; what it replaced is back.

    A backend of an installed package goes with the package.

    Raises
    ------
    OptionError
        If no backend was registered by this name.
    """
    with _lock:
        if name not in _registered:
            names = ", ".join(map(repr, _registered)) or "none"
            raise OptionError(f"no backend was registered as {name!r}; registered: {names}")
        del _registered[name]
        _update()


def copy_registered() -> dict[str, Entry]:
    """Return the backends that this process registered, to register them in another process."""
    with _lock:
        return dict(_registered)


def restore_registered(entries: Mapping[str, Entry]) -> None:
    """Register the backends that :func:`copy_registered` returned in another process."""
    with _lock:
        _registered.update(entries)
        _update()


def find_backends() -> dict[str, Entry]:
    """Return the lines of all backends as they are now; installed packages are looked through."""
    from .entry_points import GROUP, read_entry_points

    found: dict[str, Entry] = {}
    for name, arguments, defect in read_entry_points():
        if name in BUILT_IN or name in found:
            warn(
                f"the entry point {name!r} of {GROUP} ({arguments['module']}) is left out, because "
                "there is a backend of this name already",
                stacklevel=3,
            )
            continue
        try:
            found[name] = _make_entry(name, **arguments)._replace(defect=defect)
        except (OptionError, TypeError) as error:  # TypeError: an argument that there isn't
            found[name] = Entry(str(arguments["module"]), defect=defect or str(error))
    with _lock:
        if found != _installed:
            _installed.clear()
            _installed.update(found)
            _update()
        return dict(_entries)


def _update() -> None:
    """Bring the table up to date with what is installed and registered."""
    global version
    entries = {**BUILT_IN, **_installed, **_registered}
    for name in _entries.keys() - entries.keys():
        del _entries[name]
    _entries.update(entries)
    version += 1  # at last: what is kept under the old number may be of the new table, never older


def _make_entry(
    name: str,
    module: str,
    *,
    library: str | None = None,
    result: Literal["copy", "view"] = "copy",
    dtypes: Iterable[DTypeLike] | None = None,
) -> Entry:
    """Return a backend's line, or raise OptionError for arguments that can't be used."""
    if not isinstance(name, str) or not re.fullmatch(r"[\w-]+", name) or name == "auto":
        raise OptionError(
            f'a backend\'s name is letters, digits, "_" and "-", and not "auto", which chooses '
            f"one; given: {name!r}"
        )
    for what, dotted in (("module", module), ("library", module if library is None else library)):
        if not isinstance(dotted, str) or not all(p.isidentifier() for p in dotted.split(".")):
            raise OptionError(f'{what} is a dotted name, "package.module", not {dotted!r}')
    if result not in ("copy", "view"):
        raise OptionError(f'result is "copy" or "view", not {result!r}')
    library = library or module.partition(".")[0]
    taken = None if dtypes is None else _check_dtypes(dtypes)
    return Entry(f"{module}.expand", library, result, taken, module=module)


def _check_dtypes(dtypes: Any) -> tuple[str, ...]:
    expected = 'dtypes is a list of dtypes of numbers or bool, such as ["uint8"], or None for all'
    if isinstance(dtypes, str) or not isinstance(dtypes, Iterable):
        raise OptionError(f"{expected}, not {dtypes!r}")
    names = []
    for dtype in dtypes:
        try:
            found = np.dtype(dtype)
        except TypeError as error:
            raise OptionError(f"{expected}: {error}") from error
        if dtype is None or found.kind not in NUMBERS:
            raise OptionError(f"{expected}, not {dtype!r}")
        names.append(found.name)
    if not names:
        raise OptionError(f"{expected}, not an empty list")
    return tuple(dict.fromkeys(names))


def lookup(name: str) -> Entry:
    """Return the line of a backend, or raise UnknownBackend with the nearest name.

    Where no backend has this name, the entry points of installed packages are read.
    """
    try:
        return _entries[name]
    except (KeyError, TypeError):
        pass
    entries = find_backends()
    if isinstance(name, str) and name in entries:
        return entries[name]
    raise refuse_name(name)


def refuse_name(name: Any, show: Callable[[str], str] = 'backend="{}"'.format) -> UnknownBackend:
    """Return the error for a name that no backend has, with the nearest one as `show` writes it."""
    entries = find_backends()
    names = ("auto", *entries)
    of_library = {(entry.library or "numpy"): each for each, entry in reversed(entries.items())}
    meant = of_library.get(name, name) if isinstance(name, str) else name
    near = suggest(meant, names, show=show, cutoff=0.6)
    known = ", ".join(names)
    return UnknownBackend(f"no backend is called {name!r}{near or '.'} The backends are {known}")


def load(name: str) -> Backend:
    """Return the module of a backend, imported when it is first asked for.

    Raises
    ------
    UnknownBackend
        If no backend has this name.
    BackendUnavailable
        If the backend's library is missing, or installed and broken.
    """
    try:
        return import_backend(name, version)
    except BackendUnavailable as error:
        ready = (n for n, e in dict(_entries).items() if not (e.library and is_missing(e.library)))
        others = ", ".join(other for other in ready if other != name)
        error.args = (f"backend {name!r} {error}; usable now: {others}",)
        raise


@lru_cache(256)
def import_backend(name: str, version: int) -> Backend:
    """Import a backend's module; `version` is the table's, in which its line is looked up."""
    return import_entry(name, lookup(name))


def import_entry(name: str, entry: Entry) -> Backend:
    """Import the module of a table entry, which another thread may have removed meanwhile."""
    if entry.defect:
        raise BackendUnavailable(f"can't be used: {entry.defect}")
    try:
        module = require(entry.module or f"{__package__}.{name}", entry.library)
    except BackendUnavailable as error:
        if name == "native" and entry == BUILT_IN[name]:
            error.args = (_explain_kernels(error),)
        raise
    if not callable(getattr(module, "expand", None)):
        raise BackendUnavailable(
            f"can't be used: {module.__name__} has no function expand(gray, axis, out=None)"
        )
    return cast(Backend, module)


def _explain_kernels(error: BackendUnavailable) -> str:
    """Return what to do about the compiled kernels, which no extra installs."""
    from . import diagnosis

    if error.missing:
        return f"needs {diagnosis.KERNELS}: {diagnosis.explain_absence(EXTENSION_SUFFIXES)}"
    return f"{error}. Compile it again: {diagnosis.install_command()}"


def is_usable(name: str) -> bool:
    """Whether a backend can be imported; tried once, because an import that fails can be slow."""
    return _is_usable(name, version)


@lru_cache(256)
def _is_usable(name: str, version: int) -> bool:
    try:
        import_backend(name, version)
    except BackendUnavailable:
        return False
    return True


def backends_for_dtype(dtype: np.dtype[Any]) -> list[str]:
    """Return the names of the backends that take a dtype, installed or not."""
    return [name for name, entry in dict(_entries).items() if entry.takes(dtype)]
