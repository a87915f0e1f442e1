"""The contract that each runtime keeps here, and the table that lists the runtimes.

A runtime has a file here, with the members of :class:`Runtime`, and a line in :data:`RUNTIMES`.
``verify``, the command line, the guide and the tests read the table. A runtime's library is
imported when a network is to be run there.
"""

import difflib
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, cast

from numpy.typing import NDArray

from ...errors import ModelError, OptionError
from ...extras import require
from ..frameworks import FRAMEWORKS

Array = NDArray[Any]


class TensorInfo(NamedTuple):
    """An input of a converted network.

    Attributes
    ----------
    name : str
    shape : tuple of int or None
        None for a size that isn't fixed.
    dtype : str
        The data type by NumPy's name, such as ``"float32"``.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str


class Session(Protocol):
    """A converted network that is loaded by a runtime."""

    def __call__(self, arrays: list[Array]) -> list[Array]:
        """Return all outputs for one array for each input, in the order of the inputs."""


class Runtime(Protocol):
    """The members that the file of a runtime has."""

    @property
    def CONVERTERS(self) -> Mapping[str, Callable[[Any, list[Array], Path], None]]:  # noqa: N802
        """Return for each framework the function that writes a network as the runtime's file.

        Its arguments are a network of the framework or the path of its file, one array for each
        input, and the file to write. The arrays' shapes may be the only ones that the file takes.
        """

    def load_session(self, path: Path) -> Session:
        """Load the runtime's file, to run it.

        Raises
        ------
        ModelError
            If the runtime doesn't run on this machine.
        """

    def read_inputs(self, path: Path) -> list[TensorInfo]:
        """Return the inputs of the network in the runtime's file."""


class RuntimeLine(NamedTuple):
    """A line of the table: the facts about a runtime that are needed before its import.

    Attributes
    ----------
    name : str
        The name that ``runtime=`` takes, which is the name of the file here.
    title : str
        The name by which its makers call it.
    library, extra : str
        The library that the file imports, and the extra that installs it.
    suffix : str
        The suffix of the runtime's files.
    converters : mapping of str to tuple of str
        For each framework that can be converted, the libraries that only its conversion needs.
    """

    name: str
    title: str
    library: str
    extra: str
    suffix: str
    converters: Mapping[str, tuple[str, ...]]

    def load(self) -> Runtime:
        """Import the runtime's file.

        Raises
        ------
        BackendUnavailable
            If the library is missing.
        """
        return cast(Runtime, self._require(f"{__package__}.{self.name}", self.library))

    def _require(self, module: str, library: str) -> Any:
        """Import a module; what libraries warn of in each other isn't shown."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return require(module, library, self.extra)

    def check_takes(self, framework: str) -> None:
        """Check that networks of a framework can be converted to this runtime.

        Raises
        ------
        ModelError
            If they can't. The message says which can, and which runtimes take this framework.
        """
        if framework in self.converters:
            return
        others = [line.name for line in RUNTIMES.values() if framework in line.converters]
        raise ModelError(
            f"runtime={self.name!r} takes networks of {_join_words(self.converters)}, and this one "
            f"is of {framework}, for which there is runtime={_join_words(map(repr, others))}"
        )

    def load_converter(self, framework: str) -> Callable[[Any, list[Array], Path], None]:
        """Return the function that writes a framework's network as this runtime's file.

        Raises
        ------
        ModelError
            If there is none; see :meth:`check_takes`.
        BackendUnavailable
            If a library that it needs is missing.
        """
        self.check_takes(framework)
        runtime = self.load()
        for library in self.converters[framework]:
            self._require(library, library)
        return runtime.CONVERTERS[framework]


RUNTIMES: Mapping[str, RuntimeLine] = MappingProxyType({line.name: line for line in (
    RuntimeLine("onnxruntime", "ONNX Runtime", "onnxruntime", "onnxruntime", ".onnx",
        {"torch": ("onnxscript",), "keras": (), "onnx": ()}),
    RuntimeLine("openvino", "OpenVINO", "openvino", "openvino", ".xml",
        {"torch": (), "keras": (), "onnx": ()}),
    RuntimeLine("litert", "LiteRT", "ai_edge_litert", "litert", ".tflite",
        {"torch": ("litert_torch",), "keras": ()}),
    RuntimeLine("executorch", "ExecuTorch", "executorch", "executorch", ".pte", {"torch": ()}),
    RuntimeLine("coreml", "Core ML", "coremltools", "coreml", ".mlpackage", {"torch": ()}),
)})  # fmt: skip


def find_runtime(name: Any) -> RuntimeLine:
    """Return the table's line of a runtime. Capitals, spaces and hyphens don't matter.

    Raises
    ------
    OptionError
        If there is no runtime of this name.

    Examples
    --------
    >>> find_runtime("Core ML").name
    'coreml'
    """
    plain = re.sub(r"[\s_.-]", "", name).lower() if isinstance(name, str) else ""
    if plain in RUNTIMES:
        return RUNTIMES[plain]
    close = difflib.get_close_matches(plain, RUNTIMES, 1)
    hint = f", did you mean {close[0]!r}?" if close else ""
    names = _join_words(map(repr, RUNTIMES))
    raise OptionError(f"runtime is {names}, or None for the framework itself, not {name!r}{hint}")


def _join_words(words: Any) -> str:
    """Return words with commas, and "or" before the last."""
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else str(last)


assert all(framework in FRAMEWORKS for line in RUNTIMES.values() for framework in line.converters)
