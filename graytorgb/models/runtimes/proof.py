"""``prove_on_runtime``: a proof whose outputs a runtime calculates."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import packages_distributions, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..frameworks import FrameworkLine, Runner
from ..sensitivity import measure_differences
from ..verification_result import Verification
from .runner import RuntimeRunner
from .table import RuntimeLine

Array = NDArray[Any]


class Network(NamedTuple):
    """A network, or the path of its file, with its framework and its runner there."""

    model: Any
    framework: FrameworkLine
    runner: Runner


def prove_on_runtime(
    runtime: RuntimeLine,
    original: Network,
    adapted: Network,
    batches: Sequence[Array],
    compare: Callable[[Runner, Runner], Verification],
) -> Verification:
    """Return the proof for both networks on a runtime, with how much the runtime changes each.

    Parameters
    ----------
    runtime : RuntimeLine
    original, adapted : Network
        The networks, in eval mode.
    batches : sequence of ndarray of shape (N, 1, ...)
    compare : callable
        A function that runs two networks on the batches and returns the figures.
    """
    with TemporaryDirectory(prefix="graytorgb-", ignore_cleanup_errors=True) as folder:
        before = RuntimeRunner(*original, runtime, Path(folder), "original")
        after = RuntimeRunner(*adapted, runtime, Path(folder), "adapted")
        proof = compare(before, after)
        changes = [
            _measure_change(original.runner, before, batches),
            _measure_change(adapted.runner, after, batches),
        ]
    return replace(
        proof,
        runtime=describe_runtime(runtime),
        original_runtime_difference=changes[0],
        adapted_runtime_difference=changes[1],
    )


def _measure_change(
    network: Runner, converted: RuntimeRunner, batches: Sequence[Array]
) -> float | None:
    """Return the largest difference of a converted network's outputs from its framework's.

    The result is None if the converted network has other outputs.
    """
    largest = 0.0
    for batch in batches:
        expected, actual = (
            runner.to_arrays(runner(runner.to_input(batch))) for runner in (network, converted)
        )
        if [array.shape for array in expected] != [array.shape for array in actual]:
            return None
        differences = measure_differences(expected, actual)
        largest = float(np.max(differences, initial=largest))
    return largest


def describe_runtime(runtime: RuntimeLine) -> str:
    """Return a runtime's title and version, such as "OpenVINO 2026.4.1"."""
    distributions = packages_distributions().get(runtime.library, [])
    return " ".join([runtime.title, *map(version, distributions[:1])])
