"""``Result``: what happened to a network that was adapted, and how outputs are compared."""

import re
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from graytorgb.errors import ModelError

from .cases import Case

# The largest differences, relative to the largest output, that count as rounding
SINGLE, DOUBLE = 1e-5, 1e-10
# Negatives of the images have to change the outputs so many times more than adapting does, and a
# change of less than the second number counts as none.
_CHANGE, _LEAST = 100, 1e-13
BLIND = "the outputs are nearly the same for every image"
VERDICTS = {
    "exact": "the adapted network gives the same outputs, up to rounding",
    "refused": 'how="collapse" can\'t be exact, and `adapt` says so',
    "differs": "the adapted network gives other outputs: a bug",
    "error": "`adapt` or the adapted network fails: a bug",
    "timeout": "the trial didn't end in its time",
    "crashed": "the trial's process ended, by a signal or for want of memory",
    "unproven": "exact, but random weights make the outputs nearly the same for every image",
    "not run": "the original couldn't be built or run here, so nothing was tried",
}


class Result(NamedTuple):
    """What happened to a network.

    Attributes
    ----------
    library, family, network : str
        See `Case`.
    verdict : str
        One of `VERDICTS`.
    reason : str
        Why it isn't exact.
    float32, float64 : float or None
        The largest difference relative to the largest output; in float64 only if float32 was in
        doubt.
    stem : str
        What became of the stem: ``"1 channel + bias"``, ``"2 planes"``.
    expand : str
        ``"yes"`` if how="expand" gives the same outputs, or what happens instead.
    seconds : float
        Processor time of the trial.
    """

    library: str
    family: str
    network: str
    verdict: str
    reason: str = ""
    float32: float | None = None
    float64: float | None = None
    stem: str = ""
    expand: str = ""
    seconds: float = 0.0

    @classmethod
    def of_case(cls, case: Case, verdict: str, reason: str = "") -> "Result":
        """Return a result without figures."""
        return cls(*case, verdict, reason)

    @property
    def case(self) -> Case:
        """The network."""
        return Case(self.library, self.family, self.network)

    def with_float64(self, difference: "Difference", *, is_proven: bool) -> "Result":
        """Return the result with the difference in float64, which decides."""
        result = self._replace(float64=difference.value)
        if difference.value > DOUBLE:
            return result._replace(verdict="differs", reason=f"{difference} in float64")
        if not is_proven:
            return result._replace(verdict="unproven", reason=BLIND)
        return result._replace(verdict="exact")


class Difference(NamedTuple):
    """The largest difference of two networks' outputs, relative to the largest output.

    Attributes
    ----------
    value : float
        Infinite if the outputs don't have the same shapes or places of NaN and infinity.
    what : str
        What differs beside the numbers.
    """

    value: float
    what: str = ""

    def __str__(self) -> str:
        return self.what or f"{self.value:.1e} of the largest output"


class Outputs(NamedTuple):
    """What an original returns for images, and for their negatives, as arrays."""

    given: Sequence[NDArray[Any]]
    negative: Sequence[NDArray[Any]]

    def compare(self, outputs: Sequence[NDArray[Any]]) -> Difference:
        """Return the largest difference of another network's outputs for the same images."""
        return compare(self.given, outputs)

    def prove(self, difference: Difference) -> bool:
        """Whether a difference is small beside what the negatives change in the outputs."""
        return compare(self.given, self.negative).value > _CHANGE * max(difference.value, _LEAST)


def compare(expected: Sequence[NDArray[Any]], given: Sequence[NDArray[Any]]) -> Difference:
    """Return the largest difference of arrays, each relative to its own largest value."""
    if len(expected) != len(given):
        return Difference(np.inf, f"{len(given)} outputs instead of {len(expected)}")
    if not expected:
        return Difference(np.inf, "no output has floats")
    return max((_compare_arrays(e, g) for e, g in zip(expected, given, strict=True)), key=_value)


def _value(difference: Difference) -> float:
    return difference.value


def _compare_arrays(expected: NDArray[Any], given: NDArray[Any]) -> Difference:
    if expected.shape != given.shape:
        return Difference(np.inf, f"the shape {given.shape} instead of {expected.shape}")
    finite = np.isfinite(expected)
    if not np.array_equal(expected[~finite], given[~finite], equal_nan=True):
        return Difference(np.inf, "NaN or infinity in other places")
    if not finite.any():
        return Difference(0.0)
    before, after = expected[finite].astype(np.float64), given[finite].astype(np.float64)
    if not np.isfinite(after).all():
        return Difference(np.inf, "NaN or infinity in other places")
    largest = np.abs(before).max()
    return Difference(float(np.abs(after - before).max() / (largest or 1)))


def describe_refusal(error: ModelError) -> str:
    """Return the first line of a refusal."""
    return _shorten(str(error).partition("\n")[0])


def describe_error(error: BaseException) -> str:
    """Return an error's class, its first line, and the last place in the package, if any."""
    text = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "graytorgb" in Path(frame.filename).parts[:-1]]
    where = ""
    if ours:
        where = f" (graytorgb/{_path_inside(ours[-1].filename)}:{ours[-1].lineno})"
    return _shorten(text) + where


def _path_inside(filename: str) -> str:
    parts = Path(filename).parts
    last = len(parts) - 1 - parts[::-1].index("graytorgb")
    return "/".join(parts[last + 1 :])


def _shorten(text: str, longest: int = 300) -> str:
    """Return text in one line, without memory addresses, and not too long."""
    text = re.sub(r" at 0x[0-9a-f]+", "", " ".join(text.split()))
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
