"""The rules of Pillow 13.0, which ImageFolder and Keras 3.15 open files by."""

import numpy as np
from numpy.typing import NDArray

from ...io import ImageFile
from . import file_bytes
from .arithmetic import (
    CLIP,
    HIGH_BYTE,
    KEEP,
    Map,
    clip_inverted,
    repeat_bits,
    scale,
    scale_and_clip,
    take_palette_byte,
)
from .rule import (
    Rule,
    find_compression,
    find_largest,
    find_total,
    has_key,
    is_deep,
    is_gray,
    is_palette,
)

# The compressions of a TIFF, as its mode names them, that libtiff decodes in Pillow's wheels
_COMPRESSIONS = {"LZW", "DEFLATE", "ADOBE_DEFLATE", "PACKBITS", "JPEG", "CCITTRLE", "CCITTFAX3",
                 "CCITTFAX4", "ZSTD", "LZMA"}  # fmt: skip


def find_pillow(image: ImageFile, data: bytes | None) -> Rule | None:
    """Return the rule of ``Image.open(path).convert("RGB")``.

    For DICOM files and arrays, which ``Image.open`` refuses, it is the rule of
    ``Image.fromarray(array).convert("RGB")``.
    """
    if image.format in ("DICOM", "NumPy"):
        return find_pillow_array(image)
    return find_keras(image, data)


def find_pillow_array(image: ImageFile) -> Rule | None:
    """Return the rule of ``Image.fromarray(array).convert("RGB")`` for each image of an array."""
    dtype, shape = image.array.dtype, image.array.shape
    layout = image.layout or ("HWC" if len(shape) == 3 else "HW")
    if "C" in layout:
        is_taken = layout.endswith("HWC") and dtype == np.uint8 and shape[-1] in (2, 3, 4)
        return Rule(has_all_frames=True) if is_taken and len(shape) == len(layout) else None
    if not layout.endswith("HW") or len(shape) != len(layout):
        return None
    if dtype.name in ("bool", "uint8", "int8"):
        return Rule(has_all_frames=True)
    if dtype.name in ("uint16", "int16", "uint32", "int32", "float32", "float64"):
        return Rule(CLIP, has_all_frames=True)
    return None


def find_keras(image: ImageFile, data: bytes | None) -> Rule | None:
    """Return the rule of ``keras.utils.load_img(path)``, which is that of Pillow's `Image.open`."""
    if image.format == "TIFF":
        return _find_pillow_tiff(image, data)
    if image.format == "PPM":
        return Rule(_find_pillow_map(image))
    if image.format == "PNG" and is_deep(image):
        has_alpha = image.array.shape[-1] == 2 and not has_key(image)
        return Rule(CLIP if is_gray(image) and not has_alpha else HIGH_BYTE)
    return Rule() if image.format in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "DIB") else None


def _find_pillow_map(image: ImageFile) -> Map:
    """Return the arithmetic of Pillow's PPM decoder."""
    largest = find_largest(image)
    if largest == 255:
        return KEEP
    if largest < 255 or not is_gray(image):
        return Map(scale, (largest,))
    return CLIP if largest == 65535 else Map(scale_and_clip, (largest,))


def _find_pillow_tiff(image: ImageFile, data: bytes | None) -> Rule | None:
    """Return Pillow's rule for a TIFF that is opened as a file object: it is turned upright.

    Opened by its path, a gray TIFF of orientation 5 to 8 that isn't compressed comes scrambled.
    """
    dtype, bits, layout = image.array.dtype.name, image.bits or 0, image.layout or ""
    compression = find_compression(image)
    if (compression and compression not in _COMPRESSIONS) or "S" in layout:
        return None
    if "C" in layout and not is_palette(image):
        return _find_color_tiff(image, data, compression)
    found: Map | None = None
    if is_palette(image):
        found = None if file_bytes.find_index_bits(image, data) > 8 else Map(take_palette_byte)
    elif image.is_inverted:
        found = _find_inverted(image)
    elif bits in (2, 4):
        found = Map(repeat_bits, (find_largest(image),))
    elif dtype in ("bool", "int8") or bits == 8:
        found = KEEP
    elif dtype in ("int16", "int32", "float32") or bits in (12, 16, 32):
        found = CLIP
    return None if found is None else Rule(found, is_turned=True)


def _find_color_tiff(image: ImageFile, data: bytes | None, compression: str) -> Rule | None:
    """Return Pillow's rule for a TIFF of RGB, or of gray with alpha, which has to have 8 bits."""
    layout, is_deep_color = image.layout or "", is_deep(image) and not is_gray(image)
    if image.bits != image.array.itemsize * 8 or not (is_deep_color or image.bits == 8):
        return None
    if is_deep_color and layout.endswith("CHW") and not compression:
        return Rule(samples=_read_planes_wrongly(image, data), is_turned=True)
    tags = None
    if image.array.shape[layout.index("C")] == 4:
        tags = file_bytes.read_tiff_tags(image, data)
    is_associated = tags is not None and tags.extra == file_bytes.ASSOCIATED
    found = HIGH_BYTE if is_deep_color else KEEP
    return Rule(found, alpha="divide" if is_associated else "drop", is_turned=True)


def _read_planes_wrongly(image: ImageFile, data: bytes | None) -> NDArray[np.uint8]:
    """Return what Pillow makes of planes of 16 bits: it takes each byte for a sample of 8 bits."""
    tags = file_bytes.read_tiff_tags(image, data)
    planes = image.array.reshape(-1, *image.array.shape[-3:])[0][:3]
    height, width = planes.shape[1:]
    samples = planes.astype(f"{tags.order if tags else '<'}u2").view(np.uint8).reshape(3, -1)
    return np.moveaxis(samples[:, : height * width].reshape(3, height, width), 0, -1)


def _find_inverted(image: ImageFile) -> Map | None:
    """Return Pillow's arithmetic for a TIFF whose 0 is white, which it inverts up to 8 bits."""
    dtype, bits = image.array.dtype.name, image.bits or 0
    if bits in (1, 8):
        return KEEP
    if bits in (2, 4):
        return Map(repeat_bits, (find_largest(image),))
    if bits == 16 or dtype == "float32":
        total = find_total(image)
        return None if total is None else Map(clip_inverted, (total,))
    return None
