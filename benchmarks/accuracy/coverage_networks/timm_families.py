"""One network of every family of timm: the smallest, as `smallest.csv` has it."""

import warnings

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
    config = model.pretrained_cfg
    size = config["input_size"]
    if not config.get("fixed_input_size"):
        least = config.get("min_input_size") or (0, 0, 0)
        size = tuple(min(stated, max(_SIDE, low)) for stated, low in zip(size, least, strict=True))
    return Specimen(model, (1, *size))
