"""Comparison of two networks' outputs, time and memory, for :func:`graytorgb.models.verify`."""

import gc
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BackendUnavailable, ModelError
from ..extras import require
from ..measure.timing import Rounds
from .frameworks import Runner
from .sensitivity import (
    bound_rounding,
    find_largest,
    measure_differences,
    measure_rounding,
    measure_variation,
)
from .verification_result import Verification

Array = NDArray[Any]
_TOP = 5
_FOR_MEDIAN = 10_000  # how many differences of a batch are kept for the median


def compare_outputs(
    original: Runner,
    adapted: Runner,
    batches: Iterable[Array],
    *,
    layer: str | None,
    tolerance: float,
    seconds: float,
    span: tuple[float, float],
) -> Verification:
    """Run both networks on the same gray images and return the figures of the proof.

    Parameters
    ----------
    original, adapted : Runner
    batches : iterable of ndarray of shape (N, 1, ...)
    layer, tolerance, seconds
        See :func:`graytorgb.models.verify`.
    span : (lo, hi)
        The values that stand for black and white.
    """
    figures = _Figures(original, adapted)
    for batch in batches:
        figures.add(batch)
    first = figures.require_first_batch()
    proof = Verification(
        images=figures.images,
        tolerance=tolerance,
        max_difference=figures.worst,
        median_difference=float(np.median(np.concatenate(figures.differences))),
        largest_output=figures.largest,
        top1=_mean(figures.same_best),
        top5=_mean(figures.same_five),
        of_pixels=figures.of_pixels,
        batch=first.shape,
    )
    return replace(
        figures.add_sensitivity(proof, first, span),
        **_compare_stems(original, adapted, first, layer),
        **(_measure_cost(original, adapted, first, seconds) if seconds > 0 else {}),
    )


class _Figures:
    """The figures of two networks, collected batch by batch."""

    def __init__(self, original: Runner, adapted: Runner) -> None:
        self._original, self._adapted = original, adapted
        self._first: Array | None = None
        self._worst: Array | None = None
        self.images = 0
        self.worst = 0.0
        self.largest = 0.0
        self.of_pixels = False
        self.differences: list[Array] = []
        self.same_best: list[NDArray[np.bool_]] = []
        self.same_five: list[NDArray[np.bool_]] = []

    def add(self, batch: Array) -> None:
        """Run both networks on a batch and add their figures."""
        original, adapted = self._original, self._adapted
        expected = original(original.to_input(batch))
        actual = adapted(adapted.to_input(batch))
        arrays = original.to_arrays(expected)
        differences = measure_differences(arrays, adapted.to_arrays(actual))
        self.images += len(batch)
        self._first = batch if self._first is None else self._first
        # a sample for the median, since all differences of a segmentation may be gigabytes
        step = -(-differences.size // _FOR_MEDIAN) or 1
        self.differences.append(differences[::step].copy())
        self.largest = max(self.largest, find_largest(arrays))
        if differences.size:
            worst = np.max([self.worst, differences.max()])  # NaN if a difference is NaN
            if self._worst is None or not worst <= self.worst:
                self.worst, self._worst = float(worst), batch
        self._add_scores(original.find_scores(expected), adapted.find_scores(actual))

    def _add_scores(self, expected: Array | None, actual: Array | None) -> None:
        """Record whether the best classes agree, if both outputs are class scores."""
        if expected is None or actual is None or expected.shape != actual.shape:
            return
        self.same_best.append(_compare_best(expected, actual, 1))
        if expected.shape[1] > _TOP:
            self.same_five.append(_compare_best(expected, actual, _TOP))
        self.of_pixels = expected.ndim > 2

    def require_first_batch(self) -> Array:
        """Return the first batch, or raise a ModelError if nothing was compared."""
        if self._first is None:
            raise ModelError("no images to compare the networks on")
        if self._worst is None:
            raise ModelError(
                "nothing was compared: no output of the networks is a tensor with finite values, "
                "alone or in a tuple, list or dict"
            )
        if not self.largest and not self.worst:
            raise ModelError(
                "nothing was compared: every output is 0 for these images. Is the network trained?"
            )
        return self._first

    def add_sensitivity(
        self, proof: Verification, first: Array, span: tuple[float, float]
    ) -> Verification:
        """Return the proof with its variation and its rounding.

        Each of them is measured only if the proof's result depends on it.

        Raises
        ------
        ModelError
            If the proof would pass, and the outputs don't depend on the images.
        """
        assert self._worst is not None
        eps = self._original.eps
        if proof.passed:
            variation = measure_variation(self._run_original, first, eps, span)
            proof = replace(proof, variation=variation)
        if not self.worst <= proof.limit:
            rounding = measure_rounding(self._run_original, self._worst, eps)
            if self.worst > proof.tolerance / 100:  # the proof fails, whatever rounding explains
                rounding = max(rounding, bound_rounding(eps, self.largest))
            proof = replace(proof, rounding=rounding)
        return proof

    def _run_original(self, batch: Array) -> list[Array]:
        """Return the original's outputs for a batch."""
        return self._original.to_arrays(self._original(self._original.to_input(batch)))


def _compare_best(expected: Array, actual: Array, count: int) -> NDArray[np.bool_]:
    """Return for each image, or pixel, whether the `count` best classes are the same set."""
    order = [np.argsort(-scores, 1, kind="stable")[:, :count] for scores in (expected, actual)]
    return np.asarray((np.sort(order[0], 1) == np.sort(order[1], 1)).all(1).ravel())


def _mean(agreements: list[NDArray[np.bool_]]) -> float | None:
    """Return the fraction of True, or None if nothing was compared."""
    joined = np.concatenate([np.zeros(0), *agreements])
    return float(joined.mean()) if joined.size else None


def _compare_stems(
    original: Runner, adapted: Runner, batch: Array, layer: str | None
) -> dict[str, Any]:
    """Return the fields of a Verification that say where the stems' outputs differ."""
    gray = original.to_input(batch)
    name = original.find_stem(gray) if layer is None else layer
    if name is None:
        return {}
    before = original.run_stem(name, gray)
    if before is None and layer is not None:
        raise ModelError(
            f"the original has no convolution {layer!r}: leave layer out, or name the stem"
        )
    after = None
    for candidate in (name, f"model.{name}"):  # how="expand" has the original as its `model`
        after = after or adapted.run_stem(candidate, adapted.to_input(batch))
    if before is None or after is None or before[1].shape != after[1].shape:
        return {}
    shape, expected = before
    difference = np.abs(expected - after[1]).max((0, 1))
    inside = original.find_inside(name, shape)

    def largest(where: NDArray[np.bool_]) -> float | None:
        return float(difference[where].max()) if where.any() else None

    return {
        "border_difference": largest(~inside),
        "inside_difference": largest(inside),
        "stem_difference": difference,
    }


def _measure_cost(
    original: Runner, adapted: Runner, batch: Array, seconds: float
) -> dict[str, Any]:
    """Return the fields of a Verification for the time and the peak memory of both networks.

    If memory can't be measured, the field ``why_no_peaks`` says why.
    """
    calls = {
        name: partial(runner, runner.to_input(batch))
        for name, runner in (("original", original), ("adapted", adapted))
    }
    rounds = Rounds(calls)
    rounds.run(seconds)
    timings = rounds.timings()
    fields: dict[str, Any] = {f"{name}_s": timings.get(name) for name in calls}
    try:
        measure_peak = require("graytorgb.measure.peak").measure_peak
    except BackendUnavailable as error:
        return {**fields, "why_no_peaks": str(error)}
    gc.collect()  # else the calls could reuse memory that is in use no more, and need none
    return {**fields, **{f"{name}_peak_bytes": measure_peak(call) for name, call in calls.items()}}
