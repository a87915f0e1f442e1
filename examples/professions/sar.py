"""From radar images to a trained batch: `python -m examples.professions.sar [FOLDER]`.

Each folder in FOLDER is a class of TIFF files: the backscatter, sigma nought, in linear units.
Without FOLDER, it is calculated from photos, with the speckle of one look.
"""

from pathlib import Path

from .sample_files import write_sar
from .script import Array, Look, make_command, scale, see_by_loader, see_usually

# isort: split
# [recipe]
import torch
from torchvision import datasets, models
from torchvision.transforms import v2

from graytorgb.datasets import loader
from graytorgb.io import read
from graytorgb.models import adapt


def read_decibels(path: str) -> torch.Tensor:
    """Return the backscatter in dB, (1, H, W), after the mean of 2 x 2 pixels in linear units."""
    power = torch.from_numpy(read(path).array)[None]
    return 10 * torch.nn.functional.avg_pool2d(power, 2).clamp(min=1e-5).log10()


def train(folder: str, size: int = 224, weights: str | None = "DEFAULT") -> torch.nn.Module:
    """Fine-tune a network on radar images, of which -25 to 0 dB count."""
    torch.manual_seed(0)
    scenes = datasets.DatasetFolder(folder, read_decibels, (".tif",), v2.RandomCrop(size))
    batches = loader(scenes, 24, channels=1, value_range=(-25, 0), shuffle=True, seed=0)
    network = models.mobilenet_v3_small(weights=weights)
    network.classifier[3] = torch.nn.Linear(1024, len(scenes.classes))
    network = adapt(network.eval(), "imagenet").train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-4)
    for epoch in range(6):
        for images, labels in batches:
            loss = torch.nn.functional.cross_entropy(network(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch + 1}: loss {loss.item():.2f}")
    return network


# [end of the recipe]


def see_decibels(path: Path) -> Array:
    """Return an image as the recipe's batches have it."""
    return scale(read_decibels(str(path)).numpy()[0], -25, 0)


main = make_command(
    train,
    write_sar,
    usual=[see_usually(), see_by_loader("opencv")],
    kept=Look("graytorgb, mean of 2 x 2, -25 to 0 dB", see_decibels),
)

if __name__ == "__main__":
    main()
