"""``loader``: a DataLoader of prepared batches, with the settings that a benchmark showed best."""

import inspect
import multiprocessing
import os
from contextlib import suppress
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset, Sampler

from ...core.processor_count import count_processors
from ...core.stats import stats_in_one
from ...core.value_range import POLICIES, ValueRange
from ...errors import LevelsError, OptionError
from ...extras import require
from .image_folder import GrayImageFolder
from .seeds import SeededDataset, SeededSampler
from .skipping_loader import LeavesOutSkipped, SkippingLoader
from .transfer import PrepareOnArrival

# What `loader` sets itself, and what to write instead
_OWN = {
    "num_workers": "workers=",
    "generator": "seed=",
    "batch_sampler": "sampler= and batch_size=",
    "collate_fn": "torch.utils.data.DataLoader(dataset, batch_size, collate_fn=...)",
}
_OPTIONS = {*inspect.signature(DataLoader).parameters, "snapshot_every_n_steps"}
_NAMED = {"self", "dataset", "batch_size", "shuffle", "sampler", "drop_last"}
_OF_WORKERS = {"multiprocessing_context", "persistent_workers", "prefetch_factor", "timeout"}


@stats_in_one
def loader(
    dataset: Any,
    batch_size: int,
    stats: Any = None,
    *,
    channels: int = 3,
    shuffle: bool = False,
    workers: int | None = None,
    seed: int | None = None,
    drop_last: bool = False,
    sampler: Any = None,
    value_range: ValueRange | None = None,
    dtype: torch.dtype = torch.float32,
    resumable: bool = False,
    **options: Any,
) -> DataLoader[Any]:
    """Return torch's DataLoader of a data set, whose batches are ready for a network.

    Parameters
    ----------
    dataset : Dataset
        A :class:`GrayImageFolder`, or another data set with a length and indices whose samples
        :class:`graytorgb.transforms.PrepareBatch` takes, such as torchvision's ``ImageFolder`` or a
        ``Subset``.
    batch_size : int
    stats : str, object or (mean, std)
        How the network's images were normalized in training, as for :func:`graytorgb.prepare`. It
        is left away for one channel.
    channels : 3 or 1
        3 for a network that takes RGB, 1 for one that :func:`graytorgb.models.adapt` made.
    shuffle : bool
        Whether each epoch has another random order.
    workers : int, optional
        How many processes read files; 0 is this process alone. The default is one for each
        processor that this process may use (for its share of them under ``torchrun``), at most
        one for each batch; and 0 if that is one.
    seed : int, optional
        The seed of the order and of what the transforms draw, 0 or more. The same seed gives the
        same batches, and each epoch has its own. By default ``torch.manual_seed`` decides.
    drop_last : bool
        Whether the last batch is left away if it is smaller than the others.
    sampler : Sampler, optional
        What chooses the samples instead of `shuffle`, such as torch's ``DistributedSampler``, whose
        ``set_epoch`` is called for you.
    value_range, dtype
        The arguments of :class:`graytorgb.transforms.PrepareBatch`. A data set that keeps 16 bits
        may have the range itself.
    resumable : bool
        Whether the result is torchdata's ``StatefulDataLoader``, whose state can be saved and
        loaded in the middle of an epoch.
    **options
        More arguments of the DataLoader: ``multiprocessing_context``, ``prefetch_factor``,
        ``persistent_workers``, ``timeout``, ``pin_memory`` and so on.

    Returns
    -------
    torch.utils.data.DataLoader
        Its batches are what :class:`graytorgb.transforms.PrepareBatch` makes, (N, C, H, W) and the
        rest of the samples, in memory of CUDA's if that is present.

    Raises
    ------
    OptionError, LevelsError, DtypeError
        If an argument can't work.
    WorkerLost, RuntimeError
        While batches are read, if a worker was killed: the first if its batch was on the way, the
        second, which is torch's own, else.
    BackendUnavailable
        If `resumable` is asked for, and torchdata is missing.

    Warns
    -----
    UserWarning
        At the end of an epoch, if a data set with ``on_error="skip"`` skipped files. Batches of
        which every file was skipped are left out.

    Notes
    -----
    The batches are the same, bit for bit, for every number of workers: each sample has a seed of
    its own (:class:`SeededSampler`), and torch's generator, ``random`` and ``numpy.random`` have it
    while the sample is made.

    Workers are processes, which make two batches each in advance. Where they aren't forked, which
    takes long, they stay for all epochs (``persistent_workers``): then two iterators at once take
    each other's batches, and after a worker was killed you need a new loader. They send gray bytes,
    which become the prepared batch in the process that receives them. Threads were
    slower, although decoders free Python's lock: 8 processes made 3093 images a second, and 8
    threads 1956. That was measured with a stand-in for this function: torch's DataLoader, JPEGs of
    500x375 in memory and Pillow's decoder, on an idle machine of 16 processors.

    Where processes aren't forked, on Windows, macOS and from Python 3.14 on, a script with workers
    needs ``if __name__ == "__main__":``, as for every DataLoader.

    Examples
    --------
    >>> import numpy as np, PIL.Image, tempfile, pathlib
    >>> from graytorgb.datasets import GrayImageFolder, loader
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> for number, name in enumerate(("cats", "dogs")):
    ...     (root / name).mkdir()
    ...     PIL.Image.fromarray(np.full((40, 50), number, np.uint8)).save(root / name / "a.png")
    >>> for images, labels in loader(GrayImageFolder(root, 32), 2, "imagenet", workers=0):
    ...     print(images.shape, labels)
    torch.Size([2, 3, 32, 32]) tensor([0, 1])
    """
    _check_dataset(dataset, batch_size)
    _check_options(shuffle, workers, sampler, options)
    folders = _find_folders(dataset)
    if value_range is None:
        value_range = _find_range(folders)
    skips = [*dict.fromkeys(folder for folder in folders if folder.on_error == "skip")]
    collate = PrepareOnArrival(
        stats, channels=channels, value_range=value_range, dtype=dtype, leaves_out=bool(skips)
    )
    order = SeededSampler(dataset if sampler is None else sampler, shuffle=shuffle, seed=seed)
    if workers is None:
        workers = _choose_workers(order, batch_size, least=1 if _OF_WORKERS & {*options} else 0)
    settings = {
        "num_workers": workers,
        "persistent_workers": workers > 0
        and _starts_slowly(options.get("multiprocessing_context")),
        "pin_memory": torch.cuda.is_available(),
        "generator": _make_generator(seed),
    }
    kind: Any = SkippingLoader if skips else DataLoader
    if resumable:
        module = require(f"{__package__}.resumable_loader")
        kind = module.SkippingStatefulLoader if skips else module.StatefulDataLoader
    made: DataLoader[Any] = kind(
        dataset if isinstance(dataset, GrayImageFolder) else SeededDataset(dataset),
        batch_size,
        sampler=order,
        collate_fn=collate,
        drop_last=drop_last,
        **settings | options,
    )
    if isinstance(made, LeavesOutSkipped):
        made.folders = skips
    return made


def _check_dataset(dataset: Any, batch_size: Any) -> None:
    """Raise OptionError for a data set without indices, and for a batch size that is no size."""
    if isinstance(dataset, str | os.PathLike):
        raise OptionError(
            f"loader takes a data set, not a path: loader(GrayImageFolder({str(dataset)!r}, 224), "
            f"{batch_size!r}, ...)"
        )
    has_indices = hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")
    if isinstance(dataset, IterableDataset) or not has_indices:
        raise OptionError(
            f"loader takes a data set with a length and indices, and {type(dataset).__name__} "
            "doesn't have both: torch.utils.data.DataLoader(dataset, batch_size, "
            "collate_fn=PrepareBatch(stats))"
        )
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise OptionError(f"batch_size is a number of images, 1 or more, not {batch_size!r}")


def _check_options(shuffle: bool, workers: Any, sampler: Any, options: dict[str, Any]) -> None:
    """Raise OptionError for options that can't work, alone or together."""
    whole = isinstance(workers, int) and not isinstance(workers, bool)
    if workers is not None and not (whole and workers >= 0):
        raise OptionError(
            f"workers is a number of processes, 0 for this process alone, or None, not {workers!r}"
        )
    if sampler is not None and shuffle:
        raise OptionError(
            "a sampler has its own order: leave shuffle away, and shuffle in the sampler, "
            "DistributedSampler(dataset, shuffle=True)"
        )
    if sampler is not None and not isinstance(sampler, Sampler) and hasattr(sampler, "__getitem__"):
        raise OptionError(
            f"sampler is a torch.utils.data.Sampler, not {type(sampler).__name__}: to take some "
            "samples of a data set, loader(torch.utils.data.Subset(dataset, indices), ...)"
        )
    for name in options:
        if name in _OWN:
            raise OptionError(f"loader sets {name} itself: {_OWN[name]}")
        if name not in _OPTIONS:
            raise OptionError(
                f"neither loader nor torch's DataLoader has an option {name!r}; more options of "
                f"the DataLoader are {', '.join(sorted(_OPTIONS - {*_OWN, *_NAMED}))}"
            )


def _find_folders(dataset: Any) -> list[GrayImageFolder]:
    """Return the folders of images in a data set: itself, or in a Subset or a ConcatDataset."""
    if isinstance(dataset, GrayImageFolder):
        return [dataset]
    inside = [*getattr(dataset, "datasets", ())]
    if hasattr(dataset, "dataset"):
        inside.append(dataset.dataset)
    return [folder for each in inside for folder in _find_folders(each)]


def _find_range(folders: list[GrayImageFolder]) -> ValueRange | None:
    """Return the value range of folders that keep 16 bits, which tensors don't tell."""
    deep = [folder for folder in folders if folder.dtype == torch.uint16]
    ranges = {folder.value_range for folder in deep}
    if not deep:
        return None
    if len(ranges) > 1 or ranges == {None}:
        told = "" if ranges == {None} else f"; its folders state {', '.join(map(str, ranges))}"
        raise LevelsError(
            "the data set keeps 16 bits, which don't tell how deep they are: loader(..., "
            f"value_range=(0, 4095)) for 12 bits{told}. A range is {POLICIES}"
        )
    return ranges.pop()


def _choose_workers(sampler: SeededSampler, batch_size: int, least: int) -> int:
    """Return one worker for each processor that may be used, at most one for each batch.

    One alone has nothing to share, so there is none then; nor in a process that may not start
    others, such as another DataLoader's worker.
    """
    if multiprocessing.current_process().daemon:
        return 0
    shares = int(os.environ.get("LOCAL_WORLD_SIZE", 1))  # the processes that torchrun started here
    count = count_processors() // shares
    with suppress(TypeError):  # not every sampler has a length
        count = min(count, -(-len(sampler) // batch_size))
    return max(count if count > 1 else 0, least)


def _starts_slowly(context: Any) -> bool:
    """Return whether a new worker imports everything again, as all do that aren't forked."""
    if context is None:
        default = multiprocessing.get_all_start_methods()[0]
        return (multiprocessing.get_start_method(allow_none=True) or default) != "fork"
    return (context if isinstance(context, str) else context.get_start_method()) != "fork"


def _make_generator(seed: int | None) -> torch.Generator:
    """Return the generator that the DataLoader draws its workers' seeds from.

    It has one of its own, because the number of draws depends on the workers, and torch's default
    generator gives the seeds of the samples.
    """
    if seed is None:
        seed = int(torch.empty((), dtype=torch.int64).random_().item())
    return torch.Generator().manual_seed(seed % (1 << 63))
