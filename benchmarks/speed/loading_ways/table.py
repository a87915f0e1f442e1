"""The table of the ways: their names, who opens them, and which kinds of files they read."""

import re
from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

from .job import Form, Job

_ALL = ("jpeg-color", "jpeg-gray", "png-8", "png-16", "dicom")
_NO_DICOM = _ALL[:-1]


class Way(NamedTuple):
    """A way from files to batches.

    Attributes
    ----------
    name : str
        What the tables call it.
    opens : str
        Module and function; the function takes a `Job` and returns an iterable of batches, which
        is iterated once.
    library : str
        The package that it needs.
    kinds : tuple of str
        The folders of the kinds of files that it reads.
    form : Form
        The form of its batches.
    layout : "NCHW" or "NHWC"
        The order of the axes of its batches.
    """

    name: str
    opens: str
    library: str
    kinds: tuple[str, ...] = _NO_DICOM
    form: Form = Form.RGB
    layout: str = "NCHW"

    @property
    def is_ours(self) -> bool:
        """Return whether this package is the way."""
        return self.library == "graytorgb"

    @property
    def is_installed(self) -> bool:
        """Return whether the library is there."""
        return find_spec(self.library) is not None

    def load(self) -> Callable[[Job], Iterable[Any]]:
        """Import the function that opens a job."""
        module, _, function = self.opens.partition(":")
        found: Callable[[Job], Iterable[Any]] = getattr(
            import_module(f".{module}", __package__), function
        )
        return found


REFERENCE = "ImageFolder + v2"
OURS, OURS_GRAY = "graytorgb", "graytorgb, channels=1"
ALL_WAYS = (
    Way(OURS, "ours:open_rgb", "graytorgb", _ALL),
    Way(OURS_GRAY, "ours:open_gray", "graytorgb", _ALL, Form.GRAY),
    Way("graytorgb, uint8", "ours:open_bytes", "graytorgb", _ALL, Form.BYTES),
    Way(REFERENCE, "torchvision_folder:open_pil", "torchvision", _ALL),
    Way("ImageFolder + v2 on tensors", "torchvision_folder:open_tensors", "torchvision", _ALL),
    Way("timm create_loader", "timm_loader:open_loader", "timm"),
    Way("Keras from directory", "keras_directory:open_directory", "keras", layout="NHWC"),
    Way("TorchCodec + v2", "torchvision_folder:open_torchcodec", "torchcodec"),
    Way("OpenCV by hand", "opencv_by_hand:open_dataset", "cv2"),
    Way("SPDL", "spdl_pipeline:open_rgb", "spdl"),
    Way("SPDL, gray", "spdl_pipeline:open_gray", "spdl", form=Form.GRAY),
    Way("SPDL's threads, OpenCV by hand", "spdl_pipeline:open_opencv", "spdl"),
    Way("DALI", "dali_pipeline:open_rgb", "nvidia.dali"),
    Way("DALI, GRAY", "dali_pipeline:open_gray", "nvidia.dali", form=Form.GRAY),
)
WAYS = {way.name: way for way in ALL_WAYS}


def choose_ways(pattern: str = "") -> tuple[Way, ...]:
    """Return the ways whose names match a regular expression; and always ours and the reference.

    Parameters
    ----------
    pattern : str
        Empty for all.
    """
    return tuple(
        way for way in ALL_WAYS
        if way.name in (OURS, REFERENCE) or re.search(pattern, way.name)
    )  # fmt: skip
