"""``Verification``: the figures of a proof, as text, a table, JSON and a picture."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..core.notebook import call_safely, make_card, make_table
from ..core.writing import replacing
from ..errors import ModelError
from ..extras import require
from ..measure.timing import Timing, format_milliseconds
from .sensitivity import PLENTY

Array = NDArray[Any]


def find_limit(
    tolerance: float, largest: float, variation: float | None = None, rounding: float | None = None
) -> float:
    """Return the largest difference that passes; see :attr:`Verification.limit`."""
    varying = math.inf if variation is None else variation / PLENTY
    return max(tolerance * min(1.0, largest, varying), min(rounding or 0.0, tolerance / 100))


@dataclass(frozen=True)
class Verification:
    """The figures of a proof that compares an adapted network's outputs with the original's.

    Attributes
    ----------
    images : int
        The number of images that were compared.
    tolerance : float
        The tolerance that :func:`verify` was given; see :attr:`limit`.
    variation : float or None
        How much the original's outputs change with the image. It is a lower bound if it is more
        than 1/1000 of the largest output. None if the proof failed before this was measured.
    rounding : float or None
        How much rounding alone can change an output, measured with the original. None if it wasn't
        measured, because no output differs by more than what passes.
    max_difference, median_difference : float
        The largest and the median difference of all values of all outputs; infinite if an output
        has another shape. For large outputs the median is taken of a sample.
    largest_output : float
        The largest absolute value of the original's outputs.
    top1, top5 : float or None
        The fraction of images (in segmentation, of pixels) for which both networks have the same
        best class, or the same five best classes in any order. None if the output isn't class
        scores, or has too few classes.
    of_pixels : bool
        Whether `top1` and `top5` are fractions of pixels. They don't decide whether the proof
        passes then: among millions of pixels, some have two classes that are equal up to rounding.
    border_difference, inside_difference : float or None
        The largest difference of the stems' outputs where the kernel reaches over the border, and
        where it doesn't. None if no stem is found, or there is no such pixel.
    stem_difference : ndarray of shape (H, W) or None
        The largest difference of the stems' outputs at each pixel.
    batch : tuple of int
        The shape of the gray batch that was timed.
    original_s, adapted_s : Timing or None
        How many seconds a batch takes from gray to output, the normalization included.
    original_peak_bytes, adapted_peak_bytes : int or None
        How many bytes a batch needs beyond what was in use before: a lower bound. None if this
        can't be measured.
    why_no_peaks : str
        Why memory can't be measured, if a library is missing.
    runtime : str
        The name and the version of the runtime that ran both networks; ``""`` if the frameworks
        ran them.
    original_runtime_difference, adapted_runtime_difference : float or None
        How much the runtime itself changes the original and the adapted network: the largest
        difference of all values between the runtime's outputs and those of the framework. None if
        no runtime was asked for, or the converted network has other outputs.
    """

    images: int
    tolerance: float
    max_difference: float
    median_difference: float
    largest_output: float
    top1: float | None = None
    top5: float | None = None
    of_pixels: bool = False
    variation: float | None = None
    rounding: float | None = None
    border_difference: float | None = None
    inside_difference: float | None = None
    stem_difference: Array | None = None
    batch: tuple[int, ...] = ()
    original_s: Timing | None = None
    adapted_s: Timing | None = None
    original_peak_bytes: int | None = None
    adapted_peak_bytes: int | None = None
    why_no_peaks: str = ""
    runtime: str = ""
    original_runtime_difference: float | None = None
    adapted_runtime_difference: float | None = None

    @property
    def passed(self) -> bool:
        """Whether all values agree within the limit, and each image has the same best class."""
        same = self.of_pixels or self.top1 in (None, 1.0)
        return same and self.max_difference <= self.limit

    @property
    def limit(self) -> float:
        """Return the largest difference that passes.

        If an output is 1 or more, the limit is the tolerance. If all outputs are smaller, the
        tolerance is multiplied by the largest of them. If images change the outputs by less than
        1/1000, it is multiplied by 1000 times that change, if that is less. A difference that
        rounding explains passes up to a hundredth of the tolerance, because layers before tiny
        outputs may round larger values.
        """
        return find_limit(self.tolerance, self.largest_output, self.variation, self.rounding)

    @property
    def reason(self) -> str:
        """Return why the proof failed; ``""`` if it passed."""
        return self.explain_failure()

    def explain_failure(self, option: str = "tolerance={:g}") -> str:
        """Return why the proof failed, with the tolerance that passes if rounding explains it.

        Parameters
        ----------
        option : str
            A format with one number, by which the message states a tolerance.
        """
        if self.passed:
            return ""
        if self.max_difference <= self.limit:
            return "the networks recognize some images as other classes"
        if not math.isfinite(self.max_difference):
            return "outputs have other shapes than the original's, or values that aren't finite"
        difference = (
            f"outputs differ by {self.max_difference:.2g}, of values up to "
            f"{self.largest_output:.3g}, and {self.limit:.2g} passes"
        )
        if self.rounding is None:
            return difference
        if self.sufficient_tolerance is not None:
            stated = option.format(self.sufficient_tolerance)
            return f"{difference}; rounding explains up to {self.rounding:.2g}: {stated}"
        return (
            f"{difference}; rounding explains {self.rounding:.2g} at most, so this isn't the "
            "original adapted with the same stats and value_range"
        )

    @property
    def sufficient_tolerance(self) -> float | None:
        """Return the tolerance that passes, if rounding alone explains why outputs differ."""
        if self.passed or self.rounding is None or not self.max_difference <= self.rounding:
            return None
        limit_of_one = find_limit(1.0, self.largest_output, self.variation)
        if not limit_of_one:
            return None
        least = self.max_difference / limit_of_one
        return float(10.0 ** math.ceil(math.log10(least))) if least > self.tolerance else None

    @property
    def speedup(self) -> float | None:
        """Return the original's median time over the adapted network's."""
        if self.original_s is None or self.adapted_s is None:
            return None
        return self.original_s.median / self.adapted_s.median

    def to_dict(self) -> dict[str, Any]:
        """Return every figure except `stem_difference`, as plain values."""
        plain: dict[str, Any] = {"passed": self.passed}
        for name, value in vars(self).items():
            if name != "stem_difference":
                plain[name] = value._asdict() if isinstance(value, Timing) else value
        return {**plain, "batch": list(self.batch), "speedup": self.speedup}

    def to_json(self) -> str:
        """Return :meth:`to_dict` as JSON, with null for what isn't finite."""
        plain = {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in self.to_dict().items()
        }
        return json.dumps(plain, indent=1, allow_nan=False)

    def rows(self) -> list[tuple[str, str, str]]:
        """Return a row for each figure: its name, and its values for original and adapted."""
        rows = [
            ("largest difference", "", f"{self.max_difference:.2g}"),
            ("median difference", "", f"{self.median_difference:.2g}"),
            ("largest output", f"{self.largest_output:.3g}", ""),
        ]
        for name, fraction in (("same top-1", self.top1), ("same top-5", self.top5)):
            if fraction is not None:
                rows.append((name, "", f"{100 * fraction:.4g} %"))
        for name, value in (
            ("after the stem, border", self.border_difference),
            ("after the stem, inside", self.inside_difference),
        ):
            if value is not None:
                rows.append((name, "", f"{value:.2g}"))
        if self.runtime:
            changes = self.original_runtime_difference, self.adapted_runtime_difference
            before, after = ("" if c is None else f"{c:.2g}" for c in changes)
            rows.append(("changed by the runtime", before, after))
        size = "x".join(map(str, self.batch))
        if self.original_s is not None and self.adapted_s is not None:
            before, after = (
                format_milliseconds(*timing[:3]) for timing in (self.original_s, self.adapted_s)
            )
            rows.append((f"{size}, ms", before, after))
        if self.original_peak_bytes is not None and self.adapted_peak_bytes is not None:
            peaks = self.original_peak_bytes, self.adapted_peak_bytes
            before, after = (f"{peak / 1e6:.1f}" for peak in peaks)
            rows.append((f"{size}, peak MB", before, after))
        elif self.why_no_peaks:
            rows.append((f"{size}, peak MB", "not measured", self.why_no_peaks))
        return rows

    def __str__(self) -> str:
        verdict = "passed" if self.passed else "failed"
        place = f", on {self.runtime}" if self.runtime else ""
        lines = [f"{verdict}: {self.images} images, tolerance {self.tolerance:g}{place}"]
        lines += [self.reason] if self.reason else []
        width = max(len(name) for name, _, _ in self.rows())
        return "\n".join(
            lines + [f"{n:{width}}  {a:>12}  {b:>12}".rstrip() for n, a, b in self.rows()]
        )

    def _repr_html_(self) -> str:
        """Return the table that notebooks show; it never raises."""
        return call_safely(self._make_card, self)

    def _make_card(self) -> str:
        title, *_ = str(self).split("\n", 1)
        notes = [self.reason] if self.reason else []
        table = make_table(("", "original", "adapted"), self.rows())
        return make_card(title, (), table=table, notes=notes, passed=self.passed)

    def __rich__(self) -> Any:
        """Return the table that rich's console prints."""
        table = require("rich.table").Table(
            title=str(self).partition("\n")[0],
            title_justify="left",
            caption=self.reason or None,
            caption_justify="left",
        )
        table.add_column("")
        for heading in ("original", "adapted"):
            table.add_column(heading, justify="right", no_wrap=not self.why_no_peaks)
        for row in self.rows():
            table.add_row(*row)
        return table

    def write_png(self, path: Path | str) -> None:
        """Draw where the outputs of the stems differ.

        Raises
        ------
        ModelError
            If the stems' outputs couldn't be compared.
        """
        if self.stem_difference is None:
            raise ModelError("there is nothing to draw: the stems' outputs couldn't be compared")
        figure = require("matplotlib.figure").Figure(figsize=(5, 4), layout="constrained")
        axes = figure.subplots()
        picture = axes.imshow(self.stem_difference, cmap="magma", vmin=0)
        figure.colorbar(picture, label="largest difference")
        axes.set_title(f"after the stem, {self.images} images")
        with replacing(path) as written:
            figure.savefig(written, dpi=120)
