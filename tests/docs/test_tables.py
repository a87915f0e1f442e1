"""The tables that docs/ are built with: every kind has a row, found by calling the verbs."""

import runpy

import pytest

from graytorgb.datasets.audits.findings import FINDINGS
from graytorgb.kinds import KINDS

from ..support import ROOT, needs, needs_package

needs("torchvision", "opencv", "pillow", "skimage")
needs_package("array_api_strict", "dask", "jax", "tensorflow")

VERBS = ["to_rgb", "to_gray", "to_uint8", "prepare"]


@pytest.fixture(scope="module")
def tables():
    return runpy.run_path(str(ROOT / "docs" / "tables.py"))


@pytest.fixture(scope="module")
def kinds(tables):
    return tables["kinds"]()


@pytest.mark.slow
def test_the_table_of_kinds_is_the_one_in_the_repository(tables, kinds):
    """The documentation is built without torch and TensorFlow, so it has a table made here."""
    current = tables["make_markdown"](kinds)
    assert tables["KINDS_PAGE"].read_text("utf-8") == current, "run: python docs/tables.py kinds"


@pytest.mark.slow
def test_what_every_kind_promises(kinds):
    rows = {row["you hold"]: row for row in kinds}
    pil = rows.pop("`PIL.Image.Image`")
    assert pil["the result is of that kind"] == "all but prepare"  # which gives an array
    for row in rows.values():
        assert row["the result is of that kind"] == "all", row
        assert row["copy"] == "yes", row
        assert row["on its device"] in ("all", "host memory"), row
    assert rows["`numpy.ndarray`, whatever has `__array__`"]["backends by name"] == "all"
    lazy = {what for what, row in rows.items() if row["lazy"] == "all"}
    from_examples = {f"`{line.module}.{line.classes[0]}`" for line in KINDS if line.example}
    assert rows.keys() - lazy - from_examples == {
        "`numpy.ndarray`, whatever has `__array__`",  # which always has values, as the last one
        "`tv_tensors.Image`, `Video`",
        "arrays of the array API standard",
    }
    assert {row["lazy"] for row in rows.values()} == {"all", "no"}


def test_every_kind_has_a_row(tables):
    text = (ROOT / "docs" / "tables.py").read_text()
    files = {"pil", *(line.file for line in KINDS if not line.example)}
    assert [name for name in files if f'"{name}", ' not in text] == []


def test_every_finding_has_a_row(tables):
    assert [row["finding"] for row in tables["findings"]()] == [f"`{name}`" for name in FINDINGS]


def test_tables_that_the_build_writes(tables, tmp_path):
    tables["write_tables"](tmp_path)
    names = ["_backends.md", "_coverage.md", "_files.md", "_findings.md", "_loaders.md"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    lines = (tmp_path / "_files.md").read_text().splitlines()
    assert lines[0] == "| format | files | what is read | pixels by | extra |"
    assert {line.count("|") for line in lines} == {6}
    assert any(line.startswith("| DICOM | .dcm") for line in lines)
    assert "| **resnet18** <br> torchvision, " in (tmp_path / "_coverage.md").read_text()


def test_what_every_loader_makes_of_a_file(tables):
    rows = {row["file"]: row for row in tables["loaders"]()}
    assert {tuple(row)[1:] for row in rows.values()} == {tuple(tables["LOADER_NAMES"].values())}
    camera = rows["PNG, gray, 12 bits in 16"]
    assert camera["Pillow, ImageFolder"] == "**256** of 4,096, **93.8% white**"
    assert camera["OpenCV"] == "**16** of 4,096"
    assert camera["torchvision"] == "all 4,096, 16 bits"
    assert rows["PNG, palette of 8 bits"]["torchvision"] == "**indices**, no colors"
    assert rows["PNG, palette of 4 bits"]["torchvision"] == "**no picture**"
    assert rows["TIFF, JPEG 2000 inside"]["OpenCV"] == "**black**"
    assert rows[".npy, uint16"]["Keras"] == "error"
