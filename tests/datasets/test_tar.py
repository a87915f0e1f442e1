"""Tar shards as targets, and what the library webdataset reads of them."""

import io
import json
import os
import tarfile

import numpy as np
import PIL.Image
import pytest

from graytorgb.errors import OptionError
from graytorgb.io import read

from ..support import needs_package
from .shard_targets import convert_here, make_source, small_shards, write_odd_name

needs_package("webdataset")
assert small_shards
pytestmark = [
    pytest.mark.usefixtures("small_shards"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # webdataset leaves files open
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def read_samples(folder, pattern, **options):
    """Return the samples of shards, as the library webdataset reads them."""
    import webdataset

    data = webdataset.WebDataset(str(folder / pattern), shardshuffle=False, **options)
    return list(data)


def test_webdataset_reads_images_labels_and_paths(tmp_path):
    src = make_source(tmp_path / "src", ("uint8", "uint16"))
    PIL.Image.fromarray(np.ones((5, 5), np.uint8)).save(src / "z.v2.png")  # another size
    convert_here(src, tmp_path / "train.tar")
    listing = json.loads((tmp_path / "train.tar.json").read_text())
    names = [shard["name"] for shard in listing["shards"]]
    assert names == [f"train-{k:06d}.tar" for k in range(len(names))]
    assert len(names) == 5
    assert [shard["images"] for shard in listing["shards"]] == [2, 2, 2, 2, 1]
    assert listing["classes"] == ["class0", "class1"]
    samples = read_samples(tmp_path, "train-{000000..000004}.tar")
    assert [s["__key__"] for s in samples] == [f"{k:09d}" for k in range(9)]
    for sample in samples:
        told = json.loads(sample["json"])
        pixels = read("x.png", data=sample["png"]).array
        expected = read(src / told["path"])
        assert pixels.dtype == expected.array.dtype
        np.testing.assert_array_equal(pixels, np.repeat(expected.array[..., None], 3, -1))
        assert told["bits"] == expected.bits
        if told["path"] == "z.v2.png":
            assert "cls" not in sample
            assert told["class"] is None
        else:
            assert told["class"] == listing["classes"][int(sample["cls"])]
            assert told["path"].startswith(told["class"])


def test_webdataset_decodes_pixels_and_labels_itself(tmp_path):
    import webdataset

    src = make_source(tmp_path / "src")
    convert_here(src, tmp_path / "train.tar", to="rgb")
    data = webdataset.WebDataset(str(tmp_path / "train-{000000..000003}.tar"), shardshuffle=False)
    pairs = list(data.decode("rgb8").to_tuple("png", "cls"))
    assert [label for _, label in pairs] == [0] * 4 + [1] * 4
    np.testing.assert_array_equal(pairs[5][0][..., 2], read(src / "class1/1.png").array)


@pytest.mark.parametrize(
    ("options", "suffix"),
    [
        ({}, "png"),
        ({"to": "gray"}, "png"),
        ({"format": "jpeg", "bits": 8}, "jpg"),
        ({"format": "webp"}, "webp"),
        ({"format": "tiff"}, "tif"),
    ],
    ids=str,
)
def test_images_are_the_files_of_a_folder(tmp_path, options, suffix):
    src = make_source(tmp_path / "src")
    convert_here(src, tmp_path / "out.tar", **options)
    convert_here(src, tmp_path / "folder", **options)
    for number in range(4):
        with tarfile.open(tmp_path / f"out-{number:06d}.tar") as shard:
            for member in shard.getmembers():
                assert "." not in member.name.partition(".")[0]
                assert (member.mtime, member.uid, member.uname, member.mode) == (0, 0, "", 0o644)
                key, _, ending = member.name.partition(".")
                if ending not in ("cls", "json"):
                    place = f"class{int(key) // 4}/{int(key) % 4}"
                    (expected,) = (tmp_path / "folder" / place).parent.glob(f"{int(key) % 4}.*")
                    assert ending == suffix == expected.suffix[1:]
                    assert shard.extractfile(member).read() == expected.read_bytes()


def test_a_format_that_cannot_hold_the_images_is_refused(tmp_path):
    src = make_source(tmp_path / "src", ("uint16",))
    with pytest.raises(OptionError, match="JPEG holds"):
        convert_here(src, tmp_path / "out.tar", format="jpeg")
    assert not list(tmp_path.glob("*out*"))


def test_an_array_becomes_shards(tmp_path):
    values = np.random.default_rng(0).integers(0, 65536, (5, 6, 9), np.uint16)
    np.save(tmp_path / "stack.npy", values)
    convert_here(tmp_path / "stack.npy", tmp_path / "out.tar", to="gray")
    samples = read_samples(tmp_path, "out-{000000..000002}.tar")
    stored = [np.asarray(PIL.Image.open(io.BytesIO(sample["png"]))) for sample in samples]
    np.testing.assert_array_equal(stored, values)
    assert json.loads(samples[4]["json"])["path"] == "stack.npy[4]"


def test_frames_of_a_file_are_samples(tmp_path):
    import tifffile

    (tmp_path / "src" / "a").mkdir(parents=True)
    values = np.random.default_rng(0).integers(0, 256, (3, 6, 9), np.uint8)
    tifffile.imwrite(tmp_path / "src/a/scan.tif", values, photometric="minisblack")
    convert_here(tmp_path / "src", tmp_path / "out.tar", to="gray")
    samples = read_samples(tmp_path, "out-{000000..000001}.tar")
    assert [json.loads(s["json"])["path"] for s in samples] == [
        f"a/scan.tif[{k}]" for k in range(3)
    ]
    assert [int(s["cls"]) for s in samples] == [0, 0, 0]


def test_names_that_are_not_utf_8_are_kept(tmp_path):
    write_odd_name(tmp_path / "src" / "a", b"\xff.png")
    convert_here(tmp_path / "src", tmp_path / "out.tar")
    (sample,) = read_samples(tmp_path, "out-000000.tar")
    assert os.fsencode(json.loads(sample["json"])["path"]) == b"a/\xff.png"
