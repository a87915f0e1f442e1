"""Faults of the world outside: kills, full and read-only disks, odd trees, lost workers."""

import multiprocessing
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest

from graytorgb.datasets import audit, convert
from graytorgb.datasets.conversions.notes import Note, Notes, make_note
from graytorgb.datasets.execution.batches import run_batches
from graytorgb.datasets.sources.folder import Folder
from graytorgb.datasets.targets import array_form
from graytorgb.datasets.targets import tar as target_tar
from graytorgb.datasets.targets.journal import MARK
from graytorgb.errors import OptionError, TargetError

from ..processes import list_children
from ..support import needs, needs_package
from .faults import TARGETS, Killer, make_source, start
from .trees import KEPT, deep, gray, list_images, read_tree, write_png

needs("pillow")
needs_package(
    "click", "dask", "fsspec", "imagecodecs", "loky", "psutil", "rich", "simplejpeg", "zarr"
)

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_killed_runs_end_with_the_same_bytes(tmp_path, name):
    """``python -m tests.datasets.faults --kills 50`` does it more often."""
    make_source(tmp_path / "src", count=24, shape=(40, 50))
    (tmp_path / "place").mkdir()
    killer = Killer(tmp_path / "src", tmp_path / "place", name, 0, workers=(2,))
    with closing(killer.log):
        for _ in range(2 if name == "folder" else 1):
            killer.kill_once()
        killer.run_to_the_end()


@pytest.fixture
def small_disk(tmp_path):
    """Mount a tiny file system, and return its place and what sets its options."""
    if not IS_ROOT or sys.platform != "linux":
        pytest.skip("only root may mount a file system")
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr}")

    def remount(options):
        subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True)

    yield place, remount
    subprocess.run(["umount", "-l", str(place)], check=True)


def try_to_convert(src, dst):
    """Return why a conversion stopped; empty if it didn't."""
    try:
        convert(src, dst, workers=1)
    except TargetError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", TARGETS)
def test_a_disk_that_fills(tmp_path, small_disk, name, monkeypatch):
    """Wherever it fills up, the message says so, nothing is half-written, and the next run ends."""
    monkeypatch.setattr(array_form, "_SHARD_IMAGES", 4)
    monkeypatch.setattr(target_tar, "_SHARD_IMAGES", 4)
    for k in range(10):
        write_png(tmp_path / "src" / f"{k}.png", gray(k, (60, 70), 65536, np.uint16))
    (tmp_path / "whole").mkdir()
    convert(tmp_path / "src", tmp_path / "whole" / name, workers=1)
    whole = read_tree(tmp_path / "whole")
    place, remount = small_disk
    failed = 0
    for size in range(16, 700, 96):
        remount(f"size={size}k")
        message = try_to_convert(tmp_path / "src", place / name)
        if message:
            failed += 1
            assert re.match(rf"{place}.*: No space left on device\. \d+ of 10 images", message)
            left = read_tree(place)
            assert not [path for path in left if MARK in path and KEPT not in path]
            if name == "folder":
                assert all(whole[path] == data for path, data in left.items() if KEPT not in path)
        remount("size=8m")
        convert(tmp_path / "src", place / name, workers=1)
        assert read_tree(place) == whole, size
        subprocess.run(["find", str(place), "-mindepth", "1", "-delete"], check=True)
    assert failed >= 2


@pytest.mark.parametrize("name", TARGETS)
def test_a_read_only_disk(tmp_path, small_disk, name):
    place, remount = small_disk
    write_png(tmp_path / "src" / "a.png", deep(0))
    for before in (0, 1):  # without and with what an earlier run wrote
        remount("ro")
        tree = read_tree(place)
        for options in ({}, {"to": "gray"}):
            with pytest.raises(TargetError, match=r"Read-only file system.* same conversion again"):
                convert(tmp_path / "src", place / name, workers=1, **options)
        assert read_tree(place) == tree
        done = convert(tmp_path / "src", place / name, workers=1, dry_run=True)
        assert (done.converted, done.already_done) == (1 - before, before)
        remount("rw")
        convert(tmp_path / "src", place / name, workers=1)


def test_a_target_that_can_not_be_looked_at(tmp_path, monkeypatch):
    write_png(tmp_path / "src" / "a.png", deep(0))

    exists = Path.exists

    def refuse(self):
        if self.name == KEPT:
            raise PermissionError(13, "Permission denied", str(self))
        return exists(self)

    monkeypatch.setattr(Path, "exists", refuse)
    with pytest.raises(TargetError, match="Permission denied, so the target can't be written to"):
        convert(tmp_path / "src", tmp_path / "dst", workers=1)


ODD = (
    b"a b.png", b" x.png", b"new\nline.png", b"cr\rtab\t.png", b"\xff\xfe.png", b"d\xe9/\xff.png",
    b"-dash.png", b"--to/-.png", b"Case.png", b"case.png", b"CASE/x.png", b"x" * 251 + b".PNG",
    b"[1]/a[2].png", b"*.png", b"q?.png", b"{b}%20,.png", b"quo\"te'.png", b"back\\slash.png",
    b".hidden.png", b"..dots.png", b"...png", b"\x1b[31mred.png", b"$(id).png", b"noext",
    "\u202e\U0001f600.png".encode(), b"w" * 255 + b"/" + b"u" * 251 + b".tif",
)  # fmt: skip


@pytest.fixture
def odd_tree(tmp_path):
    """Names of all kinds, links that lead nowhere, in loops and out, and what is no file."""
    src = tmp_path / "src"
    src.mkdir()
    write_png(tmp_path / "other" / "outside.png", gray(0, (3, 4)))
    data = (tmp_path / "other" / "outside.png").read_bytes()
    for name in ODD:
        path = src / os.fsdecode(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        except OSError:
            pytest.skip("this file system has no such names")
    (src / "zero.png").write_bytes(b"")
    (src / "empty folder").mkdir()
    for name, to in {"loop": src, "self.png": "self.png", "broken.png": "nowhere.png",
                     "link.png": "Case.png", "out": tmp_path / "other"}.items():  # fmt: skip
        (src / name).symlink_to(to)
    (tmp_path / "other" / "back").symlink_to(src)
    os.link(src / "Case.png", src / "hard.png")
    os.mkfifo(src / "fifo.png")
    with closing(socket.socket(socket.AF_UNIX)) as unix:
        here = os.open(src, os.O_RDONLY)
        unix.bind(f"/proc/self/fd/{here}/socket.png")
        os.close(here)
    with suppress(PermissionError):  # root may
        os.mknod(src / "device.png", stat.S_IFCHR | 0o600, os.makedev(1, 5))
    return src


def list_files(src):
    """The regular files that a walk through the tree and its links to folders meets once."""
    found = set()
    for folder, folders, names in os.walk(src, followlinks=True):
        folders[:] = [name for name in folders if name not in ("loop", "back")]
        paths = [Path(folder, name) for name in names]
        found |= {str(path.relative_to(src)) for path in paths if path.is_file()}
    return found


def test_every_file_of_an_odd_tree_is_audited(odd_tree):
    found = audit(odd_tree, workers=1)
    records = {record["path"]: record for record in found.records}
    skipped = {skip["path"]: skip["reason"] for skip in found.skipped}
    files = list_files(odd_tree)
    assert files == set(records)
    assert not records.keys() & skipped.keys()
    assert [path for path, record in records.items() if record["error"]] == ["zero.png"]
    assert skipped["fifo.png"] == "a pipe (FIFO), never opened"
    assert skipped["loop"].endswith("a loop")
    assert {"self.png", "broken.png", "socket.png", "out/back"} <= skipped.keys()


@pytest.mark.parametrize("name", ["folder", "out.zarr"])
def test_every_file_of_an_odd_tree_is_converted(odd_tree, tmp_path, name):
    done = convert(odd_tree, tmp_path / name, workers=1)
    files = list_files(odd_tree)
    assert [path for path, _ in done.errors] == ["zero.png"]
    assert done.converted == len(files) - 1
    if name == "folder":
        written = set(list_images(tmp_path / name))
        assert len(written) == done.converted
        renamed = {re.sub(r"\.(png|PNG|tif)$", ".png", path) for path in files - {"zero.png"}}
        assert written == {path if path.endswith(".png") else f"{path}.png" for path in renamed}
    again = convert(odd_tree, tmp_path / name, workers=1)
    assert (again.converted, again.already_done) == (0, done.converted)


def test_a_name_that_gets_too_long_is_an_error_of_its_file(tmp_path):
    write_png(tmp_path / "src" / ("z" * 255), gray(0))
    write_png(tmp_path / "src" / "a.png", gray(1))
    done = convert(tmp_path / "src", tmp_path / "dst", workers=1)
    assert done.errors == [("z" * 255, "its target: File name too long")]
    assert list_images(tmp_path / "dst") == ["a.png"]


def test_a_folder_that_can_not_be_listed_is_an_error(tmp_path, monkeypatch):
    """Nobody knows which images are in it, so a conversion isn't complete."""
    write_png(tmp_path / "src" / "a.png", gray(0))
    for name in ("locked", "more"):
        (tmp_path / "src" / name).mkdir()
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith(("locked", "more")):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr("graytorgb.datasets.sources.folder.os.scandir", refuse)
    assert [item.path for item in Folder(tmp_path / "src", "src").items()] == [
        "a.png", "locked", "more",
    ]  # fmt: skip
    done = convert(tmp_path / "src", tmp_path / "dst", workers=1)
    reason = "a folder that can't be listed: Permission denied"
    assert sorted(done.errors) == [("locked", reason), ("more", reason)]
    assert (done.converted, done.is_complete) == (1, False)


def test_images_in_the_memory_of_this_process_are_converted_here(tmp_path):
    """Workers can't see them."""
    import fsspec

    for k in range(3):
        write_png(tmp_path / "src" / f"{k}.png", deep(k))
        data = (tmp_path / "src" / f"{k}.png").read_bytes()
        fsspec.filesystem("memory").pipe(f"/faults/{k}.png", data)
    for name in ("there", "there.npy"):
        done = convert("memory://faults", tmp_path / name, workers=2, bits=8, value_range="minmax")
        assert (done.converted, done.errors) == (3, [])
    convert(tmp_path / "src", tmp_path / "here", workers=1, bits=8, value_range="minmax")
    for name in list_images(tmp_path / "here"):
        here, there = (tmp_path / place / name for place in ("here", "there"))
        assert here.read_bytes() == there.read_bytes()


class TestNotes:
    def test_one_kind_of_note_is_one_note(self, tmp_path):
        for k in range(4):
            write_png(tmp_path / "src" / f"{k}.png", gray(k, high=5000 + 5000 * k, dtype=np.uint16))
        for name in ("dst", "dst.npy", "dst.tar"):
            done = convert(
                tmp_path / "src", tmp_path / name, bits=8, value_range=(0, 1000), workers=1
            )
            text = "more than half of the image is above the range (0, 1000): it becomes white"
            assert done.notes == [Note(text, 4, (0, 32767))]

    def test_texts_that_always_differ_do_not_grow(self):
        notes = Notes()
        notes.add(make_note(UserWarning(f"file\n {k}")) for k in range(1000))
        found = notes.sort()
        assert len(found) == 101
        assert sum(note.images for note in found) == 1000
        assert Note("file 7") in found
        assert max(note.images for note in found) == 900


@pytest.mark.parametrize("workers", [None, 1, 2])
def test_in_a_daemonic_process(workers, monkeypatch):
    """It may have no children, so it works alone, and says so where it can't do what was asked."""
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)
    if workers == 2:
        with pytest.raises(OptionError, match="workers=1, or leave it away"):
            list(run_batches(len, range(3), workers=workers))
    else:
        done = list(run_batches(len, range(3), workers=workers))
        assert sum(each.result for each in done) == 3


@pytest.mark.slow
def test_a_lost_worker_loses_nothing(tmp_path):
    """Workers of a command are killed while it runs."""
    make_source(tmp_path / "src", count=40, shape=(250, 300))
    for name in ("whole", "dst"):
        (tmp_path / name).mkdir()
    convert(tmp_path / "src", tmp_path / "whole" / "d", workers=1)
    with (tmp_path / "log").open("w+") as log:
        process = start(tmp_path / "src", tmp_path / "dst" / "d", log=log)
        killed, end = 0, time.monotonic() + 60
        while killed < 2 and process.poll() is None and time.monotonic() < end:
            if killed < len(list_images(tmp_path / "dst")):
                for worker in list_children("popen_loky", process.pid)[:1]:
                    worker.kill()
                    killed += 1
            time.sleep(0.02)
        code = process.wait(60)
        log.seek(0)
        assert (code, killed) == (1, 2), log.read()
    assert read_tree(tmp_path / "dst") == read_tree(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["starts", "works"])
def test_ctrl_c_has_no_traceback(tmp_path, moment):
    """Also of workers that are being started."""
    make_source(tmp_path / "src", count=30, shape=(300, 400))
    with (tmp_path / "log").open("w+") as log:
        process = start(tmp_path / "src", tmp_path / "dst", log=log)
        end = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < end:
            if moment == "works" and (tmp_path / "dst" / "class0").exists():
                break
            if moment == "starts" and list_children("popen_loky", process.pid):
                break
            time.sleep(0.002)
        os.killpg(process.pid, signal.SIGINT)
        code = process.wait(60)
        log.seek(0)
        text = log.read()
    assert code == 130, text
    assert "Run the same command again" in text
    assert "Traceback" not in text
    assert "resource_tracker" not in text


@pytest.mark.slow
def test_a_store_is_converted_without_a_word_of_semaphores(tmp_path):
    """A compressor's lock in a worker isn't told as leaked at the end."""
    make_source(tmp_path / "src", count=4, shape=(20, 30))
    with (tmp_path / "log").open("w+") as log:
        start(tmp_path / "src", tmp_path / "dst.zarr", log=log).wait(60)
        log.seek(0)
        assert "resource_tracker" not in log.read()
