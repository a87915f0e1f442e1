"""The images of a data set and their classes, as torchvision's ``ImageFolder`` lists them."""

import os
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import DtypeError, GrayToRGBError, ImageFileError, NoImages, OptionError
from ...io.formats import HEAD, SUFFIXES, is_surely_image
from ..sources.items import ZARR_FILES, Item, Skipped, Source, find_class
from ..sources.opening import open_source

Place = str | os.PathLike[str]
Sample = tuple[str, int | None]
FolderId = tuple[int, int]  # a folder's device and inode


@dataclass
class Samples:
    """The images of a data set and their classes.

    Attributes
    ----------
    classes : list of str
        The names of the classes, sorted; empty without labels.
    class_to_idx : dict
        The index of each class.
    samples : list of (str, int or None)
        The path of each image, and the index of its class; None without labels.
    items : mapping of str to Item
        How the image at a path is read, where it isn't a file of its own.
    unlabeled : int
        How many images are left out because they are in no folder that is a class.
    ignored : int
        How many files are left out because they aren't images.
    """

    classes: list[str] = field(default_factory=list)
    class_to_idx: dict[str, int] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    items: Mapping[str, Item] = field(default_factory=dict)
    unlabeled: int = 0
    ignored: int = 0

    def find_source(self, path: str) -> str | Item:
        """Return what reads the image of this path."""
        return self.items.get(path, path)


def describe_root(root: Any) -> str:
    """Return a data set as Python code for messages: its path, or a short form of a list.

    >>> describe_root("scans"), describe_root(["a.png", "b.png", "c.png"])
    ("'scans'", "['a.png', ...]")
    """
    if isinstance(root, str | os.PathLike):
        return repr(os.fspath(root))
    if isinstance(root, list | tuple) and root and isinstance(root[0], str | os.PathLike):
        return f"[{os.fspath(root[0])!r}{', ...' if len(root) > 1 else ''}]"
    return "root"


def list_samples(
    root: Place | Sequence[Place],
    *,
    labels: str | None = "folders",
    allow_empty: bool = False,
    layout: str | None = None,
    call: str = "GrayImageFolder(root",
) -> Samples:
    """Return the images of a data set; the first folder of an image's path is its class.

    A file is an image if its name has the ending of a format that is read, or if its first bytes
    are those of no other kind of file; a name without an ending tells nothing about DICOM files.

    Parameters
    ----------
    root : str, path or sequence of them
        A local folder is listed as torchvision's ``ImageFolder`` does it, in the same order. All
        else that :func:`~graytorgb.datasets.sources.opening.open_source` opens has the order of
        the source.
    labels : {"folders", None}
        Whether images have classes. With None every image below `root` is taken.
    allow_empty : bool
        Whether a class may be without images.
    layout : str, optional
        The axes of an array of images where nothing tells them, such as ``"NHW"``.
    call : str
        How the caller's call begins, for messages: ``"GrayImageFolder('scans'"``.

    Raises
    ------
    NoImages
        If there are no images, no classes, or a class without images; a FileNotFoundError too.
    ImageFileError, OSError
        If the data set, or a folder in it, can't be read, so that images would be lost.
    OptionError, DtypeError
        If an option has a value that isn't allowed, or `root` is no path.
    """
    if labels is not None and not (isinstance(labels, str) and labels == "folders"):
        raise OptionError(
            'labels is "folders", whose first level are the classes, or None for images without '
            f"classes, not {labels!r}"
        )
    if isinstance(root, bytes) or not isinstance(root, str | os.PathLike | Sequence):
        raise DtypeError(
            "root is a folder of images, or what else graytorgb.datasets.audit takes: a glob, a "
            "list of paths, the path of an array of images or a URL; not "
            f"{reprlib.repr(root)}: an array in memory is saved first, np.save('images.npy', array)"
        )
    if not isinstance(root, str | os.PathLike):
        return _list_source(open_source(root, layout=layout), labels is not None, call)
    place = os.fsdecode(root)
    if "://" not in place:
        place = os.path.expanduser(place)  # noqa: PTH111 - Path would drop a leading "./"
        if _is_plain_folder(Path(place)):
            return _list_folder(place, labels is not None, allow_empty, call)
    return _list_source(open_source(place, layout=layout), labels is not None, call)


def _is_plain_folder(path: Path) -> bool:
    """Return whether a path is a folder of files, and not a Zarr store."""
    is_zarr = path.suffix.lower() == ".zarr" or any((path / name).is_file() for name in ZARR_FILES)
    return path.is_dir() and not is_zarr


def _list_folder(root: str, has_labels: bool, allow_empty: bool, call: str) -> Samples:
    """Return the images of a local folder."""
    found = Samples()
    if not has_labels:
        found.samples = [(path, None) for path in _list_images(root, found)]
        if not found.samples:
            hint = _suggest_shards(root, call)
            raise NoImages(f"{root}: there is no image in it, nor in the folders in it{hint}")
        return found
    with os.scandir(root) as entries:
        for entry in entries:
            if _is_folder(entry):
                found.classes.append(entry.name)
            elif _is_image(entry):
                found.unlabeled += 1
            else:
                found.ignored += 1
    found.classes.sort()
    if not found.classes:
        hint = "" if found.unlabeled else _suggest_shards(root, call)
        if hint:
            raise NoImages(f"{root}: there is no folder in it that is a class{hint}")
        raise _refuse_unlabeled(root, found.unlabeled, call)
    empty = []
    for index, name in enumerate(found.classes):
        before = len(found.samples)
        folder = os.path.join(root, name)  # noqa: PTH118 - many times faster than Path
        found.samples += [(path, index) for path in _list_images(folder, found)]
        if len(found.samples) == before:
            empty.append(name)
    if empty and not allow_empty:
        told = ", ".join(map(repr, empty[:5])) + (", ..." if len(empty) > 5 else "")
        raise NoImages(
            f"{root}: {len(empty):,} of the {len(found.classes):,} folders that are classes have "
            f"no image in them: {told}. Remove them, or {call}, allow_empty=True) for classes "
            "without images"
        )
    found.class_to_idx = {name: index for index, name in enumerate(found.classes)}
    return found


def _refuse_unlabeled(root: str, unlabeled: int, call: str) -> NoImages:
    """Return the error for a data set without classes."""
    images = f"{unlabeled:,} images, and none of them" if unlabeled else "nothing that"
    return NoImages(
        f"{root}: it has {images} is in a folder that is its class, as in "
        f"root/cats/1.png: {call}, labels=None) for images without classes"
    )


def _suggest_shards(root: str, call: str) -> str:
    """Return the end of a message about a folder that has no images, if there are tars in it."""
    with os.scandir(root) as entries:
        if not any(entry.name.endswith(".tar") for entry in entries):
            return ""
    shards = os.path.join(root, "*.tar")  # noqa: PTH118 - Path would drop a leading "./"
    verb = call.partition("(")[0]
    return f". It has tar shards, which are given by their own names: {verb}({shards!r}, ...)"


def _list_images(top: str, found: Samples) -> Iterator[str]:
    """Yield the paths of the images in a folder and in those in it, sorted as ImageFolder does.

    Links are followed, but not to a folder that they are in: ``ImageFolder`` goes round such a loop
    until the system refuses.
    """
    folders: list[tuple[str, list[str]]] = []
    todo: list[tuple[str, frozenset[FolderId]]] = [(top, frozenset())]
    while todo:
        folder, above = todo.pop()
        status = os.stat(folder)  # noqa: PTH116
        place = (status.st_dev, status.st_ino)
        if place in above:
            continue
        inside, names = above | {place}, []
        with os.scandir(folder) as entries:
            for entry in entries:
                if _is_folder(entry):
                    todo.append((entry.path, inside))
                elif _is_image(entry):
                    names.append(entry.name)
                else:
                    found.ignored += 1
        if names:
            names.sort()
            folders.append((folder, names))
    folders.sort()
    for folder, names in folders:
        start = os.path.join(folder, "")  # noqa: PTH118
        for name in names:
            yield start + name


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _is_image(entry: os.DirEntry[str]) -> bool:
    """Return whether a file is an image by its name or, without a name that tells, its content."""
    name = entry.name
    if name[name.rfind(".") :].lower() in SUFFIXES:
        return True
    try:
        if not entry.is_file():  # to open a pipe waits for another process
            return False
        with open(entry.path, "rb", buffering=0) as file:  # noqa: PTH123
            return is_surely_image(file.read(HEAD))
    except OSError:
        return False


def _list_source(source: Source, has_labels: bool, call: str) -> Samples:
    """Return the images of a data set that isn't a local folder, in its own order."""
    classes = source.classes if has_labels else None
    found, items = Samples(), {}
    labeled: list[tuple[str, Any]] = []
    for item in source.items():
        if isinstance(item, Skipped):
            if item.may_hide_images:
                raise ImageFileError(f"{item.path}: {item.reason}")
            found.ignored += 1
            continue
        if not _is_image_item(item):
            found.ignored += 1
            continue
        label = find_class(item.path) if classes is None else item.label
        if has_labels and label is None:
            found.unlabeled += 1
            continue
        if item.reader == "file" and item.index is None:
            path = item.location
        else:
            path = item.path
            while path in items:  # two shards may hold members of one name
                path = f"{item.location}::{path}"
            items[path] = item
        labeled.append((path, label))
    if not labeled:
        if found.unlabeled:
            raise _refuse_unlabeled(source.name, found.unlabeled, call)
        raise NoImages(f"{source.name}: there is no image in it")
    found.items = items
    if not has_labels:
        found.samples = [(path, None) for path, _ in labeled]
        return found
    is_named = classes is None
    found.classes = sorted({name for _, name in labeled}) if is_named else list(classes or ())
    found.class_to_idx = {name: index for index, name in enumerate(found.classes)}
    found.samples = [
        (path, found.class_to_idx[label] if is_named else label) for path, label in labeled
    ]
    return found


def _is_image_item(item: Item) -> bool:
    """Return whether an image of a source is one by its name or its content."""
    try:
        return item.is_named_image or is_surely_image(item.read_head())
    except (GrayToRGBError, OSError):
        return item.reader == "url"  # the server may have failed only now
