"""Exact intervals for right and wrong answers about the same photos."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

Answers = NDArray[np.bool_]
CONFIDENCE = 0.95


class Proportion(NamedTuple):
    """`count` of `of` answers are right; `low` to `high` is Clopper and Pearson's interval."""

    count: int
    of: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """Return the fraction of answers that are right."""
        return self.count / self.of


class Change(NamedTuple):
    """A change of answers: of `of` answers, `gained` became right and `lost` became wrong.

    `low` to `high` is the interval of the change of the fraction that is right, and `p` is the
    p-value of McNemar's exact test.
    """

    gained: int
    lost: int
    of: int
    low: float
    high: float
    p: float

    @property
    def value(self) -> float:
        """Return the change of the fraction that is right."""
        return (self.gained - self.lost) / self.of

    @property
    def beyond(self) -> bool:
        """Return whether the interval excludes 0."""
        return self.low > 0 or self.high < 0


def proportion(right: Answers, confidence: float = CONFIDENCE) -> Proportion:
    """Return the fraction of answers that are right, with its interval."""
    count, of = int(right.sum()), len(right)
    low, high = binomtest(count, of).proportion_ci(confidence, "exact")
    return Proportion(count, of, float(low), float(high))


def change(before: Answers, after: Answers) -> Change:
    """Return the change from one network's answers to another's, about the same photos.

    The interval contains the true difference with at least the stated confidence, for any number of
    photos: the exact intervals of what was gained and of what was lost share the error (the
    Bonferroni correction). The interval of a bootstrap would be empty where nothing changed; this
    one never is.
    """
    half = (1 + CONFIDENCE) / 2
    gained, lost = proportion(after & ~before, half), proportion(before & ~after, half)
    changed = gained.count + lost.count
    p = binomtest(gained.count, changed).pvalue if changed else 1.0
    return Change(
        gained.count,
        lost.count,
        gained.of,
        gained.low - lost.high,
        gained.high - lost.low,
        float(p),
    )
