"""Helpers for the rules for ONNX operators: read arguments, check channels, apply nodes."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from ..channel_map import ChannelMap, TraceError
from .edit import Edit
from .graph import get_attribute, get_title

Array = NDArray[Any]


def find_argument(edit: Edit, node: NodeProto, place: int, name: str) -> Array | None:
    """Return a constant argument of a node, or None if the node doesn't state it.

    Parameters
    ----------
    edit : Edit
    node : NodeProto
    place : int
        The index of the input that has the argument in new opsets.
    name : str
        The name of the attribute that has the argument in old opsets.

    Raises
    ------
    TraceError
        If the argument isn't constant.
    """
    if len(node.input) > place and node.input[place]:
        value = edit.graph.find_constant(node.input[place])
        if value is None:
            raise TraceError(f"goes into {describe(node)}, whose {name} is computed at each run")
        return value
    value = get_attribute(node, name)
    return None if value is None else np.asarray(value)


def require_argument(edit: Edit, node: NodeProto, place: int, name: str) -> Array:
    """Return a constant argument of a node; TraceError if the node doesn't state it."""
    value = find_argument(edit, node, place, name)
    if value is None:
        raise TraceError(f"goes into {describe(node)}, which has no {name}")
    return value


def describe(node: NodeProto) -> str:
    """Return the operator and the name of a node, for a message."""
    return f"{node.op_type} {get_title(node)!r}"


def apply_to_base(edit: Edit, node: NodeProto, image: ChannelMap, **changes: Any) -> ChannelMap:
    """Apply a node to the image's base, and return the new image.

    Parameters
    ----------
    edit : Edit
    node : NodeProto
    image : ChannelMap
    **changes
        Fields of the image that change, other than its base.
    """
    edit.keep_node(node, {0: image.base})
    return replace(image, base=node.output[0], **changes)


def check_plain(node: NodeProto, image: ChannelMap) -> None:
    """Check that the channels are equal, so that a function of the base gives them all."""
    if not image.is_plain:
        raise TraceError(
            f"goes into {describe(node)} as three different planes, which one plane can't stand for"
        )


def check_axis(node: NodeProto, image: ChannelMap) -> None:
    """Check that the channels are on axis 1, as a convolution requires."""
    if image.axis != 1:
        raise TraceError(
            f"goes into {describe(node)} with its channels on axis {image.axis}, not 1"
        )


def has_padding(node: NodeProto) -> bool:
    """Whether a convolution or a pooling pads with zeros."""
    is_same = get_attribute(node, "auto_pad", "NOTSET") in ("SAME_UPPER", "SAME_LOWER")
    return is_same or any(get_attribute(node, "pads", ()))
