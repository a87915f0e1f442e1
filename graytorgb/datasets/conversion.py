"""``convert``: a whole dataset as one thing, in one depth, with one or three channels."""

from collections.abc import Sequence
from typing import Any

from ..core.alpha import Background
from ..core.value_range import ValueRange
from .conversion_run.result import Conversion
from .conversion_run.run import ConversionRun
from .conversion_run.watch import Silence, Watch
from .conversions.options import check_options
from .sources.opening import Place


def convert(
    src: Place | Sequence[Place],
    dst: Place,
    *,
    to: str = "rgb",
    bits: str | int = "keep",
    value_range: ValueRange | None = None,
    alpha: str | Background | None = None,
    size: int | tuple[int, int] | None = None,
    orientation: str = "apply",
    format: str | None = None,  # noqa: A002  # the name of the command's option
    layout: str | None = None,
    workers: int | None = None,
    scheduler: Any = None,
    dry_run: bool = False,
    watch: Watch | None = None,
) -> Conversion:
    """Convert a dataset of images: a folder of them, an array, shards, a glob, a list or a URL.

    A first pass reads all headers, so that what can't be done is refused before anything is
    written. Then worker processes convert the images. Each file gets its name when it is whole. A
    run that ended early, even by a kill, goes on when it is called again, and ends with the same
    bytes: an image counts as done if its file is complete, and was made by the same options from
    the same source (by size and time of change).

    Parameters
    ----------
    src : str, path or sequence of them
        A folder, whose tree is kept; a glob such as ``"scans/**/*.png"``; a text file of paths; an
        image file; a .npy, .npz or Zarr array of images; tar shards, ``"train-*.tar"``; or a URL.
        It is never changed.
    dst : str or path
        The target, whose kind its suffix tells: ``.zarr`` or ``.npy`` is one array of images of one
        size, ``.tar`` is WebDataset shards, and any other name is a folder. In a folder each image
        has the path of its source, with the suffix of the new format; the images of a file that
        holds several have a number each, ``scan_000017.png``.
    to : {"rgb", "gray"}
        Three channels or one. Color becomes its luma, as by :func:`graytorgb.to_gray`.
    bits : {"keep", 8}
        ``"keep"`` changes no value, whatever the depth. 8 gives uint8 under the range of values.
    value_range : (lo, hi), "dtype", "minmax", ("percentile", p, q) or None
        With ``bits=8`` the values that are black and white, one rule for all images: ``"minmax"``
        and percentiles are found in the values of the whole set, by a pass of its own. None takes
        the range that all files state, and is an error if they state several. With
        ``bits="keep"`` it is only recorded.
    alpha : "drop", (r, g, b) or None
        What becomes of alpha: the colors stay as they are, or are composited on a background in
        the image's own units. None refuses images with alpha.
    size : int, (height, width) or None
        Resize with antialiasing, in the image's own depth: so that the shorter side is this long,
        or to exactly this size.
    orientation : {"apply", "keep"}
        Whether images are turned upright, as their EXIF data or TIFF tag asks for. With ``"keep"``
        the orientation is in the kept file alone.
    format : {"png", "jpeg", "webp", "tiff"} or None
        The format of the files in a folder or in tar shards. ``.zarr`` and ``.npy`` are arrays,
        for which it has to be None. None is PNG, and TIFF for what PNG can't hold: floats, signed
        integers and more than 16 bits. JPEG (quality 95, without subsampling) and WebP (lossless)
        hold 8 bits alone.
    layout : str, optional
        The axes of an array that is the source, such as ``"NHW"``, where nothing tells them.
    workers : int, optional
        How many processes work. The default is one for each processor; 1 works in this process.
    scheduler : str, optional
        The address of a dask cluster, ``"tcp://host:8786"``, that does the work.
    dry_run : bool
        Find out what would be done, and write nothing.
    watch : Watch, optional
        An object that is told how far the run is: ``begin(step, total)`` and ``advance(images)``.

    Returns
    -------
    Conversion
        How many images were converted, or had been before; those that can't be read are in
        `errors` with the reason. The same is in the one file that is kept in the target,
        ``graytorgb-convert.jsonl``, with the range that each file states.

    Raises
    ------
    OptionError, ChannelError, LevelsError
        If an option isn't allowed, or doesn't suit the images; nothing is written.
    LayoutError
        If the source is an array whose shape can be read in two ways, and `layout` isn't stated.
    TargetError
        If two sources have one target, another run is writing there, or a file that isn't this
        package's would be lost: nothing is written. Or if the disk is full or can't be written to:
        nothing is half-written, and the same call goes on.
    ImageFileError, FileNotFoundError
        If there is no image in the source.
    BackendUnavailable
        If a library isn't installed: ``pip install 'graytorgb[datasets]'``.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from PIL import Image
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "scans" / "lung").mkdir(parents=True)
    >>> deep = np.array([[0, 2048, 4095]], np.uint16)
    >>> Image.fromarray(deep).save(folder / "scans" / "lung" / "a.png")
    >>> done = convert(
    ...     folder / "scans", folder / "ready", bits=8, value_range=(0, 4095), workers=1
    ... )
    >>> done.converted, done.errors
    (1, [])
    >>> np.asarray(Image.open(folder / "ready" / "lung" / "a.png"))[0, :, 0]
    array([  0, 128, 255], dtype=uint8)
    """
    options = check_options(
        to=to,
        bits=bits,
        value_range=value_range,
        alpha=alpha,
        size=size,
        orientation=orientation,
        format=format,
        layout=layout,
    )
    run = ConversionRun(src, dst, options, workers, scheduler, watch or Silence())
    return run.run(is_dry_run=dry_run)
