"""What the scripts of the recipes share: the command, what usual ways lose, and the picture."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image

import graytorgb as g2r
from graytorgb.cli.files import FileCommand, InputPath, OutputFile
from graytorgb.core.wording import tell_count
from graytorgb.core.writing import replacing
from graytorgb.inspection.comparison import compare
from graytorgb.inspection.loaders import LOADERS, convert_like
from graytorgb.io import ImageFile, find_image_files

mpl.use("Agg")
from matplotlib import pyplot as plt

Array = NDArray[Any]
QUICK_SIZE = 64  # pixels
COLUMNS = 2  # images in the picture


class Look(NamedTuple):
    """A way to see an image: what becomes of it before a network gets it.

    Attributes
    ----------
    title : str
        What is done, as code or in a few words.
    see : callable
        Takes the image's path, or an array, and returns uint8 (H, W), or floats from 0 to 1; None
        if the way refuses it.
    """

    title: str
    see: Callable[[Any], Array | None]


def see_usually(code: str = LOADERS["pillow"].code) -> Look:
    """Return the usual conversion to RGB, which `graytorgb inspect` judges; `code` is the call."""

    def see(path: Path) -> Array | None:
        naive = compare(read(path), "minmax").naive
        return None if naive is None else naive.rgb[..., 0]

    return Look(code, see)


def see_by_loader(name: str, code: str = "") -> Look:
    """Return what a loader that graytorgb.inspection knows makes of a file."""

    def see(path: Path) -> Array | None:
        pixels = convert_like(name, read(path))
        return None if pixels is None else pixels[..., 0]

    return Look(code or LOADERS[name].code, see)


def see_by_range(lo: float, hi: float, title: str) -> Look:
    """Return all levels of a file as floats, with the values that become black and white."""
    return Look(title, lambda path: scale(read(path).array, lo, hi))


def scale(array: Array, lo: float, hi: float) -> Array:
    """Return an array as a batch of one channel has it: `lo` is 0, `hi` is 1, in float32."""
    return ((array - np.float32(lo)) / np.float32(hi - lo)).clip(0, 1)


def read(path: Path) -> ImageFile:
    """Read a file of which only the values count: a range is stated later."""
    return g2r.io.read(path, value_range="minmax")


def make_command(
    train: Callable[..., Any],
    write_files: Callable[[Path], None],
    usual: Sequence[Look],
    kept: Look,
    list_images: Callable[[Path], Sequence[Any]] = find_image_files,
) -> click.Command:
    """Return the command of a recipe.

    Parameters
    ----------
    train : callable
        The recipe. It takes a folder, the size of the images, and the weights of the network.
    write_files : callable
        Writes sample files into a folder, each class into a folder of its own.
    usual : sequence of Look
        The usual ways to load such files; the first is in the picture.
    kept : Look
        What the recipe gives its network.
    list_images : callable
        Takes the folder, and returns what the looks take: paths, or arrays.
    """

    @click.command(cls=FileCommand, help=train.__doc__)
    @click.argument("folder", required=False, type=InputPath(exists=True))
    @click.option("--quick", is_flag=True, help=f"{QUICK_SIZE} pixels, random weights.")
    @click.option(
        "--plot", type=OutputFile((".png",)), help="Draw two images as a network gets them."
    )
    def main(folder: Path | None, quick: bool, plot: Path | None) -> None:
        with tempfile.TemporaryDirectory() as made:
            root = folder or Path(made)
            if folder is None:
                write_files(root)
            images = list_images(root)
            describe(images, [*usual, kept])
            if plot is not None:
                draw(images[:: -(-len(images) // COLUMNS)], [usual[0], kept], plot)
            if quick:
                train(root, QUICK_SIZE, None)
            else:
                train(root)

    return main


def describe(images: Sequence[Any], looks: Sequence[Look]) -> None:
    """Print what the images hold, and what is left of it after each look."""
    arrays = [image if isinstance(image, np.ndarray) else read(image).array for image in images]
    lo, hi = min(array.min() for array in arrays), max(array.max() for array in arrays)
    levels = np.mean([len(np.unique(array)) for array in arrays])
    dtype = arrays[0].dtype.name
    click.echo(
        f"{len(images)} images, {dtype} from {lo:.4g} to {hi:.4g}: {levels:,.0f} levels each"
    )
    for look in looks:
        seen = [array for array in map(look.see, images) if array is not None]
        if not seen:
            click.echo(f"{look.title}:\n    refused")
            continue
        left = round(np.mean([len(np.unique(array)) for array in seen]))
        black, white = map(max, zip(*map(find_ends, seen), strict=True))
        ends = [f"up to {share:.0%} {end}" for share, end in ((black, "black"), (white, "white"))
            if share >= 0.005]  # fmt: skip
        click.echo(f"{look.title}:\n    {', '.join([tell_count(left, 'level'), *ends])}")


def find_white(seen: Array) -> int:
    """Return the value that is white: 255 of bytes, 1 of floats."""
    return 255 if seen.dtype == np.uint8 else 1


def find_ends(seen: Array) -> tuple[float, float]:
    """Return the shares of the pixels that are black and white."""
    return float(np.mean(seen == 0)), float(np.mean(seen == find_white(seen)))


def draw(images: Sequence[Any], looks: Sequence[Look], output: Path) -> None:
    """Draw images, one in each column, as each look sees them, one in each row."""
    figure, axes = plt.subplots(
        len(looks), len(images), squeeze=False, layout="constrained",
        figsize=(2.7 * len(images), 3.05 * len(looks)),
    )  # fmt: skip
    for row, look in zip(axes, looks, strict=True):
        for axis, image in zip(row, images, strict=True):
            seen = look.see(image)
            axis.set(xticks=[], yticks=[])
            if seen is None:
                axis.text(0.5, 0.5, "refused", ha="center", transform=axis.transAxes)
                continue
            axis.imshow(seen, cmap="gray", vmin=0, vmax=find_white(seen))
            black, white = find_ends(seen)
            levels = tell_count(len(np.unique(seen)), "level")
            axis.set_xlabel(f"{levels}, {black:.0%} black, {white:.0%} white", fontsize=9)
        row[0].set_title(look.title, loc="left", fontsize=10)
    save(figure, output)


def save(figure: Any, output: Path) -> None:
    """Save a gray figure as a PNG of 64 levels, which is small."""
    with replacing(output) as written:
        figure.savefig(written, dpi=100)
        plt.close(figure)
        with Image.open(written) as opened:
            levels = Image.fromarray(np.asarray(opened.convert("L")) >> 2)
        levels.putpalette(np.repeat(np.arange(64) * 255 // 63, 3).astype(np.uint8).tobytes())
        levels.save(written, optimize=True)
