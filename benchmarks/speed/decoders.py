"""The decoders that `io.read` is compared with: those of other libraries, by format."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import imagecodecs
import kornia_rs.io
import numpy as np
import PIL.Image
import pydicom
import simplejpeg
import tifffile
import torchcodec.decoders
import torchvision.io

Decoders = Mapping[str, Callable[[], Any]]


class Pixels(NamedTuple):
    """The kind of a file's pixels, and whether one gray plane of them is asked for."""

    color: bool
    deep: bool
    gray: bool

    @property
    def is_one_plane(self) -> bool:
        """Whether the result has one plane."""
        return self.gray or not self.color


def find_decoders(path: Path, pixels: Pixels) -> Decoders:
    """Return the calls that decode a file, by its name's suffix, to pixels of this kind.

    Where color has to become gray, OpenCV weighs what each decoder of color gives, too.
    """
    direct = _DECODERS[path.suffix](path, pixels)
    if not (pixels.gray and pixels.color):
        return direct
    in_color = _DECODERS[path.suffix](path, pixels._replace(gray=False))
    weighed = {
        f"{name} + cv2.cvtColor": lambda call=call: cv2.cvtColor(_to_image(call()), _TO_GRAY)
        for name, call in in_color.items()
    }
    return direct | weighed


_TO_GRAY = cv2.COLOR_RGB2GRAY


def _to_image(pixels: Any) -> Any:
    """Return pixels as OpenCV takes them, which has to have C last and contiguous."""
    return np.ascontiguousarray(np.squeeze(pixels))


def by_opencv(path: Path, pixels: Pixels) -> Any:
    """Read the pixels by OpenCV, which gives blue first."""
    if pixels.gray:
        return cv2.imread(str(path), cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH)
    found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    return cv2.cvtColor(found, cv2.COLOR_BGR2RGB) if pixels.color else found


def by_pillow(path: Path, pixels: Pixels) -> Any:
    """Read the pixels by Pillow; for gray a JPEG is decoded as such, and others are converted."""
    with PIL.Image.open(path) as image:
        if not pixels.gray:
            return np.asarray(image)
        image.draft("L", image.size)  # a JPEG's luma; no other format has such a way
        return np.asarray(image.convert("L"))


def by_torchcodec(function: Callable[..., Any], path: Path, pixels: Pixels) -> Any:
    """Read the pixels by a function of TorchCodec, in the depth of the file."""
    mode = "GRAY" if pixels.is_one_plane else "RGB"
    return np.moveaxis(function(str(path), mode=mode, output_dtype="auto").numpy(), 0, -1)


def by_torchvision(path: Path, pixels: Pixels) -> Any:
    """Read the pixels by torchvision."""
    mode = "GRAY" if pixels.is_one_plane else "RGB"
    data = torchvision.io.read_file(str(path))
    return np.moveaxis(torchvision.io.decode_image(data, mode).numpy(), 0, -1)


def by_kornia(path: Path, pixels: Pixels) -> Any:
    """Read the pixels of a PNG by kornia_rs, which is told their size and kind."""
    data = path.read_bytes()
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    bits = "u16" if pixels.deep else "u8"
    function = getattr(kornia_rs.io, f"decode_image_png_{bits}")
    return function(data, (height, width), "mono" if pixels.is_one_plane else "rgb")


def _list_usual(path: Path, pixels: Pixels) -> Decoders:
    return {
        "cv2.imread": lambda: by_opencv(path, pixels),
        "Pillow": lambda: by_pillow(path, pixels),
    }


def _list_tensors(path: Path, pixels: Pixels, function: Callable[..., Any]) -> Decoders:
    general = torchcodec.decoders.decode_image
    return {
        f"torchcodec.{function.__name__}": lambda: by_torchcodec(function, path, pixels),
        "torchcodec.decode_image": lambda: by_torchcodec(general, path, pixels),
        "torchvision.io.decode_image": lambda: by_torchvision(path, pixels),
    }


def _list_png(path: Path, pixels: Pixels) -> Decoders:
    return {
        "imagecodecs.png_decode": lambda: imagecodecs.png_decode(path.read_bytes()),
        "kornia_rs": lambda: by_kornia(path, pixels),
        **_list_usual(path, pixels),
        **_list_tensors(path, pixels, torchcodec.decoders.decode_png),
    }


def _list_jpeg(path: Path, pixels: Pixels) -> Decoders:
    space = "GRAY" if pixels.is_one_plane else "RGB"
    mode = "mono" if pixels.is_one_plane else "rgb"
    return {
        "simplejpeg.decode_jpeg": lambda: simplejpeg.decode_jpeg(path.read_bytes(), space),
        "imagecodecs.jpeg8_decode": lambda: imagecodecs.jpeg8_decode(
            path.read_bytes(), outcolorspace=space
        ),
        "kornia_rs": lambda: kornia_rs.io.decode_image_jpegturbo(path.read_bytes(), mode),
        **_list_usual(path, pixels),
        **_list_tensors(path, pixels, torchcodec.decoders.decode_jpeg),
    }


def _list_tiff(path: Path, pixels: Pixels) -> Decoders:
    return {
        "tifffile.imread": lambda: tifffile.imread(path),
        "imagecodecs.tiff_decode": lambda: imagecodecs.tiff_decode(path.read_bytes()),
        **_list_usual(path, pixels),
    }


def _list_bmp(path: Path, pixels: Pixels) -> Decoders:
    return {
        "imagecodecs.bmp_decode": lambda: imagecodecs.bmp_decode(path.read_bytes()),
        **_list_usual(path, pixels),
    }


_DECODERS: Mapping[str, Callable[[Path, Pixels], Decoders]] = {
    ".png": _list_png,
    ".jpg": _list_jpeg,
    ".tif": _list_tiff,
    ".bmp": _list_bmp,
    ".ppm": _list_usual,
    ".dcm": lambda path, pixels: {"pydicom": lambda: pydicom.dcmread(path).pixel_array},
    ".npy": lambda path, pixels: {"np.load": lambda: np.load(path)},
}
