"""The option ``--value-range LO HI``, which also takes the name of a rule."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from ..core.value_range import ValueRange
from ..core.wording import suggest
from .streams import Program
from .types import FiniteFloat

_RULES = ("dtype", "minmax")
_PARTS = ("--value-range", "--value-rule", "--value-percentiles")
Function = TypeVar("Function", bound=Callable[..., Any])


def split_values(args: Iterable[str], option: str) -> list[str]:
    """Return arguments with ``--option=value`` as two, as click takes them for several values.

    >>> split_values(["a.png", "--window=lung"], "--window")
    ['a.png', '--window', 'lung']
    """
    start = f"{option}="
    return [
        part for arg in args for part in (arg.split("=", 1) if arg.startswith(start) else [arg])
    ]


class RangeCommand(Program):
    """A command whose ``--value-range`` takes a rule's name where click expects two numbers."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give the names to hidden options of their own."""

        def near(name: str) -> str:
            return suggest(name, (*_RULES, "percentile"), show=str, cutoff=0.6)

        split = split_values(args, "--value-range")
        for k, value in enumerate(split[1:]):
            if split[k] == "--value-range" and value in _RULES:
                split[k] = "--value-rule"
            elif split[k] == "--value-range" and value == "percentile":
                split[k : k + 2] = ["--value-percentiles"]
                break
            elif split[k] == "--value-range" and near(value):
                raise click.UsageError(
                    f"--value-range takes two numbers, LO HI, or dtype, minmax, or percentile P Q, "
                    f"not {value!r}{near(value)}", ctx,
                )  # fmt: skip
        try:
            return super().parse_args(ctx, split)
        except click.BadOptionUsage as error:
            if error.option_name not in _PARTS:
                raise
            raise click.UsageError(
                "--value-range takes two numbers, LO HI, or dtype, minmax, or percentile P Q", ctx
            ) from error


class _Part(click.Option):
    """A hidden part of ``--value-range``, which messages name in its place."""

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """Return what the user has typed."""
        return "'--value-range percentile P Q'" if self.nargs == 2 else "'--value-range'"


def value_range_option(text: str) -> Callable[[Function], Function]:
    """Return a decorator that adds ``--value-range`` and its hidden parts to a command."""

    def add(function: Function) -> Function:
        function = click.option("--value-rule", type=click.Choice(_RULES), hidden=True,
            cls=_Part)(function)  # fmt: skip
        function = click.option("--value-percentiles", type=(FiniteFloat(), FiniteFloat()),
            hidden=True, cls=_Part)(function)  # fmt: skip
        return click.option(
            "--value-range", type=(FiniteFloat(), FiniteFloat()), metavar="LO HI", help=text
        )(function)

    return add


def join_range(
    value_range: tuple[float, float] | None,
    value_rule: str | None,
    value_percentiles: tuple[float, float] | None,
) -> ValueRange | None:
    """Return the range that the options state.

    Raises
    ------
    UsageError
        If they state it twice.
    """
    percentiles = value_percentiles and ("percentile", *map(_shorten, value_percentiles))
    limits = value_range and tuple(map(_shorten, value_range))
    stated: list[Any] = [each for each in (limits, value_rule, percentiles) if each is not None]
    if len(stated) > 1:
        raise click.UsageError("--value-range is stated twice")
    return stated[0] if stated else None


def _shorten(number: float) -> float:
    """Return a whole number as an int, so that it is written as one."""
    return int(number) if number.is_integer() else number
