"""The samples of a TIFF: gray, color, palette indices or alpha, by the tags."""

from typing import NamedTuple

import numpy as np
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC, TIFF, TiffPage

from .ranges import Array, split_blocks
from .request import Request

_GRAY = (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE)
# The codecs that turn YCbCr into RGB
_COLOR_CODECS = (COMPRESSION.JPEG, COMPRESSION.OJPEG, COMPRESSION.JPEG_2000_LOSSY)
_ALPHA = (EXTRASAMPLE.ASSOCALPHA, EXTRASAMPLE.UNASSALPHA)
CCITT = (COMPRESSION.CCITTRLE, COMPRESSION.CCITTFAX3, COMPRESSION.CCITTFAX4)


class Samples(NamedTuple):
    """The samples of a pixel, as TIFF's tags state them.

    Attributes
    ----------
    kind : str
        ``"gray"``, ``"RGB"`` or ``"palette"``.
    colors : int
        How many samples of a pixel are its gray value, its color or its index.
    extra : tuple of int
        What each further sample is, by ExtraSamples.
    zero_is_white : bool
        Whether the smallest gray value is white.
    notes : tuple of str
        What isn't stated, and how it is read.
    """

    kind: str
    colors: int
    extra: tuple[int, ...] = ()
    zero_is_white: bool = False
    notes: tuple[str, ...] = ()

    @property
    def alpha(self) -> int | None:
        """The index of the alpha sample; None without one."""
        found = (self.extra.index(kind) for kind in _ALPHA if kind in self.extra)
        return next((self.colors + k for k in found), None)

    @property
    def alphas(self) -> set[int]:
        """The indices of all samples that are alpha."""
        return {self.colors + k for k, extra in enumerate(self.extra) if extra in _ALPHA}

    @property
    def is_premultiplied(self) -> bool:
        """Whether the colors are stored multiplied by alpha."""
        return EXTRASAMPLE.ASSOCALPHA in self.extra

    @property
    def are_colors(self) -> bool:
        """Whether the axis of samples is one of colors and alpha, and not of bands."""
        return self.kind != "gray" or (len(self.extra) == 1 and self.alpha is not None)


def find_samples(request: Request, page: TiffPage) -> Samples:
    """Return what the samples of a page are, or raise if its tags contradict each other."""
    photometric, notes = _find_photometric(page)
    if photometric == PHOTOMETRIC.YCBCR and page.compression in _COLOR_CODECS:
        photometric = PHOTOMETRIC.RGB
    is_ycc = page.compression == COMPRESSION.APERIO_JP2000_YCBC and page.samplesperpixel > 1
    if photometric in _GRAY:
        kind, count = "gray", 1
    elif photometric == PHOTOMETRIC.RGB and not is_ycc:
        kind, count = "RGB", 3
    elif photometric == PHOTOMETRIC.PALETTE:
        kind, count = "palette", 1
    else:
        raise request.error(
            f"its colors are {'YCBCR' if is_ycc else photometric.name}, neither gray nor RGB: "
            "tifffile.imread(path) gives the values as they are"
        )
    if not isinstance(page.bitspersample, int):
        raise request.error(f"its samples have different bits: {page.bitspersample}")
    total = page.samplesperpixel
    extra = tuple(int(value) for value in np.ravel(page.extrasamples))
    if total < count or (extra and len(extra) != total - count):
        stated = f" and {len(extra)} ExtraSamples" if extra else ""
        raise request.error(
            f"its tags contradict each other: {photometric.name} has {count} samples, and it "
            f"states {total} a pixel{stated}"
        )
    if page.compression in CCITT and (total, page.bitspersample) != (1, 1):
        raise request.error(
            f"its tags contradict each other: {COMPRESSION(page.compression).name} has 1 sample "
            f"of 1 bit, and it states {total} of {page.bitspersample}"
        )
    extra = extra or (0,) * (total - count)
    if kind == "palette" and EXTRASAMPLE.ASSOCALPHA in extra:
        raise request.error("its palette's colors are said to be multiplied by alpha")
    if kind != "gray" and set(extra) - set(_ALPHA):
        kept = "left out" if kind == "palette" else "kept, though they may be no alpha"
        notes += (f"what its further samples are isn't stated, so they are {kept}",)
    return Samples(kind, count, extra, photometric == PHOTOMETRIC.MINISWHITE, notes)


def _find_photometric(page: TiffPage) -> tuple[PHOTOMETRIC, tuple[str, ...]]:
    """Return PhotometricInterpretation, or, with a note, what libtiff takes if it is missing."""
    if 262 in page.tags or page.compression == COMPRESSION.OJPEG:
        return PHOTOMETRIC(page.photometric), ()
    if page.compression in CCITT:
        found = PHOTOMETRIC.MINISWHITE
    else:
        colors = page.samplesperpixel - len(page.extrasamples)
        found = PHOTOMETRIC.RGB if colors == 3 else PHOTOMETRIC.MINISBLACK
    return found, (f"it states no PhotometricInterpretation, and is read as {found.name}",)


def name_axes(samples: Samples, axes: str, shape: tuple[int, ...]) -> str:
    """Return a layout for tifffile's axes, without a letter twice.

    C is color, and N an axis without a better name. A microscope's channel, which tifffile calls
    C, is D here.
    """
    names = {"Y": "H", "X": "W", "S": "C" if samples.are_colors or not samples.extra else "S"}
    ends_in_channel = axes[-3:-1] == "YX" and axes[-1] not in names and shape[-1] == 1
    leading = [axis for axis in axes[: -1 if ends_in_channel else None] if axis not in names]
    used = {names[axis] for axis in axes if axis in names} | {"C"}
    spare = iter([letter for letter in "DBEFGJKUVMOPALRTZ" if letter not in axes])
    layout = ""
    for place, axis in enumerate(axes):
        unnamed = axis in "IQ" or (len(leading) == 1 and axis in "CH")
        if axis in names:
            letter = names[axis]
        elif ends_in_channel and place == len(axes) - 1:
            letter = "C"
        elif unnamed and "N" not in used:
            letter = "N"
        elif axis in "CHWIQ" or axis in used:
            letter = next(spare)
        else:
            letter = axis
        used.add(letter)
        layout += letter
    return layout


def describe_axes(layout: str, axes: str) -> str:
    """Return what each axis of the layout is, for people; `axes` are tifffile's names."""
    names = (
        f"{letter} is {TIFF.AXES_NAMES.get(axis, 'other')}"
        for letter, axis in zip(layout, axes, strict=True)
    )
    return f"axes {layout}: {', '.join(names)}"


def look_up_palette(
    request: Request, page: TiffPage, samples: Samples, array: Array, axis: int | None
) -> tuple[Array, int]:
    """Return the colors of palette indices, with alpha last, and the bits of a color."""
    palette = page.colormap
    if palette is None:
        raise request.error("a palette image without its palette")
    if array.dtype.kind not in "bu":
        raise request.error(f"its palette's indices are {array.dtype}, and have to be unsigned")
    values = array if axis is None else np.moveaxis(array, axis, -1)
    index = values if axis is None else values[..., 0]
    index = index.view(np.uint8) if index.dtype.kind == "b" else index
    if index.size and index.max() >= palette.shape[1]:
        raise request.error(
            f"its palette has {palette.shape[1]} colors, and a pixel has index {index.max()}"
        )
    # some writers put 8 bits where 16 belong, which libtiff finds in this way too
    bits = 8 if palette.max() < 256 else 16
    table = np.ascontiguousarray(palette.T)
    if samples.alpha is None:
        return table[index], bits
    result = np.empty((*index.shape, 4), table.dtype)
    opaque, full = (1 << int(page.bitspersample)) - 1, (1 << bits) - 1
    levels = np.rint(np.arange(opaque + 1) * (full / opaque)).astype(table.dtype)
    result[..., :3] = table[index]
    result[..., 3] = levels[values[..., samples.alpha]]
    return result, bits


def straighten_alpha(
    request: Request, page: TiffPage, samples: Samples, array: Array, axis: int
) -> None:
    """Divide colors by their alpha in place, so that associated alpha becomes straight.

    Integers are rounded to nearest; where alpha is 0 the color is 0.
    """
    is_float = array.dtype.kind == "f"
    opaque = 1 if is_float else (1 << int(page.bitspersample)) - 1
    if array.dtype.kind not in "uf" or opaque >= 1 << 32:
        raise request.error(f"its colors are multiplied by an alpha of {array.dtype}")
    place = samples.colors + samples.extra.index(EXTRASAMPLE.ASSOCALPHA)
    for pixels in split_blocks(np.moveaxis(array, axis, -1)):
        colors, alpha = pixels[..., : samples.colors], pixels[..., place : place + 1]
        # floats may be brighter than white
        beyond = (colors != 0) & (alpha == 0) if is_float else colors > alpha
        if beyond.any() or not ((alpha >= 0) & (alpha <= opaque)).all():
            raise request.error(
                "its tags say that colors are multiplied by alpha, and a pixel's color is larger "
                "than its alpha allows: tifffile.imread(path) gives the values as they are"
            )
        if is_float:
            colors[...] = np.divide(colors, alpha, out=np.zeros_like(colors), where=alpha > 0)
        else:
            wide = colors.astype(np.uint64) * np.uint64(opaque) + alpha // 2
            colors[...] = wide // np.maximum(alpha, 1)
