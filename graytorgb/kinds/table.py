"""The table of kinds, and how the kind of an object is found.

An object is compared with classes of libraries that are in ``sys.modules`` already, so nothing is
imported to find out what it is. A new kind is one file here and one line in :data:`KINDS`.
"""

from typing import Any, NamedTuple

from ..errors import BackendUnavailable, DtypeError
from ..extras import require
from .classes import is_instance
from .messages import explain_refusal
from .protocols import BlockKind, LibraryKind, SharedKind

Kind = SharedKind | LibraryKind | BlockKind


class Line(NamedTuple):
    """The line of a kind: how its objects are recognized, and which library its file needs.

    Attributes
    ----------
    file : str
        The name of its file here, without ``.py``.
    what : str
        The name of such an object in a message.
    module, classes : str, tuple of str
        The classes of its objects, and the module that has them.
    method : str
        A method that its objects have, if they have no class in common.
    library, extra : str
        The library that the file imports, and this package's extra that installs it.
    example : str
        The expression that makes such an array of ``x``, a numpy array. The documentation tries
        the verbs on it, unless `docs/tables.py` has rows of its own for the file.
    """

    file: str
    what: str
    module: str = ""
    classes: tuple[str, ...] = ()
    method: str = ""
    library: str = "numpy"
    extra: str = ""
    example: str = ""

    def has(self, image: Any) -> bool:
        """Return whether an object is of this kind."""
        for name in self.classes:
            if is_instance(image, self.module, name):
                return True
        return bool(self.method) and hasattr(image, self.method) and not _stands_for_others(image)

    def load(self) -> Kind:
        """Import the kind's file when first asked for, and return the kind.

        Raises
        ------
        BackendUnavailable
            If a library that it needs, beside the one that made the object, is missing or broken.
        """
        if self.file == "torch":  # its compiler traces an import statement, and no other import
            from .torch import KIND

            return KIND
        try:
            kind: Kind = require(f"graytorgb.kinds.{self.file}", self.library, self.extra).KIND
        except BackendUnavailable as error:
            error.args = (f"{self.what} {error}",)
            raise
        return kind


_TENSORS = ("Tensor", "Variable", "RaggedTensor", "SparseTensor", "IndexedSlices")
_API = "an array of the array API standard"

# An object has the kind of the first line that fits it: classes come before methods.
KINDS = (
    Line("numpy", "a numpy array", "numpy", ("ndarray", "generic")),
    Line("torch", "a torch tensor", "torch", ("Tensor",), "", "torch", "torchvision"),
    Line("jax", "a JAX array", "jax", ("Array",), "", "jax", "jax"),
    Line("tensorflow", "a tensor", "tensorflow", _TENSORS, "", "tensorflow", "tensorflow"),
    # every collection of dask, of which the file refuses all but arrays
    Line("dask", "a dask array", "dask.base", ("DaskMethodsMixin",), "", "dask", "dask"),
    Line("array_api", _API, "cupy", ("ndarray",), "", "array_api_compat", "array-api"),
    Line("array_api", _API, "", (), "__array_namespace__", "array_api_compat", "array-api"),
    Line("numpy", "an object with __array__", method="__array__"),
)

_found: dict[type, Kind] = {}  # the kinds of the libraries' own classes, once they are found


def find_kind(image: Any) -> Kind:
    """Return the kind of an array.

    Raises
    ------
    DtypeError
        For strings, None, lists and other objects that hold no array.
    """
    found = _found.get(type(image))
    if found is not None:
        return found
    for line in KINDS:
        if line.has(image):
            kind = line.load()
            if type(image).__name__ in line.classes:
                _found[type(image)] = kind
            return kind
    raise DtypeError(explain_refusal(image))


def _stands_for_others(image: Any) -> bool:
    """Return whether an object has an array's methods and no values: a class, a KerasTensor."""
    return isinstance(image, type) or is_instance(image, "keras", "KerasTensor")
