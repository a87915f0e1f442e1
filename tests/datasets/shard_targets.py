"""What the tests of targets of shards share: sources, trees of files, and runs that are stopped."""

import os
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from ..support import needs, needs_package

needs("pillow")
needs_package("dask", "imagecodecs", "loky", "tifffile")

import PIL.Image  # noqa: E402

from graytorgb.datasets import array_form, target_tar  # noqa: E402
from graytorgb.datasets.conversion import convert  # noqa: E402

KINDS = ("out.zarr", "out.npy", "out.tar")
# Whatever changes the tree of a target; what is written to a file that is whole later, doesn't
_OPERATIONS = ("replace", "rename", "unlink", "rmdir", "mkdir", "truncate", "write")


class Stopped(BaseException):
    """The process was killed."""


def make_source(folder, dtypes=("uint8", "uint8"), count=4, shape=(6, 9), seed=0):
    """Write gray PNG files of random values: a folder for each dtype, and files in it."""
    random = np.random.default_rng(seed)
    for number, dtype in enumerate(dtypes):
        place = folder / f"class{number}"
        place.mkdir(parents=True, exist_ok=True)
        for k in range(count):
            values = random.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
            PIL.Image.fromarray(values).save(place / f"{k}.png")
    return folder


def write_odd_name(folder, name):
    """Write an image under a name of any bytes, or skip the test where that isn't possible."""
    folder.mkdir(parents=True)
    try:
        with (folder / os.fsdecode(name)).open("wb") as file:
            PIL.Image.fromarray(np.ones((6, 9), np.uint8)).save(file, "PNG")
    except OSError:
        pytest.skip("this file system has no such names")


def damage(path):
    """Damage the pixels of a PNG file, so that its header can be read and they can't."""
    data = bytearray(path.read_bytes())
    start = data.index(b"IDAT") + 4
    data[start + 2 : -16] = bytes(len(data) - start - 18)
    path.write_bytes(data)


def read_tree(folder):
    """Return the bytes of every file of a tree."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def convert_here(src, dst, **options):
    """Convert in this process."""
    return convert(src, dst, workers=1, **options)


@pytest.fixture
def small_shards(monkeypatch):
    """Make shards of 3 images, or of 2 for a tar."""
    monkeypatch.setattr(array_form, "_SHARD_IMAGES", 3)
    monkeypatch.setattr(target_tar, "_SHARD_IMAGES", 3)


@contextmanager
def stopping(root, after):
    """Let so many changes of the tree `root` happen, and then none any more, as after a kill."""
    left, is_dead = after, False

    def is_inside(path, dir_fd):
        if isinstance(path, int):
            path = Path(f"/proc/self/fd/{path}").readlink()
        elif dir_fd is not None:
            path = Path(f"/proc/self/fd/{dir_fd}").readlink() / os.fspath(path)
        return os.fspath(path).startswith(f"{root}{os.sep}")

    def watch(function):
        def call(path, *arguments, dir_fd=None, **options):
            nonlocal left, is_dead
            if is_inside(path, dir_fd):
                left -= 1
                is_dead = is_dead or left < 0
                if is_dead:
                    raise Stopped
            if dir_fd is not None:
                options["dir_fd"] = dir_fd
            return function(path, *arguments, **options)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in _OPERATIONS:
            patch.setattr(os, name, watch(getattr(os, name)))
        yield


def count_stops(src, root, name, first=0, step=1):
    """Stop a conversion after so many changes of the tree and more, and yield their number.

    The tree is what the stopped run left. It ends when a conversion isn't stopped.
    """
    for after in range(first, 1000, step):
        root.mkdir()
        try:
            with stopping(root, after):
                convert_here(src, root / name)
        except Stopped:
            yield after
        else:
            return
        for folder, folders, files in os.walk(root, topdown=False):
            for each in files:
                Path(folder, each).unlink()
            for each in folders:
                Path(folder, each).rmdir()
        root.rmdir()
    raise AssertionError("a conversion of a few images has less changes")
