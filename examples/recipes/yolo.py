"""YOLO of ultralytics with one gray channel: `python -m examples.recipes.yolo`.

ultralytics is under the AGPL-3.0 and isn't a requirement of graytorgb or of its tests. Install it
first: `pip install ultralytics 'graytorgb[onnx]'`. With `--model yolo11n.pt` the network has its
real weights. A name with .yaml builds the network with random weights and BatchNorm statistics of
real photos.

The steps:

1. what ultralytics itself makes of the weights if its network has one channel
2. adapt the network inside YOLO, and prove that its outputs stay the same
3. predict from gray files, beside the original
4. save the network, load it, export it to ONNX, and train it on gray files
"""

import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any

import click
import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import nn
from ultralytics import RTDETR, YOLO, __version__
from ultralytics.nn.tasks import BaseModel
from ultralytics.utils import LOGGER

from graytorgb.models import adapt, verify

from .photos import measure_statistics, read_photos, write_photos

STATS = "0..1"  # ultralytics divides bytes by 255, and subtracts no mean


@click.command()
@click.option("--model", default="yolo11n.yaml", show_default=True, help="A .pt or .yaml name.")
@click.option("--size", default=160, show_default=True, help="Height and width of the photos.")
def main(model: str, size: int) -> None:
    """Adapt a YOLO to one channel, and use it as ultralytics' users do."""
    console = Console(soft_wrap=True)
    torch.manual_seed(0)
    LOGGER.setLevel("ERROR")
    console.print(f"ultralytics {__version__}, {model}")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        paths = write_photos(folder / "images", size)
        photos = read_photos(paths)
        original = load(model, photos)
        compare_own_way(original.model, photos, console)

        gray = type(original)(model)
        gray.model = adapt(original.model, STATS)
        prove(original.model, gray.model, photos, console)
        predict(original, gray, paths, size, console)
        save_and_use(gray, folder, paths, size, console)


def load(name: str, photos: NDArray[np.float32]) -> Any:
    """Return a YOLO in eval mode, with statistics of the photos if its weights are random."""
    yolo = (RTDETR if "detr" in name else YOLO)(name)
    if name.endswith(".yaml"):
        color = torch.from_numpy(photos)[:, None].repeat(1, 3, 1, 1)
        measure_statistics(yolo.model, lambda: yolo.model(color))
    yolo.model.eval()
    return yolo


def compare_own_way(model: BaseModel, photos: NDArray[np.float32], console: Console) -> None:
    """Print what ultralytics puts into the first convolution of a network with one channel.

    This is what `train` does for a data set with `channels: 1`.
    """
    own = type(model)(deepcopy(model.yaml), ch=1, nc=model.yaml["nc"], verbose=False)
    own.load(model, verbose=False)
    own.eval()
    color, gray = find_stem(model).weight, find_stem(own).weight
    if torch.equal(gray, color[:, :1]):
        way = "copies the red filter"
    elif torch.allclose(gray, color.sum(1, keepdim=True), atol=1e-6):
        way = "sums the three filters"
    else:
        way = "leaves random weights"
    batch = torch.from_numpy(photos)[:, None]
    with torch.no_grad():
        before, after = model(batch.repeat(1, 3, 1, 1))[0], own(batch)[0]
    difference = float((before - after).abs().max())
    console.print(f"ultralytics itself {way}: ", end="")
    console.print(f"outputs differ by {difference:.2g}, of values up to {before.max():.3g}")


def find_stem(model: nn.Module) -> nn.Conv2d:
    """Return the first convolution of a network."""
    return next(module for module in model.modules() if isinstance(module, nn.Conv2d))


def prove(
    original: nn.Module, gray: nn.Module, photos: NDArray[np.float32], console: Console
) -> None:
    """Prove in float64, where rounding can't decide between two boxes, and print float32 too."""
    double = deepcopy(original).double()
    proof = verify(double, adapt(double, STATS), photos, seconds=0)
    console.print(f"float64: {proof}")
    assert proof.passed
    # boxes are in pixels, and random weights amplify rounding more than trained ones
    console.print(f"float32: {verify(original, gray, photos, tolerance=0.1, seconds=0)}")


def predict(original: Any, gray: Any, paths: list[Path], size: int, console: Console) -> None:
    """Predict from the same gray files with both networks, and print how far the boxes differ."""
    found = [find_boxes(deepcopy(yolo), paths, size) for yolo in (original, gray)]
    console.print(f"predict: {describe(*found)}")


def find_boxes(yolo: Any, paths: list[Path], size: int) -> torch.Tensor:
    """Return the boxes that a network predicts for files, (boxes, 6): corners, score, class."""
    options = {"imgsz": size, "conf": 0.001, "max_det": 20, "verbose": False}
    results = [result for path in paths for result in yolo.predict(str(path), **options)]
    return torch.cat([result.boxes.data for result in results])


def describe(before: torch.Tensor, after: torch.Tensor) -> str:
    """Say how far the boxes of two networks differ."""
    assert before.shape == after.shape
    difference = float((before - after).abs().max())
    return f"{len(before)} boxes, which differ by {difference:.2g} at most"


def save_and_use(gray: Any, folder: Path, paths: list[Path], size: int, console: Console) -> None:
    """Save the adapted network and load it; export what was loaded, and train it."""
    gray.save(folder / "gray.pt")  # in float16, as ultralytics saves every network
    loaded = type(gray)(folder / "gray.pt")
    assert torch.allclose(find_stem(loaded.model).weight, find_stem(gray.model).weight, atol=1e-3)
    boxes = find_boxes(deepcopy(loaded), paths, size)
    path = deepcopy(loaded).export(format="onnx", imgsz=size, simplify=False)
    [given] = onnx.load(path).graph.input
    shape = [axis.dim_value for axis in given.type.tensor_type.shape.dim]
    onnx_network = RTDETR(path) if isinstance(gray, RTDETR) else YOLO(path, task="detect")
    exported = find_boxes(onnx_network, paths, size)
    console.print(f"ONNX: takes {shape}; {describe(boxes, exported)}")
    train(loaded, folder, paths, size, console)


def train(yolo: Any, folder: Path, paths: list[Path], size: int, console: Console) -> None:
    """Train a network for an epoch on gray files, and check with which weights it begins."""
    (folder / "labels").mkdir()
    for path in paths:  # one box in the middle of each photo
        (folder / "labels" / f"{path.stem}.txt").write_text("0 0.5 0.5 0.4 0.4\n")
    data = folder / "gray.yaml"
    data.write_text(
        f"path: {folder}\ntrain: images\nval: images\nchannels: 1\nnames: {{0: thing}}\n"
    )
    before = find_stem(yolo.model).weight.detach().clone()
    given: list[torch.Tensor] = []
    yolo.add_callback(
        "on_train_start",
        lambda trainer: given.append(find_stem(trainer.model).weight.detach().clone()),
    )
    yolo.train(
        data=str(data), epochs=1, imgsz=size, batch=len(paths), workers=0, device="cpu",
        amp=False, plots=False, verbose=False, project=str(folder / "runs"),
    )  # fmt: skip
    assert torch.allclose(given[0], before)
    shape = tuple(find_stem(yolo.model).weight.shape)
    console.print(f"train: began with the adapted weights; the trained stem is {shape}")


if __name__ == "__main__":
    main()
