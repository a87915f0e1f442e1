"""OME-TIFF: planes in other files, counted and found before they are read."""

import os
import shutil
import struct

import numpy as np
import pytest
import tifffile

import graytorgb as g2r
from graytorgb.io import read

from ..support import run_python

RNG = np.random.default_rng(0)
STACK = RNG.integers(0, 256, (2, 40, 50), dtype=np.uint8)

OME = """<?xml version="1.0" encoding="UTF-8"?>
<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{own}">
<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="50" SizeY="40"
 SizeZ="{planes}" SizeC="1" SizeT="1"><Channel ID="Channel:0" SamplesPerPixel="1"/>
{data}</Pixels></Image>{more}</OME>"""
DATA = """<TiffData IFD="{ifd}" FirstZ="{z}" PlaneCount="1">
<UUID FileName="{name}">{uuid}</UUID></TiffData>"""


def write_set(folder, names, *, planes=None, more="", extra=""):
    """Write files of a plane each, which all describe all of them, and return them by name."""
    ids = [f"urn:uuid:{k}" for k in range(len(names))]
    data = "".join(
        DATA.format(ifd=0, z=z, name=name, uuid=uuid)
        for z, (name, uuid) in enumerate(zip(names, ids, strict=True))
    )
    for k, name in enumerate(names):
        text = OME.format(own=k, planes=planes or len(names), data=data + extra, more=more)
        path = folder / name
        if path.parent.is_dir() and not path.exists():
            tifffile.imwrite(path, STACK[k], metadata=None, description=text.encode())
    return folder / names[0]


def test_companions_in_the_same_folder_are_read_and_told(tmp_path):
    path = write_set(tmp_path, ["a.ome.tif", "b.ome.tif"])
    image = read(path)
    assert image.layout == "ZHW"
    np.testing.assert_array_equal(image.array, STACK)
    assert "planes come from files beside it too: b.ome.tif" in image.notes
    assert read(path, index=0).notes == ()
    (tmp_path / "b.ome.tif").unlink()
    with pytest.raises(g2r.ImageFileError, match="planes are missing"):
        read(path)


@pytest.mark.parametrize("way", ["parent", "absolute", "subfolder", "link", "backslash", "dots"])
def test_no_other_file_is_read(tmp_path, way):
    folder, secret = tmp_path / "folder", tmp_path / "secret.tif"
    (folder / "sub").mkdir(parents=True)
    tifffile.imwrite(secret, STACK[1])
    shutil.copy(secret, folder / "sub" / "x.tif")
    (folder / "link.tif").symlink_to(secret)
    name = {
        "parent": "../secret.tif", "absolute": str(secret), "subfolder": "sub/x.tif",
        "link": "link.tif", "backslash": "..\\secret.tif", "dots": "..",
    }[way]  # fmt: skip
    path = write_set(folder, ["a.ome.tif", name])
    with pytest.raises(g2r.ImageFileError, match="only regular files in its own folder are read"):
        read(path)
    np.testing.assert_array_equal(read(path, index=0).array, STACK[0])


def test_a_companion_that_would_hang(tmp_path):
    os.mkfifo(tmp_path / "b.ome.tif")
    path = write_set(tmp_path, ["a.ome.tif", "b.ome.tif"])
    with pytest.raises(g2r.ImageFileError, match="only regular files in its own folder are read"):
        read(path)


def test_a_companion_with_a_loop(tmp_path):
    path = write_set(tmp_path, ["a.ome.tif", "b.ome.tif"])
    with tifffile.TiffFile(tmp_path / "b.ome.tif") as file:
        start, place = file.pages[0].offset, file.pages.next_page_offset
    with (tmp_path / "b.ome.tif").open("r+b") as file:
        file.seek(place)
        file.write(start.to_bytes(4, "little"))
    with pytest.raises(g2r.ImageFileError, match="where an earlier page is"):
        read(path)


def test_a_link_to_the_file_itself(tmp_path):
    """The companions lie beside the file, and not beside the link."""
    (tmp_path / "folder").mkdir()
    path = write_set(tmp_path / "folder", ["a.ome.tif", "b.ome.tif"])
    (tmp_path / "link.ome.tif").symlink_to(path)
    np.testing.assert_array_equal(read(tmp_path / "link.ome.tif").array, STACK)


ALONG = (
    '<StructuredAnnotations><XMLAnnotation ID="A" Namespace="x/modulo"><Value><Modulo>'
    '<ModuloAlongT Type="lifetime" Start="0" End="{end}" Step="{step}"/></Modulo></Value>'
    "</XMLAnnotation></StructuredAnnotations>"
)


@pytest.mark.parametrize(
    "options",
    [
        {"planes": 200_000_000},
        {"extra": '<TiffData IFD="0" FirstZ="1" PlaneCount="2000000000"/>'},
        {"extra": '<TiffData IFD="0" FirstZ="0" NumPlanes="2000000000"/>'},
        {"more": ALONG.format(end="1e12", step="1")},
        {"more": ALONG.format(end="1", step="1e-12")},
        {"more": ALONG.format(end="1", step="0")},
    ],
    ids=["size", "plane count", "planes", "labels", "small steps", "no steps"],
)
def test_a_description_of_more_than_there_is(tmp_path, options):
    path = write_set(tmp_path, ["a.ome.tif"], **options)
    assert path.stat().st_size < 5000
    # before tifffile builds a list of as many, which takes half a minute and gigabytes
    with pytest.raises(g2r.ImageFileError, match="its OME description states"):
        read(path)
    np.testing.assert_array_equal(read(path, index=0).array, STACK[0])


def test_a_description_that_is_elsewhere(tmp_path):
    text = '<OME><BinaryOnly MetadataFile="../x.companion.ome" UUID="urn:uuid:1"/></OME>'
    tifffile.imwrite(tmp_path / "a.ome.tif", STACK[0], metadata=None, description=text)
    image = read(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(image.array, STACK[0])
    assert "its OME description is in '../x.companion.ome', and isn't read" in image.notes


def test_a_description_that_is_no_xml(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", STACK[0], metadata=None, description="<OME><Image</OME>")
    image = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.array, STACK[0])
    assert image.notes[0].startswith("its OME description can't be read")


def write_micro_manager(path, head, index=b""):
    """Write a TIFF whose settings lie between header and pixels, as Micro-Manager's do."""
    summary = b'{"MicroManagerVersion": "2", "Prefix": "a", "Frames": 2, "Channels": 1}'
    start = 8 + 4 * len(head) + 8 + len(summary)
    head = [start if number is None else number for number in head]
    settings = np.array([*head, 2355492, len(summary)], "<u4").tobytes() + summary + index
    pixels = STACK[0].tobytes()
    data, place = 8 + len(settings), 8 + len(settings) + len(pixels)
    tags = [(256, 50), (257, 40), (258, 8), (259, 1), (262, 1), (273, data), (277, 1), (278, 40),
            (279, len(pixels))]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", code, 4, 1, value) for code, value in tags)
    entries += struct.pack("<HHII", 51123, 2, len(summary), start)
    path.write_bytes(
        b"II*\0" + struct.pack("<I", place) + settings + pixels
        + struct.pack("<H", len(tags) + 1) + entries + bytes(4)
    )  # fmt: skip
    return path


@pytest.mark.parametrize("kind", ["stack", "NDTiff"])
def test_micro_managers_other_files_are_not_opened(tmp_path, kind):
    """Neither the index beside an NDTiff nor the files named as parts of a stack are opened."""
    path = tmp_path / "a_MMStack.tif"
    if kind == "stack":
        index = np.array([3453623, 1, 0, 0, 0, 0, 8], "<u4").tobytes()
        write_micro_manager(path, [54773648, None, 483765892, 0, 99384722, 0], index)
    else:
        write_micro_manager(path, [483729, 3, 0])
    for name in ("a_MMStack_1.tif", "NDTiff.index"):
        (tmp_path / name).write_bytes(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        assert file.is_micromanager
        assert file.is_ndtiff == (kind == "NDTiff")
    code = f"""
import os, sys
import graytorgb as g2r
opened = []
sys.addaudithook(lambda event, given: opened.append(given[0]) if event == "open" else None)
image = g2r.io.read({str(path)!r})
names = {{os.path.basename(str(p)) for p in opened if os.path.dirname(str(p)) == {str(tmp_path)!r}}}
print(names, image.layout, image.array.shape)
"""
    assert run_python(code).strip() == "{'a_MMStack.tif'} HW (40, 50)"
    np.testing.assert_array_equal(read(path).array, STACK[0])
