"""The backends of installed packages, which name them by entry points of ``graytorgb.backends``.

The registry imports this module when it needs it, because ``importlib.metadata`` is slow to import.
"""

from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from ..errors import OptionError

GROUP = "graytorgb.backends"


def read_entry_points() -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield the name of each backend, the arguments that register it, and what is wrong with it.

    The value of an entry point is the dotted name of the backend's module, or
    ``package:BACKEND``, a mapping of the arguments of :func:`graytorgb.register_backend`. The
    third item is empty for an entry point that can be read.
    """
    for point in entry_points(group=GROUP):
        try:
            yield point.name, _read_arguments(point), ""
        except Exception as error:  # whatever another package raises when it is imported
            why = f"{type(error).__name__}: {error}"
            yield point.name, {"module": point.value}, f"entry point {point.value!r}: {why}"


def _read_arguments(point: EntryPoint) -> dict[str, Any]:
    if not point.attr:
        return {"module": point.value}
    arguments = point.load()
    if not isinstance(arguments, Mapping) or "module" not in arguments:
        raise OptionError(
            f"expected a mapping of register_backend's arguments, such as "
            f'{{"module": "package.backend"}}, not {arguments!r}'
        )
    return dict(arguments)
