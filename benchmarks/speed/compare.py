"""Time graytorgb and other libraries: `python -m benchmarks.speed.compare`.

Every peer runs in the same rounds, in random order. Outputs are checked to be equal before they are
timed, and the table shows where another way is faster too.
"""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import geometric_mean
from typing import Any

import click
import matplotlib as mpl
import numpy as np
from rich.progress import track

from graytorgb.bench.case import Case, make_gray_batch
from graytorgb.bench.matrix import PRESETS, make_cases
from graytorgb.cli.files import FileCommand, OutputFolder
from graytorgb.measure.machine import describe_machine, summarize_machine
from graytorgb.measure.timing import Rounds

from ..tables import table, write
from .peers import OURS, PEERS, Converter, Peer

mpl.use("Agg")
from matplotlib import pyplot as plt

RESULTS = Path(__file__).parents[1] / "results"


@click.command(cls=FileCommand)
@click.option("--preset", type=click.Choice(["quick", "full"]), default="full", show_default=True)
@click.option("--seconds", default=1.0, show_default=True, help="Timing of each cell.")
@click.option("--memory", default=3.0, show_default=True, help="GB of memory that a cell may need.")
@click.option("--output", type=OutputFolder(), default=RESULTS, show_default="benchmarks/results")
def main(preset: str, seconds: float, memory: float, output: Path) -> None:
    """Measure every peer in every cell and write peers.json, peers.md and peers.png."""
    matrix = [
        case for case in make_cases(*PRESETS[preset], [1]) if case.needed_bytes < memory * 1e9
    ]
    rows = []
    for layout in PEERS:  # a process for each layout, because TensorFlow and torch crash in one
        cells = [case for case in matrix if case.layout == layout]
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            measured = pool.map(partial(measure, seconds=seconds), cells)
            for found in track(measured, layout, total=len(cells), transient=True):
                rows += found
    document = {"machine": describe_machine(), "rows": rows}
    write(output, "peers", document, markdown(document))
    draw(document, output / "peers.png")


def measure(case: Case, seconds: float) -> list[dict[str, Any]]:
    """Return a row for each peer in a cell."""
    x = make_gray_batch(case.shape, case.dtype)
    axis = case.layout.partition("->")[2].index("C")
    expected = np.repeat(np.expand_dims(x, axis), 3, axis)
    why: dict[str, str] = {}
    calls: dict[str, Converter] = {}
    for peer in PEERS[case.layout]:
        if peer.dtypes and case.dtype not in peer.dtypes:
            why[peer.name] = f"doesn't take {case.dtype}"
            continue
        try:
            convert = peer.make(x)
            equal = np.array_equal(np.asarray(convert()), expected)
        except ImportError as error:
            why[peer.name] = f"not installed: {error}"
            continue
        except Exception as error:  # a library that refuses a dtype says so in its own way
            why[peer.name] = f"refuses {case.dtype}: {type(error).__name__}"
            continue
        if not equal:
            why[peer.name] = "its result differs"
            continue
        calls[peer.name] = convert
    del expected
    rounds = Rounds(calls)
    rounds.run(seconds, warm_up=1)
    timings, why = rounds.timings(), why | rounds.failures
    return [
        _make_row(case, peer, timings.get(peer.name), why.get(peer.name, ""))
        for peer in PEERS[case.layout]
    ]


def _make_row(case: Case, peer: Peer, timing: Any, why: str) -> dict[str, Any]:
    row = {"library": peer.library, "call": peer.call, **case._asdict(), "why": why}
    del row["threads"]  # each library's own default
    if timing is not None:
        row |= {
            "seconds": timing.median,
            "low_s": timing.low,
            "high_s": timing.high,
            "rounds": timing.rounds,
        }
    return row


def ratios(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, float]]:
    """Return the time of each way in each cell, over ours with a fresh result."""
    cells: dict[tuple[str, str], dict[str, float]] = {}
    for row in document["rows"]:
        if "seconds" in row:
            cell = f"{'x'.join(map(str, row['shape']))} {row['dtype']}"
            times = cells.setdefault((row["layout"], cell), {})
            times[f"{row['library']}: {row['call']}"] = row["seconds"]
    return {
        key: {name: seconds / times[_find_ours(times)] for name, seconds in times.items()}
        for key, times in cells.items()
    }


def _find_ours(times: dict[str, float]) -> str:
    return next(name for name in times if name.startswith(f"{OURS}: "))


def markdown(document: dict[str, Any]) -> str:
    """Return a table for each layout: the time of each way over ours."""
    found = ratios(document)
    lines = [
        "Each number is the time of a call divided by the time of `graytorgb.to_rgb` with a fresh",
        "result, so below 1 the call is faster. The times are medians of rounds in random order,",
        "after a warm-up.",
        "",
        f"{summarize_machine(document['machine'])}.",
    ]
    for layout in dict.fromkeys(layout for layout, _ in found):
        cells = {cell: values for (key, cell), values in found.items() if key == layout}
        names = dict.fromkeys(name for values in cells.values() for name in values)
        rows = []
        for name in names:
            values = [cell.get(name) for cell in cells.values()]
            texts = ["-" if v is None else f"{v:.2f}" if v < 10 else f"{v:.0f}" for v in values]
            library, call = name.split(": ", 1)
            mean = geometric_mean([value for value in values if value])
            rows.append((f"{library}: `{call}`", *texts, f"{mean:.2f}"))
        lines += ["", f"**{layout}**", "", *table(("", *cells, "geometric mean"), rows)]
    losses = [
        f"- {layout}, {cell}: {name} takes {value:.2f} of our time"
        for (layout, cell), values in found.items()
        for name, value in values.items()
        if value < 0.93 and not name.startswith(OURS)
    ]
    lines += ["", "**Where another way is faster** (by more than 7 %, the noise):", ""]
    return "\n".join([*lines, *(losses or ["- nowhere"])]) + "\n"


def draw(document: dict[str, Any], path: Path) -> None:
    """Draw the geometric means as bars."""
    found = ratios(document)
    layouts = list(dict.fromkeys(layout for layout, _ in found))
    figure, axes = plt.subplots(
        1, len(layouts), figsize=(12, 5), layout="constrained", squeeze=False
    )
    for axis, layout in zip(axes[0], layouts, strict=True):
        by_name: dict[str, list[float]] = {}
        for (key, _), values in found.items():
            for name, value in values.items() if key == layout else ():
                by_name.setdefault(name, []).append(value)
        means = sorted(((geometric_mean(v), name) for name, v in by_name.items()), reverse=True)
        colors = ["#0072b2" if name.startswith(OURS) else "#bbbbbb" for _, name in means]
        axis.barh([name for _, name in means], [mean for mean, _ in means], color=colors)
        for i, (mean, _) in enumerate(means):
            axis.text(mean, i, f" {mean:.2f}", va="center", fontsize=8)
        axis.set(title=layout, xlabel="time over graytorgb's (geometric mean)", xscale="log")
        axis.set_xlim(right=1.4 * max(mean for mean, _ in means))
        axis.tick_params(labelsize=7)
    figure.supxlabel(summarize_machine(document["machine"]), fontsize=7, color="#555555")
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
