"""The proof that an adapted network is the original, and what it cost."""

import gc
import json
import math
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..bench.timing import Rounds, Timing, milliseconds
from ..errors import ModelError
from ..registry import require
from ..writing import replacing

Array = NDArray[Any]
_TOP = 5
_FOR_MEDIAN = 10_000  # values of a batch


class Runner(Protocol):
    """A network of some framework, with what it does to grey images.

    Attributes
    ----------
    integers : bool
        Whether the network takes whole numbers.
    """

    integers: bool

    def evaluating(self) -> AbstractContextManager[None]:
        """A context in which the network is in eval mode."""

    def grey(self, batch: Array) -> Any:
        """A batch, (N, 1, H, W), in the framework's own kind."""

    def __call__(self, grey: Any) -> Any:
        """The network's output for it."""

    def arrays(self, output: Any) -> list[Array]:
        """Every array of an output."""

    def scores(self, output: Any) -> Array | None:
        """The class scores of an output, classes on axis 1."""

    def stem(self, grey: Any) -> str | None:
        """The name of the first convolution."""

    def stem_output(self, layer: str, grey: Any) -> tuple[Any, Array] | None:
        """The shape of its input, and its output."""

    def inside(self, layer: str, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Where its kernel lies wholly inside the image."""


@dataclass(frozen=True)
class Verification:
    """How the outputs of an adapted network and of the original agree.

    Attributes
    ----------
    images : int
        How many were compared.
    tolerance : float
        The largest difference that passes; of outputs below 1, in relation to the largest.
    max_difference, median_difference : float
        Of all values of all outputs; infinite if an output has another shape. The median of
        large outputs is that of some of their values.
    largest_output : float
        The largest absolute value of the original's outputs.
    top1, top5 : float or None
        The fraction of images (of pixels in segmentation) with the same best class, and with
        the same five best in any order; None if the output isn't class scores, of more than five.
    of_pixels : bool
        Whether these are fractions of pixels: among millions, some have two classes that are
        equal up to rounding.
    border_difference, inside_difference : float or None
        The largest difference behind the stem, where its kernel reaches over the border and
        where it doesn't; None if the stem can't be followed, or has no such place.
    stem_difference : ndarray of shape (H, W) or None
        The same at each place.
    batch : tuple of int
        The shape of the grey batch that was timed.
    original_s, adapted_s : Timing or None
        Seconds for it, from grey to output: the original's normalisation is in it.
    original_peak_bytes, adapted_peak_bytes : int or None
        Memory needed over what was there before: a lower bound.
    """

    images: int
    tolerance: float
    max_difference: float
    median_difference: float
    largest_output: float
    top1: float | None = None
    top5: float | None = None
    of_pixels: bool = False
    border_difference: float | None = None
    inside_difference: float | None = None
    stem_difference: Array | None = None
    batch: tuple[int, ...] = ()
    original_s: Timing | None = None
    adapted_s: Timing | None = None
    original_peak_bytes: int | None = None
    adapted_peak_bytes: int | None = None

    @property
    def passed(self) -> bool:
        """Whether every value agrees within the tolerance, and images have the same best class."""
        same = self.of_pixels or self.top1 in (None, 1.0)
        return same and self.max_difference <= self.limit

    @property
    def limit(self) -> float:
        """The largest difference that passes, with these outputs."""
        return self.tolerance * min(1.0, self.largest_output)

    @property
    def speedup(self) -> float | None:
        """The original's median time over the adapted network's."""
        if self.original_s is None or self.adapted_s is None:
            return None
        return self.original_s.median / self.adapted_s.median

    def to_dict(self) -> dict[str, Any]:
        """Everything but the picture's pixels, as plain values."""
        plain: dict[str, Any] = {"passed": self.passed}
        for name, value in vars(self).items():
            if name != "stem_difference":
                plain[name] = value._asdict() if isinstance(value, Timing) else value
        return {**plain, "batch": list(self.batch), "speedup": self.speedup}

    def to_json(self) -> str:
        """:meth:`to_dict` as JSON, which has null for what isn't finite."""
        plain = {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in self.to_dict().items()
        }
        return json.dumps(plain, indent=1, allow_nan=False)

    def rows(self) -> list[tuple[str, str, str]]:
        """What was measured, and the original's and the adapted network's figures."""
        rows = [
            ("largest difference", "", f"{self.max_difference:.2g}"),
            ("median difference", "", f"{self.median_difference:.2g}"),
            ("largest output", f"{self.largest_output:.3g}", ""),
        ]
        for name, fraction in (("same top-1", self.top1), ("same top-5", self.top5)):
            if fraction is not None:
                rows.append((name, "", f"{100 * fraction:.4g} %"))
        for name, value in (
            ("behind the stem, border", self.border_difference),
            ("behind the stem, inside", self.inside_difference),
        ):
            if value is not None:
                rows.append((name, "", f"{value:.2g}"))
        size = "x".join(map(str, self.batch))
        if self.original_s is not None and self.adapted_s is not None:
            first, second = milliseconds(*self.original_s[:3]), milliseconds(*self.adapted_s[:3])
            rows.append((f"{size}, ms", first, second))
        if self.original_peak_bytes is not None and self.adapted_peak_bytes is not None:
            before, after = self.original_peak_bytes / 1e6, self.adapted_peak_bytes / 1e6
            rows.append((f"{size}, peak MB", f"{before:.1f}", f"{after:.1f}"))
        return rows

    def __str__(self) -> str:
        verdict = "passed" if self.passed else "failed"
        lines = [f"{verdict}: {self.images} images, tolerance {self.tolerance:g}"]
        width = max(len(name) for name, _, _ in self.rows())
        return "\n".join(
            lines + [f"{n:{width}}  {a:>12}  {b:>12}".rstrip() for n, a, b in self.rows()]
        )

    def __rich__(self) -> Any:
        """A table for rich's console."""
        table = require("rich.table", "rich", "bench").Table(
            title=str(self).partition("\n")[0], title_justify="left"
        )
        table.add_column("")
        for heading in ("original", "adapted"):
            table.add_column(heading, justify="right", no_wrap=True)
        for row in self.rows():
            table.add_row(*row)
        return table

    def write_png(self, path: Path | str) -> None:
        """Draw where the outputs of the stems differ.

        Raises
        ------
        ModelError
            If the stem couldn't be followed.
        """
        if self.stem_difference is None:
            raise ModelError("there is nothing to draw: the stem couldn't be followed")
        figure = require("matplotlib.figure", "matplotlib", "bench").Figure(
            figsize=(5, 4), layout="constrained"
        )
        axes = figure.subplots()
        shown = axes.imshow(self.stem_difference, cmap="magma", vmin=0)
        figure.colorbar(shown, label="largest difference")
        axes.set_title(f"behind the stem, {self.images} images")
        with replacing(path) as written:
            figure.savefig(written, dpi=120)


def compare(
    original: Runner,
    adapted: Runner,
    batches: Iterable[Array],
    *,
    layer: str | None,
    tolerance: float,
    seconds: float,
) -> Verification:
    """Run both on the same grey, and measure the differences."""
    differences, maxima, top1, top5 = [], [], [], []
    largest, images, of_pixels = 0.0, 0, False
    first = None
    for batch in batches:
        expected = original(original.grey(batch))
        given = adapted(adapted.grey(batch))
        images += len(batch)
        first = batch if first is None else first
        arrays = original.arrays(expected)
        difference = _differences(arrays, adapted.arrays(given))
        differences.append(_spread(difference))
        maxima += [float(difference.max())] if difference.size else []
        largest = max([largest, *(np.abs(a[np.isfinite(a)]).max(initial=0) for a in arrays)])
        scores = original.scores(expected), adapted.scores(given)
        if scores[0] is not None and scores[1] is not None and scores[0].shape == scores[1].shape:
            top1.append(_agreement(scores[0], scores[1], 1))
            if scores[0].shape[1] > _TOP:
                top5.append(_agreement(scores[0], scores[1], _TOP))
            of_pixels = scores[0].ndim > 2
    if first is None:
        raise ModelError("no images to compare the networks on")
    if not maxima:
        raise ModelError(
            "nothing was compared: no output of the networks is a tensor with finite values, alone "
            "or in a tuple, list or dict"
        )
    if not largest and not max(maxima):
        raise ModelError(
            "nothing was compared: every output is 0, for these images or until a head is trained"
        )
    return Verification(
        images=images,
        tolerance=tolerance,
        max_difference=float(np.max(maxima)),  # not a number if one isn't
        median_difference=float(np.median(np.concatenate(differences))),
        largest_output=float(largest),
        top1=_fraction(top1),
        top5=_fraction(top5),
        of_pixels=of_pixels,
        batch=first.shape,
        **_behind_the_stem(original, adapted, first, layer),
        **(_cost(original, adapted, first, seconds) if seconds > 0 else {}),
    )


def _differences(expected: list[Array], given: list[Array]) -> Array:
    """Absolute differences of all values; infinite for outputs of other shapes.

    What isn't finite in both, and the same, proves nothing, and is left out.
    """
    if [a.shape for a in expected] != [a.shape for a in given]:
        return np.array([np.inf])
    parts = [np.zeros(0)]
    for a, b in zip(expected, given, strict=True):
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        with np.errstate(invalid="ignore"):
            parts.append(np.where(same, 0, np.abs(a - b))[~same | np.isfinite(a)])
    return np.concatenate(parts)


def _spread(values: Array) -> Array:
    """Some of them, evenly spread: enough for a median, where all are gigabytes of maps."""
    return values[:: -(-values.size // _FOR_MEDIAN) or 1].copy()


def _agreement(expected: Array, given: Array, best: int) -> NDArray[np.bool_]:
    """Where the `best` classes are the same set."""
    order = [np.argsort(-scores, 1, kind="stable")[:, :best] for scores in (expected, given)]
    return np.asarray((np.sort(order[0], 1) == np.sort(order[1], 1)).all(1).ravel())


def _fraction(agreements: list[NDArray[np.bool_]]) -> float | None:
    everything = np.concatenate([np.zeros(0), *agreements])
    return float(everything.mean()) if everything.size else None


def _behind_the_stem(
    original: Runner, adapted: Runner, batch: Array, layer: str | None
) -> dict[str, Any]:
    """Where the outputs of the stems differ, on one batch."""
    grey = original.grey(batch)
    name = original.stem(grey) if layer is None else layer
    if name is None:
        return {}
    before = original.stem_output(name, grey)
    if before is None and layer is not None:
        raise ModelError(
            f"the original has no convolution {layer!r}: leave layer out, or name its stem"
        )
    after = None
    for candidate in (name, f"model.{name}"):  # how="expand" has the network behind its front
        after = after or adapted.stem_output(candidate, adapted.grey(batch))
    if before is None or after is None or before[1].shape != after[1].shape:
        return {}
    shape, expected = before
    difference = np.abs(expected - after[1]).max((0, 1))
    inside = original.inside(name, shape)

    def largest(where: NDArray[np.bool_]) -> float | None:
        return float(difference[where].max()) if where.any() else None

    return {
        "border_difference": largest(~inside),
        "inside_difference": largest(inside),
        "stem_difference": difference,
    }


def _cost(original: Runner, adapted: Runner, batch: Array, seconds: float) -> dict[str, Any]:
    """Time in rounds, and peak memory, of both networks."""
    calls = {
        name: partial(runner, runner.grey(batch))
        for name, runner in (("original", original), ("adapted", adapted))
    }
    rounds = Rounds(calls)
    rounds.run(seconds)
    timings = rounds.timings()
    peak_here = require("graytorgb.bench.memory", "psutil", "bench").peak_here
    found: dict[str, Any] = {}
    gc.collect()  # so that memory freed by now can be given back, and its reuse shows
    for name, call in calls.items():
        found[f"{name}_s"] = timings.get(name)
        found[f"{name}_peak_bytes"] = peak_here(call)
    return found
