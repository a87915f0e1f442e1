"""Labeled photos: those that a Python package contains, or a folder."""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from functools import cache
from importlib.metadata import files
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from graytorgb.kinds.pil import is_deep

UNKNOWN = -1
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}


class Photos(NamedTuple):
    """Files of photos and the class number of each, which is `UNKNOWN` for photos without a label.

    `folders` is the number of classes if each folder is a class, and None if the classes are those
    of ImageNet.
    """

    name: str
    paths: list[Path]
    labels: NDArray[np.int64]
    folders: int | None = None

    def check(self, classes: int) -> None:
        """Raise UsageError if the labels can't be those of a network with this many classes."""
        if self.folders not in (None, classes):
            raise click.UsageError(
                f"{self.name} has {self.folders} folders, and the network {classes} classes, so "
                "the position of a folder isn't its class: --labels classes if a folder's name "
                "is an ImageNet class, --labels names if a photo's name ends in its class"
            )
        if self.labels.max() >= classes:
            raise click.UsageError(
                f"a label is {self.labels.max()}, and the network's classes go from 0 to "
                f"{classes - 1}"
            )


class Batch(NamedTuple):
    """A batch of bytes: color (N, S, S, 3) and its gray (N, S, S); and the labels (N,)."""

    color: NDArray[np.uint8]
    gray: NDArray[np.uint8]
    labels: NDArray[np.int64]


def packaged() -> Photos:
    """Return the 20 ImageNet photos that the package foolbox contains."""
    found = sorted(Path(str(f.locate())) for f in files("foolbox") or () if f.suffix == ".jpg")
    return Photos("20 ImageNet photos of foolbox", found, _of_names(found))


def of_folder(folder: Path, labels: str, exclude: Iterable[str] = ()) -> Photos:
    """Return the photos in a folder and its subfolders.

    Parameters
    ----------
    folder : Path
    labels : {"folders", "classes", "names", "captions"}
        Where the class of a photo is. ``"folders"``: it is the position of the photo's folder
        among the sorted folders, as in torchvision's ``ImageFolder``; a photo in no folder has no
        label. ``"classes"``: the folder's name is an ImageNet class. ``"names"``: the file's name
        ends in the number, as ``photo_243.jpg``. ``"captions"``: the first line of a .txt file
        beside the photo names it, as ``A zebra.``
    exclude : iterable of str
        Patterns for the names of files and folders to leave out.
    """
    paths = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in _SUFFIXES
        and not any(
            fnmatch(part, pattern) for part in path.relative_to(folder).parts for pattern in exclude
        )
    ]
    if not paths:
        raise click.UsageError(f"there are no photos in {folder}")
    if labels == "folders":
        return Photos(folder.name, paths, *_of_folders(paths, folder))
    read = {"classes": _of_classes, "names": _of_names, "captions": _of_captions}
    return Photos(folder.name, paths, read[labels](paths))


def batches(photos: Photos, side: int, crop: float, size: int) -> Iterator[Batch]:
    """Yield the photos in batches of `size`, as squares of `side` pixels.

    A square shows the middle of a photo, `crop` of its shorter side. A picture with transparent
    pixels is shown whole, on a white square. Gray is Pillow's, 0.299 R + 0.587 G + 0.114 B.
    """
    for start in range(0, len(photos.paths), size):
        images = [_square(path, side, crop) for path in photos.paths[start : start + size]]
        yield Batch(
            np.stack([np.asarray(image) for image in images]),
            np.stack([np.asarray(image.convert("L")) for image in images]),
            photos.labels[start : start + size],
        )


def _square(path: Path, side: int, crop: float) -> Image.Image:
    try:
        with Image.open(path) as opened:
            if is_deep(opened):  # Pillow would clip it at 255
                raise click.UsageError(
                    f"{path} has more than 8 bits a value, mode {opened.mode}: "
                    "graytorgb.to_uint8(image, (lo, hi)) makes 8 bits of them"
                )
            image = opened.convert("RGBA")
    except OSError as error:
        raise click.UsageError(f"{path} can't be read: {error}") from error
    if image.getextrema()[3][0] < 255:
        longest = max(image.size)
        white = Image.new("RGBA", (longest, longest), "white")
        white.alpha_composite(image, tuple((longest - n) // 2 for n in image.size))
        image, crop = white, 1
    cut = min(image.size) * crop
    left, top = ((n - cut) / 2 for n in image.size)
    box = (left, top, left + cut, top + cut)
    return image.convert("RGB").resize((side, side), Image.Resampling.BICUBIC, box)


def _of_folders(paths: list[Path], root: Path) -> tuple[NDArray[np.int64], int | None]:
    """Return the labels and the number of folders, or None if there are no folders."""
    places = [path.relative_to(root).parts[:-1][:1] for path in paths]
    names = sorted({place for place in places if place})
    labels = [names.index(place) if place else UNKNOWN for place in places]
    return np.array(labels, np.int64), len(names) or None


def _of_names(paths: list[Path]) -> NDArray[np.int64]:
    endings = [path.stem.rpartition("_")[2] for path in paths]
    for path, ending in zip(paths, endings, strict=True):
        if not ending.isdecimal():
            raise click.UsageError(f"{path} doesn't end in a class, like photo_243.jpg")
    return np.array(endings, np.int64)


def _of_classes(paths: list[Path]) -> NDArray[np.int64]:
    names = [path.parent.name for path in paths]
    unknown = sorted({name for name in names if _imagenet(name) == UNKNOWN})
    if unknown:
        raise click.UsageError(f"not classes of ImageNet: {', '.join(unknown[:5])}")
    return np.array([_imagenet(name) for name in names])


def _of_captions(paths: list[Path]) -> NDArray[np.int64]:
    captions = [_caption(path.with_suffix(".txt")) for path in paths]
    return np.array([_imagenet(caption) for caption in captions])


def _caption(path: Path) -> str:
    if not path.exists():
        return ""
    words = path.read_text(encoding="utf-8").partition("\n")[0].strip(" .!").lower().split()
    return " ".join(words[1:] if words[:1] and words[0] in ("a", "an", "the", "some") else words)


def _imagenet(name: str) -> int:
    """Return the one class with this number, WordNet identifier or name, or `UNKNOWN`."""
    if name.isdecimal() and int(name) < 1000:
        return int(name)
    found = _imagenet_names().get(name.lower().replace("_", " "), set())
    return found.copy().pop() if len(found) == 1 else UNKNOWN


@cache
def _imagenet_names() -> dict[str, set[int]]:
    from timm.data import ImageNetInfo

    info, names = ImageNetInfo(), {}
    for number in range(1000):
        synonyms = info.index_to_description(number).split(",")
        for name in [info.index_to_label_name(number), *synonyms]:
            names.setdefault(name.strip().lower(), set()).add(number)
    return names


def option_photos(command: Any) -> Any:
    """Add the options that choose photos to a command of click."""
    for option in (
        click.option("--exclude", multiple=True, help="Leave out files and folders that match."),
        click.option(
            "--labels",
            type=click.Choice(["folders", "classes", "names", "captions"]),
            default="folders",
            show_default=True,
            help="Where the class of a photo is.",
        ),
        click.option(
            "--photos",
            type=click.Path(exists=True, file_okay=False, path_type=Path),
            show_default="the 20 of foolbox",
            help="A folder of photos.",
        ),
    ):
        command = option(command)
    return command


def chosen(folder: Path | None, labels: str, exclude: Iterable[str]) -> Photos:
    """Return the photos that the options of `option_photos` choose."""
    if folder is not None:
        return of_folder(folder, labels, exclude)
    if labels != "folders" or exclude:
        raise click.UsageError("--labels and --exclude need a folder: --photos FOLDER")
    return packaged()
