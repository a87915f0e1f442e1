"""``describe_input`` for Keras: what an image has to be for an adapted network."""

import os

import keras
import numpy as np

from ..network_input import NetworkInput
from .files import read_network
from .inputs import find_image_inputs
from .runner import Runner


def describe_input(model: keras.Model | str | os.PathLike[str]) -> NetworkInput:
    """Return what an image has to be for an adapted network, or for the one in a file.

    Raises
    ------
    ModelError
        If the network takes no images of one channel.
    """
    network = read_network(model)
    image = find_image_inputs(network, 1)[0]
    return NetworkInput(
        Runner(network, None).preprocessing,
        image.sides,
        axis=0 if image.axis == 1 else -1,
        dtype=np.dtype(image.array_dtype).name,
        has_integers=image.has_integers,
    )
