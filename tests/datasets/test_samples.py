"""Which files of a tree are samples, and their classes, against torchvision's ImageFolder."""

import os
import shutil

import numpy as np
import PIL.Image
import pydicom.data
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graytorgb.datasets.loading.samples import list_samples
from graytorgb.errors import DtypeError, GrayToRGBError, ImageFileError, LayoutError, OptionError

from ..support import needs
from .trees import gray, write_png, write_tiff

needs("pillow", "torchvision")

from torchvision.datasets import ImageFolder  # noqa: E402


def touch(folder, *names):
    """Write an image at each name; PIL's format is PNG, whatever the name says."""
    for name in names:
        write_png(folder / name, gray(len(name)))


def check_like_torchvision(root):
    ours, theirs = list_samples(root), ImageFolder(root)
    assert ours.classes == theirs.classes
    assert ours.class_to_idx == theirs.class_to_idx
    assert ours.samples == theirs.samples
    return ours


NAMES = st.text("ab-. _Z0é", min_size=1, max_size=4).filter(lambda name: set(name) - {"."})
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(PATHS, st.sampled_from([".png", ".PNG", ".jpg", ".JPeG"])), max_size=12))
def test_any_tree(tmp_path, paths):
    root = tmp_path / "tree"
    shutil.rmtree(root, ignore_errors=True)
    for path, suffix in [("one/first", ".png"), *paths]:
        file = root / "c" / (path + suffix) if "/" not in path else root / (path + suffix)
        if not any(above.is_file() for above in file.parents) and not file.is_dir():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
    for folder in root.iterdir():
        if not any(file.is_file() for file in folder.rglob("*")):
            shutil.rmtree(folder)
    check_like_torchvision(root)
    check_like_torchvision(str(root) + "/")


def test_folders_are_sorted_as_whole_paths(tmp_path):
    touch(tmp_path, "c/a-b/1.png", "c/a/1.png", "c/a/z/2.png", "c/a.png", "b/10.png", "b/9.png")
    check_like_torchvision(tmp_path)


def test_hidden_names_and_upper_case(tmp_path):
    touch(tmp_path, ".git/1.png", "c/.png", "c/._1.png", "c/A.PNG", "c/b.Jpeg", "C/1.png")
    ours = check_like_torchvision(tmp_path)
    assert len(ours.samples) == 6


def test_links(tmp_path):
    touch(tmp_path / "root", "real/deep/1.png", "more/2.png")
    touch(tmp_path / "else", "x/3.png", "4.png")
    root = tmp_path / "root"
    (root / "linked").symlink_to(tmp_path / "else")
    (root / "more" / "again").symlink_to(tmp_path / "else" / "x")
    (root / "more" / "file.png").symlink_to(tmp_path / "else" / "4.png")
    (root / "more" / "gone.png").symlink_to(tmp_path / "nothing")  # fails when it is read
    check_like_torchvision(root)


def test_a_link_that_goes_round_is_walked_once(tmp_path):
    touch(tmp_path, "a/1.png", "a/in/2.png")
    (tmp_path / "a" / "in" / "up").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "self").symlink_to(tmp_path / "a" / "self")
    names = [os.path.relpath(path, tmp_path) for path, _ in list_samples(tmp_path).samples]
    assert names == ["a/1.png", "a/in/2.png"]


def test_relative_and_home(tmp_path, monkeypatch):
    touch(tmp_path, "data/a/1.png")
    monkeypatch.chdir(tmp_path)
    assert check_like_torchvision("data").samples == [("data/a/1.png", 0)]
    check_like_torchvision("./data")
    monkeypatch.setenv("HOME", str(tmp_path))
    check_like_torchvision("~/data")


def test_names_that_are_not_text(tmp_path):
    touch(tmp_path, "a/1.png")
    (tmp_path / "a" / os.fsdecode(b"\xff.png")).touch()
    check_like_torchvision(tmp_path)


def test_files_beside_the_classes_and_files_that_are_no_images(tmp_path):
    touch(tmp_path, "a/1.png", "loose.png")
    (tmp_path / "graytorgb-convert.jsonl").write_text("{}")
    for name in (".DS_Store", "notes.txt", "1.json", "no_ending", "BM", "Thumbs.db"):
        (tmp_path / "a" / name).write_text("BM, a text")
    os.mkfifo(tmp_path / "a" / "pipe")
    found = check_like_torchvision(tmp_path)
    assert (found.unlabeled, found.ignored) == (1, 8)


def test_content_counts_where_the_name_tells_nothing(tmp_path):
    scan = pydicom.data.get_testdata_file("CT_small.dcm", download=False)
    (tmp_path / "a").mkdir()
    shutil.copy(scan, tmp_path / "a" / "IM000001")
    shutil.copy(scan, tmp_path / "a" / "1.2.840.113619")
    PIL.Image.fromarray(gray(0)).save(tmp_path / "a" / "photo", "PNG")
    np.save(tmp_path / "a" / "x.npy", gray(0))
    write_tiff(tmp_path / "a" / "y.TIF", gray(0))
    assert len(list_samples(tmp_path).samples) == 5


def test_empty_classes(tmp_path):
    touch(tmp_path, "b/1.png")
    (tmp_path / "a" / "deeper").mkdir(parents=True)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "x.txt").write_text("no image")
    with pytest.raises(FileNotFoundError, match=r"2 of the 3 folders.*'a', 'c'.*allow_empty=True"):
        list_samples(tmp_path)
    ours, theirs = list_samples(tmp_path, allow_empty=True), ImageFolder(tmp_path, allow_empty=True)
    assert (ours.classes, ours.samples) == (theirs.classes, theirs.samples)


@pytest.mark.parametrize("names", [[], ["1.png", "2.png"]])
def test_no_class(tmp_path, names):
    touch(tmp_path, *names)
    with pytest.raises(FileNotFoundError, match=r"GrayImageFolder\(root, labels=None\)") as caught:
        list_samples(tmp_path)
    assert isinstance(caught.value, GrayToRGBError)
    with pytest.raises(FileNotFoundError):
        ImageFolder(tmp_path)
    if not names:
        with pytest.raises(FileNotFoundError, match="no image"):
            list_samples(tmp_path, labels=None)


@pytest.mark.parametrize("labels", ["folders", None])
def test_a_folder_of_tar_shards(tmp_path, labels):
    for number in range(2):
        (tmp_path / f"train-{number:06}.tar").write_bytes(bytes(1024))
    told = rf"tar shards.*: GrayBatches\('{tmp_path}/\*\.tar', \.\.\.\)"
    with pytest.raises(FileNotFoundError, match=told):
        list_samples(tmp_path, labels=labels, call=f"GrayBatches({str(tmp_path)!r}, 32")


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        list_samples(tmp_path / "gone")
    with pytest.raises(OptionError, match="labels"):
        list_samples(tmp_path, labels="names")
    for root in (5, None, b"bytes"):
        with pytest.raises(DtypeError, match="root is a folder"):
            list_samples(root)


def test_without_labels(tmp_path):
    touch(tmp_path, "2.png", "a/1.png", "a/b/3.png", "0.png")
    found = list_samples(tmp_path, labels=None)
    names = [os.path.relpath(path, tmp_path) for path, _ in found.samples]
    assert names == ["0.png", "2.png", "a/1.png", "a/b/3.png"]
    assert {label for _, label in found.samples} == {None}
    assert found.classes == []


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path, monkeypatch):
    touch(tmp_path, "a/1.png", "a/closed/2.png")
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError, match="closed"):
        list_samples(tmp_path)


def test_a_glob_and_a_list(tmp_path):
    touch(tmp_path, "a/1.png", "b/2.png", "b/3.jpg", "b/x/4.png")
    whole = list_samples(tmp_path)
    found = list_samples(f"{tmp_path}/**/*.png")
    assert found.classes == ["a", "b"]
    assert found.samples == [sample for sample in whole.samples if sample[0].endswith("png")]
    assert not found.items
    paths = [path for path, _ in whole.samples]
    assert list_samples(paths).samples == whole.samples
    text = tmp_path / "names.txt"
    text.write_text("b/2.png\na/1.png\n")
    assert [label for _, label in list_samples(text).samples] == [1, 0]
    with pytest.raises(FileNotFoundError, match="labels=None"):
        list_samples(f"{tmp_path}/a/*.png")


def test_arrays(tmp_path):
    stack = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    np.save(tmp_path / "stack.npy", stack)
    with pytest.raises(LayoutError, match="NHW"):
        list_samples(tmp_path / "stack.npy")
    with pytest.raises(ImageFileError, match="labels=None"):
        list_samples(tmp_path / "stack.npy", layout="NHW")
    found = list_samples(tmp_path / "stack.npy", labels=None, layout="NHW")
    assert [path for path, _ in found.samples] == [f"stack.npy[{k}]" for k in range(3)]
    image = found.find_source("stack.npy[2]").read()
    assert np.array_equal(image.array, stack[2])


def test_equal_paths_of_a_source_are_told_apart(tmp_path, monkeypatch):
    np.save(tmp_path / "stack.npy", np.zeros((7, 9, 9), np.uint8))
    from graytorgb.datasets.loading import samples as module

    source = module.open_source(tmp_path / "stack.npy")
    items = list(source.items())

    class Twice:
        name, classes = "twice", None

        def items(self):
            return iter([*items, *items])

    monkeypatch.setattr(module, "open_source", lambda root, layout: Twice())
    found = list_samples("twice.tar", labels=None)
    assert len({path for path, _ in found.samples}) == 14
    assert [found.find_source(path) for path, _ in found.samples] == [*items, *items]
