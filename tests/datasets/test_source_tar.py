"""Tar files as sources: shards of a conversion and of webdataset, and tars of class folders."""

import io
import json
import multiprocessing
import os
import pickle
import tarfile
import threading

import numpy as np
import pytest

from graytorgb.datasets.auditing import audit
from graytorgb.datasets.sources import tar as source_tar
from graytorgb.datasets.sources.items import Item, Skipped
from graytorgb.datasets.sources.opening import open_source
from graytorgb.datasets.sources.tar_names import _expand_braces
from graytorgb.errors import ImageFileError, TargetError
from graytorgb.io import read

from ..support import assert_same_bits, needs, needs_package
from .shard_targets import convert_here, make_source, small_shards

needs("pillow")
needs_package("imagecodecs", "psutil")
assert small_shards

import PIL.Image  # noqa: E402
import psutil  # noqa: E402


def encode(value=7, dtype=np.uint8, shape=(4, 5)):
    """Return a PNG file of one value."""
    data = io.BytesIO()
    PIL.Image.fromarray(np.full(shape, value, dtype)).save(data, "PNG")
    return data.getvalue()


def write_tar(path, files, **options):
    """Write a tar of files: bytes, or a TarInfo for another kind of member."""
    with tarfile.open(path, "w", **options) as tar:
        for name, data in files.items():
            if isinstance(data, tarfile.TarInfo):
                tar.addfile(data)
                continue
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def make_link(name, target, kind=tarfile.SYMTYPE):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def list_items(source):
    return [found for found in source.items() if isinstance(found, Item)]


def list_skipped(source):
    return {found.path: found.reason for found in source.items() if isinstance(found, Skipped)}


@pytest.fixture
def converted(tmp_path, small_shards):
    """A folder of 8 images of 16 bits in two classes, and its shards of two images each."""
    src = make_source(tmp_path / "src", ("uint16", "uint16"))
    convert_here(src, tmp_path / "train.tar", to="gray", value_range=(0, 65000))
    return tmp_path


NAMES = [
    "train.tar", "train.tar.json", "train-*.tar", "train-0*[0-3].tar",
    "train-{000000..000003}.tar", "train-{000000,000001,000002,000003}.tar",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_name_of_shards_is_the_same_source(converted, name):
    source = open_source(converted / name)
    items = list_items(source)
    assert source.classes == ["class0", "class1"]
    assert source.count == len(items) == 8
    assert source.base == str(converted)
    assert not source.is_array
    assert [item.path for item in items] == [f"class{k // 4}/{k % 4}.png" for k in range(8)]
    assert [item.label for item in items] == [0] * 4 + [1] * 4
    for item in items:
        expected = read(converted / "src" / item.path)
        image = item.read()
        assert_same_bits(image.array, expected.array)
        assert image.value_range == item.value_range == (0, 65000)
        assert not image.depth_only
        header = item.read_header()
        assert (header.shape, header.value_range) == ((6, 9), (0, 65000))
        assert item.read(value_range=(5, 60)).value_range == (5, 60)
        assert item.size == len(item.read_data())
        assert item.suffix == ".png"
        assert item.is_named_image


def test_a_part_of_the_shards_has_the_classes_of_all(converted):
    names = [str(converted / f"train-00000{k}.tar") for k in (3, 0)]
    source = open_source(names)
    assert source.name == ", ".join(names)
    assert source.classes == ["class0", "class1"]
    assert [item.label for item in list_items(source)] == [1, 1, 0, 0]
    assert source.count == 4
    with pytest.raises(ImageFileError, match="given twice"):
        open_source([names[0], names[0]])


def test_shards_without_their_list_have_the_names_of_the_records(converted):
    (converted / "train.tar.json").unlink()
    source = open_source(converted / "train-*.tar")
    assert (source.classes, source.count) == (["class0", "class1"], None)
    items = list_items(source)
    assert [item.label for item in items] == [0] * 4 + [1] * 4
    assert items[5].path == "class1/1.png"
    assert items[5].value_range is None  # nothing says which range was meant
    # the numbers of these two shards are those of all
    assert open_source(converted / "train-000003.tar").classes == ["0", "class1"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, None),  # 0 to 65535 is the depth of the files, and may not be that of their values
        ({"value_range": (0, 65535)}, (0, 65535)),
        ({"value_range": (-10, 4000.5)}, (-10, 4000.5)),
        ({"value_range": ("percentile", 1, 99)}, None),
        ({"value_range": (0, 4095), "bits": 8}, None),
    ],
)
def test_only_a_range_that_is_sure_is_told(tmp_path, options, expected):
    src = make_source(tmp_path / "src", ("uint16",), count=2)
    for name in ("a.tar", "a.npy", "a.zarr"):
        if name == "a.zarr":
            needs_package("zarr")
        convert_here(src, tmp_path / name, to="gray", **options)
        items = list_items(open_source(tmp_path / name))
        assert [item.value_range for item in items] == [expected, expected]
        assert [item.path for item in items] == ["class0/0.png", "class0/1.png"]


def test_8_bits_in_a_set_with_a_range_keep_theirs(tmp_path):
    src = make_source(tmp_path / "src", ("uint8", "uint16"), count=1)
    convert_here(src, tmp_path / "a.tar", to="gray", value_range=(0, 4000))
    ranges = [item.read().value_range for item in list_items(open_source(tmp_path / "a.tar"))]
    assert ranges == [(0, 255), (0, 4000)]


def test_images_without_a_class(tmp_path):
    write_png = PIL.Image.fromarray(np.zeros((6, 9), np.uint8)).save
    src = make_source(tmp_path / "src", ("uint8",), count=1)
    write_png(src / "z.v2.png")
    convert_here(src, tmp_path / "a.tar")
    assert [i.label for i in list_items(open_source(tmp_path / "a.tar"))] == [0, None]
    (tmp_path / "flat").mkdir()
    write_png(tmp_path / "flat" / "1.png")
    convert_here(tmp_path / "flat", tmp_path / "b.tar")
    source = open_source(tmp_path / "b.tar")
    assert (source.classes, [i.label for i in list_items(source)]) == ([], [None])
    (tmp_path / "b.tar.json").unlink()
    source = open_source(tmp_path / "b-000000.tar")
    assert (source.classes, [i.label for i in list_items(source)]) == ([], [None])


def test_shards_that_webdataset_wrote(tmp_path):
    needs_package("webdataset")
    import webdataset

    pattern = str(tmp_path / "set-%06d.tar")
    with webdataset.ShardWriter(pattern, maxcount=2, verbose=False) as writer:
        for k in range(5):
            image, mask = encode(k, np.uint16), encode(k + 10)
            writer.write({"__key__": f"s{k:03d}", "png": image, "mask.png": mask, "cls": 3 * k})
    source = open_source(tmp_path / "set-{000000..000002}.tar")
    assert source.classes == [str(k) for k in range(13)]
    assert source.count is None
    items = list_items(source)
    assert sorted(item.path for item in items[2:4]) == [
        "3/set-000000/s001.mask.png", "3/set-000000/s001.png",
    ]  # fmt: skip
    for k in range(5):
        pair = sorted(items[2 * k : 2 * k + 2], key=lambda item: item.member)
        assert [item.label for item in pair] == [3 * k, 3 * k]
        assert [item.read().array[0, 0] for item in pair] == [k + 10, k]
    assert list_items(open_source(tmp_path / "set-000000.tar"))[2].path.startswith("3/s001")


@pytest.mark.parametrize("where", ["cls", "json"])
def test_labels_that_are_names(tmp_path, where):
    names = ["dog", "ant", "dog", "c/t"]
    files = {}
    for k, name in enumerate(names):
        files[f"{k}.png"] = encode(k)
        told = name if where == "cls" else json.dumps({"label": name, "other": 1})
        files[f"{k}.{where}"] = told.encode()
    source = open_source(write_tar(tmp_path / "a.tar", files))
    assert source.classes == ["ant", "c/t", "dog"]
    items = list_items(source)
    assert [item.label for item in items] == [2, 0, 2, 1]
    assert [item.path for item in items] == ["dog/0.png", "ant/1.png", "dog/2.png", "3.png"]


def test_labels_that_do_not_fit_together(tmp_path, converted):
    mixed = {"0.png": encode(), "0.cls": b"1", "1.png": encode(), "1.cls": b"cat"}
    with pytest.raises(ImageFileError, match="such as 1, and some a name, such as 'cat'"):
        open_source(write_tar(tmp_path / "a.tar", mixed)).classes  # noqa: B018
    files = {"0.png": encode(), "0.cls": b"99999999"}
    with pytest.raises(ImageFileError, match="class of 0 is 99999999"):
        open_source(write_tar(tmp_path / "b.tar", files)).classes  # noqa: B018
    # two sets of shards that number other classes
    other = make_source(tmp_path / "other", ("uint8",))
    (other / "class0").rename(other / "zebra")
    convert_here(other, tmp_path / "other.tar")
    both = open_source([converted / "train-000000.tar", tmp_path / "other-000000.tar"])
    with pytest.raises(ImageFileError, match="class 0 is 'class0' in one place, and 'zebra'"):
        both.classes  # noqa: B018
    # a list that isn't theirs
    listing = json.loads((converted / "train.tar.json").read_text())
    listing["classes"] = ["class0"]
    (converted / "train.tar.json").write_text(json.dumps(listing))
    with pytest.raises(ImageFileError, match="is 1, which isn't one of the 1 classes"):
        list(open_source(converted / "train.tar").items())


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_plain_tar_of_class_folders(tmp_path, format):  # noqa: A002
    long = "d" * 60 + "/" + "e" * 90 + ".png"
    files = {
        "./cats/1.png": encode(1), "cats/2.png": encode(2), long: encode(3),
        "cats/readme.txt": b"hello", "dogs/scan": encode(4), "README": b"a text",
    }  # fmt: skip
    source = open_source(write_tar(tmp_path / "a.tar", files, format=format))
    assert source.classes is None
    items = list_items(source)
    assert [i.path for i in items] == [
        "cats/1.png", "cats/2.png", long, "cats/readme.txt", "dogs/scan", "README",
    ]  # fmt: skip
    assert [i.is_named_image for i in items] == [True, True, True, False, False, False]
    assert {i.label for i in items} == {None}
    found = audit(tmp_path / "a.tar", workers=1)
    assert (found.files, found.unreadable) == (4, 0)
    assert [folder["folder"] for folder in found.list_folders()] == ["cats", "d" * 60, "dogs"]
    assert {skipped["path"] for skipped in found.skipped} == {"cats/readme.txt", "README"}


def test_several_plain_tars(tmp_path):
    write_tar(tmp_path / "a.tar", {"1.png": encode(1), "x/1.png": encode(2)})
    write_tar(tmp_path / "b.tar", {"1.png": encode(3), "x/1.png": encode(4)})
    items = list_items(open_source([tmp_path / "a.tar", tmp_path / "b.tar"]))
    assert [item.path for item in items] == ["a/1.png", "x/1.png", "b/1.png", "x/1.png"]
    assert [item.read().array[0, 0] for item in items] == [1, 2, 3, 4]


def test_what_is_never_followed(tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(encode())
    files = {
        "../out.png": encode(), "/abs.png": encode(), "a//b.png": encode(),
        "link.png": make_link("link.png", str(secret)),
        "hard.png": make_link("hard.png", "ok.png", tarfile.LNKTYPE),
        "fifo.png": make_link("fifo.png", "", tarfile.FIFOTYPE),
        "device.png": make_link("device.png", "", tarfile.CHRTYPE),
        "folder.png": make_link("folder.png", "", tarfile.DIRTYPE), "ok.png": encode(),
    }  # fmt: skip
    source = open_source(write_tar(tmp_path / "a.tar", files))
    assert [item.path for item in list_items(source)] == ["ok.png"]
    skipped = list_skipped(source)
    assert list(skipped) == [
        "a.tar/../out.png", "a.tar//abs.png", "a.tar/a//b.png", "a.tar/link.png",
        "a.tar/hard.png", "a.tar/fifo.png", "a.tar/device.png",
    ]  # fmt: skip
    assert all("never" in reason for reason in skipped.values())


def damage_header(path, number):
    with tarfile.open(path) as tar:
        start = tar.getmembers()[number].offset
    data = bytearray(path.read_bytes())
    data[start + 20 : start + 160] = b"?" * 140
    path.write_bytes(data)


def test_a_damaged_tar(tmp_path):
    files = {f"{k}.png": encode(k) for k in range(5)}
    whole = write_tar(tmp_path / "a.tar", files).read_bytes()
    path = tmp_path / "b.tar"
    for cut, count, reason in [
        (1536 + 20, 2, "truncated: '1.png' ends beyond"), (2048 + 100, 2, "damaged at byte 2,048"),
    ]:  # fmt: skip
        path.write_bytes(whole[:cut])
        items, skipped = list_items(open_source(path)), list_skipped(open_source(path))
        assert len(items) == count
        assert list(skipped) == ["b.tar"]
        assert reason in skipped["b.tar"]
    path.write_bytes(whole)
    damage_header(path, 3)
    (lost,) = (found for found in open_source(path).items() if isinstance(found, Skipped))
    assert lost.may_hide_images
    assert "damaged at byte 3,072: no header of a member" in lost.reason
    assert [item.path for item in list_items(open_source(path))] == ["0.png", "1.png", "2.png"]
    path.write_bytes(whole + whole)
    assert "cat a.tar b.tar" in list_skipped(open_source(path))["b.tar"]
    path.write_bytes(whole[: 5 * 1024])  # without the blocks of zeros at its end
    assert (len(list_items(open_source(path))), list_skipped(open_source(path))) == (5, {})


@pytest.mark.parametrize("data", [b"", b"no tar at all" * 100, b"\xff" * 2000])
def test_what_is_no_tar(tmp_path, data):
    (tmp_path / "bad.tar").write_bytes(data)
    with pytest.raises(ImageFileError, match=r"bad\.tar: no tar file, or a damaged one"):
        open_source(tmp_path / "bad.tar")
    write_tar(tmp_path / "good.tar", {"1.png": encode()})
    found = list(open_source(tmp_path / "*.tar").items())  # the others are read
    assert [each.path for each in found] == ["bad.tar", "good/1.png"]
    assert found[0].may_hide_images


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tgz", "a.tar"])
def test_a_compressed_tar_is_refused(tmp_path, name):
    with tarfile.open(tmp_path / name, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("1.png"))
    with pytest.raises(ImageFileError, match=r"compressed tar.*unpack it to a plain \.tar first"):
        open_source(tmp_path / name)


def test_a_shard_that_is_not_there(converted):
    (converted / "train-000002.tar").unlink()
    for name in ("train.tar", "train-{000000..000003}.tar"):
        with pytest.raises(FileNotFoundError, match=r"train-000002\.tar"):
            open_source(converted / name)
    for name in ("none.tar", "none-*.tar", "none-{0..3}.tar", "no/where-*.tar"):
        with pytest.raises(FileNotFoundError, match=r"none|where"):
            open_source(converted / name)
    with pytest.raises(FileNotFoundError, match="none"):
        open_source([converted / "train-*.tar", converted / "none-*.tar"])


def test_a_list_that_is_not_ours(tmp_path):
    (tmp_path / "a.tar.json").write_text('{"shards": ["a.tar"]}')
    with pytest.raises(ImageFileError, match="no list of tar shards that a conversion"):
        open_source(tmp_path / "a.tar.json")
    (tmp_path / "b.tar").mkdir()
    make_source(tmp_path / "b.tar", count=1)  # a folder of that name is a folder
    assert len(list_items(open_source(tmp_path / "b.tar"))) == 2


def test_a_list_never_leads_out_of_its_folder(converted):
    listing = json.loads((converted / "train.tar.json").read_text())
    listing["shards"][0]["name"] = "../train-000000.tar"
    (converted / "train.tar.json").write_text(json.dumps(listing))
    with pytest.raises(ImageFileError, match="no list of tar shards"):
        open_source(converted / "train.tar")


def test_a_shard_with_less_images_than_listed(converted):
    path = converted / "train-000001.tar"
    kept = {}
    with tarfile.open(path) as tar:
        for member in tar.getmembers()[:3]:
            kept[member.name] = tar.extractfile(member).read()
    write_tar(path, kept)
    skipped = list_skipped(open_source(converted / "train.tar"))
    assert skipped == {path.name: "it has 1 images, and the list of the shards says 2"}


def test_braces():
    assert list(_expand_braces("a-{8..11}.tar")) == [f"a-{k}.tar" for k in (8, 9, 10, 11)]
    assert list(_expand_braces("a-{008..11}.tar")) == [f"a-{k:03d}.tar" for k in (8, 9, 10, 11)]
    assert list(_expand_braces("{a,b}/{0..1}.tar")) == ["a/0.tar", "a/1.tar", "b/0.tar", "b/1.tar"]
    assert list(_expand_braces("plain.tar")) == ["plain.tar"]
    for name in ("a-{5..2}.tar", "a-{0..9999999}.tar"):
        with pytest.raises(ImageFileError, match="numbers from a smaller to a larger"):
            list(_expand_braces(name))
    with pytest.raises(ImageFileError, match="1,000,000,000 names"):
        list(_expand_braces("{0..999}{0..999}{0..999}.tar"))


def test_a_name_with_braces_that_is_there(tmp_path):
    write_tar(tmp_path / "a{0..1}.tar", {"1.png": encode()})
    assert len(list_items(open_source(tmp_path / "a{0..1}.tar"))) == 1


def test_a_tar_that_changes_after_it_was_listed(tmp_path):
    path = write_tar(tmp_path / "a.tar", {f"{k}.png": encode(k) for k in range(3)})
    items = list_items(open_source(path))
    items[0].read_data()
    times = path.stat()
    # replaced under its name: the open file is still the old one
    write_tar(tmp_path / "b.tar", {"x.png": encode(9)}).replace(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    assert items[1].read().array[0, 0] == 1
    source_tar._open_shard.cache_clear()
    with pytest.raises(ImageFileError, match="changed since it was listed"):
        items[1].read()
    items = list_items(open_source(path))
    path.write_bytes(path.read_bytes()[:540])
    os.utime(path, ns=(times.st_atime_ns, items[0].modified))
    with pytest.raises(ImageFileError, match=r"truncated: an image lacks \d+ of its bytes"):
        items[0].read()
    path.unlink()
    source_tar._open_shard.cache_clear()
    with pytest.raises(FileNotFoundError):
        items[0].read()


def count_open_files():
    return psutil.Process().num_fds()


def test_few_tars_are_open_at_a_time(tmp_path):
    names = [write_tar(tmp_path / f"{k:03d}.tar", {"1.png": encode(k)}) for k in range(70)]
    items = list_items(open_source(names))
    source_tar._open_shard.cache_clear()
    before = count_open_files()
    assert [item.read().array[0, 0] for item in items] == list(range(70))
    assert count_open_files() <= before + source_tar._OPEN_SHARDS
    source_tar._open_shard.cache_clear()
    assert count_open_files() == before


def test_threads_read_one_tar(tmp_path):
    shape = (40, 41)
    files = {f"{k}.png": encode(k, shape=shape) for k in range(50)}
    items = list_items(open_source(write_tar(tmp_path / "a.tar", files)))
    wrong = []

    def read_all(seed):
        for k in np.random.default_rng(seed).permutation(50):
            if items[k].read().array[3, 4] != k:
                wrong.append(k)

    threads = [threading.Thread(target=read_all, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def _read_first_value(item):
    return int(item.read().array[0, 0])


def test_items_are_read_in_forked_processes(tmp_path):
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("this system has no fork")
    files = {f"{k}.png": encode(k) for k in range(20)}
    items = list_items(open_source(write_tar(tmp_path / "a.tar", files)))
    assert pickle.loads(pickle.dumps(items)) == items
    items[0].read()  # so that the tar is open before the fork
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(_read_first_value, items, 3) == list(range(20))


@pytest.mark.parametrize("options", [{}, {"to": "gray"}, {"to": "gray", "format": "tiff"}])
def test_a_tar_becomes_the_folder_again(tmp_path, small_shards, options):
    src = make_source(tmp_path / "src", ("uint8", "uint16"))
    convert_here(src, tmp_path / "train.tar", **options)
    done = convert_here(tmp_path / "train.tar", tmp_path / "back", **options)
    assert (done.converted, done.errors, done.skipped) == (8, [], [])
    convert_here(src, tmp_path / "direct", **options)
    for path in (tmp_path / "direct").rglob("*.[pt][ni][gf]"):
        again = tmp_path / "back" / path.relative_to(tmp_path / "direct")
        assert again.read_bytes() == path.read_bytes()
    assert convert_here(tmp_path / "train.tar", tmp_path / "back", **options).already_done == 8


def test_the_pages_of_a_file_have_their_numbers_again(tmp_path):
    import tifffile

    pages = np.arange(2 * 30, dtype=np.uint16).reshape(2, 5, 6) * 1000
    (tmp_path / "src" / "a").mkdir(parents=True)
    tifffile.imwrite(tmp_path / "src" / "a" / "scan.tif", pages, photometric="minisblack")
    convert_here(tmp_path / "src", tmp_path / "t.tar", to="gray")
    convert_here(tmp_path / "t.tar", tmp_path / "back", to="gray")
    for k in range(2):
        assert_same_bits(read(tmp_path / "back/a" / f"scan_{k:06d}.png").array, pages[k])


def test_an_audit_of_a_tar_is_that_of_the_folder(tmp_path, small_shards):
    src = make_source(tmp_path / "src", ("uint8", "uint16"))
    convert_here(src, tmp_path / "direct", to="gray")
    convert_here(src, tmp_path / "train.tar", to="gray")
    expected = audit(tmp_path / "direct" / "*" / "*.png", workers=1)
    found = audit(tmp_path / "train.tar", workers=1)
    assert (found.files, found.value_range) == (8, expected.value_range)
    assert list(found.records) == list(expected.records)


def test_a_bad_image_in_a_tar_is_named(tmp_path):
    files = {"cats/1.png": encode(), "cats/2.png": encode()[:40], "cats/3.png": b""}
    write_tar(tmp_path / "a.tar", files)
    found = audit(tmp_path / "a.tar", workers=1)
    assert [record["error"] is None for record in found.records] == [True, False, False]
    items = list_items(open_source(tmp_path / "a.tar"))
    with pytest.raises(ImageFileError, match=r"a\.tar/cats/2\.png"):
        items[1].read()
    done = convert_here(tmp_path / "a.tar", tmp_path / "out")
    assert [name for name, _ in done.errors] == ["cats/2.png", "cats/3.png"]


def test_a_damaged_shard_is_an_error_of_a_conversion(converted):
    damage_header(converted / "train-000001.tar", 3)
    done = convert_here(converted / "train.tar", converted / "out")
    ((name, reason),) = done.errors
    assert name == "train-000001.tar"
    assert "damaged at byte" in reason
    assert done.converted == 7


@pytest.mark.parametrize("name", ["train.tar", "train.tar.json", "train-*.tar"])
def test_shards_are_never_written_over_by_themselves(converted, name):
    before = {path.name: path.read_bytes() for path in converted.glob("train*")}
    with pytest.raises(TargetError, match="name another target"):
        convert_here(converted / name, converted / "train.tar", bits=8)
    assert {path.name: path.read_bytes() for path in converted.glob("train*")} == before


def test_a_tar_among_other_sources(converted, tmp_path):
    source = open_source([converted / "train-000000.tar", converted / "src" / "class1"])
    with pytest.raises(ImageFileError, match="numbers its classes, and the classes of"):
        source.classes  # noqa: B018
    assert [item.label for item in list_items(source)] == [None] * 6  # but they are images
    convert_here(converted / "src", converted / "again.npy", to="gray")
    source = open_source([converted / "train.tar", converted / "again.npy"])
    assert source.classes == ["class0", "class1"]
    assert [item.label for item in list_items(source)] == ([0] * 4 + [1] * 4) * 2
    other = make_source(tmp_path / "other", ("uint16",))
    (other / "class0").rename(other / "a")
    convert_here(other, tmp_path / "other.npy", to="gray")
    source = open_source([converted / "train.tar", tmp_path / "other.npy"])
    assert source.classes == ["a", "class0", "class1"]
    assert [item.label for item in list_items(source)] == [1] * 4 + [2] * 4 + [0] * 4


def test_a_tar_behind_a_url(tmp_path):
    needs_package("fsspec")
    import fsspec

    path = write_tar(tmp_path / "a.tar", {"cats/1.png": encode()})
    assert open_source(f"file://{path}").classes is None
    fsspec.filesystem("memory").pipe_file("/set/a.tar", path.read_bytes())
    with pytest.raises(ImageFileError, match="copy them here"):
        open_source("memory://set/a.tar")
    fsspec.filesystem("memory").rm("/set", recursive=True)
    assert [i.path for i in open_source(f"tar://::{path}").items()] == ["cats/1.png"]
