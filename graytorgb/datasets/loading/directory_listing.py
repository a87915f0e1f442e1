"""The images of a directory in the order of Keras, with its labels, shuffling and split."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...core.wording import suggest
from ...errors import NoImages, OptionError
from ..sources.items import Item
from .samples import Samples, list_samples

CALL = "gray_dataset_from_directory"
Place = str | os.PathLike[str]


class Listing(NamedTuple):
    """Images and their labels.

    Attributes
    ----------
    paths : list of str
        The path of each image.
    sources : list of str or Item
        What reads it.
    labels : ndarray or None
        The label of each image, int32, or float32 if the caller gave such.
    class_names : list of str or None
        The names of the classes, in the order of their indices.
    """

    paths: list[str]
    sources: list[str | Item]
    labels: NDArray[Any] | None
    class_names: list[str] | None

    def take(self, places: Sequence[int] | range | NDArray[np.int64]) -> "Listing":
        """Return a part of the images, in the order of `places`."""
        labels = None if self.labels is None else self.labels[np.asarray(places, np.int64)]
        paths = [self.paths[place] for place in places]
        return Listing(paths, [self.sources[place] for place in places], labels, self.class_names)


def check_color_mode(color_mode: Any) -> None:
    """Raise OptionError for a mode of Keras's function that isn't gray."""
    if color_mode != "grayscale":
        raise OptionError(
            f'color_mode is "grayscale", not {color_mode!r}: the images have one channel, and '
            'graytorgb.layers.Prepare("imagenet") makes three of it in the network'
        )


def check_labels(labels: Any, label_mode: Any, class_names: Any) -> None:
    """Raise OptionError unless the three arguments are what Keras takes, and fit one another."""
    if label_mode not in ("int", "categorical", "binary", None):
        raise OptionError(
            f'label_mode is "int", "categorical", "binary" or None, not {label_mode!r}'
            + suggest(label_mode, ("int", "categorical", "binary"))
        )
    if isinstance(labels, str | bytes) or not isinstance(labels, Sequence | np.ndarray | None):
        if not (isinstance(labels, str) and labels == "inferred"):
            raise OptionError(
                'labels is "inferred", whose classes are the folders, a list of numbers, one for '
                f"each image in the order of their paths, or None, not {labels!r}"
            )
        labels = "inferred"
    is_inferred = isinstance(labels, str) and label_mode is not None
    if class_names is not None and not is_inferred:
        raise OptionError(
            f'class_names={class_names!r} goes with labels="inferred" and a label_mode, because it '
            "names the folders and gives their order; leave it away"
        )


def check_split(validation_split: Any, subset: Any, shuffle: bool, seed: int | None) -> None:
    """Raise OptionError unless the arguments of a split are what Keras takes."""
    if validation_split and not 0 < validation_split < 1:
        raise OptionError(f"validation_split is between 0 and 1, not {validation_split!r}")
    if subset not in ("training", "validation", "both", None):
        near = suggest(subset, ("training", "validation", "both"), cutoff=0.5)
        raise OptionError(f'subset is "training", "validation" or "both", not {subset!r}{near}')
    if bool(validation_split) != bool(subset):
        raise OptionError(
            "validation_split and subset go together: validation_split=0.2, "
            'subset="training" (or "validation", or "both")'
        )
    if validation_split and shuffle and seed is None:
        raise OptionError(
            "with validation_split and shuffle=True, state a seed, so that the two parts have no "
            "image in common: seed=0"
        )


def list_directory(
    directory: Place, labels: Any, class_names: Sequence[str] | None, follow_links: bool
) -> Listing:
    """Return the images of a directory in the order of Keras.

    Parameters
    ----------
    directory : str or path
        A folder, or what else :func:`~.samples.list_samples` takes.
    labels : "inferred", sequence of numbers or None
    class_names : sequence of str, optional
        The folders that are classes, in the order of their indices.
    follow_links : bool
        Whether the links to folders in a folder are followed.

    Raises
    ------
    OptionError
        If `class_names` names no folder, or there are more or fewer labels than images.
    FileNotFoundError, ImageFileError
        If there are no images, or the directory can't be read.
    """
    is_inferred = isinstance(labels, str)
    call = f"{CALL}({os.fspath(directory)!r}"
    found = list_samples(
        directory, labels="folders" if is_inferred else None, allow_empty=True, call=call
    )
    kept: Sequence[int] = range(len(found.samples))
    if not follow_links and Path(directory).is_dir():
        kept = _leave_linked_out(found, os.fspath(directory), depth=1 if is_inferred else 0)
    paths = [path for path, _ in found.samples]
    listing = Listing(paths, [found.find_source(path) for path in paths], None, None)
    if is_inferred:
        numbers = np.array([number for _, number in found.samples], np.int64)
        return _order_classes(listing, numbers, found.classes, class_names, kept)
    listing = listing.take(kept)
    if labels is None:
        return listing
    if len(labels) != len(listing.paths):
        raise OptionError(
            f"labels has {len(labels)} numbers, and {os.fspath(directory)} has "
            f"{len(listing.paths)} images: one for each, in the order of their paths"
        )
    given = np.asarray(labels)
    if given.ndim != 1 or given.dtype.kind not in "iuf":
        raise OptionError(f"labels is a list of numbers, not of {given.dtype} {given.shape}")
    names = [str(label) for label in sorted(set(given.tolist()))]
    given = given.astype(np.float32 if given.dtype.kind == "f" else np.int32)
    return listing._replace(labels=given, class_names=names)


def _order_classes(
    listing: Listing,
    numbers: NDArray[np.int64],
    classes: list[str],
    class_names: Sequence[str] | None,
    kept: Sequence[int],
) -> Listing:
    """Return the images class by class; as in Keras, a folder that begins with a dot is none."""
    known = [name for name in classes if not name.startswith(".")]
    names = known if class_names is None else list(class_names)
    if not set(names) <= set(known) or len(set(names)) < len(names):
        raise OptionError(f"class_names is {known} or a part of it in any order, not {names}")
    new = np.full(len(classes), -1)
    new[[classes.index(name) for name in names]] = np.arange(len(names))
    places = np.asarray(kept, np.int64)
    labels = new[numbers[places]]
    order = np.argsort(labels, kind="stable")
    order = order[labels[order] >= 0]
    chosen = listing.take(places[order])
    return chosen._replace(labels=labels[order].astype(np.int32), class_names=names)


def _leave_linked_out(found: Samples, directory: str, depth: int) -> list[int]:
    """Return the places of the images that no link to a folder leads to.

    Keras doesn't follow links to folders by default, but takes a class that is itself a link: the
    first `depth` folders below the directory may be links.
    """
    known: dict[str, bool] = {}  # whether a folder is reached through a link

    def is_linked(folder: str) -> bool:
        if folder not in known:
            inside = os.path.relpath(folder, directory)
            level = 0 if inside == os.curdir else inside.count(os.sep) + 1
            known[folder] = level > depth and (
                Path(folder).is_symlink() or is_linked(str(Path(folder).parent))
            )
        return known[folder]

    paths = (path for path, _ in found.samples)
    return [place for place, path in enumerate(paths) if not is_linked(str(Path(path).parent))]


def shuffle_listing(listing: Listing, seed: int) -> Listing:
    """Return the images in the order that Keras's function gives them for a seed."""
    order = np.arange(len(listing.paths))
    np.random.RandomState(seed).shuffle(order)
    return listing.take(order)


def split_listing(listing: Listing, share: float) -> tuple[Listing, Listing]:
    """Return the images for training, and the last ones, a share of all, for validation.

    Raises
    ------
    NoImages
        If one of the two would be empty.
    """
    count = len(listing.paths)
    validation = int(share * count)
    if not 0 < validation < count:
        raise NoImages(
            f"validation_split={share} of {count} images leaves {validation} for validation and "
            f"{count - validation} for training: state a share that leaves both some"
        )
    return listing.take(range(count - validation)), listing.take(range(count - validation, count))
