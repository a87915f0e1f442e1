"""One network of every family of keras.applications: the smallest, as `smallest.csv` has it."""

import inspect
from functools import partial
from typing import TYPE_CHECKING

from .cases import LIBRARIES, Case, read_smallest

if TYPE_CHECKING:
    from .keras_trial import Specimen

_SIDE = 96  # the smallest that InceptionV3 and Xception take is 71 to 75
# These contain a Rescaling or Normalization, and have no argument that says so.
_NORMALIZING = ("efficientnet",)


def list_cases() -> list[Case]:
    """Return a case for every family and backend of Keras."""
    return [
        Case(library, family, network)
        for library, line in LIBRARIES.items()
        if line.backend
        for family, network in read_smallest("keras").items()
    ]


def build(case: Case) -> "Specimen":
    """Return a network with random weights, which returns logits."""
    import keras
    from keras import applications

    from .keras_trial import Specimen

    function = getattr(applications, case.network)
    asks = "include_preprocessing" in inspect.signature(function).parameters
    shape = (_SIDE, _SIDE, 3)
    make = partial(function, weights=None, input_shape=shape, classifier_activation=None)
    keras.utils.set_random_seed(0)
    return Specimen(make, make(), (1, *shape), asks or case.family in _NORMALIZING)
