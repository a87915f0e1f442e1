"""The options that solve an error, by the names of arguments in the error's `remedies`."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from ..errors import GrayToRGBError
from .types import PAIR


class Remedy(NamedTuple):
    """An option that solves an error.

    Attributes
    ----------
    option : str
        A command without this option has no such remedy.
    text : str
        What the user types.
    """

    option: str
    text: str


# The first remedy of a name that a command has an option for is the one that it tells.
REMEDIES: dict[str, tuple[Remedy, ...]] = {
    "alpha": (
        Remedy(
            "--alpha", "--alpha drop, or --alpha 255,255,255, a background in the images' own units"
        ),
    ),
    "bits": (Remedy("--bits", "--bits 8"),),
    "black": (Remedy("--alpha", "--alpha drop, or --alpha 0,0,0"),),
    "classes": (
        Remedy("--classes", "--classes N, the number of outputs of the file's last layer"),
    ),
    "example": (Remedy("--size", "--size HEIGHTxWIDTH"),),
    "format": (Remedy("--format", "leave --format away, or choose another"),),
    "how": (Remedy("--how", "--how expand, with --stats"),),
    "image_range": (Remedy("--image-range", "--image-range LO HI"),),
    "index": (Remedy("--index", "--index 0, the number of one page or frame"),),
    "key": (
        Remedy("--key", "--key NAME, the name of a weight; several of them name several weights"),
    ),
    "layer": (Remedy("--layer", "--layer NAME"),),
    "layout": (Remedy("--layout", "--layout NHW, for example"),),
    "limit": (Remedy("--limit", "--limit 8GiB, for example, if you trust the file"),),
    "memory_limit": (Remedy("--memory-limit", "--memory-limit 8GB, for example"),),
    "no stats": (Remedy("--stats", "no --stats, or --stats 0..1"),),
    "size": (Remedy("--size", "--size HEIGHTxWIDTH"),),
    "stats": (Remedy("--stats", f"--stats imagenet, or --stats {PAIR}"),),
    "value_range": (
        Remedy("--value-rule", "--value-range LO HI, dtype, minmax or percentile 1 99"),
        Remedy("--value-range", "--value-range LO HI"),
    ),
    "window": (Remedy("--window", "--window CENTER WIDTH, or --window lung for CT"),),
}


def list_remedies(names: Iterable[str], options: Collection[str]) -> list[str]:
    """Return what the user of a command with these options types for each of an error's remedies.

    >>> list_remedies(["value_range", "unknown"], ["--value-range"])
    ['--value-range LO HI']
    """
    found = []
    for name in names:
        fitting = [each for each in REMEDIES.get(name, ()) if each.option in options]
        found += [each.text for each in fitting[:1]]
    return found


def tell_remedies(error: GrayToRGBError, options: Collection[str]) -> str:
    """Return what is wrong, with the options of the command that solve it."""
    told = "; ".join(list_remedies(error.remedies, options))
    if not told:
        return error.problem or str(error) if error.remedies else str(error)
    return f"{error.problem}: {told}" if error.problem else f"{error}\nHere: {told}"
