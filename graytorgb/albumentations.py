"""albumentations transforms: ``ToRGB``, ``ToGray``, ``ToUint8`` and ``Prepare`` for ``A.Compose``.

The shape of an image is (H, W) or (H, W, C) here, as everywhere in albumentations.

>>> import albumentations as A, numpy as np
>>> from graytorgb.albumentations import ToRGB, ToUint8
>>> pipeline = A.Compose([ToUint8((0, 4095)), ToRGB(), A.HorizontalFlip(p=0.5)])
>>> image = pipeline(image=np.full((28, 28), 4095, np.uint16))["image"]
>>> image.shape, image.max()
((28, 28, 3), np.uint8(255))
"""

from collections.abc import Mapping
from typing import Any, ClassVar, cast

import numpy as np

from .extras import require

require("albumentations")  # raises the error that names the extra

import albumentations as A  # noqa: E402

from .core import alpha as alphas  # noqa: E402
from .core.image_file import ImageFile  # noqa: E402
from .core.layout import name_axes  # noqa: E402
from .core.luma import Weights, check_weights  # noqa: E402
from .core.stats import stats as find_stats  # noqa: E402
from .core.stats import stats_in_one  # noqa: E402
from .core.value_range import ValueRange, check_policy, needs_values  # noqa: E402
from .core.wording import add_call  # noqa: E402
from .errors import ChannelError, DtypeError, GrayToRGBError, LayoutError  # noqa: E402
from .functional.plan import Options  # noqa: E402
from .functional.prepare import prepare  # noqa: E402
from .functional.to_gray import to_gray  # noqa: E402
from .functional.to_rgb import to_rgb  # noqa: E402
from .functional.to_uint8 import to_uint8  # noqa: E402
from .kinds import explain_source, find_kind, is_pil, is_tensor  # noqa: E402

__all__ = ["Prepare", "ToGray", "ToRGB", "ToUint8"]

Array = np.ndarray[Any, Any]


_TARGETS = {"image", "images", "volume", "volumes"}


def _check_images(name: str, images: Any) -> None:
    """Raise DtypeError for a target that isn't an array, with the array to pass in its place."""
    for image in images if isinstance(images, list | tuple) else [images]:
        if isinstance(image, np.ndarray) and type(image) is not np.ndarray:
            find_kind(image).get_array(image)  # refuses one that carries more than an image
        if isinstance(image, ImageFile):
            told = (
                "not a file: g2r.to_uint8(file), or file.array with its range, "
                "ToUint8(file.value_range) or Prepare(stats, value_range=file.value_range)"
            )
        elif is_pil(image):
            deep = (
                f", and ToUint8((lo, hi)) makes 8 bits of mode {image.mode}: put it first"
                if image.mode[:1] in ("I", "F")
                else ""
            )
            told = f"not a PIL image: np.asarray(image){deep}"
        else:
            told = explain_source(image, ".array")
        if told:
            raise DtypeError(f"{name}= takes numpy arrays in albumentations, {told}")


class _ImageTransform(A.NoOp):
    """Base class: convert images, batches and volumes; boxes, masks and keypoints stay.

    An ``A.ImageOnlyTransform`` keeps those too, but a Compose of nothing else warns that no
    transform processes them.
    """

    value_range: ValueRange | None = None
    calls: ClassVar[Mapping[str, str]] = {}  # the calls that state an argument, for messages

    def __call__(self, *args: Any, force_apply: bool = False, **kwargs: Any) -> Any:
        """Convert the targets that are images, each a numpy array or a list of them."""
        for name in _TARGETS & kwargs.keys():
            _check_images(name, kwargs[name])
        return super().__call__(*args, force_apply=force_apply, **kwargs)

    def _convert(self, array: Array, leading: int) -> Array:
        """Convert an array; an error that asks for a range names this transform's call."""
        try:
            return self.convert(array, leading)
        except GrayToRGBError as error:
            add_call(error, {"alpha": 'ToRGB(alpha="drop"), first in the A.Compose', **self.calls})
            raise

    def convert(self, array: Array, leading: int) -> Array:
        """Convert the images of an array that has `leading` axes in front of H."""
        raise NotImplementedError

    def apply(self, img: Array, *args: Any, **params: Any) -> Array:
        """Convert the target ``image``, of shape (H, W) or (H, W, C)."""
        return self._convert(img, 0)

    def apply_to_images(self, images: Any, *args: Any, **params: Any) -> Array:
        """Convert the target ``images``, of shape (N, H, W) or (N, H, W, C).

        Under ``"minmax"`` and percentiles each image has a range of its own.
        """
        if needs_values(self.value_range):
            return cast(Array, super().apply_to_images(images, *args, **params))
        # a Compose stacks a list, a transform on its own doesn't
        return self._convert(np.stack(images) if isinstance(images, list) else images, 1)

    def apply_to_volume(self, volume: Array, *args: Any, **params: Any) -> Array:
        """Convert the target ``volume``, (D, H, W) or (D, H, W, C), whose slices share a range."""
        return self._convert(volume, 1)

    def apply_to_volumes(self, volumes: Array, *args: Any, **params: Any) -> Array:
        """Convert the target ``volumes``, (N, D, H, W) or (N, D, H, W, C), one by one."""
        return np.stack([self.apply_to_volume(volume) for volume in volumes])


def _layout(array: Array, leading: int) -> str:
    """Return the layout by albumentations' convention: an additional axis at the end is C."""
    if is_tensor(array):  # its axes are (C, H, W), and could be read as (H, W, C)
        raise DtypeError(
            "albumentations' images are numpy arrays, and this is a torch tensor: put this "
            "transform before A.ToTensorV2()"
        )
    last = {leading + 2: "HW", leading + 3: "HWC"}.get(array.ndim)
    if last is None:
        raise LayoutError(
            "albumentations has image=(H, W) or (H, W, C), images=(N, H, W) or (N, H, W, C), "
            "volume=(D, H, W) or (D, H, W, C), volumes=(N, D, H, W) or (N, D, H, W, C); this is "
            f"{array.ndim}-D: {array.shape}"
        )
    if last == "HWC" and not 1 <= array.shape[-1] <= 4:
        raise ChannelError(
            f"albumentations reads the last axis as channels, and here it has {array.shape[-1]} "
            f"entries, {array.shape}: np.moveaxis(x, 0, -1) for a channel in front, images=x for a "
            "batch of gray images"
        )
    return name_axes(array.ndim, last)


class ToRGB(_ImageTransform):
    """Give gray images three equal channels: :func:`graytorgb.to_rgb` in an ``A.Compose``.

    RGB images pass through without a warning. Boxes, masks, keypoints and labels stay as they are.

    Parameters
    ----------
    backend : str
        One of :func:`graytorgb.list_backends`, or ``"auto"``.
    alpha : {"error", "drop"} or (r, g, b)
        What becomes of an alpha channel, as in :func:`graytorgb.to_rgb`.
    p : float
        The probability that the transform is applied. A network needs 1.

    Raises
    ------
    UnknownBackend, BackendUnavailable, ChannelError
        On construction, for a `backend` or an `alpha` that can't work.

    Notes
    -----
    Targets: image, images, volume, volumes. Any number dtype or bool; values and dtype stay.

    Examples
    --------
    >>> import albumentations as A, numpy as np
    >>> from graytorgb.albumentations import ToRGB
    >>> boxes = A.BboxParams("pascal_voc", label_fields=["labels"])
    >>> pipeline = A.Compose([A.HorizontalFlip(p=1), ToRGB()], bbox_params=boxes)
    >>> gray = np.zeros((60, 80, 1), np.float32)
    >>> result = pipeline(image=gray, bboxes=[[0, 0, 20, 30]], labels=["cell"])
    >>> result["image"].shape, result["bboxes"]
    ((60, 80, 3), [[60.0, 0.0, 80.0, 30.0]])
    """

    def __init__(
        self, *, backend: str = "auto", alpha: alphas.Alpha = "error", p: float = 1.0
    ) -> None:
        super().__init__(p=p)
        self.backend, _, alpha = Options(backend, None, alphas.check(alpha)).check()
        # JSON knows no numpy scalars
        self.alpha = alpha if isinstance(alpha, str) else tuple(np.asarray(alpha).tolist())

    def convert(self, array: Array, leading: int) -> Array:
        """Convert an array with :func:`graytorgb.to_rgb`."""
        alpha = cast(alphas.Alpha, self.alpha)
        return to_rgb(array, _layout(array, leading), backend=self.backend, alpha=alpha)


class ToGray(_ImageTransform):
    """Make one gray channel of RGB images: :func:`graytorgb.to_gray` in an ``A.Compose``.

    Gray images pass through, so that a folder of both kinds gives one channel. Boxes, masks,
    keypoints and labels stay as they are.

    Parameters
    ----------
    weights : {"luma", "equal", "any"}
        How three channels become one, as in :func:`graytorgb.to_gray`; under ``"any"`` an image
        whose channels differ is an error.
    p : float
        The probability that the transform is applied. A network needs 1.

    Raises
    ------
    OptionError
        On construction, for other `weights`.

    Notes
    -----
    Targets: image, images, volume, volumes. Any real dtype or bool; the dtype stays. The result has
    no channel axis, (H, W), and ``A.ToTensorV2()`` makes (1, H, W) of it. ``A.ToGray`` takes
    only uint8 and float32, and gives three channels by default. An alpha channel is an error: put
    ``ToRGB(alpha=...)`` in front.

    Examples
    --------
    >>> import numpy as np
    >>> from graytorgb.albumentations import ToGray
    >>> deep = np.full((60, 80, 3), 4095, np.uint16)
    >>> image = ToGray()(image=deep)["image"]
    >>> image.shape, image.max()
    ((60, 80), np.uint16(4095))
    """

    def __init__(self, weights: Weights = "luma", *, p: float = 1.0) -> None:
        super().__init__(p=p)
        self.weights = check_weights(weights)

    def convert(self, array: Array, leading: int) -> Array:
        """Convert an array with :func:`graytorgb.to_gray`."""
        return to_gray(array, _layout(array, leading), weights=self.weights)


class ToUint8(_ImageTransform):
    """Turn images of any depth into 8 bits: :func:`graytorgb.to_uint8` in an ``A.Compose``.

    Parameters
    ----------
    value_range : tuple or str, optional
        ``(lo, hi)``, ``"dtype"``, ``"minmax"`` or ``("percentile", p, q)``, as in
        :func:`graytorgb.to_uint8`; the last two look at each image of ``images`` on its own,
        and at a volume as a whole. By default the range is what is known: 0 to 255 for uint8 and
        0 to 1 for floats. A 16-bit image has to state it.
    p : float
        The probability that the transform is applied.

    Raises
    ------
    LevelsError
        On construction, for a range that can't work; on a call, for a range of more than 8 bits
        and 8-bit pixels, which ``cv2.imread(path)`` makes of a deep file.

    Notes
    -----
    Targets: image, images, volume, volumes. Put it first in a pipeline: many augmentations take
    only uint8 and float32, and ``A.Normalize`` divides by 255 whatever the depth is.

    Examples
    --------
    >>> import numpy as np
    >>> from graytorgb.albumentations import ToUint8
    >>> ToUint8((0, 4095))(image=np.array([[0, 2048, 4095]], np.uint16))["image"]
    array([[  0, 128, 255]], dtype=uint8)
    """

    calls: ClassVar[Mapping[str, str]] = {"value_range": "ToUint8((lo, hi))"}

    def __init__(self, value_range: ValueRange | None = None, *, p: float = 1.0) -> None:
        super().__init__(p=p)
        self.value_range = check_policy(value_range)

    def convert(self, array: Array, leading: int) -> Array:
        """Convert an array with :func:`graytorgb.to_uint8`."""
        return to_uint8(array, self.value_range)


class Prepare(_ImageTransform):
    """Scale, normalize and expand images: :func:`graytorgb.prepare` in an ``A.Compose``.

    This replaces ``[A.ToRGB(), A.Normalize(mean, std)]``. ``A.ToTensorV2()`` comes after it.

    Parameters
    ----------
    stats : str, object or (mean, std)
        How the network's images were normalized in training, as for :func:`graytorgb.prepare`:
        ``"imagenet"``, a timm model, or a pair for values from 0 to 1.
    value_range : tuple or str, optional
        As in :func:`graytorgb.prepare`; a 16-bit image has to state it. ``"minmax"`` and
        percentiles are those of each image of ``images``, and of a whole volume.
    p : float
        The probability that the transform is applied. A network needs 1.

    Raises
    ------
    LevelsError
        On construction, for statistics or a range that can't work; on a call, for the reason
        that :class:`ToUint8` gives.

    Notes
    -----
    Targets: image, images, volume, volumes. The result is float32, with its channel last.

    Examples
    --------
    >>> import numpy as np
    >>> from graytorgb.albumentations import Prepare
    >>> scan = np.full((28, 28), 4095, np.uint16)
    >>> image = Prepare("-1..1", value_range=(0, 4095))(image=scan)["image"]
    >>> image.shape, image.dtype, image.max()
    ((28, 28, 3), dtype('float32'), np.float32(1.0))
    """

    calls: ClassVar[Mapping[str, str]] = {"value_range": "Prepare(stats, value_range=(lo, hi))"}

    @stats_in_one
    def __init__(
        self, stats: Any, *, value_range: ValueRange | None = None, p: float = 1.0
    ) -> None:
        super().__init__(p=p)
        self.stats = find_stats(stats)
        self.value_range = check_policy(value_range)

    def convert(self, array: Array, leading: int) -> Array:
        """Convert an array with :func:`graytorgb.prepare`."""
        layout = _layout(array, leading)
        return prepare(array, self.stats, layout, value_range=self.value_range)
