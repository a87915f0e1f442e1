"""``decode``: every format from bytes and file objects, as ``read`` gives it of a path."""

import dataclasses
import io
import warnings

import numpy as np
import PIL.Image
import pytest
import tifffile

import graytorgb as g2r
from graytorgb.io import decode, read

from .images import CAMERA, COLOR, deep, odd, save
from .samples import NAMES


def list_fields(image):
    """Return what an image tells, without its path and which of the two calls its notes suggest."""
    fields = {field.name: getattr(image, field.name) for field in dataclasses.fields(image)}
    fields["notes"] = [note.replace("decode(data", "read(path") for note in image.notes]
    return fields.pop("array"), {k: v for k, v in fields.items() if k != "path"}


def assert_same(found, expected):
    (array, fields), (other, others) = list_fields(found), list_fields(expected)
    np.testing.assert_array_equal(array, other)
    assert array.dtype == other.dtype
    assert fields == others


@odd
@deep
@pytest.mark.parametrize("name", NAMES)
def test_every_format(files, name):
    path = files[name]
    data, expected = path.read_bytes(), read(path)
    for given in (data, bytearray(data), memoryview(data), io.BytesIO(data)):
        found = decode(given)
        assert str(found.path) == "<bytes>"
        assert_same(found, expected)
    with path.open("rb") as file:
        found = decode(file)
        assert not file.closed
        assert found.path == path
        assert_same(found, expected)


def test_a_file_object_is_read_from_its_position(tmp_path):
    path = save(tmp_path / "x.png", CAMERA)
    with (tmp_path / "y").open("w+b") as file:
        file.write(b"12345" + path.read_bytes())
        file.seek(5)
        np.testing.assert_array_equal(decode(file).array, CAMERA)
        assert file.read() == b""
        file.seek(0)
        with pytest.raises(g2r.ImageFileError, match="starts with b'12345"):
            decode(file)


def test_other_views_of_bytes(tmp_path):
    data = save(tmp_path / "x.png", CAMERA).read_bytes()
    spread = bytearray(2 * len(data))
    spread[::2] = data
    np.testing.assert_array_equal(decode(memoryview(spread)[::2]).array, CAMERA)
    np.testing.assert_array_equal(decode(np.frombuffer(data, np.uint8).data).array, CAMERA)


def test_the_result_is_its_own(tmp_path):
    data = bytearray(save(tmp_path / "x.bmp", COLOR).read_bytes())
    image = decode(data)
    data[:] = bytes(len(data))
    np.testing.assert_array_equal(image.array, COLOR)
    assert image.array.flags.writeable


def test_options_are_those_of_read(tmp_path):
    path = save(tmp_path / "x.jpg", np.tile(COLOR, (4, 4, 1)))
    options = {
        "color": "gray", "alpha": "drop", "min_size": (100, 100), "value_range": (0, 200),
        "index": 0, "window": None, "limit": 10**6, "orientation": "apply",
    }  # fmt: skip
    assert_same(decode(path.read_bytes(), **options), read(path, **options))


def test_a_name_is_told(tmp_path):
    with pytest.raises(g2r.ImageFileError, match=r"^a/b\.png: .*its name says PNG"):
        decode(b"no image", name="a/b.png")
    with pytest.raises(g2r.ImageFileError, match=r"^<bytes>: .*empty"):
        decode(b"")
    data = save(tmp_path / "x.png", CAMERA).read_bytes()
    assert decode(data, name="x.jpg").notes == ("the name says JPEG, the content is PNG",)
    file = io.BytesIO(data)
    file.name = 3  # as os.fdopen's
    assert str(decode(file).path) == "<bytes>"


@pytest.mark.parametrize("name", [3, b"x.png"])
def test_names_that_are_none(name):
    with pytest.raises(g2r.OptionError, match="name is a str"):
        decode(b"", name=name)


class Odd:
    """A file object that gives something else than bytes."""

    def __init__(self, found):
        self.found = found

    def read(self):
        return self.found


def test_what_is_no_bytes(tmp_path):
    path = save(tmp_path / "x.png", CAMERA)
    for given in (str(path), path):
        with pytest.raises(g2r.OptionError, match=r"read\(path\) takes a path"):
            decode(given)
    for given in (None, 3, [1, 2], np.zeros(3, np.uint8)):
        with pytest.raises(g2r.OptionError, match="bytes of an image file"):
            decode(given)
    (tmp_path / "y.txt").write_text("text")
    with (tmp_path / "y.txt").open() as file, pytest.raises(g2r.OptionError, match="open as text"):
        decode(file)
    with pytest.raises(g2r.OptionError, match="open as text"):
        decode(io.StringIO("text"))
    with pytest.raises(g2r.OptionError, match="gives NoneType"):
        decode(Odd(None))
    with (tmp_path / "z").open("wb") as file, pytest.raises(io.UnsupportedOperation):
        decode(file)


def test_a_warning_points_at_the_caller(tmp_path):
    path = save(tmp_path / "x.png", np.arange(400, dtype=np.uint16).reshape(20, 20))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        decode(path.read_bytes())
        read(path)
    assert [warning.filename for warning in caught] == [__file__] * 2


def test_no_file_of_a_description_is_opened(tmp_path, monkeypatch):
    """An OME-TIFF whose second plane is in another file lacks it, even where a file is so named."""
    monkeypatch.chdir(tmp_path)
    text = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="9" '
        'SizeY="8" SizeZ="2" SizeC="1" SizeT="1"><Channel ID="Channel:0:0"/>'
        '<TiffData IFD="0" FirstZ="0" PlaneCount="1"><UUID FileName="a.ome.tif">urn:uuid:1</UUID>'
        '</TiffData><TiffData IFD="0" FirstZ="1" PlaneCount="1"><UUID FileName="b.ome.tif">'
        "urn:uuid:2</UUID></TiffData></Pixels></Image></OME>"
    )
    for name, value in (("a", 1), ("b", 2)):
        pixels = np.full((8, 9), value, np.uint8)
        tifffile.imwrite(f"{name}.ome.tif", pixels, description=text, metadata=None)
    data = (tmp_path / "a.ome.tif").read_bytes()
    for name in (None, "a.ome.tif"):
        with pytest.raises(g2r.ImageFileError, match="1 planes are missing"):
            decode(data, name=name)
    assert decode(data, index=0).array.shape == (8, 9)


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        ("P5 1000 1000 255 ", {"limit": 100}, r"decode\(data, limit="),
        (("LA", "PNG"), {"color": "gray"}, r'decode\(data, color="gray", alpha="drop"\)'),
        (("L", "PNG"), {"alpha": "drop"}, r"decode\(data, color=\"gray\", alpha='drop'\)"),
    ],
)
def test_errors_suggest_the_call_that_was_made(image, options, message):
    if isinstance(image, str):
        data = image.encode() + bytes(1_000_000)
    else:
        file = io.BytesIO()
        PIL.Image.new(image[0], (4, 4)).save(file, image[1])
        data = file.getvalue()
    with pytest.raises(g2r.GrayToRGBError, match=message):
        decode(data, **options)
    with pytest.raises(g2r.GrayToRGBError, match=message.replace(r"decode\(data", r"read\(path")):
        read("name", data=data, **options)


def test_notes_and_warnings_suggest_the_call_that_was_made():
    file, exif = io.BytesIO(), PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.new("L", (4, 6)).save(file, "JPEG", exif=exif)
    (note,) = decode(file.getvalue()).notes
    assert 'decode(data, orientation="apply")' in note
    file = io.BytesIO()
    PIL.Image.fromarray(np.arange(24, dtype=np.uint16).reshape(4, 6)).save(file, "PNG")
    with pytest.warns(UserWarning, match=r"decode\(data, value_range="):
        decode(file.getvalue())
