"""Reader of .keras files, and its warning."""

import os
import warnings
from contextlib import suppress
from pathlib import Path

import keras

from ..files import KERAS, check_file, make_read_error


def read_network(model: keras.Model | str | os.PathLike[str]) -> keras.Model:
    """Return a network, or read one from a .keras file, compiled if Keras knows its loss."""
    if isinstance(model, keras.Model):
        return model
    path = Path(model)
    if not (path / "config.json").is_file():  # Keras writes folders too, which open() can't check
        check_file(path)
    try:
        return keras.models.load_model(path)
    except Exception as error:  # whatever Keras raises for a file, or a layer of the user's own
        network = None
        with suppress(Exception):
            network = keras.models.load_model(path, compile=False)
        if network is None:
            raise make_read_error(path, KERAS, error) from error
        warn_not_compiled(str(model), error)
        return network


def warn_not_compiled(name: str, error: Exception) -> None:
    """Warn that Keras can't compile a network as the original was compiled."""
    warnings.warn(
        f"Keras can't rebuild the loss, metrics or optimizer of {name!r}, so the adapted "
        f"network isn't compiled: call its compile() ({error})",
        stacklevel=2,
    )
