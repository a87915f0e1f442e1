"""``recommend``: the backends ranked by a measurement here and now, in under two seconds."""

import math
import sys
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from ..backends import registry
from ..backends.protocol import Array
from ..backends.result_cache import is_size
from ..core import layout as layouts
from ..core.notebook import call_safely, make_card, make_table
from ..errors import OptionError
from ..functional.to_rgb import to_rgb
from ..kinds.numpy import find_dtype
from ..measure.peak import available_bytes, measure_peak
from ..measure.timing import Rounds
from .case import make_gray_batch

# Bytes of input that are measured at most. The result is then over 32 MiB, from where on the C
# library takes fresh memory from the system for each one, as it does for larger batches.
_SAMPLE = 12 << 20
_BUDGET = 0.7  # seconds of timing


class Recommendation(NamedTuple):
    """What a backend costs for the whole batch, and the reason for its rank.

    Attributes
    ----------
    backend : str
        The backend's name.
    fresh_s : float
        The median of the seconds that a call with a new result takes.
    gb_s : float or None
        The bytes read and written in a second, in GB; None for a view, which moves none.
    times_repeat : float
        How many times as fast as ``np.repeat`` the backend is.
    result : {"copy", "view"}
        Whether the result has memory of its own.
    result_bytes, peak_bytes : int
        The bytes of the result, and those that the conversion needs at its peak over the input.
    reason : str
        The figures that matter, in one phrase.
    """

    backend: str
    fresh_s: float
    gb_s: float | None
    times_repeat: float
    result: str
    result_bytes: int
    peak_bytes: int
    reason: str

    def _repr_html_(self) -> str:
        """Return the card that notebooks show; it never raises."""
        return call_safely(lambda: make_card(self.backend, [("", self.reason)]), self)


class Recommendations(list[Recommendation]):
    """The list of :func:`recommend`, which notebooks show as a table."""

    def _repr_html_(self) -> str:
        """Return the table that notebooks show; it never raises."""
        return call_safely(self._make_card, list(self))

    def _make_card(self) -> str:
        first = next((each for each in self if each.result == "copy"), None)
        title = f"take {first.backend}: {first.reason}" if first else "no backend fits"
        rows = [
            (
                each.backend,
                f"{1e3 * each.fresh_s:.3g} ms",
                "view" if each.gb_s is None else f"{each.gb_s:.1f} GB/s",
                f"{each.times_repeat:.1f}x",
                f"{each.peak_bytes / 1e6:.3g} MB",
            )
            for each in self
        ]
        table = make_table(("", "time", "rate", "np.repeat", "memory"), rows)
        return make_card(title, (), table=table)


def recommend(
    shape: tuple[int, ...],
    dtype: DTypeLike,
    layout: str | None = None,
    *,
    memory_limit: int | None = None,
) -> list[Recommendation]:
    """Measure the backends here and now, for a gray batch like yours.

    Parameters
    ----------
    shape : tuple of int
        The input's shape.
    dtype : dtype-like
        The input's dtype.
    layout : str, optional
        The axes, as in :func:`graytorgb.to_rgb`.
    memory_limit : int, optional
        The bytes that a conversion may need over its input; a backend that needs more is left
        out. By default, the memory that the machine has available.

    Returns
    -------
    list of Recommendation
        Fastest first. A backend whose result is a view comes first, since it copies nothing;
        the first with ``result == "copy"`` is the one to take if you write to the result or
        read it more than once. A notebook shows the list as a table.

    Raises
    ------
    LayoutError, ChannelError, DtypeError
        If :func:`graytorgb.to_rgb` would raise it for this shape, layout and dtype; or if `shape`
        isn't a tuple of ints from 0 on, or `dtype` no dtype of numbers or bool.
    OptionError
        If `memory_limit` isn't a number of bytes.

    Notes
    -----
    Batches of more than 12 MiB are measured on their first images, and the time is that of the
    whole by proportion; for caches and true peaks of memory there is ``graytorgb bench``. A
    library whose import takes seconds (torch's) is left out unless it is imported already.

    Examples
    --------
    >>> import graytorgb as g2r
    >>> ranked = g2r.recommend((64, 224, 224), "uint8", "NHW->NHWC")
    >>> ranked[0].backend, ranked[0].reason
    ('broadcast', 'a read-only view: nothing is copied, so take it if you only read')
    """
    if memory_limit is not None and not is_size(memory_limit):
        raise OptionError(
            f"memory_limit is a number of bytes, 0 or more, or None, not {memory_limit!r}"
        )
    shape = layouts.check_shape(shape)
    kind = find_dtype(dtype)
    axes = layouts.resolve(layout, shape)
    sample = _sample(shape, kind)
    calls = {}
    peaks = {}
    for name, entry in registry.find_backends().items():
        slow = entry.slow_import and entry.library not in sys.modules
        if slow or not entry.takes(kind) or not registry.is_usable(name):
            continue
        calls[name] = partial(to_rgb, sample, str(axes), backend=name)
        peaks[name] = measure_peak(calls[name])
    rounds = Rounds(calls)
    rounds.run(_BUDGET, least=3, warm_up=1)
    scale = math.prod(shape) / max(1, sample.size)
    views = {name for name in calls if registry.lookup(name).result == "view"}
    seconds = {
        name: timing.median * (1 if name in views else scale)
        for name, timing in rounds.timings().items()
    }
    input_bytes = math.prod(shape) * kind.itemsize
    limit = available_bytes() if memory_limit is None else memory_limit
    ranked = Recommendations()
    for name in sorted(seconds, key=seconds.__getitem__):
        needed = 0 if name in views else max(3 * input_bytes, int(peaks[name] * scale))
        if needed <= limit:
            ranked.append(_make_recommendation(name, seconds, views, input_bytes, needed))
    return ranked


def _sample(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return the first images of such a batch, at most `_SAMPLE` bytes of them."""
    image_bytes = math.prod(shape[1:]) * dtype.itemsize
    count = min(shape[0], max(1, _SAMPLE // max(1, image_bytes)))
    return make_gray_batch((count, *shape[1:]), dtype)


def _make_recommendation(
    name: str, seconds: dict[str, float], views: set[str], input_bytes: int, needed: int
) -> Recommendation:
    times_repeat = seconds["repeat"] / seconds[name]
    if name in views:
        reason = "a read-only view: nothing is copied, so take it if you only read"
        return Recommendation(name, seconds[name], None, times_repeat, "view", 0, 0, reason)
    rate = 4 * input_bytes / 1e9 / seconds[name]
    fastest = seconds[name] == min(s for other, s in seconds.items() if other not in views)
    reason = (
        f"{'the fastest copy: ' if fastest else ''}{rate:.1f} GB/s, {times_repeat:.1f}x np.repeat, "
        f"needs {needed / 1e6:.3g} MB"
    )
    return Recommendation(
        name, seconds[name], rate, times_repeat, "copy", 3 * input_bytes, needed, reason
    )
