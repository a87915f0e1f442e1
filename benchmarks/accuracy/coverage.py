"""Which networks can be adapted? `python -m benchmarks.accuracy.coverage` tries one of each kind.

The networks are named by rules, before any is tried: one of every family of timm, torchvision,
transformers and keras.applications, and every decoder of segmentation_models_pytorch. What fails is
in the results like everything else. Weights are random, with realistic statistics.
"""

import json
import os
import pickle
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from queue import SimpleQueue
from subprocess import PIPE

import click
from rich.progress import Progress

from graytorgb.cli.files import FileCommand, OutputFolder
from graytorgb.measure.machine import describe_machine

from ..apart import call_apart
from ..tables import write
from .coverage_networks import worker
from .coverage_networks.cases import LIBRARIES, Case, Library, list_cases
from .coverage_networks.report import make_markdown
from .coverage_networks.results import Result
from .coverage_networks.worker import Bounds

RESULTS = Path(__file__).parents[1] / "results"
_LIST = f"{list_cases.__module__}:{list_cases.__name__}"
_SHARE = 25  # networks that one worker tries; each worker imports the library once
# One thread for each trial, because the trials share the processors; no output of TensorFlow; no
# GPU; and nothing is downloaded, because the weights are random.
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "",
    "JAX_PLATFORMS": "cpu",
    "HF_HUB_OFFLINE": "1",
}


@click.command(cls=FileCommand)
@click.option(
    "--only",
    metavar="REGEX",
    help="Only networks in whose LIBRARY:FAMILY:NETWORK this expression is found.",
)
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="At a time.")
@click.option(
    "--seconds",
    type=click.FloatRange(1),
    default=180,
    show_default=True,
    help="Processor time that a network may take.",
)
@click.option(
    "--memory",
    type=click.FloatRange(0.1),
    default=9,
    show_default=True,
    help="Memory in GiB that a network may take.",
)
@click.option(
    "--resume", is_flag=True, help="Keep the results of a run that was interrupted, and go on."
)
@click.option("--name", default="coverage", show_default=True, help="Name of the result files.")
@click.option("--output", type=OutputFolder(), default=RESULTS, show_default="benchmarks/results")
def main(
    only: str | None,
    jobs: int,
    seconds: float,
    memory: float,
    resume: bool,
    name: str,
    output: Path,
) -> None:
    """Adapt every network of the list, and write NAME.json and NAME.md."""
    if only and output == RESULTS and name == "coverage":
        raise click.UsageError(
            "with --only, the results are of a part: give them a --name or an --output of their own"
        )
    listed = call_apart(_LIST)
    cases = [case for case in listed if re.search(only or "", str(case))]
    if not cases:
        raise click.UsageError(f"--only {only!r} is found in no LIBRARY:FAMILY:NETWORK")
    versions = find_versions({LIBRARIES[case.library] for case in cases})
    output.mkdir(parents=True, exist_ok=True)
    progress = output / f"{name}.progress.jsonl"
    results = _read_progress(progress, versions) if resume else {}
    if not results:
        progress.write_text(json.dumps(versions) + "\n", encoding="utf-8")
    bounds = Bounds(seconds, int(memory * 2**30))
    missing = [case for case in cases if case not in results]
    for result in run(missing, bounds, jobs):
        results[result.case] = result
        with progress.open("a", encoding="utf-8") as file:
            file.write(json.dumps(result._asdict()) + "\n")
    document = {
        "versions": versions,
        "only": only,
        "listed": len(listed),
        "seconds": seconds,
        "memory_gib": memory,
        "machine": describe_machine(),
        "networks": [results[case]._asdict() for case in cases],
    }
    write(output, name, document, make_markdown(document))
    progress.unlink()


def find_versions(libraries: Iterable[Library]) -> dict[str, str]:
    """Return the versions of this package and of the libraries' packages."""
    packages = {package for library in libraries for package in library.packages}
    return {package: version(package) for package in ("graytorgb", *sorted(packages))}


def _read_progress(path: Path, versions: dict[str, str]) -> dict[Case, Result]:
    """Return the results that an interrupted run left.

    Raises
    ------
    click.UsageError
        If there are none, or other versions gave them.
    """
    if not path.exists():
        raise click.UsageError(f"there is no {path}: leave --resume out")
    head, *lines = path.read_text(encoding="utf-8").splitlines()
    if json.loads(head) != versions:
        raise click.UsageError(f"{path} is of other versions, {head}: leave --resume out")
    results = (Result(**json.loads(line)) for line in lines)
    return {result.case: result for result in results}


def run(cases: Iterable[Case], bounds: Bounds, jobs: int) -> Iterator[Result]:
    """Yield the result of each network, in the order in which they end."""
    shares = list(_list_shares(cases))
    count = sum(len(share) for _, share in shares)
    results: SimpleQueue[Result] = SimpleQueue()
    with ThreadPoolExecutor(jobs) as pool, Progress(transient=True) as bar:
        task = bar.add_task("networks", total=count)
        for library, share in shares:
            pool.submit(_run_share, library, share, bounds, results.put)
        for _ in range(count):
            yield results.get()
            bar.advance(task)


def _run_share(
    library: Library, cases: list[Case], bounds: Bounds, put: Callable[[Result], None]
) -> None:
    """Try networks in a worker, and `put` the result of each."""
    environment = {**os.environ, **_ENVIRONMENT}
    if library.backend:
        environment["KERAS_BACKEND"] = library.backend
    missing = list(cases)
    with tempfile.TemporaryFile() as errors:
        command = [sys.executable, "-m", worker.__name__]
        with subprocess.Popen(
            command, stdin=PIPE, stdout=PIPE, stderr=errors, env=environment
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(pickle.dumps((library, cases, bounds)))
            process.stdin.close()
            for line in process.stdout:
                result = Result(**json.loads(line))
                missing.remove(result.case)
                put(result)
        errors.seek(0)
        last = errors.read().decode(errors="replace").strip().rpartition("\n")[2]
    for case in missing:
        put(Result.of_case(case, "crashed", f"the worker ended: {last or process.returncode}"))


def _list_shares(cases: Iterable[Case]) -> Iterator[tuple[Library, list[Case]]]:
    """Yield what each worker has to try: networks of one library."""
    by_library = defaultdict(list)
    for case in cases:
        by_library[case.library].append(case)
    for name, members in by_library.items():
        for start in range(0, len(members), _SHARE):
            yield LIBRARIES[name], members[start : start + _SHARE]


if __name__ == "__main__":
    main()
