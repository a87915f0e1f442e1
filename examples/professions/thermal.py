"""From temperatures to a trained batch: `python -m examples.professions.thermal [FOLDER]`.

Each folder in FOLDER is a class. Without FOLDER, temperatures are calculated from a photo.
"""

from .sample_files import write_temperatures
from .script import make_command, see_by_loader, see_by_range, see_usually

# isort: split
# [recipe]
import torch
from torchvision import datasets, models
from torchvision.transforms import v2

from graytorgb.datasets import loader
from graytorgb.io import read
from graytorgb.models import adapt


def read_celsius(path: str) -> torch.Tensor:
    """Return the temperatures of a file, (1, H, W)."""
    return torch.from_numpy(read(path).array)[None]


def train(folder: str, size: int = 224, weights: str | None = "DEFAULT") -> torch.nn.Module:
    """Fine-tune a network on temperatures, of which 10 to 70 degrees Celsius count."""
    torch.manual_seed(0)
    part = v2.RandomResizedCrop(size, scale=(0.8, 1))
    scenes = datasets.DatasetFolder(folder, read_celsius, (".tif", ".tiff"), part)
    batches = loader(scenes, 24, channels=1, value_range=(10, 70), shuffle=True, seed=0)
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

main = make_command(
    train,
    write_temperatures,
    usual=[see_usually(), see_by_loader("opencv")],
    kept=see_by_range(10, 70, "graytorgb, 10 to 70 °C"),
)

if __name__ == "__main__":
    main()
