"""``Preprocessing``: the record of the statistics and the gray range of an adapted network."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..core.stats import Stats
from ..core.stats import stats as find_stats
from ..errors import ModelError
from .weights import Normalization

_MARK = "gray-input"
_WORDS = ("mean", "std", "range", "normalized")


@dataclass(frozen=True)
class Preprocessing:
    """The statistics of the training images, and the range of the gray that a network takes.

    An adapted network carries this record as text, where :func:`graytorgb.models.verify` reads it.

    Attributes
    ----------
    stats : Stats or None
        The statistics of the training images, for values from 0 to 1. None for a network that
        normalizes its images itself.
    value_range : (lo, hi) or None
        The gray values that stand for 0 and 1, or None if they aren't stated.
    normalized : (m, s) or None
        The mean and the std if the gray is already normalized, else None.

    Raises
    ------
    ModelError
        If a number can't be used, or both `value_range` and `normalized` are stated.

    Examples
    --------
    >>> from graytorgb.models.preprocessing import Preprocessing
    >>> found = Preprocessing.from_arguments("-1..1", value_range=(0, 255))
    >>> found.limits
    (0.0, 255.0)
    >>> found.normalization.mean
    array([127.5, 127.5, 127.5])
    """

    stats: Stats | None = None
    value_range: tuple[float, float] | None = None
    normalized: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        assert self.normalization is not None  # calculated here, so that unusable numbers raise

    @classmethod
    def from_arguments(
        cls,
        stats: Any = None,
        value_range: tuple[float, float] | None = None,
        normalized: tuple[float, float] | None = None,
    ) -> "Preprocessing":
        """Return the record for these arguments of :func:`graytorgb.models.adapt`."""
        return cls(None if stats is None else find_stats(stats), value_range, normalized)

    @property
    def is_stated(self) -> bool:
        """Whether the statistics are stated."""
        return self.stats is not None

    @property
    def has_range(self) -> bool:
        """Whether the range of the gray is stated."""
        return self.value_range is not None or self.normalized is not None

    @cached_property
    def rescaling(self) -> Normalization:
        """Return the normalization that makes values from 0 to 1 of the gray."""
        return Normalization.from_stats(0, 1, self.value_range, self.normalized)

    @cached_property
    def normalization(self) -> Normalization:
        """Return the normalization that makes the original's channels of the gray.

        Without stats, this is :attr:`rescaling`.
        """
        if self.stats is None:
            return self.rescaling
        return Normalization.from_stats(*self.stats, self.value_range, self.normalized)

    @property
    def limits(self) -> tuple[float, float]:
        """Return the gray values that stand for 0 and 1."""
        lo, span = float(self.rescaling.mean[0]), float(self.rescaling.std[0])
        return lo, lo + span

    def require_stats(self, how: str = "collapse") -> Normalization:
        """Return the normalization.

        Raises
        ------
        ModelError
            If no statistics are stated; the message says what to pass to ``adapt(how=how)``.
        """
        if self.is_stated:
            return self.normalization
        rest = "" if how == "collapse" else f', how="{how}"'
        raise ModelError(
            "say how the images were normalized in training: call adapt(model, "
            f'stats{rest}). stats is "imagenet" for most ImageNet weights, "-1..1", "0..1" for a '
            "network that takes three equal planes as they are, a pair (mean, std), or an object "
            "that has them, such as torchvision's weights, a timm model or a Hugging Face "
            "processor (the guide's page on Keras lists those of keras.applications). The adapted "
            "network takes gray from 0 to 1, unless value_range=(lo, hi) or "
            "normalized=(mean, std) says otherwise",
            remedies=("stats",),
        )

    def check_agrees(self, stated: "Preprocessing") -> None:
        """Check that what a caller states agrees with this record of an adapted network.

        Raises
        ------
        ModelError
            If `stated` has other statistics, or another range.
        """
        pairs: list[list[Normalization]] = []
        if stated.stats is not None:
            pairs.append([Preprocessing(each.stats).normalization for each in (self, stated)])
        if stated.has_range:
            pairs.append([each.rescaling for each in (self, stated)])
        if not all(np.allclose(np.array(a), np.array(b), rtol=1e-6, atol=1e-9) for a, b in pairs):
            raise ModelError(
                f"the adapted network was made with {str(self) or 'no stats'}, and this call says "
                f"{stated}: leave that out here, or adapt the original again with it",
                remedies=("stats", "value_range"),
            )

    def as_arguments(self) -> dict[str, Any]:
        """Return the record as arguments of ``adapt``, by name."""
        pair = None if self.stats is None else tuple(self.stats)
        return {"stats": pair, "value_range": self.value_range, "normalized": self.normalized}

    def __str__(self) -> str:
        arguments = self.as_arguments().items()
        return ", ".join(f"{name}={value}" for name, value in arguments if value is not None)

    @property
    def white(self) -> float:
        """Return the end of the gray's range that is farther from 0."""
        return max(reversed(self.limits), key=abs)

    def describe_input(self) -> str:
        """Describe in words what gray the adapted network takes."""
        if self.normalized is not None:
            return "one channel, normalized by {:g} and {:g}".format(*self.normalized)
        # with "0..1" an input of whole numbers takes values in its own range, such as bytes
        if not self.is_stated or self.normalization.is_identity:
            return "one channel, of the values that the original takes"
        return "one channel, from {:g} to {:g}".format(*self.limits)

    def to_text(self) -> str:
        """Return the record as text that can be the name of a Keras layer.

        >>> Preprocessing.from_arguments((0.5, 0.25), value_range=(0, 255)).to_text()
        'gray-input_mean_0.5_std_0.25_range_0.0_255.0'
        """
        values = (*(self.stats or (None, None)), self.value_range, self.normalized)
        parts = [_MARK]
        for word, numbers in zip(_WORDS, values, strict=True):
            if numbers is not None:
                parts += [word, *(repr(float(number)) for number in numbers)]
        return "_".join(parts)

    @classmethod
    def from_text(cls, text: Any) -> "Preprocessing | None":
        """Return the record that :meth:`to_text` wrote, or None for any other text.

        >>> print(Preprocessing.from_text("gray-input_mean_0.5_std_0.25"))
        stats=((0.5,), (0.25,))
        """
        mark, *parts = str(text).split("_")
        if mark != _MARK:
            return None
        found: dict[str, list[float]] = {}
        try:
            for part in parts:
                if part in _WORDS:
                    numbers = found.setdefault(part, [])
                else:
                    numbers.append(float(part))
            read: Any = {word: tuple(numbers) for word, numbers in found.items()}
            stats = Stats(read["mean"], read["std"]) if read.keys() & {"mean", "std"} else None
            return cls(stats, read.get("range"), read.get("normalized"))
        except (ValueError, KeyError, UnboundLocalError):  # a name that only begins like a record
            return None
