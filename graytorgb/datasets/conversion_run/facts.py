"""The first pass of a conversion: what each file's header says, and what becomes of the file."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from ...errors import GrayToRGBError, LayoutError
from ...functional.resizing import find_size
from ...io.formats import is_surely_image
from ..conversions.options import Options
from ..conversions.planned import PlannedImage

if TYPE_CHECKING:
    from ...io import ImageHeader
    from ..sources.items import Item


class Facts(NamedTuple):
    """What the first pass finds out about a file.

    Attributes
    ----------
    image : PlannedImage
        The first image of the file, as it is planned.
    kind : str
        What the file holds, for people: ``"PNG, gray, 16 bits"``.
    has_alpha : bool
        Whether its images have alpha.
    is_depth : bool
        Whether the range is the samples' depth and nothing more.
    source_dtype : str
        The dtype of the file's values.
    error : str
        Why the file can't be read; empty if it can.
    is_image : bool
        Whether it is an image by its name or its content; other files are left out.
    """

    image: PlannedImage
    kind: str = ""
    has_alpha: bool = False
    is_depth: bool = True
    source_dtype: str = ""
    error: str = ""
    is_image: bool = True


def find_facts(items: Sequence["Item"], options: Options) -> list[Facts]:
    """Return the facts of some files, in order."""
    return [_find_facts(item, options) for item in items]


def _find_facts(item: "Item", options: Options) -> Facts:
    """Return the facts of one file."""
    unknown = PlannedImage(item, None, 1, (), "")
    try:
        header = item.read_header()
        image = plan_image(item, header, options)
    except (GrayToRGBError, OSError, MemoryError) as error:
        return Facts(unknown, error=item.describe_error(error), is_image=_is_image(item))
    has_alpha = count_channels(header) in (2, 4)
    kind = f"{header.format}, {header.mode}"
    return Facts(image, kind, has_alpha, header.depth_only, str(header.dtype))


def _is_image(item: "Item") -> bool:
    """Return whether a file that can't be read is an image by its name or its content."""
    try:
        return item.is_named_image or is_surely_image(item.read_head())
    except (GrayToRGBError, OSError):
        return item.reader == "url"  # the server may have failed only now


def plan_image(item: "Item", header: "ImageHeader", options: Options) -> PlannedImage:
    """Return the first image of a file as it is planned.

    Raises
    ------
    LayoutError
        If the header doesn't tell the axes.
    """
    layout, shape = header.layout, header.shape
    if layout is None:
        raise LayoutError(f"nothing tells its axes, shape {shape}")
    sizes = dict(zip(layout, shape, strict=True))
    leading = [size for axis, size in sizes.items() if axis not in "HWC"]
    height, width = sizes["H"], sizes["W"]
    if options.orientation == "apply" and header.orientation >= 5:
        height, width = width, height
    if options.size is not None:
        height, width = find_size((height, width), options.size)
    dtype = str(header.dtype)
    if options.bits == 8 or (dtype == "bool" and options.size is not None):
        dtype = "uint8"
    return PlannedImage(
        item=item,
        frame=0 if leading else None,
        frames=prod(leading),
        shape=(height, width, 3) if options.to == "rgb" else (height, width),
        dtype=dtype,
        value_range=header.value_range,
        leading_axes=len(leading),
        stack_bytes=prod(shape) * header.dtype.itemsize,
    )


def count_channels(header: "ImageHeader") -> int:
    """Return how many channels an image has, alpha included; 1 without an axis for them."""
    if header.layout is None or "C" not in header.layout:
        return 1
    return int(header.shape[header.layout.index("C")])


def list_frames(image: PlannedImage) -> list[PlannedImage]:
    """Return every image of a file, from its first one."""
    return [replace(image, frame=frame) for frame in range(image.frames)]
