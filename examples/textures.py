"""Make a small folder of 12-bit images in 16-bit PNG files: `python -m examples.textures scans`.

The images are parts of photographed textures, with the noise of a camera of 12 bits. Each texture
has a folder of its own, which is a class for a network.
"""

from pathlib import Path

import click
import numpy as np
from PIL import Image

from graytorgb.errors import BackendUnavailable
from graytorgb.extras import require

NAMES = ("brick", "grass")
SEED = 0


def write_textures(folder: Path, names: tuple[str, ...] = NAMES, count: int = 8) -> Path:
    """Write `count` PNG files of 300x300 pixels and 16 bits for each texture; return the folder."""
    data, rng = require("skimage.data"), np.random.default_rng(SEED)
    for name in names:
        (folder / name).mkdir(parents=True)
        photo = getattr(data, name)()
        for number in range(count):
            top, left = rng.integers(0, 512 - 300, 2)
            part = photo[top : top + 300, left : left + 300] * (4095 / 255)
            seen = (part + rng.normal(0, 16, part.shape)).round().clip(0, 4095)
            Image.fromarray(seen.astype(np.uint16)).save(folder / name / f"{number}.png")
    return folder


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def main(folder: Path) -> None:
    """Write the images into FOLDER, which may not have such classes yet."""
    try:
        write_textures(folder)
    except FileExistsError as error:
        raise click.ClickException(
            f"{error.filename} is there already: name a new folder"
        ) from None
    except BackendUnavailable as error:
        raise click.ClickException(f"this {error}") from None
    click.echo(f"{folder} has {len(list(folder.rglob('*.png')))} images: graytorgb audit {folder}")


if __name__ == "__main__":
    main()
