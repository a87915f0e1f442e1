"""The command line: ``graytorgb adapt``, ``backends``, ``bench`` and ``inspect``."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from .. import __version__
from ..backends.choose import choose_backend
from ..backends.registry import BACKENDS, list_backends, lookup
from ..errors import GrayToRGBError
from ..extras import require
from .adapt import adapt_command
from .files import PICTURES, FileCommand, OutputFile
from .inspect import inspect_command
from .streams import ProgramGroup
from .types import Shape, Size

if TYPE_CHECKING:
    from ..bench.case import Case
    from ..bench.report import Report

_COLORS = {"available": "green", "missing": "yellow", "broken": "red"}


def _names(ctx: click.Context, param: click.Parameter, value: str | None) -> list[str]:
    if value is None:
        return list(BACKENDS)
    names = [name.strip() for name in value.split(",")]
    for name in names:
        if name != "auto":
            try:
                lookup(name)
            except GrayToRGBError as error:
                raise click.BadParameter(str(error)) from error
    return list(dict.fromkeys(names))


@click.group(cls=ProgramGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Grayscale images for networks pretrained on RGB."""


main.add_command(adapt_command)
main.add_command(inspect_command)


@main.command("backends")
@click.option("--shape", type=Shape(), metavar="64x224x224", help="Tell what auto picks for it.")
@click.option("--dtype", help="The dtype for --shape.  [default: uint8]")
@click.option("--layout", metavar='"NHW->NCHW"', help="The layout for --shape.")
def backends_command(shape: tuple[int, ...] | None, dtype: str | None, layout: str | None) -> None:
    """Which backends work here, and why the others don't."""
    if shape is None and (layout or dtype):
        raise click.UsageError("--dtype and --layout go with --shape")
    console = Console()
    table = Table("backend", "status", "result", "takes")
    table.add_column("how, or why not", overflow="fold")
    for info in list_backends().values():
        status = f"[{_COLORS[info.status]}]{info.status}[/]"
        detail = f"{info.how} ({info.why})" if info.available else info.why
        table.add_row(info.name, status, info.result, info.takes, escape(detail))
    console.print(table)
    if shape is not None:
        try:
            backend, reason = choose_backend(shape, dtype or "uint8", layout)
        except (GrayToRGBError, TypeError) as error:
            raise click.ClickException(str(error)) from error
        console.print(f"auto picks [bold]{backend}[/]: {reason}" if backend else reason)


@main.command("bench", cls=FileCommand)
@click.option(
    "--shape",
    "shapes",
    type=Shape(),
    multiple=True,
    metavar="64x224x224",
    help="Shape of the gray batch.  [default: 64x224x224]",
)
@click.option("--dtype", "dtypes", multiple=True, help="Its dtype.  [default: uint8]")
@click.option(
    "--layout",
    "layouts",
    multiple=True,
    metavar='"NHW->NCHW"',
    help='Input and result.  [default: "NHW->NHWC"]',
)
@click.option(
    "--threads",
    type=click.IntRange(1),
    multiple=True,
    help="For libraries that have threads.  [default: all]",
)
@click.option(
    "--backends",
    "names",
    callback=_names,
    metavar="repeat,opencv",
    help="Which to run, auto too.  [default: all]",
)
@click.option(
    "--preset",
    type=click.Choice(["quick", "full"]),
    help="A matrix of shapes, dtypes and layouts in place of one.",
)
@click.option("--seconds", default=1.0, show_default=True, help="Timing of each case.")
@click.option(
    "--memory-limit",
    type=Size(),
    metavar="2GB",
    help="Memory that may be used.  [default: what is available]",
)
@click.option("--peaks/--no-peaks", default=True, help="Measure memory, a process a backend.")
@click.option(
    "--json", "json_path", type=OutputFile(), help="Write every figure, by a versioned schema."
)
@click.option("--csv", "csv_path", type=OutputFile(), help="Write a line a row.")
@click.option(
    "--plot",
    "plot_path",
    type=OutputFile(PICTURES),
    help="Draw throughput and memory; over batches of 1, 4, 16 and so on if one shape is given.",
)
@click.option(
    "--html", "html_path", type=OutputFile(), help="Write a page with tables and drawings."
)
def bench_command(
    shapes: tuple[tuple[int, ...], ...],
    dtypes: tuple[str, ...],
    layouts: tuple[str, ...],
    threads: tuple[int, ...],
    names: list[str],
    preset: str | None,
    seconds: float,
    memory_limit: int | None,
    peaks: bool,
    json_path: Path | None,
    csv_path: Path | None,
    plot_path: Path | None,
    html_path: Path | None,
) -> None:
    """Which backend to choose, measured here and now.

    Options that name a shape, dtype, layout or threads can be given more than once; every
    combination is measured.
    """
    try:
        case = require("graytorgb.bench.case", "numpy", "bench")
        report_module = require("graytorgb.bench.report", "psutil", "bench")
        plot = require("graytorgb.bench.plot", "matplotlib", "bench") if plot_path else None
        html = require("graytorgb.bench.html", "jinja2", "bench") if html_path else None
        matrix = _fill_in(case.PRESETS.get(preset), shapes, dtypes, layouts)
        if (plot_path or html_path) and len(matrix[0]) == 1 and len(matrix[0][0]) == 3:
            matrix = (_smaller_batches(matrix[0][0]), *matrix[1:])
        cases = case.cases(*matrix, threads or (os.cpu_count() or 1,))
    except (GrayToRGBError, TypeError) as error:
        raise click.ClickException(str(error)) from error
    console = Console()
    report: Report = report_module.Report.new()
    cases = _that_fit(console, cases, memory_limit, explicit=preset is None)
    interrupted = _measure(console, report, cases, names, seconds, peaks=peaks)
    for measured, rows in report.by_case().items():
        console.print(report_module.table(measured, rows))
        for note in report_module.notes(rows):
            console.print(note, style="yellow", markup=False)
        console.print(f"[bold]{report_module.recommendation(rows)}[/]\n")
    if len(report.by_case()) > 1:
        console.print(f"[bold]{report.recommendation}[/]")
    if json_path:
        report.write_json(json_path)
    if csv_path:
        report.write_csv(csv_path)
    if plot and plot_path:
        plot.write_png(report, plot_path)
    if html and html_path:
        html.write_html(report, html_path)
    if interrupted:
        console.print("[yellow]Interrupted: what was measured until then is above.[/]")
        raise SystemExit(130)


def _fill_in(
    preset: Any, shapes: Any, dtypes: Any, layouts: Any
) -> tuple[list[tuple[int, ...]], list[str], list[str]]:
    """What was given, and the preset's or the default for what wasn't."""
    usual = preset or ([(64, 224, 224)], ["uint8"], ["NHW->NHWC"])
    if shapes and not layouts and any(len(shape) == 2 for shape in shapes):
        layouts = ["HW->HWC"]
    return list(shapes or usual[0]), list(dtypes or usual[1]), list(layouts or usual[2])


def _smaller_batches(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    counts = {4**k for k in range(16) if 4**k < shape[0]} | {shape[0]}
    return [(count, *shape[1:]) for count in sorted(counts)]


def _that_fit(
    console: Console, cases: list["Case"], limit: int | None, *, explicit: bool
) -> list["Case"]:
    """The cases that fit in memory; an error if a shape that was asked for doesn't."""
    available = require("graytorgb.measure.peak", "psutil", "bench").available_bytes()
    limit = int(0.9 * available) if limit is None else limit
    large = [case for case in cases if case.needed_bytes > limit]
    for case in large:
        text = (
            f"{case} needs {case.needed_bytes:,} bytes (the input and three results), "
            f"and {limit:,} may be used"
        )
        if explicit:
            raise click.ClickException(f"{text}: a smaller --shape, or a larger --memory-limit")
        console.print(f"[yellow]left out: {text}[/]")
    return [case for case in cases if case not in large]


def _measure(
    console: Console, report: "Report", cases: list["Case"], names: list[str], seconds: float,
    *, peaks: bool,
) -> bool:  # fmt: skip
    """Add the rows of every case to the report; whether it was interrupted."""
    measure = require("graytorgb.bench.run", "psutil", "bench").measure
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, refresh_per_second=2) as progress:
        task = progress.add_task("", total=len(cases) * (1 + peaks * len(names)))
        try:
            for case in cases:
                progress.update(task, description=str(case))
                done = lambda what: progress.advance(task)  # noqa: E731
                report.rows.extend(measure(case, names, budget=seconds, peaks=peaks, done=done))
        except KeyboardInterrupt:
            return True
    return False
