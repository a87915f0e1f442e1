"""``audit``: what is in a folder or an array of images, and what the usual loaders would lose."""

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import cast

from ..errors import WorkerLost
from .audits.analysis import Analysis, analyze_batch, make_failed
from .audits.result import Audit
from .audits.spool import Spool, make_row
from .audits.totals import Totals
from .execution.batches import Done, run_batches
from .sources.items import Item, Skipped, Source
from .sources.opening import Place, open_source


def audit(
    src: Place | Sequence[Place],
    *,
    quick: bool = False,
    workers: int | None = None,
    scheduler: str | None = None,
    layout: str | None = None,
) -> Audit:
    """Judge every file of a set of images: true depth, color, damage, and what loaders lose.

    Parameters
    ----------
    src : str, path or sequence of them
        A folder, of which the whole tree is read; a glob, ``"scans/**/*.png"``; a text file of
        paths; a .npy, .npz or Zarr array of images; tar shards, ``"train-*.tar"``; a TIFF of many
        pages; or a URL that fsspec opens, ``"s3://bucket/scans"``. Several are one set.
    quick : bool
        Whether to read only the headers: what only pixels tell is None in the records.
    workers : int, optional
        How many processes read files; by default as many as there are processors. With 1 this
        process reads them.
    scheduler : str, optional
        The address of a dask cluster that does the work, ``"tcp://host:8786"``.
    layout : str, optional
        The axes of an array of images where nothing tells them, such as ``"NHW"``.

    Returns
    -------
    Audit
        The findings and the value range of the whole set, and a record of each file.

    Raises
    ------
    ImageFileError, FileNotFoundError
        If there is nothing to read at `src`. A file in it that can't be read is no error: its
        record has the reason.
    BackendUnavailable
        If a library that `src`, the workers or the scheduler need isn't installed. A missing
        decoder of one format is the error of the records of that format.

    Notes
    -----
    Every regular file has a record or is in ``skipped``: one that an ending of its name or its
    first bytes call an image has a record, with the error if it can't be read.

    Nothing is estimated from a part of the set. Histograms of up to 16 bits are added up exactly,
    and ``value_range`` fits every file. The result doesn't depend on the number of workers.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from graytorgb.datasets import audit
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("a", "b"):
    ...     scan = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    ...     np.save(folder / f"{name}.npy", scan)
    >>> found = audit(folder, workers=1)
    >>> found.files, found.unreadable, found.value_range
    (2, 0, (0, 4095))
    >>> found.records[1]["copy_of"]
    'a.npy'
    >>> print(found.advice["code"])
    g2r.to_rgb(g2r.to_uint8(g2r.io.read(path, value_range=(0, 4095))))
    """
    source = open_source(src, layout=layout)
    return run_audit(source, list_sources(src), quick=quick, workers=workers, scheduler=scheduler)


def list_sources(src: Place | Sequence[Place]) -> list[str]:
    """Return the sources by their names, one or several."""
    several = [src] if isinstance(src, str | os.PathLike) else src
    return [os.fspath(each) for each in several]


def run_audit(
    source: Source,
    sources: Sequence[str],
    *,
    quick: bool = False,
    workers: int | None = None,
    scheduler: str | None = None,
    report: Callable[[int], None] = lambda files: None,
) -> Audit:
    """Audit an opened source; `report` is called with the number of files that were just done."""
    spool, totals = Spool(), Totals()
    analyze = partial(analyze_batch, quick=quick)
    try:
        images = _spool_skipped(source, spool)
        batches = run_batches(analyze, images, workers=workers, scheduler=scheduler)
        with closing(cast("Generator[Done[Item, Analysis]]", batches)):  # which ends the workers
            for done in batches:
                _add(done, spool, totals)
                report(len(done.items))
        spool.finish()
        return Audit(source.name, sources, spool, totals, quick=quick, is_array=source.is_array)
    except BaseException:
        spool.close()
        raise


def count_images(source: Source) -> int:
    """Return how many images a source has; a folder has to be walked for that."""
    if source.count is not None:
        return source.count
    return sum(isinstance(found, Item) for found in source.items())


def _spool_skipped(source: Source, spool: Spool) -> Iterator[Item]:
    """Yield the images of a source, and spool the other names."""
    for found in source.items():
        if isinstance(found, Skipped):
            spool.add([], [found])
        else:
            yield found


def _add(done: Done[Item, Analysis], spool: Spool, totals: Totals) -> None:
    """Add what a batch told; files of a batch that failed have the failure as their error."""
    if done.result is not None:
        rows, skipped, counted = done.result
        totals.merge(counted)
        spool.add((row._replace(position=row.position + done.start) for row in rows), skipped)
        return
    for place, item in enumerate(done.items, done.start):
        record = make_failed(item, cast(WorkerLost, done.error))
        totals.add(record)
        spool.add([make_row(place, item, record)], [])
