"""Time `to_rgb` where it has to share the processors: `python -m benchmarks.speed.contention`.

In a training loop, a conversion comes right after an operation of torch, whose threads still spin
while they wait for more work; and other processes, such as a loader's workers, keep the processors
busy. Each way is timed in these situations, and on the idle machine for comparison.
"""

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from rich.progress import track

from graytorgb.backends import native
from graytorgb.bench.case import Case, make_gray_batch
from graytorgb.bench.matrix import make_cases
from graytorgb.cli.files import FileCommand, OutputFolder
from graytorgb.core.processor_count import count_processors
from graytorgb.measure.machine import describe_machine
from graytorgb.measure.timing import Rounds

from ..apart import call_apart
from ..busy import keep_busy
from ..tables import write
from .contention_report import BUSY, CONV2D, MATMUL, ONE_THREAD, TITLES, markdown
from .peers import NCHW, NHWC, OURS, Converter, find_peer

RESULTS = Path(__file__).parents[1] / "results"
SHAPES = [(16, 224, 224), (64, 224, 224)]
DTYPES = ["uint8", "uint16", "float32"]
OTHERS = {
    NHWC: [
        "np.repeat(x[..., None], 3, -1)",
        "cvtColor(x.reshape(-1, w), COLOR_GRAY2RGB)",
        "x[..., None].expand(-1, -1, -1, 3).contiguous()",
    ],
    NCHW: ["np.repeat(x[:, None], 3, 1)", "x[:, None].expand(-1, 3, -1, -1).contiguous()"],
}


@click.command(cls=FileCommand)
@click.option(
    "--images", multiple=True, type=int, help="Batches of this many 224x224 images instead."
)
@click.option("--dtype", "dtypes", multiple=True, default=DTYPES, show_default=True)
@click.option(
    "--situation",
    "situations",
    multiple=True,
    type=click.Choice(list(TITLES)),
    default=list(TITLES),
    show_default=True,
)
@click.option("--runs", default=5, show_default=True, help="Processes that measure each situation.")
@click.option("--seconds", default=1.5, show_default=True, help="Timing of each cell in each run.")
@click.option("--in-a-row", default=10, show_default=True, help="Calls of a way before the next.")
@click.option("--output", type=OutputFolder(), default=RESULTS, show_default="benchmarks/results")
def main(
    images: tuple[int, ...],
    dtypes: tuple[str, ...],
    situations: tuple[str, ...],
    runs: int,
    seconds: float,
    in_a_row: int,
    output: Path,
) -> None:
    """Measure every situation and write contention.json and contention.md."""
    shapes = [(n, 224, 224) for n in images] or SHAPES
    cases = make_cases(shapes, dtypes, OTHERS, [count_processors()])
    turns = [(situation, run) for run in range(runs) for situation in situations]
    rows = []
    for situation, run in track(turns, "situations", transient=True):
        found = measure_apart(situation, cases, seconds, in_a_row)
        rows += [{"situation": situation, "run": run} | row for row in found]
    document = {"machine": describe_machine(), "busy_processes": count_processors(), "rows": rows}
    write(output, "contention", document, markdown(document))


def measure_apart(
    situation: str, cases: list[Case], seconds: float, in_a_row: int
) -> list[dict[str, Any]]:
    """Measure a situation in a fresh process, because the system places its threads by chance."""
    with keep_busy() if situation == BUSY else nullcontext():
        rows: list[dict[str, Any]] = call_apart(
            "benchmarks.speed.contention:measure", situation, cases, seconds, in_a_row
        )
    return rows


def measure(
    situation: str, cases: list[Case], seconds: float, in_a_row: int
) -> list[dict[str, Any]]:
    """Return a row for each way in each cell: the median and the 90th percentile, in seconds."""
    operation = make_operation(situation)

    def before(name: str) -> None:
        native.set_threads(1 if name == ONE_THREAD else None)
        operation()

    rows = []
    for case in cases:
        rounds = Rounds(make_calls(case), before=before, in_a_row=in_a_row)
        rounds.run(seconds, least=3, warm_up=1)
        if rounds.failures:
            raise RuntimeError(f"{case}: {rounds.failures}")
        rows += [
            {
                "way": name,
                "shape": list(case.shape),
                "dtype": case.dtype,
                "layout": case.layout,
                "median": float(np.median(times)),
                "high": float(np.quantile(times, 0.9)),
                "calls": len(times),
            }
            for name, times in rounds.seconds().items()
        ]
    return rows


def make_calls(case: Case) -> dict[str, Converter]:
    """Return each way to convert a batch, after its result was compared with NumPy's."""
    x = make_gray_batch(case.shape, case.dtype)
    ours = find_peer(case.layout, f"to_rgb(x, {case.layout!r})").make(x)
    calls = {OURS: ours, ONE_THREAD: ours}
    for call in OTHERS[case.layout]:
        peer = find_peer(case.layout, call)
        calls[peer.name] = peer.make(x)
    expected = np.stack([x] * 3, case.layout.partition("->")[2].index("C"))
    for name, call in calls.items():
        if not np.array_equal(np.asarray(call()), expected):
            raise AssertionError(f"{name} differs for {case}")
    return calls


def make_operation(situation: str) -> Callable[[], Any]:
    """Return the operation of torch that comes before each call in a situation, if there is one."""
    if situation == MATMUL:
        matrix = torch.ones(512, 512)
        return partial(torch.matmul, matrix, matrix)
    if situation == CONV2D:
        images, weights = torch.ones(4, 3, 112, 112), torch.ones(16, 3, 3, 3)
        return partial(torch.nn.functional.conv2d, images, weights)
    return lambda: None


if __name__ == "__main__":
    main()
