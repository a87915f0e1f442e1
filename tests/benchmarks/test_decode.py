"""benchmarks/speed/decode.py: its files, its decoders and its table."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from ..support import needs

needs("opencv", "pillow", "skimage")

from benchmarks.speed import decode  # noqa: E402
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
    decoded = [np.squeeze(call()) for call in kind.decoders(path).values()]
    assert any(np.array_equal(array, one) for one in decoded)


def test_the_table(monkeypatch, tmp_path):
    monkeypatch.setattr(decode, "SIZES", [(30, 40), (60, 80)])
    arguments = ["--only", "PNG gray", "--seconds", "0.01", "--output", str(tmp_path)]
    result = CliRunner().invoke(decode.main, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    rows = json.loads((tmp_path / "decode.json").read_text())["rows"]
    assert [(row["kind"], row["size"]) for row in rows] == [
        ("PNG gray, 8 bits", [30, 40]),
        ("PNG gray, 16 bits", [30, 40]),
        ("PNG gray, 8 bits", [60, 80]),
        ("PNG gray, 16 bits", [60, 80]),
    ]
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
        "kind": "PNG", "size": [3, 4], "fastest": "f", "seconds": {decode.OURS: 0.3, "f": 0.2},
        "quartiles": {decode.OURS: [0.2, 0.5], "f": [0.2, 0.22]},
    }  # fmt: skip
    text = decode.markdown({"machine": machine, "rows": [row | {"ratio": 1.5}]})
    assert "| PNG | f | 4x3 | 300 ± 200 | 200 ± 10 | 1.50 |" in text
    assert "- PNG, 4x3: 1.50" in text
    text = decode.markdown({"machine": machine, "rows": [row | {"ratio": 1.1}]})
    assert "- nowhere" in text
