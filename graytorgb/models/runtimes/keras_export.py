"""Exports of Keras networks, for several runtimes."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
from numpy.typing import NDArray

from ...errors import ModelError
from ..keras.files import read_network

Array = NDArray[Any]


def export_network(
    model: keras.Model | str | os.PathLike[str],
    arrays: list[Array],
    path: Path,
    form: str,
    convert_torch: Callable[[Any, list[Array], Path], None],
) -> None:
    """Write a network by ``keras.Model.export``, for inputs of exactly these arrays' shapes.

    Parameters
    ----------
    model : keras.Model or path
    arrays : list of ndarray
        One array for each input.
    path : Path
        The file to write.
    form : {"onnx", "openvino", "litert"}
        The format, by Keras's name.
    convert_torch : callable
        The runtime's converter of torch networks. It is used on Keras's torch backend, on which
        Keras's own export would import TensorFlow beside torch, and the process might crash.

    Raises
    ------
    ModelError
        On Keras's other backends.
    """
    network = read_network(model)
    backend = keras.backend.backend()
    if backend == "torch":
        convert_torch(network, arrays, path)
    elif backend == "tensorflow":
        signature = [keras.InputSpec(shape=array.shape, dtype=array.dtype.name) for array in arrays]
        network.export(str(path), format=form, verbose=False, input_signature=signature)
    else:
        raise ModelError(
            "Keras networks are converted on the backends TensorFlow and torch, and this process "
            f"has {backend}: save the network, model.save('net.keras'), and pass this file in a "
            "process with KERAS_BACKEND=tensorflow"
        )
