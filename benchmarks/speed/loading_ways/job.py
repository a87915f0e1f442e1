"""What a way gets, and the form of the batches that it gives."""

from enum import Enum
from pathlib import Path
from typing import NamedTuple

from ...photo_files import Kind

SIZE, RESIZE = 224, 256  # of the result, and of the shorter side before the center is taken
# torchvision's, of ImageNet
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Job(NamedTuple):
    """A folder of files that become batches.

    Attributes
    ----------
    root : Path
        The folder, which has a folder for each class.
    kind : Kind
        The kind of its files.
    workers : int
        Processes that work, or threads; with 0 only the process itself.
    batch : int
        Images in a batch.
    """

    root: Path
    kind: Kind
    workers: int
    batch: int

    @property
    def threads(self) -> int:
        """Return the threads of a library that can't work without one."""
        return max(1, self.workers)

    @property
    def paths(self) -> list[Path]:
        """Return the files in the order of all ways: by class and name."""
        return sorted(self.root.glob("*/*"))

    @property
    def white(self) -> int:
        """Return the value of white in the files."""
        return 2**self.kind.bits - 1


class Form(Enum):
    """The form of a batch: what the tables call it."""

    RGB = "RGB, normalized"
    GRAY = "1 channel, 0 to 1"
    BYTES = "1 channel, uint8"
