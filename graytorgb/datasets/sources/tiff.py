"""The pages of a TIFF that is a source by itself."""

from pathlib import Path

from tifffile import TiffFile

from ...errors import ImageFileError
from ...io.opening import LIMIT
from ...io.request import Request
from ...io.tiff_directories import check_directories


def list_pages(path: Path) -> list[str]:
    """Return for each page of a TIFF why it is no image of its own, or nothing if it is one.

    A file that is damaged has one page: to read it raises the error.
    """
    try:
        with Request(path, limit=LIMIT) as request:
            check_directories(request)
        with TiffFile(path, is_mmstack=False, is_ndtiff=False) as file:
            pages = [file.pages[k].aspage() for k in range(len(file.pages))]
            return [_explain(page.is_reduced, page.is_mask) for page in pages]
    except (ImageFileError, ValueError, KeyError):
        return [""]


def _explain(is_reduced: bool, is_mask: bool) -> str:
    if is_reduced:
        return "a smaller copy of another page"
    return "a mask of another page" if is_mask else ""
