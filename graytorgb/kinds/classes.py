"""Functions that tell the class of an object, and import no library for that."""

import sys
from typing import Any


def is_instance(image: Any, module: str, name: str) -> bool:
    """Return whether an object has a class of a module that may not be imported yet."""
    # the class is missing for a moment while another thread imports the module
    found = getattr(sys.modules.get(module), name, None)
    return found is not None and isinstance(image, found)


def is_pil(image: Any) -> bool:
    """Return whether an object is a Pillow image."""
    return is_instance(image, "PIL.Image", "Image")


def is_tensor(image: Any) -> bool:
    """Return whether an object is a torch tensor, of any subclass."""
    return is_instance(image, "torch", "Tensor")


def is_symbolic_tensorflow(image: Any) -> bool:
    """Return whether an object is a tensor of a TensorFlow graph, which has no values yet."""
    if not is_instance(image, "tensorflow", "Tensor"):
        return False
    return bool(sys.modules["tensorflow"].is_symbolic_tensor(image))
