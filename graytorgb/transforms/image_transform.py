"""``ImageTransform``: the base class of the transforms, which finds the images of a sample."""

from collections.abc import Mapping
from dataclasses import is_dataclass, replace
from typing import Any, ClassVar

import numpy as np
import PIL.Image
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from ..core.image_file import ImageFile
from ..core.layout import find_order, resolve
from ..core.wording import add_call
from ..errors import DtypeError, GrayToRGBError
from ..kinds import explain_source


def is_plain_tensor(value: Any) -> bool:
    """Return whether a value is a plain tensor, whose type doesn't tell what it holds."""
    return isinstance(value, torch.Tensor) and not isinstance(value, tv_tensors.TVTensor)


_CONTAINERS = (dict, list, tuple)
_IMAGES = (tv_tensors.Image, tv_tensors.Video, PIL.Image.Image, ImageFile)
_NEEDS_RULES = (tv_tensors.TVTensor, *_CONTAINERS)


def _is_alone(value: Any) -> bool:
    """Return whether a value is one image, and not a sample that v2 has to look through.

    That takes v2 long. It would also return unknown objects as they are: here an array is an
    image, and a str is an error.
    """
    return not isinstance(value, _NEEDS_RULES) or isinstance(value, _IMAGES)


_CALLS = {
    "alpha": 'ToRGB(alpha="drop") or ToRGB(alpha=(r, g, b)), first in the Compose',
    "layout": "a tensor, whose axes are known, torch.from_numpy(x) for (..., C, H, W) or "
    "torch.from_numpy(x)[:, None] for a batch of gray images",
}


class ImageTransform(v2.Transform):
    """Base class: convert the images and videos of a sample, and leave the rest as it is.

    torchvision's rule for plain tensors holds: if the sample has no PIL image, ``tv_tensors.Image``
    or ``Video``, its first plain tensor is the image. A file that :func:`graytorgb.io.read` gave is
    an image too. In a sample it becomes a ``tv_tensors.Image``, because an array could be a label
    there; on its own it becomes an array.
    """

    _transformed_types = (*_IMAGES, is_plain_tensor)
    calls: ClassVar[Mapping[str, str]] = {}  # the calls that state an argument, for messages

    def forward(self, *inputs: Any) -> Any:
        """Convert an image, or a sample of any nesting; several arguments are one sample."""
        if not inputs:
            raise DtypeError(f"{type(self).__name__} takes an image or a sample")
        if len(inputs) == 1 and _is_alone(inputs[0]):
            return self._convert(inputs[0])
        return super().forward(*inputs)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Convert one image or video of a sample."""
        if isinstance(inpt, ImageFile):
            file = put_channel_first(inpt)
            array = self._convert(file)
            if array.ndim < file.array.ndim:  # to_gray gives no channel axis
                array = array[..., None, :, :]
            return tv_tensors.Image(torch.from_numpy(copy_for_torch(array)))
        return self._convert(inpt)

    def convert(self, image: Any) -> Any:
        """Convert one image or video."""
        raise NotImplementedError

    def _convert(self, image: Any) -> Any:
        """Convert one image or video; an error that asks for a range names the call."""
        try:
            return self.convert(image)
        except GrayToRGBError as error:
            add_call(error, {**_CALLS, **self.calls})
            raise

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Raise DtypeError for a sample whose image torchvision wouldn't find."""
        if any(isinstance(value, _IMAGES) for value in flat_inputs):
            return
        for value in flat_inputs:
            if isinstance(value, torch.Tensor):
                return
            if isinstance(value, np.ndarray) and value.ndim >= 2:
                raise DtypeError(
                    "a numpy array in a sample could be an image or a label, and no PIL image, "
                    "video or tensor comes before this one: v2.ToImage() on the image first, or "
                    f"apply {type(self).__name__} to the array alone"
                )
            if isinstance(value, _CONTAINERS) or is_dataclass(value):
                raise DtypeError(
                    f"torchvision doesn't look into a {type(value).__name__}, so an image in it "
                    "would stay as it is: make it a plain dict, list or tuple"
                )
        told = explain_source(flat_inputs[0]) if flat_inputs else ""
        if told:
            raise DtypeError(f"expected an image first in a sample, {told}")


def put_channel_first(file: ImageFile) -> ImageFile:
    """Return a file whose array has its channel axis in front of H, as tensors have it.

    Raises
    ------
    LayoutError
        If nothing tells the axes of the array.
    """
    source = file.layout or resolve(None, file.array.shape).source
    leading = "".join(axis for axis in source if axis not in "HWC")
    array = file.array if "C" in source else file.array[..., None]
    array = array.transpose(find_order(source if "C" in source else f"{source}C", f"{leading}CHW"))
    return replace(file, array=array, layout=f"{leading}CHW")


def copy_for_torch(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Copy an array to memory that torch takes: writable, contiguous, in the native byte order."""
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="C")
