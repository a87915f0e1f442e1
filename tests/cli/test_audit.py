"""graytorgb audit: options, tables, reports and exit codes."""

import csv
import doctest
import json
import os
import signal
import subprocess
import sys
import time

import jsonschema
import numpy as np
import PIL.Image
import pytest
from click.testing import CliRunner

from graytorgb.cli import main
from graytorgb.datasets import auditing
from graytorgb.datasets.audits import files as audit_files
from graytorgb.datasets.execution.batches import Done

from ..datasets.faults import list_group
from ..datasets.test_audit_result import SCHEMA
from ..support import ROOT, needs_package, read_guide, run_python

RNG = np.random.default_rng(12)
GRAY = RNG.integers(0, 256, (24, 32), np.uint8)
DEEP = RNG.permuted(np.arange(4096, dtype=np.uint16)).reshape(64, 64)


def run(*arguments, columns=80):
    """Run the command in this process; return its result."""
    return CliRunner().invoke(
        main, ["audit", *map(str, arguments), "--workers", "1"],
        env={**os.environ, "COLUMNS": str(columns)},
    )  # fmt: skip


def save(path, pixels):
    path.parent.mkdir(exist_ok=True)
    PIL.Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def scans(tmp_path):
    for k in range(3):
        save(tmp_path / "scans" / f"{k}.png", DEEP >> (2 - k))
    (tmp_path / "scans" / "notes.txt").write_text("notes")
    return tmp_path / "scans"


@pytest.fixture
def photos(tmp_path):
    return save(tmp_path / "photos" / "a.png", GRAY).parent


def test_the_summary(scans):
    result = run(scans, columns=200)
    assert result.exit_code == 0
    assert result.stderr == ""
    text = " ".join(result.stdout.split())
    for told in (
        f"{scans}: 3 images, 0 unreadable, 1 other file",
        "16 bits: 3 files, values 0 to 4,095",
        "deep 3 more than 8 bits",
        'Image.open(path).convert("RGB") 3',
        "value range 0 to 4,095: the largest value of the set is 4,095",
        "g2r.to_rgb(g2r.to_uint8(g2r.io.read(path, value_range=(0, 4095))))",
        f"graytorgb convert {scans} DST --to gray --value-range 0 4095 --bits 8",
    ):
        assert told in text


def test_a_table_fits_80_columns(scans, photos):
    save(scans / "a" / "x.png", GRAY)
    (scans / "cut.png").write_bytes((scans / "0.png").read_bytes()[:100])
    result = run(scans, photos)
    lines = result.stdout.splitlines()
    advice = [line for line in lines if line.startswith(("g2r.", "graytorgb convert"))]
    assert len(advice) == 2
    assert all(len(line.rstrip()) <= 80 for line in lines if line not in advice)
    assert not any("\u2026" in line for line in lines)
    assert any(line.split()[:2] == ["scans/cut.png", "truncated:"] for line in lines)


def test_no_image(tmp_path):
    (tmp_path / "notes.txt").write_text("notes")
    result = run(tmp_path)
    assert result.exit_code == 0
    assert "0 images, 0 unreadable, 1 other file" in " ".join(result.stdout.split())
    assert "Nothing is an image. The first file: not an image by" in result.stdout


def test_a_report_that_cannot_be_written(photos, tmp_path, monkeypatch):
    def fail(audit, path):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(audit_files, "write_json", fail)
    result = run(photos, "--json", tmp_path / "x.json")
    assert result.exit_code == 1
    assert result.stderr == f"Error: {tmp_path / 'x.json'}: No space left on device\n"


def test_nothing_is_lost(photos):
    result = run(photos)
    assert "none of the usual ones would lose or refuse anything" in result.stdout


def test_reports(scans, tmp_path):
    needs_package("pyarrow")
    paths = {kind: tmp_path / f"audit.{kind}" for kind in ("json", "csv", "parquet")}
    options = [part for kind, path in paths.items() for part in (f"--{kind}", path)]
    assert run(scans, *options).exit_code == 0
    document = json.loads(paths["json"].read_text())
    jsonschema.validate(document, SCHEMA)
    assert document["value_range"] == [0, 4095]
    assert document["source"] == str(scans)
    with paths["csv"].open(newline="") as file:
        assert [row["path"] for row in csv.DictReader(file)] == ["0.png", "1.png", "2.png"]
    from pyarrow.parquet import read_table

    assert read_table(paths["parquet"]).num_rows == 3


@pytest.mark.parametrize(
    ("library", "extra", "option"), [("pyarrow", "parquet", "--parquet"), ("loky", "datasets", "")]
)
def test_a_missing_library_gives_the_hint(scans, tmp_path, library, extra, option):
    options = [option, str(tmp_path / "x")] if option else []
    text = run_python(f"""
import sys
sys.modules[{library!r}] = None
from click.testing import CliRunner
from graytorgb.cli import main
print(CliRunner().invoke(main, ["audit", {str(scans)!r}, *{options!r}]).output)
""")
    assert f"needs {library}: pip install 'graytorgb[{extra}]'" in text


def test_json_on_stdout(scans):
    result = run(scans, "--json", "-")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["files"] == 3
    assert "value range" in result.stderr


def test_a_report_may_be_in_the_folder_and_be_written_again(scans):
    for _ in range(2):
        assert run(scans, "--json", scans / "audit.json").exit_code == 0
    skipped = json.loads((scans / "audit.json").read_text())["skipped"]
    assert [skip["path"] for skip in skipped] == ["audit.json", "notes.txt"]


@pytest.mark.parametrize("name", ["0.png", "no_ending", "list.txt", "zarr.json"])
def test_a_source_is_never_overwritten(scans, tmp_path, name):
    path, source = scans / name, scans
    if name == "no_ending":
        path.write_bytes((scans / "0.png").read_bytes())
    elif name == "list.txt":
        path.write_text("0.png\n")
        source = path
    elif name == "zarr.json":
        path.write_text("{}")
    before = path.read_bytes()
    for option in ("--json", "--csv", "--parquet"):
        result = run(source, option, path)
        assert result.exit_code == 2
        assert "which would be lost" in result.output
        assert path.read_bytes() == before


def test_two_reports_are_two_files(scans, tmp_path):
    result = run(scans, "--json", tmp_path / "x", "--csv", tmp_path / "x")
    assert result.exit_code == 2
    assert "are one file" in result.output


def test_strict(scans, photos):
    result = run(scans, "--strict")
    assert result.exit_code == 1
    assert "0 files can't be read, and a usual loader would lose something of 3" in result.stderr
    assert run(scans, "--strict", "--quick").exit_code == 1
    assert run(photos, "--strict").exit_code == 0
    assert run(photos, "--strict", "--quick").exit_code == 0
    (photos / "bad.png").write_bytes(b"")
    assert run(photos, "--strict").exit_code == 1
    result = run(photos, columns=300)
    assert result.exit_code == 0
    assert "1 unreadable" in result.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_broken_link_with_an_images_name(photos):
    """A data set takes it for an image, and training would end there."""
    (photos / "gone.png").symlink_to(photos / "nowhere.png")
    result = run(photos, "--strict", columns=200)
    assert result.exit_code == 1
    assert "1 skipped has an image's name" in result.stderr
    assert any("gone.png" in line and "a broken link" in line
               for line in result.stdout.splitlines())  # fmt: skip
    (photos / "gone.png").rename(photos / "gone.txt")
    assert run(photos, "--strict").exit_code == 0


def test_quick(scans):
    result = run(scans, "--quick")
    assert result.exit_code == 0
    assert "16 bits: 3 files" in result.stdout
    assert "value_range=(LO, HI)" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["not_there"], 1, "there is nothing of this name"),
        ([], 2, "Missing argument"),
        ([".", "--json", "not/there.json"], 2, "there is no folder 'not'"),
        ([".", "--workers", "0"], 2, "--workers"),
    ],
)
def test_bad_arguments_are_one_line(arguments, code, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "a.png", GRAY)
    result = CliRunner().invoke(main, ["audit", *arguments])
    assert result.exit_code == code
    assert says in result.output
    assert "Traceback" not in result.output


def test_an_array_needs_its_axes(tmp_path):
    np.save(tmp_path / "x.npy", np.stack([GRAY] * 3))
    result = run(tmp_path / "x.npy")
    assert result.exit_code == 1
    assert "--layout" in result.output
    result = run(tmp_path / "x.npy", "--layout", "NHW", columns=300)
    assert result.exit_code == 0
    assert "3 images" in result.stdout


def test_names_that_are_not_text(tmp_path):
    save(tmp_path / "odd" / os.fsdecode(b"\xff[red].png"), GRAY)
    (tmp_path / "odd" / os.fsdecode(b"\xfe[b].png")).write_bytes(b"")
    result = subprocess.run(
        [sys.executable, "-m", "graytorgb", "audit", tmp_path / "odd", "--workers", "1"],
        capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert b"\\xfe[b].png" in result.stdout


def test_ctrl_c_says_how_many_are_done(scans, monkeypatch, tmp_path):
    def run_two(function, items, **options):
        batch = [next(items), next(items)]
        yield Done(0, batch, function(batch))
        raise KeyboardInterrupt

    monkeypatch.setattr(auditing, "run_batches", run_two)
    result = run(scans, "--json", tmp_path / "audit.json")
    assert result.exit_code == 130
    assert "Interrupted after 2 files" in result.stderr
    assert not (tmp_path / "audit.json").exists()


def test_the_guide_shows_what_the_command_prints(monkeypatch):
    """Make the set of docs/guide/audit.md, and compare the page with the output."""
    page = read_guide("audit.md")
    code, shown = page.split("```python\n")[1], page.split("```text\n")[1].partition("```")[0]
    names = {}
    for example in doctest.DocTestParser().get_examples(code.partition("```")[0]):
        exec(example.source, names)
    monkeypatch.chdir(names["folder"].parent)
    lines = [line.rstrip() for line in run("set").stdout.splitlines()]
    assert "\n".join(lines) + "\n" == shown


@pytest.mark.slow
def test_ctrl_c_ends_the_workers(tmp_path):
    """The signal goes to the whole group, as a terminal sends it."""
    big = RNG.integers(0, 256, (600, 600), np.uint8)
    first = save(tmp_path / "scans" / "0.png", big)
    for k in range(1, 3000):
        (tmp_path / "scans" / f"{k}.png").hardlink_to(first)
    process = subprocess.Popen(
        [sys.executable, "-m", "graytorgb", "audit", tmp_path / "scans", "--workers", "2"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(2)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, (out, err)
    # a worker that was just starting may print a traceback before
    assert err.splitlines()[-1].startswith("Interrupted after"), err
    deadline = time.monotonic() + 10
    while list_group(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list_group(process.pid) == []
