"""The pixels that a usual loader gives for a file."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.layout import find_order
from ...core.wording import suggest
from ...errors import OptionError
from ...io import ImageFile
from ...io.orientation import orient
from .rule import Rule
from .table import LOADERS

Array = NDArray[Any]


def convert_like(
    loader: str, image: ImageFile, *, data: bytes | None = None
) -> NDArray[np.uint8 | np.uint16] | None:
    """Return the pixels that a loader gives for a file.

    Parameters
    ----------
    loader : {"pillow", "opencv", "torchvision", "torchcodec", "tensorflow", "keras"}
        The name of the loader.
    image : ImageFile
        The file, as :func:`graytorgb.io.read` gives it, all of it and not turned.
    data : bytes, optional
        The file's bytes, where its path can't be read again.

    Returns
    -------
    ndarray of shape (H, W, C) or (N, H, W, C), or None
        uint8, or uint16 of torchvision. The channels are last and in the order of RGB, though
        torchvision's and TorchCodec's are in front, and OpenCV's are BGR. None where the loader
        raises an error, and where its result isn't defined.

    Raises
    ------
    OptionError
        If there is no such loader.

    Notes
    -----
    The pixels are those of the library, bit for bit. :func:`find_losses` doesn't count one loss:
    TensorFlow decodes a JPEG by a faster transform than the others, and its values differ from
    theirs by about 1 on average, but by up to 20 in photos of quality 95 to 100, and more in noise.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from graytorgb.io import read
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "camera.npy")
    ...     np.save(path, np.array([[0, 255, 256, 4095]], np.uint16))
    ...     convert_like("pillow", read(path))[..., 0]
    array([[  0, 255, 255, 255]], dtype=uint8)
    """
    if loader not in LOADERS:
        near = suggest(loader, LOADERS, cutoff=0.5)
        raise OptionError(f"loader is one of {', '.join(LOADERS)}, not {loader!r}{near}")
    rule = LOADERS[loader].find_rule(image, data)
    if rule is None or rule.is_ruined:
        return None
    return convert(image, rule if rule.decode is None else rule._replace(samples=rule.decode()))


def convert(image: ImageFile, rule: Rule) -> Array:
    """Return the pixels that a rule gives, channels last."""
    color, alpha = split(image, rule)
    if alpha is not None and rule.alpha in ("as stored", "divide"):
        opaque = np.iinfo(color.dtype).max
        color = ((color.astype(np.uint64) * alpha + opaque // 2) // opaque).astype(color.dtype)
    color = rule.map.apply(color) if rule.samples is None else rule.samples
    if color.shape[-1] == 1 and rule.is_rgb:
        color = color.repeat(3, -1)
    if alpha is not None and rule.samples is None:
        color = _use_alpha(rule, color, alpha)
    if rule.has_frame_axis and color.ndim == 3:
        color = color[None]
    if rule.is_turned and image.orientation != 1:
        color = orient(color, "NHWC"[4 - color.ndim :], int(image.orientation))
    return np.ascontiguousarray(color)


def _use_alpha(rule: Rule, color: Array, alpha: Array) -> Array:
    """Return 8-bit colors with alpha as the rule says."""
    if rule.alpha in ("drop", "as stored"):
        return color
    alpha = rule.map.apply(alpha)
    if rule.alpha == "keep":
        return np.concatenate([color, alpha], -1)
    if isinstance(rule.alpha, tuple):
        return np.where(alpha == 0, np.array(rule.alpha, np.uint8), color)
    if rule.alpha == "multiply":
        return ((color.astype(np.uint16) * alpha + 127) // 255).astype(np.uint8)
    divided = color.astype(np.uint16) * 255 // np.maximum(alpha, 1)
    return divided.clip(None, 255).astype(np.uint8)


def split(image: ImageFile, rule: Rule) -> tuple[Array, Array | None]:
    """Return the colors of the frames that a loader reads, and alpha or None, channels last."""
    array, layout = image.array, image.layout
    if layout is None:
        layout = "HWC" if array.ndim == 3 else "HW"
    leading = "".join(axis for axis in layout if axis not in "HWC")
    if "C" not in layout:
        array, layout = array[..., None], layout + "C"
    array = array.transpose(find_order(layout, f"{leading}HWC"))
    array = array.reshape(-1, *array.shape[-3:]) if leading else array
    array = array[0] if leading and not rule.has_all_frames else array
    colors = 1 if array.shape[-1] < 3 else 3
    return array[..., :colors], array[..., colors:] if array.shape[-1] > colors else None
