"""The benchmark of the four calls: both ways of each agree, and it writes what README quotes."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from ..support import needs

needs("skimage", "torchvision")

from benchmarks.speed import verbs  # noqa: E402


def test_a_small_run(tmp_path):
    arguments = ["--batch-size", "2", "--seconds", "0.01", "--output", str(tmp_path)]
    result = CliRunner().invoke(verbs.main, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    rows = json.loads((tmp_path / "verbs.json").read_text())["rows"]
    sizes = {row["call"]: row["bytes"] for row in rows}
    side = verbs.SIDE**2
    assert sizes == {
        "to_rgb": 3 * side, "to_uint8": side, "prepare": 12 * side, "PrepareBatch": 12 * side,
        "PrepareBatch(channels=1)": 4 * side,
    }  # fmt: skip
    assert "| `to_uint8` | 12 bits in uint16 | 1 channel, uint8 |" in result.output


@pytest.mark.parametrize(
    ("wrong", "told"),
    [(lambda x: x + np.uint8(1), "differs from NumPy by"), (lambda x: x[:1], "gives")],
)
def test_a_call_that_differs_is_not_timed(wrong, told):
    verb = verbs.Verb("to_rgb", "uint8", "uint8", wrong, lambda x: x)
    with pytest.raises(SystemExit, match=told):
        verbs.check(verb, np.zeros((2, 4, 4), np.uint8))
