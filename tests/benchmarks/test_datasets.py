"""benchmarks/speed/audit.py, convert.py and cluster.py: they run, and their arithmetic is right."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from ..support import needs, needs_package

needs("opencv", "pillow", "skimage")
needs_package("foolbox")
needs_package("loky")

from benchmarks import photo_files, usage  # noqa: E402
from benchmarks.speed import audit, cluster, convert  # noqa: E402
from graytorgb.io import read  # noqa: E402

MACHINE = {
    "processor": "P", "cores": 2, "memory_bytes": 2**34, "system": "S", "python": "3",
    "packages": {"numpy": "2"},
}  # fmt: skip
HEAD = {"machine": MACHINE, "load_before": 0.5, "files": 20}
GROWTH = [
    {"files": n, "parent": 90_000_000, "worker": 80_000_000, "seconds": 1 + 0.001 * n}
    for n in (1000, 10_000)
]


def run(command, *arguments):
    result = CliRunner().invoke(command, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


# the files


@pytest.mark.parametrize("kind", photo_files.KINDS, ids=lambda kind: kind.name)
def test_a_kind_holds_the_crop_that_was_drawn(tmp_path, kind):
    draw = photo_files.draw_crop
    first, second = (
        draw(np.random.default_rng(3), is_color=kind.is_color, bits=kind.bits) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
    assert all(0.85 <= a / b <= 1.15 for a, b in zip(first.shape, photo_files.SIZE, strict=False))
    assert first.max() < 2**kind.bits
    assert len(np.unique(first)) > 2 ** (kind.bits - 4)
    path = tmp_path / f"x{kind.suffix}"
    kind.save(path, first)
    array = read(path).array
    assert array.shape == first.shape
    if kind.suffix == ".jpg":
        assert np.abs(array.astype(int) - first).mean() < 9
    else:
        np.testing.assert_array_equal(array, first)


def test_tiny_files_differ(tmp_path):
    photo_files.write_tiny(tmp_path, 30)
    files = sorted(tmp_path.rglob("*.png"))
    assert len({path.read_bytes() for path in files}) == 30
    assert read(files[0]).array.shape == (28, 28)


# the clocks


def test_turns_alternate():
    order = []
    calls = {name: (lambda name=name: order.append(name)) for name in "ab"}
    for turn in range(2):
        used = usage.take_turns(calls, turn)
        assert set(used) == {"a", "b"}
        assert all(one.seconds >= 0 and one.cpu_seconds >= 0 for one in used.values())
    assert order == ["a", "b", "b", "a"]


def test_a_program_that_fails_is_not_measured():
    with pytest.raises(usage.subprocess.CalledProcessError):
        usage.measure_peaks("graytorgb", "no-such-command")


# the ratios


def audit_rows(kind="JPEG gray", **seconds):
    return [
        {"kind": kind, "part": part, "way": way, "files": 10, "bytes": 1000,
         "seconds": each, "cpu_seconds": each * (1 + part)}
        for part in range(2)
        for way, each in seconds.items()
    ]  # fmt: skip


def test_the_table_of_the_audit():
    rows = audit_rows(audit=0.1, decoding=0.08, cleanvision=0.25)
    assert audit.find_ratios(rows, "cleanvision") == pytest.approx([2.5, 2.5])
    assert audit.sum_ratio(rows, "decoding") == pytest.approx(0.8)
    assert audit.sum_ratio(rows, "other") is None
    document = HEAD | {"rows": rows, "two_workers": rows, "growth": GROWTH}
    text = audit.markdown(document)
    assert "| JPEG gray | 75 | 0.80 (0.80 to 0.80) | 2.50 (2.50 to 2.50) | - |" in text
    assert "- JPEG gray: 2.50 times cleanvision, not 3.0" in text
    assert "times decoding, not" not in text
    assert "1.0 s + 1.00 ms a file" in text


def test_the_table_of_convert():
    def row(way, seconds, size, files="JPEG color"):
        return {"files": files, "way": way, "round": 0, "images": 10, "seconds": seconds,
                "cpu_seconds": seconds, "bytes": size}  # fmt: skip

    deep = "PNG gray, 16 bits"
    rows = [row("convert", 1, 5000), row("convert, 1 worker", 1.7, 5000),
            row("Pillow pool", 1.1, 4000), row("convert", 2, 9000, deep),
            row("convert, 8 bits", 1, 5000, deep), row("Pillow pool", 1.3, 6000, deep)]  # fmt: skip
    resume = {"images": 10, "first": 2.0, "again": 0.5}
    text = convert.markdown(HEAD | {"rows": rows, "resume": resume, "growth": GROWTH})
    assert "- JPEG color: one worker takes 1.70 times as long as two" in text
    assert "- JPEG color: Pillow pool takes 1.10 times as long as convert" in text
    assert "- JPEG color: the files of Pillow pool have 0.800 of the bytes" in text
    assert f"- {deep}" not in text  # 1.3 times the 8 bits that Pillow's files have
    assert f"| {deep} | Pillow pool | 8 | 130.0 | 0.65 (0.65 to 0.65) | 0.6 | every value" in text


def test_who_is_the_slowest_in_a_cluster():
    work = cluster.Work("audit", 0.004, 0.0001, 1e5, 0)
    few = cluster.reckon(work, 1e8, 16, 0.05, 0.001)
    assert few.limit == "workers"
    assert few.hours == pytest.approx(1e8 * 0.004 / 16 / 3600)
    assert few.cost == pytest.approx(few.hours * 18 * 0.05)
    many = cluster.reckon(work, 1e8, 256, 0.05, 0.001)
    assert many.limit == "client"
    assert many.hours == pytest.approx(1e4 / 3600)


# the commands


@pytest.mark.slow
def test_the_commands(monkeypatch, tmp_path):
    """On a few files; the reckoning takes what the others wrote."""
    kinds = photo_files.KINDS[1::2]  # gray JPEG, and PNG of 16 bits
    for module in (photo_files, audit, convert):
        monkeypatch.setattr(module, "KINDS", kinds)
    monkeypatch.setattr(photo_files.write_set, "__defaults__", (kinds,))
    same = ["--output", tmp_path, "--set", tmp_path / "set", "--files", 4]
    run(audit.main, *same, "--parts", 1, "--sizes", "20")
    document = json.loads((tmp_path / "audit.json").read_text())
    ways = [(row["kind"], row["way"]) for row in document["rows"]]
    assert {(kind.name, way) for kind in kinds for way in ("audit", "decoding")} <= {*ways}
    assert document["growth"][0]["worker"] > 10e6
    run(convert.main, *same, "--rounds", 1, "--sizes", "20")
    rows = json.loads((tmp_path / "convert.json").read_text())["rows"]
    by_way = {row["way"]: row for row in rows if row["files"] == convert.ALL_8}
    assert by_way[convert.ONE]["bytes"] == by_way[convert.TWO]["bytes"] > 0
    assert by_way[convert.PILLOW]["images"] == 2
    monkeypatch.setattr(cluster, "RESULTS", tmp_path)
    run(cluster.main, "--output", tmp_path, "--tasks", 60, "--files", 60)
    document = json.loads((tmp_path / "cluster.json").read_text())
    assert 0 < document["scheduler_seconds_a_task"] < 1
    assert len(document["rows"]) == 2 * len(cluster.CORES)
