"""DICOM: palettes, and tables of them that contradict each other."""

import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_color_lut

import graytorgb as g2r

from .scans import GRAY, read, write


def with_palette(path, *, bits, cells, change=None):
    tables = np.random.default_rng(0).integers(0, 1 << bits, (3, 256))
    elements = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name, table in zip(("Red", "Green", "Blue"), tables, strict=True):
        elements[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, bits]
        elements[f"{name}PaletteColorLookupTableData"] = table.astype(f"<u{cells // 8}").tobytes()
    indices = (GRAY // 16).astype(np.uint8)
    return write(path, indices, **elements | (change or {})), indices, tables


@pytest.mark.parametrize(("bits", "cells"), [(8, 8), (16, 16), (8, 16)])
def test_palettes(path, bits, cells):
    _, indices, tables = with_palette(path, bits=bits, cells=cells)
    image = read(path)
    np.testing.assert_array_equal(image.array, np.moveaxis(tables[:, indices], 0, -1))
    np.testing.assert_array_equal(image.array, apply_color_lut(indices, pydicom.dcmread(path)))
    assert image.value_range == (0, (1 << bits) - 1)
    assert image.layout == "HWC"


@pytest.mark.parametrize(
    "change",
    [
        {"RedPaletteColorLookupTableDescriptor": None},
        {"BluePaletteColorLookupTableDescriptor": [256, 0, 8, 1]},
        {"BluePaletteColorLookupTableDescriptor": [255, 0, 8]},
        {"GreenPaletteColorLookupTableDescriptor": [256, 0, 12]},
        {"GreenPaletteColorLookupTableData": None},
        {"GreenPaletteColorLookupTableData": bytes(100)},
    ],
)
def test_an_odd_palette_is_named(path, change):
    with_palette(path, bits=8, cells=8, change=change)
    with pytest.raises(g2r.ImageFileError, match=r"Palette|palette") as caught:
        read(path)
    assert "damaged" not in str(caught.value)


def test_indices_beyond_a_palette_take_its_ends(path):
    with_palette(path, bits=8, cells=8)
    dataset = pydicom.dcmread(path)
    tables = [np.frombuffer(dataset[f"{name}PaletteColorLookupTableData"].value, np.uint8)
              for name in ("Red", "Green", "Blue")]  # fmt: skip
    elements = {element.keyword: element.value for element in dataset if "Palette" in element.name}
    for name in ("Red", "Green", "Blue"):
        elements[f"{name}PaletteColorLookupTableDescriptor"] = [256, 100, 8]
    elements["PhotometricInterpretation"] = "PALETTE COLOR"
    image = read(write(path, GRAY, **elements))
    expected = np.stack(tables, -1)[np.clip(GRAY.astype(int) - 100, 0, 255)]
    np.testing.assert_array_equal(image.array, expected)


def test_segmented_palettes(path):
    """Segments of PS3.3, C.7.9.2: one entry, then a line; and a table that would take gigabytes."""
    segments = np.array([0, 1, 0, 1, 255, 65535], np.uint16)
    elements = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name in ("Red", "Green", "Blue"):
        elements[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        elements[f"Segmented{name}PaletteColorLookupTableData"] = segments.tobytes()
    indices = (GRAY // 16).astype(np.uint8)
    image = read(write(path, indices, **elements))
    np.testing.assert_array_equal(image.array[..., 0], indices.astype(np.uint16) * 257)
    bomb = np.tile(np.array([1, 65535, 0], np.uint16), 20_000)
    bomb[:3] = [0, 1, 0]
    elements["SegmentedBluePaletteColorLookupTableData"] = bomb.tobytes()
    with pytest.raises(g2r.ImageFileError, match="expands to more than"):
        read(write(path, indices, **elements))
