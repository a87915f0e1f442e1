"""``GrayBatches``: NumPy batches of gray images for JAX and for plain Python."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.alpha import Alpha
from ...core.processor_count import count_processors
from ...core.value_range import ValueRange
from ...core.wording import suggest
from ...errors import OptionError
from ..audits.result import Audit
from ..pixels.crops import Draw, NumpyDraw, RandomView, choose_view
from .bad_files import check_on_error, warn_of_skipped
from .batch_loading import Batch, PlaneLoader, read_ahead
from .planes import make_plane_options
from .samples import Place, Sample, describe_root, list_samples

Array = NDArray[Any]

_LAYOUTS = {"NHWC": (0, 1, 2, None), "NHW": (0, 1, 2), "NCHW": (0, None, 1, 2)}
_DTYPES = (np.dtype(np.uint8), np.dtype(np.uint16))


class GrayBatches:
    """Batches of gray images as NumPy arrays, read by threads while the caller works.

    Each iteration over it is an epoch. A file is read as one gray channel and stays one: expand it
    last, on the device. It needs neither torch nor TensorFlow.

    Parameters
    ----------
    root : str, path or sequence of them
        A folder of folders, each of which is a class, or what else
        :class:`~graytorgb.datasets.GrayImageFolder` takes.
    batch_size : int
        How many images a batch has. The last one of an epoch may have fewer.
    size : int, (height, width) or None
        The size of an image in the batch. With None images stay as they are, and all images of a
        batch must have one size.
    resize : int, optional
        For evaluation: the length of the shorter side before the center of `size` is taken, by
        default ``size / 0.875``.
    train : bool
        Whether a random part is taken and mirrored every other time, as torchvision's
        ``RandomResizedCrop`` and ``RandomHorizontalFlip`` do it.
    value_range : (lo, hi), "dtype", "minmax", ("percentile", p, q) or Audit, optional
        The values that become black and white. With None, files of 8 bits stay as they are, and
        deeper ones are an error.
    shuffle : bool
        Whether each epoch has another order.
    seed : int, optional
        The same seed gives the same batches, whatever `workers` is, and each epoch differs. By
        default each object draws a seed of its own, which `state_dict` returns.
    drop_last : bool
        Whether a last batch of fewer images is left out.
    workers : int, optional
        How many threads read; by default one for each processor. With 0 the caller's thread does.
    layout : {"NHWC", "NHW", "NCHW"}
        The axes of the images.
    dtype : {"uint8", "uint16"}
        ``"uint16"`` keeps all values of deep files.
    labels : {"folders", None}
        With None all images below `root` are taken, and batches are images alone.
    on_error : {"raise", "skip"}
        What happens to a file that can't be read. ``"skip"`` leaves it out, so that the batch is
        smaller, lists it in `skipped`, and warns once, at the end of the epoch, of how many there
        were. A batch without any image left is left out too.
    alpha : {"error", "drop"} or (r, g, b)
        What becomes of an alpha channel, as in :func:`graytorgb.to_rgb`.
    orientation : {"apply", "keep"}
        Whether images are turned upright, as their EXIF data ask for.
    allow_empty : bool
        Whether a class may be without images.

    Attributes
    ----------
    classes : list of str
        The names of the classes, sorted.
    class_to_idx : dict of {str: int}
        The index of each class.
    samples : list of (str, int)
        The path of each image and the index of its class; None without labels.
    targets : list of int
        The indices alone.
    skipped : list of str
        The paths of the images that were left out so far.

    Raises
    ------
    FileNotFoundError, ImageFileError
        If there is no `root`, no class, or a class without images, or a folder can't be read.
    OptionError, LevelsError, ChannelError
        If an option has a value that isn't allowed.

    Notes
    -----
    A batch is ``(images, labels)``: a writable uint8 or uint16 array of shape (N, H, W, 1) and
    an int64 array of shape (N,). No later batch reuses its memory. Two batches are read ahead.
    Iterating raises ImageFileError, LevelsError, ChannelError or LayoutError with the file's name
    if a file is damaged, too deep, has alpha, or holds several images.

    An iteration ends its threads when it ends, also by ``break`` or an exception. Between
    iterations there is none, so the object can be pickled, and a process that is forked or
    spawned, such as a worker of grain or of a DataLoader, can iterate over it. Each process then
    reads all batches. An iteration itself can't go on in a process that is forked from it.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from graytorgb.datasets import GrayBatches
    >>> root = Path(tempfile.mkdtemp())
    >>> for name in ("cats", "dogs"):
    ...     (root / name).mkdir()
    ...     np.save(root / name / "1.npy", np.arange(4096, dtype=np.uint16).reshape(64, 64))
    >>> batches = GrayBatches(root, 2, size=32, value_range=(0, 4095), shuffle=True, seed=0)
    >>> for images, labels in batches:
    ...     print(images.shape, images.dtype, sorted(labels))
    (2, 32, 32, 1) uint8 [np.int64(0), np.int64(1)]

    In JAX one channel goes to the device, a third of the bytes, and becomes three there::

        for images, labels in batches:
            inputs = g2r.prepare(jnp.asarray(images), "imagenet", "NHWC")
    """

    def __init__(
        self,
        root: Place | Sequence[Place],
        batch_size: int = 32,
        size: int | tuple[int, int] | None = 224,
        resize: int | None = None,
        train: bool = False,
        value_range: ValueRange | Audit | None = None,
        *,
        shuffle: bool = False,
        seed: int | None = None,
        drop_last: bool = False,
        workers: int | None = None,
        layout: str = "NHWC",
        dtype: str | np.dtype[Any] | type = "uint8",
        labels: str | None = "folders",
        on_error: str = "raise",
        alpha: Alpha = "error",
        orientation: str = "apply",
        allow_empty: bool = False,
    ) -> None:
        self.batch_size = _check_count("batch_size", batch_size, 1)
        self.workers = count_processors() if workers is None else _check_count("workers", workers)
        self.seed = _draw_seed() if seed is None else _check_count("seed", seed)
        self.shuffle, self.drop_last = bool(shuffle), bool(drop_last)
        if layout not in _LAYOUTS:
            near = suggest(layout, _LAYOUTS)
            raise OptionError(f"layout is one of {', '.join(_LAYOUTS)}, not {layout!r}{near}")
        self.layout, self.dtype = layout, _check_dtype(dtype)
        self.on_error = check_on_error(on_error)
        name = describe_root(root)
        call = f"GrayBatches({name}, {self.batch_size}"
        view = choose_view(size, resize, train)
        options = make_plane_options(
            value_range,
            keeps_depth=self.dtype == np.uint16,
            alpha=alpha,
            orientation=orientation,
            root=name,
            call=call,
            keeping='dtype="uint16"',
        )
        found = list_samples(root, labels=labels, allow_empty=allow_empty, call=call)
        self.classes, self.class_to_idx = found.classes, found.class_to_idx
        self.samples: list[Sample] = found.samples
        self.targets = [target for _, target in self.samples]
        self._labels = None if labels is None else np.array(self.targets, np.int64)
        sources = [found.find_source(path) for path, _ in self.samples]
        self._loader = PlaneLoader(sources, options, view, self.on_error == "skip")
        self._skipped: set[int] = set()
        self._progress = _Progress()

    @property
    def skipped(self) -> list[str]:
        """The paths of the images that were left out so far, in the order of `samples`."""
        return [self.samples[place][0] for place in sorted(self._skipped)]

    def __len__(self) -> int:
        full, rest = divmod(len(self.samples), self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Any]:
        progress = self._progress = self._progress.begin(len(self))
        return self._run(progress)

    def state_dict(self) -> dict[str, Any]:
        """Return where the last iteration is: after the batch that it yielded last.

        Returns
        -------
        dict of str, int and bool
            JSON can hold it.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> root = pathlib.Path(tempfile.mkdtemp())
        >>> np.save(root / "stack.npy", np.zeros((6, 8, 8), np.uint8))
        >>> batches = GrayBatches(root / "stack.npy", 2, size=8, labels=None)
        >>> images = next(iter(batches))
        >>> state = batches.state_dict()
        >>> resumed = GrayBatches(root / "stack.npy", 2, size=8, labels=None)
        >>> resumed.load_state_dict(state)
        >>> len(list(resumed)), len(list(resumed))
        (2, 3)
        """
        return {
            "epoch": self._progress.epoch,
            "position": self._progress.position,
            "seed": self.seed,
            **self._describe_order(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next iteration go on where another one was, with the very batches still to come.

        Parameters
        ----------
        state : mapping
            What `state_dict` returned, of an object of the same images and options.

        Raises
        ------
        OptionError
            If it is none, or of other images or options.
        """
        own = self._describe_order()
        different = [name for name in own if state.get(name) != own[name]]
        if different:
            told = ", ".join(f"{name} {state.get(name)!r}, not {own[name]!r}" for name in different)
            raise OptionError(
                f"the state is of batches in another order: {told}. It goes with a GrayBatches of "
                "the same images and options"
            )
        epoch, position = (_check_count(name, state.get(name)) for name in ("epoch", "position"))
        self.seed = _check_count("seed", state.get("seed"))
        self._progress = _Progress(epoch, position, is_loaded=True)

    def _describe_order(self) -> dict[str, Any]:
        """Return what the order of the batches depends on, besides the seed."""
        return {
            "images": len(self.samples),
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "drop_last": self.drop_last,
            "train": isinstance(self._loader.view, RandomView),
        }

    def _run(self, progress: "_Progress") -> Iterator[Any]:
        """Yield the batches of an epoch that are still to come."""
        names: list[str] = []  # of the images that are left out
        reason = ""
        for batch in read_ahead(self._plan(progress.epoch, progress.position), self.workers):
            progress.position += 1
            if batch.errors:
                reason = reason or f"The first: {batch.errors[min(batch.errors)]}"
                places = batch.indices[~batch.kept].tolist()
                names += [os.fsdecode(self.samples[place][0]) for place in places]
                self._skipped.update(places)
            if len(batch.errors) < len(batch.indices):
                yield self._finish(batch)
        warn_of_skipped(names, reason, progress.epoch)

    def _plan(self, epoch: int, start: int) -> Iterator[Batch]:
        """Yield the batches of an epoch, not read yet, from the batch number `start`."""
        order = np.arange(len(self.samples))
        if self.shuffle:
            _make_generator(self.seed, epoch).shuffle(order)
        is_random = isinstance(self._loader.view, RandomView)
        for number in range(start, len(self)):
            first = number * self.batch_size
            draw = partial(_make_draw, self.seed, epoch, first) if is_random else None
            yield Batch(self._loader, order[first : first + self.batch_size], draw)

    def _finish(self, batch: Batch) -> Any:
        """Return a batch as the caller gets it."""
        planes = batch.get_images()
        axes = _LAYOUTS[self.layout]
        images = planes[tuple(None if axis is None else slice(None) for axis in axes)]
        if self._labels is None:
            return images
        return images, self._labels[batch.indices[batch.kept]]


@dataclass
class _Progress:
    """Where an iteration is: its epoch, and how many batches of it were yielded."""

    epoch: int = 0
    position: int = 0
    is_loaded: bool = False
    is_begun: bool = False

    def begin(self, length: int) -> "_Progress":
        """Return the beginning of the next iteration: a loaded state, or an epoch of its own."""
        if self.is_loaded and self.position < length:
            return _Progress(self.epoch, self.position, is_begun=True)
        return _Progress(self.epoch + (self.is_begun or self.is_loaded), is_begun=True)


def _check_dtype(dtype: Any) -> np.dtype[Any]:
    """Return the dtype of the images, uint8 or uint16."""
    for known in _DTYPES:
        try:
            if dtype is not None and np.dtype(dtype) == known:
                return known
        except TypeError:
            break
    near = suggest(dtype, ("uint8", "uint16"))
    raise OptionError(f'dtype is "uint8" or "uint16", not {dtype!r}{near}')


def _check_count(name: str, value: Any, least: int = 0) -> int:
    """Return a whole number that is large enough."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < least:
        raise OptionError(f"{name} is a whole number, {least} or more, not {value!r}")
    return int(value)


def _draw_seed() -> int:
    """Return a seed from the system's entropy."""
    entropy = np.random.SeedSequence().entropy
    assert isinstance(entropy, int), "NumPy draws an integer of 128 bits"
    return entropy


def _make_generator(seed: int, *places: int) -> np.random.Generator:
    """Return the random numbers of an epoch, or of one place in it."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=places)))


def _make_draw(seed: int, epoch: int, first: int, row: int) -> Draw:
    """Return the random numbers of a row of the batch that begins at the place `first`."""
    return NumpyDraw(_make_generator(seed, epoch, first + row))
