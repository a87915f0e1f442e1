"""dask arrays stay lazy from a Zarr store, through the verbs, to another one."""

import threading
import weakref

import numpy as np
import pytest

import graytorgb as g2r

from ..support import needs_package
from .shard_targets import convert_here, make_source, small_shards

needs_package("dask", "zarr")
import dask  # noqa: E402
import dask.array as da  # noqa: E402
import zarr  # noqa: E402

assert small_shards
pytestmark = pytest.mark.usefixtures("small_shards")


class Blocks:
    """Counts the blocks of a dask array that were computed, and those that are in memory."""

    def __init__(self):
        self.computed = self.alive = self.most = 0
        self._lock = threading.Lock()

    def watch(self, array):
        """Return the array with every block counted."""
        return array.map_blocks(self._count, meta=array._meta)

    def _count(self, block):
        block = block.copy()
        with self._lock:
            self.computed += 1
            self.alive += 1
            self.most = max(self.most, self.alive)
        weakref.finalize(block, self._forget)
        return block

    def _forget(self):
        with self._lock:
            self.alive -= 1


def open_images(tmp_path):
    """Return the images of a converted folder as a dask array, with a shard for each block."""
    src = make_source(tmp_path / "src", ("uint16",), count=61)
    convert_here(src, tmp_path / "images.zarr", to="gray")
    images = zarr.open_group(tmp_path / "images.zarr", mode="r")["images"]
    array = da.from_zarr(images, chunks=images.shards)
    assert array.chunksize == (3, 6, 9, 1)
    return images, array


def test_nothing_is_computed_before_it_is_stored_and_memory_is_bounded(tmp_path):
    images, array = open_images(tmp_path)
    read, made = Blocks(), Blocks()
    rgb = g2r.to_rgb(read.watch(array), "NHWC")
    batch = g2r.prepare(rgb, "imagenet", "NHWC->NCHW", value_range=(0, 65535))
    batch = made.watch(batch)
    assert batch.chunksize == (3, 3, 6, 9)
    target = zarr.create_array(
        tmp_path / "ready.zarr", shape=batch.shape, dtype=batch.dtype,
        chunks=(1, *batch.shape[1:]), shards=batch.chunksize,
    )  # fmt: skip
    plan = da.store(batch, target, lock=False, compute=False)
    assert (read.computed, made.computed) == (0, 0)
    with dask.config.set(scheduler="threads", num_workers=2):
        plan.compute()
    assert (read.computed, made.computed) == (21, 21)
    assert read.most <= 6
    assert made.most <= 6
    gray = images[:]
    expected = g2r.prepare(
        g2r.to_rgb(gray, "NHWC"), "imagenet", "NHWC->NCHW", value_range=(0, 65535)
    )
    np.testing.assert_array_equal(target[:], expected)
    assert target.shards == (3, 3, 6, 9)


def test_to_zarr_takes_the_plan_too(tmp_path):
    images, array = open_images(tmp_path)
    read = Blocks()
    rgb = g2r.to_rgb(read.watch(array), "NHWC")
    plan = rgb.to_zarr(tmp_path / "rgb.zarr", compute=False)
    assert read.computed == 0
    with dask.config.set(scheduler="synchronous"):
        plan.compute()
    assert read.computed == 21
    assert read.most <= 3
    stored = zarr.open_array(tmp_path / "rgb.zarr", mode="r")
    np.testing.assert_array_equal(stored[:], np.repeat(images[:], 3, -1))
