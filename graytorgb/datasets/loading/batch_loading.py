"""Batches of gray planes: threads read the images, straight into the array of their batch."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import LayoutError, OptionError
from ..pixels.crops import Draw, View
from ..pixels.fits import FitView
from .planes import Place, PlaneOptions, is_fault_of_file, load_plane

Array = NDArray[Any]

_AHEAD = 2  # batches that are read while the caller works on one
_LONGEST_TASK = 8  # images that one thread reads before another one may go on with the batch


@dataclass(frozen=True)
class PlaneLoader:
    """How each image of a data set becomes a plane of a batch. It can be pickled.

    Attributes
    ----------
    sources : sequence of str or Item
        The images, by their place in the data set.
    options : PlaneOptions
        How a file becomes one plane.
    view : CenterView, RandomView, FitView or None
        The part of an image that is taken. With None, the images of a batch have one size.
    skips_bad_files : bool
        Whether a file that can't be read is left out of its batch.
    """

    sources: Sequence[Place]
    options: PlaneOptions
    view: View | FitView | None
    skips_bad_files: bool

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the planes."""
        return np.dtype(np.uint16 if self.options.keeps_depth else np.uint8)


class Batch:
    """A batch that is being read; several threads may each read some of its images.

    Parameters
    ----------
    loader : PlaneLoader
    indices : ndarray of int, shape (N,)
        The images, by their place in ``loader.sources``.
    make_draw : callable, optional
        Returns the random numbers of the image in a row of the batch.
    """

    def __init__(
        self,
        loader: PlaneLoader,
        indices: NDArray[np.int64],
        make_draw: Callable[[int], Draw] | None = None,
    ) -> None:
        self.indices = indices
        self.errors: dict[int, Exception] = {}  # by the row whose image was left out
        self._loader = loader
        self._make_draw = make_draw
        self._lock = threading.Lock()
        self._images: Array | None = None
        if loader.view is not None:
            self._images = np.empty((len(indices), *loader.view.size), loader.dtype)

    def read_rows(self, rows: range) -> None:
        """Read the images of some rows.

        Raises
        ------
        Exception
            As :func:`~.planes.load_plane` raises it, for the first image that can't be read;
            LayoutError for images of several sizes without a view.
        """
        loader = self._loader
        for row in rows:
            draw = None if self._make_draw is None else self._make_draw(row)
            try:
                source = loader.sources[self.indices[row]]
                plane = load_plane(source, loader.options, loader.view, draw)
            except Exception as error:
                if not (loader.skips_bad_files and is_fault_of_file(error)):
                    raise
                self.errors[row] = error
                continue
            self._write(row, plane)

    def _write(self, row: int, plane: Array) -> None:
        """Write the plane of a row: in the center and black around it, if it is smaller."""
        with self._lock:
            if self._images is None:
                self._images = np.empty((len(self.indices), *plane.shape), plane.dtype)
        place = self._images[row]
        if plane.shape == place.shape:
            place[:] = plane
            return
        if self._loader.view is None:
            source = self._loader.sources[self.indices[row]]
            raise LayoutError(
                f"{getattr(source, 'path', source)}: its size {plane.shape} differs from "
                f"{place.shape} of others in the batch: {self._loader.options.call}, size=224) "
                "gives all one size, and a batch of 1 takes any"
            )
        top, left = ((place.shape[axis] - plane.shape[axis]) // 2 for axis in (0, 1))
        place[:] = 0
        place[top : top + plane.shape[0], left : left + plane.shape[1]] = plane

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Whether the image of each row was read, shape (N,)."""
        kept = np.ones(len(self.indices), bool)
        kept[list(self.errors)] = False
        return kept

    def get_images(self) -> Array:
        """Return the images that were read, shape (M, H, W), once all rows were."""
        if self._images is None:
            return np.empty((0, 0, 0), self._loader.dtype)
        return self._images[self.kept] if self.errors else self._images


def read_ahead(batches: Iterable[Batch], workers: int) -> Iterator[Batch]:
    """Yield batches in their order, each once it is read; threads read the next two meanwhile.

    When the iteration ends, by an error or because the caller leaves it, no thread is left. Threads
    don't live on in a forked process, so it must not go on with an iteration of its parent.

    Parameters
    ----------
    batches : iterable of Batch
    workers : int
        How many threads read. With 0, the caller's own thread does.

    Raises
    ------
    Exception
        As :meth:`Batch.read_rows` raises it, for the first bad image in the order of the batches.
    OptionError
        In a forked process.
    """
    if not workers:
        for batch in batches:
            batch.read_rows(range(len(batch.indices)))
            yield batch
        return
    process = os.getpid()
    executor = ThreadPoolExecutor(workers, thread_name_prefix="graytorgb-batch")
    waiting: deque[tuple[Batch, list[Future[None]]]] = deque()
    remaining = iter(batches)
    try:
        while True:
            for new in islice(remaining, _AHEAD + 1 - len(waiting)):
                tasks = _split(len(new.indices), workers)
                waiting.append((new, [executor.submit(new.read_rows, rows) for rows in tasks]))
            if not waiting:
                return
            batch, results = waiting.popleft()
            for result in results:
                result.result()
            yield batch
            if os.getpid() != process:
                raise OptionError(
                    "this process was forked in the middle of an iteration, whose threads stayed "
                    "behind: begin one of its own, iter(batches)"
                )
    finally:
        if os.getpid() == process:
            executor.shutdown(wait=True, cancel_futures=True)


def _split(count: int, workers: int) -> list[range]:
    """Return the rows of each task: two or more tasks for each thread, if the batch allows."""
    length = min(_LONGEST_TASK, max(1, count // (2 * workers)))
    return [range(first, min(first + length, count)) for first in range(0, count, length)]
