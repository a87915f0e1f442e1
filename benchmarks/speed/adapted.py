"""What one input channel costs and saves: `python -m benchmarks.speed.adapted`.

The stem and the whole network, before and after, in the same rounds; losses are in the same table.
The weights are random: they don't change what a network costs.
"""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import click
import torch
from rich.progress import track
from torch import Tensor, nn
from torchvision import models

import graytorgb as g2r
from graytorgb.cli.files import FileCommand, OutputFolder
from graytorgb.measure.machine import describe_machine, summarize_machine
from graytorgb.measure.peak import measure_peak
from graytorgb.measure.timing import Rounds, Timing
from graytorgb.models import adapt

from ..tables import table, write

RESULTS = Path(__file__).parents[1] / "results"
# Each network and its stem.
NETWORKS = {
    "resnet50": "conv1",
    "mobilenet_v2": "features.0.0",
    "vit_b_16": "conv_proj",
    "convnext_tiny": "features.0.0",
}
READY, BEFORE, AFTER = "3 channels, normalized already", "3 channels, from gray", "1 channel"
SIDE = 224


class Pair(NamedTuple):
    """A network of 3 channels, or its stem, and what it is with 1."""

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
@click.option("--batch", default=8, show_default=True, help="Images of 224x224.")
@click.option("--seconds", default=6.0, show_default=True, help="Timing of each stem and network.")
@click.option("--threads", default=2, show_default=True)
@click.option("--output", type=OutputFolder(), default=RESULTS, show_default="benchmarks/results")
def main(names: tuple[str, ...], batch: int, seconds: float, threads: int, output: Path) -> None:
    """Measure every network and write adapted.json and adapted.md."""
    torch.set_num_threads(threads)
    rows = [
        row
        for name in track(names, "networks", transient=True)
        for row in measure(name, batch, seconds)
    ]
    document = {"machine": describe_machine(), "threads": threads, "batch": batch, "rows": rows}
    write(output, "adapted", document, markdown(document))


def pairs(name: str) -> dict[str, Pair]:
    """The stem and the whole network."""
    torch.manual_seed(0)
    network = models.get_model(name, weights=None).eval()
    whole = Pair(network, adapt(network, "imagenet", example=SIDE))
    stem = Pair(*(model.get_submodule(NETWORKS[name]) for model in whole))
    return {"stem": stem, "whole": whole}


def ways(pair: Pair, gray: Tensor) -> dict[str, Callable[[], Tensor]]:
    """Each way as a call without arguments, all with the same output."""
    mean, std = (torch.tensor(v)[:, None, None].to(gray) for v in g2r.stats("imagenet"))
    planes = (gray - mean) / std
    return {
        READY: _inference(lambda: pair.before(planes)),
        BEFORE: _inference(lambda: pair.before((gray - mean) / std)),
        AFTER: _inference(lambda: pair.after(gray)),
    }


def measure(name: str, batch: int, seconds: float) -> list[dict[str, Any]]:
    """A row for each part of a network and each way."""
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
        rounds = Rounds(calls)
        rounds.run(seconds)
        timings = rounds.timings()
        for way, timing in timings.items():
            rows.append(
                {
                    "network": name,
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
    """The call without gradients, and waited for."""

    def run() -> Tensor:
        with torch.inference_mode():
            result = call()
        if result.is_cuda:
            torch.cuda.synchronize()
        return result

    return run


def _peaks(name: str, batch: int, device: str) -> dict[str, dict[str, int]]:
    """Bytes needed over the weights and what is given, in a process of its own."""
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
            call()  # the library is loaded, and its pools are there
        found[part] = {way: peak(call) for way, call in ways(pair, gray).items()}
    return found


def _peak_of_cuda(call: Callable[[], Tensor]) -> int:
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    return int(torch.cuda.max_memory_allocated() - before)


def _transfer(batch: int, way: str, seconds: float) -> dict[str, Any]:
    """Bytes that go to the device, and the time of it from pinned memory."""
    channels = 3 if way == READY else 1
    host = torch.rand(batch, channels, SIDE, SIDE).pin_memory()
    rounds = Rounds({way: _inference(lambda: host.to("cuda", non_blocking=True))})
    rounds.run(seconds)
    return {"to_device_bytes": host.nbytes, **_figures(rounds.timings()[way], "to_device_")}


def markdown(document: dict[str, Any]) -> str:
    """A table of times and a table of memory."""
    lines = [
        f"{document['batch']} images of {SIDE}x{SIDE} in float32, random weights, medians",
        f"and quartiles of rounds in random order, warm, {document['threads']} threads. In",
        "brackets the time over that of 3 channels from gray, which normalizes and repeats in each",
        "call: above 1 one channel is slower.",
        "",
        f"{summarize_machine(document['machine'])}.",
        "",
        *table(("milliseconds", READY, BEFORE, AFTER), _lines(document["rows"], _time), 1),
        "",
        "Memory at the peak over the weights and the input, in a process of its own:",
        "",
        *table(("MB", READY, BEFORE, AFTER), _lines(document["rows"], _memory), 1),
    ]
    if any("to_device_bytes" in row for row in document["rows"]):
        lines += ["", "Sent to the device:", ""]
        sent = [row for row in document["rows"] if row["part"] == "whole"]
        lines += table(("MB, ms", READY, BEFORE, AFTER), _lines(sent, _sent), 1)
    else:
        lines += ["", "What goes to a GPU wasn't measured: there was none."]
    slower = [
        f"- {row['network']}, {row['part']}: {row['over_before']:.2f}"
        for row in document["rows"]
        if row["way"] == AFTER and row["over_before"] > 1.07
    ]
    lines += ["", "**Where one channel is slower** (by more than the noise, 7 %):", ""]
    return "\n".join([*lines, *(slower or ["- nowhere"])]) + "\n"


def _lines(rows: list[dict[str, Any]], cell: Callable[[dict[str, Any]], str]) -> list[list[str]]:
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(f"{row['network']}, {row['part']}", []).append(cell(row))
    return [[name, *cells] for name, cells in found.items()]


def _time(row: dict[str, Any]) -> str:
    low, median, high = (1e3 * row[name] for name in ("low_s", "seconds", "high_s"))
    return f"{median:.3g} [{low:.3g}, {high:.3g}] ({row['over_before']:.2f})"


def _memory(row: dict[str, Any]) -> str:
    return f"{row['peak_bytes'] / 1e6:.1f}"


def _sent(row: dict[str, Any]) -> str:
    return f"{row['to_device_bytes'] / 1e6:.2f}, {1e3 * row['to_device_seconds']:.2g}"


if __name__ == "__main__":
    main()
