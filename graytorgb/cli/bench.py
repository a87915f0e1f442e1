"""``graytorgb bench``: which backend to choose, measured here and now."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from ..backends.registry import find_backends, refuse_name
from ..extras import require
from .console import print_table
from .faults import INTERRUPTED
from .files import PICTURES, FileCommand, OutputFile
from .progress import ProgressBar
from .report_file import ReportFile, json_option, json_report, write_json
from .types import Counts, DtypeOption, FiniteFloat, LayoutOption, Shape, Size

if TYPE_CHECKING:
    from ..bench import Case, Report

_TIME_LIMIT = 30.0  # seconds for one shape


def _check_names(ctx: click.Context, param: click.Parameter, value: str | None) -> list[str]:
    """Return the backends that --backends names, or raise a usage error."""
    if value is None:
        return list(find_backends())
    names = [name.strip() for name in value.split(",")]
    known = ("auto", *find_backends())
    for name in names:
        if name not in known:
            raise click.BadParameter(str(refuse_name(name, show=str)))
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
@click.option(
    "--dtype",
    "dtypes",
    type=DtypeOption(),
    multiple=True,
    metavar="TEXT",
    help="The batch's dtype.  [default: uint8]",
)
@click.option(
    "--layout",
    "layouts",
    type=LayoutOption(has_arrow=True),
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
@click.option(
    "--sizes",
    type=Counts(),
    metavar="1,4,16,64",
    help="Sizes of the batch, in place of the first size of --shape; each is measured.",
)
@click.option(
    "--seconds",
    type=FiniteFloat(min=0),
    default=1.0,
    show_default=True,
    help="How long to time each case.",
)
@click.option(
    "--time-limit",
    type=FiniteFloat(min=0, min_open=True),
    metavar="SECONDS",
    help="After how long nothing more of a case is begun.  [default: 30; none with --preset]",
)
@click.option(
    "--memory-limit",
    type=Size(),
    metavar="2GB",
    help="How much memory may be used.  [default: what is available]",
)
@click.option("--peaks/--no-peaks", default=True, help="Measure memory, each backend in a process.")
@json_option("Write all figures in a versioned schema")
@click.option("--csv", "csv_path", type=ReportFile(), help="Write a line for each measurement.")
@click.option(
    "--plot",
    "plot_path",
    type=OutputFile(PICTURES),
    help="Draw throughput and memory; with --sizes, over the sizes of the batch.",
)
@click.option(
    "--html", "html_path", type=ReportFile(), help="Write a page with tables and drawings."
)
def bench_command(
    shapes: tuple[tuple[int, ...], ...],
    dtypes: tuple[str, ...],
    layouts: tuple[str, ...],
    threads: tuple[int, ...],
    names: list[str],
    preset: str | None,
    sizes: tuple[int, ...] | None,
    seconds: float,
    time_limit: float | None,
    memory_limit: int | None,
    peaks: bool,
    json_path: Path | None,
    csv_path: Path | None,
    plot_path: Path | None,
    html_path: Path | None,
) -> None:
    """Measure here and now which backend to choose.

    The answer is a table and a sentence for one shape, within half a minute. Options that name a
    shape, dtype, layout or threads can be given more than once; every combination is measured.
    """
    with json_report(json_path) as (console, stdout):
        bench = require("graytorgb.bench")
        plot = require("graytorgb.bench.plot") if plot_path else None
        html = require("graytorgb.bench.html") if html_path else None
        matrix = require("graytorgb.bench.matrix")
        cases = matrix.fill_matrix(preset, shapes, dtypes, layouts, threads, sizes=sizes or ())
        cases, too_large = matrix.split_by_memory(cases, memory_limit)
        for text in too_large.values():
            if preset is None:
                raise click.ClickException(f"{text}: a smaller --shape or a larger --memory-limit")
            console.print(f"left out: {text}", style="yellow", markup=False)
        report = bench.Report.new()
        if time_limit is None:
            time_limit = _TIME_LIMIT if preset is None else math.inf
        run = require("graytorgb.bench.run")
        with ProgressBar(None, stays=False) as bar:
            bar.begin("", len(cases) * run.count_steps(names, peaks=peaks))
            interrupted = run.measure_cases(
                report.rows, cases, names, budget=seconds, peaks=peaks, time_limit=time_limit,
                watch=_Watch(bar, is_one_case=len(cases) == 1),
            )  # fmt: skip
        _print(console, report)
        if json_path:
            write_json(report.document(), json_path, stdout)
        if csv_path:
            report.write_csv(csv_path)
        if plot:
            plot.write_picture(report, plot_path)
        if html:
            html.write_html(report, html_path)
    if interrupted:
        click.echo("Interrupted: the measurements until then are above.", err=True)
        raise SystemExit(INTERRUPTED)


class _Watch:
    """Moves a bar on as a measurement tells."""

    def __init__(self, bar: ProgressBar, *, is_one_case: bool) -> None:
        self._bar, self._is_one_case = bar, is_one_case
        self.advance = bar.advance

    def begin(self, case: "Case", what: str) -> None:
        """Draw what is measured from now on."""
        self._bar.describe(what if self._is_one_case else f"{case}: {what}")


def _print(console: Console, report: "Report") -> None:
    """Print table, notes and recommendation of each case, and the recommendation for all."""
    reports = require("graytorgb.bench.report")
    cases = report.by_case()
    for case, rows in cases.items():
        optional = reports.OPTIONAL
        parts = (optional[:count] for count in range(len(optional) + 1))
        table = print_table(console, (reports.make_table(case, rows, part) for part in parts))
        shown = {column.header for column in table.columns}
        if hidden := [heading for heading in optional if heading not in shown]:
            console.print(
                f"no place for: {'; '.join(hidden)}. --csv and --json have them", soft_wrap=True
            )
        for note in reports.list_notes(rows):
            console.print(note, style="yellow", markup=False)
        console.print(f"[bold]{reports.summarize_case(rows)}[/]", soft_wrap=True)
    if len(cases) > 1:
        console.print(f"\n[bold]{report.summary}[/]")
