"""Sample files for the recipes, made from real images that are inside other packages.

Nothing is downloaded. The CT slices are those of pydicom, the photos those of scikit-image, and the
digits those of foolbox. Temperatures and radar echoes aren't in any of these packages: they are
calculated from photos, and the functions say how.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, PackagePath, files
from pathlib import Path
from typing import Any

import click
import imagecodecs
import numpy as np
import pydicom
import skimage.data
import skimage.transform
import tifffile
from numpy.typing import NDArray
from PIL import Image
from pydicom.data import get_testdata_file

import graytorgb as g2r

Array = NDArray[Any]
COUNT = 12  # files of each class
SEED = 0


def cut_parts(image: Array, size: int, rng: np.random.Generator) -> Iterator[Array]:
    """Yield square parts of an image at random places."""
    height, width = image.shape
    for _ in range(COUNT):
        top, left = rng.integers(height - size + 1), rng.integers(width - size + 1)
        yield image[top : top + size, left : left + size]


def write_ct(folder: Path) -> None:
    """Write parts of two real CT slices as DICOM files, as a scanner stores them.

    The values are 12 bits in 16, with the rescale intercept that makes Hounsfield units of them.
    """
    rng = np.random.default_rng(SEED)
    head, spine = (
        g2r.io.read(get_testdata_file(file, download=False), window="soft tissue").array
        for file in ("J2K_pixelrep_mismatch.dcm", "CT_small.dcm")
    )
    for name, units, size in (("head", head[190:430, 120:390], 160), ("spine", spine, 96)):
        (folder / name).mkdir()
        for number, part in enumerate(cut_parts(units, size, rng)):
            scan = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False))
            scan.Rows, scan.Columns = part.shape
            scan.BitsStored, scan.HighBit, scan.PixelRepresentation = 12, 11, 0
            scan.RescaleSlope, scan.RescaleIntercept = 1, -1024
            scan.WindowCenter, scan.WindowWidth = 40, 400
            scan.PixelData = (part + 1024).clip(0, 4095).astype("<u2").tobytes()
            del scan.DataSetTrailingPadding, scan.PixelPaddingValue
            scan.save_as(folder / name / f"{number:02d}.dcm")


def write_microscopy(folder: Path, suffix: str = ".tif") -> None:
    """Write parts of a real photo of a cell, with it and without, as a camera of 12 bits sees them.

    The camera adds a dark level of 100 and the noise of the photons. The files have 16 bits.
    """
    rng = np.random.default_rng(SEED)
    photo = skimage.data.cell()
    write: Callable[[Path, Array], Any] = tifffile.imwrite if suffix == ".tif" else write_png
    for name, area in (("cell", photo[210:460, 300:550]), ("empty", photo[:, :330])):
        (folder / name).mkdir()
        for number, part in enumerate(cut_parts(area, 176, rng)):
            photons = rng.poisson(part * (400 / 255))
            counts = (100 + 8 * photons + rng.normal(0, 4, part.shape)).clip(0, 4095)
            write(folder / name / f"{number:02d}{suffix}", counts.astype(np.uint16))


def write_png(path: Path, image: Array) -> None:
    """Write an image as PNG with all of its 16 bits."""
    path.write_bytes(imagecodecs.png_encode(image))


def write_temperatures(folder: Path) -> None:
    """Write temperatures in degrees Celsius as TIFF files of floats.

    They are calculated: a photo's black and white are 18 and 32 °C, and the noise is that of a
    camera with an NETD of 50 mK. In one class something has 30 °C more than its surroundings.
    """
    rng = np.random.default_rng(SEED)
    scene = 18 + skimage.data.coins() * (14 / 255)
    rows, columns = np.mgrid[:144, :144]
    for name, excess in (("hot spot", 30), ("normal", 0)):
        (folder / name).mkdir()
        for number, part in enumerate(cut_parts(scene, 144, rng)):
            row, column = rng.integers(40, 104, 2)
            spot = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * 8**2))
            celsius = part + excess * spot + rng.normal(0, 0.05, part.shape)
            tifffile.imwrite(folder / name / f"{number:02d}.tif", celsius.astype(np.float32))


def write_documents(folder: Path) -> None:
    """Write parts of a real page of text, and of a drawing, as fax TIFF files of 1 bit."""
    rng = np.random.default_rng(SEED)
    page = skimage.data.page()
    light = skimage.transform.resize(page, (12, 24), anti_aliasing=True)  # of the lamp
    paper = page / 255 / skimage.transform.resize(light, page.shape)
    text = skimage.transform.rescale(paper, 4, order=3) > 0.8
    horse = skimage.transform.rescale(skimage.data.horse().astype(float), 2, order=1)
    outline = abs(horse - 0.5) > 0.35
    for name, image in (("drawing", outline), ("text", text)):
        (folder / name).mkdir()
        for number, part in enumerate(cut_parts(image, 512, rng)):
            path = folder / name / f"{number:02d}.tif"
            Image.fromarray(part).save(path, compression="group4", dpi=(300, 300))


def write_digits(folder: Path) -> None:
    """Write 100 digits as arrays in one file: 20 real ones of MNIST, each shifted five times."""
    found: list[PackagePath] = []
    with suppress(PackageNotFoundError):
        found = [file for file in files("foolbox") or () if file.match("data/mnist_*.png")]
    if not found:
        raise click.ClickException(
            "the sample digits are those of foolbox: pip install foolbox, or state a folder with "
            "a file digits.npz of your own, such as Keras's mnist.npz"
        )
    rng = np.random.default_rng(SEED)
    images, labels = [], []
    for file in sorted(found):
        digit = np.asarray(Image.open(str(file.locate())).convert("L"))
        wide = np.pad(digit, 3)
        for row, column in rng.integers(0, 7, (5, 2)):
            images.append(wide[row : row + 28, column : column + 28])
            labels.append(int(file.name[-5]))
    np.savez(folder / "digits.npz", x_train=np.stack(images), y_train=np.array(labels, np.uint8))


def write_sar(folder: Path) -> None:
    """Write radar backscatter, sigma nought in linear units, as TIFF files of floats.

    It is calculated: black and white of a photo are -20 and -5 dB, multiplied by the speckle of one
    look, whose intensity has an exponential distribution (Goodman, J. Opt. Soc. Am. 66, 1976).
    """
    rng = np.random.default_rng(SEED)
    for name in ("brick", "grass"):
        (folder / name).mkdir()
        decibels = -20 + getattr(skimage.data, name)() * (15 / 255)
        for number, part in enumerate(cut_parts(10 ** (decibels / 10), 448, rng)):
            intensity = part * rng.exponential(1, part.shape)
            tifffile.imwrite(folder / name / f"{number:02d}.tif", intensity.astype(np.float32))
