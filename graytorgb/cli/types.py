"""Types of options: shapes, numbers and sizes in bytes."""

import re
from typing import Any

import click


class Shape(click.ParamType[tuple[int, ...]]):
    """A shape, ``64x224x224``, as a tuple.

    Parameters
    ----------
    example : str
        A shape for the message where another text is given.
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


class Numbers(click.ParamType[tuple[float, ...]]):
    """Numbers, ``0.485,0.456,0.406``, as a tuple."""

    name = "numbers"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[float, ...]:
        """Return the numbers, or raise a usage error."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(map(float, value.split(",")))
        except ValueError:
            self.fail(
                f"{value!r} isn't one number or several with commas, 0.485,0.456,0.406", param, ctx
            )


class Size(click.ParamType[int]):
    """A size, ``500MB``, ``2GiB`` or plain bytes, as an integer."""

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
