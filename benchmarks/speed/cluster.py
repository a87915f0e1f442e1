"""Reckon the audit and the conversion of 100 million images: `python -m benchmarks.speed.cluster`.

The speed a core and the bytes of an image are those that `benchmarks.speed.audit` and `.convert`
measured. What the one client and the scheduler of dask take is measured here.
"""

import json
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import click
from distributed import LocalCluster

from graytorgb.cli.files import FileCommand, OutputFolder
from graytorgb.datasets import audit, convert
from graytorgb.datasets.execution.batch_size import BatchSize
from graytorgb.datasets.execution.batches import run_tasks
from graytorgb.datasets.sources.items import Item
from graytorgb.datasets.sources.opening import open_source
from graytorgb.measure.machine import describe_machine, summarize_machine

from ..photo_files import KINDS, write_tiny
from ..tables import table, write
from .audit import OURS
from .convert import ALL_8, TWO

RESULTS = Path(__file__).parents[1] / "results"
CORES = (1, 16, 256)
ROW_BYTES = 1500  # that a worker returns for each image


class Work(NamedTuple):
    """What a command takes for one image, as measured.

    Attributes
    ----------
    name : str
    core_seconds : float
        Processor time of the workers.
    client_seconds : float
        Processor time of the one process that lists the files and takes the results.
    bytes_read, bytes_written : float
    """

    name: str
    core_seconds: float
    client_seconds: float
    bytes_read: float
    bytes_written: float


class Reckoning(NamedTuple):
    """What a command takes for all images."""

    work: str
    cores: int
    tasks: float
    scheduler_seconds: float
    client_seconds: float
    hours: float
    limit: str
    core_hours: float
    cost: float
    read_rate: float


@click.command(cls=FileCommand)
@click.option("--images", default=100e6, show_default=True, help="Images to reckon.")
@click.option("--price", default=0.05, show_default=True, help="Price of an hour of a core.")
@click.option("--tasks", default=2000, show_default=True, help="Tasks that time the scheduler.")
@click.option("--files", default=4000, show_default=True, help="Tiny files that time the client.")
@click.option("--output", type=OutputFolder(), default=RESULTS, show_default="benchmarks/results")
def main(images: float, price: float, tasks: int, files: int, output: Path) -> None:
    """Measure scheduler and client, and write cluster.json and cluster.md."""
    with tempfile.TemporaryDirectory() as folder:
        tiny = Path(folder, "tiny")
        write_tiny(tiny, files)
        items = [item for item in open_source(tiny).items() if isinstance(item, Item)]
        scheduler = measure_scheduler(items, tasks)
        clients = measure_clients(tiny, Path(folder, "ready"), files)
    works = [*list_works(RESULTS, clients)]
    reckoned = [reckon(work, images, cores, price, scheduler) for work in works for cores in CORES]
    document = {
        "machine": describe_machine(), "images": images, "price": price,
        "scheduler_seconds_a_task": scheduler, "works": [work._asdict() for work in works],
        "rows": [row._asdict() for row in reckoned],
    }  # fmt: skip
    write(output, "cluster", document, markdown(document))


def return_rows(items: list[Item]) -> list[str]:
    """Return as much as an audit does of a batch, and do nothing."""
    return ["x" * ROW_BYTES for _ in items]


def measure_scheduler(items: list[Item], tasks: int) -> float:
    """Return the processor time of scheduler and client for a task of 50 images, in seconds."""
    batches = [items[k % max(1, len(items) - 50) :][:50] for k in range(tasks)]
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        for _ in run_tasks(return_rows, batches[:50], scheduler=address):
            pass
        start = time.process_time()
        count = sum(1 for _ in run_tasks(return_rows, batches, scheduler=address))
        return (time.process_time() - start) / count


def measure_clients(tiny: Path, target: Path, files: int) -> dict[str, float]:
    """Return the processor time of this process for a file, without its workers, in seconds."""
    found = {}
    for name, call in {
        "audit": lambda: audit(tiny, workers=2),
        "convert": lambda: convert(tiny, target, workers=2),
    }.items():
        start = time.process_time()
        call()
        found[name] = (time.process_time() - start) / files
    return found


def list_works(results: Path, clients: dict[str, float]) -> Iterable[Work]:
    """Yield what audit and convert were measured to take."""
    audited = json.loads((results / "audit.json").read_text())["rows"]
    ours = [row for row in audited if row["way"] == OURS]
    files, used, read = (sum(row[n] for row in ours) for n in ("files", "cpu_seconds", "bytes"))
    yield Work("audit", used / files, clients["audit"], read / files, 0)
    names = [kind.name for kind in KINDS if not kind.is_deep]
    shallow = [row for row in ours if row["kind"] in names]
    read = sum(row["bytes"] for row in shallow) / sum(row["files"] for row in shallow)
    converted = json.loads((results / "convert.json").read_text())["rows"]
    ours = [row for row in converted if row["way"] == TWO and row["files"] == ALL_8]
    files, used, written = (sum(r[n] for r in ours) for n in ("images", "cpu_seconds", "bytes"))
    # the headers are read by a pass of their own, and the pixels by another
    yield Work("convert", used / files, clients["convert"], read, written / files)


def reckon(work: Work, images: float, cores: int, price: float, scheduler: float) -> Reckoning:
    """Reckon a command for so many images on so many cores.

    The workers, the scheduler and the client work at the same time, so the slowest of them tells
    how long it takes. The scheduler and the client are each one core more, which is paid too.

    Examples
    --------
    >>> work = Work("audit", 0.004, 0.0001, 1e5, 0)
    >>> row = reckon(work, 1e6, 4, 0.05, 0.001)
    >>> row.tasks, round(row.hours, 3), row.limit
    (10000.0, 0.278, 'workers')
    >>> reckon(work, 1e6, 1000, 0.05, 0.001).limit
    'client'
    """
    tasks = images * work.core_seconds / BatchSize().target
    limits = {
        "workers": images * work.core_seconds / cores,
        "scheduler": tasks * scheduler,
        "client": images * work.client_seconds,
    }
    limit = max(limits, key=lambda name: limits[name])
    hours = limits[limit] / 3600
    core_hours = hours * (cores + 2)
    return Reckoning(
        work.name, cores, tasks, limits["scheduler"], limits["client"], hours, limit, core_hours,
        core_hours * price, images * work.bytes_read / limits[limit],
    )  # fmt: skip


def markdown(document: dict[str, Any]) -> str:
    """Return the table of what was measured, and that of what was reckoned."""
    images, works = document["images"], document["works"]
    measured = [
        (work["name"], f"{1 / work['core_seconds']:.0f}", f"{1e3 * work['client_seconds']:.2f}",
         f"{work['bytes_read'] / 1e3:.0f}", f"{work['bytes_written'] / 1e3:.0f}",
         *(f"{images * work[f'bytes_{way}'] / 1e12:.1f}" for way in ("read", "written")))
        for work in works
    ]  # fmt: skip
    rows = [
        (row["work"], f"{row['cores']}", f"{row['tasks']:,.0f}", f"{row['scheduler_seconds']:,.0f}",
         f"{row['client_seconds']:,.0f}", f"{row['hours']:,.1f}", row["limit"],
         f"{row['cost']:,.0f}", f"{row['read_rate'] / 1e6:,.0f}")
        for row in document["rows"]
    ]  # fmt: skip
    return "\n".join(
        [
            "Measured: images a second of a worker's core (crops of photos of about 500x375;",
            "audit: JPEG, PNG of 8 and 16 bits and DICOM; convert: JPEG and PNG of 8 bits to PNG),",
            "milliseconds of the client's processor for an image, and the kB that are read and",
            f"written for one. The last columns are the TB of {images:,.0f} images. A task takes",
            f"the scheduler and the client {1e3 * document['scheduler_seconds_a_task']:.2f} ms of",
            "processor time together.",
            "",
            f"{summarize_machine(document['machine'])}.",
            "",
            *table(("", "images/s a core", "client, ms", "kB read", "kB written", "TB read",
                    "TB written"), measured),
            "",
            f"Reckoned for {images:,.0f} images in tasks of {BatchSize().target} s, at "
            f"{document['price']:g} for an hour of a core, an assumption, with one core more each",
            "for the scheduler and the client. Hours are those of whichever is the slowest; the",
            "last column is the MB/s that the storage has to give:",
            "",
            *table(("", "cores", "tasks", "scheduler, s", "client, s", "hours", "slowest", "cost",
                    "MB/s read"), rows),
        ]
    ) + "\n"  # fmt: skip


if __name__ == "__main__":
    main()
