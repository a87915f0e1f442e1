"""Folders and globs as sources: the order of the walk, and names that are no plain files."""

import os
import socket
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graytorgb.datasets.sources.items import Skipped
from graytorgb.datasets.sources.opening import open_source
from graytorgb.datasets.sources.pattern import Pattern
from graytorgb.errors import ImageFileError

from .trees import list_paths

ODD_NAMES = [
    b"a b.png",
    b"line\nbreak.png",
    b"\xff\xfe.png",
    "Größe.png".encode(),
    b"#.png",
    b".hidden",
]


def make_files(folder, *names):
    for name in names:
        path = folder / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"content")


def find_skipped(source):
    return {f.path: f.reason for f in open_source(source).items() if isinstance(f, Skipped)}


def test_every_file_of_the_tree_is_an_item(tmp_path):
    make_files(tmp_path, "b.png", "a/2.png", "a/10.png", "a.png", "c/d/e/f.txt", "c/d/z")
    source = open_source(tmp_path)
    assert (source.name, source.base) == (str(tmp_path), str(tmp_path))
    items = list(source.items())
    assert [item.path for item in items] == [
        "a/10.png", "a/2.png", "a.png", "b.png", "c/d/e/f.txt", "c/d/z",
    ]  # fmt: skip
    for item in items:
        status = (tmp_path / item.path).stat()
        assert (item.location, item.size, item.modified) == (
            str(tmp_path / item.path), 7, status.st_mtime_ns,
        )  # fmt: skip
    assert [i.path for i in source.items()] == [i.path for i in items]  # twice the same


def test_a_relative_folder_has_absolute_locations(tmp_path, monkeypatch):
    make_files(tmp_path, "scans/a.png", "other/b")
    monkeypatch.chdir(tmp_path / "other")
    (item,) = open_source("../scans").items()
    assert (item.path, item.location) == ("a.png", str(tmp_path / "scans" / "a.png"))


def test_names_of_any_bytes(tmp_path):
    make_files(tmp_path, *ODD_NAMES)
    items = list(open_source(tmp_path).items())
    assert {os.fsencode(item.path) for item in items} == set(ODD_NAMES)
    assert [item.path for item in items] == sorted(item.path for item in items)
    assert all(item.read_data() == b"content" for item in items)


def test_what_is_no_file_is_skipped_and_never_opened(tmp_path):
    make_files(tmp_path, "a.png")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "null.png").symlink_to("/dev/null")
    (tmp_path / "broken.png").symlink_to("nowhere.png")
    (tmp_path / "self.png").symlink_to("self.png")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(tmp_path / "socket.png"))  # such a path has to be short
        skipped = find_skipped(tmp_path)
    assert skipped == {
        "pipe.png": "a pipe (FIFO), never opened",
        "null.png": "a device, never opened",
        "socket.png": "a socket, never opened",
        "broken.png": "a broken link, to 'nowhere.png'",
        "self.png": "a link that can't be followed: Too many levels of symbolic links",
    }
    assert "a.png" in list_paths(tmp_path)


def test_links_are_followed_and_loops_ended(tmp_path):
    make_files(tmp_path, "pool/x.png", "tree/a/1.png")
    tree = tmp_path / "tree"
    (tree / "b").symlink_to("../pool")
    (tree / "c.png").symlink_to("a/1.png")
    (tree / "a" / "up").symlink_to("..")
    (tmp_path / "pool" / "self").symlink_to(".")
    found = list(open_source(tree).items())
    assert [f.path for f in found] == ["a/1.png", "a/up", "b/self", "b/x.png", "c.png"]
    assert find_skipped(tree) == {
        "a/up": "a link to the folder '.', which it is in: a loop",
        "b/self": "a link to the folder 'b', which it is in: a loop",
    }


def test_folders_that_all_link_to_each_other_end(tmp_path):
    """Without loops there are 8! ways through these links."""
    names = "abcdefgh"
    make_files(tmp_path, *(f"{name}/file" for name in names))
    for name in names:
        for other in names:
            (tmp_path / name / f"to_{other}").symlink_to(f"../{other}")
    paths = list_paths(tmp_path)
    assert len(paths) < 1000
    assert {f"{name}/file" for name in names} <= set(paths)


def test_a_deep_tree_needs_no_recursion(tmp_path):
    folder = tmp_path
    for _ in range(300):
        folder = folder / "d"
    make_files(folder, "deep.png")
    assert list_paths(tmp_path) == ["d/" * 300 + "deep.png"]


@pytest.fixture
def as_user():
    """Run a test without the permissions of root, to whom no folder is closed."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


def open_to_all(folder):
    """Let every user enter a temporary folder, which pytest makes for one user."""
    for each in (folder, *folder.parents):
        if each.stat().st_mode & 0o077 == 0:
            each.chmod(0o755)


def test_a_folder_without_permission_is_skipped(tmp_path, request):
    make_files(tmp_path, "a.png", "closed/b.png", "named/c.png", "d.png", "unreadable.png")
    open_to_all(tmp_path)
    (tmp_path / "closed").chmod(0)
    (tmp_path / "named").chmod(0o744)  # its names can be listed, and nothing more
    (tmp_path / "unreadable.png").chmod(0)
    request.getfixturevalue("as_user")
    found = list(open_source(tmp_path).items())
    assert [f.path for f in found] == ["a.png", "closed", "d.png", "named/c.png", "unreadable.png"]
    assert find_skipped(tmp_path) == {"closed": "a folder that can't be listed: Permission denied"}
    for item in found[-2:]:
        with pytest.raises(PermissionError):
            item.read()


def test_a_file_without_permission_is_an_item_that_cannot_be_read(tmp_path, request):
    make_files(tmp_path, "a.png")
    open_to_all(tmp_path)
    (tmp_path / "a.png").chmod(0)
    request.getfixturevalue("as_user")
    (item,) = open_source(tmp_path / "a.png").items()
    with pytest.raises(PermissionError):
        item.read()


def test_a_file_that_vanishes_is_an_error_of_its_item(tmp_path):
    make_files(tmp_path, "a.png", "b.png", "c.png")
    items = open_source(tmp_path).items()
    first = next(items)
    (tmp_path / "a.png").unlink()
    (tmp_path / "b.png").unlink()
    gone, last = items
    assert (gone.path, last.path) == ("b.png", "c.png")
    for item in (first, gone):
        with pytest.raises(FileNotFoundError):
            item.read()


def test_the_tree_is_listed_while_it_is_walked(tmp_path):
    """A folder that vanishes before its turn isn't needed for those before it."""
    make_files(tmp_path, "a/1.png", "b/2.png", "c/3.png")
    items = open_source(tmp_path).items()
    assert [item.path for item in islice(items, 1)] == ["a/1.png"]
    (tmp_path / "b" / "2.png").unlink()
    (tmp_path / "b" / "4.png").touch()
    assert [item.path for item in items] == ["b/4.png", "c/3.png"]


def test_an_empty_folder_is_an_error(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    with pytest.raises(
        ImageFileError, match=f"{tmp_path}: there is no file in it.*expected: a fold"
    ):
        open_source(tmp_path)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.png", ["a.png", "b.png"]),
        ("**/*.png", ["a.png", "b.png", "x/c.png", "x/y/d.png"]),
        ("x/**/*.png", ["c.png", "y/d.png"]),
        ("x/**", ["c.png", "e.jpg", "y/d.png"]),
        ("[!b].png", ["a.png"]),
        ("?/*.jpg", ["x/e.jpg"]),
        ("x*", ["x/.h/f.png", "x/c.png", "x/e.jpg", "x/y/d.png"]),  # a folder, with its tree
        (".h*/*", [".hidden/g.png"]),
        ("x/./*.jpg", ["e.jpg"]),
    ],
)
def test_a_glob(tmp_path, monkeypatch, pattern, expected):
    make_files(
        tmp_path, "a.png", "b.png", "x/c.png", "x/y/d.png", "x/e.jpg", "x/.h/f.png", ".hidden/g.png"
    )
    monkeypatch.chdir(tmp_path)
    for given_pattern in (pattern, tmp_path / pattern):
        assert list_paths(given_pattern) == expected


def test_a_glob_lists_no_folder_that_it_does_not_need(tmp_path):
    make_files(tmp_path, "a.png", "x/b.png")
    (tmp_path / "x" / "loop").symlink_to(".")
    assert find_skipped(tmp_path / "*.png") == {}
    assert find_skipped(tmp_path / "x" / "*") != {}


def test_a_name_with_wildcards_that_is_there_is_taken_as_it_is(tmp_path):
    make_files(tmp_path, "set[1]/a.png", "set1/b.png")
    assert list_paths(tmp_path / "set[1]") == ["a.png"]
    assert list_paths(tmp_path / "set[1]*") == ["set1/b.png"]


def test_a_glob_without_a_match(tmp_path):
    make_files(tmp_path, "a.png")
    with pytest.raises(ImageFileError, match="there is no file in it, or none that matches"):
        open_source(tmp_path / "*.jpg")
    with pytest.raises(FileNotFoundError, match="there is nothing of this name"):
        open_source(tmp_path / "b" / "*.jpg")


NAMES = st.lists(st.sampled_from(["a", "ab", ".a", "b.png"]), min_size=1, max_size=4)


@given(
    names=NAMES,
    parts=st.lists(st.sampled_from(["*", "**", "a*", "?", "b.png"]), min_size=1, max_size=3),
)
def test_a_file_that_matches_is_in_folders_that_are_entered(names, parts):
    pattern = Pattern("/".join(parts))
    if pattern.keeps("/".join(names)):
        assert all(pattern.enters("/".join(names[:k])) for k in range(1, len(names)))
