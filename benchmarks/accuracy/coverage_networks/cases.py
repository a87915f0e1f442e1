"""``Case``: a network that the coverage names, and the libraries that it lists networks of."""

import csv
from pathlib import Path
from pkgutil import resolve_name
from typing import NamedTuple

SMALLEST = Path(__file__).with_name("smallest.csv")
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Case(NamedTuple):
    """A network to adapt.

    Attributes
    ----------
    library : str
        The name of a line of `LIBRARIES`.
    family : str
        What the library calls a kind of architecture: a module of timm, a model type of
        transformers, a decoder of segmentation_models_pytorch.
    network : str
        The name by which the library builds the network.
    """

    library: str
    family: str
    network: str

    def __str__(self) -> str:
        return ":".join(self)


class Library(NamedTuple):
    """A library of networks.

    Attributes
    ----------
    module : str
        The module that has ``list_cases()``, and ``build(case)``, which returns a specimen.
    packages : tuple of str
        The packages whose versions decide the result.
    backend : str
        The backend of Keras, if the library is Keras.
    """

    module: str
    packages: tuple[str, ...]
    backend: str = ""


LIBRARIES = {
    "timm": Library(f"{__package__}.timm_families", ("timm", "torch")),
    "torchvision": Library(f"{__package__}.torchvision_families", ("torchvision", "torch")),
    "transformers": Library(f"{__package__}.transformers_families", ("transformers", "torch")),
    "segmentation_models_pytorch": Library(
        f"{__package__}.smp_decoders", ("segmentation_models_pytorch", "torch")
    ),
    **{
        f"keras, {backend}": Library(
            f"{__package__}.keras_applications", ("keras", package), backend
        )
        for backend, package in (
            ("tensorflow", "tensorflow-cpu"),
            ("torch", "torch"),
            ("jax", "jax"),
        )
    },
}


def list_cases() -> list[Case]:
    """Return every network of the list, in the order of `LIBRARIES`. This imports torch."""
    modules = dict.fromkeys(line.module for line in LIBRARIES.values())
    return [case for module in modules for case in resolve_name(f"{module}:list_cases")()]


def read_smallest(library: str) -> dict[str, str]:
    """Return the smallest network of each family of a library, as `smallest.csv` has them.

    ``python -m benchmarks.accuracy.coverage_networks.smallest`` writes this file.
    """
    with SMALLEST.open(newline="") as file:
        lines = csv.DictReader(file)
        return {line["family"]: line["network"] for line in lines if line["library"] == library}
