"""Measure `to_rgb` beside every other way, in every cell: `python -m benchmarks.speed.auto`.

A cell is a shape, a dtype and a layout. Each cell compares ``backend="auto"`` with every other
backend, and with what people call today. The results are checked before the ways are timed.
"""

from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np

import graytorgb as g2r
from graytorgb.backends import registry
from graytorgb.bench.case import Case, make_gray_batch
from graytorgb.bench.limit import plain_copies
from graytorgb.bench.matrix import PRESETS, make_cases
from graytorgb.bench.peaks import measure_conversion_peak
from graytorgb.cli.files import FileCommand, OutputFolder
from graytorgb.core.processor_count import count_processors
from graytorgb.core.writing import write_text
from graytorgb.measure.machine import describe_machine
from graytorgb.measure.peak import available_bytes
from graytorgb.measure.timing import Rounds

from ..apart import call_apart
from ..tables import write
from .auto_report import ALONE, BACKEND, ONE_THREAD, draw, markdown, markdown_of_ways
from .peers import OURS, PEERS, Array, Converter, Peer

RESULTS = Path(__file__).parents[1] / "results"
IN_A_ROW = 5  # calls of a way in a round, as in a loop
ONCE = 100e6  # bytes of a result from where a round makes each call once: no cache holds it
LARGE = 1e9  # bytes of a result from where a slow way takes seconds
CONTENDERS = 5  # ways that get more rounds


@click.command(cls=FileCommand)
@click.option("--preset", type=click.Choice(list(PRESETS)), default="full", show_default=True)
@click.option("--seconds", default=1.5, show_default=True, help="Timing of each cell, twice.")
@click.option(
    "--memory", type=float, help="GB that a cell may need.  [default: 0.9 of what is available]"
)
@click.option("--output", type=OutputFolder(), default=RESULTS, show_default="benchmarks/results")
def main(preset: str, seconds: float, memory: float | None, output: Path) -> None:
    """Measure the matrix and write auto.json, auto.md, peers.md and peers.png."""
    limit = 0.9 * available_bytes() if memory is None else memory * 1e9
    cases = make_cases(*PRESETS[preset], [count_processors()])
    fit = [case for case in cases if count_needed_bytes(case) <= limit]
    cells, rows = [], []
    for layout, peers in PEERS.items():
        chosen = [case for case in fit if case.layout == layout]
        # TensorFlow and torch crash in one process
        for process in dict.fromkeys(peer.process for peer in peers if chosen):
            found = call_apart("benchmarks.speed.auto:measure", process, chosen, seconds)
            cells += found["cells"]
            rows += found["rows"]
    document = {
        "machine": describe_machine(),
        "memory_limit_bytes": int(limit),
        "left_out": [
            _describe_cell(case) | {"needed_bytes": count_needed_bytes(case)}
            for case in cases
            if case not in fit
        ],
        "cells": cells,
        "rows": rows,
    }
    write(output, "auto", document, markdown(document))
    write_text(output / "peers.md", markdown_of_ways(document))
    draw(document, output / "peers.png")


def count_needed_bytes(case: Case) -> int:
    """Return the memory to measure a cell in: the input, a result, and as much for temporaries."""
    return case.input_bytes + 2 * case.result_bytes


def measure(process: str, cases: list[Case], seconds: float) -> dict[str, list[dict[str, Any]]]:
    """Measure the ways that can share a process, in every cell."""
    cells, rows = [], []
    for case in cases:
        if process == PEERS[case.layout][0].process:
            cells.append(measure_cell(case, seconds))
        found = measure_ways(case, process, seconds)
        rows += found
        times = sorted((row["median"], row["library"]) for row in found if "median" in row)
        fastest = ", ".join(f"{name} {1e3 * median:.3g} ms" for median, name in times[:3])
        click.echo(f"{case.layout} {case.dtype} {case.shape_text}: {fastest}", err=True)
    return {"cells": cells, "rows": rows}


def measure_cell(case: Case, seconds: float) -> dict[str, Any]:
    """Return auto's choice, the time with ``out=`` beside plain copying, and the peak memory."""
    choice = g2r.choose_backend(case.shape, case.dtype, case.layout)
    peak = measure_conversion_peak("auto", case.shape, case.dtype, case.layout)
    x, out = make_gray_batch(case.shape, case.dtype), np.ones(case.result_shape, case.dtype)
    with plain_copies(x, out, case.threads) as copies:
        reuse = partial(g2r.to_rgb, x, case.layout, out=out)
        rounds = Rounds({OURS: reuse} | copies)
        rounds.run(seconds / 2, least=3, warm_up=1)
    timings = rounds.timings()
    reused = timings.pop(OURS)
    return {
        **_describe_cell(case),
        "backend": choice.backend,
        "reason": choice.reason,
        "reused": reused._asdict(),
        "limit_s": min(timing.median for timing in timings.values()),
        "result_bytes": case.result_bytes,
        "peak_bytes": peak,
    }


def measure_ways(case: Case, process: str, seconds: float) -> list[dict[str, Any]]:
    """Return a row for each way of a process: its time, or why there is none."""
    x = make_gray_batch(case.shape, case.dtype)
    ways = [PEERS[case.layout][0]]
    if process == ways[0].process:
        ways += [*list_variants(case), *list_backends(case)]
    ways += [peer for peer in PEERS[case.layout][1:] if peer.process == process]
    calls: dict[str, Converter] = {}
    why: dict[str, str] = {}
    for way in ways:
        call = make_call(way, case, x)
        if isinstance(call, str):
            why[way.name] = call
        else:
            calls[way.name] = call
    is_large = case.result_bytes > ONCE
    in_a_row = 1 if is_large else IN_A_ROW
    before = partial(_set_threads, registry.load(_choose(case)))
    rounds = Rounds(calls, before=before, in_a_row=in_a_row)
    rounds.run(seconds, least=2, warm_up=0 if is_large else 1)  # the check was the first call
    medians = {name: timing.median for name, timing in rounds.timings().items()}
    # more rounds for ours and for those that are fast, where the order matters
    fast = sorted(medians, key=medians.__getitem__)[:CONTENDERS]
    rounds.keep([*fast, *(way.name for way in ways if way.library.startswith(OURS))])
    rounds.run(seconds, least=3, warm_up=0)
    timings, why = rounds.timings(), why | rounds.failures
    return [
        {
            **_describe_cell(case),
            "library": way.library,
            "call": way.call,
            "process": process,
            "why": why.get(way.name, ""),
            **(timings[way.name]._asdict() if way.name in timings else {}),
        }
        for way in ways
    ]


def list_variants(case: Case) -> list[Peer]:
    """Return our call without its checks and with one thread: they tell why a cell is lost."""
    name = _choose(case)
    backend, axis = registry.load(name), find_axis(case.layout)
    variants = [Peer(ALONE, f"{name}.expand(x)", lambda x: lambda: backend.expand(x, axis))]
    if hasattr(backend, "set_threads"):
        variants.append(Peer(ONE_THREAD, "to_rgb(x)", PEERS[case.layout][0].make))
    return variants


def list_backends(case: Case) -> list[Peer]:
    """Return every backend that makes copies, but auto's choice, as a way."""
    return [
        Peer(
            BACKEND,
            f'to_rgb(x, backend="{name}")',
            lambda x, name=name: lambda: g2r.to_rgb(x, case.layout, backend=name),
        )
        for name in registry.BACKENDS
        if name != _choose(case) and registry.lookup(name).result == "copy"
    ]


def make_call(way: Peer, case: Case, x: Array) -> Converter | str:
    """Return the call of a way if its result is right; otherwise say what is wrong."""
    if way.dtypes and case.dtype not in way.dtypes:
        return f"doesn't take {case.dtype}"
    if way.is_each and case.result_bytes > LARGE:
        return f"works image by image, and is measured up to {LARGE / 1e9:.0f} GB"
    try:
        call = way.make(x)
        result = call()
    except (ImportError, g2r.errors.BackendUnavailable) as error:
        return f"not installed: {error}"
    except Exception as error:  # a library that refuses a dtype says so in its own way
        return f"refuses {case.dtype}: {type(error).__name__}"
    return call if is_right(result, case, x) else "its result differs"


def is_right(result: Any, case: Case, x: Array) -> bool:
    """Return whether a result has the shape and the values that it should have.

    Of a large batch only the first and the last image are compared, because to compare them all
    would take longer than to convert them, and as much memory again.
    """
    if tuple(result.shape) != case.result_shape:
        return False
    images = range(len(x)) if case.result_bytes < LARGE else (0, -1)
    axis = find_axis(case.layout) - 1
    return all(
        np.array_equal(channel, x[i])
        for i in images
        for channel in np.moveaxis(np.asarray(result[i]), axis, 0)
    )


def find_axis(layout: str) -> int:
    """Return the axis of the channels in the result."""
    return layout.partition("->")[2].index("C")


def _choose(case: Case) -> str:
    backend = g2r.choose_backend(case.shape, case.dtype, case.layout).backend
    assert backend is not None  # a gray batch always needs one
    return backend


def _set_threads(backend: Any, name: str) -> None:
    if hasattr(backend, "set_threads"):
        backend.set_threads(1 if name.startswith(ONE_THREAD) else None)


def _describe_cell(case: Case) -> dict[str, Any]:
    return {"shape": list(case.shape), "dtype": case.dtype, "layout": case.layout}


if __name__ == "__main__":
    main()
