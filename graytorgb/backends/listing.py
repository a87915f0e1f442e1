"""``list_backends``: every backend, and whether it works here."""

from typing import Literal, NamedTuple

from ..errors import BackendUnavailable
from ..extras import describe_version
from . import registry
from .table import Entry


class BackendInfo(NamedTuple):
    """What :func:`list_backends` tells about one backend.

    Attributes
    ----------
    name : str
        What ``to_rgb(..., backend=name)`` takes.
    status : {"available", "missing", "broken"}
        *missing*: the backend's library isn't installed. *broken*: the library is installed, and
        its import failed.
    why : str
        The library's version, the command that installs it, or the import's error.
    how : str
        The call that does the work.
    takes : str
        The dtypes that the backend takes; "any dtype" is every number and bool.
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
    """Return every backend by name: whether it works and why, what it takes, copy or view.

    The backends are the built-in ones, those of installed packages (their entry points are read
    anew) and those of :func:`graytorgb.register_backend`. Each library is imported, because only
    an import tells a broken one from a good one; that takes seconds where torch is installed.

    Returns
    -------
    dict of str to BackendInfo
        The built-in backends first.

    Examples
    --------
    >>> import graytorgb as g2r
    >>> info = g2r.list_backends()["broadcast"]
    >>> info.available, info.result
    (True, 'view')
    """
    return {name: _inspect(name, entry) for name, entry in registry.find_backends().items()}


def _inspect(name: str, entry: Entry) -> BackendInfo:
    status: Literal["available", "missing", "broken"] = "available"
    try:
        registry.import_entry(name, entry)
        why = describe_version(entry.library or "numpy")
    except BackendUnavailable as error:
        status = "missing" if error.missing else "broken"
        why = str(error)
    takes = "any dtype" if entry.dtypes is None else ", ".join(entry.dtypes)
    return BackendInfo(name, status, why, entry.how, takes, entry.result)
