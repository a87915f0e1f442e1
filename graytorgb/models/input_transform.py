"""``make_transform``: the pipeline from a gray image or file to an adapted network's input."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.alpha import Alpha
from ..core.alpha import check as check_alpha
from ..core.image_file import ImageFile
from ..core.luma import Weights, check_weights
from ..core.value_range import ValueRange, check_policy
from ..errors import ChannelError, LayoutError, LevelsError, ModelError
from ..extras import require
from ..functional.prepare import prepare
from ..functional.resizing import find_size, resize_part
from ..functional.to_gray import to_gray
from ..functional.to_rgb import to_rgb
from ..functional.to_uint8 import to_uint8
from ..io import read
from .frameworks import find_framework
from .network_input import NetworkInput
from .option_error import ModelOptionError
from .preprocessing import Preprocessing
from .resizing_record import FILTERS, Resizing, find_resizing

Array = NDArray[Any]
Size = tuple[int, int]  # height, width


def make_transform(
    network: Any,
    *,
    size: int | Size | None = None,
    resize: int | None = None,
    pipeline: Any = None,
    value_range: ValueRange | None = None,
    weights: Weights = "any",
    alpha: Alpha = "error",
) -> "InputTransform":
    """Return the pipeline from a gray image or file to an adapted network's input.

    It reads a file by the range of values that the file states, checks that the image is gray,
    resizes and crops it as the network's own pipeline does, and scales it to the range that the
    adapted network takes. It works in torchvision's ``Compose``, in data sets and in the workers
    of a ``DataLoader``.

    Parameters
    ----------
    network : torch.nn.Module, keras.Model, onnx.ModelProto or path
        A network that :func:`graytorgb.models.adapt` made, or an .onnx or .keras file of one.
    size : int or (height, width), optional
        The size of the result. By default it is the one that the network or its pipeline states;
        if neither does, images keep their size. Without a pipeline, images are stretched to it.
    resize : int, optional
        The length of the shorter side before the center of `size` is taken, instead of the
        pipeline's resizing.
    pipeline : object, optional
        What states how the network's images are resized and cropped: torchvision weights, a timm
        model or config, or a Hugging Face image processor. By default it is what was given to
        :func:`adapt` as `stats`, which the adapted network carries, or a timm network's own config.
    value_range : tuple or str, optional
        The images' values that are black and white, as in :func:`graytorgb.to_uint8`. By default
        it is what is known: a file's own range, 0 to 255 for uint8 and 0 to 1 for floats.
    weights : {"any", "luma", "equal"}
        How three channels become one, as in :func:`graytorgb.to_gray`. ``"any"`` refuses images
        that aren't gray inside.
    alpha : {"error", "drop"} or (r, g, b)
        What becomes of an alpha channel, as in :func:`graytorgb.to_rgb`.

    Returns
    -------
    InputTransform
        A function of one image: a path, a PIL image, a file that :func:`graytorgb.io.read` gave, a
        numpy array or a tensor. It returns a tensor (1, H, W) for a torch network, and otherwise an
        array (1, H, W) or (H, W, 1), as the network's channels are. ``network(x[None])`` runs it.

    Raises
    ------
    ModelError
        If `network` isn't an adapted network, or takes volumes.
    OptionError
        If an argument has a value that isn't allowed, or `pipeline` doesn't state how images are
        resized.
    LevelsError, ChannelError
        If `value_range` or `alpha` can't be used.

    Notes
    -----
    Images of 8 bits are resized in 8 bits by Pillow's arithmetic, as torchvision and timm do it
    with PIL images. Deeper images are resized as float32, so that none of their levels are lost.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from graytorgb.models import adapt, make_transform
    >>> color = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU())
    >>> transform = make_transform(adapt(color, "imagenet"), size=24, resize=28)
    >>> transform
    InputTransform(shorter side to 28 (bilinear), center 24 x 24, values 0 to 1, float32 (1, H, W))
    >>> transform(np.full((30, 40), 255, np.uint8)).shape
    torch.Size([1, 24, 24])
    """
    described = find_framework(network).describe_input(network)
    if described.preprocessing is None:
        raise ModelError(
            "this network carries no record of graytorgb, so nothing tells which gray it takes: "
            "make_transform(adapt(model, stats))"
        )
    if len(described.sides) != 2:
        raise ModelError(f"the network takes volumes, of {len(described.sides)} sides, not images")
    resizing = _choose_resizing(described, size, resize, pipeline)
    options = _Options(check_policy(value_range), check_weights(weights), check_alpha(alpha))
    return InputTransform(described, resizing, options)


@dataclass(frozen=True)
class _Options:
    """How images are read: the checked arguments of :func:`make_transform`."""

    value_range: ValueRange | None
    weights: Weights
    alpha: Alpha


class InputTransform:
    """The pipeline from a gray image or file to an adapted network's input.

    :func:`make_transform` makes it. It holds no part of the network, and can be pickled.

    Attributes
    ----------
    resizing : Resizing or None
        How images are resized and cropped.
    value_range : ValueRange or None
        The images' values that are black and white, or None for what is known.
    """

    def __init__(
        self, network_input: NetworkInput, resizing: Resizing | None, options: _Options
    ) -> None:
        self._input = network_input
        self._options = options
        self.resizing = resizing
        self.value_range = options.value_range

    def __call__(self, image: Any) -> Any:
        """Return the network's input for one image.

        Parameters
        ----------
        image : path, PIL.Image.Image, ImageFile, ndarray or Tensor

        Returns
        -------
        Tensor or ndarray of shape (1, H, W) or (H, W, 1)

        Raises
        ------
        ChannelError
            If the image isn't gray.
        LevelsError
            If nothing states its range of values, or a value is NaN.
        LayoutError
            If it is several images, has no pixels, or its axes aren't known.
        ImageFileError, FileNotFoundError
            If the file can't be read.
        """
        plane, value_range = _read_plane(image, self._options)
        if plane.dtype.kind == "b":
            plane, value_range = to_uint8(plane), None
        if plane.dtype != np.uint8:  # in full depth
            plane, value_range = _scale(plane, value_range), (0, 1)
        if self.resizing is not None:
            plane = _resize_plane(plane, self.resizing)
        if plane.dtype == np.uint8:
            plane = _scale(plane, value_range)
        return self._convert(plane.clip(0, 1))  # some filters go beyond black and white

    def _convert(self, plane: NDArray[np.float32]) -> Any:
        """Return an image from 0 to 1 in the values, the dtype and the axes of the network."""
        described = self._input
        assert described.preprocessing is not None
        if described.has_integers:
            values = np.rint(255 * plane).astype(described.dtype)
        else:
            lo, hi = described.preprocessing.limits
            values = np.float32(lo) + np.float32(hi - lo) * plane
        values = values[..., None] if described.axis == -1 else values[None]
        if not described.is_torch:
            return np.ascontiguousarray(values.astype(described.dtype, copy=False))
        torch = require("torch")
        return torch.from_numpy(np.ascontiguousarray(values)).to(getattr(torch, described.dtype))

    def __repr__(self) -> str:
        described = self._input
        assert described.preprocessing is not None
        parts = _describe_resizing(self.resizing)
        if described.has_integers:
            parts.append("values 0 to 255")
        elif described.preprocessing.normalized is not None:
            parts.append("normalized by {:g} and {:g}".format(*described.preprocessing.normalized))
        else:
            parts.append("values {:g} to {:g}".format(*described.preprocessing.limits))
        parts.append(f"{described.dtype} {'(H, W, 1)' if described.axis == -1 else '(1, H, W)'}")
        defaults = _Options(None, "any", "error")
        for name, value in vars(self._options).items():
            if value != getattr(defaults, name):
                parts.append(f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(parts)})"


def _choose_resizing(
    described: NetworkInput, size: Any, resize: Any, pipeline: Any
) -> Resizing | None:
    """Return how images are resized, by the arguments or by what the network states."""
    preprocessing = described.preprocessing or Preprocessing()
    stated = preprocessing.resizing or described.resizing
    if pipeline is not None:
        stated = find_resizing(pipeline)
        if stated is None:
            raise ModelOptionError(
                f"pipeline={pipeline!r:.80} doesn't state how images are resized and cropped, or "
                "pads them: state size=(height, width), and resize= for the shorter side before "
                "the center is taken"
            )
    fixed = described.sides
    if size is None and all(fixed):
        wanted: Size | None = (fixed[0] or 0, fixed[1] or 0)
    else:
        wanted = None if size is None else _check_size(size)
    if wanted is not None and not described.is_torch:  # torch networks may take other sizes too
        _check_fits(fixed, wanted)
    if resize is not None:
        return _make_center(wanted or (stated.crop if stated else None), resize, stated)
    if wanted is None:
        return stated
    if stated is None:
        return Resizing(stretch=wanted)
    has_size = (stated.crop or stated.stretch) == wanted
    return stated if has_size else stated.with_size(wanted)


def _check_fits(sides: tuple[int | None, ...], size: Size) -> None:
    """Raise a ModelOptionError for a size that the network doesn't take."""
    if any(side not in (None, n) for side, n in zip(sides, size, strict=True)):
        expected = " x ".join("any" if side is None else str(side) for side in sides)
        raise ModelOptionError(f"the network takes images of {expected}, not size={size}")


def _make_center(size: Size | None, resize: Any, stated: Resizing | None) -> Resizing:
    """Return the resizing of the shorter side to `resize`, with the center of `size`."""
    if isinstance(resize, bool) or not hasattr(resize, "__index__") or resize < 1:
        raise ModelOptionError(
            f"resize is the length of the shorter side before the center is taken, not {resize!r}"
        )
    if size is not None and resize < max(size):
        raise ModelOptionError(
            f"resize={resize!r} makes the shorter side smaller than the center that is taken, "
            f"{size[0]} x {size[1]}: resize={max(size)} or more"
        )
    filter_number = Resizing().filter if stated is None else stated.filter
    return Resizing(int(resize), None, size, filter_number)


def _check_size(size: Any) -> Size:
    """Return a size as (height, width), or raise a ModelOptionError for an unusable one."""
    sides = tuple(size) if isinstance(size, tuple | list) else (size, size)
    is_whole = [hasattr(n, "__index__") and not isinstance(n, bool) for n in sides]
    if len(sides) != 2 or not all(is_whole) or min(sides) < 1:
        raise ModelOptionError(
            "size is the side of a square, such as 224, or (height, width), such as (224, 160), "
            f"not {size!r}"
        )
    return int(sides[0]), int(sides[1])


def _read_plane(image: Any, options: _Options) -> tuple[Array, ValueRange | None]:
    """Return the gray plane (H, W) of an image, and the range of its values if it is known."""
    if isinstance(image, str | os.PathLike):
        image = read(image, value_range=options.value_range)
    value_range = options.value_range
    layout = None
    if isinstance(image, ImageFile):
        value_range = image.find_range(value_range)
        if image.layout is None or len(image.layout.replace("C", "")) != 2:
            raise LayoutError(
                f"{image.path} holds several images, or nothing tells its axes (shape "
                f"{image.array.shape}): read one, transform(graytorgb.io.read(path, index=0))"
            )
        image, layout = image.array, image.layout
    elif hasattr(image, "detach"):  # a tensor
        image = image.detach().cpu()
        if image.ndim not in (2, 3):
            raise LayoutError(
                f"a tensor of one image is (1, H, W) or (H, W), not {tuple(image.shape)}: "
                "[transform(image) for image in batch]"
            )
        layout = "HW" if image.ndim == 2 else "CHW"
    elif getattr(image, "ndim", 0) == 3 and image.shape[0] not in (1, 3) and image.shape[-1] <= 4:
        layout = "HWC"
    try:
        if options.alpha != "error":
            image = to_rgb(image, layout, alpha=options.alpha)
            layout = _name_rgb_axes(image)
        gray = to_gray(image, layout, weights=options.weights)
    except ChannelError as error:
        raise ChannelError(f"{error.args[0]}. {_ADVICE}") from error
    array = np.asarray(gray)
    array = array.reshape(array.shape[-2:]) if array.ndim == 3 and 1 in array.shape[:1] else array
    if array.ndim != 2:
        raise LayoutError(f"one gray image is (H, W), and this has the shape {array.shape}")
    if not array.size:
        raise LayoutError(
            f"this image has no pixels, its shape is {array.shape}: leave empty images out before "
            "transform(image)"
        )
    return array, value_range


def _name_rgb_axes(image: Any) -> str | None:
    """Return the axes of what to_rgb makes of one image; None for a PIL image."""
    if hasattr(image, "detach"):
        return "CHW"
    return "HWC" if isinstance(image, np.ndarray) else None


_ADVICE = (
    'This transform takes gray images; make_transform(network, weights="luma") makes gray of '
    'color, and alpha="drop" or alpha=(r, g, b) takes images with alpha'
)


def _scale(plane: Array, value_range: ValueRange | None) -> NDArray[np.float32]:
    """Return a plane from 0 to 1, by the range of its values."""
    try:
        scaled = prepare(plane, "0..1", "HW->CHW", value_range=value_range)
    except LevelsError as error:
        raise LevelsError(
            f"{error.args[0]}. Here: make_transform(network, value_range=(lo, hi)) states which "
            "values are black and white in all images"
        ) from error
    unit: NDArray[np.float32] = scaled[0]
    return unit


def _resize_plane(plane: Array, resizing: Resizing) -> Array:
    """Return a plane resized and cropped. Bytes are resized in 8 bits, as Pillow does it."""
    number = FILTERS[resizing.filter]
    whole: Size = plane.shape[0], plane.shape[1]
    if resizing.stretch is not None:
        whole = resizing.stretch
    elif resizing.shorter is not None:
        whole = find_size(whole, resizing.shorter)
    tall, wide = resizing.crop or whole
    if tall > whole[0] or wide > whole[1]:
        raise LayoutError(
            f"an image of {whole[0]} x {whole[1]} is smaller than the center that is taken, {tall} "
            f"x {wide}: state resize= in make_transform"
        )
    place = round((whole[0] - tall) / 2), round((whole[1] - wide) / 2)
    if whole == plane.shape:
        return plane[place[0] : place[0] + tall, place[1] : place[1] + wide]
    return resize_part(plane, whole, place, (tall, wide), resampling=number)


def _describe_resizing(resizing: Resizing | None) -> list[str]:
    """Return the steps of a resizing in words."""
    if resizing is None:
        return ["any size"]
    name, steps = FILTERS[resizing.filter].lower(), []
    if resizing.shorter is not None:
        steps.append(f"shorter side to {resizing.shorter} ({name})")
    if resizing.stretch is not None:
        steps.append("stretched to {} x {} ({})".format(*resizing.stretch, name))
    if resizing.crop is not None:
        steps.append("center {} x {}".format(*resizing.crop))
    return steps
