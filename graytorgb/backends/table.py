"""The table of this package's backends: one line each, as strings, so that nothing is imported."""

from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np


class Entry(NamedTuple):
    """A backend's line in the table: what must be known before its library is imported.

    Attributes
    ----------
    how : str
        The call that does the work.
    library : str or None
        The package that the backend's module imports beside NumPy.
    result : {"copy", "view"}
        Whether the result has memory of its own.
    dtypes : tuple of str or None
        The names of the dtypes that the backend takes; None for every number and bool.
    slow_import : bool
        Whether the library takes seconds to import, so that nothing imports it unasked.
    module : str or None
        The dotted name of the backend's module; None for the file in this folder that has the
        backend's name.
    defect : str
        Why the backend can't be used, whatever its module holds; empty for nearly all.
    """

    how: str
    library: str | None = None
    result: Literal["copy", "view"] = "copy"
    dtypes: tuple[str, ...] | None = None
    slow_import: bool = False
    module: str | None = None
    defect: str = ""

    def takes(self, dtype: np.dtype[Any]) -> bool:
        """Whether the backend converts arrays of `dtype`."""
        return self.dtypes is None or dtype.name in self.dtypes


# A backend's name is also the name of its file in this folder.
BUILT_IN = MappingProxyType(
    {
        "repeat": Entry("np.repeat"),
        "dstack": Entry("np.stack"),
        "fill": Entry("preallocated, one assignment a channel"),
        "broadcast": Entry("np.broadcast_to, channel stride 0", result="view"),
        "opencv": Entry("cv2.cvtColor, a whole batch in one call", "cv2"),
        "skimage": Entry("skimage.color.gray2rgb", "skimage"),
        "pillow": Entry('Image.convert("RGB")', "PIL", dtypes=("uint8",)),
        "native": Entry("this package's compiled kernels", "graytorgb._kernels"),
        "torchvision": Entry("v2.functional.grayscale_to_rgb", "torchvision", slow_import=True),
    }
)
