"""One gray plane of an image file, of 8 bits or of 16, as the options of a loader ask for it."""

import errno
import os
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...core import alpha as alphas
from ...core.image_file import ImageFile
from ...core.notice import with_range_policy
from ...core.percentile import refuse_nan
from ...core.value_range import POLICIES, ValueRange, check_policy, find_range, needs_values
from ...core.wording import suggest
from ...errors import (
    BackendUnavailable,
    GrayToRGBError,
    LayoutError,
    LevelsError,
    OptionError,
)
from ...functional.to_uint8 import to_uint8
from ...io import read
from ...io.ranges import are_limits
from ..audits.result import Audit
from ..pixels.crops import Draw, View
from ..pixels.fits import FitView
from ..pixels.one_plane import check_depth, make_plane
from ..sources.items import Item

Array = NDArray[Any]
Place = str | os.PathLike[str] | Item

_UINT8 = np.dtype(np.uint8)
_UINT16 = np.dtype(np.uint16)
# What is wrong with the machine, the installation or the call, and not with one file
_NO_FAULT_OF_A_FILE = (BackendUnavailable, OptionError)
_UNSTATED = {"value_range", "alpha"}  # remedies of errors of images that could be read
_OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)


@dataclass(frozen=True)
class PlaneOptions:
    """How an image file becomes one gray plane; :func:`make_plane_options` checks it.

    Attributes
    ----------
    value_range : ValueRange or None
        The values that become black and white. With None, 8-bit files stay as they are, and deeper
        ones are an error.
    keeps_depth : bool
        Whether the plane is uint16, with all values.
    alpha : "error", "drop" or (r, g, b)
        What becomes of an alpha channel.
    orientation : {"apply", "keep"}
        Whether the image is turned upright.
    root : str
        The data set, as Python code, for messages.
    call : str
        How the loader's call begins, for messages: ``"GrayImageFolder('scans'"``.
    keeping : str
        The argument of that call that keeps every value of 16 bits; empty if there is none.
    """

    value_range: ValueRange | None = None
    keeps_depth: bool = False
    alpha: alphas.Alpha = "error"
    orientation: str = "apply"
    root: str = "root"
    call: str = "GrayImageFolder(root"
    keeping: str = "dtype=torch.uint16"


def make_plane_options(
    value_range: Any = None,
    *,
    keeps_depth: bool = False,
    alpha: Any = "error",
    orientation: Any = "apply",
    root: str = "root",
    call: str = "GrayImageFolder(root",
    keeping: str = "dtype=torch.uint16",
) -> PlaneOptions:
    """Return the options of a loader, checked. The parameters are those of :class:`PlaneOptions`.

    `value_range` may be an :class:`~graytorgb.datasets.Audit` too, whose range is taken.

    Raises
    ------
    LevelsError, ChannelError, OptionError
        If an option has a value that isn't allowed.
    """
    if isinstance(value_range, Audit):
        audit, value_range = value_range, value_range.value_range
        if value_range is None:
            raise LevelsError(
                f"the audit of {audit.source!r} found no one range: {audit.value_range_reason}. "
                f"State it: {call}, value_range=(lo, hi)), or load the images of each depth apart"
            )
    value_range = check_policy(value_range)
    if keeps_depth and not (value_range is None or are_limits(value_range)):
        raise OptionError(
            f"value_range={value_range!r} scales values, and {keeping} keeps them as they are: "
            "leave one of the two away"
        )
    if not isinstance(orientation, str) or orientation not in ("apply", "keep"):
        near = suggest(orientation, ("apply", "keep"))
        raise OptionError(f'orientation is "apply" or "keep", not {orientation!r}{near}')
    return PlaneOptions(
        value_range, keeps_depth, alphas.check(alpha), orientation, root, call, keeping
    )


class ReadPlane(NamedTuple):
    """A gray plane in its file's own values, and the range that makes 8 bits of them.

    Attributes
    ----------
    array : ndarray, shape (H, W)
    value_range : ValueRange or None
        None if the values stay as they are.
    """

    array: Array
    value_range: Any


def load_plane(
    source: Place,
    options: PlaneOptions,
    view: View | FitView | None = None,
    draw: Draw | None = None,
) -> Array:
    """Read an image as one gray plane, take its view, and make 8 bits of it.

    A deep image is resized at its full depth, and then becomes 8 bits, as in
    :func:`graytorgb.datasets.convert`.

    Parameters
    ----------
    source : str, path or Item
        An image file, or an image of a data set.
    options : PlaneOptions
    view : CenterView, RandomView or FitView, optional
        The part that is taken; by default all of the image.
    draw : Draw, optional
        Random numbers, for a `RandomView`.

    Returns
    -------
    ndarray of uint8 or uint16, shape (H, W)
        C-contiguous and writable, in memory of its own.

    Raises
    ------
    ImageFileError, OSError, LevelsError, ChannelError, LayoutError, DtypeError, MemoryError
        If the image can't be read, or not as the options ask; the message names the file.
    """
    try:
        array, value_range = read_plane(source, options)
        if view is not None:
            array = view.take(array, draw)  # type: ignore[arg-type]  # a RandomView comes with one
        if value_range is not None:
            return to_uint8(array, value_range)
        return np.require(array, requirements=("C", "W"))
    except MemoryError as error:
        raise MemoryError(f"{_name(source)}: there isn't enough memory for it") from error
    except GrayToRGBError as error:
        _name_file(error, source)
        if "alpha" in error.remedies:
            error.args += (f'in a data set: {options.call}, alpha="drop"), or alpha=(r, g, b)',)
        raise


def read_plane(source: Place, options: PlaneOptions) -> ReadPlane:
    """Read one gray plane with the values of its file.

    Raises
    ------
    ImageFileError, OSError, LevelsError, ChannelError, LayoutError, DtypeError
        As :func:`load_plane` raises them; the message may lack the file's name.
    """
    with with_range_policy():
        image = _read(source, options)
    plane = _make_plane(image, options)
    stated = options.value_range
    if stated is None and isinstance(source, Item):
        stated = source.value_range  # what the data set's own records state
    if options.keeps_depth:
        return ReadPlane(_keep_depth(plane, stated, options), None)
    if plane.dtype.kind == "b":
        return ReadPlane(to_uint8(plane), None)
    if stated is None:
        return ReadPlane(plane, _find_own_range(image, plane.dtype, options))
    if plane.dtype == _UINT8 and stated in ((0, 255), "dtype"):
        return ReadPlane(plane, None)
    remedy = (
        f'load the images of 8 bits apart, or all under {options.call}, value_range="dtype") if '
        "the others fill 16 bits"
    )
    check_depth(plane.dtype, stated, remedy)
    if plane.dtype.kind == "f" and np.isnan(plane.min()):  # resizing would spread it
        raise refuse_nan()
    if needs_values(stated):
        stated = find_range(plane, stated)  # in all of the image, not in the part that is taken
    return ReadPlane(plane, stated)


def is_fault_of_file(error: BaseException) -> bool:
    """Return whether an error is one file's, so that a loader may go on without this file.

    A missing library, a wrong option, one that wasn't stated and too many open files are faults of
    all files alike.

    >>> is_fault_of_file(FileNotFoundError()), is_fault_of_file(KeyError())
    (True, False)
    """
    if isinstance(error, OSError) and error.errno in _OUT_OF_DESCRIPTORS:
        return False
    if isinstance(error, _NO_FAULT_OF_A_FILE):
        return False
    if isinstance(error, GrayToRGBError) and _UNSTATED.intersection(error.remedies):
        return False
    return isinstance(error, GrayToRGBError | OSError | MemoryError)


def _read(source: Place, options: PlaneOptions) -> ImageFile:
    """Read an image, under the range that the caller states: an inverted one is inverted in it.

    Of a file one gray plane is decoded. The image of an array, whose axes the data set knows, has
    its channels still.
    """
    arguments: dict[str, Any] = {
        "value_range": options.value_range, "orientation": options.orientation
    }  # fmt: skip
    if not isinstance(source, Item):
        return read(source, color="gray", alpha=options.alpha, **arguments)
    if source.layout:
        return source.read(**arguments)
    return source.read(color="gray", alpha=options.alpha, **arguments)


def _make_plane(image: ImageFile, options: PlaneOptions) -> Array:
    """Return one channel of an image of one frame."""
    layout, array = image.layout, image.array
    if layout == "HW":
        return array
    if layout is None or not set(layout) <= set("HWC"):
        raise LayoutError(_describe_frames(image, options))
    return make_plane(array, layout, options.alpha)


def _describe_frames(image: ImageFile, options: PlaneOptions) -> str:
    """Return the message for a file of several images, or one whose axes aren't known."""
    shape = image.array.shape
    if image.layout is None:
        return (
            f"nothing tells its axes, shape {shape}, and an image is (H, W) or (H, W, C): give an "
            f'array of many images as the data set, {options.call.partition("(")[0]}("stack.npy", '
            "...)"
        )
    count = int(np.prod([n for n, axis in zip(shape, image.layout, strict=True)
                         if axis not in "HWC"]))  # fmt: skip
    return (
        f"it holds {count} images (layout {image.layout!r}), and a sample is one image: "
        f'graytorgb.datasets.convert({options.root}, dst, to="gray") writes each as a file of '
        "its own"
    )


def _find_own_range(
    image: ImageFile, dtype: np.dtype[Any], options: PlaneOptions
) -> ValueRange | None:
    """Return the range of an image where the caller states none.

    An image of 8 bits stays as it is; a DICOM file's window isn't applied, because each file has
    another. Where the format tells that white is less than 255, as PGM's maximum does and 4 bits in
    a TIFF, that becomes white, as in every viewer.
    """
    own = image.value_range
    if dtype == _UINT8:
        is_window = image.format == "DICOM" and not image.depth_only
        return None if is_window or own == (0, 255) else own
    told = ""
    if are_limits(own) and not image.depth_only:
        told = f"; this one states {own[0]:g} to {own[1]:g}"
    example, kept = "value_range=(0, 4095)) for 12 bits", ""
    if dtype.kind == "f":
        example = "value_range=(0, 1)) for values from 0 to 1"
    elif options.keeping and dtype == _UINT16:
        kept = f", and {options.call}, {options.keeping}) keeps every value"
    error = LevelsError(
        f"its values are {dtype}, and nothing says which are black and white in all files{told}. "
        f"graytorgb.datasets.audit({options.root}).value_range finds the range of the whole set: "
        f"{options.call}, {example}{kept}. A range is {POLICIES}"
    )
    error.remedies = ("value_range",)
    raise error


def _keep_depth(plane: Array, stated: ValueRange | None, options: PlaneOptions) -> Array:
    """Return a plane in uint16 with the same values."""
    dtype = plane.dtype
    if dtype == _UINT16:
        return plane
    if dtype.itemsize == 1 and (stated is None or dtype.kind == "b"):
        raise LevelsError(
            f"it has {'1 bit' if dtype.kind == 'b' else '8 bits'}, and {options.keeping} keeps "
            "values as they are, so it would be dark beside files of 16 bits: leave "
            f"{options.keeping} away, or {options.call}, {options.keeping}, value_range=(0, 255)) "
            "if 255 is white in all files"
        )
    check_depth(dtype, stated, f"load the images of 8 bits apart, without {options.keeping}")
    if dtype.kind not in "iu" or plane.min() < 0 or plane.max() > 65535:
        lo, hi = plane.min().item(), plane.max().item()
        raise LevelsError(
            f"its values are {dtype}, from {lo:g} to {hi:g}, and {options.keeping} holds whole "
            f"numbers from 0 to 65535: {options.call}, value_range=(lo, hi)) makes 8 bits of them"
        )
    return plane.astype(_UINT16)


def _name(source: Place) -> str:
    """Return the name of an image in messages."""
    return source.path if isinstance(source, Item) else os.fsdecode(source)


def _name_file(error: GrayToRGBError, source: Place) -> None:
    """Put the file's name at the beginning of an error's message, unless it is there."""
    name = _name(source)
    names = (name, source.location) if isinstance(source, Item) else (name,)
    first, *more = error.args or ("",)
    if not str(first).startswith(names):
        error.args = (f"{name}: {first}", *more)
