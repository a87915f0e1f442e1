"""``plain_mode`` and ``convert_arrays``: torch code without the modes and arrays of a caller."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch.utils._pytree import tree_map_only

# The types of devices whose operations torch.autocast may run in fewer bits.
_DEVICES = ("cpu", "cuda", "mps", "xpu", "hpu", "mtia")


@contextmanager
def plain_mode() -> Iterator[None]:
    """Leave inference mode and autocast until the context ends.

    A parameter that is made in inference mode can't be trained later. Under autocast a network is
    calculated in 16 bits, so that it differs from itself by more than rounding in float32.

    Examples
    --------
    >>> import torch
    >>> with torch.inference_mode(), plain_mode():
    ...     print(torch.ones(1).is_inference())
    False
    """
    has_grad = torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
    with ExitStack() as stack:
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.set_grad_enabled(has_grad))
        for device in _DEVICES:
            if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        yield


def convert_arrays(example: Any) -> Any:
    """Return an example with tensors in place of NumPy arrays.

    >>> import numpy as np
    >>> convert_arrays({"x": np.zeros((1, 3, 8, 8))})["x"].shape
    torch.Size([1, 3, 8, 8])
    """
    return tree_map_only(np.ndarray, lambda array: torch.from_numpy(np.array(array)), example)
