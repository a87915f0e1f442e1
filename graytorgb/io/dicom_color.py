"""DICOM's colors: RGB as it is stored, and palettes looked up."""

import numpy as np
from pydicom.pixels.processing import apply_color_lut

from .dicom_lut import read_descriptor
from .dicom_scan import Scan
from .dicom_window import Rendering
from .ranges import Array, find_depth_range

_NAMES = ("Red", "Green", "Blue")
_MOST_ENTRIES = 1 << 20  # in a segmented palette; an image uses 65,536 of them


def show_color(scan: Scan, stored: Array) -> Rendering:
    """Return what stored frames are to be seen as: RGB, in the range of its depth."""
    if scan.colors != "PALETTE COLOR":
        source = f"DICOM's depth, {scan.bits} bits stored"
        return Rendering(stored, find_depth_range(scan.bits or 8), source, depth_only=True)
    bits = _find_palette_bits(scan)
    entries, first, _ = _read_descriptor(scan, "Red")
    # An index beyond the table takes its end; in pydicom indices of 8 bits wrap round.
    indices = stored.astype(np.int64).clip(first, first + entries - 1)
    rgb = apply_color_lut(indices, scan.dataset)
    return Rendering(rgb, find_depth_range(bits), f"its palette, of {bits} bits")


def find_color_form(scan: Scan) -> tuple[int, np.dtype[np.generic]]:
    """Return the number of channels and the dtype that the colors will have."""
    if scan.colors != "PALETTE COLOR":
        return 3, scan.stored_dtype
    cells = _find_palette_cells(scan)
    has_alpha = "AlphaPaletteColorLookupTableData" in scan.dataset
    return 4 if has_alpha else 3, np.dtype(f"u{cells // 8}")


def _find_palette_bits(scan: Scan) -> int:
    """Return the depth of a palette's entries; some files keep 8 bits in 16: C.7.6.3.1.5."""
    bits, cells = scan.dataset.RedPaletteColorLookupTableDescriptor[2], _find_palette_cells(scan)
    if bits < cells and any(_read_entries(scan, name, cells).max() > 255 for name in _NAMES):
        return cells  # the entries have 8 bits by the descriptor, and 16 in truth
    return int(bits)


def _find_palette_cells(scan: Scan) -> int:
    """Check every element of the palette, and return the bits that each entry takes."""
    descriptors = [_read_descriptor(scan, name) for name in _NAMES]
    if len(set(descriptors)) > 1:
        raise scan.error(f"the tables of its palette differ: {', '.join(map(str, descriptors))}")
    entries, _, bits = descriptors[0]
    if "SegmentedRedPaletteColorLookupTableData" in scan.dataset:
        for name in _NAMES:
            _check_segmented(scan, name, bits)
        return bits
    cells = set()
    for name in _NAMES:
        keyword = f"{name}PaletteColorLookupTableData"
        data = scan.dataset.get(keyword)
        if data is None:
            raise scan.error(f"it has no {keyword}")
        sizes = {8: entries, 16: 2 * entries}  # or one more, which makes an odd length even
        found = next((n for n in sizes if len(data) - sizes[n] in (0, 1)), 0)
        if not found or found < bits:
            raise scan.error(
                f"its {keyword} has {len(data)} bytes, and {entries} entries of {bits} bits are "
                "stated"
            )
        cells.add(found)
    if len(cells) > 1:
        raise scan.error("the tables of its palette differ in length")
    found = cells.pop()
    if found == 8 and entries > 256:
        raise scan.error("a palette of more than 256 colors of 8 bits, which pydicom lacks")
    return found


def _read_descriptor(scan: Scan, name: str) -> tuple[int, int, int]:
    """Return the number of entries, the first index and the bits of an entry of one color."""
    keyword = f"{name}PaletteColorLookupTableDescriptor"
    return read_descriptor(scan, scan.dataset, keyword, (8, 16))


def _read_entries(scan: Scan, name: str, cells: int) -> Array:
    """Return the entries of one color of a palette, as they are stored."""
    data = scan.dataset[f"{name}PaletteColorLookupTableData"].value
    return np.frombuffer(data[: len(data) // 2 * 2], f"<u{cells // 8}")


def _check_segmented(scan: Scan, name: str, bits: int) -> None:
    """Refuse a segmented table that expands to far more than an image uses: PS3.3, C.7.9.2."""
    keyword = f"Segmented{name}PaletteColorLookupTableData"
    data = scan.read_value(scan.dataset, keyword)
    if data is None:
        raise scan.error(f"it has no {keyword}")
    size = bits // 8
    words = np.frombuffer(data[: len(data) // size * size], f"<u{size}").tolist()
    at = total = longest = 0
    while at + 1 < len(words):
        kind, length = words[at : at + 2]
        if kind == 2:  # repeats as many segments, each no longer than the longest
            total += length * longest
        else:
            total += length
            longest = max(longest, length)
        at += {0: 2 + length, 1: 3, 2: 4}.get(kind, len(words))
        if total > _MOST_ENTRIES:
            raise scan.error(f"its {keyword} expands to more than {_MOST_ENTRIES:,} entries")
