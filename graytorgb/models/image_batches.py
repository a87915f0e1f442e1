"""The images of a proof, as batches of one channel."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError


def batches_of(images: Any, size: int, *, stated_range: bool) -> Iterator[NDArray[Any]]:
    """Batches (N, 1, ...) of images, as numpy arrays."""
    given = [_channel_first(_array(image)) for image in images]
    for image in given:
        if image.dtype.kind not in "biuf" or image.ndim < 2 or 0 in image.shape:
            raise ModelError(
                "images is an array (N, H, W) or a sequence of gray images (H, W), and one has "
                f"the shape {image.shape} and dtype {image.dtype}"
            )
        if image.dtype.kind != "f" and not stated_range:
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


def _channel_first(image: NDArray[Any]) -> NDArray[Any]:
    """With its one channel in front, if it has an axis for it."""
    is_last = image.ndim > 2 and image.shape[-1] == 1 != image.shape[0]
    return np.moveaxis(image, -1, 0) if is_last else image


def _array(image: Any) -> NDArray[Any]:
    """An image as a numpy array."""
    try:
        return np.asarray(image)
    except (TypeError, RuntimeError) as error:  # what torch raises of tensors that NumPy can't hold
        raise ModelError(
            f"images are numpy arrays or CPU tensors ({error}): images.detach().float().cpu()"
        ) from error
