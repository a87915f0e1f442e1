"""URLs as sources, by fsspec: in memory, in zip files, and of local files."""

import uuid
import zipfile

import numpy as np
import pytest

from graytorgb.datasets.execution.batches import run_batches
from graytorgb.datasets.sources.items import Skipped
from graytorgb.datasets.sources.opening import open_source
from graytorgb.errors import BackendUnavailable, ImageFileError

from ..support import assert_same_bits, needs_package, random_bits
from . import tasks
from .test_execution import join_results
from .test_sources import write_png
from .trees import list_paths

needs_package("fsspec")
import fsspec  # noqa: E402
from fsspec.registry import known_implementations  # noqa: E402

NAMES = ["a/1.png", "a/b/2.png", "c.png"]


@pytest.fixture
def tree(tmp_path):
    for name in NAMES:
        write_png(tmp_path / "tree" / name)
    return tmp_path / "tree"


@pytest.fixture
def memory(tree):
    """The tree in fsspec's memory, under a name that no other test has."""
    files, name = fsspec.filesystem("memory"), uuid.uuid4().hex
    for path in NAMES:
        files.pipe(f"/{name}/{path}", (tree / path).read_bytes())
    yield f"memory://{name}"
    files.rm(f"/{name}", recursive=True)


def check_items(source, tree):
    """Check that a source has the files of a tree, with what their bytes tell."""
    items = list(open_source(source).items())
    assert [item.path for item in items] == NAMES
    for item in items:
        local = next(open_source(tree / item.path).items())
        assert item.size == local.size
        assert item.read_data() == local.read_data()
        assert_same_bits(item.read().array, local.read().array)
        assert item.read_header().shape == local.read_header().shape


def test_a_folder_in_memory(memory, tree):
    check_items(memory, tree)
    assert all(item.modified > 0 for item in open_source(memory).items())
    assert open_source(memory).base == memory


def test_a_zip_file(tmp_path, tree):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in NAMES:
            archive.write(tree / name, name)
    check_items(f"zip://::{tmp_path}/a.zip", tree)
    check_items(f"zip://{tmp_path}/a.zip", tree)
    assert list_paths(f"zip://a::{tmp_path}/a.zip") == ["1.png", "b/2.png"]
    assert list_paths(f"zip://**/2.png::{tmp_path}/a.zip") == ["a/b/2.png"]
    assert list_paths(f"zip://a/1.png::file://{tmp_path}/a.zip") == ["1.png"]
    with pytest.raises(FileNotFoundError, match="there is no such archive"):
        open_source(f"zip://{tmp_path}/b.zip")


def test_names_in_an_archive_that_lead_out_of_it_are_skipped(tmp_path, tree):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("../up.png", "c.png"):
            archive.write(tree / "c.png", name)
    found = list(open_source(f"zip://::{tmp_path}/a.zip").items())
    assert [f.path for f in found if not isinstance(f, Skipped)] == ["c.png"]
    assert ["leads out" in f.reason for f in found if isinstance(f, Skipped)] == [True]


def test_a_url_of_local_files(tree):
    check_items(f"file://{tree}", tree)
    assert list_paths(f"file://{tree}/c.png") == ["c.png"]


def test_globs_files_and_arrays(memory, tmp_path):
    assert list_paths(f"{memory}/*/*.png") == ["a/1.png"]
    assert list_paths(f"{memory}/a/**/*.png") == ["1.png", "b/2.png"]
    assert list_paths(f"{memory}/c.png") == ["c.png"]
    stack = random_bits((5, 6, 7), "uint16")
    for name, save in (("s.npy", np.save), ("z.npz", np.savez), ("c.npz", np.savez_compressed)):
        save(tmp_path / name, stack)
        fsspec.filesystem("memory").put(str(tmp_path / name), f"{memory}/{name}")
        source = open_source(f"{memory}/{name}")
        assert (source.count, source.base) == (5, memory)
        for item, image in zip(source.items(), stack, strict=True):
            assert_same_bits(item.read().array, image)


def test_a_zarr_array_by_url(memory):
    needs_package("zarr")
    import zarr

    stack = random_bits((5, 6, 7), "uint16")
    zarr.save(f"{memory}/set.zarr", stack)
    items = list(open_source(f"{memory}/set.zarr").items())
    assert [item.path for item in items] == [f"set.zarr[{k}]" for k in range(5)]
    for item, image in zip(items, stack, strict=True):
        assert_same_bits(item.read().array, image)


def test_what_only_this_process_can_see_is_done_here(memory, tree):
    """Two workers couldn't find the memory of this process."""
    items = list(open_source(memory).items())
    done = join_results(run_batches(tasks.read_sums, items, workers=2))
    local = join_results(run_batches(tasks.read_sums, open_source(tree).items(), workers=1))
    assert done == local


def test_bytes_are_fetched_once(memory, monkeypatch):
    fetched = []
    files = fsspec.filesystem("memory")
    original = type(files).cat_file

    def cat_file(self, path, *args, **kwargs):
        fetched.append(path)
        return original(self, path, *args, **kwargs)

    monkeypatch.setattr(type(files), "cat_file", cat_file)
    for item in open_source(memory).items():
        data = item.read_data()
        item.read_header(data=data)
        item.read(data=data)
    assert len(fetched) == len(NAMES)


def test_folders_are_listed_when_their_turn_comes(memory, monkeypatch):
    listed = []
    files = fsspec.filesystem("memory")
    original = type(files).ls

    def ls(self, path, *args, **kwargs):
        listed.append(path)
        return original(self, path, *args, **kwargs)

    source = open_source(memory)
    monkeypatch.setattr(type(files), "ls", ls)
    items = source.items()
    assert next(items).path == "a/1.png"
    assert len(listed) == 2  # the root and a, not yet a/b


def test_a_file_that_is_gone_is_an_error_of_its_item(memory):
    item = next(open_source(memory).items())
    fsspec.filesystem("memory").rm(f"{memory}/a/1.png")
    with pytest.raises(FileNotFoundError):
        item.read()


def test_other_errors_of_a_server_are_errors_of_the_file(memory, monkeypatch):
    item = next(open_source(memory).items())

    def fail(self, path):
        raise RuntimeError("the server is on fire")

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "cat_file", fail)
    with pytest.raises(ImageFileError, match="can't be fetched: the server is on fire"):
        item.read()


@pytest.mark.parametrize("url", ["memory://nothing/here", "memory://nothing/here.npy"])
def test_nothing_at_a_url(url):
    with pytest.raises(FileNotFoundError, match="there is nothing of this name; expected"):
        open_source(url)


def test_a_protocol_that_is_not_known():
    with pytest.raises(ImageFileError, match=r"foo://a: not a URL .*Protocol not known: foo"):
        open_source("foo://a")


def test_a_protocol_whose_library_is_missing(monkeypatch):
    implementation = {"class": "not_there_fs.FileSystem", "err": "Install not_there_fs"}
    monkeypatch.setitem(known_implementations, "notthere", implementation)
    with pytest.raises(
        BackendUnavailable, match=r"notthere:// needs .* pip install not_there_fs"
    ) as e:
        open_source("notthere://bucket/scans")
    assert e.value.missing
