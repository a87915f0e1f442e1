"""``ModelOptionError``: the error for an argument of a function of :mod:`graytorgb.models`."""

from ..errors import ModelError, OptionError


class ModelOptionError(ModelError, OptionError):
    """An argument of a function of :mod:`graytorgb.models` has a value that isn't allowed.

    It is an OptionError, as for every other argument of this package, and a ModelError.
    """
