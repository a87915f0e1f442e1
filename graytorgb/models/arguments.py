"""Checks of the arguments of ``adapt``, ``adapt_file``, ``adapt_state_dict`` and ``verify``."""

import os
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, get_args

import numpy as np

from ..core.wording import suggest
from .frameworks import AdaptOptions, How, Offset
from .option_error import ModelOptionError


def check_options(options: AdaptOptions) -> None:
    """Raise a ModelOptionError for options that no framework takes."""
    check_choice("how", options.how, get_args(How))
    check_choice("offset", options.offset, get_args(Offset))
    for name in ("freeze", "inplace"):
        check_flag(name, getattr(options, name))
    if options.layers is not None and options.how != "collapse":
        raise ModelOptionError(
            f'layer= names the stem that how="collapse" changes; how={options.how!r} changes none'
        )
    if options.freeze and options.how != "learned":
        raise ModelOptionError(
            f'freeze=True is for how="learned", and how={options.how!r} has no layer to train: '
            "call model.requires_grad_(False), or set model.trainable = False in Keras"
        )


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """Raise a ModelOptionError unless `value` is one of these texts."""
    if not (isinstance(value, str) and value in choices):
        *first, last = [f'"{choice}"' for choice in choices]
        near = suggest(value, choices)
        raise ModelOptionError(f"{name} is {', '.join(first)} or {last}, not {value!r}{near}")


def check_flag(name: str, value: Any) -> None:
    """Raise a ModelOptionError unless `value` is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise ModelOptionError(f"{name} is True or False, not {value!r}")


def check_path(name: str, value: Any) -> None:
    """Raise a ModelOptionError unless `value` is the path of a file."""
    if not isinstance(value, str | os.PathLike):
        raise ModelOptionError(f"{name} is the path of a file, not {value!r:.60}")


def check_count(name: str, value: Any) -> None:
    """Raise a ModelOptionError unless `value` is a whole number, 1 or more."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ModelOptionError(f"{name} is 1 or more, not {value!r}")


def check_amount(name: str, value: Any) -> None:
    """Raise a ModelOptionError unless `value` is a finite number, 0 or more."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not 0 <= value < np.inf:
        raise ModelOptionError(f"{name} is a number, 0 or more, not {value!r}")


def list_layers(
    layer: Any,
    argument: str = "layer",
    kind: str = "layer",
    expected: str = "layer=stem.name in Keras, or a name from named_modules() in torch",
) -> list[str] | None:
    """Return the names that ``layer=`` or ``key=`` gives, each once, or None without it.

    Parameters
    ----------
    layer : object
        The argument's value.
    argument, kind : str
        The argument's name, and the word for what it names.
    expected : str
        A name that would do, for a message.

    Raises
    ------
    ModelOptionError
        If it isn't a name or a list of names, or there is no name in it.
    """
    if layer is None:
        return None
    names = [layer] if isinstance(layer, str) else layer
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        given = f"{type(layer).__name__} {layer!r:.60}"
        raise ModelOptionError(
            f"{argument} is the name of a {kind}, or a list of names, not {given}: pass {expected}"
        )
    if not names or not all(names):
        raise ModelOptionError(
            f"{argument}={layer!r} names no {kind}, so nothing would be adapted: leave "
            f"{argument} out, and the stem is found without it"
        )
    return list(dict.fromkeys(names))


def read_example(example: Any) -> Any:
    """Return ``example=`` with whole numbers as int: a size that NumPy holds is a plain one.

    >>> import numpy as np
    >>> read_example(np.int64(224)), read_example(np.array([224, 320]))
    (224, (224, 320))

    Raises
    ------
    ModelOptionError
        If it is a text, a number that isn't a length, or an object without a shape.
    """
    if example is None or isinstance(example, Mapping):
        return example
    if isinstance(example, Integral):
        return read_side(example)
    if isinstance(example, tuple | list):
        is_size = example and all(isinstance(n, Integral | None) for n in example)
        return tuple(n if n is None else read_side(n) for n in example) if is_size else example
    dtype = str(getattr(example, "dtype", ""))
    if "int" in dtype and len(getattr(example, "shape", ())) < 2:  # an array of sides
        return read_example(example.tolist())
    if dtype and len(getattr(example, "shape", ())) > 1:
        return example
    raise make_example_error(example)


def read_side(side: Any) -> int:
    """Return the length of a side as an int, or raise a ModelOptionError for an unusable one."""
    length = 0 if isinstance(side, bool) else int(side)
    if length < 1:
        raise make_example_error(side)
    return length


def make_example_error(example: Any) -> ModelOptionError:
    """Return the error for an ``example=`` that can't be used."""
    shape = f" of shape {tuple(example.shape)}" if getattr(example, "shape", ()) else ""
    given = f"{type(example).__name__}{shape}" if shape else f"{example!r:.60}"
    return ModelOptionError(
        "example is the size of an image, (H, W) or (T, H, W), or for torch a batch of shape "
        f"(N, 1, H, W) or (N, 3, H, W), or a dict of the network's arguments; not {given}",
        remedies=("example",),
    )
