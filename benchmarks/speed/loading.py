"""Time the ways from image files to normalized batches: `python -m benchmarks.speed.loading`.

Each way has a process of its own, which is started once. It gets one job at a time: a kind of files
and a number of workers, in random order. Before a way is timed in a cell, its batches are compared
with what Pillow makes of the files.
"""

import os
import random
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from rich.progress import track

from graytorgb.cli.files import FileCommand, OutputFolder
from graytorgb.measure.machine import describe_machine

from ..busy import keep_busy
from ..photo_files import KINDS, SEED, Kind, write_set
from ..tables import write
from .loading_report import BUSY, NOISY, PHOTOS, markdown
from .loading_ways.__main__ import Request
from .loading_ways.process import WayProcess
from .loading_ways.reference import BOUND, make_reference
from .loading_ways.table import Way, choose_ways

RESULTS = Path(__file__).parents[1] / "results"
CLASSES = ("first", "second")
_CHECKED = 2  # batches that are compared with the reference before a way is timed
_SHORT = 4  # the sets beside the main one have 1/4 of the files

Record = dict[str, Any]


class Cell(NamedTuple):
    """One measurement: a way, on files of a kind, with some workers."""

    way: Way
    kind: Kind
    workers: int


class Plan(NamedTuple):
    """How much is measured: files of each kind, rounds, images in a batch, numbers of workers."""

    files: int
    rounds: int
    batch: int
    workers: tuple[int, ...]


class FileSet(NamedTuple):
    """Files to measure on.

    Attributes
    ----------
    name : str
    folder : Path
        For each kind of files, a folder for each round, and "check".
    kinds : tuple of Kind
    workers : tuple of int
    parts : int
        How many different parts there are; if there are more rounds, they come again.
    """

    name: str
    folder: Path
    kinds: tuple[Kind, ...]
    workers: tuple[int, ...]
    parts: int

    def find_root(self, kind: Kind, part: int | str) -> Path:
        """Return the folder of a part of the files."""
        return self.folder / kind.folder / str(part)

    def find_reference(self, kind: Kind, *, stored_luma: bool = False) -> Path:
        """Return the file of the reference's levels; of a color JPEG also by its stored luma."""
        luma = "-luma" if stored_luma and kind.is_color else ""
        return self.folder / f"{kind.folder}{luma}.npy"

    def compare_luma(self) -> Record:
        """Return how far the stored luma of color files is from that of their RGB values."""
        color = [kind for kind in self.kinds if kind.is_color]
        if not color:
            return {"largest": 0.0, "within_3": 1.0}
        stored = [np.load(self.find_reference(kind, stored_luma=True)) for kind in color]
        made = [np.load(self.find_reference(kind)) for kind in color]
        levels = np.abs(np.concatenate(stored) - np.concatenate(made))
        return {"largest": float(levels.max()), "within_3": float((levels <= 3).mean())}


@click.command(cls=FileCommand)
@click.option("--files", default=2000, show_default=True, help="Files of each kind.")
@click.option("--rounds", default=5, show_default=True, help="Each round has a part of the files.")
@click.option("--batch", default=40, show_default=True, help="Images in a batch.")
@click.option("--workers", default="0,1,2", show_default=True, help="Numbers of workers; 0 first.")
@click.option("--only", default="", help="Only ways that match this; ours and ImageFolder stay.")
@click.option("--short/--no-short", default=True, help="Noisy files and busy cores, in short.")
@click.option("--set", "folder", type=OutputFolder(), help="Keep the files here, for other runs.")
@click.option("--output", type=OutputFolder(), default=RESULTS, show_default="benchmarks/results")
def main(
    files: int, rounds: int, batch: int, workers: str, only: str, short: bool,
    folder: Path | None, output: Path,
) -> None:  # fmt: skip
    """Measure every way and write loading.json and loading.md."""
    if files < batch:
        raise click.UsageError(f"--files is at least a batch: --files {batch} or --batch {files}")
    load = os.getloadavg()[0]
    document: Record = {
        "machine": describe_machine(), "load_before": load, "files": files, "rounds": rounds,
        "batch": batch, "bytes": {}, "rows": [], "checks": [], "memory": [], "failures": [],
    }  # fmt: skip
    ways = choose_ways(only)
    document["ways"] = [way.name for way in ways]
    document["not_installed"] = [way.name for way in ways if not way.is_installed]
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)  # links have to be on the same disk as files
    with tempfile.TemporaryDirectory(dir=folder) as temporary, ExitStack() as stack:
        counts = tuple(int(count) for count in workers.split(","))
        plan = Plan(files, rounds, batch, counts)
        sets = write_files(folder or Path(temporary), Path(temporary), plan, is_short=short)
        document["luma"] = sets[0].compare_luma()
        processes = start_processes(stack, ways)
        for each in sets:
            document["bytes"][each.name] = {k.name: find_mean_bytes(each, k) for k in each.kinds}
            with keep_busy() if each.name == BUSY else nullcontext():
                measure_set(each, processes, rounds, batch, document)
    write(output, "loading", document, markdown(document))


def write_files(kept: Path, work: Path, plan: Plan, *, is_short: bool) -> list[FileSet]:
    """Write the files, and link them into a folder for each class of each part.

    Parameters
    ----------
    kept, work : Path
        Where files and links are written.
    plan : Plan
    is_short : bool
        Whether there are also the short sets: noisy files, and busy cores.
    """
    write_set(kept / "smooth", plan.files * len(KINDS), KINDS, is_noisy=False)
    sets = [link_parts(PHOTOS, kept / "smooth", work, KINDS, plan)]
    if is_short:
        some = max(plan.batch, plan.files // _SHORT)
        shallow = tuple(kind for kind in KINDS if not kind.is_deep)
        write_set(kept / "noisy", some * len(shallow), shallow)
        fewer = plan._replace(files=some)
        for name, source, workers in ((NOISY, "noisy", (0,)), (BUSY, "smooth", (2,))):
            one = fewer._replace(workers=workers)
            sets.append(link_parts(name, kept / source, work, shallow, one))
    return sets


def link_parts(name: str, source: Path, work: Path, kinds: tuple[Kind, ...], plan: Plan) -> FileSet:
    """Link files into parts of whole batches, and make the reference of those that are checked."""
    batch = plan.batch
    parts = max(1, min(plan.rounds, plan.files // batch))
    made = FileSet(name, work / name.replace(" ", "-"), kinds, plan.workers, parts)
    each = plan.files // parts // batch * batch
    for kind in kinds:
        paths = sorted((source / kind.folder).iterdir())
        for part in range(parts):
            _link(paths[part * each : (part + 1) * each], made.find_root(kind, part))
        checked = paths[: min(each, _CHECKED * batch)]
        _link(checked, made.find_root(kind, "check"))
        for stored_luma in {False, kind.is_color}:
            levels = make_reference(checked, 2**kind.bits - 1, stored_luma=stored_luma)
            np.save(made.find_reference(kind, stored_luma=stored_luma), levels)
    return made


def _link(paths: Sequence[Path], root: Path) -> None:
    half = (len(paths) + 1) // 2
    for name, some in zip(CLASSES, (paths[:half], paths[half:]), strict=True):
        (root / name).mkdir(parents=True)
        for path in some:
            os.link(path, root / name / path.name)


def find_mean_bytes(files: FileSet, kind: Kind) -> float:
    """Return the mean bytes of a file."""
    sizes = [path.stat().st_size for path in files.find_root(kind, 0).glob("*/*")]
    return sum(sizes) / len(sizes)


def start_processes(stack: ExitStack, ways: Sequence[Way]) -> dict[Way, WayProcess]:
    """Start the process of each way that is installed."""
    started = {way: stack.enter_context(WayProcess(way)) for way in ways if way.is_installed}
    for process in track(started.values(), "imports", auto_refresh=False):
        process.wait_until_ready()
    return started


def measure_set(
    files: FileSet, processes: dict[Way, WayProcess], rounds: int, batch: int, document: Record
) -> None:
    """Check and time every cell in each round, in random order."""
    cells = [
        Cell(way, kind, workers)
        for way in processes for kind in files.kinds if kind.folder in way.kinds
        for workers in files.workers
    ]  # fmt: skip
    failed: set[Cell] = set()
    rng = random.Random(SEED)
    for turn in range(rounds):
        rng.shuffle(cells)
        left = [cell for cell in cells if cell not in failed]
        for cell in track(left, f"{files.name} {turn + 1}/{rounds}", auto_refresh=False):
            error = measure_cell(files, cell, processes[cell.way], turn, batch, document)
            if error:
                failed.add(cell)
                document["failures"].append({**_label(files, cell), "error": error})


def _label(files: FileSet, cell: Cell) -> Record:
    return {"set": files.name, "kind": cell.kind.name, "way": cell.way.name,
            "workers": cell.workers}  # fmt: skip


def measure_cell(
    files: FileSet, cell: Cell, process: WayProcess, turn: int, batch: int, document: Record
) -> str:
    """Check a cell, look at its memory in the first round, and time it; return an error.

    Raises
    ------
    click.ClickException
        If it is this package that fails, or whose pixels are wrong.
    """
    label = _label(files, cell)
    root = files.find_root(cell.kind, turn % files.parts)
    job = Request(str(root), cell.kind.name, cell.workers, batch)
    reference = files.find_reference(cell.kind, stored_luma=cell.way.is_ours)
    found = process.ask(job.with_reference(files.find_root(cell.kind, "check"), reference))
    if cell.way.is_ours:
        refuse_wrong(label, found, BOUND)
    if "error" in found:
        return str(found["error"])
    if turn == 0:
        document["checks"].append({**label, **found})
        found, peak = process.ask_memory(job)
        document["memory"].append({**label, **peak._asdict()})
    used = found if "error" in found else process.ask(job)
    if "error" in used:
        return str(used["error"])
    document["rows"].append({**label, "round": turn, **used})
    return ""


def refuse_wrong(label: Record, found: Record, bound: float) -> None:
    """Raise ClickException if a way of this package failed, or its pixels are off by too much."""
    where = f"{label['way']}, {label['kind']}, {label['workers']} workers"
    if "error" in found:
        raise click.ClickException(f"{where}: {found['error']}")
    if not found["largest"] <= bound:
        raise click.ClickException(
            f"{where}: pixels are off by {found['largest']:.2f} levels, and {bound} are allowed"
        )


if __name__ == "__main__":
    main()
