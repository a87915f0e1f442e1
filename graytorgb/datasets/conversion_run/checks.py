"""What a conversion refuses before it writes anything, with the calls that work."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from ...errors import ChannelError, TargetError
from ..conversions.options import Options
from .ledger import Ledger

_SHOWN = 5  # names in a message


def check_alpha(ledger: Ledger, options: Options) -> None:
    """Check that the options say what becomes of alpha, if an image has any.

    Raises
    ------
    ChannelError
        If they don't, or one background is to do for images of several dtypes.
    """
    rows = ledger.count(("source_dtype",), "has_alpha")
    if not rows or options.alpha == "drop":
        return
    images, path = sum(row[1] for row in rows), rows[0][2]
    if options.alpha == "error":
        problem = (
            f"{images:,} images have alpha, such as {path!r}, and neither RGB nor gray holds it"
        )
        error = ChannelError(
            f"{problem}: "
            'convert(..., alpha="drop") keeps the colors as they are, and '
            "convert(..., alpha=(r, g, b)) composites on that background"
        )
        error.remedies = ("alpha",)
    elif len(rows) > 1 and any(options.alpha):
        told = ", ".join(f"{n:,} of {dtype}, such as {name!r}" for dtype, n, name in rows)
        problem = (
            f"a background is in the image's own units, and the images with alpha have several "
            f"dtypes ({told}): convert them apart, or drop alpha, or put it on black"
        )
        error = ChannelError(f'{problem}, alpha="drop" or alpha=(0, 0, 0)')
        error.remedies = ("black",)
    else:
        return
    error.problem = problem
    raise error


def refuse_equal(equal: Sequence[tuple[str, str, str]]) -> TargetError:
    """Return the error for sources that have one target."""
    told = "; ".join(f"{a!r} and {b!r} would both be {key!r}" for key, a, b in equal[:_SHOWN])
    more = f"; and {len(equal) - _SHOWN:,} more" if len(equal) > _SHOWN else ""
    return TargetError(
        f"two sources have one target, and nothing is written: {told}{more}. Rename one of each "
        "pair, or convert them into two targets"
    )


def refuse_foreign(paths: Sequence[Path]) -> TargetError:
    """Return the error for files that aren't this package's at the names of targets."""
    told = ", ".join(repr(str(path)) for path in paths[:_SHOWN])
    more = f", and {len(paths) - _SHOWN:,} more" if len(paths) > _SHOWN else ""
    return TargetError(
        f"{told}{more}: there already, not written by this conversion, and it would be lost. "
        "Nothing is written: move it away, or name another target"
    )


def check_folders(folders: Iterable[str], ledger: Ledger, dst: Path) -> None:
    """Check that no folder of the target is also to be a file, or is outside of the target.

    Raises
    ------
    TargetError
        If one is.
    """
    root = os.path.realpath(dst)
    for folder in sorted(folders):
        parts = folder.split("/") if folder else []
        for k in range(len(parts)):
            above = "/".join(parts[: k + 1])
            source = ledger.has_task(above)
            if source is not None:
                raise TargetError(
                    f"{source!r} would be the file {above!r}, which is a folder of other targets: "
                    "nothing is written. Rename one of them"
                )
        place = os.path.realpath(Path(root, folder))
        if place != root and not place.startswith(f"{root.rstrip(os.sep)}{os.sep}"):
            raise TargetError(
                f"{str(dst / folder)!r} is a link that leads out of the target, to {place!r}: "
                "nothing is written. Name another target"
            )


def ignores_case(path: Path) -> bool:
    """Return whether the file system there takes names that differ in case for one."""
    for each in (path.absolute(), *path.absolute().parents):
        other = each.with_name(each.name.swapcase()) if each.name else each
        if other != each and each.exists():
            try:
                return other.exists() and other.samefile(each)
            except OSError:
                return False
    return False
