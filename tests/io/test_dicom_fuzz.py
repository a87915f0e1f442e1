"""DICOM: damaged files, read in a process of its own, whose end would be a failure."""

import pytest

from ..support import ROOT, run_python
from .scans import scan

NAMES = ["MR_small.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "JPGExtended.dcm",
         "MR_small_jpeg_ls_lossless.dcm", "SC_rgb_jpeg_gdcm.dcm", "SC_rgb_small_odd_jpeg.dcm",
         "image_dfl.dcm", "SC_rgb_rle_2frame.dcm", "examples_palette.dcm",
         "GDCMJ2K_TextGBR.dcm"]  # fmt: skip

CODE = """
import logging, math, random, sys, warnings
from pathlib import Path
sys.path.insert(0, {root!r})
import graytorgb as g2r
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
whole, path, rng = Path({source!r}).read_bytes(), Path({path!r}), random.Random(0)
read = refused = 0
for k in range({rounds}):
    data = bytearray(whole)
    if k % 4 == 0:
        del data[rng.randrange(132, len(data)):]
    elif k % 4 == 1:
        at = rng.randrange(132, len(data))
        data[at:at] = rng.randbytes(rng.randrange(1, 9))
    else:  # bytes of the header, or anywhere
        top = min(len(data), 3000) if k % 4 == 2 else len(data)
        for _ in range(rng.choice([1, 3, 20])):
            data[rng.randrange(132, top)] = rng.randrange(256)
    path.write_bytes(data)
    try:
        image = g2r.io.read(path, limit=1 << 27)
    except (g2r.ImageFileError, g2r.LevelsError) as error:
        assert str(path) in str(error), error
        refused += 1
    else:
        assert image.array.nbytes <= 1 << 27
        assert image.array.ndim == len(image.layout) == len(set(image.layout))
        assert image.array.size
        read += 1
print(read, refused)
"""


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_file_is_read_or_refused(tmp_path, name):
    options = {"root": str(ROOT), "source": str(scan(name)), "path": str(tmp_path / "x.dcm")}
    read, refused = map(int, run_python(CODE.format(rounds=80, **options)).split())
    assert read + refused == 80
    assert refused > 20
