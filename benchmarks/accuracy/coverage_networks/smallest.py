"""Write `smallest.csv`: ``python -m benchmarks.accuracy.coverage_networks.smallest``.

It has the network with the fewest parameters of each family of timm and of keras.applications.
torchvision states the number of parameters of its weights, so no file is needed there. The
networks of timm that are for its own tests don't count. Networks of the same number are ordered by
name. Every network is built without its numbers, those of timm on the meta device. This takes a few
minutes.
"""

import csv
import inspect
import warnings
from collections.abc import Iterator

from graytorgb.core.writing import replacing

from ...apart import call_apart
from .cases import SMALLEST

_COLUMNS = ("library", "family", "network", "parameters")
Line = tuple[str, str, str, int]


def list_timm() -> list[Line]:
    """Return the smallest network of each family of timm."""
    import timm
    import torch

    warnings.simplefilter("ignore")  # deprecated names
    lines = []
    for family in timm.list_modules():
        names = [n for n in timm.list_models(module=family) if not n.startswith("test_")]
        sizes = {}
        for name in names:
            with torch.device("meta"):
                sizes[name] = sum(p.numel() for p in timm.create_model(name).parameters())
        lines += _find_smallest("timm", family, sizes)
    return lines


def list_keras() -> list[Line]:
    """Return the smallest network of each module of keras.applications."""
    from keras import StatelessScope, applications

    families: dict[str, dict[str, int]] = {}
    for name, build in inspect.getmembers(applications, inspect.isfunction):
        sizes = families.setdefault(build.__module__.rpartition(".")[2], {})
        with StatelessScope(initialize_variables=False):  # shapes alone, no numbers
            sizes[name] = build(weights=None).count_params()
    return [
        line
        for family, sizes in sorted(families.items())
        for line in _find_smallest("keras", family, sizes)
    ]


def _find_smallest(library: str, family: str, sizes: dict[str, int]) -> Iterator[Line]:
    if sizes:
        network = min(sizes, key=lambda name: (sizes[name], name))
        yield library, family, network, sizes[network]


def main() -> None:
    """Build every network, each library in a process of its own, and write the file."""
    module = __spec__.name
    lines = [*call_apart(f"{module}:list_timm"), *call_apart(f"{module}:list_keras")]
    with replacing(SMALLEST) as path, path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        writer.writerows(lines)


if __name__ == "__main__":
    main()
