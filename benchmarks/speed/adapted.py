"""Time networks with three and with one input channel: `python -m benchmarks.speed.adapted`.

The stem (the first convolution) and the whole network are timed before and after, in the same
rounds. The table shows where one channel is slower, too. The weights are random, because they don't
change the time.
"""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, NamedTuple

import click
import timm
import torch
from rich.progress import track
from torch import Tensor, nn

import graytorgb as g2r
from graytorgb.cli.files import FileCommand, OutputFolder
from graytorgb.measure.machine import describe_machine, summarize_machine
from graytorgb.measure.peak import measure_peak
from graytorgb.measure.timing import Rounds, Timing
from graytorgb.models import adapt

from ..tables import table, write

RESULTS = Path(__file__).parents[1] / "results"
# Each of timm's networks and the name of its stem.
NETWORKS = {
    "resnet18": "conv1",
    "resnet50": "conv1",
    "convnext_tiny": "stem.0",
    "vit_small_patch16_224": "patch_embed.proj",
    "mobilenetv3_large_100": "conv_stem",
}
READY, BEFORE, AFTER = "3 channels, normalized already", "3 channels, from gray", "1 channel"
SIDE = 224


class Pair(NamedTuple):
    """A network with 3 channels, or its stem, and the same with 1 channel."""

    before: nn.Module
    after: nn.Module


@click.command(cls=FileCommand)
@click.option(
    "--network",
    "names",
    multiple=True,
    type=click.Choice(list(NETWORKS)),
    default=list(NETWORKS),
    show_default=True,
)
@click.option(
    "--batch",
    "batches",
    multiple=True,
    type=click.IntRange(1),
    default=(1, 8),
    show_default=True,
    help="Images of 224x224 in a batch.",
)
@click.option("--seconds", default=6.0, show_default=True, help="Timing of each stem and network.")
@click.option("--threads", default=2, show_default=True)
@click.option(
    "--cpu-time", is_flag=True, help="Measure the CPU time, on a machine that is busy otherwise."
)
@click.option("--output", type=OutputFolder(), default=RESULTS, show_default="benchmarks/results")
def main(
    names: tuple[str, ...],
    batches: tuple[int, ...],
    seconds: float,
    threads: int,
    cpu_time: bool,
    output: Path,
) -> None:
    """Measure every network and write adapted.json and adapted.md."""
    torch.set_num_threads(threads)
    rows = [
        row
        for name in track(names, "networks", transient=True)
        for batch in batches
        for row in measure(name, batch, seconds, process_time if cpu_time else perf_counter)
    ]
    document = {
        "machine": describe_machine(),
        "threads": threads,
        "clock": "CPU time" if cpu_time else "wall time",
        "rows": rows,
    }
    write(output, "adapted", document, markdown(document))


def pairs(name: str) -> dict[str, Pair]:
    """Return the stem and the whole network, before and after."""
    torch.manual_seed(0)
    network = timm.create_model(name).eval()
    # as a network of its own, so that it makes the planes too that the stem sees
    stem = nn.Sequential(network.get_submodule(NETWORKS[name])).eval()
    parts = {"stem": stem, "whole": network}
    return {n: Pair(part, adapt(part, "imagenet", example=SIDE)) for n, part in parts.items()}


def ways(pair: Pair, gray: Tensor) -> dict[str, Callable[[], Tensor]]:
    """Return each way as a call without arguments; all calls give the same output."""
    mean, std = (torch.tensor(v)[:, None, None].to(gray) for v in g2r.stats("imagenet"))
    planes = (gray - mean) / std
    return {
        READY: _inference(lambda: pair.before(planes)),
        BEFORE: _inference(lambda: pair.before((gray - mean) / std)),
        AFTER: _inference(lambda: pair.after(gray)),
    }


def measure(
    name: str, batch: int, seconds: float, clock: Callable[[], float] = perf_counter
) -> list[dict[str, Any]]:
    """Return a row for each part of a network and each way."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    gray = torch.rand(batch, 1, SIDE, SIDE).to(device)
    peaks = _peaks(name, batch, device)
    rows = []
    for part, pair in pairs(name).items():
        calls = ways(Pair(*(module.to(device) for module in pair)), gray)
        expected = calls[BEFORE]()
        error = float((calls[AFTER]() - expected).abs().max() / expected.abs().max())
        if error > 1e-4:
            raise AssertionError(f"{name}, {part}: off by {error:.2g} of the largest value")
        del expected
        rounds = Rounds(calls, clock)
        rounds.run(seconds)
        timings = rounds.timings()
        for way, timing in timings.items():
            rows.append(
                {
                    "network": name,
                    "batch": batch,
                    "part": part,
                    "way": way,
                    "device": device,
                    **_figures(timing),
                    "over_before": timing.median / timings[BEFORE].median,
                    "difference": error if way == AFTER else None,
                    "peak_bytes": peaks[part][way],
                    **(_transfer(batch, way, seconds / 6) if device == "cuda" else {}),
                }
            )
    return rows


def _figures(timing: Timing, prefix: str = "") -> dict[str, Any]:
    names = ("seconds", "low_s", "high_s", "rounds")
    return {f"{prefix}{name}": value for name, value in zip(names, timing, strict=True)}


def _inference(call: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """Return a function that makes the call without gradients and waits for its end."""

    def run() -> Tensor:
        with torch.inference_mode():
            result = call()
        if result.is_cuda:
            torch.cuda.synchronize()
        return result

    return run


def _peaks(name: str, batch: int, device: str) -> dict[str, dict[str, int]]:
    """Return the peak of bytes beside weights and input, measured in a process of its own."""
    # spawn, because a forked process inherits its parent's high-water mark
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_peaks_here, name, batch, device, torch.get_num_threads()).result()


def _peaks_here(name: str, batch: int, device: str, threads: int) -> dict[str, dict[str, int]]:
    torch.set_num_threads(threads)
    gray = torch.rand(batch, 1, SIDE, SIDE).to(device)
    peak = _peak_of_cuda if device == "cuda" else measure_peak
    found = {}
    for part, pair in pairs(name).items():
        pair = Pair(*(module.to(device) for module in pair))
        for call in ways(pair, gray[:1]).values():
            call()  # loads the library and makes its pools
        found[part] = {way: peak(call) for way, call in ways(pair, gray).items()}
    return found


def _peak_of_cuda(call: Callable[[], Tensor]) -> int:
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    return int(torch.cuda.max_memory_allocated() - before)


def _transfer(batch: int, way: str, seconds: float) -> dict[str, Any]:
    """Return the bytes that are sent to the device, and the time from pinned memory."""
    channels = 3 if way == READY else 1
    host = torch.rand(batch, channels, SIDE, SIDE).pin_memory()
    rounds = Rounds({way: _inference(lambda: host.to("cuda", non_blocking=True))})
    rounds.run(seconds)
    return {"to_device_bytes": host.nbytes, **_figures(rounds.timings()[way], "to_device_")}


def markdown(document: dict[str, Any]) -> str:
    """Return the results in Markdown: a table of times and a table of memory."""
    count = document["threads"]
    threads = "1 thread" if count == 1 else f"{count} threads"
    lines = [
        f"The images are {SIDE}x{SIDE} in float32; the networks are timm's, and their weights are",
        "random. The times are medians, with quartiles in square brackets, of rounds in random",
        f"order after a warm-up, in {document['clock']} with {threads}. The",
        'number in round brackets is the time divided by that of "3 channels, from gray", which',
        "normalizes and repeats the gray in each call.",
        "",
        f"{summarize_machine(document['machine'])}.",
        "",
        *table(("milliseconds", READY, BEFORE, AFTER), _lines(document["rows"], _time), 1),
        "",
        "Peak memory beside the weights and the input, measured in a process of its own:",
        "",
        *table(("MB", READY, BEFORE, AFTER), _lines(document["rows"], _memory), 1),
    ]
    if any("to_device_bytes" in row for row in document["rows"]):
        lines += ["", "Sent to the device:", ""]
        sent = [row for row in document["rows"] if row["part"] == "whole"]
        lines += table(("MB, ms", READY, BEFORE, AFTER), _lines(sent, _sent), 1)
    else:
        lines += ["", "The transfer to a GPU wasn't measured, because this machine has none."]
    slower = [
        f"- {_name(row)}: {row['over_before']:.2f}"
        for row in document["rows"]
        if row["way"] == AFTER and row["over_before"] > 1.07
    ]
    lines += ["", "**Where one channel is slower** (by more than 7 %, the noise):", ""]
    return "\n".join([*lines, *(slower or ["- nowhere"])]) + "\n"


def _lines(rows: list[dict[str, Any]], cell: Callable[[dict[str, Any]], str]) -> list[list[str]]:
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(_name(row), []).append(cell(row))
    return [[name, *cells] for name, cells in found.items()]


def _name(row: dict[str, Any]) -> str:
    return f"{row['network']}, {row['part']}, batch of {row['batch']}"


def _time(row: dict[str, Any]) -> str:
    low, median, high = (1e3 * row[name] for name in ("low_s", "seconds", "high_s"))
    return f"{median:.3g} [{low:.3g}, {high:.3g}] ({row['over_before']:.2f})"


def _memory(row: dict[str, Any]) -> str:
    return f"{row['peak_bytes'] / 1e6:.1f}"


def _sent(row: dict[str, Any]) -> str:
    return f"{row['to_device_bytes'] / 1e6:.2f}, {1e3 * row['to_device_seconds']:.2g}"


if __name__ == "__main__":
    main()
