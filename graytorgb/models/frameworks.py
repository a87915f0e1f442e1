"""The contract of a framework, and the one table of those that there are.

A framework is a folder here, whose face has what :class:`Framework` lists, and a line in
:data:`FRAMEWORKS`. The verbs of :mod:`graytorgb.models`, the command line and the tests read the
table, and import a framework when a network of it is met.
"""

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..extras import require
from .preprocessing import Preprocessing
from .stem import check_sides
from .weights import Normalization

Array = NDArray[Any]
_USUAL_SIDE = 224
How = Literal["collapse", "expand", "learned"]
Offset = Literal["plane", "bias"]


@dataclass(frozen=True)
class AdaptOptions:
    """The options of :func:`graytorgb.models.adapt` and ``adapt_file``, checked.

    Attributes
    ----------
    how : {"collapse", "expand", "learned"}
    layers : list of str or None
        The names that ``layer=`` gives.
    example : object
    freeze, inplace : bool
    offset : {"plane", "bias"}
        For files of weights alone.
    """

    how: How = "collapse"
    layers: list[str] | None = None
    example: Any = None
    freeze: bool = False
    inplace: bool = False
    offset: Offset = "plane"


class InputSize(NamedTuple):
    """The images that a network takes.

    Attributes
    ----------
    sides : tuple of int or None
        The sides of an image, None for those that aren't fixed.
    has_integers : bool
        Whether the values are whole numbers.
    """

    sides: tuple[int | None, ...]
    has_integers: bool

    def choose(self, asked: tuple[int, ...] | None = None) -> tuple[int, ...]:
        """Return the sides of an image that the network takes.

        Parameters
        ----------
        asked : tuple of int, optional
            The sides to take; where none are asked for and any will do, 224.

        Raises
        ------
        ModelError
            If the network doesn't take the sides that are asked for.

        Examples
        --------
        >>> InputSize((None, 32), has_integers=False).choose()
        (224, 32)
        """
        if asked is None:
            return tuple(side or _USUAL_SIDE for side in self.sides)
        check_sides(self.sides, asked)
        return asked


class Runner(Protocol):
    """A network of some framework that can be run on gray images."""

    @property
    def has_integers(self) -> bool:
        """Whether the network takes whole numbers."""

    @property
    def eps(self) -> float:
        """Return the machine epsilon of what it calculates with; the largest, if that is mixed."""

    @property
    def preprocessing(self) -> Preprocessing | None:
        """Return what an adapted network carries, or None if it carries nothing."""

    def eval_mode(self) -> AbstractContextManager[None]:
        """Return a context in which the network is in eval mode."""

    def to_input(self, batch: Array) -> Any:
        """Return a batch, (N, 1, H, W), in the framework's own kind."""

    def __call__(self, gray: Any) -> Any:
        """Return the network's output for gray, its preprocessing included."""

    def to_arrays(self, output: Any) -> list[Array]:
        """Return every array of an output."""

    def find_scores(self, output: Any) -> Array | None:
        """Return the class scores of an output, classes on axis 1, or None if it has none."""

    def find_stem(self, gray: Any) -> str | None:
        """Return the name of the first convolution, or None if there is none."""

    def run_stem(self, layer: str, gray: Any) -> tuple[Any, Array] | None:
        """Return the shape of a convolution's input, and its output, or None without it."""

    def find_inside(self, layer: str, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Return where a convolution's kernel lies wholly inside the image."""


class Framework(Protocol):
    """What the face of a framework's folder has."""

    @property
    def Runner(self) -> Callable[[Any, Normalization | None], Runner]:  # noqa: N802  # a class
        """Return the class that runs a network, or the network in a file.

        It takes the network, and the normalization that makes its planes of gray, which is None
        for an adapted network.
        """

    def adapt(self, model: Any, preprocessing: Preprocessing, options: AdaptOptions) -> Any:
        """Return the adapted network, which carries `preprocessing`.

        `model` is a network of the framework, or the path of a file that holds one.
        """

    def adapt_file(
        self, source: Path, target: Path, preprocessing: Preprocessing, options: AdaptOptions
    ) -> None:
        """Adapt the network, or the weights, in a file and write the result to another file."""

    def find_input_size(self, model: Any) -> InputSize:
        """Return the size of the images that a network, or the one in a file, takes."""


class FrameworkLine(NamedTuple):
    """What is known of a framework before it is imported.

    Attributes
    ----------
    folder : str
        The folder here that knows it.
    module, model_class : str
        Where the class of its networks is. A network is told by it if the module is imported.
    library, extra : str
        What the folder imports, and the extra that installs it.
    suffixes : tuple of str
        What the names of its files end in.
    files_hold : {"models", "weights"}
        Whether its files hold networks, or weights alone.
    example_resizes : bool
        Whether ``example=`` gives the adapted network's input a fixed size.
    """

    folder: str
    module: str
    model_class: str
    library: str
    extra: str
    suffixes: tuple[str, ...]
    files_hold: Literal["models", "weights"] = "models"
    example_resizes: bool = False

    def load(self) -> Framework:
        """Import the framework's folder.

        Raises
        ------
        BackendUnavailable
            If its library is missing.
        """
        module = require(f"{__package__}.{self.folder}", self.library, self.extra)
        return cast(Framework, module)

    def takes_file(self, path: Any) -> bool:
        """Whether a path is one of a file of this framework."""
        return Path(path).suffix.lower() in self.suffixes


FRAMEWORKS: Mapping[str, FrameworkLine] = MappingProxyType({line.folder: line for line in (
    # before torch: with that as Keras's backend, its networks are both
    FrameworkLine("keras", "keras", "Model", "keras", "keras", (".keras",), example_resizes=True),
    FrameworkLine("torch", "torch.nn", "Module", "torch", "models",
        (".safetensors", ".pt", ".pth", ".bin"), files_hold="weights"),
    FrameworkLine("onnx", "onnx", "ModelProto", "onnx", "onnx", (".onnx",)),
)})  # fmt: skip


def find_framework(model: Any) -> Framework:
    """Return the framework of a network, or of the path of a file that holds one.

    Raises
    ------
    ModelError
        If it is neither.
    BackendUnavailable
        If the framework's library is missing.
    """
    for line in FRAMEWORKS.values():
        # found without importing what isn't there already
        kind = getattr(sys.modules.get(line.module), line.model_class, None)
        if kind is not None and isinstance(model, kind):
            return line.load()
    lines = [line for line in FRAMEWORKS.values() if line.files_hold == "models"]
    files = " or ".join(suffix for line in lines for suffix in line.suffixes)
    if not isinstance(model, str | os.PathLike):
        classes = ", ".join(f"{line.module}.{line.model_class}" for line in FRAMEWORKS.values())
        raise ModelError(
            f"expected one of {classes} or the path of a file, {files}, not {type(model).__name__}"
        )
    for line in lines:
        if line.takes_file(model):
            return line.load()
    if Path(model).suffix.lower() in (".h5", ".hdf5"):
        hint = "model = keras.models.load_model(path) first"
    else:
        hint = "for weights in .pt, .pth and .safetensors: adapt_file(path, dst, stats)"
    raise ModelError(f"a model's file is {files}, and this isn't: {os.fspath(model)!r}; {hint}")


def find_file_line(path: str | os.PathLike[str]) -> FrameworkLine:
    """Return the table's line for a file of a network or of weights.

    Raises
    ------
    ModelError
        If its name ends in no suffix of the table.
    """
    for line in FRAMEWORKS.values():
        if line.takes_file(path):
            return line
    every = ", ".join(suffix for line in FRAMEWORKS.values() for suffix in line.suffixes)
    raise ModelError(f"a file of a model or of weights is {every}, not {os.fspath(path)!r}")


def make_run_error(images: str, error: Exception, *, is_adapted: bool) -> ModelError:
    """Return the error for a network that :func:`graytorgb.models.verify` can't run."""
    return ModelError(
        f"the {'adapted' if is_adapted else 'original'} network, of verify(original, adapted, "
        f"images), raises {type(error).__name__} for {images}: {error}"
    )


if TYPE_CHECKING:  # mypy checks here that every framework keeps the contract
    from . import keras, onnx, torch

    _KEEP_THE_CONTRACT: tuple[Framework, ...] = (keras, onnx, torch)
