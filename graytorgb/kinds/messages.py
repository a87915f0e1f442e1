"""Error messages that describe the image that a caller gave."""

from contextlib import suppress
from typing import Any

from ..core.image_file import ImageFile
from ..errors import DtypeError
from .classes import is_instance, is_pil
from .protocols import UnsharedKind


def describe_image(image: Any) -> str:
    """Return the type of an image for a message, with the shape and the dtype if it has them."""
    if isinstance(image, ImageFile):
        return repr(image)
    kind = type(image)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    facts = [f"{module}{kind.__qualname__}"]
    if is_pil(image):
        facts += [f"mode {image.mode}", f"size {image.size}"]
    elif not isinstance(image, type):
        # an object may not have these, or raise an error of its own, which would hide the first
        with suppress(Exception):
            facts.append(f"shape {tuple(image.shape)}")
        with suppress(Exception):
            facts.append(f"dtype {image.dtype}")
    return ", ".join(facts)


def explain_refusal(image: Any) -> str:
    """Return why an object isn't an image, and what to pass instead."""
    expected = "expected an image as a numpy array, a PIL image or a torch tensor"
    name = type(image).__name__
    if is_instance(image, "keras", "KerasTensor"):
        return (
            "a KerasTensor stands for the input of a model, and has no values: put "
            "graytorgb.layers.ToRGB() or Prepare(stats) into the model"
        )
    if isinstance(image, str | bytes) or hasattr(image, "__fspath__"):
        return f"{expected}, not a file name: open it, PIL.Image.open({image!r})"
    if isinstance(image, list | tuple):
        return (
            f"{expected}, not a {name}: np.stack(images) makes a batch (layout "
            '"NHW") of images of one size; else call this for each of them'
        )
    return f"{expected}, or anything with __array__, not {name}"


def refuse_backend(kind: UnsharedKind, backend: str) -> DtypeError:
    """Return the error for a named backend where the array's own library has to do the work."""
    return DtypeError(
        f"backend {backend!r} works on memory that numpy can share, and {kind.why_not_shared}: "
        f'backend="auto" uses its own library, or pass {kind.numpy_call}'
    )


def refuse_background(kind: UnsharedKind) -> DtypeError:
    """Return the error for compositing where numpy can't share the memory of the input."""
    return DtypeError(
        f"compositing works on memory that numpy can share, and {kind.why_not_shared}: "
        f'pass {kind.numpy_call}, or alpha="drop"'
    )
