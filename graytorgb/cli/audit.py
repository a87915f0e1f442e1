"""``graytorgb audit``: what a set of images is, and what the usual loaders would lose of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import LayoutError
from ..extras import require
from .faults import INTERRUPTED
from .files import FileCommand, SourceName
from .progress import ProgressBar
from .report_file import STDOUT, ReportFile, json_option, json_report, refuse_sources
from .types import LayoutOption

if TYPE_CHECKING:
    from ..datasets import Audit


@click.command("audit", cls=FileCommand)
@click.argument("sources", type=SourceName(), nargs=-1, required=True, metavar="SRC...")
@click.option("--quick", is_flag=True, help="Read only the headers of the files.")
@json_option("Write all records in a versioned schema")
@click.option(
    "--csv", "csv_path", type=ReportFile(), metavar="FILE", help="Write a line for each file."
)
@click.option(
    "--parquet", "parquet_path", type=ReportFile(), metavar="FILE",
    help="Write a row for each file as Parquet.",
)  # fmt: skip
@click.option(
    "--html", "html_path", type=ReportFile(), metavar="FILE",
    help="Write a page with pictures to look at in a browser.",
)  # fmt: skip
@click.option(
    "--strict", is_flag=True,
    help="Exit with 1 if a loader would lose anything, or a file can't be read.",
)  # fmt: skip
@click.option(
    "--workers", type=click.IntRange(1), metavar="N",
    help="How many processes read files.  [default: one for each processor]",
)  # fmt: skip
@click.option(
    "--scheduler", metavar="ADDRESS", help="A dask cluster that does the work: tcp://host:8786."
)
@click.option(
    "--layout", type=LayoutOption(has_arrow=False), metavar="NHW",
    help="The axes of an array, where nothing tells them.",
)  # fmt: skip
def audit_command(
    sources: tuple[str, ...],
    quick: bool,
    json_path: Path | None,
    csv_path: Path | None,
    parquet_path: Path | None,
    html_path: Path | None,
    strict: bool,
    workers: int | None,
    scheduler: str | None,
    layout: str | None,
) -> None:
    """Tell what SRC holds, and what the usual loaders would lose of it.

    SRC is a folder, a glob in quotes, a text file of paths, a .npy, .npz or Zarr array, tar shards,
    a TIFF of many pages, or a URL. Several are one set. Without --strict a finished audit exits
    with 0, whatever it finds.
    """
    reports = {
        "--json": json_path, "--csv": csv_path, "--parquet": parquet_path, "--html": html_path
    }  # fmt: skip
    refuse_sources(sources, "SRC", reports)
    with _layout_as_remedy(), json_report(json_path) as (console, stdout):
        if parquet_path:
            require("graytorgb.datasets.audits.parquet")
        if html_path:
            require("graytorgb.datasets.audit_page.page")
        options = {"quick": quick, "workers": workers, "scheduler": scheduler}
        with _run(sources, layout, options) as audit:
            if json_path == STDOUT:
                require("graytorgb.datasets.audits.files").stream_json(audit, stdout)
            elif json_path:
                audit.write_json(json_path)
            if csv_path:
                audit.write_csv(csv_path)
            if parquet_path:
                audit.write_parquet(parquet_path)
            if html_path:
                audit.write_html(html_path)
            require("graytorgb.cli.audit_summary").print_summary(console, audit)
            if strict:
                _judge(audit)


@contextmanager
def _layout_as_remedy() -> Iterator[None]:
    """Let every error about axes name --layout."""
    try:
        yield
    except LayoutError as error:
        error.remedies = error.remedies or ("layout",)
        raise


def _run(sources: tuple[str, ...], layout: str | None, options: dict[str, Any]) -> "Audit":
    """Return the audit, made behind a progress bar; Ctrl-C ends the program."""
    auditing = require("graytorgb.datasets.auditing")
    src = sources[0] if len(sources) == 1 else sources
    source = auditing.open_source(src, layout=layout)
    with ProgressBar("files", stays=False) as progress:
        progress.begin("auditing", lambda: int(auditing.count_images(source)))
        try:
            audit: Audit = auditing.run_audit(
                source, list(sources), report=progress.advance, **options
            )
        except KeyboardInterrupt:
            click.echo(
                f"Interrupted after {progress.done:,} files. No report is written: the value range "
                "and the copies need all files. To audit a part, name its folder as SRC.", err=True,
            )  # fmt: skip
            raise SystemExit(INTERRUPTED) from None
    return audit


def _judge(audit: "Audit") -> None:
    """Exit with 1 if a file can't be read, or a usual loader would lose something of one."""
    lossy = audit.findings.get("deep", 0) if audit.quick else audit.lossy
    unlisted, named = audit.skipped.count_unlisted(), len(audit.skipped.list_named())
    if audit.unreadable or lossy or unlisted or named:
        told = f"{audit.unreadable:,} files can't be read"
        if unlisted:
            told += f", {unlisted:,} folders can't be listed"
        if named:
            told += f", {named:,} skipped {'has' if named == 1 else 'have'} an image's name"
        click.echo(
            f"--strict: {told}, and a usual loader would lose something of "
            f"{lossy:,} files", err=True,
        )  # fmt: skip
        raise SystemExit(1)
