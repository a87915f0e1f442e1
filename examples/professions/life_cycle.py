"""The life of a network with one channel: `python -m examples.professions.life_cycle [FOLDER]`.

It is adapted, trained, saved, loaded, exported to ONNX and served by ONNX Runtime. Each folder in
FOLDER is a class. Without FOLDER, parts of a photo of a cell are written as 16-bit PNG files, as a
camera of 12 bits sees them.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from graytorgb.cli.files import FileCommand, InputPath, OutputFile
from graytorgb.io import find_image_files

from ..recipes.photos import measure_statistics
from .sample_files import write_microscopy
from .script import COLUMNS, QUICK_SIZE, plt, read, save, scale

# isort: split
# [train]
import numpy as np
import onnxruntime
import PIL.Image
import torch
from torchvision import models

import graytorgb as g2r
from graytorgb.datasets import GrayImageFolder, loader
from graytorgb.models import adapt


def make_network(classes: int, weights: str | None = None) -> torch.nn.Module:
    """Return a network with one channel, which normalizes its images itself."""
    network = models.mobilenet_v3_small(weights=weights)
    network.classifier[3] = torch.nn.Linear(1024, classes)
    return adapt(network.eval(), "imagenet")


def train(folder: str, size: int, weights: str | None) -> torch.nn.Module:
    """Return a network that was adapted and then trained on the images of a folder."""
    images_12_bits = GrayImageFolder(folder, size, train=True, value_range=(0, 4095))
    batches = loader(images_12_bits, 24, channels=1, shuffle=True, seed=0)
    network = make_network(len(images_12_bits.classes), weights).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-4)
    for _ in range(6):
        for images, labels in batches:
            loss = torch.nn.functional.cross_entropy(network(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    print(f"trained: loss {loss.item():.2f}")
    return network.eval()


# [save]
def save_and_load(network: torch.nn.Module, path: str, classes: int) -> torch.nn.Module:
    """Save the weights, and load them into a network that is made in the same way."""
    torch.save(network.state_dict(), path)
    loaded = make_network(classes)
    loaded.load_state_dict(torch.load(path))
    return loaded.eval()


# [export]
def export(network: torch.nn.Module, path: str, size: int) -> None:
    """Write the network as ONNX, for batches of any size."""
    example = torch.rand(2, 1, size, size)
    batch = {0: torch.export.Dim.DYNAMIC}
    torch.onnx.export(
        network, (example,), path, dynamic_shapes=(batch,), external_data=False, verbose=False
    )


# [serve]
def serve(model: str, image: str) -> np.ndarray:
    """Return the probability of each class. Nothing here needs torch."""
    session = onnxruntime.InferenceSession(model)
    (network_input,) = session.get_inputs()
    gray = g2r.to_uint8(g2r.io.read(image, value_range=(0, 4095)))
    resized = PIL.Image.fromarray(gray).resize(network_input.shape[:1:-1])
    batch = np.asarray(resized, np.float32)[None, None] / 255
    (scores,) = session.run(None, {network_input.name: batch})
    powers = np.exp(scores[0] - scores[0].max())
    return powers / powers.sum()


# [end]
@click.command(cls=FileCommand, help=__doc__.partition("\n\n")[2])
@click.argument("folder", required=False, type=InputPath(exists=True))
@click.option("--quick", is_flag=True, help=f"{QUICK_SIZE} pixels, random weights.")
@click.option("--plot", type=OutputFile((".png",)), help="Draw two images and their classes.")
def main(folder: Path | None, quick: bool, plot: Path | None) -> None:
    """Run all of it."""
    size, weights = (QUICK_SIZE, None) if quick else (224, "DEFAULT")
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as made:
        root = folder or Path(made, "images")
        if folder is None:
            root.mkdir()
            write_microscopy(root, ".png")
        network = train(root, size, weights)
        plain = GrayImageFolder(root, size, value_range=(0, 4095))
        images, _ = next(iter(loader(plain, 24, channels=1)))
        if quick:  # 6 batches don't give random weights their statistics
            measure_statistics(network, lambda: network(images))
        classes = sorted(path.name for path in root.iterdir() if path.is_dir())
        loaded = save_and_load(network, Path(made, "gray.pt"), len(classes))
        with torch.no_grad():
            expected = network(images)
            same = torch.equal(loaded(images), expected)
        print(f"loaded: {'the same outputs' if same else 'other outputs'}")
        model = Path(made, "gray.onnx")
        export(loaded, model, size)
        session = onnxruntime.InferenceSession(model)
        (network_input,) = session.get_inputs()
        print(f"exported: {network_input.shape[1:]}, {model.stat().st_size / 1e6:.1f} MB")
        (outputs,) = session.run(None, {network_input.name: images.numpy()})
        limit = 1e-4 * max(1, expected.abs().max().item())
        agree = np.abs(outputs - expected.numpy()).max() <= limit
        print(f"ONNX Runtime and torch {'agree' if agree else 'differ'}")
        files = find_image_files(root)
        files = files[:: -(-len(files) // COLUMNS)]
        served = [serve(model, file) for file in files]
        for file, shares in zip(files, served, strict=True):
            print(f"{file.parent.name}/{file.name}: {tell(classes, shares)}")
        if plot is not None:
            draw_served(files, [tell(classes, shares) for shares in served], plot)


def tell(classes: Sequence[str], shares: np.ndarray) -> str:
    """Return the most probable class, and its probability."""
    return f"{classes[shares.argmax()]}, {shares.max():.0%}"


def draw_served(files: Sequence[Path], titles: Sequence[str], output: Path) -> None:
    """Draw images, and what the served network says of them."""
    figure, axes = plt.subplots(1, len(files), figsize=(5.4, 3), layout="constrained")
    for axis, file, title in zip(axes, files, titles, strict=True):
        axis.imshow(scale(read(file).array, 0, 4095), cmap="gray", vmin=0, vmax=1)
        axis.set(xticks=[], yticks=[], title=title)
    save(figure, output)


if __name__ == "__main__":
    main()
