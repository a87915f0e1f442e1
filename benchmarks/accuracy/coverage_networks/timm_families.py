"""One network of every family of timm: the smallest, as `smallest.csv` has it."""

import warnings
from typing import Any

from .cases import Case, read_smallest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import timm

from .torch_trial import Specimen

_SIDE = 128


def list_cases() -> list[Case]:
    """Return a case for every module of timm.

    Raises
    ------
    KeyError
        If timm has a family that `smallest.csv` lacks, because timm is newer than the file.
    """
    smallest = read_smallest("timm")
    return [Case("timm", family, smallest[family]) for family in timm.list_modules()]


def build(case: Case) -> Specimen:
    """Return a network with images of 128 pixels, or of the size that its configuration demands."""
    model = timm.create_model(case.network)
    return Specimen(model, (1, 3, *_choose_size(model.pretrained_cfg)))


def _choose_size(config: dict[str, Any]) -> tuple[int, int]:
    """Return the size of the images: a small one where the network takes others than stated."""
    _, *size = config["input_size"]
    # sizes are multiples of 32, or of a patch of 14 pixels
    step = next((step for step in (32, 14) if not any(side % step for side in size)), None)
    if config.get("fixed_input_size") or step is None:
        return tuple(size)
    _, *least = config.get("min_input_size") or (3, 0, 0)
    chosen = _SIDE // step * step
    return tuple(min(side, max(chosen, low)) for side, low in zip(size, least, strict=True))
