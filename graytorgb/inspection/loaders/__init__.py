"""What the usual loaders make of an image file, and what they lose, without these libraries.

Found by experiment with Pillow 13.0, OpenCV 5.0, torchvision 0.29, TorchCodec 0.17, TensorFlow 2.21
and Keras 3.15. tests/inspection/test_loaders.py compares every pixel with these libraries.
"""

from .losses import Loss, find_losses
from .pictures import convert_like
from .table import LOADERS, Loader

__all__ = ["LOADERS", "Loader", "Loss", "convert_like", "find_losses"]
