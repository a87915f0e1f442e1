"""Small trees of image files, and trees compared byte by byte."""

import numpy as np
import PIL.Image
import tifffile

from graytorgb.datasets.sources.opening import open_source

KEPT = "graytorgb-convert.jsonl"


def write_png(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(array).save(path, "PNG")
    return array


def write_tiff(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, array, photometric="minisblack", **options)
    return array


def gray(seed, shape=(12, 16), high=256, dtype=np.uint8):
    return np.random.default_rng(seed).integers(0, high, shape, dtype=dtype)


def deep(seed, shape=(12, 16)):
    """12 bits in 16."""
    return gray(seed, shape, 4096, np.uint16)


def write_classes(folder):
    """Write an image of 12 bits in each of two folders, and return the folder above."""
    write_png(folder / "cats" / "a.png", deep(1))
    write_png(folder / "dogs" / "b.png", deep(2))
    return folder


def list_paths(source, **options):
    """List the paths of a source, also of what is skipped."""
    return [found.path for found in open_source(source, **options).items()]


def read_tree(folder):
    """Every file of a tree with its bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def list_images(folder):
    """The paths of a tree's files, but the kept one."""
    return sorted(set(read_tree(folder)) - {KEPT})
