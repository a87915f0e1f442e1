""".npy files as targets: values, labels and paths, and a disk that fills."""

import errno
import json
import shutil

import numpy as np
import pytest

from graytorgb.datasets.targets import npy as target_npy
from graytorgb.errors import TargetError
from graytorgb.io import read

from .shard_targets import Stopped, convert_here, make_source, read_tree, small_shards

assert small_shards
pytestmark = pytest.mark.usefixtures("small_shards")


@pytest.mark.parametrize("to", ["gray", "rgb"])
def test_a_memory_map_has_the_images(tmp_path, to):
    src = make_source(tmp_path / "src", ("uint8", "uint16"))
    convert_here(src, tmp_path / "out.npy", to=to)
    images = np.load(tmp_path / "out.npy", mmap_mode="r")
    assert isinstance(images, np.memmap)
    assert images.shape == (8, 6, 9, 3 if to == "rgb" else 1)
    assert images.dtype == np.uint16
    convert_here(src, tmp_path / "folder", to=to)
    for number in np.random.default_rng(0).permutation(8):
        path = f"class{number // 4}/{number % 4}.png"
        expected = read(tmp_path / "folder" / path).array.reshape(images.shape[1:])
        np.testing.assert_array_equal(images[number], expected)


def test_labels_and_paths_lie_beside_it(tmp_path):
    src = make_source(tmp_path / "src", ("uint8", "uint16"), count=2)
    convert_here(src, tmp_path / "out.npy")
    labels = np.load(tmp_path / "out.labels.npy")
    assert labels.dtype == np.int64
    assert labels.tolist() == [0, 0, 1, 1]
    told = json.loads((tmp_path / "out.npy.json").read_text())
    assert told["classes"] == ["class0", "class1"]
    assert told["images"] == [
        {"path": f"class{c}/{k}.png", "label": c, "bits": (8, 16)[c]}
        for c in range(2)
        for k in range(2)
    ]


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "uint16", "float16", "float64"])
@pytest.mark.parametrize("shape", [(7, 6, 9), (7, 6, 9, 3), (2, 5, 6, 9)], ids=str)
def test_an_array_becomes_an_array_without_labels(tmp_path, dtype, shape):
    values = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    np.save(tmp_path / "stack.npy", values)
    convert_here(tmp_path / "stack.npy", tmp_path / "out.npy")
    images = np.load(tmp_path / "out.npy")
    assert images.dtype == dtype
    expected = values if shape[-1] == 3 else np.repeat(values[..., None], 3, -1)
    np.testing.assert_array_equal(images, expected.reshape(-1, 6, 9, 3))
    assert not (tmp_path / "out.labels.npy").exists()
    assert "images" not in json.loads((tmp_path / "out.npy.json").read_text())


def test_no_byte_is_on_the_disk_twice_while_the_file_is_put_together(tmp_path, monkeypatch):
    src = make_source(tmp_path / "src")
    root, most = tmp_path / "root", 0
    append = shutil.copyfileobj

    def watch(*arguments):
        nonlocal most
        sizes = [p.stat().st_size for p in (root / ".out.npy.partial").rglob("*") if p.is_file()]
        most = max(most, sum(sizes))
        append(*arguments)

    monkeypatch.setattr(target_npy.shutil, "copyfileobj", watch)
    convert_here(src, root / "out.npy")
    assert most < 1.3 * 8 * 6 * 9 * 3 + 2000  # the JSON of the shards


@pytest.mark.parametrize("is_kill", [False, True], ids=["full disk", "kill"])
def test_a_shard_that_is_appended_in_part_is_appended_again(tmp_path, monkeypatch, is_kill):
    src = make_source(tmp_path / "src")
    convert_here(src, tmp_path / "expected" / "out.npy")
    calls = 0

    def append(source, target, length):
        nonlocal calls
        calls += 1
        target.write(source.read(100 if calls == 2 else -1))
        target.flush()
        if calls == 2:
            raise Stopped if is_kill else OSError(errno.ENOSPC, "No space left on device")

    root = tmp_path / "root"
    with monkeypatch.context() as patch:
        patch.setattr(target_npy.shutil, "copyfileobj", append)
        with pytest.raises(Stopped if is_kill else TargetError):
            convert_here(src, root / "out.npy")
    assert not (root / "out.npy").exists()
    done = convert_here(src, root / "out.npy")
    assert (done.converted, done.already_done) == (0, 8)
    assert read_tree(root) == read_tree(tmp_path / "expected")
