""".npy and .npz, without pickles."""

import zipfile
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from ..errors import LayoutError
from ..layout import resolve
from .image import Array, ImageFile, Request


def read(request: Request) -> ImageFile:
    """One array; of an .npz with several, the one that `index` names."""
    with request.path.open("rb") as file:
        if file.read(2) != b"PK":
            if request.index is not None:
                raise request.error("an .npy is one array: read(path).array[index]")
            file.seek(0)
            return _describe(request, _read_array(request, file))
        with zipfile.ZipFile(file) as archive, archive.open(_pick(request, archive)) as member:
            return _describe(request, _read_array(request, member))


def _pick(request: Request, archive: zipfile.ZipFile) -> str:
    names = [name for name in archive.namelist() if name.endswith(".npy")]
    if not names:
        raise request.error("a zip file without arrays, so no .npz")
    if request.index is None and len(names) == 1:
        return names[0]
    if f"{request.index}.npy" in names:
        return f"{request.index}.npy"
    shown = ", ".join(repr(name.removesuffix(".npy")) for name in names)
    raise request.error(f"an .npz of {shown}: read(path, index=name) picks one")


def _read_array(request: Request, file: IO[bytes]) -> Array:
    version = npy.read_magic(file)
    header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = header(file)
    if dtype.kind not in "biuf":
        raise request.error(f"an array of dtype {dtype}, and an image holds real numbers or bool")
    if len(shape) < 2:
        raise request.error(f"an array of shape {shape}, and an image has two axes or more")
    request.check_size(shape, dtype.itemsize)
    file.seek(0)
    array: Array = npy.read_array(file, allow_pickle=False)
    return array


def _describe(request: Request, array: Array) -> ImageFile:
    try:
        layout: str | None = resolve(None, array.shape).source
    except LayoutError:
        layout = None  # to_rgb asks for it, and names the readings
    known: dict[Any, tuple[int, int]] = {np.dtype(np.uint8): (0, 255), np.dtype(bool): (0, 1)}
    value_range = known.get(array.dtype)
    return ImageFile(
        path=request.path,
        array=array,
        layout=layout,
        value_range=value_range,
        range_source="its dtype"
        if value_range
        else f"an array of {array.dtype.name} states no range",
        format="NumPy",
        mode=f"array of {array.dtype.name}",
        bits=8 if array.dtype == np.uint8 else None,
    )
