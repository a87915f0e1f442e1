"""``graytorgb convert``: a whole dataset as one thing."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..core.wording import tell_count
from ..core.writing import find_existing, why_unwritable
from ..extras import require
from ..io.formats import has_image_name
from .faults import INTERRUPTED, tell_error
from .files import SourceName
from .progress import ProgressBar
from .range_option import RangeCommand, join_range, value_range_option
from .report_file import (
    describe_version,
    json_option,
    json_report,
    refuse_sources,
    write_json,
)
from .types import AlphaOption, ImageSize, LayoutOption

if TYPE_CHECKING:
    from ..datasets.conversion_run.result import Conversion

_STEP = "converting"  # the step that writes
_SHOWN = 5  # names of pipes, broken links, ... in a message


@click.command("convert", cls=RangeCommand)
@click.argument("src", type=SourceName())
@click.argument("dst", type=click.Path(path_type=Path))
@click.option("--to", type=click.Choice(["rgb", "gray"]), default="rgb", show_default=True,
    help="Three equal channels for gray, or one.")  # fmt: skip
@click.option("--bits", type=click.Choice(["keep", "8"]), default="keep", show_default=True,
    help="Keep every value, or make 8 bits under --value-range.")  # fmt: skip
@value_range_option(
    "The values that are black and white in all images; or dtype, minmax, or percentile P Q of the "
    "whole set.  [default: what all files state alike]"
)
@click.option("--alpha", type=AlphaOption(), metavar="drop|R,G,B",
    help="Drop alpha, or put images on a background.  [default: alpha is an error]")  # fmt: skip
@click.option("--size", type=ImageSize(), metavar="256|224x224",
    help="Resize: the shorter side, or height x width.")  # fmt: skip
@click.option("--orientation", type=click.Choice(["apply", "keep"]), default="apply",
    show_default=True, help="Turn images upright as EXIF asks, or leave them.")  # fmt: skip
@click.option("--format", type=click.Choice(["png", "jpeg", "webp", "tiff"]),
    help="The images of a folder or a .tar.  [default: png, or tiff where it can't]")  # fmt: skip
@click.option("--layout", type=LayoutOption(has_arrow=False), metavar="NHW",
    help="The axes of an array, where nothing tells them.")  # fmt: skip
@click.option("--workers", type=click.IntRange(1), help="Processes.  [default: one each processor]")
@click.option("--scheduler", metavar="tcp://HOST:PORT", help="A dask cluster that does the work.")
@json_option("Write what was done, with every file that can't be converted")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and write nothing.")
@click.pass_context
def convert_command(
    ctx: click.Context,
    /,
    src: str,
    dst: Path,
    bits: str,
    value_range: tuple[float, float] | None,
    value_rule: str | None,
    value_percentiles: tuple[float, float] | None,
    dry_run: bool,
    json_path: Path | None,
    **options: Any,
) -> None:
    """Convert all images of SRC into DST: a folder, or an array by its suffix, .zarr, .npy or .tar.

    SRC is a folder, whose tree is kept, a glob, a text file of paths, an array (.npy, .npz, Zarr),
    tar shards, a TIFF of many pages, or a URL. A run that was interrupted, even killed, goes on
    when the same command is run again, and gives the same bytes. Images that can't be read are
    named, nothing is written for them, and the exit code is 1.
    """
    stated = join_range(value_range, value_rule, value_percentiles)
    refuse_sources((src, str(dst)), "SRC or DST", {"--json": json_path})
    if not dry_run:
        _check_target(dst)
    bar = ProgressBar("images", stays=True)
    with json_report(json_path) as (console, stdout):
        try:
            with bar:
                done: Conversion = require("graytorgb.datasets.conversion").convert(
                    src, dst, bits=8 if bits == "8" else bits, value_range=stated, dry_run=dry_run,
                    watch=bar, **options,
                )  # fmt: skip
        except KeyboardInterrupt:
            click.echo(f"interrupted: {tell_progress(bar)}", err=True)
            ctx.exit(INTERRUPTED)
        try:
            report(console, done)
            if json_path is not None:
                write_json(describe_conversion(done), json_path, stdout)
        except BrokenPipeError:
            raise  # as of `| head`: click ends the program without a word
        except OSError as error:
            told = tell_error(error)
            raise click.ClickException(f"all is done, and can't be printed: {told}") from error
    ctx.exit(0 if done.is_complete else 1)


def _check_target(dst: Path) -> None:
    """Raise a usage error if nothing can be written at DST, before anything is read."""
    there = find_existing(dst)
    reason = why_unwritable(there / "results") if there.is_dir() else None
    if reason is not None:
        raise click.UsageError(f"DST can't be written, {str(dst)!r}: {reason}")


def describe_conversion(done: "Conversion") -> dict[str, Any]:
    """Return what was done as the document that convert.schema.json describes."""
    return describe_version() | {
        "dst": str(done.dst),
        "dry_run": done.is_dry_run,
        "complete": done.is_complete,
        "converted": done.converted,
        "already_done": done.already_done,
        "value_range": done.value_range,
        "kinds": [kind._asdict() for kind in done.kinds],
        "errors": [{"path": path, "reason": reason} for path, reason in done.errors],
        "skipped": [{"path": path, "reason": reason} for path, reason in done.skipped],
        "left_over": done.left_over,
        "notes": [note._asdict() for note in done.notes],
        "kept": None if done.is_dry_run else str(done.kept),
    }


def tell_progress(bar: ProgressBar) -> str:
    """Return what an interrupted run has done, and how to go on."""
    if bar.step != _STEP:
        return "nothing has been written. Run the same command again"
    return (
        f"{tell_count(bar.done, 'image')} finished, to stay. Run the same command again: it goes "
        "on from there"
    )


def report(console: Console, done: "Conversion") -> None:
    """Print what was done, and what can't be read on stderr."""
    table = Table(box=None, header_style="bold", padding=(0, 2))
    for heading in ("files", "become", "images", "such as"):
        table.add_column(heading, overflow="fold")
    for kind in done.kinds:
        row = (kind.source, kind.target, f"{kind.images:,}", tell_name(kind.example))
        table.add_row(*map(Text, row))
    if done.kinds and done.is_dry_run:
        console.print(table)
    for path, reason in done.errors:
        click.echo(f"can't be converted: {tell_name(path)}: {reason}", err=True)
    special = [each for each in done.skipped if has_image_name(each[0])]
    for path, reason in special[:_SHOWN]:
        click.echo(f"skipped: {tell_name(path)}: {reason}", err=True)
    if len(special) > _SHOWN:
        click.echo(f"skipped: {len(special) - _SHOWN:,} more with an image's name", err=True)
    for note in done.notes:
        click.echo(f"note: {tell_count(note.images, 'image')}: {note.text}", err=True)
        if note.value_range is not None:
            ends = " ".join(f"{end:.12g}" for end in note.value_range)
            click.echo(f"      the range of their values is --value-range {ends}", err=True)
    if done.left_over:
        click.echo(
            f"note: {tell_count(len(done.left_over), 'file')} of an earlier run, such as "
            f"{tell_name(done.left_over[0])}: no part of this conversion, left in the target",
            err=True,
        )
    counts = {
        "done before": done.already_done,
        "can't be converted": len(done.errors),
        "skipped that have an image's name": len(special),
        "no image by name or content": len(done.skipped) - len(special),
    }
    told = [f"{done.converted:,} {'would be ' * done.is_dry_run}converted"]
    told += [f"{count:,} {what}" for what, count in counts.items() if count]
    where = "" if done.is_dry_run else f"; {_name_kept(done.kept)} has a line for each"
    click.echo(f"{', '.join(told)}{where}")
    if done.value_range is not None:
        click.echo(f"value range: {done.value_range}")


def _name_kept(kept: Path) -> str:
    """Return the name of the kept file, from the current folder on if it lies in there."""
    here = Path.cwd()
    return tell_name(str(kept.relative_to(here) if kept.is_relative_to(here) else kept))


def tell_name(name: str) -> str:
    """Return a file's name on one line."""
    return name if name.isprintable() else repr(name)
