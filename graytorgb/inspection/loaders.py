"""What the usual loaders make of an image file, and what they lose, without these libraries."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.layout import find_order
from ..errors import OptionError
from ..io import ImageFile
from ..io.orientation import orient
from . import loader_rules as rules
from .loader_arithmetic import KEEP, Map, find_limits, tabulate
from .loader_rules import FindRule, Rule, find_largest

if TYPE_CHECKING:
    from .values import Counts, Values

Array = NDArray[Any]


class Loss(NamedTuple):
    """What a loader loses of a file, in the frames that it gives.

    Attributes
    ----------
    levels_before, levels_after : int
        How many different values the color samples have in the file, and in the loader's result.
        0 after means that the result has nothing to do with the picture.
    white : float
        The share of the pixels that became white, and weren't: 255 in every channel, and not the
        largest value of the depth that the file states.
    bits_after : int
        The bits of the dtype of the loader's result.
    """

    levels_before: int
    levels_after: int
    white: float
    bits_after: int


class Loader(NamedTuple):
    """A usual way to load an image file.

    Attributes
    ----------
    name : str
        The library.
    code : str
        The call, with its default arguments.
    remedy : str
        The code that gives RGB of 8 bits, with black and white where the file or you state them.
    find_rule : callable
        Takes an ImageFile and its bytes or None, and returns what the loader does to the file.
    """

    name: str
    code: str
    remedy: str
    find_rule: FindRule


_RGB = 'g2r.to_rgb(g2r.to_uint8(g2r.io.read(path, orientation="apply"))'
_REMEDY = f'{_RGB}, alpha="drop")'
_TORCH = f"torch.from_numpy({_REMEDY}).permute(2, 0, 1)"
_LOADERS = (
    Loader("pillow", 'Image.open(path).convert("RGB")', f"Image.fromarray({_REMEDY})",
           rules.find_pillow),
    Loader("opencv", "cv2.imread(path)", f"{_REMEDY}[..., ::-1]", rules.find_opencv),
    Loader("torchvision", "torchvision.io.decode_image(path)", _TORCH, rules.find_torchvision),
    Loader("torchcodec", "torchcodec.decoders.decode_image(path)", _TORCH, rules.find_torchcodec),
    Loader("tensorflow", "tf.io.decode_image(tf.io.read_file(path))", f"tf.constant({_REMEDY})",
           rules.find_tensorflow),
    Loader("keras", "keras.utils.load_img(path)", f"Image.fromarray({_REMEDY})", rules.find_keras),
)  # fmt: skip
LOADERS: Mapping[str, Loader] = MappingProxyType({loader.name: loader for loader in _LOADERS})


def find_losses(
    image: ImageFile, values: "Values", *, data: bytes | None = None
) -> dict[str, Loss | None]:
    """Return what each usual loader loses of a file.

    Parameters
    ----------
    image : ImageFile
        The file, as :func:`graytorgb.io.read` gives it, all of it and not turned.
    values : Values
        The values of the image, as :func:`graytorgb.inspection.values.find_values` finds them.
    data : bytes, optional
        The file's bytes. Some loaders give what the image doesn't tell, such as the indices of a
        palette, and so the file is read again, from its path by default.

    Returns
    -------
    dict of str to Loss or None
        The loss by the name of the loader, in the order of :data:`LOADERS`. None where the loader
        raises an error, so nothing is lost in silence, or where the file can't be read again.
    """
    found: dict[Any, Loss | None] = {}
    losses: dict[str, Loss | None] = {}
    for name, loader in LOADERS.items():
        rule = loader.find_rule(image, data)
        if rule is None:
            losses[name] = None
            continue
        is_own = rule.samples is not None or rule.is_ruined
        alpha = "drop" if rule.alpha == "keep" else rule.alpha
        key = name if is_own else (rule.map, alpha, rule.has_all_frames)
        if key not in found:
            found[key] = _find_loss(image, values, rule)
        losses[name] = found[key]
    return losses


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
    """
    if loader not in LOADERS:
        raise OptionError(f"loader is one of {', '.join(LOADERS)}, not {loader!r}")
    rule = LOADERS[loader].find_rule(image, data)
    if rule is None or rule.is_ruined:
        return None
    return _convert(image, rule if rule.decode is None else rule._replace(samples=rule.decode()))


# Pixels


def _convert(image: ImageFile, rule: Rule) -> Array:
    """Return the pixels that a rule gives, channels last."""
    color, alpha = _split(image, rule)
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
    if rule.alpha == "drop":
        return color
    alpha = rule.map.apply(alpha)
    if rule.alpha == "keep":
        return np.concatenate([color, alpha], -1)
    if isinstance(rule.alpha, tuple):
        return np.where(alpha == 0, np.array(rule.alpha, np.uint8), color)
    multiplied = (color.astype(np.uint16) * alpha + 127) // 255
    if rule.alpha == "multiply":
        return multiplied.astype(np.uint8)
    return (multiplied.astype(np.uint32) * 255 // np.maximum(alpha, 1)).astype(np.uint8)


def _split(image: ImageFile, rule: Rule) -> tuple[Array, Array | None]:
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


# Losses


def _find_loss(image: ImageFile, values: "Values", rule: Rule) -> Loss:
    """Return the loss by a rule: from the histogram if that tells it, else from the pixels."""
    if rule.is_ruined:
        return Loss(values.levels, 0, 0.0, 8)
    is_whole = rule.has_all_frames or not _has_frames(image)
    is_elementwise = rule.samples is None and rule.alpha in ("drop", "keep")
    if is_whole and is_elementwise:
        if rule.map == KEEP and image.array.dtype.kind in "bu":
            return Loss(values.levels, values.levels, 0.0, 8 * image.array.itemsize)
        if values.counts is not None:
            loss = _count_by_table(image, values, values.counts, rule.map)
            if loss.white == 0 or values.color in ("gray", "rgb-gray"):
                return loss
            before, _ = _split(image, rule)
            return loss._replace(white=_find_white(image, before, rule.map.apply(before)))
    return _count_by_pixels(image, values, rule, is_whole=is_whole)


def _has_frames(image: ImageFile) -> bool:
    """Return whether the array has more than one image."""
    layout = image.layout or ""
    axes = zip(layout, image.array.shape, strict=False)
    return any(size > 1 for axis, size in axes if axis not in "HWC")


def _count_by_table(image: ImageFile, values: "Values", counts: "Counts", map_: Map) -> Loss:
    """Return the loss by the exact histogram; of color, `white` is the share of the samples."""
    dtype, total = image.array.dtype, counts.counts
    table = tabulate(map_, dtype)
    offset = counts.first - find_limits(dtype)[0]
    if table.starts is None:
        present = np.flatnonzero(total)
        results = table.results[present + offset]
        after = len(np.unique(results))
        sums = total[present]
        white = int(sums[results == 255].sum())
    else:
        starts = (table.starts - offset).clip(0, len(total))
        is_used = np.append(starts[1:], len(total)) > starts
        sums = np.add.reduceat(total, starts[is_used])
        after = int(np.count_nonzero(sums))
        white = int(sums[-1]) if is_used[255] else 0
    largest = find_largest(image)
    place = largest - counts.first
    if 0 <= place < len(total) and table.results[place + offset] == 255:
        white -= int(total[place])
    return Loss(values.levels, after, white / max(int(sums.sum()), 1), 8)


def _count_by_pixels(image: ImageFile, values: "Values", rule: Rule, *, is_whole: bool) -> Loss:
    """Return the loss by the pixels before and after."""
    before, _ = _split(image, rule)
    after = _convert(image, rule._replace(is_turned=False, has_frame_axis=False))
    after = after[..., : 1 if after.shape[-1] < 3 else 3]
    is_used = np.zeros(np.iinfo(after.dtype).max + 1, bool)
    is_used[after] = True
    levels = values.levels if is_whole else len(np.unique(before))
    white = _find_white(image, before, after)
    return Loss(levels, int(is_used.sum()), white, 8 * after.itemsize)


def _find_white(image: ImageFile, before: Array, after: Array) -> float:
    """Return the share of pixels that are white after, and weren't the largest value before."""
    became_white = (after == np.iinfo(after.dtype).max).all(-1)
    if image.array.dtype.kind != "f":
        became_white &= (before != find_largest(image)).any(-1)
    return float(became_white.mean())
