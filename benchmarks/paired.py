"""Right and wrong answers about the same photos: exact intervals."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

Answers = NDArray[np.bool_]
CONFIDENCE = 0.95


class Proportion(NamedTuple):
    """How many of how many, with Clopper and Pearson's interval, of 0 to 1."""

    count: int
    of: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The fraction."""
        return self.count / self.of


class Change(NamedTuple):
    """What became right and wrong, of how many; the change of the fraction and its interval.

    `p` is that of McNemar's exact test.
    """

    gained: int
    lost: int
    of: int
    low: float
    high: float
    p: float

    @property
    def value(self) -> float:
        """The change of the fraction that is right."""
        return (self.gained - self.lost) / self.of

    @property
    def beyond(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


def proportion(right: Answers, confidence: float = CONFIDENCE) -> Proportion:
    """The fraction of answers that are right."""
    count, of = int(right.sum()), len(right)
    low, high = binomtest(count, of).proportion_ci(confidence, "exact")
    return Proportion(count, of, float(low), float(high))


def change(before: Answers, after: Answers) -> Change:
    """From one network's answers to another's, about the same photos.

    The interval holds the difference with at least the confidence stated, for any number of
    photos: the exact intervals of what was gained and of what was lost share the error (the
    Bonferroni correction). It is never empty, as a bootstrap's is where nothing changed.
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
