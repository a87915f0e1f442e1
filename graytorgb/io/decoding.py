"""``decode``: an image file that is in memory, or behind a file object."""

from typing import Any, BinaryIO, Literal

from ..core.alpha import Alpha
from ..core.image_file import ImageFile
from ..core.value_range import ValueRange
from ..errors import OptionError
from .opening import LIMIT, read_image
from .request import Window

_NAME = "<bytes>"


def decode(
    data: bytes | bytearray | memoryview | BinaryIO,
    *,
    name: str | None = None,
    color: Literal["keep", "gray"] = "keep",
    alpha: Alpha = "error",
    min_size: tuple[int, int] | None = None,
    value_range: ValueRange | None = None,
    index: int | str | None = None,
    window: Window = "file",
    limit: int = LIMIT,
    orientation: str = "keep",
) -> ImageFile:
    """Decode an image file from its bytes, or from a file object, as :func:`read` reads a path.

    Parameters
    ----------
    data : bytes, bytearray, memoryview or binary file object
        All bytes of the file. A file object is read from its position to its end, and isn't closed.
    name : str, optional
        What to call the image in messages and in ``path`` of the result. The default is the name
        of the file object if it has one, else ``"<bytes>"``. Nothing of this name is opened. Its
        ending counts as the ending of a file's name does: it may tell a DICOM file without the
        usual start.
    color, alpha, min_size, value_range, index, window, limit, orientation
        As :func:`read` takes them.

    Returns
    -------
    ImageFile
        What :func:`read` gives of a file with these bytes.

    Raises
    ------
    OptionError
        If `data` is something else, such as a path or a text file, or `name` isn't a str.
    ImageFileError, BackendUnavailable, ChannelError, DtypeError, LayoutError, LevelsError
        As :func:`read` raises them. An OME-TIFF with planes in other files lacks them here.
    OSError
        If the file object raises it.

    Warns
    -----
    UserWarning
        As :func:`read` warns of a depth that is hardly used.

    Examples
    --------
    >>> import io
    >>> import numpy as np, PIL.Image
    >>> from graytorgb.io import decode
    >>> file = io.BytesIO()
    >>> PIL.Image.fromarray(np.full((2, 3, 3), (255, 0, 0), np.uint8)).save(file, "PNG")
    >>> decode(file.getvalue(), name="red.png")
    ImageFile('red.png', PNG: RGB, 8 bits; shape (2, 3, 3), dtype uint8, layout 'HWC',
        value_range (0, 255) from PNG's depth, 8 bits)
    >>> start = file.seek(0)
    >>> decode(file, color="gray").array
    array([[76, 76, 76],
           [76, 76, 76]], dtype=uint8)
    """
    if name is not None and not isinstance(name, str):
        raise OptionError(f'name is a str such as "scan.dcm", or None, not {name!r}')
    found, usual = _take_bytes(data)
    return read_image(
        usual if name is None else name, found, color=color, alpha=alpha, min_size=min_size,
        value_range=value_range, index=index, window=window, limit=limit, orientation=orientation,
        is_alone=True,
    )  # fmt: skip


def _take_bytes(data: Any) -> tuple[bytes, str]:
    """Return the bytes, and the name of the file object that they come from or a stand-in."""
    if isinstance(data, bytes):
        return data, _NAME
    if isinstance(data, bytearray | memoryview):
        return bytes(data), _NAME
    read = getattr(data, "read", None)
    if not callable(read):
        is_path = isinstance(data, str) or hasattr(data, "__fspath__")
        hint = "read(path) takes a path" if is_path else "decode(bytes(data)) for another buffer"
        raise OptionError(
            "data is the bytes of an image file, a bytearray, a memoryview or a binary file "
            f"object, not of type {type(data).__name__}: {hint}"
        )
    found = read()
    name = getattr(data, "name", None)
    name = name if isinstance(name, str) and name else _NAME
    if isinstance(found, bytes | bytearray | memoryview):
        return bytes(found), name
    if isinstance(found, str):
        raise OptionError(
            f"{name} is open as text, and an image is bytes: open(path, 'rb'), or read(path)"
        )
    raise OptionError(
        f"{name} gives {type(found).__name__} and not bytes when it is read: a binary file object "
        "is needed, one that waits for its data"
    )
