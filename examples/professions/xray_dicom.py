"""From X-ray and CT files to a trained batch: `python -m examples.professions.xray_dicom [FOLDER]`.

Each folder in FOLDER is a class. Without FOLDER, parts of two real CT slices are written as DICOM.
"""

import graytorgb as g2r

from .sample_files import write_ct
from .script import Look, make_command, read, see_by_loader, see_usually

# isort: split
# [recipe]
import torch
from torchvision import models

from graytorgb.datasets import GrayImageFolder, loader
from graytorgb.models import adapt


def train(folder: str, size: int = 224, weights: str | None = "DEFAULT") -> torch.nn.Module:
    """Fine-tune a network on CT slices, in the window of soft tissue, in Hounsfield units."""
    torch.manual_seed(0)
    scans = GrayImageFolder(folder, size, train=True, value_range=(-160, 239))
    batches = loader(scans, 24, channels=1, shuffle=True, seed=0)
    network = models.mobilenet_v3_small(weights=weights)
    network.classifier[3] = torch.nn.Linear(1024, len(scans.classes))
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
    write_ct,
    usual=[
        see_usually('Image.fromarray(dcmread(path).pixel_array).convert("RGB")'),
        see_by_loader("opencv"),
    ],
    kept=Look("graytorgb, -160 to 239 HU", lambda path: g2r.to_uint8(read(path), (-160, 239))),
)

if __name__ == "__main__":
    main()
