"""Peers: the calls that people use today to copy one channel into three, as libraries document them.

A peer makes a converter for a batch (N, H, W). This step, which imports the library and wraps the
batch in the library's own tensor, isn't timed. The result of a converter is compared with NumPy's
before the converter is timed.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import graytorgb as g2r

Array = np.ndarray[Any, Any]
Converter = Callable[[], Any]


class Peer(NamedTuple):
    """A way to convert a batch.

    Attributes
    ----------
    library, call : str
        The library, and the call as one writes it.
    make : callable
        Takes the batch and returns the converter.
    dtypes : tuple of str or None
        The dtypes that the library takes; None for all four of the matrix.
    is_each : bool
        Whether the call converts image by image.
    process : str
        Ways with the same name here can be measured in one process.
    """

    library: str
    call: str
    make: Callable[[Array], Converter]
    dtypes: tuple[str, ...] | None = None
    is_each: bool = False
    process: str = "torch"

    @property
    def name(self) -> str:
        """The library and the call, as the tables show them."""
        return f"{self.library}: {self.call}"


def _opencv_each(x: Array) -> Converter:
    import cv2

    return lambda: np.stack([cv2.cvtColor(image, cv2.COLOR_GRAY2RGB) for image in x])


def _opencv_batch(x: Array) -> Converter:
    import cv2

    rows, shape = x.reshape(-1, x.shape[-1]), (*x.shape, 3)
    return lambda: cv2.cvtColor(rows, cv2.COLOR_GRAY2RGB).reshape(shape)


def _opencv_merge(x: Array) -> Converter:
    import cv2

    rows, shape = x.reshape(-1, x.shape[-1]), (*x.shape, 3)
    return lambda: cv2.merge([rows, rows, rows]).reshape(shape)


def _numpy_broadcast(x: Array) -> Converter:
    n, h, w = x.shape
    return lambda: np.broadcast_to(x[:, None], (n, 3, h, w)).copy()


def _pillow_each(x: Array) -> Converter:
    from PIL import Image

    return lambda: np.stack([np.asarray(Image.fromarray(image).convert("RGB")) for image in x])


def _skimage(x: Array) -> Converter:
    from skimage.color import gray2rgb

    return lambda: gray2rgb(x)


def _einops(pattern: str) -> Callable[[Array], Converter]:
    def make(x: Array) -> Converter:
        from einops import repeat

        return lambda: repeat(x, pattern, c=3)

    return make


def _albumentations(x: Array) -> Converter:
    import albumentations

    transform = albumentations.ToRGB(p=1)
    return lambda: np.stack([transform(image=image)["image"] for image in x])


def _albumentations_batch(x: Array) -> Converter:
    import albumentations

    transform = albumentations.Compose([albumentations.ToRGB(p=1)])
    gray = x[..., None]
    return lambda: transform(images=gray)["images"]


def _torchvision(x: Array) -> Converter:
    import torch
    from torchvision.transforms import v2

    transform, gray = v2.RGB(), torch.from_numpy(x)[:, None]
    return lambda: transform(gray)


def _torch_repeat(x: Array) -> Converter:
    import torch

    gray = torch.from_numpy(x)[:, None]
    return lambda: gray.repeat(1, 3, 1, 1)


def _torch_expand(axis: int) -> Callable[[Array], Converter]:
    def make(x: Array) -> Converter:
        import torch

        gray = torch.from_numpy(x).unsqueeze(axis)
        sizes = tuple(3 if i == gray.ndim + axis else -1 for i in range(gray.ndim))
        return lambda: gray.expand(sizes).contiguous()

    return make


def _kornia(x: Array) -> Converter:
    import kornia
    import torch

    gray = torch.from_numpy(x)[:, None]
    return lambda: kornia.color.grayscale_to_rgb(gray).contiguous()


def _tensorflow(x: Array) -> Converter:
    import tensorflow as tf

    gray = tf.constant(x[..., None])
    return lambda: tf.image.grayscale_to_rgb(gray)


def _keras(x: Array) -> Converter:
    import keras

    gray = keras.ops.convert_to_tensor(x[..., None])
    layer = keras.layers.Concatenate(axis=-1)
    return lambda: layer([gray, gray, gray])


def _ours(layout: str) -> Callable[[Array], Converter]:
    return lambda x: lambda: g2r.to_rgb(x, layout)


OURS = "graytorgb"
NHWC, NCHW = "NHW->NHWC", "NHW->NCHW"

PEERS = {
    NHWC: [
        Peer(OURS, "to_rgb(x, 'NHW->NHWC')", _ours(NHWC)),
        Peer("numpy", "np.repeat(x[..., None], 3, -1)", lambda x: lambda: np.repeat(x[..., None], 3, -1)),
        Peer("numpy", "np.stack([x] * 3, -1)", lambda x: lambda: np.stack([x] * 3, -1)),
        Peer("numpy", "np.concatenate([x[..., None]] * 3, -1)", lambda x: lambda: np.concatenate([x[..., None]] * 3, -1)),
        Peer("numpy", "np.tile(x[..., None], 3)", lambda x: lambda: np.tile(x[..., None], 3)),
        Peer("numpy", "np.stack([np.dstack([i] * 3) for i in x])", lambda x: lambda: np.stack([np.dstack([i] * 3) for i in x]), is_each=True),
        Peer("opencv", "cvtColor(i, COLOR_GRAY2RGB) each", _opencv_each, ("uint8", "uint16", "float32"), is_each=True),
        Peer("opencv", "cvtColor(x.reshape(-1, w), COLOR_GRAY2RGB)", _opencv_batch, ("uint8", "uint16", "float32")),
        Peer("opencv", "merge([x.reshape(-1, w)] * 3)", _opencv_merge),
        Peer("pillow", "i.convert('RGB') each", _pillow_each, ("uint8",), is_each=True),
        Peer("scikit-image", "gray2rgb(x)", _skimage),
        Peer("einops", "repeat(x, 'n h w -> n h w c', c=3)", _einops("n h w -> n h w c")),
        Peer("albumentations", "ToRGB()(image=i) each", _albumentations, ("uint8", "float32"), is_each=True),
        Peer("albumentations", "Compose([ToRGB()])(images=x)", _albumentations_batch, ("uint8", "float32"), is_each=True),
        Peer("torch", "x[..., None].expand(-1, -1, -1, 3).contiguous()", _torch_expand(-1)),
        Peer("tensorflow", "tf.image.grayscale_to_rgb(x)", _tensorflow, process="tensorflow"),
        Peer("keras", "Concatenate()([x, x, x])", _keras, process="tensorflow"),
    ],
    NCHW: [
        Peer(OURS, "to_rgb(x, 'NHW->NCHW')", _ours(NCHW)),
        Peer("numpy", "np.repeat(x[:, None], 3, 1)", lambda x: lambda: np.repeat(x[:, None], 3, 1)),
        Peer("numpy", "np.stack([x] * 3, 1)", lambda x: lambda: np.stack([x] * 3, 1)),
        Peer("numpy", "np.tile(x[:, None], (1, 3, 1, 1))", lambda x: lambda: np.tile(x[:, None], (1, 3, 1, 1))),
        Peer("numpy", "np.concatenate([x[:, None]] * 3, 1)", lambda x: lambda: np.concatenate([x[:, None]] * 3, 1)),
        Peer("numpy", "np.broadcast_to(x[:, None], (n, 3, h, w)).copy()", _numpy_broadcast),
        Peer("einops", "repeat(x, 'n h w -> n c h w', c=3)", _einops("n h w -> n c h w")),
        Peer("torchvision", "v2.RGB()(x[:, None])", _torchvision),
        Peer("torch", "x[:, None].repeat(1, 3, 1, 1)", _torch_repeat),
        Peer("torch", "x[:, None].expand(-1, 3, -1, -1).contiguous()", _torch_expand(-3)),
        Peer("kornia", "grayscale_to_rgb(x[:, None]).contiguous()", _kornia),
    ],
}  # fmt: skip


def find_peer(layout: str, call: str) -> Peer:
    """Return the peer with this call, as the table of the layout writes it."""
    return next(peer for peer in PEERS[layout] if peer.call == call)
