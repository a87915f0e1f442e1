"""What a usual loader loses of a file: levels, and pixels that become white."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...io import ImageFile
from ..counting import Counts
from ..values import Values
from .arithmetic import KEEP, Map, Table, find_limits, tabulate
from .pictures import convert, split
from .rule import Rule, find_largest
from .table import LOADERS

Array = NDArray[Any]


class Loss(NamedTuple):
    """What a loader loses of a file, in the frames that it gives.

    Attributes
    ----------
    levels_before, levels_after : int
        How many different values the color samples have in the file, and in the loader's result.
        0 after means that the result has nothing to do with the picture.
    white : float
        The share of the pixels that became white, and weren't: 255 in every channel, and not the
        largest value of the depth that the file states.
    bits_after : int
        The bits of the dtype of the loader's result.
    """

    levels_before: int
    levels_after: int
    white: float
    bits_after: int


def find_losses(
    image: ImageFile, values: Values, *, data: bytes | None = None
) -> dict[str, Loss | None]:
    """Return what each usual loader loses of a file.

    Parameters
    ----------
    image : ImageFile
        The file, as :func:`graytorgb.io.read` gives it, all of it and not turned.
    values : Values
        The values of the image, as :func:`graytorgb.inspection.values.find_values` finds them.
    data : bytes, optional
        The file's bytes. Some loaders give what the image doesn't tell, such as the indices of a
        palette, and so the file is read again, from its path by default.

    Returns
    -------
    dict of str to Loss or None
        The loss by the name of the loader, in the order of :data:`LOADERS`. None where the loader
        raises an error, so nothing is lost in silence, or where the file can't be read again.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from graytorgb.inspection.values import find_values
    >>> from graytorgb.io import read
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "camera.npy")
    ...     np.save(path, np.array([[0, 255, 256, 4095]], np.uint16))
    ...     image = read(path)
    >>> find_losses(image, find_values(image))["pillow"]
    Loss(levels_before=4, levels_after=2, white=0.75, bits_after=8)
    """
    found: dict[Any, Loss | None] = {}
    losses: dict[str, Loss | None] = {}
    for name, loader in LOADERS.items():
        rule = loader.find_rule(image, data)
        if rule is None:
            losses[name] = None
            continue
        is_own = rule.samples is not None or rule.is_ruined
        alpha = "drop" if rule.alpha == "keep" else rule.alpha
        key = name if is_own else (rule.map, alpha, rule.has_all_frames)
        if key not in found:
            found[key] = _find_loss(image, values, rule)
        losses[name] = found[key]
    return losses


def _find_loss(image: ImageFile, values: Values, rule: Rule) -> Loss:
    """Return the loss by a rule: from the histogram if that tells it, else from the pixels."""
    if rule.is_ruined:
        return Loss(values.levels, 0, 0.0, 8)
    # without a layout, find_values takes alpha for gray
    is_whole = image.layout is not None and (rule.has_all_frames or not _has_frames(image))
    is_elementwise = rule.samples is None and rule.alpha in ("drop", "keep")
    if is_whole and is_elementwise:
        if rule.map == KEEP and image.array.dtype.kind in "bu":
            return Loss(values.levels, values.levels, 0.0, 8 * image.array.itemsize)
        if values.counts is not None:
            loss = count_by_table(image, values, values.counts, rule.map)
            if loss.white == 0 or values.color in ("gray", "rgb-gray"):
                return loss
            before, _ = split(image, rule)
            return loss._replace(white=_find_white(image, before, rule.map.apply(before)))
    return count_by_pixels(image, values, rule, is_whole=is_whole)


def _has_frames(image: ImageFile) -> bool:
    """Return whether the array has more than one image."""
    layout = image.layout or ""
    axes = zip(layout, image.array.shape, strict=False)
    return any(size > 1 for axis, size in axes if axis not in "HWC")


def count_by_table(image: ImageFile, values: Values, counts: Counts, map_: Map) -> Loss:
    """Return the loss by the exact histogram; of color, `white` is the share of the samples."""
    dtype, total = image.array.dtype, counts.numbers
    if dtype.itemsize > 2:  # a narrow range of wide integers
        candidates = np.arange(counts.first, counts.first + len(total)).astype(dtype)
        table, offset = Table(map_.apply(candidates), None), 0
    else:
        table, offset = tabulate(map_, dtype), counts.first - find_limits(dtype)[0]
    if table.starts is None:
        present = np.flatnonzero(total)
        results = table.results[present + offset]
        after = len(np.unique(results))
        sums = total[present]
        white = int(sums[results == 255].sum())
    else:
        starts = (table.starts - offset).clip(0, len(total))
        is_used = np.append(starts[1:], len(total)) > starts
        sums = np.add.reduceat(total, starts[is_used])
        after = int(np.count_nonzero(sums))
        white = int(sums[-1]) if is_used[255] else 0
    largest = find_largest(image)
    place = largest - counts.first
    if 0 <= place < len(total) and table.results[place + offset] == 255:
        white -= int(total[place])
    return Loss(values.levels, after, white / max(int(sums.sum()), 1), 8)


def count_by_pixels(image: ImageFile, values: Values, rule: Rule, *, is_whole: bool) -> Loss:
    """Return the loss by the pixels before and after."""
    before, _ = split(image, rule)
    after = convert(image, rule._replace(is_turned=False, has_frame_axis=False))
    after = after[..., : 1 if after.shape[-1] < 3 else 3]
    is_used = np.zeros(np.iinfo(after.dtype).max + 1, bool)
    is_used[after] = True
    levels = values.levels if is_whole else len(np.unique(before[np.isfinite(before)]))
    white = _find_white(image, before, after)
    return Loss(levels, int(is_used.sum()), white, 8 * after.itemsize)


def _find_white(image: ImageFile, before: Array, after: Array) -> float:
    """Return the share of pixels that are white after, and weren't the largest value before."""
    became_white = (after == np.iinfo(after.dtype).max).all(-1)
    if image.array.dtype.kind != "f":
        became_white &= (before != find_largest(image)).any(-1)
    return float(became_white.mean())
