"""``FitView``: all of an image, or as much as has the proportions of a size, as Keras fits it."""

from typing import NamedTuple

from ...core.wording import suggest
from ...errors import OptionError
from ...functional.resizing import resize_part
from .crops import Array, Draw, Size

# Keras's names of filters, and Pillow's
_FILTERS = {
    "area": "BOX",
    "bicubic": "BICUBIC",
    "bilinear": "BILINEAR",
    "lanczos3": "LANCZOS",
    "nearest": "NEAREST",
}


class FitView(NamedTuple):
    """All of an image in a fixed size, as ``image_dataset_from_directory`` of Keras fits it.

    Attributes
    ----------
    size : (height, width)
        Of the result; an upper limit with ``"pad"``.
    fit : {"stretch", "crop", "pad"}
        What becomes of the proportions. ``"stretch"`` doesn't keep them; ``"crop"`` takes the
        largest part in the center that has them; ``"pad"`` keeps the whole image, which then fills
        the size in one direction only.
    interpolation : str
        A name of Keras's: ``"area"``, ``"bicubic"``, ``"bilinear"``, ``"lanczos3"`` or
        ``"nearest"``. All but ``"nearest"`` are antialiased.
    """

    size: Size
    fit: str = "stretch"
    interpolation: str = "bilinear"

    def take(self, plane: Array, draw: Draw | None = None) -> Array:
        """Return the view of a plane, in memory of its own.

        Parameters
        ----------
        plane : ndarray, shape (H, W)
        draw : Draw
            Not used.

        Returns
        -------
        ndarray of the same dtype
            Of shape `size`, or smaller in one direction with ``"pad"``.
        """
        size = self.size
        if self.fit == "crop":
            plane = _crop(plane, size)
        elif self.fit == "pad":
            size = _fit_inside(plane.shape, size)
        if plane.shape == size:
            return plane.copy()
        return resize_part(plane, size, (0, 0), size, resampling=_FILTERS[self.interpolation])


def check_interpolation(name: str) -> str:
    """Return the name of a filter in lower case.

    Raises
    ------
    OptionError
        If there is no such filter.

    Examples
    --------
    >>> check_interpolation("Bilinear")
    'bilinear'
    """
    if not isinstance(name, str) or name.lower() not in _FILTERS:
        raise OptionError(
            f"interpolation is one of {', '.join(map(repr, sorted(_FILTERS)))}, not {name!r}: "
            'interpolation="bilinear" for photographs, "nearest" for values that must not be mixed'
            + suggest(name, _FILTERS)
        )
    return name.lower()


def _crop(plane: Array, size: Size) -> Array:
    """Return the largest part in the center with the proportions of `size` (`smart_resize`)."""
    height, width = plane.shape
    tall = max(1, min(height, width * size[0] // size[1]))
    wide = max(1, min(width, height * size[1] // size[0]))
    top, left = (height - tall) // 2, (width - wide) // 2
    return plane[top : top + tall, left : left + wide]


def _fit_inside(shape: tuple[int, ...], size: Size) -> Size:
    """Return the size of an image that fits in `size`, with its proportions (`resize_with_pad`).

    >>> _fit_inside((480, 640), (100, 100))
    (75, 100)
    """
    ratio = max(shape[0] / size[0], shape[1] / size[1])
    return max(1, int(shape[0] / ratio)), max(1, int(shape[1] / ratio))
