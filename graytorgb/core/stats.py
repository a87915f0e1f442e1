"""``stats``: the mean and standard deviation that a model expects, from what came with it."""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, wraps
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np

from ..errors import LevelsError, OptionError
from ..extras import require
from .processors import describe, field, find_processors, read_processor
from .wording import suggest

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Stats(NamedTuple):
    """The mean and the standard deviation of each channel, for values from 0 to 1.

    Attributes
    ----------
    mean, std : tuple of 1 or 3 floats
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]


_NAMED: Mapping[str, Stats] = {
    "imagenet": Stats((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "-1..1": Stats((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "0..1": Stats((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    # bytes minus their mean, blue first
    "caffe": Stats((103.939 / 255, 116.779 / 255, 123.68 / 255), (1 / 255, 1 / 255, 1 / 255)),
}
_SOURCES = (
    f"{', '.join(map(repr, _NAMED))}, a pair (mean, std), torchvision weights "
    '(ResNet50_Weights.DEFAULT) or their name ("ResNet50_Weights.DEFAULT"), their transforms(), '
    "a Normalize, a timm model or data config, or a Hugging Face image processor"
)


def stats(source: Any) -> Stats:
    """Return the mean and the standard deviation that a model's input is normalized by.

    Every function that takes statistics takes any of these sources itself; this one shows what
    they mean.

    Parameters
    ----------
    source : str or object
        A name: ``"imagenet"``, ``"-1..1"`` or ``"0..1"`` (the range that the values end up in),
        ``"caffe"`` (bytes minus their mean, blue first, which networks from Caffe take), or the
        name of torchvision weights, ``"ResNet50_Weights.DEFAULT"``. Or an object that has them: a
        torchvision weights object, its ``transforms()``, a ``Normalize``, a timm model or data
        config, a Hugging Face image or video processor or its configuration. Or the pair
        ``(mean, std)`` itself: numbers, sequences or arrays of 1 or 3 numbers, of any shape.

    Returns
    -------
    Stats
        A named tuple ``(mean, std)`` of tuples of 1 or 3 floats, for values from 0 to 1, in the
        order of the channels that the network takes: blue first for ``"caffe"`` and for a
        processor that gives BGR.

    Raises
    ------
    LevelsError
        If `source` isn't any of these, its numbers can't be used, or it has no statistics: a
        detection model of torchvision's normalizes its images by itself, for example.
    OptionError
        If `source` is a name that is none of these.
    BackendUnavailable
        If `source` names torchvision weights, and torchvision is missing.

    Examples
    --------
    >>> import graytorgb as g2r
    >>> g2r.stats("imagenet")
    Stats(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    >>> g2r.stats((0.5, 0.25))
    Stats(mean=(0.5,), std=(0.25,))
    >>> g2r.stats({"mean": (0.5,), "std": (0.25,), "input_size": (1, 28, 28)})
    Stats(mean=(0.5,), std=(0.25,))
    """
    if type(source) is Stats:
        return _check_stats(source)
    if isinstance(source, str):
        return _NAMED[source] if source in _NAMED else stats(find_weights(source))
    if isinstance(source, tuple | list) and len(source) == 2:
        return check(*source)
    if hasattr(source, "tolist") and len(getattr(source, "shape", ())) > 1 and len(source) == 2:
        return check(*source)  # an array of two rows, the mean and the std
    for read in (_of_timm, _of_processors, _of_torchvision, _of_pair):
        found = read(source)
        if found is not None:
            return check(*found)
    raise LevelsError(f"{describe(source)} has no mean and std: expected {_SOURCES}")


def _check_stats(source: Stats) -> Stats:
    """Check statistics that have their type already, which may hold anything all the same."""
    try:
        return _recall_stats(source)
    except TypeError:  # arrays and lists have no hash
        return check(*source)


@lru_cache(64)  # a pipeline passes the same statistics each time
def _recall_stats(source: Stats) -> Stats:
    return check(*source)


def check(mean: Any, std: Any) -> Stats:
    """Return a mean and a standard deviation as `Stats`, or raise LevelsError for unusable ones."""
    checked = []
    for name, values in (("mean", mean), ("std", std)):
        try:
            numbers = tuple(float(v) for v in _as_list(values))
        except (TypeError, ValueError):
            numbers = ()
        if len(numbers) not in (1, 3) or not all(abs(v) < 1e30 for v in numbers):
            raise LevelsError(
                f"{name} is 1 or 3 finite numbers, one for each channel, not {values!r}: "
                f"expected {_SOURCES}"
            )
        checked.append(numbers)
    if not all(v > 1e-30 for v in checked[1]):
        raise LevelsError(f"std divides, so it must be above 0, not {std!r}")
    return Stats(*checked)


def _as_list(values: Any) -> list[Any]:
    """Return a number, a sequence of any nesting, or an array of any shape as a flat list."""
    if hasattr(values, "tolist"):
        values = values.tolist()
    if not isinstance(values, list | tuple):
        return [values]
    return [number for value in values for number in _as_list(value)]


def stats_in_one(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Make a function with a `stats` argument refuse `mean` and `std` that are given apart.

    People know the two as two arguments, of torchvision's Normalize for example. The error shows
    the pair.

    Raises
    ------
    OptionError
        On a call that names ``mean=`` or ``std=``, or gives a number or a sequence behind `stats`.
    """
    signature = inspect.signature(function)
    place = list(signature.parameters).index("stats")

    @wraps(function)
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        behind = args[place + 1] if len(args) > place + 1 else None
        if not (behind is None or isinstance(behind, str)) or "mean" in kwargs or "std" in kwargs:
            mean = kwargs.get("mean", args[place] if len(args) > place else kwargs.get("stats"))
            raise _refuse_apart(function, mean, kwargs.get("std", behind))
        return function(*args, **kwargs)

    vars(call)["__signature__"] = signature  # Keras doesn't look behind a wrapper
    return call


def _refuse_apart(function: Callable[..., Any], mean: Any, std: Any) -> OptionError:
    """Return the error for a mean and a standard deviation that were given apart."""
    name = function.__qualname__.removesuffix(".__init__")
    pair = ", ".join("..." if each is None else repr(each) for each in (mean, std))
    return OptionError(
        f"{name} takes mean and std as one argument, a pair: {name}(..., stats=({pair})), "
        'or by name, stats="imagenet"'
    )


def _of_processors(source: Any) -> Stats | None:
    """Return the statistics of a Hugging Face processor, or of the processors that it holds."""
    held = find_processors(source)
    found = [each for each in map(_of_processor, held) if each is not None]
    spread = [[np.broadcast_to(values, 3) for values in each] for each in found]
    if not all(np.allclose(each, spread[0], rtol=1e-6, atol=0) for each in spread):
        raise LevelsError(
            f"{describe(source)} holds processors of different statistics, "
            f"{' and '.join(map(describe, held))}: give one of them"
        )
    return found[0] if found else None


def _of_processor(source: Any) -> Stats | None:
    """Return a processor's statistics, with its rescaling included, or None if it is none."""
    does = read_processor(source)
    if does is None:
        return None
    mean, std = ((0.0,), (1.0,)) if does.mean is None else check(does.mean, does.std)
    divisor = np.array((1.0,) if does.divisor is None else check(0, does.divisor)[1])
    scale = 255 * does.scale
    scale = 1.0 if abs(scale - 1) < 1e-6 else scale  # 0.00392156862745098 is meant as 1 / 255
    means = [(v + does.offset) / scale for v in mean]
    stds = (np.array(std) * divisor / scale).tolist()
    step = -1 if does.flips else 1
    return check(means[::step], stds[::step])


def find_weights(name: str) -> Any:
    """Return the torchvision weights of a name such as ``"ResNet50_Weights.DEFAULT"``.

    Raises
    ------
    OptionError
        If torchvision has none of this name.
    """
    if "weight" not in name.lower():
        hint = _suggest(name, _NAMED)
        begin = f"{hint} Expected" if hint else ": expected"
        raise OptionError(
            f"no statistics are called {name!r}{begin} {_SOURCES}{_of_which_network(name)}"
        )
    api = require("torchvision.models")
    networks = (api.get_model_weights(network) for network in api.list_models())
    kinds = {kind.__name__: kind for kind in networks}
    title, _, member = name.removeprefix("torchvision.").rpartition(".")
    kind = kinds.get(title.rpartition(".")[2])
    if kind is not None and member in kind.__members__:
        return kind[member]
    known = [f"{title}.{each}" for title, kind in kinds.items() for each in kind.__members__]
    if name in kinds:
        listed = ", ".join(each for each in known if each.startswith(f"{name}."))
        raise OptionError(f"{name!r} names several weights: {listed}")
    raise OptionError(f"torchvision has no weights called {name!r}{_suggest(name, known)}")


def _suggest(name: str, known: Iterable[str]) -> str:
    """Return the known names that are similar to a name, as a question for a message."""
    return suggest(name, known, show=repr, most=3)


def _of_which_network(name: str) -> str:
    """Return a message's hint for weights that name no network, such as IMAGENET1K_V1."""
    if not re.fullmatch(r"DEFAULT|[A-Z0-9_]+_V\d+", name):
        return ""
    return f". {name} are weights of many networks, so name one: 'ResNet50_Weights.{name}'"


def _of_torchvision(source: Any) -> tuple[Any, Any] | None:
    """Return the mean and std of a torchvision weights object, or of the preset that it makes."""
    is_weights = callable(field(source, "transforms")) and field(source, "url") is not None
    preset = source.transforms() if is_weights else source
    of_torchvision = type(preset).__module__ == "torchvision.transforms._presets"
    if of_torchvision and type(preset).__name__ == "OpticalFlow":
        return _NAMED["-1..1"]  # the preset normalizes, and has no fields that say so
    if (is_weights or of_torchvision) and field(preset, "mean") is None:
        raise LevelsError(
            f"the preset of {source} has no mean and std, because the model normalizes by "
            'itself: give it values from 0 to 1, g2r.stats("0..1")'
        )
    return (preset.mean, preset.std) if is_weights else None


def _of_timm(source: Any) -> tuple[Any, Any] | None:
    """Return the mean and std of a timm model, or of Hugging Face's wrapper of one."""
    for name in ("pretrained_cfg", "default_cfg", "data_config"):
        config = field(source, name)
        if config is not None and field(config, "mean") is not None:
            return field(config, "mean"), field(config, "std")
    return None


def _of_pair(source: Any) -> tuple[Any, Any] | None:
    """Return the `mean` and `std` of an object that has both, and not as methods."""
    mean, std = field(source, "mean"), field(source, "std")
    if mean is None or std is None or callable(mean) or callable(std):
        return None
    return mean, std
