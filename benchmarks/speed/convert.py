"""Time convert and what people use instead: `python -m benchmarks.speed.convert`.

Every way writes PNG files of three channels, by two processes: a plain script of Pillow in a
process pool, and ImageMagick's `mogrify`. images-to-zarr and convert write a Zarr array.
"""

import contextlib
import io
import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import click
import PIL.Image
from rich.progress import track

from graytorgb.cli.files import FileCommand, OutputFolder
from graytorgb.datasets import convert
from graytorgb.measure.machine import describe_machine, summarize_machine

from ..photo_files import KINDS, Kind, write_set, write_tiny
from ..tables import table, write
from ..usage import measure_peaks, summarize, take_turns

RESULTS = Path(__file__).parents[1] / "results"
ONE, TWO, EIGHT = "convert, 1 worker", "convert", "convert, 8 bits"
PILLOW, MOGRIFY = "Pillow pool", "mogrify"
ZARR, PEER_ZARR = "convert to Zarr", "images-to-zarr"
ALL_8 = "all of 8 bits"
SIDE = 256  # of the images of a Zarr array
SCALING_BAR, PILLOW_BAR = 1.8, 1.2
LOSSES = "every value over 255 became white"

_numbers = count()


@click.command(cls=FileCommand)
@click.option("--files", default=1500, show_default=True, help="Files in all, of five kinds.")
@click.option("--rounds", default=3, show_default=True, help="How often each way runs.")
@click.option(
    "--sizes", default="1000,10000,30000", show_default=True,
    help="Numbers of tiny files on which time and memory are measured.",
)  # fmt: skip
@click.option("--set", "folder", type=OutputFolder(), help="Keep the files here, for other runs.")
@click.option("--output", type=OutputFolder(), default=RESULTS, show_default="benchmarks/results")
def main(files: int, rounds: int, sizes: str, folder: Path | None, output: Path) -> None:
    """Measure convert and write convert.json and convert.md."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        work = Path(temporary)
        photos = folder or work / "photos"
        write_set(photos, files)
        rows = []
        for name, ways in track(list_cells(photos, work), "cells", auto_refresh=False):
            rows += measure_cell(name, ways, rounds)
        resumed = measure_resume(photos, work)
        growth = measure_growth(work, [int(size) for size in sizes.split(",")])
    document = {
        "machine": describe_machine(), "load_before": load, "files": files, "rows": rows,
        "resume": resumed, "growth": growth,
    }  # fmt: skip
    write(output, "convert", document, markdown(document))


class Way:
    """A way to convert files into a new folder each time.

    Parameters
    ----------
    call : callable
        ``call(target)`` converts.
    paths : sequence of Path
        The files that it reads.
    work : Path
        Where targets are made.
    """

    def __init__(
        self, call: Callable[[Path], Any], paths: Sequence[Path], work: Path, suffix: str = ""
    ) -> None:
        self.call, self.paths, self.work, self.suffix = call, paths, work, suffix
        self.target = Path()

    def __call__(self) -> None:
        """Convert into a new target."""
        self.target = self.work / f"target-{next(_numbers)}{self.suffix}"
        self.call(self.target)

    def clear(self) -> int:
        """Remove the target, and return the bytes of its files."""
        files = [each for each in self.target.rglob("*") if each.is_file()]
        size = sum(each.stat().st_size for each in files if each.suffix != ".jsonl")
        shutil.rmtree(self.target)
        return size


def list_cells(photos: Path, work: Path) -> list[tuple[str, dict[str, Way]]]:
    """Return the ways to compare on each set of files."""
    paths = {kind: sorted((photos / kind.folder).iterdir()) for kind in KINDS}
    shallow = [kind for kind in KINDS if not kind.is_deep]
    cells = [(ALL_8, make_ways([p for k in shallow for p in paths[k]], work, with_one=True))]
    for kind in KINDS:
        cells.append((kind.name, make_ways(paths[kind], work, kind=kind)))
    gray = [path for kind in shallow if not kind.is_color for path in paths[kind]]
    cells.append((f"gray of 8 bits, to Zarr of {SIDE}x{SIDE}", make_zarr_ways(gray, work)))
    return cells


def make_ways(
    paths: Sequence[Path], work: Path, *, kind: Kind | None = None, with_one: bool = False
) -> dict[str, Way]:
    """Return the ways to make PNG files of some files."""
    listed = write_list(work, paths)
    ways = {TWO: Way(partial(convert_by_us, listed, workers=2), paths, work)}
    if with_one:
        ways[ONE] = Way(partial(convert_by_us, listed, workers=1), paths, work)
    if kind is not None and kind.is_deep:
        whole = (0, 2**kind.bits - 1)
        call = partial(convert_by_us, listed, workers=2, bits=8, value_range=whole)
        ways[EIGHT] = Way(call, paths, work)
    if kind is None or kind.suffix != ".dcm":  # which Pillow and mogrify don't read
        ways[PILLOW] = Way(partial(convert_by_pillow, paths), paths, work)
        # of the kinds of 8 bits it is timed on all together, because it takes long
        if shutil.which("mogrify") and (kind is None or kind.is_deep):
            ways[MOGRIFY] = Way(partial(convert_by_mogrify, paths), paths, work)
    return ways


def make_zarr_ways(paths: Sequence[Path], work: Path) -> dict[str, Way]:
    """Return the ways to make a Zarr array of gray images."""
    ours = partial(convert_by_us, write_list(work, paths), workers=2, to="gray", size=(SIDE, SIDE))
    ways = {ZARR: Way(ours, paths, work, ".zarr")}
    if find_spec("images_to_zarr"):
        ways[PEER_ZARR] = Way(partial(convert_by_images_to_zarr, paths), paths, work)
    return ways


def write_list(folder: Path, paths: Sequence[Path]) -> Path:
    """Write a text file of paths, which convert takes."""
    listed = folder / f"list-{next(_numbers)}.txt"
    listed.write_text("".join(f"{path.absolute()}\n" for path in paths))
    return listed


def convert_by_us(src: Path, target: Path, **options: Any) -> None:
    """Convert by this package."""
    done = convert(src, target, **options)
    assert done.is_complete, done.errors[:3]


def convert_by_pillow(paths: Sequence[Path], target: Path) -> None:
    """Convert as a plain script does: by two processes, with the options that Pillow has."""
    target.mkdir()
    jobs = [(path, target / f"{path.parent.name}-{path.stem}.png") for path in paths]
    with ProcessPoolExecutor(2) as pool:
        for _ in pool.map(_save_by_pillow, *zip(*jobs, strict=True), chunksize=8):
            pass


def _save_by_pillow(path: Path, target: Path) -> None:
    with PIL.Image.open(path) as image:
        image.convert("RGB").save(target)


def convert_by_mogrify(paths: Sequence[Path], target: Path) -> None:
    """Convert by two processes of `mogrify`, with its own compression."""
    target.mkdir()
    running = []
    for half in range(2):
        some = [str(path) for path in paths[half::2]]
        folder = target / str(half)
        folder.mkdir()
        links = _link_apart(some, folder)
        running.append(
            subprocess.Popen(
                ["mogrify", "-path", str(folder), "-format", "png", "-define",
                 "png:color-type=2", *links],
                env={**os.environ, "MAGICK_THREAD_LIMIT": "1"}, stderr=subprocess.DEVNULL,
            )
        )  # fmt: skip
    for process in running:
        if process.wait():
            raise subprocess.CalledProcessError(process.returncode, "mogrify")
    for link in target.rglob("*"):
        if link.is_symlink():
            link.unlink()


def _link_apart(paths: Sequence[str], folder: Path) -> list[str]:
    """Link files under names of their own, because mogrify writes into one folder."""
    links = []
    for number, path in enumerate(paths):
        link = folder / f"link-{number:06d}{Path(path).suffix}"
        link.symlink_to(Path(path).absolute())
        links.append(str(link))
    return links


def convert_by_images_to_zarr(paths: Sequence[Path], target: Path) -> None:
    """Convert by images-to-zarr, as its documentation shows, with two threads."""
    from images_to_zarr import convert as convert_to_zarr

    folders = sorted({path.parent for path in paths})
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        convert_to_zarr(
            output_dir=target, folders=folders, num_parallel_workers=2, resize=(SIDE, SIDE)
        )


def measure_cell(name: str, ways: dict[str, Way], rounds: int) -> list[dict[str, Any]]:
    """Return a row for each way and round."""
    rows = []
    for turn in range(rounds):
        for way, used in take_turns(ways, turn).items():
            rows.append(
                {"files": name, "way": way, "round": turn, "images": len(ways[way].paths),
                 **used._asdict(), "bytes": ways[way].clear()}
            )  # fmt: skip
    return rows


def measure_resume(photos: Path, work: Path) -> dict[str, Any]:
    """Return the seconds of a run, and of the same run when all is done."""
    src = photos / KINDS[1].folder
    way = Way(partial(convert_by_us, src, workers=2), [], work)
    again = Way(lambda _: convert_by_us(src, way.target, workers=2), [], work)
    used = take_turns({"first": way, "again": again})
    images = len(list(src.iterdir()))
    shutil.rmtree(way.target)
    return {"images": images, **{name: one.seconds for name, one in used.items()}}


def measure_growth(work: Path, sizes: Sequence[int]) -> list[dict[str, Any]]:
    """Return time and peak memory of a conversion with two workers, for each number of files."""
    rows = []
    for size in track(sizes, "sizes", transient=True, auto_refresh=False):
        tiny, target = work / f"tiny-{size}", work / f"ready-{size}"
        write_tiny(tiny, size)
        peak = measure_peaks("graytorgb", "convert", str(tiny), str(target), "--workers", "2")
        rows.append({"files": size, **peak._asdict()})
        shutil.rmtree(target)
    return rows


def find_ratios(rows: Sequence[dict[str, Any]], ours: str, other: str, clock: str) -> list[float]:
    """Return how many times as long the other way takes, in each round."""
    times = {(row["way"], row["round"]): row[clock] for row in rows}
    return [
        times[other, turn] / times[ours, turn] for way, turn in times if way == ours
    ] if any(way == other for way, _ in times) else []  # fmt: skip


def markdown(document: dict[str, Any]) -> str:
    """Return the tables: every way on every set, the bytes, resuming, and sets of growing size."""
    lines, short = [], []
    cells = dict.fromkeys(row["files"] for row in document["rows"])
    for cell in cells:
        rows = [row for row in document["rows"] if row["files"] == cell]
        base = ZARR if any(row["way"] == ZARR for row in rows) else TWO
        for way in dict.fromkeys(row["way"] for row in rows):
            mine = [row for row in rows if row["way"] == way]
            rate = summarize([row["images"] / row["seconds"] for row in mine]).median
            cpu = summarize([1e3 * row["cpu_seconds"] / row["images"] for row in mine]).median
            note = LOSSES if cell.startswith("PNG gray, 16") and way == PILLOW else ""
            ratio = summarize(find_ratios(rows, base, way, "seconds"))
            lines.append(
                (cell, way, f"{rate:.0f}", f"{cpu:.1f}", str(ratio),
                 f"{mine[0]['bytes'] / mine[0]['images'] / 1e3:.1f}", note)
            )  # fmt: skip
            short += list_short(cell, way, ratio.median, rows)
    growth, resumed = document["growth"], document["resume"]
    ways = {row["way"] for row in document["rows"]}
    missing = [name for name in (MOGRIFY, PEER_ZARR) if name not in ways]
    return "\n".join(
        [
            f"{document['files']:,} files: crops of real photos of about 500x375, a fifth of each",
            "kind, in the system's cache. All ways write PNG files of three channels by two",
            "processes, whose start is included: `convert` by its defaults, with one worker, and",
            'to 8 bits; Pillow by `Image.open(path).convert("RGB").save(...)` in a',
            "`ProcessPoolExecutor`; and two processes of `mogrify -format png`. The columns are",
            "images a second; milliseconds of processor time for an image; how many times as long",
            "as `convert` it takes (the median of runs in turn, and the quartiles; under 1 it is",
            "faster); and the kB of an image.",
            "",
            *([f"Not installed here: {', '.join(missing)}.", ""] if missing else []),
            f"{summarize_machine(document['machine'])}. Load before the run: "
            f"{document['load_before']:.1f}.",
            "",
            *table(("files", "way", "images/s", "CPU ms", "times as long", "kB", "values"),
                   lines, 2),
            "",
            f"A run of {resumed['images']:,} images takes {resumed['first']:.1f} s, and the same "
            f"run again, when all is done, {resumed['again']:.1f} s.",
            "",
            "Sets of gray PNG files of 28x28 pixels, by the command with two workers, its start",
            "included. The memory is the peak of the parent and of the largest worker, in MB:",
            "",
            *table(
                ("files", "seconds", "ms a file", "parent", "worker"),
                [
                    (f"{row['files']:,}", f"{row['seconds']:.1f}",
                     f"{1e3 * row['seconds'] / row['files']:.2f}",
                     f"{row['parent'] / 1e6:.0f}", f"{row['worker'] / 1e6:.0f}")
                    for row in growth
                ],
            ),
            "",
            f"Where one worker takes less than {SCALING_BAR} times as long as two, Pillow less "
            f"than {PILLOW_BAR} times as long as `convert`, or another way is faster or its files "
            "are smaller:",
            "",
            *(f"- {each}" for each in short or ["nowhere"]),
        ]
    ) + "\n"  # fmt: skip


def list_short(cell: str, way: str, ratio: float, rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return where convert misses a bar, or loses to another way."""
    if way in (TWO, EIGHT, ZARR):
        return []
    if way == ONE:
        is_short = ratio < SCALING_BAR
        return [f"{cell}: one worker takes {ratio:.2f} times as long as two"] if is_short else []
    found = []
    # Pillow's files of deep images have 8 bits, so they are compared with ours of 8 bits
    is_deep = any(row["way"] == EIGHT for row in rows)
    ours = EIGHT if is_deep and way == PILLOW else rows[0]["way"]
    bar = PILLOW_BAR if way == PILLOW else 1
    paired = summarize(find_ratios(rows, ours, way, "seconds")).median
    if paired < bar:
        found.append(f"{cell}: {way} takes {paired:.2f} times as long as {ours}")
    sizes = {row["way"]: row["bytes"] for row in rows}
    if sizes[way] < sizes[ours]:
        found.append(f"{cell}: the files of {way} have {sizes[way] / sizes[ours]:.3f} of the bytes")
    return found


if __name__ == "__main__":
    main()
