"""The tables of `benchmarks.speed.loading`, and where this package loses."""

import math
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from graytorgb.measure.machine import summarize_machine

from ..photo_files import KINDS
from ..tables import table
from ..usage import Spread, summarize
from .loading_ways.job import Form
from .loading_ways.reference import BOUND, WRONG
from .loading_ways.table import OURS, OURS_GRAY, REFERENCE, WAYS

PHOTOS, NOISY, BUSY = "photos", "noisy photos", "busy cores"
BARS = {"JPEG color": 3.5, "JPEG gray": 3.5, "PNG gray, 8 bits": 2.8, "PNG gray, 16 bits": 1.8}
KIND_BY_NAME = {kind.name: kind for kind in KINDS}
LIBRARIES = ("keras", "nvidia-dali-cuda120", "opencv-python-headless", "pillow", "pydicom", "spdl",
             "tensorflow-cpu", "timm", "torch", "torchcodec", "torchvision")  # fmt: skip
HEADS = ("way", "batches", "CPU ms", "times as fast", "CPU ms, workers", "images/s, workers", "MB",
         "MB, worker", "kB an image", "off by")  # fmt: skip
TITLES = {
    PHOTOS: "Photos",
    NOISY: "Photos with the noise of a camera, so that decoding takes longer",
    BUSY: "Photos, on a machine all of whose cores are busy with other processes",
}

Record = dict[str, Any]


class Results:
    """The measurements of one kind of files of a set.

    Parameters
    ----------
    document : dict
        All results.
    files, kind : str
        The names of the set and of the kind.
    """

    def __init__(self, document: Record, files: str, kind: str) -> None:
        self.files, self.kind = files, kind
        self.rows, self.checks, self.memory, self.failures = (
            [row for row in document[name] if row["set"] == files and row["kind"] == kind]
            for name in ("rows", "checks", "memory", "failures")
        )
        self.workers = sorted({row["workers"] for row in self.rows})

    def __bool__(self) -> bool:
        return bool(self.rows)

    def find_cpu(self, way: str, workers: int) -> dict[int, float]:
        """Return the milliseconds of processor time an image, by round."""
        return {
            row["round"]: 1e3 * row["cpu_seconds"] / row["images"]
            for row in self.rows if row["way"] == way and row["workers"] == workers
        }  # fmt: skip

    def find_rates(self, way: str, workers: int) -> list[float]:
        """Return the images a second, in each round."""
        return [
            row["images"] / row["seconds"]
            for row in self.rows if row["way"] == way and row["workers"] == workers
        ]  # fmt: skip

    def find_ratio(self, way: str, other: str, workers: int) -> Spread | None:
        """Return how many times the processor time of a way another one takes, by rounds."""
        ours, theirs = self.find_cpu(way, workers), self.find_cpu(other, workers)
        both = [theirs[turn] / ours[turn] for turn in ours if turn in theirs]
        return summarize(both) if both else None

    def rank(self) -> list[str]:
        """Return the ways, those that take the least processor time first."""
        first = self.workers[0]
        ways = {row["way"] for row in self.rows if row["workers"] == first}
        return sorted(ways, key=lambda way: summarize([*self.find_cpu(way, first).values()]).median)

    def find_off(self, way: str) -> tuple[float, float]:
        """Return by how many levels the pixels of a way are off: at most, and on average."""
        mine = [check for check in self.checks if check["way"] == way]
        return max(c["largest"] for c in mine), max(c["mean"] for c in mine)


def describe_pixels(results: Results, way: str) -> str:
    """Return by how much the pixels are off, for the table."""
    largest, mean = results.find_off(way)
    if mean > WRONG:
        return f"**wrong pixels**: {largest:.0f}, {mean:.0f} on average"
    if largest > BOUND:
        return f"{largest:.0f}, {mean:.1f} on average"
    return f"{largest:.1f}"


def list_lines(results: Results) -> Iterator[Sequence[str]]:
    """Yield the line of each way."""
    first, *others = results.workers
    for way in results.rank():
        more = [find_median(results.find_cpu(way, workers).values()) for workers in others]
        rates = [find_median(results.find_rates(way, workers)) for workers in results.workers]
        memory = [row for row in results.memory if row["way"] == way]
        total = max((row["total"] for row in memory), default=0)
        worker = max((row["worker"] for row in memory), default=0)
        image_bytes = next(c["image_bytes"] for c in results.checks if c["way"] == way)
        yield (
            way, WAYS[way].form.value, f"{find_median(results.find_cpu(way, first).values()):.2f}",
            str(results.find_ratio(way, REFERENCE, first) or "-"),
            " / ".join(f"{each:.2f}" for each in more) or "-",
            " / ".join(f"{each:.0f}" for each in rates),
            f"{total / 1e6:.0f}", f"{worker / 1e6:.0f}" if worker else "-",
            f"{image_bytes / 1e3:.0f}", describe_pixels(results, way),
        )  # fmt: skip


def find_median(values: Iterable[float]) -> float:
    """Return the median, which is NaN where nothing was measured."""
    found = list(values)
    return summarize(found).median if found else math.nan


def list_losses(results: Results) -> Iterator[str]:
    """Yield where this package is under a bar, or not the first of the ways to the same batches."""
    where = results.kind if results.files == PHOTOS else f"{results.kind}, {results.files}"
    ratio = results.find_ratio(OURS, REFERENCE, 0)
    bar = BARS.get(results.kind)
    if results.files == PHOTOS and bar and ratio and ratio.median < bar:
        yield f"{where}: {ratio.median:.2f} times as fast as {REFERENCE}, and the bar is {bar}"
    peers = [way for way in results.rank() if not WAYS[way].is_ours]
    for ours, form in ((OURS, Form.RGB), (OURS_GRAY, Form.GRAY)):
        for peer in (peer for peer in peers if WAYS[peer].form is form):
            wrong = ", with wrong pixels" if results.find_off(peer)[1] > WRONG else ""
            for workers in results.workers:
                name = f"{where}, {workers} workers: {peer}"
                times = results.find_ratio(ours, peer, workers)
                if times and times.median < 1:
                    yield f"{name} takes {times.median:.2f} of the CPU time of {ours}{wrong}"
                mine, theirs = (find_median(results.find_rates(w, workers)) for w in (ours, peer))
                if theirs > mine:
                    yield f"{name} gives {theirs / mine:.2f} times the images/s of {ours}{wrong}"


def list_missing(document: Record, results: Results) -> Iterator[str]:
    """Yield which ways have no line in a table, and why."""
    folder = KIND_BY_NAME[results.kind].folder
    unread = [way for way in document["ways"] if folder not in WAYS[way].kinds]
    if unread:
        yield f"These don't read such files: {', '.join(unread)}."
    errors: dict[tuple[str, str], list[str]] = {}
    for row in results.failures:
        errors.setdefault((row["way"], row["error"]), []).append(str(row["workers"]))
    for (way, error), workers in errors.items():
        yield f"{way} failed with {', '.join(workers)} workers: {error}."


def markdown(document: Record) -> str:
    """Return the text: what is measured, a table for each kind of each set, and the losses."""
    lines, losses = [*_introduce(document)], []
    for files, kinds in document["bytes"].items():
        lines += [f"**{TITLES[files]}**", ""]
        for kind, mean_bytes in kinds.items():
            results = Results(document, files, kind)
            lines += [f"{kind}, {mean_bytes / 1e3:.0f} kB a file:", ""]
            if results:
                lines += [*table(HEADS, list_lines(results), 2), ""]
                losses += list_losses(results)
            lines += [line for text in list_missing(document, results) for line in (text, "")]
    bars = ", ".join(f"{bar:g} for {kind}" for kind, bar in BARS.items())
    lines += [
        f"Where `{OURS}` is less than so many times as fast as {REFERENCE} (photos, one process: "
        f"{bars}), or another way to the same form of batches takes less CPU time or gives more "
        "images/s:",
        "",
        *(f"- {loss}" for loss in losses or ["nowhere"]),
    ]
    return "\n".join(lines) + "\n"


def _introduce(document: Record) -> list[str]:
    missing, luma = document["not_installed"], document["luma"]
    return [
        f"{document['files']:,} files of each kind: crops of real photos of about 500x375, in the",
        f"system's cache, in batches of {document['batch']}. The shorter side becomes 256",
        "(bilinear, antialiased), and the center of 224x224 a normalized image. Each way has a",
        f"process of its own, in which imports aren't timed. {document['rounds']} rounds, each on",
        "other files, with all ways, kinds and numbers of workers in random order. The libraries",
        "use one thread in an operation; the workers of DALI, SPDL and Keras are threads, at least",
        "one. Worker processes are started in the time that is measured.",
        "",
        "The columns: milliseconds of CPU time an image in one process, worker processes and",
        f"threads included; how many times that of {REFERENCE} is (the median of rounds, and the",
        "quartiles); the CPU time with more workers; images a second with each number of workers",
        "(0, 1 and 2, unless a heading says otherwise); the largest memory of all processes of the",
        "way together (PSS), and of one worker process by itself (USS); the bytes of an image that",
        "go to the device; and by how many levels of 255 the pixels are off from Pillow's",
        f"(an average of more than {WRONG} is called wrong).",
        "",
        "The gray of graytorgb's rows for color JPEG is the luma that the file stores, compared",
        "with Pillow's of `draft('L')`. From the luma of the RGB values, by which other ways are",
        f"measured, it is up to {luma['largest']:.0f} levels away where a color is cut off at 0 or",
        f"255; {100 * luma['within_3']:.2f} % of the pixels are within 3.",
        "",
        f"{summarize_machine(document['machine'])}. {_list_versions()}. Load before the run: "
        f"{document['load_before']:.1f}.",
        "",
        *([f"Not installed here: {', '.join(missing)}.", ""] if missing else []),
    ]


def _list_versions() -> str:
    found = []
    for library in LIBRARIES:
        try:
            found.append(f"{library} {version(library)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)
