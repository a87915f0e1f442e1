"""``graytorgb inspect``: what a file is, and what the usual conversion would lose of it."""

import shlex
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.bar import Bar
from rich.markup import escape
from rich.table import Table

from ..core.value_range import ValueRange
from ..core.wording import format_number, suggest
from ..errors import LevelsError
from ..extras import require
from ..inspection.histogram import Bin, make_histogram
from ..inspection.values import Values, find_values
from ..io import LIMIT, ImageFile, read
from ..io.orientation import STEPS
from ..io.ranges import are_limits
from ..io.request import CT_WINDOWS, join_sizes
from .files import PICTURES, FileCommand, InputPath, OutputFile
from .range_option import split_values
from .report_file import describe_version, json_option, json_report, write_json
from .types import FiniteFloat, Size

if TYPE_CHECKING:
    from ..inspection.comparison import Comparison


_NUMBERS = ("nan", "inf", "infinity")  # words that aren't the name of a window


class _WindowByName(FileCommand):
    """A command whose ``--window`` takes one name where click expects two numbers."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give a window's name to an option of its own; :func:`graytorgb.io.read` checks it."""
        split = split_values(args, "--window")
        for k, value in enumerate(split[1:]):
            if split[k] == "--window" and value[:1].isalpha() and value.lower() not in _NUMBERS:
                split[k] = "--window-name"
        return super().parse_args(ctx, split)


def _check_window(ctx: click.Context, param: click.Parameter, name: str | None) -> str | None:
    """Return the name of a window, or raise a usage error."""
    if name is None or name in ("file", *CT_WINDOWS):
        return name
    near = suggest(name, CT_WINDOWS, show=str)
    raise click.BadParameter(
        f"{name!r} isn't a window: write CENTER WIDTH, or for CT {', '.join(CT_WINDOWS)}{near}",
        param_hint="'--window'",
    )


@click.command("inspect", cls=_WindowByName)
@click.argument("file", type=InputPath())
@click.option(
    "--png", "png_path", type=OutputFile(PICTURES), metavar="OUT", help="Draw both conversions."
)
@click.option(
    "--value-range",
    type=(FiniteFloat(), FiniteFloat()),
    metavar="LO HI",
    help="The values that are black and white.  [default: what the file states]",
)
@click.option(
    "--window",
    type=(FiniteFloat(), FiniteFloat()),
    metavar="CENTER WIDTH",
    help="DICOM: another window than the file's; for CT also lung, bone, brain, abdomen or "
    '"soft tissue".',
)
@click.option("--window-name", hidden=True, callback=_check_window)
@click.option("--index", type=int, help="One page or frame, from 0.  [default: all]")
@click.option("--limit", type=Size(), metavar="2GiB", help="The most bytes to decode.")
@json_option("Write what is printed")
def inspect_command(
    file: Path,
    png_path: Path | None,
    value_range: tuple[float, float] | None,
    window: tuple[float, float] | None,
    window_name: str | None,
    index: int | None,
    limit: int | None,
    json_path: Path | None,
) -> None:
    """Tell what FILE holds, and what the usual conversion to RGB would lose of it."""
    if file.is_dir():
        name = shlex.quote(str(file))
        raise click.UsageError(f"{file} is a folder: graytorgb audit {name} tells what is in it")
    with json_report(json_path) as (console, stdout):
        inspection = require("graytorgb.inspection.comparison")
        drawing = require("graytorgb.cli.inspect_picture", "matplotlib") if png_path else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the package's own warning is among the notes
            try:
                image = read(
                    file,
                    value_range=value_range,
                    index=index,
                    window=window or window_name or "file",
                    limit=LIMIT if limit is None else limit,
                )
            except LevelsError as error:
                error.remedies = error.remedies or ("value_range", "window")
                raise
        values = find_values(image)
        bins = make_histogram(image, values)
        console.print(_describe(image, values))
        console.print(_draw_histogram(bins))
        shown = _shown_range(image)
        comparison = inspection.compare(image, shown)
        console.print(_tabulate(comparison))
        loss = inspection.describe_loss(image, comparison, "--window or --value-range")
        console.print(f"[bold]{escape(loss)}[/]")
        if json_path is not None:
            write_json(_make_document(image, values, bins, comparison, loss), json_path, stdout)
        if drawing is not None and png_path is not None:
            drawing.write_picture(png_path, image, comparison, shown, loss)


def _make_document(
    image: ImageFile, values: Values, bins: list[Bin], comparison: "Comparison", loss: str
) -> dict[str, Any]:
    """Return what was found as the document that inspect.schema.json describes."""
    pictures = {"usual": comparison.naive, "graytorgb": comparison.ours}
    return describe_version() | {
        "file": str(image.path),
        "answer": loss,
        "format": image.format,
        "mode": image.mode,
        "shape": list(image.array.shape),
        "dtype": str(image.array.dtype),
        "layout": image.layout,
        "bits": image.bits,
        "effective_bits": values.effective_bits,
        "value_range": image.value_range,
        "range_source": image.range_source,
        "min": values.minimum,
        "max": values.maximum,
        "levels": values.levels,
        "not_finite": values.not_finite,
        "color": values.color,
        "alpha": values.alpha,
        "orientation": image.orientation,
        "frames": image.frames,
        "notes": list(image.notes),
        "histogram": [
            {"lo": float(each.lo), "hi": float(each.hi), "share": float(each.share),
             "clipped": each.clipped}
            for each in bins
        ],
        "conversions": {
            name: picture and {
                "levels": picture.levels, "black": picture.black, "white": picture.white
            }
            for name, picture in pictures.items()
        },
        "usual_code": comparison.code,
        "refusal": comparison.refusal or None,
    }  # fmt: skip


def _shown_range(image: ImageFile) -> ValueRange:
    """Return the range in which the image is shown: the extremes if the file states none."""
    return "minmax" if image.value_range is None else image.value_range


def _describe(image: ImageFile, values: Values) -> Table:
    """Return a table of what the file states and holds."""
    array = image.array
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    layout = image.layout or "axes unknown: to_rgb(array, layout) has to be told"
    stated = "none" if image.value_range is None else _interval(image.value_range)
    turn = image.orientation
    rows = {
        "file": str(image.path),
        "format": image.format,
        "pixels": image.mode,
        "array": f"{join_sizes(array.shape)} {array.dtype}, {layout}",
        "stated range": f"{stated} ({image.range_source})",
        "actual range": _actual_range(values),
        **({"orientation": f"{turn}: to be {STEPS[turn]}"} if turn != 1 else {}),
        **{f"note {k}" if k else "note": note for k, note in enumerate(image.notes)},
    }
    for name, value in rows.items():
        table.add_row(name, escape(value))
    return table


def _actual_range(values: Values) -> str:
    """Return the extremes of the values, and how many different values there are, as text."""
    if values.minimum is None:
        return "no finite value"
    lost = values.not_finite
    rest = f", and {lost:,} values that aren't finite" if lost else ""
    return (
        f"{_interval((values.minimum, values.maximum))}, {values.levels:,} different values{rest}"
    )


def _interval(value_range: Any) -> str:
    """Return a range as text."""
    if not are_limits(value_range):
        return repr(value_range)
    return " to ".join(map(format_number, value_range))


def _draw_histogram(bins: list[Bin]) -> Table:
    """Return a table of bars for the shares of the values; black and white are named."""
    table = Table("values", "share", "", box=None, header_style="bold", padding=(0, 2))
    most = max((part.share for part in bins), default=0)
    colors = {"black": "bright_black", "white": "bright_white", "": "cyan"}
    for part in bins:
        row = Table.grid(padding=(0, 1))
        bar = Bar(most, 0, part.share, width=40, color=colors[part.clipped])
        row.add_row(bar, part.clipped)
        table.add_row(_interval((part.lo, part.hi)), f"{part.share:.1%}", row)
    return table


def _tabulate(comparison: "Comparison") -> Table:
    """Return a table of the levels and of black and white in both conversions."""
    table = Table()
    table.add_column(overflow="fold")
    for title in ("levels", "black", "white"):
        table.add_column(title, justify="right")
    table.add_row("in the file", f"{comparison.levels:,}", "", "")
    rows = {comparison.code: comparison.naive, "graytorgb": comparison.ours}
    for name, picture in rows.items():
        if picture is None:
            table.add_row(escape(name), "fails", "", "")
        else:
            shares = (f"{share:.1%}" for share in (picture.black, picture.white))
            table.add_row(escape(name), str(picture.levels), *shares)
    return table
