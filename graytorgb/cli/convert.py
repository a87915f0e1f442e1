"""``graytorgb convert``: a whole dataset as one thing."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from ..errors import GrayToRGBError
from ..extras import require
from .range_option import RangeCommand, join_range, value_range_option
from .types import AlphaOption, ImageSize

if TYPE_CHECKING:
    from ..datasets.conversion_result import Conversion

# The options for the arguments that an error names in `remedies`
_OPTIONS = {
    "alpha": "--alpha drop, or --alpha 255,255,255",
    "bits": "--bits 8",
    "format": "leave --format away, or choose another",
    "value_range": "--value-range LO HI, dtype, minmax or percentile 1 99",
}
_STEP = "converting"  # the step that writes


@click.command("convert", cls=RangeCommand)
@click.argument("src")
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
    help="The files of a folder.  [default: png, and tiff for what it can't hold]")  # fmt: skip
@click.option("--workers", type=click.IntRange(1), help="Processes.  [default: one each processor]")
@click.option("--scheduler", metavar="tcp://HOST:PORT", help="A dask cluster that does the work.")
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
    **options: Any,
) -> None:
    """Convert all images of SRC into DST: a folder, or an array by its suffix, .zarr, .npy or .tar.

    SRC is a folder, whose tree is kept, a glob, a text file of paths, an array (.npy, .npz, Zarr),
    a TIFF of many pages, or a URL. A run that was interrupted, even killed, goes on when the same
    command is run again, and gives the same bytes. Images that can't be read are named, nothing is
    written for them, and the exit code is 1.
    """
    stated = join_range(value_range, value_rule, value_percentiles)
    bar = ProgressBar()
    try:
        with bar:
            done: Conversion = require("graytorgb.datasets.conversion").convert(
                src, dst, bits=8 if bits == "8" else bits, value_range=stated, dry_run=dry_run,
                watch=bar, **options,
            )  # fmt: skip
    except KeyboardInterrupt:
        click.echo(f"interrupted: {bar.tell_progress()}", err=True)
        ctx.exit(130)
    except (GrayToRGBError, OSError) as error:
        named = [_OPTIONS[name] for name in getattr(error, "remedies", ()) if name in _OPTIONS]
        hint = f"\nHere: {'; '.join(named)}" if named else ""
        raise click.ClickException(f"{error}{hint}") from error
    report(done)
    ctx.exit(0 if done.is_complete else 1)


class _Rate(ProgressColumn):
    """How many images are done in a second."""

    def render(self, task: Task) -> Text:
        """Return the rate as text."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} images/s")


class ProgressBar:
    """A progress bar on stderr, with the rate and the time left."""

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(),
            TimeRemainingColumn(), console=Console(stderr=True),
        )  # fmt: skip
        self._task: Any = None
        self._step, self._done = "", 0

    def __enter__(self) -> "ProgressBar":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def begin(self, step: str, total: int | None) -> None:
        """Begin a step with a bar of its own."""
        self._step, self._done = step, 0
        self._task = self._bar.add_task(step, total=total)

    def advance(self, images: int) -> None:
        """Draw that so many images more are done."""
        self._done += images
        self._bar.advance(self._task, images)

    def tell_progress(self) -> str:
        """Return what is done, and how to go on."""
        if self._step != _STEP:
            return "nothing has been written. Run the same command again"
        return (
            f"{tell_count(self._done, 'image')} finished, to stay. Run the same command again: it "
            "goes on from there"
        )


def report(done: "Conversion") -> None:
    """Print what was done on stdout, and what can't be read on stderr."""
    console = Console()
    table = Table("files", "become", "images", "such as", box=None, header_style="bold",
        padding=(0, 2))  # fmt: skip
    for kind in done.kinds:
        row = (kind.source, kind.target, f"{kind.images:,}", tell_name(kind.example))
        table.add_row(*map(Text, row))
    if done.kinds and done.is_dry_run:
        console.print(table)
    for path, reason in done.errors:
        click.echo(f"can't be converted: {tell_name(path)}: {reason}", err=True)
    for text, images in done.notes.items():
        click.echo(f"note: {tell_count(images, 'image')}: {text}", err=True)
    if done.left_over:
        click.echo(
            f"note: {tell_count(len(done.left_over), 'file')} of an earlier run, such as "
            f"{tell_name(done.left_over[0])}: no part of this conversion, left in the target",
            err=True,
        )
    counts = {
        "done before": done.already_done,
        "can't be converted": len(done.errors),
        "no image by name or content": len(done.skipped),
    }
    told = [f"{done.converted:,} {'would be ' * done.is_dry_run}converted"]
    told += [f"{count:,} {what}" for what, count in counts.items() if count]
    where = "" if done.is_dry_run else f"; {tell_name(str(done.kept))} has a line for each"
    click.echo(f"{', '.join(told)}{where}")
    if done.value_range is not None:
        click.echo(f"value range: {done.value_range}")


def tell_count(count: int, noun: str) -> str:
    """Return a number of things as text.

    >>> tell_count(1, "image"), tell_count(1200, "image")
    ('1 image', '1,200 images')
    """
    return f"{count:,} {noun}{'s' * (count != 1)}"


def tell_name(name: str) -> str:
    """Return a file's name on one line."""
    return name if name.isprintable() else repr(name)
