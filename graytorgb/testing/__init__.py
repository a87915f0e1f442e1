"""The tests that a backend has to pass, for the backends of other packages too.

They need pytest and hypothesis, which the extra ``testing`` installs, and are imported only here.
"""

from ..extras import require

require("hypothesis")  # raises the error that names the extra, instead of a bare ImportError
require("pytest").register_assert_rewrite(f"{__name__}.arrays", f"{__name__}.backend_contract")

from .arrays import (  # noqa: E402
    NUMBERS,
    assert_own_memory,
    assert_same_bits,
    awkward_arrays,
    oracle,
    random_bits,
    shapes,
)
from .backend_contract import BackendContract  # noqa: E402

__all__ = [
    "NUMBERS",
    "BackendContract",
    "assert_own_memory",
    "assert_same_bits",
    "awkward_arrays",
    "oracle",
    "random_bits",
    "shapes",
]
