"""Where a model's mean and standard deviation come from."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .errors import LevelsError

Statistics = tuple[tuple[float, ...], tuple[float, ...]]

_NAMED: Mapping[str, Statistics] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "-1..1": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "0..1": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}
_SOURCES = (
    f"{', '.join(map(repr, _NAMED))}, torchvision weights (ResNet50_Weights.DEFAULT), their "
    "transforms(), a Normalize, a timm model or data config, or a Hugging Face image processor"
)


def stats(source: Any) -> Statistics:
    """The mean and the standard deviation that a model expects its input normalised by.

    Parameters
    ----------
    source : str or object
        ``"imagenet"``, ``"-1..1"`` or ``"0..1"`` (the range that the values end up in); or
        what knows it: a torchvision weights object, its ``transforms()``, a ``Normalize``, a
        timm model or data config, a Hugging Face image processor or its configuration.

    Returns
    -------
    mean, std : tuples of 1 or 3 floats
        For values from 0 to 1. :func:`graytorgb.prepare` takes them as they are.

    Raises
    ------
    LevelsError
        If `source` isn't any of these, or has no such statistics: a detection model of
        torchvision's normalises by itself, for example.

    Examples
    --------
    >>> import graytorgb as g2r
    >>> g2r.stats("imagenet")
    ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    >>> g2r.stats({"mean": (0.5,), "std": (0.25,), "input_size": (1, 28, 28)})
    ((0.5,), (0.25,))
    """
    if isinstance(source, str):
        if source in _NAMED:
            return _NAMED[source]
        raise LevelsError(f"no statistics are called {source!r}: expected {_SOURCES}")
    for read in (_of_processor, _of_torchvision, _of_timm, _of_pair):
        found = read(source)
        if found is not None:
            return check(*found)
    raise LevelsError(f"{_name(source)} has no mean and std: expected {_SOURCES}")


def check(mean: Any, std: Any) -> Statistics:
    """The same as tuples of floats, or LevelsError unless they are 1 or 3 usable numbers each."""
    checked = []
    for name, values in (("mean", mean), ("std", std)):
        try:
            numbers = tuple(float(v) for v in _as_list(values))
        except (TypeError, ValueError):
            numbers = ()
        if len(numbers) not in (1, 3) or not all(abs(v) < 1e30 for v in numbers):
            raise LevelsError(
                f"{name} is 1 or 3 finite numbers, one for each channel, not {values!r}: "
                'g2r.stats("imagenet") gives both'
            )
        checked.append(numbers)
    if not all(v > 1e-30 for v in checked[1]):
        raise LevelsError(f"std divides, so it must be above 0, not {std!r}")
    return checked[0], checked[1]


def _as_list(values: Any) -> list[Any]:
    """A number, sequence, array or tensor as a list."""
    values = values.tolist() if hasattr(values, "tolist") else values
    return list(values) if isinstance(values, list | tuple) else [values]


def _of_processor(source: Any) -> tuple[Any, Any] | None:
    """A Hugging Face image processor, a processor that holds one, or its configuration.

    It multiplies levels of 0 to 255 by `rescale_factor` and subtracts 1 if `rescale_offset`;
    its statistics are for those values, and become ones for 0 to 1 here. EfficientNet's divides
    by the standard deviation a second time if `include_top`.
    """
    source = _field(source, "image_processor") or source
    mean, std = _field(source, "image_mean"), _field(source, "image_std")
    rescaled = _field(source, "do_rescale")
    if (mean is None or std is None) and rescaled is None:
        return None
    if rescaled is False:
        raise LevelsError(
            f"{_name(source)} doesn't rescale its levels, so its statistics aren't for 0 to 1: "
            "give mean and std in these units, prepare(x, mean, std)"
        )
    means, stds = check(mean, std) if _normalises(source, mean) else ((0.0,), (1.0,))
    if _field(source, "include_top") is True:
        again = check(0, std)[1]
        stds = tuple((np.array(stds) * again).tolist())
    factor = _field(source, "rescale_factor")
    scale = 255 * (1 / 255 if factor is None else float(factor))
    scale = 1.0 if abs(scale - 1) < 1e-6 else scale  # 0.00392156862745098 is meant as 1 / 255
    offset = 1.0 if _field(source, "rescale_offset") is True else 0.0
    return [(v + offset) / scale for v in means], [v / scale for v in stds]


def _normalises(source: Any, mean: Any) -> bool:
    """Whether a processor does. None is no, and isn't in a configuration that one has written."""
    if isinstance(source, Mapping):
        stated = source.get("do_normalize", "image_processor_type" not in source)
    else:
        stated = getattr(source, "do_normalize", True)
    return mean is not None and bool(stated)


def _of_torchvision(source: Any) -> tuple[Any, Any] | None:
    """A weights object, whose `transforms` make the preset that knows them."""
    if not (callable(_field(source, "transforms")) and _field(source, "url") is not None):
        return None
    preset = source.transforms()
    if _field(preset, "mean") is None:
        raise LevelsError(
            f"the preset of {source} has no mean and std, because the model normalises by "
            'itself: give it values from 0 to 1, g2r.stats("0..1")'
        )
    return preset.mean, preset.std


def _of_timm(source: Any) -> tuple[Any, Any] | None:
    """A timm model."""
    for name in ("pretrained_cfg", "default_cfg"):
        config = _field(source, name)
        if config is not None and _field(config, "mean") is not None:
            return _field(config, "mean"), _field(config, "std")
    return None


def _of_pair(source: Any) -> tuple[Any, Any] | None:
    """Whatever has a `mean` and a `std` that aren't functions, such as an array's."""
    mean, std = _field(source, "mean"), _field(source, "std")
    if mean is None or std is None or callable(mean) or callable(std):
        return None
    return mean, std


def _field(source: Any, name: str) -> Any:
    """An entry of a mapping or an attribute of anything else; None without it."""
    return source.get(name) if isinstance(source, Mapping) else getattr(source, name, None)


def _name(source: Any) -> str:
    return f"a {type(source).__name__}" if not isinstance(source, type) else source.__name__
