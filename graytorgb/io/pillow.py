"""WebP by Pillow, and the frames of any image or animation that Pillow opened."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL.Image import Image
from PIL.ImageFile import ImageFile as PILImageFile
from PIL.WebPImagePlugin import WebPImageFile

from ..core.image_file import ImageFile, make_stand_in
from .orientation import find_orientation
from .ranges import Array
from .request import Request

# Every mode that these plugins give; PNG's and BMP's are among them
_KINDS = {"1": "gray", "L": "gray", "LA": "gray with alpha", "P": "palette",
          "RGB": "RGB", "RGBA": "RGB with alpha"}  # fmt: skip
MOST_FRAMES = 1 << 16  # each takes time, however small it is


def read(request: Request) -> ImageFile:
    """Read the image, or every frame of an animation."""
    # The plugin itself: PIL.Image.open has a limit of its own, in pixels and for the process.
    with WebPImageFile(BytesIO(request.read_bytes())) as image:
        return read_frames(request, image, image.n_frames)


def read_header(request: Request) -> ImageFile:
    """Read what is known before decoding, with a stand-in for the pixels."""
    with WebPImageFile(BytesIO(request.read_bytes())) as image:
        return describe_frames(request, image, image.n_frames)


@dataclass(frozen=True)
class _Plan:
    """What is known of an image that Pillow opened, before a pixel is decoded.

    `leading` has the number of frames if the array has an axis for them, and `orientation` comes
    with notes on it.
    """

    mode: str
    count: int
    index: int | None
    leading: tuple[int, ...]
    orientation: tuple[int, list[str]]


def read_frames(
    request: Request, image: PILImageFile, count: int, notes: Sequence[str] = ()
) -> ImageFile:
    """Read an image of `count` frames that Pillow opened and hasn't decoded yet."""
    plan = _plan_frames(request, image, count)
    if plan.leading:
        array = _decode_all(image, count)
    else:
        image.seek(plan.index or 0)
        array = np.asarray(_flatten(image))
    if count > 1:
        channels = array.shape[-1] if array.ndim == len(plan.leading) + 3 else 1
        request.check_size(_make_shape(plan.leading, image, channels), 1)
    return _describe(request, image, plan, array, notes)


def describe_frames(
    request: Request, image: PILImageFile, count: int, notes: Sequence[str] = ()
) -> ImageFile:
    """Return what is known of such an image before it is decoded, with a stand-in for pixels.

    Whether a later frame of an animation has alpha is known only once it is decoded.
    """
    plan = _plan_frames(request, image, count)
    if plan.index:
        return read_frames(request, image, count, notes)
    shape = _make_shape(plan.leading, image, _count_channels(image))
    request.check_size(shape, 1)
    return _describe(request, image, plan, make_stand_in(shape, np.uint8), notes)


def _plan_frames(request: Request, image: PILImageFile, count: int) -> _Plan:
    """Check the number of frames, the index and the size."""
    index = request.pick_index(count, "frames")
    needed = count if index is None else index + 1
    if needed > MOST_FRAMES:
        raise request.error(
            f"it has {count:,} frames, and at most {MOST_FRAMES:,} are decoded, one after the "
            f"other: {request.call}, index=0) reads the first"
        )
    leading = (count,) if count > 1 and index is None else ()
    # Only decoding tells which frames of an animation have alpha.
    channels = 4 if count > 1 else _count_channels(image)
    request.check_size(_make_shape(leading, image, channels), 1)
    orientation = find_orientation(image.info.get("exif"), image.info.get("xmp", b""))
    return _Plan(image.mode, count, index, leading, orientation)


def _describe(
    request: Request, image: PILImageFile, plan: _Plan, array: Array, notes: Sequence[str]
) -> ImageFile:
    """Return an array of frames, decoded or a stand-in, with what the file states."""
    orientation, found = plan.orientation
    return request.describe_by_depth(
        array, str(image.format), _KINDS[plan.mode], 1 if plan.mode == "1" else 8,
        notes=(*notes, *found), orientation=orientation, frames=plan.count,
        is_stack=bool(plan.leading), has_icc=bool(image.info.get("icc_profile")),
    )  # fmt: skip


def _make_shape(leading: tuple[int, ...], image: Image, channels: int) -> tuple[int, ...]:
    """Return the shape of the array, with an axis for channels if there are several."""
    return (*leading, image.height, image.width, *((channels,) if channels > 1 else ()))


def _count_channels(image: Image) -> int:
    """Return the channels that :func:`_flatten` will give, before the pixels are decoded."""
    channels = 3 if image.mode == "P" else len(image.getbands())
    return channels + (image.has_transparency_data and not image.mode.endswith("A"))


def _decode_all(image: PILImageFile, count: int) -> Array:
    """Return every frame; Pillow gives all in the mode of the first, once they are flat."""
    frames = np.empty(0, np.uint8)
    for k in range(count):
        image.seek(k)
        frame = np.asarray(_flatten(image))
        frames = frames if k else np.empty((count, *frame.shape), np.uint8)
        if frame.shape != frames.shape[1:]:
            raise ValueError(f"frame {k} is of another kind than the first")
        frames[k] = frame
    return frames


def _flatten(image: Image) -> Image:
    """Return the frame with its palette looked up, and black and white as 0 and 255."""
    image.load()  # first: it can change the mode and the transparency
    if image.mode == "1":
        return image.convert("L")
    if image.mode == "P" or (image.has_transparency_data and not image.mode.endswith("A")):
        alpha = "A" if image.has_transparency_data else ""
        return image.convert(("L" if image.mode == "L" else "RGB") + alpha)
    return image
