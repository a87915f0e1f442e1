"""The parts that the rules for ONNX operators share: arguments, checks, and work on the base."""

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
        The index among the node's inputs, where new opsets have the argument.
    name : str
        The attribute's name, where old opsets have it.

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
    """Return an argument by :func:`find_argument`; TraceError if the node doesn't state it."""
    value = find_argument(edit, node, place, name)
    if value is None:
        raise TraceError(f"goes into {describe(node)}, which has no {name}")
    return value


def describe(node: NodeProto) -> str:
    """Return the operator and the name of a node, for a message."""
    return f"{node.op_type} {get_title(node)!r}"


def apply_to_base(edit: Edit, node: NodeProto, image: ChannelMap, **changes: Any) -> ChannelMap:
    """Keep a node, apply it to the image's base, and return the new image.

    Parameters
    ----------
    edit : Edit
    node : NodeProto
    image : ChannelMap
    **changes
        The fields of the image that change besides its base.
    """
    edit.keep_node(node, {0: image.base})
    return replace(image, base=node.output[0], **changes)


def check_plain(node: NodeProto, image: ChannelMap) -> None:
    """Check that the channels are equal, so that a function of one serves for each."""
    if not image.is_plain:
        raise TraceError(
            f"goes into {describe(node)} as three different planes, and what it does there isn't "
            "what it would do to one"
        )


def check_axis(node: NodeProto, image: ChannelMap) -> None:
    """Check that the channels are on the axis where a convolution has them."""
    if image.axis != 1:
        raise TraceError(
            f"goes into {describe(node)} with its channels on axis {image.axis}, not 1"
        )
