"""What each usual loader does to an image file, by its format, its kind of color and its depth.

Found by experiment with Pillow 13.0, OpenCV 5.0, torchvision 0.29, TorchCodec 0.17, TensorFlow
2.21 and Keras 3.15; tests/inspection/test_loaders.py compares every rule with these libraries.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..io import ImageFile
from ..io.ranges import are_limits
from . import loader_bytes as stored
from .loader_arithmetic import (
    BLACK,
    CLIP,
    DIVIDE,
    HIGH_BYTE,
    KEEP,
    Map,
    clip_inverted,
    invert_then_take_high_byte,
    keep_upper_bits,
    narrow,
    repeat_bits,
    scale,
    scale_and_clip,
    scale_down,
    take_palette_byte,
)


class Rule(NamedTuple):
    """What a loader does to one file.

    Attributes
    ----------
    map : Map
        The arithmetic on each stored value.
    is_rgb : bool
        Whether gray becomes three channels.
    alpha : {"drop", "keep", "multiply", "divide"} or (r, g, b)
        What becomes of alpha: colors may be multiplied by it, or divided again and rounded down if
        they are stored multiplied, or be a background where it is 0.
    has_all_frames : bool
        Whether the result has all frames, pages or images of the file, or the first alone.
    has_frame_axis : bool
        Whether a single image has an axis of frames too.
    is_turned : bool
        Whether the image is turned upright as the file's orientation asks for.
    samples : ndarray of uint8, (H, W, C), or None
        What the loader gives in place of the file's colors, such as the indices of a palette.
    decode : callable or None
        Returns what the loader gives in place of the file's colors, (H, W, C) of uint8, or None if
        the file can't be read again. The colors by `map` are close to that, and take less time.
    is_ruined : bool
        Whether the result is bytes that have nothing to do with the picture.
    """

    map: Map = KEEP
    is_rgb: bool = True
    alpha: Literal["drop", "keep", "multiply", "divide"] | tuple[int, int, int] = "drop"
    has_all_frames: bool = False
    has_frame_axis: bool = False
    is_turned: bool = False
    samples: NDArray[np.uint8] | None = None
    decode: Callable[[], NDArray[np.uint8] | None] | None = None
    is_ruined: bool = False


# A file and its bytes, if the caller has them; None where the loader raises an error
FindRule = Callable[[ImageFile, bytes | None], Rule | None]

ASSOCIATED, UNASSOCIATED = 1, 2  # TIFF 6.0, ExtraSamples
_RUINED = Rule(is_ruined=True)
# The compressions of a TIFF, as its mode names them, that libtiff decodes in Pillow's and in
# OpenCV's wheels. OpenCV refuses some, and gives black pixels for those that libtiff doesn't know.
_BY_BOTH = {"LZW", "DEFLATE", "ADOBE_DEFLATE", "PACKBITS", "JPEG", "CCITTRLE", "CCITTFAX3",
            "CCITTFAX4"}  # fmt: skip
_BY_PILLOW = {*_BY_BOTH, "ZSTD", "LZMA"}
_REFUSED_BY_OPENCV = {"ZSTD", "LZMA", "WEBP"}


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
    if image.format == "PNG" and _is_deep(image):
        has_alpha = image.array.shape[-1] == 2 and not _has_key(image)
        return Rule(CLIP if _is_gray(image) and not has_alpha else HIGH_BYTE)
    return Rule() if image.format in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "DIB") else None


def _find_pillow_map(image: ImageFile) -> Map:
    """Return the arithmetic of Pillow's PPM decoder."""
    largest = find_largest(image)
    if largest == 255:
        return KEEP
    if largest < 255 or not _is_gray(image):
        return Map(scale, (largest,))
    return CLIP if largest == 65535 else Map(scale_and_clip, (largest,))


def _find_pillow_tiff(image: ImageFile, data: bytes | None) -> Rule | None:
    """Return Pillow's rule for a TIFF, as a file object: it turns the image upright.

    By its path, and not compressed, a gray TIFF of orientation 5 to 8 comes scrambled.
    """
    dtype, bits, layout = image.array.dtype.name, image.bits or 0, image.layout or ""
    compression = _find_compression(image)
    if (compression and compression not in _BY_PILLOW) or "S" in layout:
        return None
    found: Map | None = None
    if _is_palette(image):
        found = None if _find_index_bits(image, data) > 8 else Map(take_palette_byte)
    elif "C" in layout:
        is_gray = _is_gray(image)
        if dtype == "uint16" and not is_gray:
            if layout.endswith("CHW") and not compression:
                return Rule(samples=_read_planes_wrongly(image, data), is_turned=True)
            found = HIGH_BYTE
        elif dtype == "uint8" and bits == 8:
            tags = None if is_gray else stored.read_tiff_tags(image, data)
            is_associated = tags is not None and tags.extra == ASSOCIATED
            return Rule(alpha="divide" if is_associated else "drop", is_turned=True)
    elif _is_inverted(image):
        found = _find_inverted(image)
    elif bits in (2, 4):
        found = Map(repeat_bits, (find_largest(image),))
    elif dtype in ("bool", "uint8", "int8"):
        found = KEEP
    elif dtype in ("uint16", "int16", "uint32", "int32", "float32"):
        found = CLIP
    return None if found is None else Rule(found, is_turned=True)


def _read_planes_wrongly(image: ImageFile, data: bytes | None) -> NDArray[np.uint8]:
    """Return what Pillow makes of planes of 16 bits: it takes each byte for a sample of 8 bits."""
    tags = stored.read_tiff_tags(image, data)
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
        total = _find_total(image)
        return None if total is None else Map(clip_inverted, (total,))
    return None


def find_opencv(image: ImageFile, data: bytes | None) -> Rule | None:
    """Return the rule of ``cv2.imread(path)``, apart from the order of its channels, BGR."""
    kind = image.format
    if kind == "TIFF":
        return _find_opencv_tiff(image, data)
    if kind in ("PNG", "JPEG", "WEBP"):
        return Rule(HIGH_BYTE if _is_deep(image) else KEEP, is_turned=True)
    if kind == "GIF":
        return _on_background(image, data, Rule())
    if kind == "PPM":
        largest = find_largest(image)
        if largest >= 255 or not (content := stored.read_data(image, data)):
            return Rule(HIGH_BYTE if _is_deep(image) else KEEP)
        return Rule(Map(scale_down, (largest,)) if stored.is_plain_text(content) else KEEP)
    if kind == "BMP":
        content = stored.read_data(image, data)
        kept = stored.find_bits_of_channels(content) if content and not _is_gray(image) else None
        if kept is None:
            return Rule()
        channels = zip(np.moveaxis(image.array[..., :3], -1, 0), kept, strict=True)
        return Rule(samples=np.stack([keep_upper_bits(x, bits) for x, bits in channels], -1))
    return None


def _find_opencv_tiff(image: ImageFile, data: bytes | None) -> Rule | None:
    """Return OpenCV's rule for a TIFF, which libtiff makes 8-bit RGBA for it where it is color."""
    dtype, layout = image.array.dtype, image.layout or ""
    compression = _find_compression(image)
    if image.orientation > 4 or compression in _REFUSED_BY_OPENCV or "S" in layout:
        return None
    if compression and compression not in _BY_BOTH:
        return Rule(BLACK, is_turned=True)
    if _is_palette(image):
        if _find_index_bits(image, data) not in (1, 4, 8):
            return None
        return Rule(HIGH_BYTE if image.bits == 16 else Map(narrow), is_turned=True)
    if dtype.kind == "f" or dtype.itemsize > 2 or (image.bits or 8) not in (1, 8, 16):
        return None
    if "C" in layout and not _is_gray(image):
        has_alpha = image.array.shape[layout.index("C")] == 4
        tags = stored.read_tiff_tags(image, data) if has_alpha else None
        is_alpha = has_alpha and (tags is None or tags.extra in (ASSOCIATED, UNASSOCIATED))
        alpha: Any = "multiply" if is_alpha else "drop"
        return Rule(DIVIDE if dtype.itemsize == 2 else KEEP, alpha=alpha, is_turned=True)
    if dtype.itemsize == 1:
        return Rule(is_turned=True)
    total = _find_total(image)
    if _is_inverted(image) and total not in (None, 65535):
        return Rule(Map(invert_then_take_high_byte, (total,)), is_turned=True)
    return Rule(HIGH_BYTE, is_turned=True)


def find_torchvision(image: ImageFile, data: bytes | None) -> Rule | None:
    """Return the rule of ``torchvision.io.decode_image(path)``: a PNG's palette isn't looked up."""
    kind = image.format
    if kind == "GIF":
        return _on_background(image, data, Rule(has_all_frames=True))
    if kind == "WEBP" and _is_stack(image):
        return None
    if kind == "PNG" and _is_palette(image):
        content = stored.read_data(image, data)
        if content is None:
            return None
        indices = stored.read_palette_indices(content)
        return _RUINED if indices is None else Rule(is_rgb=False, samples=indices[..., None])
    if kind in ("PNG", "JPEG", "WEBP"):
        return Rule(is_rgb=False, alpha="drop" if _has_key(image) else "keep")
    return None


def find_torchcodec(image: ImageFile, data: bytes | None) -> Rule | None:
    """Return the rule of ``torchcodec.decoders.decode_image(path)``: RGB of 8 bits."""
    if image.format == "GIF":
        return _on_background(image, data, Rule(has_all_frames=True))
    if image.format == "WEBP":
        return Rule(has_all_frames=True, is_turned=True)
    if image.format in ("PNG", "JPEG"):
        return Rule(DIVIDE if _is_deep(image) else KEEP, is_turned=True)
    return None


def find_tensorflow(image: ImageFile, data: bytes | None) -> Rule | None:
    """Return the rule of ``tf.io.decode_image(data)``.

    Its JPEG decoder has a faster and less exact transform than the others' (JDCT_IFAST). Animated
    WebP without alpha makes it write beyond its memory, because libwebp gives RGBA.
    """
    kind = image.format
    if kind == "PNG":
        alpha: Any = "drop" if _has_key(image) else "keep"
        return Rule(HIGH_BYTE if _is_deep(image) else KEEP, is_rgb=False, alpha=alpha)
    if kind == "JPEG":
        return Rule(is_rgb=False, decode=partial(stored.decode_jpeg_fast, image, data))
    if kind == "GIF":
        return Rule(alpha=(0, 0, 0), has_all_frames=True, has_frame_axis=True)
    if kind == "WEBP":
        if _is_stack(image) and image.array.shape[-1] == 3:
            return _RUINED
        return Rule(is_rgb=False, alpha="keep", has_all_frames=True, has_frame_axis=True)
    if kind == "BMP" and (content := stored.read_data(image, data)):
        samples = stored.read_bitmap_samples(content)
        return None if samples is None else Rule(is_rgb=False, alpha="keep", samples=samples)
    return None


def _on_background(image: ImageFile, data: bytes | None, rule: Rule) -> Rule | None:
    """Return the rule with the background color of a GIF where it is transparent."""
    if image.array.shape[-1] != 4 or not (image.layout or "").endswith("C"):
        return rule
    content = stored.read_data(image, data)
    return None if content is None else rule._replace(alpha=stored.find_background(content))


# What the file is


def find_largest(image: ImageFile) -> int:
    """Return the value of an integer array that is white by the depth that the file states."""
    if image.range_source.startswith("the largest sample stated") and are_limits(image.value_range):
        return int(image.value_range[1])
    dtype = image.array.dtype
    if dtype.kind != "u":
        return 1 if dtype.kind == "b" else int(np.iinfo(dtype).max)
    bits = image.bits or 8 * dtype.itemsize
    return int((1 << (max(bits, 8) if image.format != "TIFF" else bits)) - 1)


def _is_deep(image: ImageFile) -> bool:
    return bool(image.array.dtype == np.uint16)


def _is_gray(image: ImageFile) -> bool:
    return image.mode.startswith("gray")


def _is_palette(image: ImageFile) -> bool:
    return image.mode.startswith("palette")


def _is_stack(image: ImageFile) -> bool:
    return bool(set(image.layout or "") - set("HWC"))


def _is_inverted(image: ImageFile) -> bool:
    return "0 is white" in image.mode


def _has_key(image: ImageFile) -> bool:
    """Return whether a PNG's alpha is a transparent color (tRNS), which most decoders leave out."""
    return image.format == "PNG" and not _is_palette(image) and "with alpha" not in image.mode


def _find_index_bits(image: ImageFile, data: bytes | None) -> int:
    """Return the bits of an index in a TIFF with a palette, 8 if the file can't be read again."""
    tags = stored.read_tiff_tags(image, data)
    return 8 if tags is None else tags.bits


def _find_compression(image: ImageFile) -> str:
    """Return the name of a TIFF's compression, empty for none."""
    parts = image.mode.split("; ")[0].split(", ")[1:]
    return next((part for part in parts if part.isupper()), "")


def _find_total(image: ImageFile) -> float | None:
    """Return the sum of the two values that change places in an inverted TIFF, if it is known."""
    return sum(image.value_range) if are_limits(image.value_range) else None
