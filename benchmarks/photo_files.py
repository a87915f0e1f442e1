"""Folders of image files to measure on: crops of real photos in several formats, and tiny images.

The crops have the noise of a camera, or are as smooth as the photos. The photos are those that
scikit-image and foolbox contain. The files depend on the seed alone.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import imagecodecs
import numpy as np
import PIL.Image
import skimage
from numpy.typing import NDArray

from .accuracy.photos import packaged
from .speed.decode import save_dicom, save_jpeg, save_png

SEED = 20
SIZE = (375, 500)  # of the crops, which are up to 15 percent larger or smaller
_VARIATION = 0.15
_BATCH = 50  # files that a thread makes at a time
_FROM_SKIMAGE = ("astronaut.png", "brick.png", "camera.png", "cell.png", "chelsea.png",
                 "clock_motion.png", "coffee.png", "coins.png", "grass.png", "gravel.png",
                 "hubble_deep_field.jpg", "ihc.png", "moon.png", "motorcycle_left.png", "page.png",
                 "retina.jpg", "rocket.jpg")  # fmt: skip


class Kind(NamedTuple):
    """A kind of file.

    Attributes
    ----------
    name : str
        What the tables call it.
    folder, suffix : str
        Where its files are, and the ending of their names.
    is_color : bool
        Whether the pixels have three channels.
    bits : int
        The bits of the values; beyond 8 they are stored in 16.
    save : callable
        ``save(path, pixels)`` writes a file.
    """

    name: str
    folder: str
    suffix: str
    is_color: bool
    bits: int
    save: Callable[[Path, Any], Any]

    @property
    def is_deep(self) -> bool:
        """Return whether the values have more than 8 bits."""
        return self.bits > 8


KINDS = (
    Kind("JPEG color", "jpeg-color", ".jpg", True, 8, save_jpeg),
    Kind("JPEG gray", "jpeg-gray", ".jpg", False, 8, save_jpeg),
    Kind("PNG gray, 8 bits", "png-8", ".png", False, 8, save_png),
    Kind("PNG gray, 16 bits", "png-16", ".png", False, 16, save_png),
    Kind("DICOM gray, 12 bits", "dicom", ".dcm", False, 12, partial(save_dicom, bits=12)),
)


def write_set(
    folder: Path, count: int, kinds: tuple[Kind, ...] = KINDS, *, is_noisy: bool = True
) -> None:
    """Write `count` files in all, in a folder for each kind; two threads work.

    A set of the same size that is there already is left as it is.

    Parameters
    ----------
    folder : Path
    count : int
    kinds : tuple of Kind
    is_noisy : bool
        Whether the noise of a camera is added. It makes files larger and slower to decode.
    """
    done = folder / f"{count} files"
    if done.exists():
        return
    each = count // len(kinds)
    jobs = [
        (k, range(start, min(start + _BATCH, each)))
        for k in range(len(kinds))
        for start in range(0, each, _BATCH)
    ]
    for kind in kinds:
        (folder / kind.folder).mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(2) as pool:  # what draws and encodes lets go of Python's lock
        list(pool.map(partial(_write, folder, kinds, is_noisy), *zip(*jobs, strict=True)))
    done.touch()


def _write(folder: Path, kinds: tuple[Kind, ...], is_noisy: bool, k: int, numbers: range) -> None:
    """Write some files of a kind."""
    kind = kinds[k]
    for number in numbers:
        rng = np.random.default_rng([SEED, k, number])
        pixels = draw_crop(rng, is_color=kind.is_color, bits=kind.bits, is_noisy=is_noisy)
        kind.save(folder / kind.folder / f"{number:06d}{kind.suffix}", pixels)


def draw_crop(
    rng: np.random.Generator, *, is_color: bool, bits: int, is_noisy: bool = True
) -> NDArray[Any]:
    """Return a part of a photo, resized, with the noise of a camera or without.

    The noise has a standard deviation of 2 of 255, as in :mod:`benchmarks.speed.decode`; of 16 in
    4095 and of 64 in 65535 for deep pixels, whose cameras are better.
    """
    photos = _load_photos()
    photo = photos[rng.integers(len(photos))]
    height, width = (round(side * rng.uniform(1 - _VARIATION, 1 + _VARIATION)) for side in SIZE)
    share = rng.uniform(0.6, 1) * min(photo.shape[0] / height, photo.shape[1] / width)
    rows, columns = int(share * height), int(share * width)
    top = rng.integers(photo.shape[0] - rows + 1)
    left = rng.integers(photo.shape[1] - columns + 1)
    part = photo[top : top + rows, left : left + columns]
    if not is_color:
        part = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
    most = 2**bits - 1
    sharp = cv2.resize(part.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    values = sharp * (most / 255)
    if is_noisy:
        values += rng.standard_normal(sharp.shape, np.float32) * {8: 2, 12: 16}.get(bits, 64)
    pixels = values.round().clip(0, most)
    return pixels.astype(np.uint16 if bits > 8 else np.uint8)


@cache
def _load_photos() -> list[NDArray[np.uint8]]:
    """Return the photos as RGB."""
    data = Path(skimage.__file__).parent / "data"
    paths = [*(data / name for name in _FROM_SKIMAGE), *packaged().paths]
    found = []
    for path in paths:
        with PIL.Image.open(path) as photo:
            found.append(np.asarray(photo.convert("RGB")))
    return found


def write_tiny(folder: Path, count: int) -> None:
    """Write gray PNG files of 28x28 pixels, as in MNIST, each different, in folders of 1000."""
    rng = np.random.default_rng(SEED)
    for start in range(0, count, 1000):
        part = folder / f"{start // 1000:04d}"
        part.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (min(1000, count - start), 28, 28), dtype=np.uint8)
        for number, image in enumerate(pixels, start):
            (part / f"{number:06d}.png").write_bytes(imagecodecs.png_encode(image, level=1))
