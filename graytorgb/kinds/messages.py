"""Error messages that describe the image that a caller gave."""

import os
from collections.abc import Sequence
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


_EXPECTED = "expected an image as a numpy array, a PIL image or a torch tensor"


def explain_refusal(image: Any) -> str:
    """Return why an object isn't an image, and what to pass instead."""
    if is_instance(image, "keras", "KerasTensor"):
        return (
            "a KerasTensor stands for the input of a model, and has no values: put "
            "graytorgb.layers.ToRGB() or Prepare(stats) into the model"
        )
    known = explain_source(image) or (
        _explain_sequence(image) if isinstance(image, list | tuple) else ""
    )
    return f"{_EXPECTED}, {known or f'or anything with __array__, not {type(image).__name__}'}"


def explain_source(image: Any, part: str = "") -> str:
    """Return what reads the file that an object names or holds; ``""`` for another object.

    Parameters
    ----------
    image
        What was given as an image.
    part : str
        What of the file to pass, such as ``".array"``, where a whole ``ImageFile`` isn't taken.

    Examples
    --------
    >>> explain_source("scan.png")
    "not a path, 'scan.png': g2r.io.read(path) reads it"
    """
    name = type(image).__name__
    if image is None:
        return (
            f"not {name}: cv2.imread(path) returns None for a file that it can't find or read; "
            f"g2r.io.read(path){part} reads it, or says why it can't"
        )
    if isinstance(image, str | os.PathLike):
        return f"not a path, {str(image)!r:.200}: g2r.io.read(path){part} reads it"
    if isinstance(image, bytes | bytearray | memoryview):
        call = "data" if isinstance(image, bytes) else "bytes(data)"
        named = ""
        if isinstance(image, bytes) and len(image) < 1024 and image.isascii():
            named = f", and g2r.io.read(os.fsdecode(path)){part} a file of this name"
        return f"not {name}: g2r.io.decode({call}){part} decodes a file's bytes{named}"
    if not hasattr(image, "__array__") and callable(getattr(image, "read", None)):
        return f"not an open file, {name}: g2r.io.decode(file){part} decodes it"
    return ""


def _explain_sequence(images: Sequence[Any]) -> str:
    """Return what to do with the images, files or paths of a list."""
    name = type(images).__name__
    if any(isinstance(each, ImageFile) for each in images):
        return (
            f"not a {name} of files: call this for each of them; np.stack([file.array for file in "
            'files]) makes a batch (layout "NHW") of gray files of one size'
        )
    for place, each in enumerate(images):
        told = explain_source(each)
        if told and each is None:
            return f"not a {name} whose item {place} is None: {told.partition(': ')[2]}"
        if told:
            return (
                f"not a {name} of files that aren't read yet: call this for each of them. Item "
                f"{place} is {told.removeprefix('not ')}"
            )
    has_numbers = bool(images) and isinstance(images[0], list | tuple | int | float)
    return (
        f"not a {name}: np.stack(images) makes a batch (layout "
        '"NHW") of images of one size; else call this for each of them'
        f"{'. np.asarray(x, np.uint8) makes an image of lists of numbers' if has_numbers else ''}"
    )


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
