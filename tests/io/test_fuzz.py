"""Files that are cut or changed anywhere: an error that names the file, or an image as stated.

Formats with a checksum over their pixels never give other pixels.
"""

import io
import warnings

import imagecodecs
import numpy as np
import PIL.Image
import pytest
import skimage.data

import graytorgb as g2r
from graytorgb.io import read

GRAY = skimage.data.camera()[100:140, 200:250]
COLOR = skimage.data.astronaut()[:40, 100:150]
DEEP = np.random.default_rng(0).integers(0, 65536, (20, 30), dtype=np.uint16)
CHANGES = 90


def by_pillow(kind, *frames, **options):
    memory = io.BytesIO()
    first, *others = [frame if hasattr(frame, "save") else PIL.Image.fromarray(frame)
                      for frame in frames]  # fmt: skip
    if others:
        options |= {"save_all": True, "append_images": others}
    first.save(memory, kind, **options)
    return memory.getvalue()


def by_numpy(save, *arrays):
    memory = io.BytesIO()
    save(memory, *arrays)
    return memory.getvalue()


def exif():
    tags = PIL.Image.Exif()
    tags[0x0112] = 6
    return tags


FRAMES = [np.roll(COLOR, 5 * k, 0) for k in range(3)]
PALETTE = PIL.Image.fromarray(COLOR).quantize(32)
FILES = {
    "gray.png": by_pillow("PNG", GRAY, exif=exif()),
    "deep.png": imagecodecs.png_encode(DEEP),
    "deep color.png": imagecodecs.png_encode(np.dstack([DEEP, DEEP, DEEP, DEEP])),
    "palette.png": by_pillow("PNG", PALETTE, transparency=3, bits=8),
    "animation.png": by_pillow("PNG", *FRAMES),
    "gray.jpg": by_pillow("JPEG", GRAY, exif=exif()),
    "color.jpg": by_pillow("JPEG", COLOR, restart_marker_blocks=4),
    "progressive.jpg": by_pillow("JPEG", COLOR, progressive=True, comment=b"x" * 50),
    "gray.gif": by_pillow("GIF", GRAY),
    "animation.gif": by_pillow("GIF", *FRAMES),
    "gray.bmp": by_pillow("BMP", GRAY),
    "color.bmp": by_pillow("BMP", COLOR),
    "bits.bmp": by_pillow("BMP", GRAY > 99),
    "color.dib": by_pillow("BMP", COLOR)[14:],
    "color.webp": by_pillow("WEBP", COLOR, lossless=True, exif=exif()),
    "animation.webp": by_pillow("WEBP", *FRAMES),
    "gray.pgm": by_pillow("PPM", GRAY),
    "deep.ppm": b"P6 30 20 65535\n" + np.dstack([DEEP, DEEP, DEEP]).astype(">u2").tobytes(),
    "twelve.pgm": b"P5 30 20 4095\n" + (DEEP >> 4).astype(">u2").tobytes(),
    "text.pgm": b"P2 30 20 65535\n" + b" ".join(b"%d" % v for v in DEEP.flat) + b"\n",
    "bits.pbm": by_pillow("PPM", GRAY > 99),
    "deep.npy": by_numpy(np.save, DEEP),
    "deep.npz": by_numpy(np.savez_compressed, DEEP),
}


def try_to_read(path):
    """Return the image, or None if it is refused with the right error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = read(path, limit=1 << 26)
        except g2r.ImageFileError as error:
            if not str(error).startswith(f"{path}: "):
                raise
            return None
    assert image.array.size
    if image.layout is not None:
        assert len(set(image.layout)) == len(image.layout) == image.array.ndim
    return image


@pytest.mark.parametrize("name", FILES)
def test_cut_anywhere(tmp_path, name):
    data = FILES[name]
    path = tmp_path / name.replace(" ", "-")
    path.write_bytes(data)
    whole = try_to_read(path).array
    for cut in {*range(0, len(data), max(1, len(data) // 61)), *range(len(data) - 13, len(data))}:
        path.write_bytes(data[:cut])
        image = try_to_read(path)
        if image is not None and name != "text.pgm":  # whose last number can lose a digit
            np.testing.assert_array_equal(image.array, whole, err_msg=f"cut at {cut}")


@pytest.mark.parametrize("name", FILES)
def test_changed_anywhere(tmp_path, name):
    """One byte, or one byte in a hundred, becomes another; or bytes are lost or come twice."""
    data = FILES[name]
    path = tmp_path / name.replace(" ", "-")
    path.write_bytes(data)
    whole = try_to_read(path)
    rng = np.random.default_rng(len(data))
    for k in range(CHANGES):
        changed = np.frombuffer(data, np.uint8).copy()
        count = (1, 1, 1 + len(data) // 100)[k % 3]
        changed[rng.integers(0, len(data), count)] = rng.integers(0, 256, count)
        if k % 3 == 1:
            start, length = rng.integers(0, len(data)), rng.integers(1, 9)
            part = changed[start : start + length]
            changed = np.concatenate([changed[:start], part, part, changed[start:]])
        path.write_bytes(changed.tobytes())
        image = try_to_read(path)
        if image is not None and name.endswith("png") and name != "palette.png":
            same_kind = image.mode == whole.mode and image.layout == whole.layout
            assert same_kind or image.notes
            if same_kind:
                np.testing.assert_array_equal(image.array, whole.array)
