"""dask arrays: a plan, whose blocks the verbs convert when they are computed.

Nothing is computed here, and a result's blocks are those of its input.
"""

from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np
from dask import core, delayed, is_dask_collection
from dask._task_spec import DataNode, List, Task, TaskRef, convert_legacy_graph
from dask.base import clone_key, tokenize
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph

from ..core.layout import Layout
from ..errors import DtypeError, GrayToRGBError
from .numpy import check_dtype, dtype

__all__ = ["dtype"]  # the rest is found by name, as in every kind

Array = Any  # dask.array.Array

REACH = "blocks"
CHANNELS_FIRST = False
UNREACHED = "a dask array's is only planned"
TO_NUMPY = "x.compute()"

_MERGED = 16  # counts that are added up at a time


def unwrap(image: Array) -> Array:
    """The array itself, or DtypeError for dtypes that aren't numbers and for masks."""
    if isinstance(image._meta, np.ma.MaskedArray):
        raise DtypeError(
            "a masked array's mask would be lost: da.ma.filled(x, value) first, or convert "
            "da.ma.getdata(x) and keep da.ma.getmaskarray(x)"
        )
    check_dtype(image.dtype)
    return image


def axes(image: Array) -> str | None:
    """An array's type says nothing of its axes."""
    return None


def shape(array: Array) -> tuple[int | None, ...]:
    """Its sizes; None where they depend on values, as after ``x[mask]``."""
    return tuple(None if size != size else size for size in array.shape)


def lend(array: Array) -> None:
    return None


def map_blocks(
    function: Callable[..., Any], array: Array, axes: Layout | None = None, limits: Any = None
) -> Array:
    source, target = axes or [range(array.ndim)] * 2
    channel = axes.source.index("C") if axes and "C" in axes.source else None
    if channel is not None:
        array = array.rechunk({channel: -1})
    meta = _try(function, array, channel, () if limits is None else ((0, 1),))
    more: tuple[Any, ...] = ()
    if limits is not None:
        array, more = _anew(array, limits), (limits, None)
    return da.blockwise(
        function,
        target,
        array,
        source,
        *more,
        new_axes={"C": 3} if axes and channel is None else None,
        adjust_chunks={"C": (3,)} if axes else None,
        dtype=meta.dtype,
        meta=meta,
        concatenate=True,
    )


def _try(function: Callable[..., Any], array: Array, channel: int | None, more: Any) -> Any:
    """The result for a block without values; what the dtype alone makes an error is one now."""
    sizes = [0] * array.ndim
    if channel is not None:
        sizes[channel] = array.shape[channel]
    try:
        return function(np.empty_like(array._meta, shape=sizes), *more)
    except GrayToRGBError as error:
        error.args = error.args[:-1]  # the line that describes this block
        raise


def later(function: Callable[..., Any], *arguments: Any) -> Delayed:
    return delayed(function)(*arguments)


def fold(array: Array, count: Callable[..., Any], merge: Callable[..., Any], state: Any) -> Delayed:
    """See :class:`.protocols.Blocks`. A task for each block: ``delayed`` makes a graph for each."""
    dependencies = [array]
    if is_dask_collection(state):
        array = _anew(array, state)
        dependencies, state = [array, state], TaskRef(state.key)
    name = f"fold-{tokenize(array.name, count, merge, state)}"
    keys = list(core.flatten(array.__dask_keys__()))
    tasks = [Task((name, 0, i), count, TaskRef(key), state) for i, key in enumerate(keys)]
    last, level = tasks, 0
    while len(last) > _MERGED:
        level += 1
        groups = [last[i : i + _MERGED] for i in range(0, len(last), _MERGED)]
        last = [Task((name, level, i), merge, _results(group)) for i, group in enumerate(groups)]
        tasks = tasks + last
    whole = {task.key: task for task in [*tasks, Task(name, merge, _results(last))]}
    return Delayed(name, HighLevelGraph.from_collections(name, whole, dependencies))


def _results(tasks: list[Task]) -> List:
    return List(*(TaskRef(task.key) for task in tasks))


def _anew(array: Array, after: Delayed) -> Array:
    """The same array by tasks of its own, which begin when `after` is known.

    With the same tasks, one pass over an array would keep every block for the next one. It is
    what ``dask.graph_manipulation.bind`` is for, which loses tasks (dask issue 12127).
    """
    tasks = convert_legacy_graph(dict(array.__dask_graph__()))
    seed = tokenize(array.name, after.key)
    names = {key: clone_key(key, seed) for key in tasks}
    copies = {}
    for key, task in tasks.items():
        name = names[key]
        copy = task.substitute(names, key=name)
        if not copy.dependencies and not isinstance(copy, DataNode):
            copy = Task(name, _first_of, copy, TaskRef(after.key))
        copies[name] = copy
    name = clone_key(array.name, seed)
    graph = HighLevelGraph.from_collections(name, copies, dependencies=[after])
    return da.Array(graph, name, array.chunks, meta=array._meta)


def _first_of(value: Any, after: Any) -> Any:
    return value
