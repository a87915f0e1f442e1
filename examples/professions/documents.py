"""From documents of 1 bit to a trained batch: `python -m examples.professions.documents [FOLDER]`.

Each folder in FOLDER is a class. Without FOLDER, parts of a page and of a drawing are written as
fax TIFF files.
"""

from pathlib import Path

import numpy as np
import PIL.Image

from .sample_files import write_documents
from .script import Array, Look, make_command, see_usually

# isort: split
# [recipe]
import torch
from torchvision import models

from graytorgb.datasets import GrayImageFolder, loader
from graytorgb.models import adapt


def train(folder: str, size: int = 224, weights: str | None = "DEFAULT") -> torch.nn.Module:
    """Fine-tune a network on pages of 1 bit, which resizing turns into levels of gray."""
    torch.manual_seed(0)
    pages = GrayImageFolder(folder, size, resize=size)
    batches = loader(pages, 24, channels=1, shuffle=True, seed=0)
    network = models.mobilenet_v3_small(weights=weights)
    network.classifier[3] = torch.nn.Linear(1024, len(pages.classes))
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

SIDE = 128  # pixels, in the picture


def resize_by_pillow(path: Path) -> Array:
    """Return a page that Pillow resizes in the mode of its file, which is 1 bit."""
    with PIL.Image.open(path) as page:
        return np.asarray(page.resize((SIDE, SIDE)).convert("L"))


def resize_by_folder(path: Path) -> Array:
    """Return a page as the recipe's data set gives it."""
    return GrayImageFolder([path], SIDE, resize=SIDE, labels=None)[0].numpy()[0]


main = make_command(
    train,
    write_documents,
    usual=[
        Look(f"Image.open(path).resize(({SIDE}, {SIDE}))", resize_by_pillow),
        see_usually(),
    ],
    kept=Look(f"graytorgb, GrayImageFolder(folder, {SIDE})", resize_by_folder),
)

if __name__ == "__main__":
    main()
