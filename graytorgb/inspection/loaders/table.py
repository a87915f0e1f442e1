"""The table of usual loaders: the call, the code that does it right, and the rule."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from .opencv import find_opencv
from .pillow import find_keras, find_pillow
from .rule import FindRule
from .tensors import find_tensorflow, find_torchcodec, find_torchvision


class Loader(NamedTuple):
    """A usual way to load an image file.

    Attributes
    ----------
    name : str
        The library.
    code : str
        The call, with its default arguments.
    remedy : str
        The code that gives RGB of 8 bits, with black and white where the file or you state them.
    find_rule : callable
        Takes an ImageFile and its bytes or None, and returns what the loader does to the file.
    """

    name: str
    code: str
    remedy: str
    find_rule: FindRule


_RGB = 'g2r.to_rgb(g2r.to_uint8(g2r.io.read(path, orientation="apply"))'
_REMEDY = f'{_RGB}, alpha="drop")'
_TORCH = f"torch.from_numpy({_REMEDY}).permute(2, 0, 1)"
_LOADERS = (
    Loader("pillow", 'Image.open(path).convert("RGB")', f"Image.fromarray({_REMEDY})",
           find_pillow),
    Loader("opencv", "cv2.imread(path)", f"{_REMEDY}[..., ::-1]", find_opencv),
    Loader("torchvision", "torchvision.io.decode_image(path)", _TORCH, find_torchvision),
    Loader("torchcodec", "torchcodec.decoders.decode_image(path)", _TORCH, find_torchcodec),
    Loader("tensorflow", "tf.io.decode_image(tf.io.read_file(path))", f"tf.constant({_REMEDY})",
           find_tensorflow),
    Loader("keras", "keras.utils.load_img(path)", f"Image.fromarray({_REMEDY})", find_keras),
)  # fmt: skip
LOADERS: Mapping[str, Loader] = MappingProxyType({loader.name: loader for loader in _LOADERS})
