"""Zarr stores as targets: values, what is recorded, and how they are read."""

import numpy as np
import pytest

from graytorgb.errors import TargetError

from ..support import needs_package
from .shard_targets import convert_here, make_source, small_shards, write_odd_name

needs_package("zarr")
import PIL.Image  # noqa: E402
import tifffile  # noqa: E402
import zarr  # noqa: E402

assert small_shards

SHAPE = (6, 9)
FLOATS = ("float32", "float64")


def write_images(folder, dtypes, count=2):
    """Write TIFF files of several dtypes, and return their values in order."""
    images = []
    (folder / "a").mkdir(parents=True)
    random = np.random.default_rng(1)
    for dtype in dtypes:
        for _ in range(count):
            kind = np.dtype(dtype)
            bits = random.integers(0, 256, (*SHAPE, kind.itemsize), np.uint8)
            values = bits.view(kind)[..., 0] if kind.kind != "f" else random.random(SHAPE, kind)
            tifffile.imwrite(folder / "a" / f"{len(images)}.tif", values)
            images.append(values)
    return images


@pytest.mark.parametrize("to", ["gray", "rgb"])
@pytest.mark.parametrize(
    "dtypes",
    [
        (dtype,)
        for dtype in ("uint8", "uint16", "uint32", "int8", "int16", "int32", *FLOATS, "uint64")
    ]
    + [("uint8", "uint16"), ("uint8", "int16"), ("uint16", "float32"), ("int32", "float32")],
    ids="-".join,
)
@pytest.mark.filterwarnings("ignore:the file states its depth alone")
def test_values_are_those_of_the_files(tmp_path, dtypes, to):
    images = write_images(tmp_path / "src", dtypes)
    assert convert_here(tmp_path / "src", tmp_path / "out.zarr", to=to).errors == []
    stored = zarr.open_group(tmp_path / "out.zarr", mode="r")["images"]
    assert stored.dtype == np.result_type(*dtypes)
    assert stored.shape == (len(images), *SHAPE, 3 if to == "rgb" else 1)
    for number, image in enumerate(images):
        for channel in range(stored.shape[3]):
            np.testing.assert_array_equal(stored[number, :, :, channel], image)
            assert (stored[number, :, :, channel].astype(image.dtype) == image).all()


@pytest.mark.parametrize(
    "dtypes", [("uint64", "float32"), ("int64", "uint64"), ("int64", "float64")]
)
def test_dtypes_that_no_dtype_holds_are_refused(tmp_path, dtypes):
    write_images(tmp_path / "src", dtypes)
    with pytest.raises(TargetError) as caught:
        convert_here(tmp_path / "src", tmp_path / "out.zarr")
    for text in (*dtypes, "a/0.tif", "a/2.tif", "bits=8"):
        assert text in str(caught.value)
    assert caught.value.remedies == ("bits", "value_range")
    assert not (tmp_path / "out.zarr").exists()


def test_a_group_has_images_labels_paths_and_bits(tmp_path, recwarn):
    src = make_source(tmp_path / "src", ("uint8", "uint16"), count=2)
    PIL.Image.fromarray(np.ones(SHAPE, np.uint8)).save(src / "z.png")
    convert_here(src, tmp_path / "out.zarr")
    group = zarr.open(tmp_path / "out.zarr", mode="r")
    assert group.metadata.zarr_format == 3
    assert sorted(group.array_keys()) == ["bits", "images", "labels", "paths"]
    paths = ["class0/0.png", "class0/1.png", "class1/0.png", "class1/1.png", "z.png"]
    assert list(group["paths"][:]) == paths
    assert group["labels"][:].tolist() == [0, 0, 1, 1, -1]
    assert group["labels"].dtype == np.int64
    assert group["bits"][:].tolist() == [8, 8, 16, 16, 8]
    assert group.attrs["classes"] == ["class0", "class1"]
    assert group.attrs["value_range"] is None  # it differs
    assert group["images"].metadata.dimension_names == ("N", "H", "W", "C")
    assert recwarn.list == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [0, 65535]),
        ({"value_range": (0, 4095)}, [0, 4095]),
        ({"value_range": (0, 4095), "bits": 8}, [0, 255]),
    ],
    ids=["files", "stated", "8 bits"],
)
def test_the_range_is_recorded(tmp_path, options, expected):
    src = make_source(tmp_path / "src", ("uint16",))
    convert_here(src, tmp_path / "out.zarr", **options)
    group = zarr.open_group(tmp_path / "out.zarr", mode="r")
    assert group.attrs["value_range"] == expected
    assert group["images"].dtype == ("uint8" if "bits" in options else "uint16")


@pytest.mark.usefixtures("small_shards")
def test_one_image_is_a_chunk_and_black_ones_are_chunks_too(tmp_path):
    (tmp_path / "src").mkdir()
    for k in range(4):
        PIL.Image.fromarray(np.full((64, 64), k // 2, np.uint8)).save(tmp_path / f"src/{k}.png")
    convert_here(tmp_path / "src", tmp_path / "out.zarr")
    images = zarr.open_group(tmp_path / "out.zarr", mode="r")["images"]
    assert images.chunks == (1, 64, 64, 3)
    assert images.shards == (3, 64, 64, 3)
    assert images.nchunks_initialized == 2 * 3  # both shards are there
    files = [p for p in (tmp_path / "out.zarr/images/c").rglob("*") if p.is_file()]
    assert len(files) == 2
    for k in (3, 0, 2, 1):  # as a data loader reads
        assert (images[k] == k // 2).all()


def test_three_equal_channels_take_hardly_more_bytes_than_one(tmp_path):
    (tmp_path / "src").mkdir()
    random = np.random.default_rng(0)
    for k in range(3):
        smooth = np.add.outer(np.arange(128), np.arange(160)) * 8 + random.normal(0, 9, (128, 160))
        PIL.Image.fromarray(smooth.clip(0, 4095).astype(np.uint16)).save(tmp_path / f"src/{k}.png")
    sizes = {}
    for to in ("gray", "rgb"):
        convert_here(tmp_path / "src", tmp_path / f"{to}.zarr", to=to)
        files = (tmp_path / f"{to}.zarr/images/c").rglob("*")
        sizes[to] = sum(p.stat().st_size for p in files if p.is_file())
    assert sizes["rgb"] < 1.1 * sizes["gray"] < 0.9 * 3 * 128 * 160 * 2


def test_a_name_that_is_not_utf_8_is_escaped(tmp_path):
    write_odd_name(tmp_path / "src" / "a", b"\xff \xc3\xa9.png")
    convert_here(tmp_path / "src", tmp_path / "out.zarr")
    group = zarr.open_group(tmp_path / "out.zarr", mode="r")
    assert list(group["paths"][:]) == ["a/\\xff é.png"]


@pytest.mark.parametrize("suffix", ["npy", "zarr"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.usefixtures("small_shards")
def test_an_array_becomes_an_array(tmp_path, suffix, dtype):
    values = np.random.default_rng(0).integers(0, 200, (7, *SHAPE)).astype(dtype)
    src = tmp_path / f"stack.{suffix}"
    if suffix == "npy":
        np.save(src, values)
    else:
        zarr.create_array(src, data=values, chunks=(2, *SHAPE))
    convert_here(src, tmp_path / "out.zarr", value_range=(0, 199))
    array = zarr.open(tmp_path / "out.zarr", mode="r")
    assert isinstance(array, zarr.Array)
    assert (array.shape, array.dtype) == ((7, *SHAPE, 3), dtype)
    np.testing.assert_array_equal(array[:], np.repeat(values[..., None], 3, -1))
    assert array.attrs["value_range"] == [0, 199]
    convert_here(src, tmp_path / "gray.zarr", to="gray")
    np.testing.assert_array_equal(zarr.open(tmp_path / "gray.zarr")[..., 0], values)


def test_a_group_becomes_a_group_with_its_paths(tmp_path):
    src = make_source(tmp_path / "src", ("uint8", "uint16"), count=2)
    convert_here(src, tmp_path / "one.zarr")
    convert_here(tmp_path / "one.zarr", tmp_path / "two.zarr", to="gray")
    one, two = (zarr.open_group(tmp_path / f"{n}.zarr", mode="r") for n in ("one", "two"))
    np.testing.assert_array_equal(two["images"][..., 0], one["images"][..., 1])
    assert list(two["paths"][:]) == list(one["paths"][:])
    assert two["labels"][:].tolist() == one["labels"][:].tolist()
    assert two.attrs["classes"] == ["class0", "class1"]
