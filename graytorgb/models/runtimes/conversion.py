"""``convert``: an adapted network as a runtime's file, on machines that can't run the file too."""

import io
import os
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import GrayToRGBError, ModelError
from ..frameworks import find_framework_line
from .table import RuntimeLine, TensorInfo, find_runtime

Array = NDArray[Any]


def convert(
    model: Any,
    runtime: str,
    dst: str | os.PathLike[str],
    *,
    sides: tuple[int, ...] = (224, 224),
    images: int = 1,
) -> list[TensorInfo]:
    """Convert an adapted network to a runtime's file, and return the inputs that the file has.

    Nothing is run, so this also checks the conversion to Core ML on machines without macOS. For a
    proof of the outputs, call :func:`graytorgb.models.verify` with ``runtime=``.

    Parameters
    ----------
    model : torch.nn.Module, keras.Model, onnx.ModelProto or path
        A network that :func:`graytorgb.models.adapt` made.
    runtime : {"onnxruntime", "openvino", "litert", "executorch", "coreml"}
        The runtime.
    dst : path
        The file to write, or for Core ML the folder (``.mlpackage``). OpenVINO writes the weights
        beside it, in a file that ends in ``.bin``.
    sides : tuple of int
        The sides of an image, (H, W) or (T, H, W). Files that are made of torch and Keras networks
        take this size only.
    images : int
        How many images the file takes at once. An ONNX model keeps its own number.

    Returns
    -------
    list of TensorInfo
        The name, the shape and the data type of each input, as the written file states them.

    Raises
    ------
    ModelError
        If the network isn't adapted, takes other sides or can't be converted.
    OptionError
        If there is no such runtime, or `dst` has another suffix than the runtime's files.
    BackendUnavailable
        If a library is missing.

    Examples
    --------
    >>> import tempfile, torch
    >>> from graytorgb.models import adapt
    >>> from graytorgb.models.runtimes import convert
    >>> color = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU())
    >>> file = tempfile.mkdtemp() + "/gray.onnx"
    >>> [(tensor.shape, tensor.dtype) for tensor in
    ...     convert(adapt(color, "imagenet"), "onnxruntime", file, sides=(32, 48))]
    [((1, 1, 32, 48), 'float32')]
    """
    line = find_runtime(runtime)
    path = Path(dst)
    if path.suffix != line.suffix:
        raise ModelError(f"{line.title}'s files end in {line.suffix}, not {path.suffix!r}: {path}")
    framework = find_framework_line(model)
    line.check_takes(framework.folder)
    network = framework.load().Runner(model, None)
    if network.preprocessing is None:
        raise ModelError("convert takes a network that graytorgb.models.adapt made: adapt it first")
    with network.eval_mode():
        gray = network.to_input(np.zeros((images, 1, *sides), np.float32))
        write_converted(line, framework.folder, model, network.to_planes(gray), path, "the network")
    return line.load().read_inputs(path)


def write_converted(
    runtime: RuntimeLine, framework: str, model: Any, arrays: list[Array], path: Path, role: str
) -> None:
    """Convert a network to a runtime's file; what converters print and warn of isn't shown.

    Parameters
    ----------
    runtime : RuntimeLine
    framework : str
        The name of the network's framework in the table of frameworks.
    model : network or path
    arrays : list of ndarray
        One array for each input.
    path : Path
        The file to write.
    role : str
        What the network is, for an error's message.

    Raises
    ------
    ModelError
        If it can't be converted.
    BackendUnavailable
        If a library is missing.
    """
    converter = runtime.load_converter(framework)
    printed = io.StringIO()
    try:
        with warnings.catch_warnings(), redirect_stdout(printed), redirect_stderr(printed):
            warnings.simplefilter("ignore")  # of deprecated calls between the converters' parts
            converter(model, arrays, path)
    except GrayToRGBError:
        raise
    except Exception as error:  # converters raise errors of any class
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise ModelError(
            f"{runtime.title} can't be given {role}: its conversion for inputs of shape {shapes} "
            f"raises {type(error).__name__}: {error}"
        ) from error
