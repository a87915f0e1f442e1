"""From a folder of 16-bit PNG files to a one-channel ONNX model: `python -m examples.train FOLDER`.

Each folder in FOLDER is a class. Without FOLDER, a small set is made of three photographed textures
with the noise of a camera of 12 bits. The steps are those of a real project:

1. audit the folder: which values are black and white in all of its files?
2. load it: one gray channel until the batch is made
3. fine-tune a ResNet-18 that was trained on RGB photos
4. adapt it to one channel, and prove that its outputs stay the same
5. write it as ONNX, and prove that too
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import click
import imagecodecs
import numpy as np
import skimage.data
import torch
from rich.console import Console
from torch.utils.data import DataLoader, Subset
from torchvision import models

from graytorgb.cli.files import FileCommand, OutputFile
from graytorgb.core.writing import replacing
from graytorgb.datasets import GrayImageFolder, audit, loader
from graytorgb.models import adapt, verify

STATS = "imagenet"  # how the photos were normalized that the network was trained on
TEXTURES = ("brick", "grass", "gravel")
SEED = 0


@click.command(cls=FileCommand)
@click.argument("folder", required=False, type=click.Path(path_type=Path, exists=True))
@click.option("--output", default="gray.onnx", show_default=True, type=OutputFile((".onnx",)))
@click.option("--size", default=224, show_default=True, help="Height and width of the images.")
@click.option("--epochs", default=3, show_default=True, help="How often each image is seen.")
@click.option("--batch-size", default=16, show_default=True, help="Images in a batch.")
@click.option("--workers", type=int, help="Processes that load images; by default what fits here.")
@click.option(
    "--weights", default="DEFAULT", show_default=True,
    help="torchvision's weights of ResNet-18, which are downloaded; none for random weights.",
)  # fmt: skip
def main(
    folder: Path | None,
    output: Path,
    size: int,
    epochs: int,
    batch_size: int,
    workers: int | None,
    weights: str,
) -> None:
    """Fine-tune ResNet-18 on a folder of gray images, and write it as ONNX with one channel."""
    console = Console()
    torch.manual_seed(SEED)
    with tempfile.TemporaryDirectory() as made:
        root = folder or make_set(Path(made))
        with audit(root) as found:
            value_range = found.value_range
            console.print(f"audit: {found.files} files, black and white are {value_range}")
        train, test = split(root, size, value_range)
        options = {"stats": STATS, "seed": SEED, "workers": workers}
        train_batches = loader(train, batch_size, shuffle=True, **options)
        test_batches = loader(test, batch_size, **options)

        classes = test.dataset.classes  # type: ignore[attr-defined]
        model = make_network(len(classes), weights)
        fine_tune(model, train_batches, epochs, console)
        console.print(f"accuracy on {len(test)} images it hasn't seen: ", end="")
        console.print(f"{measure_accuracy(model, test_batches):.0%}")

        gray_batches = loader(test, batch_size, channels=1, seed=SEED, workers=workers)
        deploy(model, gray_batches, output, console)


def make_set(folder: Path) -> Path:
    """Write PNG files of 16 bits: parts of three textures, as a camera of 12 bits sees them."""
    rng = np.random.default_rng(SEED)
    for name in TEXTURES:
        (folder / name).mkdir()
        photo = getattr(skimage.data, name)()
        for number in range(24):
            top, left = rng.integers(0, 512 - 256, 2)
            part = photo[top : top + 256, left : left + 256].astype(np.float32) * (4095 / 255)
            seen = (part + rng.normal(0, 16, part.shape)).round().clip(0, 4095).astype(np.uint16)
            (folder / name / f"{number:02d}.png").write_bytes(imagecodecs.png_encode(seen))
    return folder


def split(root: Path, size: int, value_range: Any) -> tuple[Subset[Any], Subset[Any]]:
    """Return four fifths of the images for training and one fifth for testing."""
    varied = GrayImageFolder(root, size, train=True, value_range=value_range)
    plain = GrayImageFolder(root, size, value_range=value_range)
    order = torch.randperm(len(plain), generator=torch.Generator().manual_seed(SEED)).tolist()
    count = len(order) // 5
    return Subset(varied, order[count:]), Subset(plain, order[:count])


def make_network(classes: int, weights: str) -> torch.nn.Module:
    """Return ResNet-18 with a new last layer for the classes."""
    model = models.resnet18(weights=None if weights == "none" else weights)
    model.fc = torch.nn.Linear(model.fc.in_features, classes)
    return model


def fine_tune(
    model: torch.nn.Module, batches: DataLoader[Any], epochs: int, console: Console
) -> None:
    """Train all layers, and print the loss and the images a second of each epoch."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    model.train()
    for epoch in range(epochs):
        start, images_seen, total = time.perf_counter(), 0, 0.0
        for images, labels in batches:
            loss = torch.nn.functional.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            images_seen += len(images)
            total += loss.item() * len(images)
        rate = images_seen / (time.perf_counter() - start)
        console.print(f"epoch {epoch + 1}: loss {total / images_seen:.2f}, {rate:.0f} images/s")


@torch.no_grad()
def measure_accuracy(model: torch.nn.Module, batches: DataLoader[Any]) -> float:
    """Return the share of images whose best class is their own."""
    model.eval()
    right = [model(images).argmax(1) == labels for images, labels in batches]
    return torch.cat(right).float().mean().item()


def deploy(
    model: torch.nn.Module, batches: DataLoader[Any], output: Path, console: Console
) -> None:
    """Adapt the network to one channel, write it as ONNX, and prove both on real images."""
    gray_model = adapt(model.eval(), STATS)
    images, _ = next(iter(batches))
    console.print("one channel:", verify(model, gray_model, images, seconds=0))
    with replacing(output) as written:
        torch.onnx.export(
            gray_model, (images,), written, dynamic_shapes=({0: torch.export.Dim.AUTO},),
            external_data=False, verbose=False,
        )  # fmt: skip
    console.print("ONNX:", verify(model, output, images, STATS, seconds=0))
    console.print(f"{output} takes {tuple(images.shape[1:])}, gray from 0 to 1")


if __name__ == "__main__":
    main()
