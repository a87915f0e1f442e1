"""benchmarks/speed/decode.py: its files, its decoders and its table."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from ..support import needs, needs_package

needs("opencv", "pillow", "skimage", "torchvision")
needs_package("torchcodec")

from benchmarks.speed import decode  # noqa: E402
from benchmarks.speed.decoders import Pixels, find_decoders  # noqa: E402
from graytorgb.io import read  # noqa: E402

KINDS = {kind.name: kind for kind in decode.kinds()}


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_holds_the_pixels_drawn(tmp_path, name):
    """In as many bits as its name says; and a decoder gives what io.read gives."""
    kind = KINDS[name]
    pixels = decode.draw((40, 60), color=kind.color, deep=kind.deep)
    assert pixels.dtype == (np.uint16 if kind.deep else np.uint8)
    path = tmp_path / f"x{decode.SUFFIXES[name.split()[0]]}"
    kind.save(path, pixels)
    array = read(path).array
    if name.startswith("JPEG"):
        assert np.abs(array.astype(int) - pixels).mean() < 9
    else:
        np.testing.assert_array_equal(array, pixels)
    for color in decode.COLORS:
        expected = read(path, color=color).array
        calls = find_decoders(path, Pixels(kind.color, kind.deep, color == "gray"))
        problems = [decode.find_problem(call, expected, path.suffix) for call in calls.values()]
        assert "" in problems
        assert len(set(problems)) < len(problems) or len(problems) == 1


def test_problems_of_a_decoder():
    expected = np.arange(256, dtype=np.uint8).reshape(16, 16)
    color = np.dstack([expected] * 3)

    def fail():
        raise ValueError("no such\nfile")

    find = decode.find_problem
    assert find(fail, expected, ".png") == "ValueError: no such"
    assert find(lambda: expected[1:], expected, ".png") == "the shape (15, 16)"
    assert find(lambda: expected.astype("u2"), expected, ".png") == "uint16 in place of uint8"
    assert find(lambda: color, color, ".png") == ""
    assert find(lambda: color ^ 1, color, ".png") == "other values"
    assert find(lambda: expected ^ 1, expected, ".png") == ""
    assert find(lambda: expected ^ 2, expected, ".png") == "values that differ by up to 2"
    assert find(lambda: expected ^ 2, expected, ".jpg") == ""
    assert find(lambda: expected ^ 4, expected, ".jpg") == "values that differ by up to 4"


def test_the_table(monkeypatch, tmp_path):
    monkeypatch.setattr(decode, "SIZES", [(30, 40), (60, 80)])
    arguments = ["--only", "PNG gray", "--seconds", "0.01", "--output", str(tmp_path)]
    result = CliRunner().invoke(decode.main, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    rows = json.loads((tmp_path / "decode.json").read_text())["rows"]
    assert [(row["kind"], row["color"], row["size"]) for row in rows] == [
        (f"PNG gray, {bits} bits", color, size)
        for size in ([30, 40], [60, 80])
        for bits in (8, 16)
        for color in ("keep", "gray")
    ]
    assert "Pillow" in rows[3]["left_out"]  # convert("L") makes 8 bits of 16
    text = (tmp_path / "decode.md").read_text()
    assert 'Pillow, color="gray": uint8 in place of uint16 (PNG gray, 16 bits)' in text
    for row in rows:
        best = min(seconds for name, seconds in row["seconds"].items() if name != decode.OURS)
        assert row["seconds"][row["fastest"]] == best
        assert row["ratio"] == pytest.approx(row["seconds"][decode.OURS] / best)


def test_what_is_over_the_bar_is_listed():
    machine = {
        "processor": "P", "cores": 2, "memory_bytes": 2**34, "system": "S", "python": "3",
        "packages": {"numpy": "2"},
    }  # fmt: skip
    row = {
        "kind": "PNG", "color": "gray", "left_out": {}, "size": [3, 4],
        "fastest": "f", "seconds": {decode.OURS: 0.3, "f": 0.2},
        "quartiles": {decode.OURS: [0.2, 0.5], "f": [0.2, 0.22]},
    }  # fmt: skip
    text = decode.markdown({"machine": machine, "rows": [row | {"ratio": 1.5}]})
    assert "| PNG | gray | f | 4x3 | 300 ± 200 | 200 ± 10 | 1.50 |" in text
    assert '- PNG, color="gray", 4x3: 1.50' in text
    text = decode.markdown({"machine": machine, "rows": [row | {"ratio": 1.1}]})
    assert "- nowhere" in text
    assert "- none" in text
