"""torchvision transforms for Compose, v1 and v2, and a collate function for DataLoader.

Tensors are ``(..., C, H, W)`` here, as everywhere in torchvision.

>>> import numpy as np, torch
>>> from torchvision.transforms import v2
>>> from graytorgb.transforms import ToRGB, ToUint8
>>> pipeline = v2.Compose([ToUint8((0, 4095)), ToRGB(), v2.ToDtype(torch.float32, scale=True)])
>>> pipeline(torch.full((1, 28, 28), 4095, dtype=torch.int16)).max()
tensor(1.)
"""

from ..extras import require

require("torchvision")  # raises the error that names the extra

from .batches import PrepareBatch  # noqa: E402
from .images import Prepare, ToGray, ToRGB, ToUint8  # noqa: E402

__all__ = ["Prepare", "PrepareBatch", "ToGray", "ToRGB", "ToUint8"]
