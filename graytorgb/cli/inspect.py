"""``graytorgb inspect``: what a file is, and what the usual conversion would lose of it."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from rich.bar import Bar
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..core.value_range import ValueRange
from ..core.writing import printable, replacing
from ..errors import GrayToRGBError
from ..extras import require
from .files import PICTURES, FileCommand, InputPath, OutputFile
from .types import Size

if TYPE_CHECKING:
    from ..inspection.comparison import Comparison, Picture
    from ..io import ImageFile

_BINS = 16


class _WindowByName(FileCommand):
    """Lets ``--window`` take one name where click has it take two numbers."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Send a name to an option of its own; :func:`graytorgb.io.read` judges it."""
        split = [
            part
            for arg in args
            for part in (arg.split("=", 1) if arg.startswith("--window=") else [arg])
        ]
        for k, value in enumerate(split[1:]):
            if split[k] == "--window" and not _is_number(value):
                split[k] = "--window-name"
        return super().parse_args(ctx, split)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@click.command("inspect", cls=_WindowByName)
@click.argument("file", type=InputPath())
@click.option(
    "--png", "png_path", type=OutputFile(PICTURES), metavar="OUT", help="Draw both conversions."
)
@click.option(
    "--range",
    "limits",
    type=(float, float),
    metavar="LO HI",
    help="The values that are black and white.  [default: what the file states]",
)
@click.option(
    "--window",
    type=(float, float),
    metavar="CENTER WIDTH",
    help="DICOM: another window than the file's; for CT also lung, bone, brain, abdomen or "
    '"soft tissue".',
)
@click.option("--window-name", hidden=True)
@click.option("--index", type=int, help="One page or frame, from 0.  [default: all]")
@click.option("--limit", type=Size(), metavar="2GiB", help="The most bytes to decode.")
def inspect_command(
    file: Path,
    png_path: Path | None,
    limits: tuple[float, float] | None,
    window: tuple[float, float] | None,
    window_name: str | None,
    index: int | None,
    limit: int | None,
) -> None:
    """What FILE holds, and what the usual conversion to RGB would lose of it."""
    console = Console()
    try:
        io = require("graytorgb.io", "numpy", "io")
        naive = require("graytorgb.inspection.comparison", "PIL", "pillow")
        plt = require("matplotlib.figure", "matplotlib", "bench") if png_path else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ours is among the notes
            image = io.read(
                file,
                value_range=limits,
                index=index,
                window=window or window_name or "file",
                limit=io.LIMIT if limit is None else limit,
            )
        console.print(_describe(image))
        console.print(_draw_histogram(image))
        comparison = naive.compare(image, _shown_range(image))
    except (GrayToRGBError, OSError) as error:
        raise click.ClickException(str(error)) from error
    console.print(_tabulate(comparison))
    console.print(f"[bold]{escape(_verdict(image, comparison))}[/]")
    if plt is not None and png_path is not None:
        with replacing(png_path) as written:
            _draw(plt.Figure, image, comparison).savefig(written)


def _shown_range(image: "ImageFile") -> ValueRange:
    return "minmax" if image.value_range is None else image.value_range


def _describe(image: "ImageFile") -> Table:
    array = image.array
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    shape = "x".join(map(str, array.shape))
    layout = image.layout or "axes unknown: to_rgb(array, layout) has to be told"
    stated = "none" if image.value_range is None else _interval(image.value_range)
    rows = {
        "file": str(image.path),
        "format": image.format,
        "pixels": image.mode,
        "array": f"{shape} {array.dtype}, {layout}",
        "stated range": f"{stated} ({image.range_source})",
        "actual range": _actual_range(array),
        **_tell_orientation(image),
        **{f"note {k}" if k else "note": note for k, note in enumerate(image.notes)},
    }
    for name, value in rows.items():
        table.add_row(name, escape(value))
    return table


def _tell_orientation(image: "ImageFile") -> dict[str, str]:
    if image.orientation == 1:
        return {}
    steps = require("graytorgb.io.orientation", "numpy", "io").STEPS
    return {"orientation": f"{image.orientation}: to be {steps[image.orientation]}"}


def _actual_range(array: Any) -> str:
    finite = array[np.isfinite(array)]
    if finite.size == 0:
        return "no finite value"
    lost = array.size - finite.size
    rest = f", and {lost:,} values that aren't finite" if lost else ""
    levels = f"{len(np.unique(finite)):,} different values"
    return f"{_interval((finite.min(), finite.max()))}, {levels}{rest}"


def _interval(value_range: Any) -> str:
    if isinstance(value_range, str) or isinstance(value_range[0], str):
        return repr(value_range)
    return " to ".join(_number(value) for value in value_range)


def _number(value: Any) -> str:
    whole = float(value).is_integer() and abs(value) < 1e9
    return f"{int(value):,}" if whole else f"{float(value):.4g}"


def _draw_histogram(image: "ImageFile") -> Table:
    """Shares of the pixels by value; what becomes black and white is named."""
    array = image.array
    values = array[np.isfinite(array)].astype(np.float64)
    table = Table("values", "share", "", box=None, header_style="bold", padding=(0, 2))
    if values.size == 0:
        return table
    span = values.max() - values.min()
    bins = min(_BINS, int(span) + 1) if array.dtype.kind in "biu" else _BINS
    counts, edges = np.histogram(values, bins)
    shown = edges.round() if span > 4 * _BINS else edges
    stated = image.value_range
    limits = stated if isinstance(stated, tuple) and not isinstance(stated[0], str) else None
    for k, count in enumerate(counts):
        black = limits is not None and edges[k + 1] <= limits[0]
        white = limits is not None and edges[k] >= limits[1]
        row = Table.grid(padding=(0, 1))
        color = "bright_black" if black else "bright_white" if white else "cyan"
        bar = Bar(counts.max(), 0, count, width=40, color=color)
        row.add_row(bar, "black" if black else "white" if white else "")
        table.add_row(_interval(shown[k : k + 2]), f"{count / values.size:.1%}", row)
    return table


def _tabulate(comparison: "Comparison") -> Table:
    table = Table()
    table.add_column(overflow="fold")
    for title in ("levels", "black", "white"):
        table.add_column(title, justify="right")
    table.add_row("in the file", f"{comparison.levels:,}", "", "")
    rows = {comparison.how: comparison.naive, "graytorgb": comparison.ours}
    for name, picture in rows.items():
        if picture is None:
            table.add_row(escape(name), "fails", "", "")
        else:
            shares = (f"{share:.1%}" for share in (picture.black, picture.white))
            table.add_row(escape(name), str(picture.levels), *shares)
    return table


def _verdict(image: "ImageFile", comparison: "Comparison") -> str:
    """One sentence on the usual conversion."""
    naive = comparison.naive
    if naive is None:
        return f"The usual conversion fails, so nothing is lost in silence: {comparison.refusal}"
    if comparison.same:
        alpha = " but its alpha" if image.array.shape[-1] in (2, 4) and image.layout else ""
        return f"The usual conversion gives the same pixels: nothing is lost{alpha}."
    told = [f"leaves {naive.levels:,} of {comparison.levels:,} levels"]
    for name, share, ours in (
        ("white", naive.white, comparison.ours.white),
        ("black", naive.black, comparison.ours.black),
    ):
        if share - ours > 0.001:
            told.append(f"turns {share:.1%} of the pixels {name} (graytorgb: {ours:.1%})")
    ours = comparison.ours.levels
    if ours < min(16, comparison.levels):
        told.append(f"ours has {ours} levels, until --window or --range says what is white")
    return f"The usual conversion {'; '.join(told)}."


def _draw(figure_class: Any, image: "ImageFile", comparison: "Comparison") -> Any:
    """Both pictures side by side, each with its figures."""
    naive, ours = comparison.naive, comparison.ours
    height, width = ours.rgb.shape[:2]
    figure = figure_class(figsize=(10, min(12, 5 * height / width + 1)), layout="constrained")
    left, right = figure.subplots(1, 2)
    _show(left, comparison.how, naive)
    _show(right, f"graytorgb, {_interval(_shown_range(image))}", ours)
    if naive is None:
        left.text(0.5, 0.5, "fails", ha="center", va="center", transform=left.transAxes)
    title = f"{printable(image.path.name)}: {image.format}, {image.mode}"
    figure.suptitle(title, fontsize=10, parse_math=False)
    return figure


def _show(axes: Any, title: str, picture: "Picture | None") -> None:
    axes.set_axis_off()
    if picture is not None:
        axes.imshow(picture.rgb, interpolation="nearest")
        title += f"\n{picture.levels} levels, {picture.white:.1%} white, {picture.black:.1%} black"
    axes.set_title(title, fontsize=8)
