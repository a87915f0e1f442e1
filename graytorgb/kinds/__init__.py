"""The kinds of arrays that the verbs take: each is a file here, and a line in ``table.py``."""

from .arguments import read_image, require_unshared, write_result
from .classes import is_pil, is_symbolic_tensorflow, is_tensor
from .messages import describe_image, explain_source, refuse_backend, refuse_background
from .protocols import ArrayKind, BlockKind, LibraryKind, SharedKind
from .table import KINDS, Kind, find_kind

__all__ = [
    "KINDS",
    "ArrayKind",
    "BlockKind",
    "Kind",
    "LibraryKind",
    "SharedKind",
    "describe_image",
    "explain_source",
    "find_kind",
    "is_pil",
    "is_symbolic_tensorflow",
    "is_tensor",
    "read_image",
    "refuse_backend",
    "refuse_background",
    "require_unshared",
    "write_result",
]
