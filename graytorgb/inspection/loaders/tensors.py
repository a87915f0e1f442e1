"""The rules of torchvision 0.29, TorchCodec 0.17 and TensorFlow 2.21, which decode into tensors."""

from functools import partial
from typing import Any

from ...io import ImageFile
from . import file_bytes
from .arithmetic import DIVIDE, HIGH_BYTE, KEEP
from .rule import RUINED, Rule, has_key, is_deep, is_palette, is_stack, put_on_background


def find_torchvision(image: ImageFile, data: bytes | None) -> Rule | None:
    """Return the rule of ``torchvision.io.decode_image(path)``: a PNG's palette isn't looked up."""
    kind = image.format
    if kind == "GIF":
        return put_on_background(image, data, Rule(has_all_frames=True))
    if kind == "WEBP" and is_stack(image):
        return None
    if kind == "PNG" and is_palette(image):
        content = file_bytes.read_data(image, data)
        if content is None:
            return None
        indices = file_bytes.read_palette_indices(content)
        return RUINED if indices is None else Rule(is_rgb=False, samples=indices[..., None])
    if kind in ("PNG", "JPEG", "WEBP"):
        return Rule(is_rgb=False, alpha="drop" if has_key(image) else "keep")
    return None


def find_torchcodec(image: ImageFile, data: bytes | None) -> Rule | None:
    """Return the rule of ``torchcodec.decoders.decode_image(path)``: RGB of 8 bits."""
    if image.format == "GIF":
        return put_on_background(image, data, Rule(has_all_frames=True))
    if image.format == "WEBP":
        return Rule(has_all_frames=True, is_turned=True)
    if image.format in ("PNG", "JPEG"):
        return Rule(DIVIDE if is_deep(image) else KEEP, is_turned=True)
    return None


def find_tensorflow(image: ImageFile, data: bytes | None) -> Rule | None:
    """Return the rule of ``tf.io.decode_image(data)``.

    Its JPEG decoder has a faster and less exact transform than the others' (JDCT_IFAST). Animated
    WebP without alpha makes it write beyond its memory, because libwebp gives RGBA.
    """
    kind = image.format
    if kind == "PNG":
        alpha: Any = "drop" if has_key(image) else "keep"
        return Rule(HIGH_BYTE if is_deep(image) else KEEP, is_rgb=False, alpha=alpha)
    if kind == "JPEG":
        return Rule(is_rgb=False, decode=partial(file_bytes.decode_jpeg_fast, image, data))
    if kind == "GIF":
        return Rule(alpha=(0, 0, 0), has_all_frames=True, has_frame_axis=True)
    if kind == "WEBP":
        if is_stack(image) and image.array.shape[-1] == 3:
            return RUINED
        return Rule(is_rgb=False, alpha="keep", has_all_frames=True, has_frame_axis=True)
    if kind == "BMP" and (content := file_bytes.read_data(image, data)):
        samples = file_bytes.read_bitmap_samples(content)
        return None if samples is None else Rule(is_rgb=False, alpha="keep", samples=samples)
    return None
