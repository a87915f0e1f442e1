"""The table of backends, as strings: a module is imported when its backend is first asked for."""

from functools import cache
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, cast

import numpy as np

from ..errors import BackendUnavailable, UnknownBackend
from ..extras import EXTENSION_SUFFIXES, describe_version, is_missing, require
from .protocol import Backend


class Entry(NamedTuple):
    """A backend's line: what must be known before its library is imported.

    Attributes
    ----------
    how : str
        The call that does the work.
    library : str or None
        The package that the backend's file imports beside numpy; an extra of the backend's
        name installs it, unless it is a module of this package.
    result : {"copy", "view"}
        Whether the result has memory of its own.
    dtypes : tuple of str or None
        The dtypes it takes; None for every number and bool.
    slow_import : bool
        Whether importing the library takes seconds, so that nothing does it unasked.
    """

    how: str
    library: str | None = None
    result: Literal["copy", "view"] = "copy"
    dtypes: tuple[str, ...] | None = None
    slow_import: bool = False

    @property
    def installed(self) -> str | None:
        """The package that its extra installs: `library`, unless it is a module of this one."""
        own = self.library is not None and self.library.startswith("graytorgb.")
        return None if own else self.library

    def takes(self, dtype: np.dtype[Any]) -> bool:
        """Whether arrays of `dtype` are carried."""
        return self.dtypes is None or dtype.name in self.dtypes


# The name is also that of the file in backends/.
BACKENDS = MappingProxyType(
    {
        "repeat": Entry("np.repeat"),
        "dstack": Entry("np.stack"),
        "fill": Entry("preallocated, one assignment a channel"),
        "broadcast": Entry("np.broadcast_to, channel stride 0", result="view"),
        "opencv": Entry("cv2.cvtColor, a whole batch in one call", "cv2"),
        "skimage": Entry("skimage.color.gray2rgb", "skimage"),
        "pillow": Entry('Image.convert("RGB")', "PIL", dtypes=("uint8",)),
        "native": Entry("this package's compiled kernels", "graytorgb._kernels"),
        "torchvision": Entry("v2.functional.grayscale_to_rgb", "torchvision", slow_import=True),
    }
)

# Those that were imported; `load` is the way in.
loaded: dict[str, Backend] = {}


class BackendInfo(NamedTuple):
    """What :func:`list_backends` tells of one backend.

    Attributes
    ----------
    name : str
        What ``to_rgb(..., backend=name)`` takes.
    status : {"available", "missing", "broken"}
        *missing*: its library isn't installed. *broken*: it is, and its import failed.
    why : str
        The library's version, the command that installs it, or the import's error.
    how : str
        The call that does the work.
    takes : str
        The dtypes it takes; "any dtype" is every number and bool.
    result : {"copy", "view"}
        Whether the result has memory of its own.
    """

    name: str
    status: Literal["available", "missing", "broken"]
    why: str
    how: str
    takes: str
    result: Literal["copy", "view"]

    @property
    def available(self) -> bool:
        """Whether ``to_rgb(..., backend=name)`` works here."""
        return self.status == "available"


def list_backends() -> dict[str, BackendInfo]:
    """Every backend by name: available or not, why, what it takes, copy or view.

    Each library is imported, because only an import tells a broken one from a good one; that
    can take seconds where torch is installed.

    Returns
    -------
    dict of str to BackendInfo
        In the order of the registry.

    Examples
    --------
    >>> import graytorgb as g2r
    >>> info = g2r.list_backends()["broadcast"]
    >>> info.available, info.result
    (True, 'view')
    """
    return {name: _inspect(name, entry) for name, entry in BACKENDS.items()}


def lookup(name: str) -> Entry:
    """The line of a backend, or UnknownBackend with the nearest name."""
    try:
        return BACKENDS[name]
    except (KeyError, TypeError):
        pass
    from difflib import get_close_matches

    known = ", ".join(["auto", *BACKENDS])
    near = [n for n, entry in BACKENDS.items() if name and name == entry.library]
    near += get_close_matches(str(name).lower(), BACKENDS, n=1)
    hint = f'did you mean backend="{near[0]}"? ' if near else ""
    raise UnknownBackend(f"no backend is called {name!r}; {hint}The backends are {known}")


def load(name: str) -> Backend:
    """The module of a backend, imported when first asked for.

    Raises
    ------
    UnknownBackend
        If there is none of that name.
    BackendUnavailable
        If its library is missing, or installed and broken.
    """
    entry = lookup(name)
    try:
        return _import(name, entry)
    except BackendUnavailable as error:
        ready = [n for n, e in BACKENDS.items() if e.library is None or not is_missing(e.library)]
        ready = [n for n in ready if n != name]
        error.args = (f"backend {name!r} {error}; usable now: {', '.join(ready)}",)
        raise


def _import(name: str, entry: Entry) -> Backend:
    if name not in loaded:
        explain = None if entry.library == entry.installed else _explain_kernels
        module = require(f"graytorgb.backends.{name}", entry.library, name, explain)
        loaded[name] = cast(Backend, module)
    return loaded[name]


@cache
def usable(name: str) -> bool:
    """Whether a backend loads here; tried once, because a failing import can be slow."""
    try:
        load(name)
    except BackendUnavailable:
        return False
    return True


def carriers(dtype: np.dtype[Any]) -> list[str]:
    """The names of the backends that take a dtype, installed or not."""
    return [name for name, entry in BACKENDS.items() if entry.takes(dtype)]


def _explain_kernels(missing: bool) -> str:
    """Say what to do about the compiled kernels, which are a part of this package."""
    from . import diagnosis

    if missing:
        return diagnosis.explain(EXTENSION_SUFFIXES)
    return f". Compile it again: {diagnosis.install_command()}"


def _inspect(name: str, entry: Entry) -> BackendInfo:
    status: Literal["available", "missing", "broken"] = "available"
    try:
        _import(name, entry)
        why = describe_version(entry.library or "numpy")
    except BackendUnavailable as error:
        status = "missing" if error.missing else "broken"
        why = str(error)
    takes = "any dtype" if entry.dtypes is None else ", ".join(entry.dtypes)
    return BackendInfo(name, status, why, entry.how, takes, entry.result)
