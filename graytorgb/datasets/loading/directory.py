"""``gray_dataset_from_directory``: a ``tf.data`` pipeline of gray images for Keras."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ...core.alpha import Alpha
from ...core.value_range import ValueRange
from ...core.wording import suggest
from ...errors import NoImages, OptionError
from ..audits.result import Audit
from ..pixels.fits import FitView, check_interpolation
from .bad_files import check_on_error, warn_of_skipped
from .batch_loading import Batch, PlaneLoader
from .directory_listing import (
    CALL,
    Listing,
    check_color_mode,
    check_labels,
    check_split,
    list_directory,
    shuffle_listing,
    split_listing,
)
from .planes import make_plane_options
from .samples import describe_root

Array = NDArray[Any]

_READ_TOGETHER = 16  # images that are read by one call where the user wants no batches


def gray_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: str | Sequence[float] | None = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    color_mode: str = "grayscale",
    batch_size: int | None = 32,
    image_size: int | tuple[int, int] = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    data_format: str | None = None,
    verbose: bool = True,
    *,
    value_range: ValueRange | Audit | None = None,
    on_error: str = "raise",
    alpha: Alpha = "error",
    orientation: str = "apply",
) -> Any:
    """Return a ``tf.data.Dataset`` of gray images of 8 bits, for ``model.fit`` of Keras.

    It takes the place of ``keras.utils.image_dataset_from_directory(color_mode="grayscale")``, with
    its arguments, order, labels, shuffling and split. It reads every format of
    :func:`graytorgb.io.read`, DICOM and TIFF among them, and 16 bits are mapped to 8 as you state.

    Parameters
    ----------
    directory : str or path
        A folder of folders, each of which is a class; or an array or another source that
        :class:`~graytorgb.datasets.GrayImageFolder` takes.
    labels : "inferred", sequence of numbers or None
        ``"inferred"`` takes the folders as classes. A sequence has a number for each image, in the
        order of their paths. With None the data set has images alone.
    label_mode : {"int", "categorical", "binary", None}
        The labels are int32 (N,), one-hot float32 (N, classes), or float32 (N, 1) of 0 and 1.
    class_names : sequence of str, optional
        The folders that are classes, in the order of their indices; by default all, sorted.
    color_mode : {"grayscale"}
        Keras's other modes are errors, because three channels are made in the network.
    batch_size : int or None
        With None images aren't batched.
    image_size : int or (height, width)
        Images get this size without keeping their proportions, unless you ask for a crop or a pad.
    shuffle : bool
        Whether images are shuffled, once as a whole and again in each epoch. Otherwise they are
        sorted by their paths.
    seed : int, optional
        A seed makes the order reproducible.
    validation_split : float, optional
        The share of images for validation, between 0 and 1.
    subset : {"training", "validation", "both"}, optional
        Which part is returned; ``"both"`` returns a list of the two.
    interpolation : {"bilinear", "nearest", "bicubic", "area", "lanczos3"}
        How images are resized.
    follow_links : bool
        Whether links to folders within a class are followed.
    crop_to_aspect_ratio, pad_to_aspect_ratio : bool
        Whether proportions are kept: by taking the largest part in the center, or by black around
        the image in the center.
    data_format : {"channels_last", "channels_first"}, optional
        By default ``keras.config.image_data_format()``.
    verbose : bool
        Whether the number of files is printed.
    value_range : (lo, hi), "dtype", "minmax", ("percentile", p, q) or Audit, optional
        The values that become black and white. With None, files of 8 bits stay as they are, and
        deeper ones are an error.
    on_error : {"raise", "skip"}
        What happens to a file that can't be read. ``"skip"`` leaves it out of its batch,
        lists it in the attribute ``skipped``, and warns once, at the end of the epoch, of how many
        there were. TensorFlow then doesn't know
        the number of batches before the first epoch ends.
    alpha : {"error", "drop"} or (r, g, b)
        What becomes of an alpha channel, as in :func:`graytorgb.to_rgb`.
    orientation : {"apply", "keep"}
        Whether images are turned upright, as their EXIF data ask for.

    Returns
    -------
    tf.data.Dataset, or a list of two
        Its elements are ``(images, labels)``, or images alone: uint8 of shape (N, H, W, 1), or
        (N, 1, H, W) with ``"channels_first"``. It has the attributes ``class_names``,
        ``file_paths`` and ``skipped``.

    Raises
    ------
    OptionError
        If an argument has a value that isn't allowed; a ValueError, as in Keras.
    FileNotFoundError, ImageFileError
        If there are no images, or the directory can't be read.
    BackendUnavailable
        If TensorFlow or Keras isn't installed.

    Notes
    -----
    Two things differ from Keras's function. Images are uint8, a quarter of the bytes of its float32
    from 0 to 255; ``keras.layers.Rescaling`` and :class:`graytorgb.layers.Prepare` take both, and
    only the latter needs ``value_range=(0, 255)`` for floats. And resizing is antialiased, while
    Keras leaves out pixels where it makes an image smaller.

    A file that can't be read stops the iteration with an error of TensorFlow's
    (``InvalidArgumentError`` and others), whose message names it. The functions that read
    files are Python, so the data set can't be saved or sent to a ``tf.data`` service.

    Examples
    --------
    ::

        train, validation = gray_dataset_from_directory(
            "scans", image_size=(224, 224), validation_split=0.2, subset="both", seed=0,
            value_range=(0, 4095),
        )
        gray = keras.Input((224, 224, 1), dtype="uint8")
        model = keras.Model(gray, network(graytorgb.layers.Prepare("imagenet")(gray)))
        model.fit(train, validation_data=validation)
    """
    check_color_mode(color_mode)
    check_labels(labels, label_mode, class_names)
    check_split(validation_split, subset, shuffle, seed)
    if labels is None or label_mode is None:
        labels = label_mode = None
    view = _choose_fit(image_size, interpolation, crop_to_aspect_ratio, pad_to_aspect_ratio)
    name = describe_root(directory)
    options = make_plane_options(
        value_range,
        alpha=alpha,
        orientation=orientation,
        root=name,
        call=f"{CALL}({name}",
        keeping="",
    )
    pipeline = _Pipeline(
        PlaneLoader([], options, view, check_on_error(on_error) == "skip"),
        label_mode,
        _check_batch_size(batch_size),
        _check_data_format(data_format) == "channels_first",
    )
    if seed is None:
        seed = np.random.randint(1_000_000)  # noqa: NPY002 - as Keras: set_random_seed counts
    listing = _list(directory, labels, class_names, follow_links, label_mode, verbose)
    if shuffle:
        listing = shuffle_listing(listing, seed)
    order = seed if shuffle else None
    if not validation_split:
        return pipeline.make_dataset(listing, order)
    training, validation = split_listing(listing, validation_split)
    if verbose and subset != "validation":
        print(f"Using {len(training.paths)} files for training.")
    if verbose and subset != "training":
        print(f"Using {len(validation.paths)} files for validation.")
    if subset == "both":  # Keras shuffles only the first of the two in each epoch
        return [pipeline.make_dataset(training, order), pipeline.make_dataset(validation, None)]
    return pipeline.make_dataset(training if subset == "training" else validation, order)


def _list(
    directory: str | os.PathLike[str],
    labels: Any,
    class_names: Sequence[str] | None,
    follow_links: bool,
    label_mode: str | None,
    verbose: bool,
) -> Listing:
    """Return the images of a directory, and say how many there are."""
    listing = list_directory(directory, labels, class_names, follow_links)
    count, names = len(listing.paths), listing.class_names
    if verbose:
        told = "" if names is None else f" belonging to {len(names)} classes"
        print(f"Found {count} files{told}.")
    if not count:
        raise NoImages(f"{os.fspath(directory)}: there is no image in the folders that are classes")
    if label_mode == "binary" and len(names or ()) != 2:
        raise OptionError(
            f'label_mode="binary" needs 2 classes, and there are {len(names or ())}: {names}; '
            'label_mode="int" or "categorical" takes any number'
        )
    return listing


def _choose_fit(image_size: Any, interpolation: str, crops: bool, pads: bool) -> FitView:
    """Return how images get their size."""
    sides = image_size if isinstance(image_size, tuple | list) else (image_size, image_size)
    if len(sides) != 2 or not all(hasattr(side, "__index__") and side > 0 for side in sides):
        raise OptionError(f"image_size is (height, width), such as (256, 256), not {image_size!r}")
    if crops and pads:
        raise OptionError("only one of crop_to_aspect_ratio and pad_to_aspect_ratio can be True")
    fit = "crop" if crops else "pad" if pads else "stretch"
    return FitView((int(sides[0]), int(sides[1])), fit, check_interpolation(interpolation))


def _check_batch_size(batch_size: Any) -> int | None:
    """Return the number of images in a batch, or None for no batches."""
    if batch_size is None or (hasattr(batch_size, "__index__") and batch_size > 0):
        return None if batch_size is None else int(batch_size)
    raise OptionError(f"batch_size is a whole number, 1 or more, or None, not {batch_size!r}")


def _check_data_format(data_format: str | None) -> str:
    """Return where the channels are; by default Keras's own setting."""
    if data_format not in ("channels_last", "channels_first", None):
        raise OptionError(
            f'data_format is "channels_last", "channels_first" or None, not {data_format!r}'
            + suggest(data_format, ("channels_last", "channels_first"))
        )
    found: str = data_format or keras.config.image_data_format()
    return found


@dataclass
class _Pipeline:
    """How a list of images becomes a ``tf.data.Dataset``.

    Attributes
    ----------
    loader : PlaneLoader
        How images are read, without the images.
    label_mode : str or None
    batch_size : int or None
    is_channels_first : bool
    """

    loader: PlaneLoader
    label_mode: str | None
    batch_size: int | None
    is_channels_first: bool

    def make_dataset(self, listing: Listing, seed: int | None) -> Any:
        """Return the data set of a list of images; with a seed it is shuffled in each epoch."""
        skipped = _Skipped(listing.paths)
        parts: tuple[Array, ...] = (np.arange(len(listing.paths)),)
        if listing.labels is not None:
            parts += (listing.labels,)
        dataset = tf.data.Dataset.from_tensor_slices(parts)
        if seed is not None:  # Keras's buffer, for Keras's order
            dataset = dataset.shuffle(8 * self.batch_size if self.batch_size else 1024, seed=seed)
        dataset = dataset.batch(self.batch_size or _READ_TOGETHER)
        loader = replace(self.loader, sources=listing.sources)
        load = self._make_load(loader, len(listing.class_names or ()), skipped)
        dataset = dataset.map(load, num_parallel_calls=tf.data.AUTOTUNE)
        if not self.batch_size:
            dataset = dataset.unbatch()
            if not loader.skips_bad_files:
                known = tf.data.experimental.assert_cardinality(len(listing.paths))
                dataset = dataset.apply(known)
        elif loader.skips_bad_files:
            dataset = dataset.filter(_has_images)
        if loader.skips_bad_files:
            end = tf.data.Dataset.from_generator(
                skipped.warn, output_signature=dataset.element_spec
            )
            dataset = dataset.concatenate(end)
        dataset = dataset.prefetch(tf.data.AUTOTUNE)
        dataset.class_names = listing.class_names
        dataset.file_paths = listing.paths
        dataset.skipped = skipped.paths
        return dataset

    def _make_load(
        self, loader: PlaneLoader, classes: int, skipped: "_Skipped"
    ) -> Callable[..., Any]:
        """Return the function of a graph that makes a batch of the numbers of its images."""
        assert loader.view is not None, "images of a directory get one size"
        height, width = loader.view.size
        shape = (1, height, width) if self.is_channels_first else (height, width, 1)

        def read(indices: NDArray[np.int64]) -> tuple[Array, Array]:
            batch = Batch(loader, indices)
            batch.read_rows(range(len(indices)))
            skipped.add(batch)
            images = batch.get_images()
            return images.reshape(len(images), *shape), batch.kept

        def load(indices: Any, labels: Any = None) -> Any:
            images, kept = tf.numpy_function(read, [indices], [tf.uint8, tf.bool])
            images.set_shape((None, *shape))
            kept.set_shape((None,))
            if labels is None:
                return images
            if loader.skips_bad_files:
                labels = tf.boolean_mask(labels, kept)
            return images, self._encode(labels, classes)

        return tf.autograph.experimental.do_not_convert(load)  # type: ignore[no-any-return]

    def _encode(self, labels: Any, classes: int) -> Any:
        """Return the labels of a batch as `label_mode` says."""
        if self.label_mode == "binary":
            return tf.cast(labels, "float32")[:, None]
        return tf.one_hot(labels, classes) if self.label_mode == "categorical" else labels


@tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
def _has_images(images: Any, labels: Any = None) -> Any:
    """Return whether a batch has an image that was read."""
    return tf.shape(images)[0] > 0


class _Skipped:
    """The images that were left out of a data set so far, in the order of its files."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths: list[str] = []
        self._all, self._places = paths, set[int]()
        self._new: dict[int, Exception] = {}  # since the last warning, by their places

    def add(self, batch: Batch) -> None:
        """Note the images that were left out of a batch."""
        for row, error in sorted(batch.errors.items()):
            self._new[int(batch.indices[row])] = error
        if self._new.keys() - self._places:  # batches end in any order
            self._places.update(self._new)
            self.paths[:] = [self._all[place] for place in sorted(self._places)]

    def warn(self) -> Iterator[Any]:
        """Yield nothing, at the end of an epoch, and warn if images were left out."""
        new, self._new = self._new, {}
        places = sorted(new)
        names = [os.fsdecode(self._all[place]) for place in places]
        warn_of_skipped(names, f"The first: {new[places[0]]}" if new else "")
        yield from ()
