"""The gray images of a proof: in the network's values, checked, and split into batches."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from .preprocessing import Preprocessing


def scale_to_network(
    units: Iterable[NDArray[np.float32]], preprocessing: Preprocessing, *, has_integers: bool
) -> list[NDArray[Any]]:
    """Return gray images from 0 to 1 in the values that an adapted network takes.

    Parameters
    ----------
    units : iterable of ndarray of float32
    preprocessing : Preprocessing
        What says the network's range.
    has_integers : bool
        Whether the network takes whole numbers: these are bytes then.
    """
    if has_integers:
        return [np.rint(255 * unit).astype(np.uint8) for unit in units]
    lo, hi = preprocessing.limits
    return [np.float32(lo) + np.float32(hi - lo) * unit for unit in units]


def split_into_batches(images: Any, size: int, *, has_range: bool) -> Iterator[NDArray[Any]]:
    """Yield batches (N, 1, ...) of images, as numpy arrays.

    Parameters
    ----------
    images : array, or sequence of arrays
        See :func:`graytorgb.models.verify`.
    size : int
        How many images a batch has, if all are of one size.
    has_range : bool
        Whether the network's range is known, so that integers can be given to it.

    Raises
    ------
    ModelError
        If they aren't gray images, or have values that aren't finite.
    """
    given = [_move_channel_first(_as_array(image)) for image in images]
    for image in given:
        if image.dtype.kind not in "biuf" or image.ndim < 2 or 0 in image.shape:
            raise ModelError(
                "images is an array (N, H, W) or a sequence of gray images (H, W), and one has "
                f"the shape {image.shape} and dtype {image.dtype}"
            )
        if image.dtype.kind != "f" and not has_range:
            raise ModelError(
                f"images are {image.dtype}, and the network takes values from 0 to 1: divide them, "
                "or say value_range= here and in adapt()"
            )
        if image.ndim > 2 and image.shape[0] != 1:
            raise ModelError(
                "images have one channel, (N, H, W), (N, 1, H, W) or (N, H, W, 1): one "
                f"of these has the shape {image.shape}"
            )
        if not np.isfinite(image).all():
            raise ModelError("images have values that aren't finite, and prove nothing")
    planes = [image if image.ndim > 2 else image[None] for image in given]
    one_size = len({image.shape for image in planes}) == 1
    step = size if one_size else 1
    for start in range(0, len(planes), step):
        yield np.stack(planes[start : start + step])


def _move_channel_first(image: NDArray[Any]) -> NDArray[Any]:
    """Return an image with its one channel in front, if it has an axis for it."""
    is_last = image.ndim > 2 and image.shape[-1] == 1 != image.shape[0]
    return np.moveaxis(image, -1, 0) if is_last else image


def _as_array(image: Any) -> NDArray[Any]:
    """Return an image as a numpy array."""
    try:
        return np.asarray(image)
    except (TypeError, RuntimeError) as error:  # what torch raises of tensors that NumPy can't hold
        raise ModelError(
            f"images are numpy arrays or CPU tensors ({error}): images.detach().float().cpu()"
        ) from error
