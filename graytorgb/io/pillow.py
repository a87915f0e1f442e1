"""WebP, GIF, BMP and PNM by Pillow; and what every format that it opens has in common."""

from collections.abc import Callable

import numpy as np
from PIL import BmpImagePlugin, GifImagePlugin, PpmImagePlugin, WebPImagePlugin
from PIL.Image import Exif, Image
from PIL.ImageFile import ImageFile as PILImageFile
from PIL.ImageSequence import Iterator

from .image import Array, ImageFile, Request, depth_range

# Each plugin itself: PIL.Image.open has a limit of its own, in pixels and for the whole process.
_PLUGINS: dict[bytes, Callable[..., PILImageFile]] = {
    b"R": WebPImagePlugin.WebPImageFile,
    b"G": GifImagePlugin.GifImageFile,
    b"B": BmpImagePlugin.BmpImageFile,
    b"P": PpmImagePlugin.PpmImageFile,
}
_ORIENTATION = 0x0112
_KINDS = {"1": "grey", "L": "grey", "I": "grey", "LA": "grey with alpha", "P": "palette",
          "RGB": "RGB", "RGBA": "RGB with alpha"}  # fmt: skip


def read(request: Request) -> ImageFile:
    """The image, or every frame of an animation."""
    with request.path.open("rb") as file:
        plugin = _PLUGINS[file.read(1)]
        file.seek(0)
        with plugin(file) as image:
            return read_frames(request, image)


def read_frames(request: Request, image: PILImageFile) -> ImageFile:
    """The pixels of an image that Pillow opened and hasn't decoded yet."""
    if image.mode not in _KINDS:
        raise refuse_colours(request, image.mode)
    count = getattr(image, "n_frames", 1)
    index = request.pick(count, "frames")
    mode = image.mode
    leading = (count,) if count > 1 and index is None else ()
    # An animation's frames can have alpha or not, which only decoding them tells
    channels = 4 if count > 1 else _count_channels(image)
    request.check_size(_shape(leading, image, channels), 2 if mode == "I" else 1)
    notes = [*orientation(image.getexif())]
    if image.tile and image.tile[0].codec_name in ("ppm", "ppm_plain"):
        notes.append("Pillow scales values to the full depth from the file's own largest value")
    frames = _decode(image, index)
    array = np.stack(frames) if leading else frames[0]
    if mode == "I":  # PNM of more than 8 bits
        array = array.astype(np.uint16)
    if count > 1:
        channels = array.shape[-1] if frames[0].ndim == 3 else 1
        request.check_size(_shape(leading, image, channels), array.itemsize)
    bits = {"1": 1, "I": 16}.get(mode, 8)
    return ImageFile(
        path=request.path,
        array=array,
        layout=("N" if leading else "") + ("HW", "HWC")[frames[0].ndim - 2],
        value_range=depth_range(max(bits, 8)),
        range_source=f"{image.format}'s depth",
        format=str(image.format),
        mode=f"{_KINDS[mode]}, {bits} bits" + (f", {count} frames" if count > 1 else ""),
        bits=bits,
        depth_only=True,
        notes=tuple(notes),
    )


def _shape(leading: tuple[int, ...], image: Image, channels: int) -> tuple[int, ...]:
    return (*leading, image.height, image.width, *((channels,) if channels > 1 else ()))


def _count_channels(image: Image) -> int:
    """The channels of :func:`_flatten`'s result, before the pixels are decoded."""
    channels = 3 if image.mode == "P" else len(image.getbands())
    return channels + (image.has_transparency_data and not image.mode.endswith("A"))


def refuse_colours(request: Request, mode: str) -> Exception:
    """The error for colours that aren't grey or RGB."""
    return request.error(
        f"its colours are {mode}, neither grey nor RGB: Image.open(path).convert('RGB') if "
        "Pillow's conversion is what you want"
    )


def orientation(exif: Exif) -> list[str]:
    """A note, if the file says that it has to be turned."""
    value = exif.get(_ORIENTATION, 1)
    if value == 1:
        return []
    return [f"EXIF orientation {value} isn't applied: PIL.ImageOps.exif_transpose does"]


def _decode(image: PILImageFile, index: int | None) -> list[Array]:
    """Each frame, all of one mode: grey, RGB or either with alpha."""
    if index is not None:
        image.seek(index)
        return [np.asarray(_flatten(image))]
    frames = [_flatten(frame) for frame in Iterator(image)]
    modes = {frame.mode for frame in frames}
    if len(modes) > 1:
        common = "RGBA" if any(mode.endswith("A") for mode in modes) else "RGB"
        frames = [frame.convert(common) for frame in frames]
    return [np.asarray(frame) for frame in frames]


def _flatten(image: Image) -> Image:
    """A copy of the frame, its palette looked up, black and white as 0 and 255."""
    image.load()  # first: it can change the mode and the transparency
    if image.mode == "1":
        return image.convert("L")
    if image.mode == "P" or (image.has_transparency_data and not image.mode.endswith("A")):
        alpha = "A" if image.has_transparency_data else ""
        return image.convert(("L" if image.mode == "L" else "RGB") + alpha)
    return image.copy()
