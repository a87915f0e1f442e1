"""Runner of a converted network on gray images, for ``verify(..., runtime=...)``."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import GrayToRGBError, ModelError
from ..frameworks import FrameworkLine, Runner
from ..preprocessing import Preprocessing
from .conversion import write_converted
from .table import RuntimeLine, Session

Array = NDArray[Any]


class RuntimeRunner:
    """A network that is converted to a runtime's file, which the runtime runs on gray images.

    Parameters
    ----------
    model : network or path
    framework : FrameworkLine
        The network's framework.
    network : Runner
        The runner of the network in its framework.
    runtime : RuntimeLine
    folder : Path
        A folder for the converted files.
    role : {"original", "adapted"}
        The argument of ``verify`` that the network is.
    """

    def __init__(
        self,
        model: Any,
        framework: FrameworkLine,
        network: Runner,
        runtime: RuntimeLine,
        folder: Path,
        role: str,
    ) -> None:
        self._model, self._framework, self._network = model, framework.folder, network
        self._runtime, self._folder = runtime, folder
        self._role = f"the {role} network"
        self._sessions: dict[tuple[tuple[int, ...], ...], Session] = {}

    def share_inputs(self, other: Any) -> None:
        """Do nothing, because a converted network takes images alone."""

    @property
    def has_integers(self) -> bool:
        """Whether the network takes whole numbers."""
        return self._network.has_integers

    @property
    def eps(self) -> float:
        """Return the machine epsilon of the network's dtype."""
        return self._network.eps

    @property
    def preprocessing(self) -> Preprocessing | None:
        """Return the record that the network carries."""
        return self._network.preprocessing

    def eval_mode(self) -> AbstractContextManager[None]:
        """Return a context in which the network is in eval mode, to be converted."""
        return self._network.eval_mode()

    def to_input(self, batch: Array) -> Any:
        """Return a batch (N, 1, ...) as the network's framework takes it."""
        return self._network.to_input(batch)

    def to_planes(self, gray: Any) -> list[Array]:
        """Return one array for each input of the network, for a gray batch."""
        return self._network.to_planes(gray)

    def from_arrays(self, arrays: list[Array]) -> Any:
        """Return an output, as the framework would return it, of the converted network's arrays."""
        return self._network.from_arrays(arrays)

    def __call__(self, gray: Any) -> Any:
        """Return the output for a gray batch, in the framework's arrays."""
        arrays = self.to_planes(gray)
        session = self._find_session(arrays)
        try:
            outputs = session(arrays)
        except Exception as error:  # runtimes raise errors of any class
            shapes = ", ".join(str(array.shape) for array in arrays)
            raise ModelError(
                f"{self._runtime.title} can't run {self._role} on inputs of shape {shapes}: {error}"
            ) from error
        return self.from_arrays(outputs)

    def _find_session(self, arrays: list[Array]) -> Session:
        """Return the session for inputs of these shapes; convert the network if there is none."""
        shapes = tuple(array.shape for array in arrays)
        if shapes not in self._sessions:
            folder = self._folder / f"{self._role[4:]} {len(self._sessions)}"
            folder.mkdir()
            path = folder / f"network{self._runtime.suffix}"
            write_converted(self._runtime, self._framework, self._model, arrays, path, self._role)
            try:
                self._sessions[shapes] = self._runtime.load().load_session(path)
            except GrayToRGBError:
                raise
            except Exception as error:  # runtimes raise errors of any class
                raise ModelError(
                    f"{self._runtime.title} can't load {self._role}: {error}"
                ) from error
        return self._sessions[shapes]

    def to_arrays(self, output: Any) -> list[Array]:
        """Return every array of an output."""
        return self._network.to_arrays(output)

    def find_scores(self, output: Any) -> Array | None:
        """Return the class scores of an output, or None if it has none."""
        return self._network.find_scores(output)

    def find_stem(self, gray: Any) -> str | None:
        """Return None, because a runtime doesn't give the output of a layer."""
        return None

    def run_stem(self, layer: str, gray: Any) -> tuple[Any, Array] | None:
        """Return None; see :meth:`find_stem`."""
        return None

    def find_inside(self, layer: str, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Raise an error, because there is no stem to ask for; see :meth:`find_stem`."""
        raise NotImplementedError("a runtime gives no output of a layer")
