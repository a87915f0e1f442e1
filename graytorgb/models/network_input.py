"""``NetworkInput``: what one image has to be for an adapted network."""

from typing import NamedTuple

from .preprocessing import Preprocessing
from .resizing_record import Resizing


class NetworkInput(NamedTuple):
    """What one image has to be for an adapted network.

    Attributes
    ----------
    preprocessing : Preprocessing or None
        The record that the network carries, or None if it isn't adapted.
    sides : tuple of int or None
        The sides of an image, None for a side that isn't fixed.
    axis : {0, -1}
        Where the channel is: (1, H, W) or (H, W, 1).
    dtype : str
        The name of the dtype of the values.
    has_integers : bool
        Whether the network takes whole numbers.
    is_torch : bool
        Whether the network takes tensors of torch.
    resizing : Resizing or None
        How the network itself says that images are resized, as timm's do.
    """

    preprocessing: Preprocessing | None
    sides: tuple[int | None, ...]
    axis: int
    dtype: str
    has_integers: bool = False
    is_torch: bool = False
    resizing: Resizing | None = None
