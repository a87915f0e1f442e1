"""``read(path, color="gray")``: one plane of every format, by the arithmetic of ``to_gray``."""

import io
import warnings

import imagecodecs
import numpy as np
import PIL.Image
import pytest
import skimage.data
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import graytorgb as g2r
from graytorgb.io import decode, read

from ..support import packaged
from .images import CAMERA, COLOR, DEEP, DEEP_RGB, deep, odd, save
from .samples import NAMES
from .scans import scan, write

RNG = np.random.default_rng(0)
KEPT = (
    "value_range", "range_source", "format", "mode", "bits", "depth_only", "orientation",
    "color_type", "is_inverted", "has_icc", "frames", "advice", "reduction",
)  # fmt: skip
ALPHA = np.dstack([COLOR, CAMERA[:64, :100]])
GRAY_ALPHA = np.dstack([CAMERA[:20, :30], CAMERA[40:60, 30:60]])


def read_both(path, **options):
    """Return the file as it is, and as one gray plane, with the warnings of each."""
    found = []
    for color in ("keep", "gray"):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            image = read(path, color=color, **options)
        found.append((image, [str(warning.message) for warning in caught]))
    (kept, kept_warnings), (gray, gray_warnings) = found
    assert kept_warnings == gray_warnings
    for name in KEPT:
        assert getattr(kept, name) == getattr(gray, name), name
    assert kept.notes == gray.notes
    assert gray.layout == kept.layout.replace("C", "")
    assert gray.array.ndim == len(gray.layout)
    assert gray.array.flags.c_contiguous
    assert gray.array.dtype.isnative
    return kept, gray


def assert_gray(path, **options):
    kept, gray = read_both(path, **options)
    expected = g2r.to_gray(kept)
    assert gray.array.dtype == expected.dtype
    np.testing.assert_array_equal(gray.array, expected)
    return gray


def write_npy(path, array):
    np.save(path, array)
    return path


def write_tiff(path, pixels, **options):
    tifffile.imwrite(path, pixels, photometric="rgb", **options)
    return path


def write_png(path, pixels):
    path.write_bytes(imagecodecs.png_encode(pixels))
    return path


COLORS = {
    "png": lambda folder: save(folder / "x.png", COLOR),
    "deep png": lambda folder: write_png(folder / "x.png", DEEP_RGB),
    "palette": lambda folder: _save_palette(folder / "x.png"),
    "gif": lambda folder: _save_palette(folder / "x.gif"),
    "animation": lambda folder: _save_frames(folder / "x.gif"),
    "webp": lambda folder: save(folder / "x.webp", COLOR),
    "bmp": lambda folder: save(folder / "x.bmp", COLOR),
    "ppm": lambda folder: save(folder / "x.ppm", COLOR),
    "tiff": lambda folder: write_tiff(folder / "x.tif", COLOR),
    "deep tiff": lambda folder: write_tiff(folder / "x.tif", DEEP_RGB, compression="zlib"),
    "big-endian tiff": lambda folder: write_tiff(folder / "x.tif", DEEP_RGB, byteorder=">"),
    "planar tiff": lambda folder: write_tiff(
        folder / "x.tif", DEEP_RGB.transpose(2, 0, 1).copy(), planarconfig="separate"
    ),
    "float tiff": lambda folder: write_tiff(folder / "x.tif", DEEP_RGB.astype(np.float32)),
    "color pages": lambda folder: write_tiff(folder / "x.tif", np.stack([COLOR, COLOR[::-1]])),
    "dicom": lambda folder: write(folder / "x.dcm", COLOR),
    "dicom frames": lambda folder: scan("SC_rgb_rle_2frame.dcm"),
    "dicom palette": lambda folder: scan("examples_palette.dcm"),
    "inverted": lambda folder: write(
        folder / "x.dcm", DEEP, PhotometricInterpretation="MONOCHROME1"
    ),
    **{
        f"npy {dtype}": lambda folder, dtype=dtype: write_npy(
            folder / "x.npy", (DEEP_RGB % 100).astype(dtype)
        )
        for dtype in ("?", "i1", "u1", "i2", ">u2", "i4", "u8", "f2", ">f4", "f8")
    },
    "npy with one channel": lambda folder: write_npy(folder / "x.npy", DEEP[..., None]),
}


def _save_palette(path):
    PIL.Image.fromarray(COLOR).quantize(50).save(path)
    return path


def _save_frames(path):
    frames = [PIL.Image.fromarray(np.roll(COLOR, 9 * k, 0)).quantize(60) for k in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    return path


@odd
@deep
@pytest.mark.parametrize("name", NAMES)
def test_every_sample(files, name):
    """Gray files are read alone, and give what they give as they are."""
    if name == "progressive":  # a color JPEG: below
        return
    gray = assert_gray(files[name])
    if gray.color_type == "gray":
        np.testing.assert_array_equal(gray.array, read(files[name]).array)


@odd
@deep
@pytest.mark.parametrize("name", COLORS)
def test_color(tmp_path, name):
    assert_gray(COLORS[name](tmp_path))


@deep
@pytest.mark.parametrize("index", [0, 1])
def test_one_frame_of_several(tmp_path, index):
    assert assert_gray(_save_frames(tmp_path / "x.gif"), index=index).layout == "HW"


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(
        st.sampled_from(["?", "u1", "i2", "u2", "i8", "f4", "f8"]).map(np.dtype),
        st.tuples(st.integers(4, 9), st.integers(4, 9), st.sampled_from([1, 3])),
    )
)
def test_arrays_of_any_values(array):
    file = io.BytesIO()
    np.save(file, array)
    with np.errstate(all="ignore"):
        expected = g2r.to_gray(array, "HWC->HW")
        np.testing.assert_array_equal(decode(file.getvalue(), color="gray").array, expected)


# Color JPEG


def encode_jpeg(pixels, **options):
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, "JPEG", **options)
    return file.getvalue()


@pytest.mark.parametrize("quality", [75, 95])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_luma_of_jpeg(quality, subsampling, progressive):
    """It differs from to_gray only where RGB reaches 0 or 255, and was cut off there perhaps."""
    for photo in (skimage.data.astronaut(), skimage.data.coffee()):
        options = {"quality": quality, "subsampling": subsampling, "progressive": progressive}
        assert_luma(encode_jpeg(photo, **options), most=27, share=0.98)


def test_luma_of_photos():
    """The photos of foolbox, which are JPEG files."""
    paths = [path for path in packaged("foolbox", ".jpg") if path.name.startswith("imagenet")]
    assert len(paths) == 20
    for path in paths:
        assert_luma(path.read_bytes(), most=17, share=0.98)


def assert_luma(data, most, share):
    kept, gray = decode(data), decode(data, color="gray")
    assert (gray.color_type, gray.mode, gray.layout) == ("RGB", "RGB, 8 bits", "HW")
    assert gray.value_range == (0, 255)
    difference = np.abs(g2r.to_gray(kept).astype(int) - gray.array)
    was_cut = ((kept.array == 0) | (kept.array == 255)).any(-1)
    assert difference[~was_cut].max(initial=0) == 0
    assert difference.max() <= most
    assert (difference <= 1).mean() >= share


def test_a_jpeg_that_stores_rgb():
    """Adobe's transform 0: there is no luma in the file, so it's weighed."""
    data = imagecodecs.jpeg8_encode(COLOR, level=95, colorspace="RGB", outcolorspace="RGB")
    np.testing.assert_array_equal(decode(data, color="gray").array, g2r.to_gray(decode(data)))
    adobe = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
    marked = data[:2] + adobe + data[2:]
    np.testing.assert_array_equal(decode(marked, color="gray").array, g2r.to_gray(decode(marked)))
    assert np.abs(decode(data, color="gray").array.astype(int) - g2r.to_gray(COLOR)).max() < 12


def test_a_jpeg_with_stray_bytes():
    data = encode_jpeg(COLOR)
    at = data.index(b"\xff\xda")
    strayed = data[:at] + b"\1\2\3" + data[at:]
    image = decode(strayed, color="gray")
    assert "left out" in image.notes[0]
    np.testing.assert_array_equal(image.array, decode(data, color="gray").array)


def test_a_truncated_jpeg_is_refused(tmp_path):
    data = encode_jpeg(COLOR)
    for size in (len(data) // 2, len(data) - 20):
        with pytest.raises(g2r.ImageFileError):
            decode(data[:size], color="gray")


def test_orientation(tmp_path):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    for suffix in (".jpg", ".png"):
        path = tmp_path / f"x{suffix}"
        PIL.Image.fromarray(COLOR).save(path, exif=exif)
        stored, upright = (read(path, color="gray", orientation=how) for how in ("keep", "apply"))
        np.testing.assert_array_equal(upright.array, np.rot90(stored.array, -1))
        assert (stored.orientation, upright.orientation) == (6, 1)


def test_the_limit_is_for_what_is_decoded():
    data = encode_jpeg(COLOR)
    decode(data, color="gray", limit=6400)
    with pytest.raises(g2r.ImageFileError, match="limit"):
        decode(data, color="gray", limit=6399)
    with pytest.raises(g2r.ImageFileError, match="limit"):
        decode(data, limit=6400)


def test_the_callers_range(tmp_path):
    path = save(tmp_path / "x.png", COLOR)
    image = read(path, color="gray", value_range=(10, 200))
    assert (image.value_range, image.range_source) == ((10, 200), "the caller")
    assert g2r.to_uint8(image).shape == (64, 100)


# Alpha


def write_alpha(folder, kind):
    if kind == "RGBA":
        return save(folder / "x.png", ALPHA)
    if kind == "gray+alpha":
        path = folder / "x.png"
        PIL.Image.fromarray(GRAY_ALPHA, "LA").save(path)
        return path
    if kind == "deep RGBA":
        return write_png(folder / "x.png", ALPHA.astype(np.uint16) * 257)
    if kind == "webp":
        path = folder / "x.webp"
        PIL.Image.fromarray(ALPHA).save(path, lossless=True)
        return path
    if kind == "tiff":
        tifffile.imwrite(folder / "x.tif", ALPHA, photometric="rgb", extrasamples=["unassalpha"])
        return folder / "x.tif"
    if kind == "palette":
        path = folder / "x.png"
        image = PIL.Image.fromarray(COLOR).quantize(40)
        image.save(path, transparency=bytes(range(0, 200, 5)))
        return path
    floats = (ALPHA / np.float32(255)).astype(np.float32)
    return write_npy(folder / "x.npy", floats)


KINDS = ["RGBA", "gray+alpha", "deep RGBA", "webp", "tiff", "palette", "npy"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("alpha", ["drop", (0, 0, 0), (1, 0.5, 0)])
def test_alpha_is_dropped_or_composited(tmp_path, kind, alpha):
    path = write_alpha(tmp_path, kind)
    if kind == "npy":  # nothing tells that 4 channels are RGBA, but a layout
        with pytest.raises(g2r.LayoutError, match="to_gray"):
            read(path, color="gray", alpha=alpha)
        return
    kept, gray = read(path), read(path, color="gray", alpha=alpha)
    expected = g2r.to_gray(g2r.to_rgb(kept.array, kept.layout, alpha=alpha), "HWC->HW")
    np.testing.assert_array_equal(gray.array, expected)
    assert gray.layout == "HW"
    assert gray.color_type == kept.color_type != "RGB"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "npy"])
def test_alpha_is_refused(tmp_path, kind):
    path = write_alpha(tmp_path, kind)
    with pytest.raises(g2r.ChannelError, match='alpha="drop"') as told:
        read(path, color="gray")
    assert str(path) in str(told.value)


def test_a_background_beyond_the_dtype_names_the_file(tmp_path):
    with pytest.raises(g2r.ChannelError, match=r"x\.png: background .*0 to 255"):
        read(save(tmp_path / "x.png", ALPHA), color="gray", alpha=(256, 0, 0))


def test_alpha_of_12_bits_is_not_composited(tmp_path):
    pixels = ALPHA.astype(np.uint16) * 16
    path = tmp_path / "x.tif"
    tifffile.imwrite(
        path, pixels, photometric="rgb", extrasamples=["unassalpha"], bitspersample=12,
    )  # fmt: skip
    with pytest.raises(g2r.ChannelError, match="12 bits"):
        read(path, color="gray", alpha=(0, 0, 0))
    kept = read(path)
    dropped = read(path, color="gray", alpha="drop").array
    np.testing.assert_array_equal(dropped, g2r.to_gray(kept.array[..., :3], "HWC->HW"))


def test_alpha_of_an_image_without_it_changes_nothing(tmp_path):
    path = save(tmp_path / "x.png", COLOR)
    for alpha in ("drop", (9, 9, 9), [0, 0, 255]):
        np.testing.assert_array_equal(
            read(path, color="gray", alpha=alpha).array, g2r.to_gray(COLOR)
        )


# Options


@pytest.mark.parametrize("color", ["grey", "L", None, 1, ["gray"]])
def test_other_colors(tmp_path, color):
    with pytest.raises(g2r.OptionError, match=r'"keep".*"gray"'):
        read(tmp_path / "x.png", color=color)


@pytest.mark.parametrize("alpha", ["drop", (0, 0, 0)])
def test_alpha_without_gray(tmp_path, alpha):
    with pytest.raises(g2r.OptionError, match='color="gray", alpha='):
        read(tmp_path / "x.png", alpha=alpha)


@pytest.mark.parametrize("alpha", ["keep", (0, 0), (0, 0, float("inf")), None])
def test_other_alphas(tmp_path, alpha):
    with pytest.raises(g2r.ChannelError, match="background"):
        read(tmp_path / "x.png", color="gray", alpha=alpha)
    with pytest.raises(g2r.ChannelError, match="background"):
        read(tmp_path / "x.png", alpha=alpha)


def test_axes_that_nothing_tells(tmp_path):
    path = write_npy(tmp_path / "x.npy", np.zeros((3, 4, 3), np.uint8))
    assert read(path).layout is None
    with pytest.raises(g2r.LayoutError, match=r"x\.npy.*to_gray"):
        read(path, color="gray")
