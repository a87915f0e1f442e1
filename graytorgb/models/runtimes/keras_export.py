"""Exports of Keras networks by Keras itself, for several runtimes."""

import os
from pathlib import Path
from typing import Any

import keras
from numpy.typing import NDArray

from ..keras.files import read_network


def export_network(
    model: keras.Model | str | os.PathLike[str],
    arrays: list[NDArray[Any]],
    path: Path,
    form: str,
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
    """
    network = read_network(model)
    signature = [keras.InputSpec(shape=array.shape, dtype=array.dtype.name) for array in arrays]
    network.export(str(path), format=form, verbose=False, input_signature=signature)
