"""Files that can't be read: the argument `on_error` and the warning of an epoch's skipped files."""

import warnings
from collections.abc import Sequence

from ...core.wording import suggest
from ...errors import OptionError

_NAMES_SHOWN = 3


def check_on_error(on_error: str) -> str:
    """Return what happens to bad files, or raise OptionError if it is no such word."""
    if not isinstance(on_error, str) or on_error not in ("raise", "skip"):
        near = suggest(on_error, ("raise", "skip"))
        raise OptionError(f'on_error is "raise" or "skip", not {on_error!r}{near}')
    return on_error


def warn_of_skipped(names: Sequence[str], reason: str, epoch: int | None = None) -> None:
    """Warn at the end of an epoch that files were skipped; nothing is said if there are none.

    The warning points to the caller of the function that calls this one.

    Parameters
    ----------
    names : sequence of str
        The files of this epoch, of which the first few are named.
    reason : str
        The sentence that says why, or how to find out.
    epoch : int, optional
        The number of the epoch, from 0, if it is known.
    """
    if not names:
        return
    shown = ", ".join(names[:_NAMES_SHOWN])
    more = f" and {len(names) - _NAMES_SHOWN:,} more" if len(names) > _NAMES_SHOWN else ""
    count = "1 file" if len(names) == 1 else f"{len(names):,} files"
    when = "" if epoch is None else f"epoch {epoch}: "
    warnings.warn(
        f"{when}{count} skipped, not loaded: {shown}{more}; the attribute `skipped` lists all. "
        f"{reason}",
        stacklevel=3,
    )
