"""Images turned upright, as EXIF and TIFF number it: Pillow's exif_transpose is the oracle."""

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
from click.testing import CliRunner

import graytorgb as g2r
from graytorgb.cli import main
from graytorgb.io import read
from graytorgb.io.orientation import find_orientation, orient

RNG = np.random.default_rng(0)
PIXELS = {
    "HW": RNG.integers(0, 256, (20, 30), dtype=np.uint8),
    "HWC": RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8),
}
TAG = 0x0112


def exif(value):
    tags = PIL.Image.Exif()
    tags[TAG] = value
    return tags


def by_pillow(pixels, value):
    """Return what Pillow's exif_transpose makes of an image with this tag."""
    image = PIL.Image.fromarray(pixels)
    image.getexif()[TAG] = value
    return np.asarray(PIL.ImageOps.exif_transpose(image))


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("layout", ["HW", "HWC", "CHW", "NHW", "NHWC", "WH", "HCW", "TNHW"])
def test_orient(layout, value):
    """Each plane is turned as Pillow turns it, for any names and any order of the axes."""
    shape = tuple({"H": 4, "W": 6, "C": 3, "N": 2, "T": 1}[axis] for axis in layout)
    array = np.random.default_rng(value).integers(0, 256, shape, dtype=np.uint8)
    result = orient(array, layout, value)
    assert result.flags.c_contiguous
    axes = [layout.index("H"), layout.index("W")]
    planes = np.moveaxis(array, axes, [-2, -1]).reshape(-1, 4, 6)
    turned = np.moveaxis(result, axes, [-2, -1])
    expected = [by_pillow(np.ascontiguousarray(plane), value) for plane in planes]
    np.testing.assert_array_equal(turned.reshape(-1, *turned.shape[-2:]), expected)


def test_orient_keeps_any_dtype():
    for dtype in ("bool", ">u2", "int32", "float16", "float64"):
        array = np.arange(12).reshape(3, 4).astype(dtype)
        result = orient(array, "HW", 6)
        assert result.dtype == array.dtype
        np.testing.assert_array_equal(result, np.rot90(array, -1))


def test_orient_refuses_what_it_cannot_turn():
    for value in (0, 9, "6"):
        with pytest.raises(g2r.LevelsError, match="an orientation is 1 to 8"):
            orient(np.zeros((3, 4)), "HW", value)
    for layout in ("HWC", "NC", "W", "HH"):
        with pytest.raises(g2r.LayoutError, match="is turned along H and W"):
            orient(np.zeros((3, 4)), layout, 6)


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize("layout", PIXELS)
def test_a_file_is_turned_if_that_is_asked_for(tmp_path, suffix, layout, value):
    path = tmp_path / f"x.{suffix}"
    PIL.Image.fromarray(PIXELS[layout]).save(path, exif=exif(value), lossless=True)
    kept, applied = read(path), read(path, orientation="apply")
    with PIL.Image.open(path) as image:
        expected = np.asarray(PIL.ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(applied.array, expected)
    assert applied.array.flags.c_contiguous
    assert (kept.orientation, applied.orientation) == (value, 1)
    np.testing.assert_array_equal(orient(kept.array, kept.layout, value), applied.array)
    if value == 1:
        assert kept.notes == applied.notes == ()
    else:
        assert f"EXIF orientation {value} isn't applied" in kept.notes[0]
        assert 'read(path, orientation="apply")' in kept.notes[0]
        assert applied.notes[0].endswith(f"as EXIF orientation {value} asks for")


def test_animations_are_turned_too(tmp_path):
    frames = [PIL.Image.fromarray(np.roll(PIXELS["HWC"], k, 0)) for k in range(3)]
    for name in ("x.png", "x.webp"):
        frames[0].save(
            tmp_path / name, save_all=True, append_images=frames[1:], exif=exif(8), lossless=True
        )
        stored, turned = read(tmp_path / name), read(tmp_path / name, orientation="apply")
        assert stored.array.shape == (3, 20, 30, 3)
        np.testing.assert_array_equal(turned.array, np.rot90(stored.array, 1, (1, 2)))


def test_xmp_states_an_orientation_where_exif_does_not(tmp_path):
    """XMP counts only if there is no EXIF, which is Pillow's rule too."""
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    PIL.Image.fromarray(PIXELS["HW"]).save(tmp_path / "x.jpg", xmp=xmp)
    assert read(tmp_path / "x.jpg").orientation == 6
    PIL.Image.fromarray(PIXELS["HW"]).save(tmp_path / "y.jpg", xmp=xmp, exif=exif(3))
    assert read(tmp_path / "y.jpg").orientation == 3


def test_a_wrong_word(tmp_path):
    PIL.Image.fromarray(PIXELS["HW"]).save(tmp_path / "x.png")
    for word in ("applied", None, True, 6):
        with pytest.raises(g2r.OptionError, match='orientation is "keep" or "apply", not'):
            read(tmp_path / "x.png", orientation=word)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"Exif\0\0", "damaged"),
        (b"Exif\0\0XX*\0\x08\0\0\0", "damaged"),
        (b"Exif\0\0II*\0\xff\xff\0\0", "damaged"),
        (b"Exif\0\0MM\0*\0\0\0\x08\0\x02\x01\x0f", "damaged"),
        (b"Exif\0\0" + exif(9).tobytes()[6:], "states the orientation 9"),
        (b"Exif\0\0" + exif(0).tobytes()[6:], "states the orientation 0"),
    ],
)
def test_an_orientation_that_cannot_be_is_told(tmp_path, data, says):
    value, notes = find_orientation(data)
    assert value == 1
    assert says in notes[0]
    for suffix in ("jpg", "png"):
        path = tmp_path / f"x.{suffix}"
        PIL.Image.fromarray(PIXELS["HW"]).save(path, exif=data)
        image = read(path, orientation="apply")
        assert image.array.shape == (20, 30)
        assert says in image.notes[0]


def test_inspect_shows_it(tmp_path):
    PIL.Image.fromarray(PIXELS["HW"]).save(tmp_path / "x.jpg", exif=exif(6))
    result = CliRunner().invoke(main, ["inspect", str(tmp_path / "x.jpg")], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    words = " ".join(result.output.split())
    assert "orientation 6: to be turned by 90 degrees clockwise" in words
    PIL.Image.fromarray(PIXELS["HW"]).save(tmp_path / "y.jpg")
    result = CliRunner().invoke(main, ["inspect", str(tmp_path / "y.jpg")], env={"COLUMNS": "200"})
    assert "orientation" not in result.output
