"""``measure``: every backend in the same rounds, then the memory of each one."""

import math
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Protocol

import numpy as np

from ..backends import registry
from ..errors import BackendUnavailable, GrayToRGBError
from ..functional.to_rgb import to_rgb
from ..measure.timing import Rounds, Timing
from .case import Case, Row, make_gray_batch
from .limit import plain_copies
from .peaks import measure_conversion_peak

_LIMIT, _REUSED = "limit: ", "reused: "
_INTERRUPTED, _LATE = "interrupted", "the time limit was over"  # what ends rounds early
_TIMING_SHARE = 0.6  # of the time limit; the rest is for the memory


class _TimeIsUp(BaseException):
    """The time limit is over: no error of a call, which would be told in its row."""


class Watch(Protocol):
    """What a measurement tells of its progress."""

    def begin(self, case: Case, what: str) -> None:
        """Take what is done from now on, such as ``"timing"``."""

    def advance(self, steps: int) -> None:
        """Take how many more steps are done, of the :func:`count_steps` of a case."""


class _Unwatched:
    """A watch for those who don't look."""

    def begin(self, case: Case, what: str) -> None:
        pass

    def advance(self, steps: int) -> None:
        pass


def count_steps(names: Collection[str], *, peaks: bool) -> int:
    """Return how many steps the measurement of a case has: loading, timing, and memory."""
    return (1 + peaks) * len(names) + 1


def measure_cases(
    rows: list[Row],
    cases: Iterable[Case],
    names: Collection[str],
    *,
    budget: float,
    peaks: bool = True,
    time_limit: float = math.inf,
    watch: Watch | None = None,
) -> bool:
    """Append the rows of several cases to a list, and return whether Ctrl-C ended it early.

    Parameters
    ----------
    rows : list of Row
        Where each row goes as soon as it is measured, so that an interrupt loses none.
    cases : iterable of Case
        What to convert.
    names, budget, peaks, time_limit, watch
        As in :func:`measure`; `budget` and `time_limit` are for each case.
    """
    try:
        for case in cases:
            rows.extend(
                measure(case, names, budget=budget, peaks=peaks, time_limit=time_limit, watch=watch)
            )
    except KeyboardInterrupt:
        return True
    return False


def measure(
    case: Case,
    names: Collection[str],
    *,
    budget: float,
    peaks: bool = True,
    least: int = 5,
    warm_up: int = 2,
    time_limit: float = math.inf,
    watch: Watch | None = None,
) -> Iterator[Row]:
    """Yield the rows of a case, one for each backend, as they are finished.

    Parameters
    ----------
    case : Case
        What to convert.
    names : collection of str
        Backends, or ``"auto"``. One that is missing, broken or can't take the dtype gets a
        row that says so, and so does one that fails while it runs.
    budget : float
        Seconds of timing, for all backends together.
    peaks : bool
        Whether to measure memory too, in a fresh process for each backend.
    least, warm_up : int
        How many rounds are run at least, and how many before them don't count.
    time_limit : float
        Seconds after which nothing more is begun. What is left out then is told in the rows; the
        memory of the fastest backends is measured first.
    watch : Watch, optional
        What is told of the progress.

    Raises
    ------
    KeyboardInterrupt
        After the rows that were measured until then.
    """
    begun, watch = time.monotonic(), watch or _Unwatched()
    end = begun + time_limit
    refused = {}
    for name in names:
        watch.begin(case, f"loading {name}")
        if why := _find_refusal(name, case):
            refused[name] = why
        watch.advance(1 + bool(why and peaks))
    runnable = [name for name in names if name not in refused]
    for name, why in refused.items():
        yield Row(name, *case, available=False, why=why)
    watch.begin(case, "timing")
    late = begun + _TIMING_SHARE * time_limit
    timings, failures, reason = _time(case, runnable, budget, least, warm_up, late)
    watch.advance(1)
    limit = min((t.median for name, t in timings.items() if name.startswith(_LIMIT)), default=None)
    interrupted = reason == _INTERRUPTED
    if peaks:  # those of the fastest first
        runnable.sort(key=lambda name: timings[name].median if name in timings else math.inf)
    for name in runnable:
        if name not in timings:
            why = failures.get(name, f"{reason} before it was measured")
            yield Row(name, *case, available=False, why=why)
        else:
            row = _make_row(case, name, timings[name], timings.get(_REUSED + name), limit)
            if peaks and not interrupted:
                watch.begin(case, f"memory of {name}")
                try:
                    row = _add_peak(row, end)
                except KeyboardInterrupt:
                    interrupted = True
            yield row
        watch.advance(int(peaks))
    if interrupted:
        raise KeyboardInterrupt


def _time(
    case: Case, names: list[str], budget: float, least: int, warm_up: int, end: float
) -> tuple[dict[str, Timing], dict[str, str], str]:
    """Time every backend, with a fresh and a reused result, and plain copying in the same rounds.

    Returns
    -------
    dict, dict, str
        The timings; why a call failed that isn't among them; what ended the rounds early, or an
        empty text.
    """
    gray = make_gray_batch(case.shape, case.dtype)
    out = np.ones(case.result_shape, case.dtype)
    fresh = {name: partial(to_rgb, gray, case.layout, backend=name) for name in names}
    reused: dict[str, Callable[[], Any]] = {
        _REUSED + name: partial(call, out=out) for name, call in fresh.items()
    }
    with use_threads(names, case.threads), plain_copies(gray, out, case.threads) as copies:
        limits = {_LIMIT + name: copy for name, copy in copies.items()}
        return _run_rounds([fresh, reused | limits], budget, least, warm_up, end)


def _run_rounds(
    stages: Sequence[Mapping[str, Callable[[], Any]]],
    budget: float,
    least: int,
    warm_up: int,
    end: float,
) -> tuple[dict[str, Timing], dict[str, str], str]:
    """Time calls as :func:`_time` tells them; the stages are in the order of their importance.

    The first round warms up. Where the time limit leaves no more rounds, it is what counts.
    """

    def stop_in_time(_: str) -> None:
        if time.monotonic() > end:
            raise _TimeIsUp

    def merge(parts: Iterable[Rounds]) -> tuple[dict[str, Timing], dict[str, str]]:
        timings: dict[str, Timing] = {}
        failures: dict[str, str] = {}
        for part in parts:
            timings |= part.timings()
            failures |= part.failures
        return {name: t for name, t in timings.items() if name not in failures}, failures

    begun, parts, reason = time.monotonic(), [], ""
    try:
        for stage in stages:
            parts.append(Rounds(stage, before=stop_in_time))
            parts[-1].run(0, least=1, warm_up=0)
        taken = time.monotonic() - begun
        failed = merge(parts)[1]
        calls = {name: call for stage in stages for name, call in stage.items()}
        rounds = Rounds({n: c for n, c in calls.items() if n not in failed}, before=stop_in_time)
        if time.monotonic() + taken < end:
            parts.append(rounds)
            fits = time.monotonic() + (warm_up + least) * taken < end
            rounds.run(budget, least, warm_up=max(0, warm_up - 1) if fits else 0)
        else:
            reason = _LATE
    except KeyboardInterrupt:
        reason = _INTERRUPTED
    except _TimeIsUp:
        reason = _LATE
    return *merge(parts), reason


@contextmanager
def use_threads(names: Iterable[str], count: int) -> Iterator[None]:
    """Let the libraries of these backends use `count` threads, and put it back afterwards."""
    with ExitStack() as stack:
        for name in names:
            backend: Any = None if name == "auto" else registry.load(name)
            if hasattr(backend, "set_threads"):
                stack.callback(backend.set_threads, backend.get_threads())
                backend.set_threads(count)
        yield


def _find_refusal(name: str, case: Case) -> str:
    """Return why a backend can't convert this case; an empty text if it can."""
    try:
        if name != "auto":
            registry.load(name)
        to_rgb(np.ones((1,) * len(case.shape), case.dtype), case.layout, backend=name)
    except BackendUnavailable as error:
        return str(error).partition("; usable")[0]
    except GrayToRGBError as error:
        return str(error.args[0])
    return ""


def _make_row(
    case: Case, name: str, fresh: Timing, reused: Timing | None, limit: float | None
) -> Row:
    view = name != "auto" and registry.lookup(name).result == "view"
    moved = (case.input_bytes + case.result_bytes) / 1e9
    percent = 100 * limit if limit else None

    def rate(amount: float | None, timing: Timing | None) -> float | None:
        return amount / timing.median if amount and timing else None

    images = case.shape[0] if len(case.shape) > 2 else 1
    return Row(
        name,
        *case,
        available=True,
        why="",
        fresh_s=fresh.median,
        fresh_low_s=fresh.low,
        fresh_high_s=fresh.high,
        reused_s=reused.median if reused else None,
        reused_low_s=reused.low if reused else None,
        reused_high_s=reused.high if reused else None,
        rounds=fresh.rounds,
        images_s=images / fresh.median,
        gb_s=None if view else rate(moved, fresh),
        percent_of_limit=None if view else rate(percent, fresh),
        reused_gb_s=rate(moved, reused),
        reused_percent_of_limit=rate(percent, reused),
        limit_gb_s=moved / limit if limit else None,
        result_bytes=0 if view else case.result_bytes,
    )


def _add_peak(row: Row, end: float) -> Row:
    if time.monotonic() > end:
        return row._replace(why=f"{_LATE} before the memory that it needs was measured")
    try:
        peak = measure_conversion_peak(row.backend, row.shape, row.dtype, row.layout)
    except (BrokenProcessPool, MemoryError) as error:
        return row._replace(why=f"the memory that it needs couldn't be measured: {error}")
    return row._replace(peak_bytes=peak)
