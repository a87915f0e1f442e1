"""What an audit tells of a set, and the files that it writes, from records that are made up."""

import csv
import gc
import json
import tracemalloc
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from graytorgb.datasets import audit_folders, audit_ranges, audit_result
from graytorgb.datasets.audit_findings import FINDINGS, LOSS, MIXED, describe_finding
from graytorgb.datasets.audit_record import Record
from graytorgb.datasets.audit_spool import Spool, make_row
from graytorgb.datasets.audit_totals import Totals
from graytorgb.datasets.items import Skipped
from graytorgb.errors import GrayToRGBError, OptionError

from ..support import needs_package
from .audit_records import LOADERS, make_audit, make_broken, make_record

SCHEMA = json.loads(Path(audit_result.__file__).with_name("audit.schema.json").read_text())
DEEP = np.arange(4096, dtype=np.uint16).reshape(64, 64)
GRAY = np.arange(256, dtype=np.uint8).reshape(16, 16)
LOST = {"levels_before": 4096, "levels_after": 256, "white": 0.25, "bits_after": 8}
ODD = "b/a b\n\udcff\u20ac.png"
SKIPPED = [Skipped("z/notes.txt", "not an image"), Skipped("a/\udcfe", "a pipe")]


@pytest.fixture(scope="module")
def mixed():
    losses = {**dict.fromkeys(LOADERS), "pillow": LOST, "keras": LOST | {"white": 0.0}}
    return make_audit(
        make_record("a/1.png", DEEP, losses=losses),
        make_record(ODD, GRAY, notes=["two", "notes"], frames=3),
        make_broken("b/2.png", "truncated at \udcff"),
        make_record("b/3.png", GRAY),
        make_record("4.tif", np.float32([[0.25, np.inf]]), color="rgb-gray", color_type="RGB"),
        skipped=SKIPPED,
        order=[3, 0, 4, 2, 1],
        batches=2,
    )


def load(audit, tmp_path):
    path = tmp_path / "audit.json"
    audit.write_json(path)
    return json.loads(path.read_bytes().decode("utf-8"), parse_constant=pytest.fail)


def test_json_is_as_its_schema_says(mixed, tmp_path):
    document = load(mixed, tmp_path)
    jsonschema.validate(document, SCHEMA)
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert set(document) == set(SCHEMA["required"]) == set(SCHEMA["properties"])
    for name, annotations in {
        "record": Record.__annotations__,
        "depth": audit_ranges.DepthRange.__annotations__,
        "folder": audit_folders.Folder.__annotations__,
    }.items():
        definition = SCHEMA["$defs"][name]
        assert set(definition["required"]) == set(definition["properties"]) == set(annotations)
    assert document["records"] == list(mixed.records)
    assert document["folders"] == list(mixed.list_folders())
    assert document["skipped"] == list(mixed.skipped)
    for name, value in mixed.summarize().items():
        assert document[name] == json.loads(json.dumps(value))


def test_json_keeps_names_that_are_not_utf_8(mixed, tmp_path):
    document = load(mixed, tmp_path)
    assert document["records"][1]["path"] == ODD
    assert document["records"][3]["copy_of"] == ODD
    assert [skip["path"] for skip in document["skipped"]] == ["a/\udcfe", "z/notes.txt"]


def test_an_empty_set_is_valid_too(tmp_path):
    document = load(make_audit(), tmp_path)
    jsonschema.validate(document, SCHEMA)
    assert (document["files"], document["records"], document["value_range"]) == (0, [], None)


def test_records_are_in_the_order_of_the_source(mixed):
    paths = ["a/1.png", ODD, "b/2.png", "b/3.png", "4.tif"]
    assert [record["path"] for record in mixed.records] == paths
    assert [mixed.records[k]["path"] for k in range(5)] == paths
    assert mixed.records[-1]["path"] == "4.tif"
    assert [record["path"] for record in mixed.records[1:3]] == paths[1:3]
    assert len(mixed.records) == mixed.files == 5
    with pytest.raises(IndexError):
        mixed.records[5]
    assert [skip["path"] for skip in mixed.skipped[:1]] == ["a/\udcfe"]
    assert len(mixed.skipped) == 2


def test_a_copy_is_of_the_first_file_whatever_came_first(mixed):
    copies = {record["path"]: record["copy_of"] for record in mixed.records}
    assert copies == {"a/1.png": None, ODD: None, "b/2.png": None, "b/3.png": ODD, "4.tif": None}
    assert "copy" in mixed.records[3]["findings"]
    assert mixed.findings["copy"] == 1
    many = make_audit(*(make_record(f"{k}", GRAY) for k in range(5)), order=[4, 2, 0, 1, 3])
    assert [record["copy_of"] for record in many.records] == [None, "0", "0", "0", "0"]


def test_findings_are_counted(mixed):
    assert mixed.findings == {
        "deep": 2, "constant": 1, "shallow": 1, "lossy in keras": 1, "lossy in pillow": 1,
        "not finite": 1,
        "gray stored as RGB": 1, "several images": 1, "unreadable": 1, "copy": 1, "mixed modes": 3,
        "mixed depths": 3, "mixed sizes": 3,
    }  # fmt: skip
    assert (mixed.files, mixed.unreadable, mixed.lossy) == (5, 1, 1)
    assert mixed.formats == {"PNG": 4}
    assert mixed.colors == {"gray": 3, "rgb-gray": 1}
    for name in [*FINDINGS, *MIXED, f"{LOSS}pillow"]:
        assert describe_finding(name)


def test_what_loaders_lose_is_summed(mixed):
    assert mixed.losses["pillow"] == {
        "files": 1, "refused": 0, "levels_before": 4096, "levels_after": 256,
        "white_files": 1, "most_white": 0.25,
    }  # fmt: skip
    assert mixed.losses["opencv"]["refused"] == 1


def test_folders_tell_what_is_mixed_in_them(mixed):
    folders = {folder["folder"]: folder for folder in mixed.list_folders()}
    assert list(folders) == ["", "a", "b"]
    assert folders["b"] == {
        "folder": "b", "files": 3, "unreadable": 1, "modes": {"gray, 8 bits": 2},
        "depths": {"8 bits": 2}, "sizes": {"16x16": 2}, "different_sizes": 1,
    }  # fmt: skip


def test_a_folder_lists_its_most_usual_sizes():
    made = [make_record(f"a/{k}", np.zeros((k % 13 + 1, 2), np.uint8)) for k in range(20)]
    (folder,) = make_audit(*made).list_folders()
    assert folder["different_sizes"] == 13
    assert len(folder["sizes"]) == 10
    assert list(folder["sizes"].values()) == [2] * 7 + [1] * 3


def test_csv_has_a_line_a_file(mixed, tmp_path):
    path = tmp_path / "audit.csv"
    mixed.write_csv(path)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [
        "a/1.png", "b/a b\n\\xff\u20ac.png", "b/2.png", "b/3.png", "4.tif"
    ]  # fmt: skip
    assert rows[0]["losses.pillow.levels_after"] == "256"
    assert rows[0]["losses.opencv.refused"] == "true"
    assert (rows[0]["shape"], rows[0]["value_range.hi"]) == ("64x64", "65535")
    assert (rows[1]["notes"], rows[1]["frames"]) == ("two\nnotes", "3")
    assert (rows[2]["error"], rows[2]["shape"]) == ("truncated at \\xff", "")
    assert rows[3]["copy_of"] == "b/a b\n\\xff\u20ac.png"
    assert (rows[3]["findings"], rows[3]["inverted"]) == ("copy", "false")


def test_parquet_has_the_columns_and_the_rows_of_the_csv(mixed, tmp_path):
    mixed.write_csv(tmp_path / "audit.csv")
    needs_package("pyarrow")
    mixed.write_parquet(tmp_path / "audit.parquet")
    from pyarrow.parquet import read_table

    table = read_table(tmp_path / "audit.parquet")
    with (tmp_path / "audit.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert table.column_names == list(rows[0])
    for row, typed in zip(rows, table.to_pylist(), strict=True):
        for name, text in row.items():
            value = typed[name]
            if isinstance(value, float):
                assert float(text) == value
            elif isinstance(value, bool):
                assert text == str(value).lower()
            else:
                assert text == ("" if value is None else str(value))
    assert str(table.schema.field("losses.pillow.levels_after").type) == "int64"
    assert str(table.schema.field("min").type) == "double"


def test_parquet_rounds_integers_that_no_float_holds(tmp_path):
    needs_package("pyarrow")
    record, _ = make_record("a.npy", GRAY)
    make_audit((record | {"min": -(2**62) - 1, "max": 2**64 - 1}, None)).write_parquet(
        tmp_path / "x.parquet"
    )
    from pyarrow.parquet import read_table

    (row,) = read_table(tmp_path / "x.parquet").to_pylist()
    assert (row["min"], row["max"]) == (float(-(2**62)), float(2**64))


def test_a_full_disk_is_a_clear_error():
    spool = Spool()
    spool.query("PRAGMA max_page_count = 8")
    rows = [make_row(k, None, make_record(f"{k}.png", GRAY)[0]) for k in range(50)]
    with pytest.raises(GrayToRGBError, match="Set TMPDIR to a folder on a disk that has room"):
        spool.add(rows, [])
    spool.close()


def test_a_report_that_fails_leaves_the_old_one(mixed, tmp_path, monkeypatch):
    path = tmp_path / "audit.json"
    path.write_text("old")
    monkeypatch.setattr(mixed, "list_folders", lambda: iter([{"folder": float("nan")}]))
    with pytest.raises(ValueError, match="JSON"):
        mixed.write_json(path)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["audit.json"]


def test_an_audit_can_be_closed_and_closes_itself(tmp_path):
    with make_audit(make_record("a", GRAY)) as audit:
        assert audit.records[0]["path"] == "a"
    with pytest.raises(OptionError, match="closed"):
        audit.records[0]
    audit.close()
    left = make_audit(make_record("a", GRAY))
    database = left._spool._database
    del left
    gc.collect()
    with pytest.raises(Exception, match="closed"):
        database.execute("SELECT 1")


def measure_peak(files, tmp_path):
    """Return the parent's peak memory for so many records, from batches to the files written."""
    record, counts = make_record("a/1.png", GRAY)
    tracemalloc.start()
    made = ((record | {"path": f"a{k % 10}/{k}.png", "digest": f"{k // 2:032x}"}, counts)
            for k in range(files))  # fmt: skip
    audit = stream_audit(made)
    audit.write_json(tmp_path / "audit.json")
    audit.write_csv(tmp_path / "audit.csv")
    assert len(audit.records) == files
    assert audit.findings["copy"] == files // 2
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    audit.close()
    return peak


def stream_audit(made):
    spool, totals = Spool(), Totals()
    for position, (record, counts) in enumerate(made):
        totals.add(record, counts)
        spool.add([make_row(position, None, record)], [])
    spool.finish()
    return audit_result.Audit("scans", ["scans"], spool, totals, quick=False)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_files(tmp_path):
    few, many = (measure_peak(files, tmp_path) for files in (200, 1_200))
    assert many < 1.1 * few + 100_000
