"""Preparation of gray images for a proof: scale them, check them, split them into batches."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.image_file import ImageFile
from ..errors import ModelError
from ..kinds import explain_source, is_pil
from .option_error import ModelOptionError
from .preprocessing import Preprocessing


def scale_to_network(
    images: Iterable[NDArray[np.float32]], preprocessing: Preprocessing, *, has_integers: bool
) -> list[NDArray[Any]]:
    """Return gray images in the values that an adapted network takes.

    Parameters
    ----------
    images : iterable of ndarray of float32
        Images from 0 to 1.
    preprocessing : Preprocessing
        The record of the adapted network, which states the range of its gray.
    has_integers : bool
        Whether the network takes whole numbers. The result is then uint8, from 0 to 255.
    """
    if has_integers:
        return [np.rint(255 * image).astype(np.uint8) for image in images]
    lo, hi = preprocessing.limits
    return [np.float32(lo) + np.float32(hi - lo) * image for image in images]


def split_into_batches(images: Any, size: int, *, has_range: bool) -> Iterator[NDArray[Any]]:
    """Yield batches (N, 1, ...) of images, as numpy arrays.

    Parameters
    ----------
    images : array, or sequence of arrays
        See :func:`graytorgb.models.verify`.
    size : int
        How many images a batch has if all images have the same size; otherwise it has one.
    has_range : bool
        Whether the network's range is known, so that images may be integers.

    Raises
    ------
    ModelError
        If something isn't a gray image, or has values that aren't finite.
    """
    _refuse_files(images)
    if not np.iterable(images):
        raise ModelOptionError(f"{_EXPECTED}, not {type(images).__name__} {images!r:.60}")
    images = list(images)
    for image in images:
        _refuse_files(image)
    arrays = [_move_channel_first(_to_array(image)) for image in images]
    if not arrays:
        raise ModelOptionError("images holds no images to compare the networks on")
    for image in arrays:
        if image.dtype.kind not in "biuf" or image.ndim < 2 or 0 in image.shape:
            raise ModelError(
                f"{_EXPECTED}, and one has the shape {image.shape} and dtype {image.dtype}"
            )
        if image.dtype.kind != "f" and not has_range:
            raise ModelError(
                f"images are {image.dtype}, and the network takes values from 0 to 1: divide them, "
                "or state value_range= here and in adapt()"
            )
        if image.ndim > 2 and image.shape[0] != 1:
            raise ModelError(
                "images have one channel, (N, H, W), (N, 1, H, W) or (N, H, W, 1): one "
                f"of these has the shape {image.shape}"
            )
        if not np.isfinite(image).all():
            raise ModelError("images have values that aren't finite, which prove nothing")
    arrays = [image if image.ndim > 2 else image[None] for image in arrays]
    step = size if len({image.shape for image in arrays}) == 1 else 1
    for start in range(0, len(arrays), step):
        yield np.stack(arrays[start : start + step])


_EXPECTED = "images is an array (N, H, W) or a sequence of gray images (H, W)"


def _refuse_files(image: Any) -> None:
    """Raise a ModelOptionError for a file, a path or None, with the call that reads and scales."""
    name = type(image).__name__
    is_file = isinstance(image, ImageFile)
    told = f"not {name}: this is a file" if is_file or is_pil(image) else explain_source(image)
    if told:
        raise ModelOptionError(
            f"{_EXPECTED}, {told}. make_transform(adapted)(file) makes the network's input of a "
            "path, of what g2r.io.read(path) gives or of a PIL image"
        )


def _move_channel_first(image: NDArray[Any]) -> NDArray[Any]:
    """Return an image with its channel axis first, if it has one of size 1."""
    is_last = image.ndim > 2 and image.shape[-1] == 1 != image.shape[0]
    return np.moveaxis(image, -1, 0) if is_last else image


def _to_array(image: Any) -> NDArray[Any]:
    """Return an image as a numpy array, or raise a ModelError for a tensor that can't be one."""
    try:
        return np.asarray(image)
    except (TypeError, RuntimeError) as error:  # torch raises these
        raise ModelError(
            f"images are numpy arrays or CPU tensors ({error}): images.detach().float().cpu()"
        ) from error
