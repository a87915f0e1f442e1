"""While an image is decoded, other threads of Python go on.

It isn't so for DICOM files compressed by JPEG 2000 and JPEG-LS: pylibjpeg-openjpeg and pyjpegls
keep Python's lock.
"""

import io
import threading
import time

import imagecodecs
import numpy as np
import PIL.Image
import pytest
from pydicom.uid import JPEGLosslessSV1

from graytorgb.io import decode, png

from .scans import write

RNG = np.random.default_rng(0)
SIDE = 2400


def draw(dtype):
    pixels = RNG.integers(0, np.iinfo(dtype).max, (SIDE, SIDE), dtype)
    pixels[: SIDE // 2] = np.sort(pixels[: SIDE // 2])
    return pixels


def write_jpeg(color):
    file = io.BytesIO()
    pixels = draw(np.uint8)
    pixels = np.dstack([pixels, pixels[::-1], pixels]) if color else pixels
    PIL.Image.fromarray(pixels).save(file, "JPEG", quality=95)
    return file.getvalue()


def write_dicom(folder):
    pixels = draw(np.uint16)[SIDE // 2 - 500 : SIDE // 2 + 500, :1000]
    frame = imagecodecs.ljpeg_encode(pixels)
    path = write(folder / "x.dcm", pixels, frames=[frame], syntax=JPEGLosslessSV1)
    return path.read_bytes()


FILES = {
    "JPEG": lambda folder: write_jpeg(False),
    "color JPEG": lambda folder: write_jpeg(True),
    "PNG, 8 bits": lambda folder: imagecodecs.png_encode(draw(np.uint8), level=1),
    "PNG, 16 bits": lambda folder: imagecodecs.png_encode(draw(np.uint16), level=1),
    "DICOM, lossless JPEG": write_dicom,
}


def count_while(call):
    """Return how often this thread comes round while another one makes the call."""
    other = threading.Thread(target=call)
    rounds = 0
    other.start()
    while other.is_alive():
        rounds += 1
        time.sleep(0.001)
    other.join()
    return rounds


@pytest.mark.parametrize("name", FILES)
def test_another_thread_goes_on(tmp_path, name):
    """It comes round many times in a call that lasts tens of milliseconds, not once at its end."""
    data = FILES[name](tmp_path)
    decode(data, color="gray")  # what is imported is imported now
    assert max(count_while(lambda: decode(data, color="gray")) for _ in range(3)) >= 8


def test_a_png_of_libpng_alone(monkeypatch):
    monkeypatch.setattr(png, "_find_quick_way", lambda: None)
    data = imagecodecs.png_encode(draw(np.uint8), level=1)
    assert max(count_while(lambda: decode(data)) for _ in range(3)) >= 8
