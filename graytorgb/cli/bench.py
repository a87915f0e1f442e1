"""``graytorgb bench``: which backend to choose, measured here and now."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ..backends.registry import find_backends, lookup
from ..errors import GrayToRGBError
from ..extras import require
from .files import PICTURES, FileCommand, OutputFile
from .streams import INTERRUPTED
from .types import Shape, Size

if TYPE_CHECKING:
    from ..bench import Case, Report


def _check_names(ctx: click.Context, param: click.Parameter, value: str | None) -> list[str]:
    """Return the backends that --backends names, or raise a usage error."""
    if value is None:
        return list(find_backends())
    names = [name.strip() for name in value.split(",")]
    for name in names:
        if name != "auto":
            try:
                lookup(name)
            except GrayToRGBError as error:
                raise click.BadParameter(str(error)) from error
    return list(dict.fromkeys(names))


@click.command("bench", cls=FileCommand)
@click.option(
    "--shape",
    "shapes",
    type=Shape(),
    multiple=True,
    metavar="64x224x224",
    help="Shape of the gray batch.  [default: 64x224x224]",
)
@click.option("--dtype", "dtypes", multiple=True, help="The batch's dtype.  [default: uint8]")
@click.option(
    "--layout",
    "layouts",
    multiple=True,
    metavar='"NHW->NCHW"',
    help='Layout of input and result.  [default: "NHW->NHWC"]',
)
@click.option(
    "--threads",
    type=click.IntRange(1),
    multiple=True,
    help="How many threads a library may use, if it has any.  [default: all]",
)
@click.option(
    "--backends",
    "names",
    callback=_check_names,
    metavar="repeat,opencv",
    help="Which backends to measure; auto is allowed.  [default: all]",
)
@click.option(
    "--preset",
    type=click.Choice(["quick", "full"]),
    help="Measure a fixed set of shapes, dtypes and layouts.",
)
@click.option("--seconds", default=1.0, show_default=True, help="How long to time each case.")
@click.option(
    "--memory-limit",
    type=Size(),
    metavar="2GB",
    help="How much memory may be used.  [default: what is available]",
)
@click.option("--peaks/--no-peaks", default=True, help="Measure memory, each backend in a process.")
@click.option(
    "--json", "json_path", type=OutputFile(), help="Write all figures in a versioned schema."
)
@click.option("--csv", "csv_path", type=OutputFile(), help="Write a line for each measurement.")
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
    """Measure here and now which backend to choose.

    Options that name a shape, dtype, layout or threads can be given more than once; every
    combination is measured.
    """
    console = Console()
    try:
        bench = require("graytorgb.bench")
        matrix = require("graytorgb.bench.matrix")
        plot = require("graytorgb.bench.plot") if plot_path else None
        html = require("graytorgb.bench.html") if html_path else None
        cases = matrix.fill_matrix(
            preset, shapes, dtypes, layouts, threads,
            with_smaller_batches=bool(plot_path or html_path),
        )  # fmt: skip
    except (GrayToRGBError, TypeError) as error:
        raise click.ClickException(str(error)) from error
    cases, too_large = matrix.split_by_memory(cases, memory_limit)
    for text in too_large.values():
        if preset is None:
            raise click.ClickException(f"{text}: try a smaller --shape or larger --memory-limit")
        console.print(f"[yellow]left out: {text}[/]")
    report = bench.Report.new()
    interrupted = _measure(console, report, cases, names, seconds, peaks=peaks)
    _print(console, report)
    if json_path:
        report.write_json(json_path)
    if csv_path:
        report.write_csv(csv_path)
    if plot:
        plot.write_picture(report, plot_path)
    if html:
        html.write_html(report, html_path)
    if interrupted:
        console.print("[yellow]Interrupted: the measurements until then are above.[/]")
        raise SystemExit(INTERRUPTED)


def _measure(
    console: Console, report: "Report", cases: list["Case"], names: list[str], seconds: float,
    *, peaks: bool,
) -> bool:  # fmt: skip
    """Measure every case behind a progress bar; return whether Ctrl-C ended it early."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, refresh_per_second=2) as progress:
        task = progress.add_task("", total=len(cases) * (1 + peaks * len(names)))
        interrupted = require("graytorgb.bench.run").measure_cases(
            report.rows,
            cases,
            names,
            budget=seconds,
            peaks=peaks,
            begin=lambda case: progress.update(task, description=str(case)),
            done=lambda what: progress.advance(task),
        )
    return bool(interrupted)


def _print(console: Console, report: "Report") -> None:
    """Print table, notes and recommendation of each case, and the recommendation for all."""
    reports = require("graytorgb.bench.report")
    cases = report.by_case()
    for case, rows in cases.items():
        console.print(reports.make_table(case, rows))
        for note in reports.list_notes(rows):
            console.print(note, style="yellow", markup=False)
        console.print(f"[bold]{reports.summarize_case(rows)}[/]\n")
    if len(cases) > 1:
        console.print(f"[bold]{report.summary}[/]")
