"""Run real gray images through every backend: `make demo`.

The demo checks that all backends give the same result, prints the time and the memory that each
needs for a batch, and draws how 16-bit images look after Pillow's conversion and after graytorgb's.
"""

import tempfile
from pathlib import Path
from typing import Any

import click
import matplotlib as mpl
import numpy as np
import pydicom
import skimage.data
from PIL import Image
from pydicom.data import get_testdata_file
from rich.console import Console
from rich.table import Table

import graytorgb as g2r
from graytorgb.backends.registry import BACKENDS
from graytorgb.bench.peaks import measure_conversion_peak
from graytorgb.cli.files import PICTURES, FileCommand, OutputFile
from graytorgb.core.writing import replacing
from graytorgb.extras import EXTRAS
from graytorgb.measure.timing import Rounds

mpl.use("Agg")
from matplotlib import pyplot as plt

Array = np.ndarray[Any, Any]

BATCH = (64, 224, 224)
PHOTOS = ("camera", "coins", "moon", "page", "cell")
SCANS = {"MR, 12 bits": "examples_overlay.dcm", "CT, 12 bits": "CT_small.dcm"}


@click.command(cls=FileCommand)
@click.option("--output", default="contact_sheet.png", show_default=True, type=OutputFile(PICTURES))
@click.option("--seconds", default=6.0, show_default=True, help="Seconds to time the backends for.")
def main(output: Path, seconds: float) -> None:
    """Run every backend on real gray images and draw contact_sheet.png."""
    console = Console()
    photos = {name: getattr(skimage.data, name)() for name in PHOTOS}
    scans = {title: read_scan(file) for title, file in SCANS.items()}
    check_agreement(console, {**photos, **scans})
    print_costs(console, crop_batch(list(photos.values())), seconds)
    draw_contact_sheet(photos, scans, output)
    console.print(f"[bold]{output}[/] shows 16-bit images before and after conversion to RGB.")


def read_scan(file: str) -> Array:
    """Return the stored pixels of a DICOM file that is part of pydicom, as uint16."""
    pixels = pydicom.dcmread(get_testdata_file(file, download=False)).pixel_array
    return np.ascontiguousarray(pixels, np.uint16)


def check_agreement(console: Console, images: dict[str, Array]) -> None:
    """Compare every backend with np.repeat, bit for bit, on every image that it takes."""
    compared = 0
    for info in g2r.list_backends().values():
        for title, image in images.items():
            if not info.available or not BACKENDS[info.name].takes(image.dtype):
                continue
            result = g2r.to_rgb(image, backend=info.name)
            if not np.array_equal(result, np.repeat(image[..., None], 3, -1)):
                raise SystemExit(f"{info.name} differs from np.repeat on {title}")
            compared += 1
    names = ", ".join(images)
    console.print(f"{compared} results on {names}: [green]all equal, bit for bit[/]\n")


def crop_batch(images: list[Array]) -> Array:
    """Return a batch of 64 different crops of the photos."""
    rng = np.random.default_rng(0)
    n, height, width = BATCH
    images = [image for image in images if image.shape[0] >= height and image.shape[1] >= width]
    batch = np.empty(BATCH, np.uint8)
    for i in range(n):
        image = images[i % len(images)]
        y = rng.integers(image.shape[0] - height + 1)
        x = rng.integers(image.shape[1] - width + 1)
        batch[i] = image[y : y + height, x : x + width]
    return batch


def print_costs(console: Console, batch: Array, seconds: float) -> None:
    """Print a table with the time and the peak memory of each backend."""
    infos = g2r.list_backends()
    names = ["auto", *(info.name for info in infos.values() if info.available)]
    calls = {name: (lambda name=name: g2r.to_rgb(batch, "NHW", backend=name)) for name in names}
    rounds = Rounds(calls)
    rounds.run(seconds)
    timings = rounds.timings()
    repeat = timings["repeat"].median
    title = f"to_rgb of {'x'.join(map(str, BATCH))} uint8, NHW->NHWC"
    table = Table("backend", "time, ms", "quartiles", "np.repeat / it", "peak, MB", title=title)
    for name in sorted(names, key=lambda name: timings[name].median):
        median, low, high, _ = timings[name]
        peak = measure_conversion_peak(name, BATCH, "uint8", "NHW") / 1e6
        chosen = g2r.choose_backend(BATCH, "uint8", "NHW").backend
        shown = f"auto ({chosen})" if name == "auto" else name
        spread = f"{low * 1e3:.3f} to {high * 1e3:.3f}"
        table.add_row(shown, f"{median * 1e3:.3f}", spread, f"{repeat / median:.1f}", f"{peak:.1f}")
    console.print(table)
    console.print(f"The result itself is {3 * batch.size / 1e6:.1f} MB.")
    for info in infos.values():
        if not info.available:
            extra = EXTRAS.get(BACKENDS[info.name].library or "")
            add = f" Here: .venv/bin/pip install '.[{extra}]'" if extra else ""
            console.print(f"Not shown: {info.name} {info.why}.{add}", markup=False)
    console.print()


def draw_contact_sheet(photos: dict[str, Array], scans: dict[str, Array], output: Path) -> None:
    """Draw 12-bit scans and 8-bit photos: as they are, by Pillow, and by graytorgb."""
    images = {**scans, "photo, 8 bits": photos["camera"], "photo, 8 bits ": photos["coins"]}
    rows = ("source", 'Pillow\'s\nconvert("RGB")', "graytorgb\nto_uint8, to_rgb")
    figure, axes = plt.subplots(3, len(images), figsize=(11, 7.4), layout="constrained")
    with tempfile.TemporaryDirectory() as folder:
        for column, (title, image) in zip(axes.T, images.items(), strict=True):
            path = Path(folder) / "image.png"
            Image.fromarray(image).save(path)  # a 16-bit PNG for the scans
            with Image.open(path) as opened:
                naive = np.asarray(opened.convert("RGB"))
            with Image.open(path) as opened:
                policy = "minmax" if image.dtype == np.uint16 else "dtype"
                ours = np.asarray(g2r.to_rgb(g2r.to_uint8(opened, policy)))
            for axis, shown in zip(column, (image, naive, ours), strict=True):
                axis.imshow(shown, cmap="gray" if shown.ndim == 2 else None)
                levels, white = len(np.unique(shown)), np.mean(shown == shown.max())
                axis.set_xlabel(f"{levels:,} gray levels, {white:.0%} white", fontsize=9)
                axis.set_xticks([])
                axis.set_yticks([])
            column[0].set_title(title.strip(), fontsize=11)
    for axis, label in zip(axes[:, 0], rows, strict=True):
        axis.set_ylabel(label, fontsize=11)
    with replacing(output) as written:
        figure.savefig(written, dpi=100)
    plt.close(figure)


if __name__ == "__main__":
    main()
