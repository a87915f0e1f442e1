"""What the rules for operators share: refusals, constant arguments, and moving the base."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from ..channel_map import ChannelMap
from .edit import Edit
from .graph import attribute, title

Array = NDArray[Any]


class Refused(Exception):
    """An operator can't be passed; the message follows "the image"."""


def find_constant(edit: Edit, node: NodeProto, place: int, name: str | None = None) -> Array | None:
    """Return an argument of a node, or None if it isn't given.

    It is an input in new opsets and an attribute in old ones.
    """
    if len(node.input) > place and node.input[place]:
        value = edit.graph.constant(node.input[place])
        if value is None:
            raise Refused(f"goes into {describe(node)}, whose {name} is computed at each run")
        return value
    value = attribute(node, name) if name else None
    return None if value is None else np.asarray(value)


def describe(node: NodeProto) -> str:
    """Return the operator and the name of a node, for a message."""
    return f"{node.op_type} {title(node)!r}"


def move_base(edit: Edit, node: NodeProto, image: ChannelMap, **changes: Any) -> None:
    """Keep the node, and let it do to the base what it did to the image."""
    edit.keep(node, {0: image.base})
    edit.made(node.output[0], replace(image, base=node.output[0], **changes))


def check_plain(node: NodeProto, image: ChannelMap) -> None:
    """Check that the planes are equal, so that a function of one is that of each."""
    if not image.is_plain:
        raise Refused(
            f"goes into {describe(node)} as three different planes, and what it does there isn't "
            "what it would do to one"
        )


def check_axis(node: NodeProto, image: ChannelMap) -> None:
    """Check that the channels are where a convolution has them."""
    if image.axis != 1:
        raise Refused(f"goes into {describe(node)} with its channels on axis {image.axis}, not 1")
