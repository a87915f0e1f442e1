"""From a folder of 16-bit PNG files to a trained network with one input channel.

`python -m examples.quickstart FOLDER` reads your images; each folder in FOLDER is a class. Without
FOLDER, the script makes a small one. The network has random weights, so that nothing is downloaded;
with `--weights DEFAULT` it has those that torchvision downloads.
"""

import tempfile
from pathlib import Path

import click
import torch
from torch.nn.functional import cross_entropy
from torchvision import models

from graytorgb.datasets import GrayImageFolder, audit, loader
from graytorgb.models import adapt, verify

from .textures import write_textures


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path, exists=True))
@click.option("--weights", help="torchvision's weights of ResNet-18, such as DEFAULT.")
@click.option("--size", default=224, show_default=True, help="Height and width of the images.")
def main(folder: Path | None, weights: str | None, size: int) -> None:
    """Train a ResNet-18 with one input channel on a folder of gray images."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as made:
        run(folder or write_textures(Path(made) / "scans"), weights, size)


def run(folder: Path, weights: str | None, size: int) -> None:
    """Go from a folder to a trained network, and print what comes out of each step."""
    # [audit]
    with audit(folder) as found:
        print(f"{found.files} files, black and white are {found.value_range}")
        scans = GrayImageFolder(folder, size, train=True, value_range=found)
    # [batches]
    batches = loader(scans, 8, channels=1, shuffle=True, seed=0)
    images, labels = next(iter(batches))
    print(f"a batch: {tuple(images.shape)}, {images.dtype}, from {scans.classes}")
    # [network]
    model = models.resnet18(weights=weights).eval()
    gray_model = adapt(model, "imagenet")  # takes one channel, and normalizes it
    print(verify(model, gray_model, images, seconds=0))
    # [training]
    gray_model.fc = torch.nn.Linear(gray_model.fc.in_features, len(scans.classes))
    optimizer = torch.optim.AdamW(gray_model.parameters(), lr=3e-4)
    gray_model.train()
    for images, labels in batches:
        loss = cross_entropy(gray_model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(f"loss {loss.item():.2f}")
    # [end]


if __name__ == "__main__":
    main()
