"""The arithmetic of ``to_gray`` with the operations of an array's own library."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import luma
from ..core.equal_channels import find_equal, refuse_color
from ..core.layout import Layout, take_plane
from ..core.luma import Weights
from ..errors import ChannelError
from ..kinds import LibraryKind


def make_gray_by_library(
    library: LibraryKind, array: Any, axes: Layout, channels: int, weights: Weights
) -> Any:
    """Return the gray values of an array, with the operations of its own library."""
    planes = [take_plane(array, axes, c, library.transpose) for c in range(channels)]
    gray = planes[0]
    if channels == 3 and weights == "any":
        _check_equal_by_library(library, array, axes, planes)
    elif channels == 3:
        gray = _weigh_by_library(library, planes, weights)
    if "C" in axes.target:
        gray = library.insert_axis(gray, axes.rgb_axis())
    return library.make_copy(gray)


def _weigh_by_library(library: LibraryKind, planes: Sequence[Any], weights: Weights) -> Any:
    """Return the weighted mean of three planes, with the operations of their own library."""
    name = library.get_dtype_name(planes[0])
    working = luma.find_working_dtype(name)
    planes = [library.cast(plane, working) for plane in planes]

    def multiply(x: Any, number: float) -> Any:
        # Compilers fuse a product and a sum, and round once. A choice between them prevents that.
        return library.select(x - x == 0, x * number, x)

    if "float" not in name:
        return library.cast(luma.weigh_integers(planes, name, weights), name)
    mean = luma.weigh_floats(planes, weights, multiply)
    whole = luma.add_weighed_floats(planes, weights, multiply)
    return library.cast(library.select(mean - mean == 0, mean, whole), name)


def _check_equal_by_library(
    library: LibraryKind, array: Any, axes: Layout, planes: Sequence[Any]
) -> None:
    """Raise ChannelError if three planes differ; in a graph, when it runs."""
    name = library.get_dtype_name(array)
    if not name.startswith("complex"):  # not every library compares each dtype
        planes = [library.cast(plane, luma.find_working_dtype(name)) for plane in planes]
    are_equal = library.cast(find_equal(*planes), "float32")
    try:
        library.check_values(are_equal, 1, 1, refuse_color(None, axes))
    except ChannelError:
        values = library.read_values(array)
        if values is None:
            raise
        planes = [take_plane(values, axes, c, np.transpose) for c in range(3)]
        raise refuse_color(planes, axes) from None
