"""A conversion that ended early goes on, and ends with the same bytes; two runs don't meet."""

import errno
import fcntl
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import tifffile

from graytorgb.datasets import convert
from graytorgb.datasets.conversion_run.ledger import Ledger
from graytorgb.datasets.conversions import reading as conversion_reading
from graytorgb.datasets.sources.items import Item
from graytorgb.datasets.targets import folder as target_folder
from graytorgb.datasets.targets.journal import MARK, Journal, read_journal
from graytorgb.datasets.targets.protocol import Guard, RunEnded
from graytorgb.errors import TargetError

from ..support import ROOT, needs, needs_package
from .trees import KEPT, deep, gray, list_images, read_tree, write_png, write_tiff

needs("pillow")
needs_package("click", "dask", "imagecodecs", "loky", "rich", "simplejpeg", "tifffile")


@pytest.fixture
def src(tmp_path):
    """Eight images in two classes, a stack, one that can't be read, and a file that is no image."""
    folder = tmp_path / "src"
    for k in range(4):
        write_png(folder / "cats" / f"{k}.png", deep(k))
        write_png(folder / "dogs" / f"{k}.png", gray(k))
    write_tiff(folder / "stack.tif", deep(9, (3, 5, 6)))
    data = (folder / "cats" / "0.png").read_bytes()
    (folder / "cats" / "half.png").write_bytes(data[: len(data) // 2])
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.fixture
def dst(tmp_path):
    return tmp_path / "dst"


@pytest.fixture
def whole(src, tmp_path):
    """The tree of an undisturbed run."""
    run(src, tmp_path / "undisturbed")
    return read_tree(tmp_path / "undisturbed")


def run(src, dst, **options):
    return convert(src, dst, **{"workers": 1, **options})


def fail_after(count, error, monkeypatch, name="replace"):
    """Let the target's files fail from one on."""
    method, calls = getattr(Path, name), []

    def fail(self, *arguments):
        if KEPT not in self.name:
            calls.append(self)
            if len(calls) > count:
                raise error
        return method(self, *arguments)

    monkeypatch.setattr(Path, name, fail)


class TestResume:
    def test_a_second_run_writes_nothing(self, src, dst, whole):
        run(src, dst)
        times = {p: p.stat().st_mtime_ns for p in dst.rglob("*.png")}
        done = run(src, dst)
        assert (done.converted, done.already_done) == (0, 11)
        assert [path for path, _ in done.errors] == ["cats/half.png"]
        assert {p: p.stat().st_mtime_ns for p in dst.rglob("*.png")} == times
        assert read_tree(dst) == whole

    @pytest.mark.parametrize("count", [0, 1, 5, 10])
    def test_a_run_that_ended_early(self, src, dst, whole, monkeypatch, count):
        with monkeypatch.context() as patch:
            fail_after(count, KeyboardInterrupt(), patch)
            with pytest.raises(KeyboardInterrupt):
                run(src, dst)
        assert len(list_images(dst)) == count
        assert not any(MARK in name for name in read_tree(dst))
        assert all(whole[name] == data for name, data in read_tree(dst).items() if name != KEPT)
        done = run(src, dst)
        assert done.converted == 11 - done.already_done
        assert read_tree(dst) == whole

    def test_what_was_written_and_not_recorded_is_its_own(self, src, dst, whole, monkeypatch):
        """As after a kill between a file's new name and its line in the kept file."""
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "add", lambda self, records: None)
            fail_after(6, KeyboardInterrupt(), patch)
            with pytest.raises(KeyboardInterrupt):
                run(src, dst)
        assert run(src, dst).converted == 11
        assert read_tree(dst) == whole

    @pytest.mark.parametrize("cut", [1, 20, 200])
    def test_a_torn_line(self, src, dst, whole, monkeypatch, cut):
        with monkeypatch.context() as patch:
            fail_after(6, KeyboardInterrupt(), patch)
            with pytest.raises(KeyboardInterrupt):
                run(src, dst)
        os.truncate(dst / KEPT, (dst / KEPT).stat().st_size - cut)
        run(src, dst)
        assert read_tree(dst) == whole

    def test_a_damaged_target_is_made_again(self, src, dst, whole):
        run(src, dst)
        (dst / "cats" / "0.png").write_bytes(b"short")
        (dst / "cats" / "1.png").unlink()
        assert run(src, dst).converted == 2
        assert read_tree(dst) == whole

    def test_other_options_make_all_again(self, src, dst, tmp_path):
        run(src, dst)
        assert run(src, dst, to="gray").converted == 11
        run(src, tmp_path / "gray", to="gray")
        assert read_tree(dst) == read_tree(tmp_path / "gray")

    def test_a_range_that_is_only_recorded_makes_nothing_again(self, src, dst):
        run(src, dst)
        done = run(src, dst, value_range=(0, 4095))
        assert (done.converted, done.already_done) == (0, 11)
        head = next(read_journal(dst / KEPT))
        assert head["value_range"] == [0, 4095]

    def test_a_source_that_changed_is_converted_again(self, src, dst, tmp_path):
        run(src, dst)
        write_png(src / "cats" / "0.png", deep(77))
        write_png(src / "cats" / "new.png", deep(78))
        assert run(src, dst).converted == 2
        run(src, tmp_path / "again")
        assert read_tree(dst) == read_tree(tmp_path / "again")

    def test_a_file_that_was_repaired(self, src, dst):
        assert not run(src, dst).is_complete
        write_png(src / "cats" / "half.png", deep(5))
        done = run(src, dst)
        assert (done.converted, done.errors) == (1, [])
        assert '{"error"' not in (dst / KEPT).read_text()

    def test_what_is_left_over_stays_and_is_told(self, src, dst):
        run(src, dst)
        (src / "dogs" / "3.png").unlink()
        done = run(src, dst)
        assert done.left_over == ["dogs/3.png"]
        assert (dst / "dogs" / "3.png").exists()
        write_png(src / "dogs" / "3.png", gray(3))
        assert run(src, dst).left_over == []

    def test_the_kept_file(self, src, dst):
        """It has the range of the set and of each file, and nothing of this run alone."""
        run(src, dst, value_range=(0, 4095))
        lines = [json.loads(line) for line in (dst / KEPT).read_text().splitlines()]
        head, records = lines[0], lines[1:]
        assert head["value_range"] == [0, 4095]
        assert head["options"]["to"] == "rgb"
        assert (head["images"], head["unreadable"], head["skipped"]) == (11, 1, 1)
        assert "run" not in head
        stated = {each["path"]: each["value_range"] for each in records if "key" in each}
        assert stated["cats/0.png"] == [0, 65535]
        assert stated["dogs/0.png"] == [0, 255]
        assert stated["stack.tif[2]"] == [0, 65535]
        assert [each["path"] for each in records if "error" in each] == ["cats/half.png"]
        assert str(src.parent) not in (dst / KEPT).read_text()

    def test_a_kept_file_that_is_none(self, src, dst):
        dst.mkdir()
        (dst / KEPT).write_text("mine\n")
        with pytest.raises(TargetError, match="isn't the file that"):
            run(src, dst)
        assert (dst / KEPT).read_text() == "mine\n"


class TestFaults:
    @pytest.mark.parametrize(
        ("number", "says"),
        [(errno.ENOSPC, "No space left"), (errno.EACCES, "Permission"), (errno.EROFS, "Read-only")],
    )
    @pytest.mark.parametrize("name", ["open", "replace", "mkdir"])
    def test_a_target_that_can_not_be_written(
        self, src, dst, whole, monkeypatch, number, says, name
    ):
        with monkeypatch.context() as patch:
            error = OSError(number, os.strerror(number))
            if name == "open":
                before = Path.open

                def fail(self, mode="r", *arguments, **options):
                    if mode == "xb" and len(list_images(dst)) >= 3:
                        raise error
                    return before(self, mode, *arguments, **options)

                patch.setattr(Path, "open", fail)
            elif name == "replace":
                fail_after(3, error, patch)
            else:
                run(src, dst)
                for path in dst.rglob("*.png"):
                    path.unlink()
                (dst / "cats").rmdir()
                mkdir = Path.mkdir

                def refuse(self, *arguments, **options):
                    if self.name == "cats":
                        raise error
                    return mkdir(self, *arguments, **options)

                patch.setattr(Path, "mkdir", refuse)
            with pytest.raises(TargetError, match=rf"{says}.* run the same conversion again"):
                run(src, dst)
            left = read_tree(dst)
        assert not any(MARK in path for path in left)
        assert all(whole[path] == data for path, data in left.items() if path != KEPT)
        run(src, dst)
        assert read_tree(dst) == whole

    def test_a_file_that_vanishes(self, src, dst, monkeypatch):
        write = target_folder.FolderTarget.write

        def vanish(self, task, request):
            (src / "dogs" / "1.png").unlink(missing_ok=True)
            return write(self, task, request)

        monkeypatch.setattr(target_folder.FolderTarget, "write", vanish)
        done = run(src, dst)
        assert ("dogs/1.png", "No such file or directory") in done.errors
        assert "dogs/1.png" not in list_images(dst)
        assert done.converted == 10

    def test_a_file_that_changes_between_the_passes(self, src, dst, monkeypatch):
        write = target_folder.FolderTarget.write

        def change(self, task, request):
            if task.key == "dogs/1.png":
                write_png(src / "dogs" / "1.png", gray(1, (3, 4)))
            return write(self, task, request)

        with monkeypatch.context() as patch:
            patch.setattr(target_folder.FolderTarget, "write", change)
            ((path, reason), *_) = [e for e in run(src, dst).errors if "dogs" in e[0]]
        assert path == "dogs/1.png"
        assert "its header promised (12, 16, 3)" in reason
        assert run(src, dst).converted == 1

    def test_a_target_that_vanishes(self, src, dst, monkeypatch):
        """An orphan of a removed target makes no folder anew."""
        write = target_folder.FolderTarget.write

        def remove(self, task, request):
            if task.key.startswith("dogs"):
                for path in sorted(dst.rglob("*"), reverse=True):
                    path.rmdir() if path.is_dir() else path.unlink()
                dst.rmdir()
            return write(self, task, request)

        monkeypatch.setattr(target_folder.FolderTarget, "write", remove)
        with pytest.raises(TargetError, match="No such file"):
            run(src, dst)
        assert not dst.exists()


class TestTwoRuns:
    def test_a_target_in_use_is_refused(self, src, dst, whole):
        run(src, dst)
        with closing(Journal(dst / KEPT)) as other:
            other.lock(create=False)
            with pytest.raises(TargetError, match="another run is writing to this target"):
                run(src, dst, to="gray")
            assert run(src, dst, to="gray", dry_run=True).converted == 11
        assert read_tree(dst) == whole
        run(src, dst)

    def test_the_lock_goes_with_the_file(self, tmp_path):
        """A run that waits at the old file isn't let in by a new one."""
        with closing(Journal(tmp_path / "kept")) as first, closing(Journal(first.path)) as second:
            first.lock(create=True)
            first.begin({}, [])
            with pytest.raises(TargetError):
                second.lock(create=True)
            first.add([{"key": "a", "planned": True}])
            first.finish({}, [])
            second.lock(create=True)
            assert second.is_locked

    def test_an_orphan_writes_nothing_into_the_next_run(self, src, dst, tmp_path):
        with closing(Journal(tmp_path / "kept")) as first:
            first.lock(create=True)
            first.begin({}, [])
            guard = Guard(first.path, first.run)
            guard.check()
        with closing(Journal(tmp_path / "kept")) as second:
            second.lock(create=True)
            second.begin({}, [])
            with pytest.raises(RunEnded, match="another run"):
                guard.check()
            Guard(second.path, second.run).check()
            second.finish({}, [])
        for name in (first.run, second.run):
            with pytest.raises(RunEnded):
                Guard(first.path, name).check()
        (tmp_path / "kept").unlink()
        with pytest.raises(RunEnded):
            guard.check()

    def test_what_orphans_left_is_removed(self, src, dst, whole):
        run(src, dst)
        left = dst / "cats" / f"{MARK}0123456789abcdef-77-0"
        left.write_bytes(b"half")
        own = dst / "cats" / f"{MARK}notes"
        own.write_text("of another program")
        run(src, dst)
        assert not left.exists()
        assert own.exists()


def command(src, dst, workers=2):
    """A conversion as a process, in a group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "graytorgb", "convert", src, dst, "--workers", str(workers)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, text=True,
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
    )  # fmt: skip


def wait_for(process, dst, images):
    """Wait until so many images are in the target, or the process has ended."""
    while process.poll() is None and len(list(dst.rglob("*.png"))) < images:
        time.sleep(0.003)


@pytest.mark.slow
def test_ctrl_c_leaves_what_is_finished(tmp_path):
    src, dst = tmp_path / "src", tmp_path / "dst"
    for k in range(100):
        write_png(src / f"{k}.png", deep(k, (150, 200)))
    process = command(src, dst)
    wait_for(process, dst, 20)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "images finished, to stay. Run the same command again" in err
    assert "Traceback" not in err
    names = list_images(dst)
    assert 20 <= len(names) < 100
    assert not any(MARK in name for name in names)
    done = run(src, dst)
    assert done.already_done > 0
    assert done.already_done + done.converted == 100


@pytest.mark.slow
def test_a_full_disk(tmp_path):
    """A process may write small files alone, which is what a quota and a full disk look like."""
    src, dst = tmp_path / "src", tmp_path / "dst"
    for k in range(4):
        write_png(src / f"{k}.png", np.zeros((20, 30), np.uint8))
    write_png(src / "z.png", gray(0, (400, 500)))
    code = f"""
import resource, signal
from graytorgb.datasets import convert
from graytorgb.errors import TargetError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    convert({str(src)!r}, {str(dst)!r}, workers=1)
except TargetError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60,
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
    )  # fmt: skip
    assert "File too large. 4 of 5 images are converted" in done.stdout, done.stderr
    assert list_images(dst) == [f"{k}.png" for k in range(4)]
    assert run(src, dst).converted == 1
    run(src, tmp_path / "undisturbed")
    assert read_tree(dst) == read_tree(tmp_path / "undisturbed")


def test_a_full_disk_for_what_is_known_of_the_images(src, dst, monkeypatch):
    def fail(*_):
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "add_facts", fail)
        with pytest.raises(TargetError, match=r"disk is full\): free space there, or set TMPDIR"):
            run(src, dst)
    assert not dst.exists()


def test_a_file_system_without_locks(src, dst, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(TargetError, match=r"can't be locked \(No locks available\)"):
        run(src, dst)
    assert list_images(dst) == []


def test_images_of_a_stack_are_read_alone_if_it_is_large(src, dst, whole, monkeypatch):
    """In a stack of two leading axes an image has no single number, so it is read whole."""
    calls = []
    read = Item.read

    def note(self, **options):
        calls.append((self.path, options.get("index")))
        return read(self, **options)

    monkeypatch.setattr(Item, "read", note)
    tifffile.imwrite(
        src / "hyper.tif", deep(3, (2, 3, 5, 6)), imagej=True, metadata={"axes": "TZYX"}
    )
    run(src, dst)
    stacks = [call for call in calls if call[0].endswith(".tif")]
    assert stacks == [("hyper.tif", None), ("stack.tif", None)]
    calls.clear()
    monkeypatch.setattr(conversion_reading, "_MOST", 10)
    run(src, dst / "alone")
    stacks = [call for call in calls if call[0].endswith(".tif")]
    assert stacks == [("hyper.tif", None), *(("stack.tif", k) for k in range(3))]
    alone = {name: data for name, data in read_tree(dst / "alone").items() if name != KEPT}
    assert alone.items() >= {k: v for k, v in whole.items() if k != KEPT}.items()
    assert len(alone) == 11 + 6


@pytest.mark.parametrize("is_new", [True, False])
def test_a_target_that_can_not_be_written_to_at_all(src, dst, whole, monkeypatch, is_new):
    if not is_new:
        run(src, dst)
    before = os.open

    def refuse(path, flags, *arguments, **options):
        if flags & os.O_RDWR and str(path).endswith(KEPT):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return before(path, flags, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.raises(TargetError, match=r"Read-only file system.* run the same conversion"):
            run(src, dst)
    run(src, dst)
    assert read_tree(dst) == whole
