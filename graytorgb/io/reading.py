"""``read`` and ``read_header``: an image file with its pixels, or what its header tells."""

import os
from typing import Literal

from ..core.alpha import Alpha
from ..core.image_file import ImageFile, ImageHeader
from ..core.value_range import ValueRange
from .opening import LIMIT, check_data, read_image, read_image_header
from .request import Window


def read(
    path: str | os.PathLike[str],
    *,
    color: Literal["keep", "gray"] = "keep",
    alpha: Alpha = "error",
    min_size: tuple[int, int] | None = None,
    value_range: ValueRange | None = None,
    index: int | str | None = None,
    window: Window = "file",
    limit: int = LIMIT,
    orientation: str = "keep",
    data: bytes | None = None,
) -> ImageFile:
    """Read an image file: every value, the layout, and the value range that the file states.

    ``to_uint8(read(path))`` gives the image as 8 bits, with black and white where the file puts
    them. ``to_rgb(image.array, image.layout)`` keeps every value.

    Parameters
    ----------
    path : str or path
        A file of one of the :data:`formats <graytorgb.io.FORMATS>`: PNG, JPEG, WebP, GIF, BMP,
        PBM/PGM/PPM, TIFF, DICOM, .npy or .npz. The content tells the format, not the name.
    color : "keep" or "gray"
        ``"gray"`` gives one gray plane, without an axis for channels, decoded as directly as the
        format allows; frames and pages keep their axis. See the notes. ``"keep"`` gives the
        channels of the file.
    alpha : "error", "drop" or (r, g, b)
        What becomes of an alpha channel under ``color="gray"``: it is an error, it is dropped, or
        it is composited on a background in the image's own units.
    min_size : (height, width), optional
        The smallest size that does for you, in the file's own rows and columns, before
        `orientation` turns them. A JPEG is decoded at 1/2, 1/4 or 1/8 of its size as long as both
        sides stay at least so long; `reduction` of the result tells which it was. Other formats are
        read in full. See the notes for what that changes.
    value_range : (lo, hi), "dtype", "minmax" or ("percentile", p, q), optional
        Your range, used in place of the file's.
    index : int or str, optional
        Which image to read of a file that holds several: the number, from 0, of a frame (DICOM,
        animations) or a page (TIFF), or the name of an array (.npz). None reads all of them, with
        a leading axis.
    window : "file", (center, width), "lung", "bone", "brain", "abdomen", "soft tissue" or None
        Which values of a DICOM image become black and white. ``"file"`` takes the window or the
        VOI LUT that the file states, the first if it states several. ``(center, width)`` is your
        own window, by DICOM's linear function, in the modality's values (Hounsfield units). The
        names are usual windows for CT, in Hounsfield units, and are refused for other files. None
        takes the whole depth.
    limit : int
        The most bytes that the array may take, checked before it is decoded. The default is 2 GiB.
    orientation : "keep" or "apply"
        Whether to turn the array upright, as the file's EXIF data (JPEG, PNG, WebP) or its TIFF
        tag asks for. ``"keep"`` leaves it as it is stored, and ``orientation`` and ``notes`` of
        the result tell how to turn it.
    data : bytes, optional
        The file's bytes, if you have them already. `path` then only names the file, and nothing
        is opened but other files that a TIFF's OME description names.

    Returns
    -------
    ImageFile
        The pixels as ``array``, with ``layout``, ``value_range`` and what else the file states.
        It unpacks to ``array, value_range``.

    Raises
    ------
    ImageFileError
        If the file is empty, damaged, truncated or of no format that is read; if it is larger
        than the limit, contradicts itself, or holds neither gray nor RGB values; or if it is a
        pipe, a socket or a device. The error is an OSError too, and names the file.
    FileNotFoundError, IsADirectoryError, PermissionError
        If ``open`` raises them for this path.
    BackendUnavailable
        If the format's library, or a codec for its compression, isn't installed.
    LevelsError
        If `value_range` or `window` is none of the above, or `window` doesn't suit the file.
    OptionError
        If `color`, `min_size`, `limit`, `orientation` or `data` is none of the above, or `alpha` is
        given without ``color="gray"``.
    ChannelError
        If `alpha` is none of the above; under ``color="gray"``, if the image has an alpha channel
        and `alpha` is ``"error"``, or its channels are neither gray nor RGB.
    DtypeError
        If alpha is to be composited in a dtype in which it is no fraction, such as int16; or if
        `path` is no path.
    LayoutError
        Under ``color="gray"``, if nothing tells the axes, as of some .npy files.

    Warns
    -----
    UserWarning
        If the file states a depth of more than 8 bits and nothing else about its range, and the
        values fill less than a sixteenth of that depth: ``to_uint8`` would leave less than 16
        levels. A 12-bit camera's image in a 16-bit PNG is such a file, and nothing in it tells
        that image from a dark one.

    Notes
    -----
    The range is the one that the file states, and doesn't depend on the pixels:

    - PNG, JPEG, WebP, GIF, BMP: 0 to the largest value of the depth. PNG's sBIT doesn't
      change that: samples of fewer significant bits are stored scaled to the full depth
      (PNG specification, 11.3.2.4).
    - PNM: 0 to the largest value that the header states.
    - TIFF of unsigned integers: 0 to 2^BitsPerSample - 1 (TIFF 6.0, PhotometricInterpretation);
      fewer bits where OME's SignificantBits says so, or where SMaxSampleValue or MaxSampleValue
      is 2^k - 1. Any other value of these two tags is the image's own extreme, stored "for
      statistical purposes only". TIFF of signed integers and floats: SMinSampleValue to
      SMaxSampleValue if all pixels lie between them. Where a file of more than 8 bits states
      only its depth, or states nothing: ImageJ's display range. Images whose 0 is white are
      inverted, within your range if you state one. Colors that are stored multiplied by their
      alpha (associated alpha) are divided by it.
    - DICOM: the edges of the window, on the values after rescale or Modality LUT (PS3.3,
      C.11.1 and C.11.2); without one, BitsStored rescaled. A VOI LUT or a sigmoid isn't a
      range, so it is applied to the array. An image with MONOCHROME1, or PresentationLUTShape
      INVERSE, is inverted together with its window; floats are inverted within the caller's
      `value_range`. Values of 8 bits become int16, with the same numbers, where the window goes
      beyond 8 bits.
    - .npy: 0 to 255 for uint8, 0 to 1 for bool.

    Where a file states no range (floats, .npy of more bits), ``value_range`` is None, and
    unpacking raises an error that asks for one. ``"minmax"`` isn't assumed, because it would
    scale each image of a data set differently.

    ``color="gray"`` gives what :func:`graytorgb.to_gray` makes of the whole image, to the bit, with
    the same range, notes and warnings. A color JPEG is the exception: its luma is decoded as the
    file stores it, without the way through RGB. The two are equal where red, green and blue are all
    from 1 to 254. Elsewhere the way through RGB may have cut a color off at 0 or 255, and luma is
    the more exact: by up to 17 levels in 20 photos, of which at least 98% of the pixels were within
    1. Resized to a shorter side of 256, they were within 5 levels. A JPEG that stores RGB has no
    luma, and is weighed.

    ``min_size`` makes less work of a resize that follows, and changes its result, because libjpeg
    leaves out the finest waves of each block of 8x8 pixels, and a resize weighs pixels otherwise.
    Gray photos (34 files), decoded at 1/2 to 1/8 and resized by Pillow's antialiased bilinear
    filter, differed from full decoding by these levels at most, and so many of their pixels by at
    most 1, by how many times `min_size` was larger than the target:

    ========  ============  =========================
    min_size  levels, most  pixels within 1, at least
    ========  ============  =========================
    2 times   18            50%
    4 times   10            89%
    6 times   8             97%
    ========  ============  =========================

    So no such factor gives the result of full decoding, and line art differs more. Decoding itself
    takes 10 to 20% less time at 1/2, because all of the file has to be read; the resize after it
    takes a third of its time. A gray JPEG of 2000x1500 took 5.9 ms in full and 5.1 at 1/2, and the
    resize to 224x168 after it 4.4 and 1.3 ms.

    Examples
    --------
    >>> import pydicom.data
    >>> from graytorgb.io import read
    >>> path = pydicom.data.get_testdata_file("examples_overlay.dcm", download=False)
    >>> scan = read(path)
    >>> scan.value_range, scan.range_source
    ((55, 844), 'the window in the file, center 450, width 790')
    >>> read(path, window=None).value_range
    (0, 4095)
    >>> photo = pydicom.data.get_testdata_file("SC_rgb_jpeg_gdcm.dcm", download=False)
    >>> read(photo).layout, read(photo, color="gray").layout
    ('HWC', 'HW')
    """
    return read_image(
        path, check_data(data), color=color, alpha=alpha, min_size=min_size,
        value_range=value_range, index=index, window=window, limit=limit, orientation=orientation,
    )  # fmt: skip


def read_header(
    path: str | os.PathLike[str],
    *,
    index: int | str | None = None,
    limit: int = LIMIT,
    data: bytes | None = None,
) -> ImageHeader:
    """Read what an image file tells of its pixels, without decoding them.

    Of most files a few KB are read. GIF, WebP and animations are read whole, because only their
    blocks tell how many frames there are.

    Parameters
    ----------
    path, index, limit, data
        As :func:`read` takes them.

    Returns
    -------
    ImageHeader
        The shape, dtype, layout, range and all else that :func:`read` would tell of the file. A
        range in a TIFF's tags is taken as stated, where :func:`read` leaves it out if pixels lie
        beyond.

    Raises
    ------
    ImageFileError, BackendUnavailable, OptionError, DtypeError, OSError
        As :func:`read` raises them for what the header tells. Damaged pixels aren't seen.

    Examples
    --------
    >>> import pydicom.data
    >>> from graytorgb.io import read_header
    >>> path = pydicom.data.get_testdata_file("examples_overlay.dcm", download=False)
    >>> header = read_header(path)
    >>> header.shape, header.dtype, header.value_range, header.color_type
    ((300, 484), dtype('uint16'), (55, 844), 'gray')
    """
    return read_image_header(path, index, limit, check_data(data))
