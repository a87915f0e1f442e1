"""``GrayImageFolder``: a torch data set of gray images in folders that are their classes."""

import os
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, cast

import torch
from torch.utils.data import Dataset

from ...core.alpha import Alpha
from ...core.value_range import ValueRange
from ...errors import OptionError
from ..audits.result import Audit
from ..pixels.crops import RandomView, choose_view
from .bad_files import check_on_error
from .planes import is_fault_of_file, load_plane, make_plane_options
from .samples import Place, Sample, describe_root, list_samples
from .seeds import SeededIndex, seeded
from .skips import SkippedSamples

_DTYPES = (torch.uint8, torch.uint16)


class TorchDraw:
    """Random numbers of a torch generator, drawn and computed as torchvision does it.

    Parameters
    ----------
    generator : torch.Generator, optional
        By default torch's global one.
    """

    def __init__(self, generator: torch.Generator | None = None) -> None:
        self._generator = generator

    def uniform(self, low: float, high: float) -> float:
        """Return a number from `low` to `high`."""
        return torch.empty(1).uniform_(low, high, generator=self._generator).item()

    def log_uniform(self, low: float, high: float) -> float:
        """Return a number from `low` to `high` whose logarithm is uniform, in float32."""
        logs = _find_logs(low, high)
        return torch.exp(torch.empty(1).uniform_(*logs, generator=self._generator)).item()

    def integer(self, count: int) -> int:
        """Return an integer from 0 to ``count - 1``."""
        return cast(int, torch.randint(0, count, (1,), generator=self._generator).item())


@lru_cache(8)
def _find_logs(low: float, high: float) -> tuple[float, float]:
    """Return the logarithms of two numbers as torch computes them in float32."""
    ends: list[float] = torch.log(torch.tensor((low, high))).tolist()
    return ends[0], ends[1]


_DRAW = TorchDraw()


def _refuse_several(index: Any) -> None:
    """Raise OptionError for a slice or a list in place of the number of one image."""
    if isinstance(index, slice | tuple | list):
        raise OptionError(
            f"an index is the number of one image, not {index!s:.80}: "
            "torch.utils.data.Subset(dataset, range(10)) is a part of a data set"
        )


class GrayImageFolder(Dataset[Any]):
    """A torch data set of gray images in folders that are their classes.

    It takes the place of torchvision's ``ImageFolder``, with the same classes, order and
    attributes. A file is read as one gray channel and stays one: a third of the work for color
    files, and pixels of more than 8 bits aren't lost.

    Parameters
    ----------
    root : str, path or sequence of them
        A folder of folders, ``root/cats/indoor/1.png``, each of which is a class; or what else
        :func:`graytorgb.datasets.audit` takes: a glob, a text file of paths, an array of images or
        a URL. Every format of :func:`graytorgb.io.read` counts, in any mixture.
    size : int, (height, width) or None
        The size of a sample. None leaves images as they are.
    resize : int, optional
        For evaluation: the length of the shorter side before the center of `size` is taken;
        bilinear and antialiased, as torchvision and timm do it. By default it is
        ``size / 0.875``, 256 for 224; of a pair the larger one counts.
    train : bool
        Whether a random part is taken and mirrored every other time, with the parameters and the
        random numbers of ``v2.RandomResizedCrop(size)`` and ``v2.RandomHorizontalFlip()``.
    value_range : (lo, hi), "dtype", "minmax", ("percentile", p, q) or Audit, optional
        The values that become black and white. With None, files of 8 bits stay as they are, and
        deeper ones are an error, because they don't tell their true depth:
        ``graytorgb.datasets.audit(root)`` finds the range of the whole set, and can be passed
        itself. ``"minmax"`` and percentiles are those of each image, so that equal values become
        different grays in different images. A file of 8 bits under a range of more is an error.
    transform : callable, optional
        Called with the image, a (1, H, W) tensor, after all of this; such as a transform of
        ``torchvision.transforms.v2``.
    target_transform : callable, optional
        Called with the index of the class.
    on_error : {"raise", "skip"}
        What happens to a file that can't be read. ``"skip"`` makes its sample None, leaves it out
        of what a DataLoader asks for, and lists it in `skipped`. :func:`graytorgb.datasets.loader`
        warns once, at the end of an epoch, of how many there were. With a DataLoader of your own
        nobody knows that end, and each such file has a warning of its own, the first time.
    dtype : {torch.uint8, torch.uint16}
        With ``torch.uint16`` all values of deep files are kept, and `value_range` only states what
        is black and white. A file of 8 bits is an error then, unless a range within 0 to 255 is
        stated, because it would be dark beside the others.
    alpha : {"error", "drop"} or (r, g, b)
        What becomes of an alpha channel, as in :func:`graytorgb.to_rgb`.
    orientation : {"apply", "keep"}
        Whether images are turned upright, as their EXIF data ask for.
    labels : {"folders", None}
        With None, all images below `root` are taken, and samples are images alone.
    allow_empty : bool
        Whether a class may be without images.
    layout : str, optional
        The axes of an array of images where nothing tells them, such as ``"NHW"``.

    Attributes
    ----------
    classes : list of str
        The names of the classes, sorted.
    class_to_idx : dict of {str: int}
        The index of each class.
    samples : list of (str, int)
        The path of each image and the index of its class. Samples are read from this list: assign
        another one to take a part of the data set or to change labels.
    imgs, targets : list
        The same list, and the indices alone.
    skipped : list of str
        The paths of the files that were skipped, in worker processes too.
    root, transform, target_transform, on_error, dtype, value_range : object
        As they were given; of an audit its range.

    Raises
    ------
    FileNotFoundError
        If there is no `root`, no class, or a class without images.
    ImageFileError, OSError
        If `root` or a folder in it can't be read.
    OptionError, LevelsError, ChannelError
        If an option has a value that isn't allowed.

    Notes
    -----
    A sample is ``(image, index)``: a uint8 tensor of shape (1, H, W) and the index of its class.
    Reading it raises ImageFileError, LevelsError, ChannelError or LayoutError with the file's name
    if the file is damaged, too deep, has alpha, or holds several images.

    A sample differs by at most 1 level from ``Image.convert("L")`` followed by Pillow's resize and
    the crop; from a color JPEG, whose own luma is decoded, by at most 3. Only the crop is resized.
    Deep files are resized at their full depth before they become 8 bits.

    A file whose name has no known ending is opened once when the folder is listed, and counts if
    its first bytes are those of an image. Links are followed, but not round and round.

    A wrong or missing library, a wrong option and a transform that fails are errors under
    ``on_error="skip"`` too. A file that can be read later is no longer in `skipped`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from graytorgb.datasets import GrayImageFolder
    >>> root = Path(tempfile.mkdtemp())
    >>> for name in ("cats", "dogs"):
    ...     (root / name).mkdir()
    ...     np.save(root / name / "1.npy", np.arange(4096, dtype=np.uint16).reshape(64, 64))
    >>> dataset = GrayImageFolder(root, size=32, value_range=(0, 4095))
    >>> image, index = dataset[1]
    >>> image.shape, image.dtype, dataset.classes[index]
    (torch.Size([1, 32, 32]), torch.uint8, 'dogs')
    >>> batches = torch.utils.data.DataLoader(dataset, batch_size=2)
    >>> next(iter(batches))[0].shape
    torch.Size([2, 1, 32, 32])
    """

    def __init__(
        self,
        root: Place | Sequence[Place],
        size: int | tuple[int, int] | None = 224,
        resize: int | None = None,
        train: bool = False,
        value_range: ValueRange | Audit | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        on_error: str = "raise",
        *,
        dtype: torch.dtype = torch.uint8,
        alpha: Alpha = "error",
        orientation: str = "apply",
        labels: str | None = "folders",
        allow_empty: bool = False,
        layout: str | None = None,
    ) -> None:
        self.on_error = check_on_error(on_error)
        if dtype not in _DTYPES:
            raise OptionError(f"dtype is torch.uint8 or torch.uint16, not {dtype!r}")
        name = describe_root(root)
        call = f"GrayImageFolder({name}"
        self._view = choose_view(size, resize, train)
        self._options = make_plane_options(
            value_range,
            keeps_depth=dtype == torch.uint16,
            alpha=alpha,
            orientation=orientation,
            root=name,
            call=call,
        )
        found = list_samples(root, labels=labels, allow_empty=allow_empty, layout=layout, call=call)
        self.root, self.transform, self.target_transform = root, transform, target_transform
        self.dtype, self.labels = dtype, labels
        self.value_range = self._options.value_range
        self.classes, self.class_to_idx = found.classes, found.class_to_idx
        self._items, self._unlabeled, self._ignored = found.items, found.unlabeled, found.ignored
        self._skipped: SkippedSamples | None = None
        self.samples = found.samples

    @property
    def samples(self) -> list[Sample]:
        """The path of each image, and the index of its class; None without labels."""
        return self._samples

    @samples.setter
    def samples(self, samples: Sequence[Sample]) -> None:
        self._samples = samples if isinstance(samples, list) else list(samples)
        self.targets = [target for _, target in self._samples]
        self._skipped = SkippedSamples(len(self._samples)) if self.on_error == "skip" else None

    @property
    def imgs(self) -> list[Sample]:
        """The list `samples`, by torchvision's other name for it."""
        return self._samples

    @property
    def skipped(self) -> list[str]:
        """The paths of the files that were skipped so far, in worker processes too."""
        self._fit_marks()
        places = self._skipped.list_places() if self._skipped is not None else []
        return [os.fsdecode(self._samples[place][0]) for place in places]

    def _fit_marks(self) -> None:
        """Begin anew to note what is skipped, if the list of samples has become another one."""
        if self._skipped is not None and len(self._skipped) != len(self._samples):
            self._skipped = SkippedSamples(len(self._samples))

    def __len__(self) -> int:
        self._fit_marks()  # before a DataLoader starts its workers
        return len(self._samples)

    def __getitem__(self, index: int) -> Any:
        _refuse_several(index)
        calls_others = self.transform is not None or self.target_transform is not None
        if isinstance(index, SeededIndex) and not calls_others:  # threads may do it at once
            generator = torch.Generator().manual_seed(index.seed)
            return self._make_sample(index, TorchDraw(generator))
        with seeded(index):
            return self._make_sample(index, _DRAW)

    def _make_sample(self, index: int, draw: TorchDraw) -> Any:
        path, target = self._samples[index]
        source = self._items.get(path, path)
        try:
            plane = load_plane(source, self._options, self._view, draw)
        except Exception as error:
            if self._skipped is None or not is_fault_of_file(error):
                raise
            self._skip(index, path, error)
            return None
        if self._skipped is not None:
            self._skipped.discard(index)
        image: Any = torch.from_numpy(plane[None])
        if self.transform is not None:
            image = self.transform(image)
        if self.labels is None:
            return image
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Return the samples of a batch, as torch's DataLoader asks for it, without skipped ones.

        Parameters
        ----------
        indices : sequence of int
        """
        samples = [self[index] for index in indices]
        if self._skipped is None:
            return samples
        return [sample for sample in samples if sample is not None]

    def _skip(self, index: int, path: str, error: Exception) -> None:
        """Note a file that can't be read, and warn of it the first time if nobody else will."""
        self._fit_marks()
        assert self._skipped is not None, "files are skipped only if the user asked for it"
        if self._skipped.add(index) and not self._skipped.is_reported:
            told = " ".join(str(error).split())
            name = os.fsdecode(path)
            where = "" if name in told else f"{name}: "
            warnings.warn(f"skipped, {where}{told}", UserWarning, stacklevel=3)

    def __repr__(self) -> str:
        lines = [
            f"Dataset {type(self).__name__}",
            f"Number of datapoints: {len(self._samples)}",
            f"Root location: {self.root}",
            f"Samples: {self._describe_samples()}",
        ]
        if self.labels is not None:
            lines.append(f"Classes: {len(self.classes)}")
        if self.value_range is not None:
            lines.append(f"Value range: {self.value_range}")
        left = [
            f"{what}: {count:,}"
            for count, what in (
                (self._unlabeled, "images in no folder that is a class"),
                (self._ignored, "files that aren't images"),
            )
            if count
        ]
        if left:
            lines.append(f"Left out: {'; '.join(left)}")
        if self._skipped is not None:
            lines.append(f"Skipped so far: {len(self.skipped)}")
        for name in ("transform", "target_transform"):
            if getattr(self, name) is not None:
                lines.append(f"{name}: {getattr(self, name)!r}".replace("\n", "\n    "))
        return "\n    ".join(lines)

    def _describe_samples(self) -> str:
        """Return what a sample is, for people."""
        view, name = self._view, str(self.dtype).removeprefix("torch.")
        if view is None:
            return f"(1, H, W) {name}, whole images"
        shape = f"(1, {view.size[0]}, {view.size[1]}) {name}"
        if isinstance(view, RandomView):
            return f"{shape}, a random part, mirrored every other time"
        return f"{shape}, the center after resizing the shorter side to {view.resize}"
