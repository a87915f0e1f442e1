"""dask arrays: plans of blocks, which the verbs convert when the blocks are computed.

Nothing is computed here, and a result has the blocks of its input.
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
from .numpy import KIND as NUMPY
from .numpy import check_dtype
from .protocols import BlockKind

Array = Any  # dask.array.Array

_MERGED = 16  # counts that are added up at a time


class DaskKind(BlockKind):
    """dask arrays; dask's other collections are refused, because to read them computes them."""

    why_not_shared = "a dask array's is only planned"
    numpy_call = "x.compute()"

    def get_dtype(self, name: str) -> np.dtype[Any]:
        return NUMPY.get_dtype(name)

    def get_array(self, image: Any) -> Array:
        """Return the array itself.

        Raises
        ------
        DtypeError
            For dask's other collections, for masked arrays and for dtypes that aren't numbers.
        """
        if not isinstance(image, da.Array):
            raise DtypeError(
                f"a dask {type(image).__name__} isn't an array: to_dask_array(lengths=True) of a "
                "frame, da.from_delayed(x, shape, dtype) of a delayed one"
            )
        if isinstance(image._meta, np.ma.MaskedArray):
            raise DtypeError(
                "a masked array's mask would be lost: da.ma.filled(x, value) first, or convert "
                "da.ma.getdata(x) and keep da.ma.getmaskarray(x)"
            )
        check_dtype(image.dtype)
        return image

    def get_shape(self, array: Array) -> tuple[int | None, ...]:
        """Return the shape, with None for a size that depends on values, as after ``x[mask]``."""
        return tuple(None if size != size else size for size in array.shape)

    def map_blocks(
        self,
        function: Callable[..., Any],
        array: Array,
        axes: Layout | None = None,
        limits: Any = None,
        channels: int = 3,
    ) -> Array:
        source, target = axes or [range(array.ndim)] * 2
        channel = axes.channel_axis() if axes else None
        if channel is not None:
            array = array.rechunk({channel: -1})
        meta = _try_function(function, array, channel, () if limits is None else ((0, 1),))
        more: tuple[Any, ...] = ()
        if limits is not None:
            array, more = _repeat_tasks(array, limits), (limits, None)
        return da.blockwise(
            function,
            target,
            array,
            source,
            *more,
            new_axes={"C": channels} if "C" in target and channel is None else None,
            adjust_chunks={"C": (channels,)} if "C" in target else None,
            dtype=meta.dtype,
            meta=meta,
            concatenate=True,
        )

    def delay_call(self, function: Callable[..., Any], *arguments: Any) -> Delayed:
        return delayed(function)(*arguments)

    def reduce_blocks(
        self, array: Array, count: Callable[..., Any], merge: Callable[..., Any], state: Any
    ) -> Delayed:
        """Plan a task for each block in one graph; ``delayed`` would make a graph for each."""
        dependencies = [array]
        if is_dask_collection(state):
            array = _repeat_tasks(array, state)
            dependencies, state = [array, state], TaskRef(state.key)
        name = f"reduce-{tokenize(array.name, count, merge, state)}"
        keys = list(core.flatten(array.__dask_keys__()))
        tasks = [Task((name, 0, i), count, TaskRef(key), state) for i, key in enumerate(keys)]
        last, level = tasks, 0
        while len(last) > _MERGED:
            level += 1
            groups = [last[i : i + _MERGED] for i in range(0, len(last), _MERGED)]
            last = [
                Task((name, level, i), merge, _gather_results(group))
                for i, group in enumerate(groups)
            ]
            tasks = tasks + last
        whole = {task.key: task for task in [*tasks, Task(name, merge, _gather_results(last))]}
        return Delayed(name, HighLevelGraph.from_collections(name, whole, dependencies))


KIND = DaskKind()


def _try_function(
    function: Callable[..., Any], array: Array, channel: int | None, more: Any
) -> Any:
    """Call a function on a block without values, so that a wrong dtype raises its error now."""
    sizes = [0] * array.ndim
    if channel is not None:
        sizes[channel] = array.shape[channel]
    try:
        return function(np.empty_like(array._meta, shape=sizes), *more)
    except GrayToRGBError as error:
        error.args = error.args[:-1]  # the line that describes this block
        raise


def _gather_results(tasks: list[Task]) -> List:
    return List(*(TaskRef(task.key) for task in tasks))


def _repeat_tasks(array: Array, after: Delayed) -> Array:
    """Return the array with new tasks, which begin when `after` has been computed.

    If two passes over an array shared its tasks, the first would keep every block for the second.
    ``dask.graph_manipulation.bind`` is meant for this, and loses tasks (dask issue 12127).
    """
    tasks = convert_legacy_graph(dict(array.__dask_graph__()))
    seed = tokenize(array.name, after.key)
    names = {key: clone_key(key, seed) for key in tasks}
    copies = {}
    for key, task in tasks.items():
        name = names[key]
        copy = task.substitute(names, key=name)
        if not copy.dependencies and not isinstance(copy, DataNode):
            copy = Task(name, _return_value, copy, TaskRef(after.key))
        copies[name] = copy
    name = clone_key(array.name, seed)
    graph = HighLevelGraph.from_collections(name, copies, dependencies=[after])
    return da.Array(graph, name, array.chunks, meta=array._meta)


def _return_value(value: Any, after: Any) -> Any:
    """Return `value`, once `after` has been computed too."""
    return value
