"""Tests of files that are written whole or not at all, and of files that can't be written."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from graytorgb.core import writing

from ..support import ROOT, run_python


class TestReplacing:
    def test_whole_or_not_at_all(self, tmp_path):
        path = tmp_path / "a.txt"
        path.write_text("old")
        path.chmod(0o640)
        for error in (KeyboardInterrupt, OSError):
            with pytest.raises(error), writing.replacing(path) as written:  # noqa: PT012
                written.write_text("half")
                raise error
            assert path.read_text() == "old"
        with writing.replacing(path) as written:
            assert written.name == path.name
            written.write_text("new")
        assert path.read_text() == "new"
        assert path.stat().st_mode & 0o777 == 0o640
        assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]

    def test_what_is_no_file_is_written_to(self, tmp_path):
        with writing.replacing(os.devnull) as written:
            assert written == Path(os.devnull)
        code = "from graytorgb.core import writing; writing.write_text('/dev/stdout', 'text')"
        assert run_python(code) == "text"
        out = tmp_path / "out.txt"
        with out.open("wb") as file:
            command, env = [sys.executable, "-c", code], os.environ | {"PYTHONPATH": str(ROOT)}
            assert subprocess.run(command, stdout=file, env=env).returncode == 0
        assert out.read_text() == "text"

    def test_a_folder_that_only_seems_writable(self, tmp_path, monkeypatch):
        """The folder allows writing and the write fails, as in /proc for root or on a full disk."""

        def refuse(**options):
            raise OSError(errno.ENOSPC, "No space left on device")

        if sys.platform == "linux":
            assert "/proc" in writing.why_unwritable(Path("/proc/x.png"))
        assert writing.why_unwritable(tmp_path / "x.png") is None
        assert not list(tmp_path.iterdir())
        monkeypatch.setattr(writing, "TemporaryFile", refuse)
        assert "No space left" in writing.why_unwritable(tmp_path / "x.png")

    def test_a_link_to_nothing(self, tmp_path):
        link = tmp_path / "link.txt"
        link.symlink_to("new.txt")
        assert writing.why_unwritable(link) is None
        writing.write_text(link, "text")
        assert (tmp_path / "new.txt").read_text() == "text"
        link.unlink()
        link.symlink_to(tmp_path / "nowhere" / "new.txt")
        assert "there is no folder" in writing.why_unwritable(link)

    def test_text_is_utf8(self, tmp_path):
        writing.write_text(tmp_path / "a.txt", "µ \udcff\r\n")
        assert (tmp_path / "a.txt").read_bytes() == "µ \\udcff\r\n".encode()
