"""Time the audit and cleanvision on the same files: `python -m benchmarks.speed.audit`.

The audit is also compared with decoding each file once by `io.read`, in one process; and its time
and memory are measured on sets of growing size.
"""

import contextlib
import io
import os
import tempfile
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.progress import track

from graytorgb.cli.files import FileCommand, OutputFolder
from graytorgb.datasets import audit
from graytorgb.io import read
from graytorgb.measure.machine import describe_machine, summarize_machine

from ..photo_files import KINDS, Kind, write_set, write_tiny
from ..tables import table, write
from ..usage import measure_peaks, summarize, take_turns

RESULTS = Path(__file__).parents[1] / "results"
OURS, DECODING = "audit", "decoding"
PEER, PEER_SUBSET = "cleanvision", "cleanvision, some checks"
# What the audit finds too: gray, copies, constant images, sizes, dark and bright ones by their
# values. It doesn't find what cleanvision's other checks do: blur, and images that nearly agree.
SUBSET = ("exact_duplicates", "grayscale", "low_information", "odd_size", "dark", "light")
BARS = {PEER: 3.0, DECODING: 0.7}
PEER_READS = ("JPEG", "PNG")
HAS_PEER = find_spec("cleanvision") is not None

Calls = dict[str, Callable[[], Any]]


@click.command(cls=FileCommand)
@click.option("--files", default=10_000, show_default=True, help="Files in all, of five kinds.")
@click.option("--parts", default=5, show_default=True, help="Pairs of runs, each on other files.")
@click.option(
    "--sizes", default="1000,10000,100000", show_default=True,
    help="Numbers of tiny files on which time and memory are measured.",
)  # fmt: skip
@click.option("--set", "folder", type=OutputFolder(), help="Keep the files here, for other runs.")
@click.option("--output", type=OutputFolder(), default=RESULTS, show_default="benchmarks/results")
def main(files: int, parts: int, sizes: str, folder: Path | None, output: Path) -> None:
    """Measure the audit and write audit.json and audit.md."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        photos = folder or Path(temporary, "photos")
        write_set(photos, files)
        cells = [(kind, part) for kind in KINDS for part in range(parts)]
        rows = []
        for kind, part in track(cells, "kinds", transient=True, auto_refresh=False):
            rows += measure_part(photos, kind, part, parts)
        pairs = measure_two_workers(photos, parts)
        growth = measure_growth(Path(temporary), [int(size) for size in sizes.split(",")])
    document = {
        "machine": describe_machine(), "load_before": load, "files": files, "rows": rows,
        "two_workers": pairs, "growth": growth,
    }  # fmt: skip
    write(output, "audit", document, markdown(document))


def measure_part(photos: Path, kind: Kind, part: int, parts: int) -> list[dict[str, Any]]:
    """Return a row for each way with one worker, on some of the files of a kind."""
    paths = sorted((photos / kind.folder).iterdir())[part::parts]
    decode_all(paths)  # so that the system has the files in its cache
    listed = write_list(photos, paths)
    calls: Calls = {DECODING: lambda: decode_all(paths), OURS: lambda: audit(listed, workers=1)}
    peers = make_peers(kind, paths, 1)
    # some of its checks are timed on the first part alone, because they take long
    calls |= {way: call for way, call in peers.items() if way == PEER or part == 0}
    return [
        {"kind": kind.name, "part": part, "way": way, "files": len(paths),
         "bytes": sum(path.stat().st_size for path in paths), **used._asdict()}
        for way, used in take_turns(calls, part).items()
    ]  # fmt: skip


def measure_two_workers(photos: Path, parts: int) -> list[dict[str, Any]]:
    """Return a row for each way with two workers, on files of all kinds that cleanvision reads."""
    kinds = [kind for kind in KINDS if kind.name.startswith(PEER_READS)]
    paths = [path for kind in kinds for path in sorted((photos / kind.folder).iterdir())]
    rows = []
    for part in track(range(parts), "two workers", transient=True, auto_refresh=False):
        some = paths[part::parts]
        calls: Calls = {OURS: partial(audit, write_list(photos, some), workers=2)}
        peers = make_peers(kinds[0], some, 2)
        calls |= {way: call for way, call in peers.items() if way == PEER}
        rows += [
            {"part": part, "way": way, "files": len(some), **used._asdict()}
            for way, used in take_turns(calls, part).items()
        ]
    return rows


def write_list(folder: Path, paths: Sequence[Path]) -> Path:
    """Write a text file of paths, which the audit takes."""
    listed = folder / "paths.txt"
    listed.write_text("".join(f"{path.absolute()}\n" for path in paths))
    return listed


def decode_all(paths: Sequence[Path]) -> None:
    """Decode each file once, as the audit does."""
    for path in paths:
        read(path)


def make_peers(kind: Kind, paths: list[Path], workers: int) -> Calls:
    """Return cleanvision's calls, if it is installed and reads files of this kind."""
    if not HAS_PEER or not kind.name.startswith(PEER_READS):
        return {}
    return {
        PEER: lambda: find_issues(paths, None, workers),
        PEER_SUBSET: lambda: find_issues(paths, SUBSET, workers),
    }


def find_issues(paths: Sequence[Path], checks: Sequence[str] | None, workers: int) -> Any:
    """Let cleanvision check files, as its documentation shows; None is all of its checks."""
    from cleanvision import Imagelab

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        lab = Imagelab(filepaths=[str(path) for path in paths])
        wanted = None if checks is None else {check: {} for check in checks}
        lab.find_issues(wanted, n_jobs=workers, verbose=False)
    assert len(lab.issues) == len(paths)
    return lab


def measure_growth(folder: Path, sizes: Sequence[int]) -> list[dict[str, Any]]:
    """Return time and peak memory of an audit with two workers, for each number of tiny files."""
    rows = []
    for size in track(sizes, "sizes", transient=True, auto_refresh=False):
        tiny = folder / f"tiny-{size}"
        write_tiny(tiny, size)
        peak = measure_peaks("graytorgb", "audit", str(tiny), "--workers", "2")
        rows.append({"files": size, **peak._asdict()})
    return rows


def fit_line(growth: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Fit ``seconds = start + slope * files``, where each size counts by its relative error."""
    files = np.array([row["files"] for row in growth], float)
    seconds = np.array([row["seconds"] for row in growth], float)
    if len(growth) < 2:
        return {"start": 0.0, "slope": float(seconds[0] / files[0])}
    slope, start = np.polyfit(files, seconds, 1, w=1 / seconds)
    return {"start": float(start), "slope": float(slope)}


def rates(rows: Sequence[dict[str, Any]], way: str, clock: str) -> list[float]:
    """Return the files a second of a way, in each part."""
    return [row["files"] / row[clock] for row in rows if row["way"] == way]


def find_ratios(
    rows: Sequence[dict[str, Any]], way: str, clock: str = "cpu_seconds"
) -> list[float]:
    """Return how many times the images a second of a way the audit does, in each pair of runs."""
    times = {(row.get("kind"), row["part"], row["way"]): row[clock] for row in rows}
    return [
        times[kind, part, way] / times[kind, part, OURS] for kind, part, one in times if one == way
    ]


def sum_ratio(rows: Sequence[dict[str, Any]], way: str, clock: str = "cpu_seconds") -> float | None:
    """Return the ratio of the sums of time, over the files that both ways read."""
    parts = {(row.get("kind"), row["part"]) for row in rows if row["way"] == way}
    chosen = [row for row in rows if (row.get("kind"), row["part"]) in parts]
    theirs = sum(row[clock] for row in chosen if row["way"] == way)
    ours = sum(row[clock] for row in chosen if row["way"] == OURS)
    return theirs / ours if parts else None


def list_short(document: dict[str, Any]) -> list[str]:
    """Return where the audit does less than the bar asks, in each kind and in sum."""
    found = []
    for way, bar in BARS.items():
        for kind in [*dict.fromkeys(row["kind"] for row in document["rows"]), None]:
            rows = [row for row in document["rows"] if kind in (row["kind"], None)]
            ratio = sum_ratio(rows, way)
            if ratio is not None and ratio < bar:
                found.append(f"{kind or 'all kinds'}: {ratio:.2f} times {way}, not {bar}")
    return found


def markdown(document: dict[str, Any]) -> str:
    """Return the tables: each kind with one worker, all with two, and sets of growing size."""
    rows, ways = document["rows"], (DECODING, PEER, PEER_SUBSET)
    lines = []
    for kind in dict.fromkeys(row["kind"] for row in rows):
        some = [row for row in rows if row["kind"] == kind]
        cells = [f"{np.median(rates(some, OURS, 'cpu_seconds')):.0f}"]
        cells += [_show(find_ratios(some, way)) for way in ways]
        lines.append((kind, *cells))
    total = sum(row["files"] for row in rows if row["way"] == OURS)
    seconds = sum(row["cpu_seconds"] for row in rows if row["way"] == OURS)
    sums = [sum_ratio(rows, way) for way in ways]
    lines.append(
        ("all files", f"{total / seconds:.0f}", *("-" if s is None else f"{s:.2f}" for s in sums))
    )
    two = document["two_workers"]
    pairs = [
        (
            way,
            f"{np.median(rates(two, way, 'seconds')) / 2:.0f}",
            f"{np.median(rates(two, way, 'cpu_seconds')):.0f}",
            *(_show(find_ratios(two, way, clock)) for clock in ("seconds", "cpu_seconds")),
        )
        for way in (OURS, PEER)
        if rates(two, way, "seconds")
    ]
    growth, line = document["growth"], fit_line(document["growth"])
    short = list_short(document)
    peers = "" if PEER in {row["way"] for row in rows} else "cleanvision isn't installed here. "
    return "\n".join(
        [
            f"The audit of {document['files']:,} files: crops of real photos of about 500x375, a",
            "fifth of each kind, in the system's cache. The first column is images a second of",
            "processor time with one worker. The others say how many times as many that is as by",
            "decoding each file once (`io.read`, the same decoders) and by cleanvision, which",
            "doesn't read DICOM: with all its checks, and with those whose findings the audit has",
            f"too ({', '.join(SUBSET)}). They are medians of pairs of runs in turn, and the",
            "quartiles; the last line is the ratio of the sums.",
            "",
            f"{peers}{summarize_machine(document['machine'])}. Load before the run: "
            f"{document['load_before']:.1f}.",
            "",
            *table(("files", "audit, images/s a core", *(f"times {way}" for way in ways)), lines),
            "",
            "With two workers, on the files that cleanvision reads, images a second divided by 2,",
            "and by processor time; and how many times as many the audit does, by both clocks:",
            "",
            *table(("way", "images/s / 2", "images/s of processor time", "audit is, times",
                    "audit is, times, processor time"), pairs),
            "",
            "Sets of gray PNG files of 28x28 pixels, by the command with two workers, its start",
            "included. The memory is the peak of the parent and of the largest worker, in MB:",
            "",
            *table(
                ("files", "seconds", "parent", "worker"),
                [
                    (f"{row['files']:,}", f"{row['seconds']:.1f}",
                     f"{row['parent'] / 1e6:.0f}", f"{row['worker'] / 1e6:.0f}")
                    for row in growth
                ],
            ),
            "",
            f"The line through the times: {line['start']:.1f} s + {line['slope'] * 1e3:.2f} ms a "
            "file.",
            "",
            f"Where the audit does less than {BARS[PEER]:g} times cleanvision's images or "
            f"{BARS[DECODING]:g} of decoding:",
            "",
            *(f"- {each}" for each in short or ["nowhere"]),
        ]
    ) + "\n"  # fmt: skip


def _show(ratios: Sequence[float]) -> str:
    return str(summarize(ratios)) if ratios else "-"


if __name__ == "__main__":
    main()
