"""The value range of arrays that aren't in numpy's memory: their library or a plan finds it."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import percentile as percentiles
from ..core import saturation
from ..core.layout import Layout
from ..core.value_range import (
    NEARLY_0_TO_1,
    Found,
    ValueRange,
    check_found,
    find_range,
    needs_values,
    refuse_outside,
    resolve_range,
)
from ..errors import LevelsError
from ..kinds import BlockKind, LibraryKind

Array = NDArray[Any]

_looked_at: set[Any] = set()  # ranges for which values were brought from another device


def resolve_range_by_library(
    library: LibraryKind, array: Any, value_range: Any
) -> tuple[Any, ValueRange | None]:
    """Find the range of an array by its policy, and check floats that have to be from 0 to 1.

    Returns
    -------
    array
        The array itself, or a black one where the policy finds no contrast.
    value_range : (lo, hi), "dtype" or None
    """
    name = library.get_dtype_name(array)
    value_range, has_contrast = resolve_range(name, value_range, lambda: library.read_values(array))
    if not has_contrast:
        array = library.make_black(array)
    elif "float" in name and value_range in (None, "dtype"):
        array = library.check_values(array, *NEARLY_0_TO_1, refuse_outside())
    return array, value_range


def warn_if_white_by_library(library: LibraryKind, array: Any, value_range: Any) -> None:
    """Warn, once for each range, if more than half of an array's values lie above its upper end.

    There is no warning in a graph or a trace, which has no values. Of values on another device
    only the first array for each range is looked at, because to look waits for the device.
    """
    if not saturation.is_stated(value_range):
        return
    values = library.read_host_values(array)
    if values is None and value_range not in _looked_at:
        values = library.read_values(array)
        if values is not None:
            _looked_at.add(value_range)
    if values is not None:
        saturation.warn_if_white(values, value_range)


def convert_blocks(
    kind: BlockKind,
    function: Callable[..., Any],
    array: Any,
    value_range: ValueRange | None,
    axes: Layout | None = None,
) -> Any:
    """Plan ``function(block, value_range)`` for each block of an array.

    A range that depends on the values is found by the plan too, for all blocks together.
    """
    if not needs_values(value_range) or array.size == 0 or array.dtype.kind == "b":
        stated = (0, 1) if needs_values(value_range) else value_range
        return kind.map_blocks(partial(function, value_range=stated), array, axes)
    if value_range == "minmax":
        ends = kind.reduce_blocks(array, _find_ends, _merge_ends, None)
        found = kind.delay_call(find_range, ends, value_range)
    else:
        found = _plan_percentiles(kind, array, value_range)
    return kind.map_blocks(function, array, axes, found)


def _find_ends(block: Array, state: None = None) -> Array:
    """Return the smallest and the largest value as an array; an empty one if there are none."""
    return np.stack([block.min(), block.max()]) if block.size else block.reshape(0)


def _merge_ends(parts: list[Array]) -> Array:
    return _find_ends(np.concatenate(parts))


def _plan_percentiles(kind: BlockKind, array: Any, value_range: Any) -> Any:
    """Plan the search for percentiles: each digit of them is one pass over all blocks."""
    if math.isnan(array.size):
        raise LevelsError(
            "percentiles need to know how many values there are: x.compute_chunk_sizes()"
        )
    found: Any = percentiles.begin_search(array.size, value_range[1:])
    for shift in percentiles.list_shifts(array.dtype):
        count = partial(percentiles.count_digits, shift=shift)
        counts = kind.reduce_blocks(array, count, percentiles.merge_counts, found)
        found = kind.delay_call(percentiles.narrow_ranks, found, counts)
    return kind.delay_call(_finish_search, found, array.dtype, array.size, value_range)


def _finish_search(found: Any, dtype: np.dtype[Any], size: int, value_range: Any) -> Found:
    lo, hi = percentiles.finish_search(found, dtype, size, value_range[1:])
    return check_found(lo, hi, value_range)
