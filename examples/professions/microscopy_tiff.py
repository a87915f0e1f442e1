"""From micrographs to a trained batch: `python -m examples.professions.microscopy_tiff [FOLDER]`.

Each folder in FOLDER is a class. Without FOLDER, parts of a photo of a cell are written as 16-bit
TIFF files, as a camera of 12 bits sees them.
"""

from .sample_files import write_microscopy
from .script import make_command, see_by_loader, see_by_range, see_usually

# isort: split
# [recipe]
import torch
from torchvision import models

from graytorgb.datasets import GrayImageFolder, audit, loader
from graytorgb.models import adapt


def train(folder: str, size: int = 224, weights: str | None = "DEFAULT") -> torch.nn.Module:
    """Fine-tune a network on micrographs, of which every level of the camera is kept."""
    torch.manual_seed(0)
    values = audit(folder).value_range  # (0, 4095) for a camera of 12 bits
    cells = GrayImageFolder(folder, size, dtype=torch.uint16, value_range=values)
    batches = loader(cells, 24, channels=1, shuffle=True, seed=0)
    network = models.mobilenet_v3_small(weights=weights)
    network.classifier[3] = torch.nn.Linear(1024, len(cells.classes))
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
    write_microscopy,
    usual=[see_usually(), see_by_loader("opencv")],
    kept=see_by_range(0, 4095, "graytorgb, 0 to 4095"),
)

if __name__ == "__main__":
    main()
