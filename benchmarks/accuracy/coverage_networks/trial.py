"""The trial of a network: adapt it, and compare what it returns for gray images."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from graytorgb.errors import ModelError

from .cases import Case
from .results import SINGLE, Outputs, Result, describe_error, describe_refusal

Array = NDArray[Any]


class Specimen(Protocol):
    """A network that was built, and all that its library does in another way than others."""

    def set_weights(self) -> None:
        """Make the fresh weights realistic."""

    def run_original(self) -> Outputs:
        """Return what the original returns for gray images and for their negatives."""

    def adapt(self, how: Literal["collapse", "expand"]) -> Any:
        """Return the adapted network."""

    def run_adapted(self, adapted: Any) -> Sequence[Array]:
        """Return what the adapted network returns for the gray images."""

    def describe_stems(self, adapted: Any) -> str:
        """Say what became of the layers whose weights have changed."""

    def to_float64(self) -> Self:
        """Return the specimen, or a copy, in float64."""


class Untried(Exception):
    """A network of the list can't be tried; the message says why."""


def make_noise(shape: tuple[int, ...], seed: int = 0) -> NDArray[np.float32]:
    """Return random gray images, of values from 0 to 1."""
    return np.random.default_rng(seed).random(shape, np.float32)


def try_network(build: Callable[[Case], Specimen], case: Case) -> Result:
    """Return what happens to a network when it is adapted."""
    try:
        specimen = build(case)
        specimen.set_weights()
        expected = specimen.run_original()
    except Untried as reason:
        return Result.of_case(case, "not run", str(reason))
    except Exception as error:
        return Result.of_case(case, "not run", describe_error(error))
    expand = _try_expand(specimen, expected)
    result = _try_collapse(case, specimen, expected)._replace(expand=expand)
    if not expand.startswith("differs"):
        return result
    double = specimen.to_float64()
    return result._replace(expand=_try_expand_again(double, double.run_original()))


def _try_expand(specimen: Specimen, expected: Outputs) -> str:
    """Say whether how="expand" gives the same outputs: ``"yes"``, or why it doesn't."""
    try:
        outputs = specimen.run_adapted(specimen.adapt("expand"))
    except ModelError as error:
        return describe_refusal(error)
    except Exception as error:
        return f"error: {describe_error(error)}"
    difference = expected.compare(outputs)
    return "yes" if difference.value <= SINGLE else f"differs: {difference}"


def _try_expand_again(double: Specimen, expected: Outputs) -> str:
    """Say whether how="expand" gives the same outputs in float64, where it didn't in float32.

    The normalization that it puts before a Keras network has numbers of float32, so the bound is
    that of float32; only what the deep network adds to it vanishes.
    """
    difference = expected.compare(double.run_adapted(double.adapt("expand")))
    return "yes" if difference.value <= SINGLE else f"differs: {difference} in float64"


def _try_collapse(case: Case, specimen: Specimen, expected: Outputs) -> Result:
    """Return what how="collapse" does, compared in float32, and in float64 where that decides."""
    try:
        adapted = specimen.adapt("collapse")
    except ModelError as error:
        return Result.of_case(case, "refused", describe_refusal(error))
    except Exception as error:
        return Result.of_case(case, "error", describe_error(error))
    result = Result.of_case(case, "exact")._replace(stem=specimen.describe_stems(adapted))
    try:
        difference = expected.compare(specimen.run_adapted(adapted))
    except Exception as error:
        reason = f"the adapted network fails: {describe_error(error)}"
        return result._replace(verdict="error", reason=reason)
    result = result._replace(float32=difference.value)
    if difference.value <= SINGLE and expected.prove(difference):
        return result
    del adapted
    try:
        double = specimen.to_float64()
        expected = double.run_original()
        in_float64 = expected.compare(double.run_adapted(double.adapt("collapse")))
    except Exception as error:
        reason = f"{difference} in float32, and in float64: {describe_error(error)}"
        return result._replace(verdict="differs", reason=reason)
    return result.with_float64(in_float64, is_proven=expected.prove(in_float64))
