"""``measure``: every backend in the same rounds, then the memory of each one."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import numpy as np

from ..backends import registry
from ..errors import BackendUnavailable, GrayToRGBError
from ..functional.to_rgb import to_rgb
from ..measure.timing import Rounds, Timing
from .case import Case, Row, make_gray_batch
from .limit import plain_copies
from .peaks import measure_conversion_peak

_LIMIT, _REUSED = "limit: ", "reused: "


def measure_cases(
    rows: list[Row],
    cases: Iterable[Case],
    names: Iterable[str],
    *,
    budget: float,
    peaks: bool = True,
    begin: Callable[[Case], Any] = lambda case: None,
    done: Callable[[str], Any] = lambda what: None,
) -> bool:
    """Append the rows of several cases to a list, and return whether Ctrl-C ended it early.

    Parameters
    ----------
    rows : list of Row
        Where each row goes as soon as it is measured, so that an interrupt loses none.
    cases : iterable of Case
        What to convert.
    names, budget, peaks, done
        As in :func:`measure`; `budget` is for each case.
    begin : callable
        Called with each case before it is measured.
    """
    try:
        for case in cases:
            begin(case)
            rows.extend(measure(case, names, budget=budget, peaks=peaks, done=done))
    except KeyboardInterrupt:
        return True
    return False


def measure(
    case: Case,
    names: Iterable[str],
    *,
    budget: float,
    peaks: bool = True,
    least: int = 5,
    warm_up: int = 2,
    done: Callable[[str], Any] = lambda what: None,
) -> Iterator[Row]:
    """Yield the rows of a case, one for each backend, as they are finished.

    Parameters
    ----------
    case : Case
        What to convert.
    names : iterable of str
        Backends, or ``"auto"``. One that is missing, broken or can't take the dtype gets a
        row that says so, and so does one that fails while it runs.
    budget : float
        Seconds of timing, for all backends together.
    peaks : bool
        Whether to measure memory too, in a fresh process for each backend.
    least, warm_up : int
        How many rounds are run at least, and how many before them don't count.
    done : callable
        Called with the name of each step that is finished.

    Raises
    ------
    KeyboardInterrupt
        After the rows that were measured until then.
    """
    refused = {name: why for name in names if (why := _find_refusal(name, case))}
    runnable = [name for name in names if name not in refused]
    for name, why in refused.items():
        yield Row(name, *case, available=False, why=why)
    timings, failures, interrupted = _time(case, runnable, budget, least, warm_up)
    done("timed")
    limit = min((t.median for name, t in timings.items() if name.startswith(_LIMIT)), default=None)
    for name in runnable:
        if name not in timings:
            why = failures.get(name, "interrupted before it was measured")
            yield Row(name, *case, available=False, why=why)
            continue
        row = _make_row(case, name, timings[name], timings.get(_REUSED + name), limit)
        if peaks and not interrupted:
            try:
                row = _add_peak(row)
            except KeyboardInterrupt:
                interrupted = True
            done(name)
        yield row
    if interrupted:
        raise KeyboardInterrupt


def _time(
    case: Case, names: list[str], budget: float, least: int, warm_up: int
) -> tuple[dict[str, Timing], dict[str, str], bool]:
    """Time every backend, with a fresh and a reused result, and plain copying in the same rounds.

    Returns
    -------
    dict, dict, bool
        The timings; why a call failed that isn't among them; whether Ctrl-C ended the rounds.
    """
    gray = make_gray_batch(case.shape, case.dtype)
    out = np.ones(case.result_shape, case.dtype)
    calls: dict[str, Callable[[], Any]] = {}
    for name in names:
        calls[name] = partial(to_rgb, gray, case.layout, backend=name)
        calls[_REUSED + name] = partial(to_rgb, gray, case.layout, backend=name, out=out)
    with use_threads(names, case.threads), plain_copies(gray, out, case.threads) as copies:
        rounds = Rounds(calls | {_LIMIT + name: copy for name, copy in copies.items()})
        interrupted = False
        try:
            rounds.run(budget, least, warm_up)
        except KeyboardInterrupt:
            interrupted = True
    return rounds.timings(), rounds.failures, interrupted


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


def _add_peak(row: Row) -> Row:
    try:
        peak = measure_conversion_peak(row.backend, row.shape, row.dtype, row.layout)
    except (BrokenProcessPool, MemoryError) as error:
        return row._replace(why=f"the memory that it needs couldn't be measured: {error}")
    return row._replace(peak_bytes=peak)
