"""The progress bar of commands that read many files."""

import time

from graytorgb.cli.progress import ProgressBar


def wait_for_total(progress):
    deadline = time.monotonic() + 10
    while progress._progress.tasks[0].total is None and time.monotonic() < deadline:
        time.sleep(0.01)


def test_a_terminal_shows_how_many_files_are_done(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    with ProgressBar("files", stays=False) as progress:
        progress.begin("auditing", lambda: 50)
        wait_for_total(progress)
        progress.advance(20)
        progress.advance(3)
        progress._progress.refresh()
    assert "23/50" in capsys.readouterr().err
    assert progress.done == 23


def test_a_pipe_shows_nothing_and_nothing_is_counted(monkeypatch, capsys):
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    counted = []
    with ProgressBar("files", stays=False) as progress:
        progress.begin("auditing", lambda: counted.append(1) or 50)
        progress.advance(3)
    assert capsys.readouterr().err == ""
    assert counted == []
    assert progress.done == 3


def test_a_folder_that_vanishes_while_it_is_counted(monkeypatch, capsys):
    def fail():
        failed.append(1)
        raise FileNotFoundError("gone")

    failed = []
    monkeypatch.setenv("FORCE_COLOR", "1")
    with ProgressBar("files", stays=False) as progress:
        progress.begin("auditing", fail)
        deadline = time.monotonic() + 10
        while not failed and time.monotonic() < deadline:
            time.sleep(0.01)
        progress.advance(3)
    assert failed == [1]
    assert progress.done == 3
