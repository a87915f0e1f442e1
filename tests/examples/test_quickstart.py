"""The quickstart: the script runs, and docs/quickstart.md shows what it prints."""

import itertools
import re

import numpy as np
import pytest

from ..support import REQUIRED, ROOT, needs, needs_package

needs("skimage", "pillow", "torchvision")
needs_package("loky", "psutil", "safetensors")

from click.testing import CliRunner  # noqa: E402

from examples import quickstart, textures  # noqa: E402
from graytorgb.datasets import audit  # noqa: E402

PAGE = ROOT / "docs" / "quickstart.md"
DIGITS = re.compile(r"\d+\.\d+(e-\d+)?")  # of losses and differences, which vary by processor


def run(command, *arguments):
    return CliRunner().invoke(command, list(map(str, arguments)), catch_exceptions=False)


def read_page():
    if not PAGE.exists() and "all" not in REQUIRED:
        pytest.skip("needs the source tree")
    return PAGE.read_text("utf-8")


@pytest.mark.slow
def test_the_page_shows_what_the_script_prints():
    shown = "".join(re.findall(r"^```text\n(.*?)^```$", read_page(), re.M | re.S))
    result = run(quickstart.main, "--size", 64)  # else it takes long; the size shows in one line
    shown = shown.replace("(8, 1, 224, 224)", "(8, 1, 64, 64)")
    first, *losses = [float(loss) for loss in re.findall(r"loss (\S+)", result.output)]
    assert losses[-1] < first
    assert float(re.search(r"largest difference +(\S+)", result.output)[1]) < 1e-5
    printed = [DIGITS.sub("N", line).split() for line in result.output.splitlines()]
    assert printed == [DIGITS.sub("N", line).split() for line in shown.splitlines()]


def test_the_page_shows_all_of_the_code():
    source = (ROOT / "examples" / "quickstart.py").read_text("utf-8")
    marks = re.findall(r"^ +(# \[\w+\])$", source, re.M)
    included = re.findall(r':start-after: "(.+)"\n:end-before: "(.+)"', read_page())
    assert included == list(itertools.pairwise(marks))
    parts = re.split(r"^ +# \[\w+\]$", source, flags=re.M)[1:-1]
    assert len(parts) == len(included) == 4
    imports = re.search(r"^import torch\n.*?^from graytorgb\.models.*?$", source, re.M | re.S)[0]
    assert re.search(r':start-at: "import torch"\n:end-at: "from graytorgb.models"', read_page())
    lines = [line for part in (imports, *parts) for line in part.splitlines() if line.strip()]
    assert len(lines) <= 25


def test_a_folder_of_ones_own(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(quickstart, "run", lambda *arguments: calls.append(arguments))
    assert run(quickstart.main, tmp_path, "--weights", "DEFAULT").exit_code == 0
    assert calls == [(tmp_path, "DEFAULT", 224)]
    assert run(quickstart.main, tmp_path / "missing").exit_code == 2


def test_the_textures_are_12_bit_images_in_16_bit_files(tmp_path):
    from PIL import Image

    folder = tmp_path / "scans"
    assert f"{folder} has 16 images" in run(textures.main, folder).output
    with Image.open(folder / "brick" / "0.png") as image:
        pixels = np.asarray(image)
    assert (pixels.dtype, pixels.shape) == (np.uint16, (300, 300))
    assert 255 < pixels.max() < 4096
    with audit(folder, workers=1) as found:
        assert (found.files, found.value_range) == (16, (0, 4095))


def test_textures_are_never_written_over(tmp_path):
    folder = textures.write_textures(tmp_path / "scans", count=1)
    before = (folder / "brick" / "0.png").read_bytes()
    result = run(textures.main, folder)
    assert result.exit_code == 1
    assert "brick is there already: name a new folder" in result.output
    assert (folder / "brick" / "0.png").read_bytes() == before
