"""What a source is: files, lists of paths, pages, several sources, and what is none of them."""

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from graytorgb import io
from graytorgb.datasets.sources import items as items_module
from graytorgb.datasets.sources.items import Item, Skipped
from graytorgb.datasets.sources.opening import open_source
from graytorgb.errors import DtypeError, ImageFileError

from ..support import assert_same_bits, needs_package, random_bits, run_python
from .trees import list_paths


def write_png(path, image=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(random_bits((6, 7), "uint8") if image is None else image).save(path, "PNG")
    return path


def test_one_image_file(tmp_path):
    path = write_png(tmp_path / "a b.png")
    source = open_source(path)
    (item,) = source.items()
    assert (source.count, source.is_array, source.base) == (1, False, str(tmp_path))
    assert item == Item("a b.png", str(path), None, path.stat().st_size, path.stat().st_mtime_ns)
    assert_same_bits(item.read().array, io.read(path).array)
    assert item.read_header().shape == (6, 7)
    assert item.read_data() == path.read_bytes()


def test_the_bytes_of_a_file_are_read_once(tmp_path, monkeypatch):
    path = write_png(tmp_path / "a.png")
    (item,) = open_source(path).items()
    data, image = item.read_data(), item.read()
    path.unlink()
    assert_same_bits(item.read(data=data).array, image.array)
    assert item.read_header(data=data).shape == (6, 7)


def test_a_large_file_is_not_loaded(tmp_path, monkeypatch):
    path = write_png(tmp_path / "a.png")
    monkeypatch.setattr(items_module, "LARGEST_LOADED", path.stat().st_size - 1)
    (item,) = open_source(path).items()
    assert item.read_data() is None
    assert item.read().array.shape == (6, 7)


def test_options_reach_the_reader(tmp_path):
    (item,) = open_source(write_png(tmp_path / "a.png")).items()
    assert item.read(value_range=(3, 200)).value_range == (3, 200)
    with pytest.raises(ImageFileError, match="limit"):
        item.read(limit=1)


@pytest.fixture
def pages(tmp_path):
    """A TIFF of five pages."""
    array = random_bits((5, 6, 7), "uint16")
    tifffile.imwrite(tmp_path / "pages.tif", array, photometric="minisblack")
    return tmp_path / "pages.tif", array


def test_each_page_of_a_tiff_is_an_item(pages):
    path, array = pages
    source = open_source(path)
    found = list(source.items())
    assert source.count == 5
    assert [item.path for item in found] == [f"pages.tif[{k}]" for k in range(5)]
    for item, page in zip(found, array, strict=True):
        assert_same_bits(item.read().array, page)
        assert item.read_header().shape == (6, 7)
        assert item.read_data() is None


def test_smaller_copies_and_masks_among_the_pages_are_skipped(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for kind, size in ((0, 8), (1, 4), (4, 8), (0, 8)):
            page = np.zeros((size, size), bool if kind == 4 else np.uint8)
            file.write(page, subfiletype=kind, metadata=None, photometric="minisblack")
    source = open_source(tmp_path / "a.tif")
    assert source.count == 2
    assert [(f.path, getattr(f, "reason", "")) for f in source.items()] == [
        ("a.tif[0]", ""), ("a.tif[1]", "a smaller copy of another page"),
        ("a.tif[2]", "a mask of another page"), ("a.tif[3]", ""),
    ]  # fmt: skip


def test_a_tiff_of_one_page_or_in_a_folder_is_one_item(tmp_path, pages):
    (item,) = open_source(tmp_path).items()
    assert (item.path, item.index) == ("pages.tif", None)
    assert item.read().array.shape == (5, 6, 7)
    tifffile.imwrite(tmp_path / "one.tif", pages[1][0])
    assert list_paths(tmp_path / "one.tif") == ["one.tif"]


def test_a_damaged_image_is_an_item_that_cannot_be_read(tmp_path, pages):
    (tmp_path / "a.png").write_bytes(b"nonsense")
    pages[0].write_bytes(pages[0].read_bytes()[:50])
    for name in ("a.png", "pages.tif"):
        (item,) = open_source(tmp_path / name).items()
        with pytest.raises(ImageFileError):
            item.read()


def test_a_list_of_paths(tmp_path, monkeypatch):
    write_png(tmp_path / "set" / "a b.png")
    write_png(tmp_path / "set" / "sub" / "#c.png")
    write_png(tmp_path / "other" / "d.png")
    (tmp_path / "set" / "pipe.png").parent.mkdir(exist_ok=True)
    os.mkfifo(tmp_path / "set" / "pipe.png")
    listing = tmp_path / "set" / "list.txt"
    listing.write_bytes(
        b"\xef\xbb\xbfa b.png\r\n\n# a comment\n   \nsub/#c.png\n./sub/../a b.png\n../other/d.png\n"
        + os.fsencode(tmp_path / "other" / "d.png") + b"\nmissing\xff.png\npipe.png\nsub\n"
        b"s3://bucket/scans/e.png"
    )  # fmt: skip
    monkeypatch.chdir(tmp_path)  # paths start from the folder of the list
    found = list(open_source("set/list.txt").items())
    outside = str(tmp_path / "other" / "d.png").lstrip("/")
    assert [f.path for f in found] == [
        "a b.png", "sub/#c.png", "a b.png", outside, outside, "missing\udcff.png", "pipe.png",
        "sub", "bucket/scans/e.png",
    ]  # fmt: skip
    assert [f.reason for f in found if isinstance(f, Skipped)] == [
        "a pipe (FIFO), never opened",
        "a folder in a list of files: give it as a source of its own",
    ]
    for item in found[:5]:
        assert item.read().array.shape == (6, 7)
    with pytest.raises(FileNotFoundError):
        found[5].read()
    assert found[-1].location == "s3://bucket/scans/e.png"


def test_a_list_with_zeros_has_names_of_any_characters(tmp_path):
    names = ["a\nb.png", "#c.png", " d.png "]
    for name in names:
        write_png(tmp_path / name)
    for end in ("\0", ""):
        (tmp_path / "list.txt").write_text("\0".join(names) + end)
        found = list(open_source(tmp_path / "list.txt").items())
        assert [item.path for item in found] == names
        assert all(item.read().array.shape == (6, 7) for item in found)


def test_a_long_list_with_zeros(tmp_path):
    names = [f"{k:06}.png" for k in range(20000)]
    (tmp_path / "list.lst").write_text("".join(f"{name}\0" for name in names))
    assert list_paths(tmp_path / "list.lst") == names


def test_a_source_says_which_library_it_lacks(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((6, 7), np.uint8))
    (tmp_path / "a.zarr").mkdir()
    code = f"""
import sys
sys.modules.update(fsspec=None, tifffile=None, zarr=None)
from graytorgb.datasets.sources.opening import open_source
for name in ("memory://scans", {str(tmp_path / "a.tif")!r}, {str(tmp_path / "a.zarr")!r}):
    try:
        open_source(name)
    except ImportError as error:
        print(error)
"""
    assert run_python(code).splitlines() == [
        "needs fsspec: pip install 'graytorgb[remote]'",
        "needs tifffile: pip install 'graytorgb[tiff]'",
        "needs zarr: pip install 'graytorgb[zarr]'",
    ]


def test_several_sources_are_one(tmp_path, pages):
    write_png(tmp_path / "train" / "cat" / "1.png")
    write_png(tmp_path / "val" / "cat" / "1.png")
    np.save(tmp_path / "stack.npy", np.zeros((5, 6, 7), np.uint8))
    source = open_source([tmp_path / "train", str(tmp_path / "val"), tmp_path / "stack.npy"])
    assert [item.path for item in source.items()] == [
        "train/cat/1.png", "val/cat/1.png", *(f"stack.npy[{k}]" for k in range(5)),
    ]  # fmt: skip
    assert source.count is None
    assert not source.is_array
    assert source.base == str(tmp_path)
    assert open_source([pages[0], tmp_path / "stack.npy"]).count == 10


def test_files_that_a_shell_lists_are_named_from_their_folder(tmp_path, monkeypatch):
    for name in ("a/1.png", "a/2.png", "b/1.png"):
        write_png(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert list_paths(["a/1.png", "a/2.png"]) == ["1.png", "2.png"]
    assert list_paths(["a/1.png", "b/1.png"]) == ["a/1.png", "b/1.png"]
    assert list_paths([Path("a/1.png")]) == ["1.png"]
    with pytest.raises(ImageFileError, match=r"a/1\.png is given twice"):
        open_source(["a/1.png", "b/1.png", "a/1.png"])


def test_a_source_inside_another_is_refused(tmp_path):
    write_png(tmp_path / "a" / "b" / "1.png")
    for inner in ("a/b", "a/b/1.png"):
        with pytest.raises(ImageFileError, match=r"is in the folder .*a, which is given too"):
            open_source([tmp_path / inner, tmp_path / "a"])


def test_a_bad_file_among_several_does_not_stop_the_others(tmp_path):
    """As in what a shell makes of `scans/*`."""
    needs_package("zarr")
    names = ["broken.npy", "empty", "image.png", "notes.md", "pipe.png", "store.zarr"]
    for name in ("empty", "store.zarr"):
        (tmp_path / name).mkdir()
    write_png(tmp_path / "image.png")
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY")
    (tmp_path / "notes.md").write_text("# Notes")
    (tmp_path / "store.zarr" / "zarr.json").write_text("{nonsense")
    os.mkfifo(tmp_path / "pipe.png")
    found = list(open_source([tmp_path / name for name in names]).items())
    items = [f.path for f in found if isinstance(f, Item)]
    assert items == ["broken.npy", "image.png", "notes.md"]
    skipped = {f.path: f.reason for f in found if isinstance(f, Skipped)}
    assert "this is a pipe (FIFO)" in skipped["pipe.png"]
    assert "a Zarr store that can't be read" in skipped["store.zarr"]
    for item in (found[0], found[2]):
        with pytest.raises(ImageFileError):
            item.read()


@pytest.mark.parametrize("name", ["nothing", "", "a\0b", "nothing/nowhere.npy"])
def test_nothing_of_that_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        FileNotFoundError, match="there is nothing of this name; expected: a folder"
    ):
        open_source(name)


@pytest.mark.parametrize("src", [3, None, b"bytes", [3], {"a"}, np.zeros(3)])
def test_a_source_that_is_no_path(src):
    with pytest.raises(DtypeError, match="src is a path or a list of paths, not"):
        open_source(src)


def test_no_source_at_all():
    with pytest.raises(ImageFileError, match="src is an empty list"):
        open_source([])


def test_a_file_that_is_no_source(tmp_path):
    (tmp_path / "notes.md").write_text("# Notes")
    with pytest.raises(ImageFileError, match=r"notes\.md: no image, as it begins with b'# Notes'"):
        open_source(tmp_path / "notes.md")
    (tmp_path / "scans.zip").write_bytes(b"PK\3\4")
    with pytest.raises(ImageFileError, match=r"a source as 'zip://::/.*/scans\.zip'"):
        open_source(tmp_path / "scans.zip")
    (tmp_path / "empty.txt").touch()
    with pytest.raises(ImageFileError, match="there is no file in it"):
        open_source(tmp_path / "empty.txt")
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageFileError, match=r"this is a pipe \(FIFO\); expected"):
        open_source(tmp_path / "pipe.png")
    with pytest.raises(ImageFileError, match="this is a device; expected"):
        open_source("/dev/null")
