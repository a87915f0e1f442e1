"""Checks of an ``example=`` whose images are integers, such as bytes."""

from typing import Any

import torch
from torch import Tensor, nn

from ..option_error import ModelOptionError
from ..preprocessing import Preprocessing
from ..stem import make_collapse_error
from .calls import Call
from .example import find_epsilons, find_parameter
from .image_arguments import list_leaves
from .isolated_run import isolate_run
from .outputs import collect_outputs, describe_difference

_INTEGERS = (torch.uint8, torch.uint16, torch.uint32, torch.int8, torch.int16, torch.int32,
    torch.int64)  # fmt: skip


def check_range_of_integers(example: Any, preprocessing: Preprocessing) -> None:
    """Check that the range of the gray is stated if the images of ``example=`` are integers.

    Without a range, the adapted network takes gray from 0 to 1, and no bytes.

    Raises
    ------
    ModelOptionError
        If the range isn't stated.
    """
    dtype = _find_integer_dtype(example)
    if preprocessing.has_range or dtype is None:
        return
    raise ModelOptionError(
        f"the images of example= are integers ({dtype}), and without a range the adapted "
        "network takes gray from 0 to 1, as floats: add value_range=(0, 255) if it is to take "
        "bytes, or pass example.float() / 255",
        remedies=("value_range", "example"),
    )


def check_same_for_integers(
    model: nn.Module, call: Call, preprocessing: Preprocessing, example: Any
) -> None:
    """Check that an adapted network takes integers as floats, if the images of `example` are such.

    A layer such as torchvision's ``ToDtype(scale=True)`` divides bytes by 255, and no floats.

    Raises
    ------
    ModelError
        If the network returns something else for floats of the same values.
    """
    dtype = _find_integer_dtype(example)
    if dtype is None or preprocessing.value_range is None:
        return
    like, outputs = find_parameter(model), []
    integers = [gray.round().to(dtype) for gray in call.make_gray(like, preprocessing)]
    for images in (integers, [image.to(like.dtype) for image in integers]):
        try:
            with isolate_run(model), torch.no_grad():
                outputs.append(collect_outputs(call.run(model, images)))
        except Exception:  # whatever a network raises that takes no integers
            return
    eps = max(find_epsilons(model)[1], torch.finfo(torch.float32).eps)  # planes of bytes
    if describe_difference(outputs[0], outputs[1], eps, is_lenient=True) is not None:
        raise make_collapse_error(
            "the network scales integers by their dtype, and floats of the same values otherwise. "
            "Leave value_range out, pass example.float() / 255, and give the adapted network "
            "floats from 0 to 1"
        )


def _find_integer_dtype(example: Any) -> torch.dtype | None:
    """Return the dtype of an example's images if they are integers.

    In a call, bytes are the images if no tensor of floats can be; other integers never are.
    """
    if isinstance(example, Tensor):
        return example.dtype if example.dtype in _INTEGERS else None
    dtypes = [leaf.dtype for _, leaf in list_leaves(example)
        if isinstance(leaf, Tensor) and leaf.ndim >= 3]  # fmt: skip
    has_floats = any(dtype.is_floating_point for dtype in dtypes)
    return torch.uint8 if torch.uint8 in dtypes and not has_floats else None
