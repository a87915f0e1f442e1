"""``describe_input`` for ONNX: what an image has to be for an adapted model."""

import os

import numpy as np
from onnx import ModelProto

from ..network_input import NetworkInput
from ..preprocessing import Preprocessing
from .files import open_graph
from .inputs import find_image_inputs
from .runner import PREPROCESSING


def describe_input(model: ModelProto | str | os.PathLike[str]) -> NetworkInput:
    """Return what an image has to be for an adapted model, or for the one in a file.

    Raises
    ------
    ModelError
        If the model takes no images of one channel.
    """
    with open_graph(model) as graph:
        image = find_image_inputs(graph, 1)[0][0]
        props = {entry.key: entry.value for entry in graph.model.metadata_props}
    return NetworkInput(
        Preprocessing.from_text(props.get(PREPROCESSING)),
        image.sides,
        axis=-1 if image.axis == image.rank - 1 else 0,
        dtype=np.dtype(image.array_dtype).name,
        has_integers=image.has_integers,
    )
