"""The matrix of a benchmark: which cases are measured, and which of them fit in memory."""

import os
from collections.abc import Iterable, Sequence
from itertools import product

from ..core.layout import resolve
from ..errors import LayoutError
from ..kinds.numpy import find_dtype
from ..measure.peak import available_bytes
from .case import Case

Shape = tuple[int, ...]

# Shapes, dtypes and layouts of each preset. "full" is the matrix that `auto` is judged by.
PRESETS: dict[str, tuple[list[Shape], list[str], list[str]]] = {
    "quick": (
        [(1, 512, 512), (64, 224, 224)],
        ["uint8", "float32"],
        ["NHW->NHWC", "NHW->NCHW"],
    ),
    "full": (
        [(1, 512, 512), (16, 224, 224), (64, 224, 224), (512, 224, 224), (1024, 512, 512)],
        ["uint8", "uint16", "float32", "float64"],
        ["NHW->NHWC", "NHW->NCHW"],
    ),
}
_USUAL: tuple[list[Shape], list[str], list[str]] = ([(64, 224, 224)], ["uint8"], ["NHW->NHWC"])


def fill_matrix(
    preset: str | None,
    shapes: Sequence[Shape] = (),
    dtypes: Sequence[str] = (),
    layouts: Sequence[str] = (),
    threads: Sequence[int] = (),
    *,
    sizes: Sequence[int] = (),
) -> list[Case]:
    """Return the cases of what is given, and of the preset or the usual for what isn't.

    Parameters
    ----------
    preset : {"quick", "full"} or None
        The matrix that fills in.
    shapes, dtypes, layouts, threads : sequence
        Every combination of these is a case. Threads are one for each processor by default.
    sizes : sequence of int
        How many images a batch has, in place of the first size of each shape.

    Raises
    ------
    LayoutError
        If a layout doesn't fit a shape, or names a channel axis; or if there are `sizes` for a
        shape that is one image.
    """
    usual = _USUAL if preset is None else PRESETS[preset]
    if shapes and not layouts and any(len(shape) == 2 for shape in shapes):
        layouts = ["HW->HWC"]
    shapes = shapes or usual[0]
    if sizes:
        shapes = _resize_batches(shapes, sizes)
    count = os.cpu_count() or 1
    return make_cases(shapes, dtypes or usual[1], layouts or usual[2], threads or [count])


def make_cases(
    shapes: Iterable[Shape], dtypes: Iterable[str], layouts: Iterable[str], threads: Iterable[int]
) -> list[Case]:
    """Return every combination as a case, the small ones first.

    Raises
    ------
    LayoutError
        If a layout doesn't fit a shape, or names a channel axis.
    """
    cases = []
    for shape, dtype, layout, count in product(shapes, dtypes, layouts, threads):
        axes = resolve(layout, shape)
        if "C" in axes.source:
            raise LayoutError(
                f"a benchmark's input is gray, without a channel axis: not {layout!r}"
            )
        cases.append(Case(shape, find_dtype(dtype).name, str(axes), count))
    return sorted(cases, key=lambda case: case.result_bytes)


def _resize_batches(shapes: Iterable[Shape], sizes: Iterable[int]) -> list[Shape]:
    """Return each shape with each of these sizes of the batch."""
    resized = []
    for shape, size in product(shapes, sizes):
        if len(shape) < 3:
            text = "x".join(map(str, shape))
            raise LayoutError(
                f"sizes are those of a batch, and {text} is one image: 1x{text} is a batch of one"
            )
        resized.append((size, *shape[1:]))
    return list(dict.fromkeys(resized))


def split_by_memory(
    cases: Iterable[Case], limit: int | None = None
) -> tuple[list[Case], dict[Case, str]]:
    """Return the cases that fit in memory, and for each other case how much it needs.

    Parameters
    ----------
    cases : iterable of Case
        What is to be measured.
    limit : int, optional
        The bytes that may be used; by default nine tenths of what is available.
    """
    limit = int(0.9 * available_bytes()) if limit is None else limit
    fit, large = [], {}
    for case in cases:
        if case.needed_bytes <= limit:
            fit.append(case)
            continue
        large[case] = (
            f"{case} needs {case.needed_bytes:,} bytes (the input and three results), "
            f"and {limit:,} may be used"
        )
    return fit, large
