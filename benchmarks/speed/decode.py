"""Time `io.read` and the fastest decoder of each format: `python -m benchmarks.speed.decode`.

Every call reads the same file, which the system has in its cache, and gives the same values, or the
same gray but for rounding. This is checked before anything is timed.
"""

import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import cv2
import imagecodecs
import numpy as np
import PIL.Image
import pydicom
import skimage.data
import tifffile
import torch
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid
from rich.progress import track

from graytorgb.cli.files import FileCommand, OutputFolder
from graytorgb.io import read
from graytorgb.measure.machine import describe_machine, summarize_machine
from graytorgb.measure.timing import Rounds, format_milliseconds

from ..tables import table, write
from .decoders import Pixels, find_decoders

RESULTS = Path(__file__).parents[1] / "results"
SIZES = [(375, 500), (1500, 2000)]
OURS = "io.read"
COLORS = ("keep", "gray")  # of `io.read`
BAR = 1.15  # the time of `io.read` may be this many times the fastest decoder's


class Kind(NamedTuple):
    """A kind of file to read.

    Attributes
    ----------
    save : callable
        ``save(path, pixels)`` writes the file; `color` and `deep` say which pixels it gets.
    """

    name: str
    color: bool
    deep: bool
    save: Callable[[Path, Any], Any]


def save_png(path: Path, pixels: Any) -> None:
    """Write a PNG file, compressed as much as libpng does by default."""
    path.write_bytes(imagecodecs.png_encode(pixels, level=6))


def save_jpeg(path: Path, pixels: Any, **options: Any) -> None:
    """Write a JPEG file of quality 90."""
    PIL.Image.fromarray(pixels).save(path, quality=90, **options)


def save_dicom(path: Path, pixels: Any, bits: int = 16) -> None:
    """Write a DICOM secondary capture of so many bits without a window, not compressed."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["graytorgb"])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = pydicom.Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.PhotometricInterpretation, dataset.SamplesPerPixel = "MONOCHROME2", 1
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated, dataset.BitsStored = 16, bits
    dataset.HighBit, dataset.PixelRepresentation = bits - 1, 0
    dataset.PixelData = pixels.tobytes()
    dataset.save_as(path, enforce_file_format=True)


def save_tiff(path: Path, pixels: Any, compression: str | None = None) -> None:
    """Write a TIFF file of one page, in strips of 64 rows."""
    photometric = "rgb" if pixels.ndim == 3 else "minisblack"
    tifffile.imwrite(
        path, pixels, photometric=photometric, compression=compression, rowsperstrip=64
    )


def kinds() -> Iterator[Kind]:
    """Yield every kind of file."""
    for color in (False, True):
        for deep in (False, True):
            name = f"{'color' if color else 'gray'}, {16 if deep else 8} bits"
            yield Kind(f"PNG {name}", color, deep, save_png)
            yield Kind(f"TIFF {name}", color, deep, save_tiff)
        name = "color" if color else "gray"
        yield Kind(f"JPEG {name}", color, False, save_jpeg)
        yield Kind(f"JPEG {name}, progressive", color, False, _save_progressive)
        yield Kind(f"PPM {name}", color, False, _save_by_pillow)
        yield Kind(f"BMP {name}", color, False, _save_by_pillow)
    yield Kind("TIFF gray, 16 bits, deflate", False, True, _save_deflated)
    yield Kind("DICOM gray, 16 bits", False, True, save_dicom)
    yield Kind("NumPy gray, 16 bits", False, True, np.save)


def _save_by_pillow(path: Path, pixels: Any) -> None:
    PIL.Image.fromarray(pixels).save(path)


def _save_progressive(path: Path, pixels: Any) -> None:
    save_jpeg(path, pixels, progressive=True)


def _save_deflated(path: Path, pixels: Any) -> None:
    save_tiff(path, pixels, "zlib")


SUFFIXES = {"PNG": ".png", "TIFF": ".tif", "JPEG": ".jpg", "PPM": ".ppm", "BMP": ".bmp",
            "DICOM": ".dcm", "NumPy": ".npy"}  # fmt: skip


def draw(size: tuple[int, int], *, color: bool, deep: bool) -> Any:
    """Return a photo of this size; the lower 8 bits of deep pixels are noise."""
    photo = skimage.data.astronaut() if color else skimage.data.camera()
    pixels = cv2.resize(photo, size[::-1], interpolation=cv2.INTER_CUBIC)
    rng = np.random.default_rng(0)
    if not deep:
        noise = rng.normal(0, 2, pixels.shape)  # like a camera's, because resizing removes it
        return (pixels + noise).clip(0, 255).astype(np.uint8)
    return pixels.astype(np.uint16) * 256 + rng.integers(0, 256, pixels.shape, dtype=np.uint16)


@click.command(cls=FileCommand)
@click.option("--only", default="", help="Only kinds whose name contains this.")
@click.option("--seconds", default=3.0, show_default=True, help="Timing of each file.")
@click.option("--output", type=OutputFolder(), default=RESULTS, show_default="benchmarks/results")
def main(only: str, seconds: float, output: Path) -> None:
    """Time every kind of file in both sizes and write decode.json and decode.md."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    cases = [
        (kind, size, color)
        for size in SIZES
        for kind in kinds()
        for color in COLORS
        if only in kind.name
    ]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = [  # no auto_refresh, because its thread's time would count too
            measure(*case, Path(folder), seconds)
            for case in track(cases, "files", transient=True, auto_refresh=False)
        ]
    document = {"machine": describe_machine(), "rows": rows}
    write(output, "decode", document, markdown(document))


def measure(
    kind: Kind, size: tuple[int, int], color: str, folder: Path, seconds: float
) -> dict[str, Any]:
    """Write a file, check that every call gives the same values, and time them all in turn."""
    path = folder / f"x{SUFFIXES[kind.name.split()[0]]}"
    kind.save(path, draw(size, color=kind.color, deep=kind.deep))
    expected = read(path, color=color).array
    calls = find_decoders(path, Pixels(kind.color, kind.deep, color == "gray"))
    problems = {name: find_problem(call, expected, path.suffix) for name, call in calls.items()}
    others = {name: call for name, call in calls.items() if not problems[name]}
    rounds = Rounds({OURS: lambda: read(path, color=color)} | others, clock=time.process_time)
    rounds.run(seconds, least=7)
    timings = rounds.timings()
    fastest = min(others, key=lambda name: timings[name].median)
    return {
        "kind": kind.name,
        "color": color,
        "size": list(size),
        "file_bytes": path.stat().st_size,
        "seconds": {name: timing.median for name, timing in timings.items()},
        "quartiles": {name: [timing.low, timing.high] for name, timing in timings.items()},
        "rounds": timings[OURS].rounds,
        "fastest": fastest,
        "ratio": timings[OURS].median / timings[fastest].median,
        "left_out": {name: problem for name, problem in problems.items() if problem},
    }


def find_problem(call: Callable[[], Any], expected: Any, suffix: str) -> str:
    """Return why a decoder isn't compared with: an error, or other values; nothing if it is.

    Values of all channels have to be equal. A gray plane may differ by 1 level; that of a JPEG by 3
    in 98% of the pixels, because RGB is cut off at 0 and 255 and its luma isn't.
    """
    try:
        found = np.squeeze(call())
    except Exception as error:  # of any class
        return f"{type(error).__name__}: {error}".splitlines()[0]
    if found.shape != expected.shape:
        return f"the shape {found.shape}"
    if found.dtype != expected.dtype:
        return f"{found.dtype} in place of {expected.dtype}"
    if expected.ndim == 3:
        return "" if np.array_equal(found, expected) else "other values"
    difference = np.abs(found.astype(np.int64) - expected)
    is_near = np.mean(difference <= 3) >= 0.98 if suffix == ".jpg" else difference.max() <= 1
    return "" if is_near else f"values that differ by up to {difference.max()}"


def markdown(document: dict[str, Any]) -> str:
    """Return a table: a row for each kind and size, and the ratio to the fastest decoder."""
    rows = [
        (
            row["kind"],
            row["color"],
            row["fastest"],
            f"{row['size'][1]}x{row['size'][0]}",
            *(
                format_milliseconds(row["seconds"][name], *row["quartiles"][name])
                for name in (OURS, row["fastest"])
            ),
            f"{row['ratio']:.2f}",
        )
        for row in document["rows"]
    ]
    over = [row for row in document["rows"] if row["ratio"] > BAR]
    lines = [
        "The times are milliseconds of processor time (`time.process_time`) to read a file that",
        "the system has in its cache: medians of rounds in random order, ± half the distance",
        "between the quartiles. The fastest decoder is the one that gives the same values in",
        'the least time; with `color="gray"`, one gray plane that differs by its rounding at',
        "most, or by 3 levels in 98% of the pixels of a color JPEG. It reads the file too, but",
        "without the checks of `io.read`. OpenCV's time for color includes the conversion from BGR",
        "to RGB. kornia_rs doesn't compare a PNG's second checksum. The ratio is the time of",
        "`io.read` divided by the decoder's time.",
        "",
        f"{summarize_machine(document['machine'])}.",
        "",
        *table(("file", "color=", "fastest decoder", "size", OURS, "decoder", "ratio"), rows, 3),
        "",
        f"Files for which `io.read` takes more than {BAR} times the fastest decoder's time:",
        "",
        *(
            f'- {row["kind"]}, color="{row["color"]}", {row["size"][1]}x{row["size"][0]}: '
            f"{row['ratio']:.2f}"
            for row in over
        ),
        *([] if over else ["- nowhere"]),
        "",
        "Decoders that fail, or give other values, and so aren't compared with:",
        "",
        *_list_left_out(document),
    ]
    return "\n".join(lines) + "\n"


def _list_left_out(document: dict[str, Any]) -> list[str]:
    """Return a line for each decoder that was left out, with its problem and the files."""
    found: dict[str, list[str]] = {}
    for row in document["rows"]:
        for name, problem in row["left_out"].items():
            line = f'{name}, color="{row["color"]}": {problem}'
            kinds_of_line = found.setdefault(line, [])
            if row["kind"] not in kinds_of_line:
                kinds_of_line.append(row["kind"])
    return [f"- {line} ({'; '.join(kinds_of_line)})" for line, kinds_of_line in found.items()] or [
        "- none"
    ]


if __name__ == "__main__":
    main()
