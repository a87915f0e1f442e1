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


def longest_pause(call):
    """Return the longest time that this thread waits while another one makes the call.

    It is a part of the time of the call: near 1 if the other thread keeps Python's lock.
    """
    other = threading.Thread(target=call)
    longest = 0.0
    other.start()
    start = last = time.perf_counter()
    while other.is_alive():
        time.sleep(0.001)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    other.join()
    return longest / (last - start)


def goes_on(call):
    """Return whether this thread goes on during the call; other programs may disturb a try."""
    return min(longest_pause(call) for _ in range(5)) < 0.75


@pytest.mark.parametrize("name", FILES)
def test_another_thread_goes_on(tmp_path, name):
    """It goes on in a call that lasts tens of milliseconds, not at its end alone."""
    data = FILES[name](tmp_path)
    decode(data, color="gray")  # what is imported is imported now
    assert goes_on(lambda: decode(data, color="gray"))


def test_a_png_of_libpng_alone(monkeypatch):
    monkeypatch.setattr(png, "_find_quick_way", lambda: None)
    data = imagecodecs.png_encode(draw(np.uint8), level=1)
    assert goes_on(lambda: decode(data))


def test_a_call_that_keeps_the_lock_is_found():
    """A sort keeps the lock, as every function of Python does."""
    assert not goes_on(lambda: sorted(range(500_000), key=str))
