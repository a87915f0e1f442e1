"""Types for options: shapes, amounts, counts, statistics, image and byte sizes, and backgrounds."""

import math
import re
from typing import Any

import click

PAIR = "M,M,M/S,S,S"  # the format of statistics as numbers


class Shape(click.ParamType[tuple[int, ...]]):
    """A shape, ``64x224x224``, as a tuple.

    Parameters
    ----------
    example : str
        A shape that the error message shows.
    """

    name = "shape"

    def __init__(self, example: str = "64x224x224") -> None:
        self.example = example

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        """Return the sizes, or raise a usage error."""
        if isinstance(value, tuple):
            return value
        if not re.fullmatch(r"\d+(x\d+)+", value.lower()):
            self.fail(f"{value!r} isn't a shape; write it as {self.example}", param, ctx)
        return tuple(map(int, value.lower().split("x")))


class FiniteAmount(click.FloatRange):
    """A finite number, 0 or more; ``nan`` and ``inf`` are usage errors."""

    def __init__(self) -> None:
        super().__init__(0)

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Return the number, or raise a usage error."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{number} isn't a finite number, 0 or more", param, ctx)
        return number


class Counts(click.ParamType[tuple[int, ...]]):
    """Counts of 1 or more, ``1,4,16``, as a tuple."""

    name = "counts"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        """Return the counts, or raise a usage error."""
        if isinstance(value, tuple):
            return value
        if not re.fullmatch(r"[1-9]\d*(,[1-9]\d*)*", value):
            self.fail(f"{value!r} aren't counts of 1 or more; write them as 1,4,16,64", param, ctx)
        return tuple(dict.fromkeys(map(int, value.split(","))))


class StatsOption(click.ParamType[Any]):
    """A name of statistics, or the pair ``0.485,0.456,0.406/0.229,0.224,0.225``.

    The result is the name, or the pair ``(mean, std)`` as two tuples. :func:`graytorgb.stats`
    takes both.
    """

    name = "stats"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the name or the pair, or raise a usage error."""
        if not isinstance(value, str) or "/" not in value:
            return value
        try:
            mean, std = (tuple(map(float, part.split(","))) for part in value.split("/"))
        except ValueError:
            self.fail(f"{value!r} is neither a name nor numbers as {PAIR}", param, ctx)
        return mean, std


class Size(click.ParamType[int]):
    """A size, such as ``500MB``, ``2GiB`` or a number of bytes, as an integer."""

    name = "size"
    units = ("", "k", "m", "g", "t")

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """Return the bytes, or raise a usage error."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", value.lower())
        if match is None:
            self.fail(f"{value!r} isn't a size; write it as 500MB or 2GiB", param, ctx)
        number, unit, binary = match.groups()
        return int(float(number) * (1024 if binary else 1000) ** self.units.index(unit))


class ImageSize(click.ParamType[Any]):
    """A size of images: ``256`` for the shorter side, or ``224x320`` for height and width."""

    name = "size"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return a number or the pair (height, width), or raise a usage error."""
        if not isinstance(value, str):
            return value
        match = re.fullmatch(r"([1-9]\d*)(?:x([1-9]\d*))?", value.lower())
        if match is None:
            self.fail(
                f"{value!r} isn't a size; write it as 256, the shorter side, or as 224x320, height "
                "and width", param, ctx,
            )  # fmt: skip
        height, width = match.groups()
        return int(height) if width is None else (int(height), int(width))


class AlphaOption(click.ParamType[Any]):
    """What becomes of alpha: ``drop``, or a background ``R,G,B``."""

    name = "alpha"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return ``"drop"`` or three numbers, or raise a usage error."""
        if not isinstance(value, str) or value == "drop":
            return value
        try:
            background = tuple(map(float, value.split(",")))
        except ValueError:
            background = ()
        if len(background) != 3:
            self.fail(
                f"{value!r} is neither drop nor a background; write it as 255,255,255", param, ctx
            )
        return background
