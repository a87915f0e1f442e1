"""The contract that torch, Keras and ONNX keep here, and the table that lists them.

A framework has a folder here, whose face has the members of :class:`Framework`, and a line in
:data:`FRAMEWORKS`. The functions of :mod:`graytorgb.models`, the command line and the tests read
the table. A framework is imported when one of its networks or files is given.
"""

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..extras import require
from .network_input import NetworkInput
from .preprocessing import Preprocessing
from .stem import check_sides
from .weights import Normalization

Array = NDArray[Any]
_USUAL_SIDE = 224
How = Literal["collapse", "expand", "learned"]
Offset = Literal["plane", "bias"]


@dataclass(frozen=True)
class AdaptOptions:
    """The options of :func:`graytorgb.models.adapt` and ``adapt_file``, after their check.

    Attributes
    ----------
    how : {"collapse", "expand", "learned"}
    layers : list of str or None
        The names that ``layer=`` gives.
    example : object
    freeze, inplace : bool
    offset : {"plane", "bias"}
        See :func:`graytorgb.models.adapt_state_dict`; only for files that hold weights alone.
    """

    how: How = "collapse"
    layers: list[str] | None = None
    example: Any = None
    freeze: bool = False
    inplace: bool = False
    offset: Offset = "plane"


class InputSize(NamedTuple):
    """The size of the images that a network takes, and whether it takes whole numbers.

    Attributes
    ----------
    sides : tuple of int or None
        The sides of an image, None for a side that isn't fixed.
    has_integers : bool
        Whether the network takes whole numbers.
    usual : tuple of int or None
        The sides of the images that the network was trained on, if it states them and takes others
        too.
    """

    sides: tuple[int | None, ...]
    has_integers: bool
    usual: tuple[int, ...] | None = None

    def choose_sides(self, size: tuple[int, ...] | None = None) -> tuple[int, ...]:
        """Return the sides of an image that the network takes.

        Parameters
        ----------
        size : tuple of int, optional
            The sides that the user asks for. Without them, they are :attr:`usual`; if these aren't
            known, a side that isn't fixed is 224.

        Raises
        ------
        ModelError
            If the network doesn't take these sides.

        Examples
        --------
        >>> InputSize((None, 32), has_integers=False).choose_sides()
        (224, 32)
        >>> InputSize((None, None), has_integers=False, usual=(288, 288)).choose_sides()
        (288, 288)
        """
        if size is None and self.usual is not None:
            return self.usual
        if size is None:
            return tuple(side or _USUAL_SIDE for side in self.sides)
        check_sides(self.sides, size)
        return size


class Runner(Protocol):
    """A network that can be run on gray images, whatever its framework."""

    @property
    def has_integers(self) -> bool:
        """Whether the network takes whole numbers."""

    @property
    def eps(self) -> float:
        """Return the machine epsilon of the network's dtype; of several dtypes, the largest."""

    @property
    def preprocessing(self) -> Preprocessing | None:
        """Return the record that an adapted network carries, or None if it carries none."""

    def share_inputs(self, other: Any) -> None:
        """Take over what `other`, the adapted network's runner, knows of the arguments."""

    def eval_mode(self) -> AbstractContextManager[None]:
        """Return a context in which the network is in eval mode."""

    def to_input(self, batch: Array) -> Any:
        """Return a batch, (N, 1, H, W), as an array or a tensor of the framework."""

    def __call__(self, gray: Any) -> Any:
        """Return the network's output for a gray batch, which the original first normalizes."""

    def to_planes(self, gray: Any) -> list[Array]:
        """Return one array for each input of the network itself, for a gray batch.

        The original is given the planes that are made of the gray, an adapted network the gray.
        """

    def from_arrays(self, arrays: list[Array]) -> Any:
        """Return an output, as the framework would return it, of a converted network's arrays."""

    def to_arrays(self, output: Any) -> list[Array]:
        """Return every array of an output."""

    def find_scores(self, output: Any) -> Array | None:
        """Return the class scores of an output, classes on axis 1, or None if it has none."""

    def find_stem(self, gray: Any) -> str | None:
        """Return the name of the first convolution, or None if there is none."""

    def run_stem(self, layer: str, gray: Any) -> tuple[Any, Array] | None:
        """Return a convolution's input shape and output, or None if there is no such layer."""

    def find_inside(self, layer: str, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Return where in its output a convolution's kernel lies wholly inside the image."""


class Framework(Protocol):
    """The members that the ``__init__.py`` of a framework's folder has."""

    @property
    def Runner(self) -> Callable[[Any, Normalization | None], Runner]:  # noqa: N802  # a class
        """Return the class that runs a network, or the network in a file.

        Its arguments are a network and a normalization. The normalization makes the network's
        three channels of gray. It is None for an adapted network, which takes the gray itself.
        """

    def adapt(self, model: Any, preprocessing: Preprocessing, options: AdaptOptions) -> Any:
        """Return the adapted network, which carries `preprocessing`.

        `model` is a network of the framework, or the path of a file that holds one.
        """

    def adapt_file(
        self, source: Path, target: Path, preprocessing: Preprocessing, options: AdaptOptions
    ) -> None:
        """Adapt the network, or the weights, in a file and write the result to another file."""

    def describe_input(self, model: Any) -> NetworkInput:
        """Return what an image has to be for an adapted network, or for the one in a file."""

    def find_input_size(self, model: Any) -> InputSize:
        """Return the size of the images that a network, or the one in a file, takes."""


class FrameworkLine(NamedTuple):
    """A line of the table: the facts about a framework that are needed before its import.

    Attributes
    ----------
    folder : str
        The name of the framework's folder in this package.
    module, model_class : str
        The module and the name of the class of the framework's networks.
    library, extra : str
        The library that the folder imports, and the extra that installs it.
    suffixes : tuple of str
        The suffixes of the framework's files.
    files_hold : {"models", "weights"}
        Whether the files hold networks, or weights alone.
    example_resizes : bool
        Whether ``example=`` fixes the size of the adapted network's input.
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
            If the library is missing.
        """
        module = require(f"{__package__}.{self.folder}", self.library, self.extra)
        return cast(Framework, module)

    def takes_file(self, path: Any) -> bool:
        """Whether a path ends in a suffix of this framework."""
        return Path(path).suffix.lower() in self.suffixes


FRAMEWORKS: Mapping[str, FrameworkLine] = MappingProxyType({line.folder: line for line in (
    # before torch: on Keras's torch backend, a Keras network is a torch module too
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
        If `model` is neither.
    BackendUnavailable
        If the framework's library is missing.
    """
    return find_framework_line(model).load()


def find_framework_line(model: Any) -> FrameworkLine:
    """Return the table's line of a network, or of the path of a file that holds one.

    Raises
    ------
    ModelError
        If `model` is neither.
    """
    for line in FRAMEWORKS.values():
        # the module of a network's class is already imported, so nothing is imported here
        model_class = getattr(sys.modules.get(line.module), line.model_class, None)
        if model_class is not None and isinstance(model, model_class):
            return line
    lines = [line for line in FRAMEWORKS.values() if line.files_hold == "models"]
    files = " or ".join(suffix for line in lines for suffix in line.suffixes)
    if not isinstance(model, str | os.PathLike):
        classes = ", ".join(f"{line.module}.{line.model_class}" for line in FRAMEWORKS.values())
        given = type(model).__name__
        order = ": adapt the network itself, then export it" if given == "ExportedProgram" else ""
        raise ModelError(
            f"expected one of {classes} or the path of a file, {files}, not {given}{order}"
        )
    for line in lines:
        if line.takes_file(model):
            return line
    if Path(model).suffix.lower() in (".h5", ".hdf5"):
        hint = "load it first, model = keras.models.load_model(path)"
    else:
        hint = "for weights in .pt, .pth and .safetensors: adapt_file(path, dst, stats)"
    raise ModelError(f"a model's file is {files}, not {os.fspath(model)!r}; {hint}")


def find_file_line(src: str | os.PathLike[str], dst: str | os.PathLike[str]) -> FrameworkLine:
    """Return the table's line for a file of a network or of weights, and for its adapted file.

    Raises
    ------
    ModelError
        If the table doesn't have the suffix of `src`, or `dst` is of another line.
    """
    for line in FRAMEWORKS.values():
        if line.takes_file(src):
            if line.takes_file(dst):
                return line
            raise ModelError(
                "the adapted file is of the same kind as the original, "
                f"{' or '.join(line.suffixes)}, not {os.fspath(dst)!r}"
            )
    every = ", ".join(suffix for line in FRAMEWORKS.values() for suffix in line.suffixes)
    raise ModelError(f"a file of a model or of weights is {every}, not {os.fspath(src)!r}")


def make_run_error(images: str, error: Exception, *, is_adapted: bool) -> ModelError:
    """Return the error for a network that :func:`graytorgb.models.verify` can't run on images."""
    return ModelError(
        f"the {'adapted' if is_adapted else 'original'} network of verify(original, adapted, "
        f"images) raises {type(error).__name__} for {images}: {error}"
    )
