"""From arrays to a trained batch: `python -m examples.professions.mnist_arrays [FOLDER]`.

FOLDER has a file digits.npz with the arrays x_train and y_train, as Keras's mnist.npz has them.
Without FOLDER, 100 digits are made of the 20 digits of MNIST that are inside foolbox.
"""

from pathlib import Path

from .sample_files import write_digits
from .script import Array, Look, make_command

# isort: split
# [recipe]
import numpy as np
import torch
from torchvision import models

from graytorgb.datasets import loader
from graytorgb.models import adapt


def train(folder: str, size: int = 64, weights: str | None = "DEFAULT") -> torch.nn.Module:
    """Fine-tune a network on arrays of small images, which it gets in a size that it knows."""
    torch.manual_seed(0)
    arrays = np.load(f"{folder}/digits.npz")
    digits = list(zip(arrays["x_train"], arrays["y_train"].astype(int), strict=True))
    batches = loader(digits, 50, channels=1, shuffle=True, seed=0)
    network = models.mobilenet_v3_small(weights=weights)
    network.classifier[3] = torch.nn.Linear(1024, 10)
    network = adapt(network.eval(), "imagenet").train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-4)
    for epoch in range(6):
        for images, labels in batches:
            images = torch.nn.functional.interpolate(images, size, mode="bilinear")
            loss = torch.nn.functional.cross_entropy(network(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch + 1}: loss {loss.item():.2f}")
    return network


# [end of the recipe]

MNIST = (0.1307, 0.3081)  # the mean and std that most code normalizes digits by
GREEN = (0.456, 0.224)  # those of the channel green, that networks for ImageNet have learned


def list_digits(folder: Path) -> Array:
    """Return the images, (N, 28, 28)."""
    images: Array = np.load(folder / "digits.npz")["x_train"]
    return images


def see_as_photo(digit: Array) -> Array:
    """Return the photo that a network takes a digit for, which was normalized as MNIST is."""
    normalized = (digit / 255 - MNIST[0]) / MNIST[1]
    return ((normalized * GREEN[1] + GREEN[0]) * 255).round().clip(0, 255).astype(np.uint8)


main = make_command(
    train,
    write_digits,
    usual=[Look(f"Normalize({MNIST[0]}, {MNIST[1]}), then repeat", see_as_photo)],
    kept=Look('graytorgb, adapt(network, "imagenet")', np.asarray),
    list_images=list_digits,
)

if __name__ == "__main__":
    main()
