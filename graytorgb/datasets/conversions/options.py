"""``Options``: what a conversion does to each image, checked, and safe to send to a worker."""

import json
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import Any, cast

from ...core import alpha as alphas
from ...core.value_range import ValueRange, check_policy, needs_values
from ...core.wording import suggest
from ...errors import OptionError
from .encoding import FILE_FORMATS

# To be raised by one with every change of this package that gives other bytes for the same options:
# targets of an older version are made again.
VERSION = 1
CHANNELS = ("rgb", "gray")
BITS = ("keep", 8)
ORIENTATIONS = ("apply", "keep")


@dataclass(frozen=True, slots=True)
class Options:
    """What becomes of each image of a conversion.

    Attributes
    ----------
    to : {"rgb", "gray"}
        Three channels, (H, W, 3), or one, (H, W).
    bits : {"keep", 8}
        Whether values stay as they are, or become 8 bits under `value_range`.
    value_range : (lo, hi), "dtype", "minmax", ("percentile", p, q) or None
        The values that are black and white, for all images. The rules that look at values are
        replaced by what they find in the whole set before anything is written.
    alpha : {"error", "drop"} or (r, g, b)
        What becomes of alpha, as in :func:`graytorgb.to_rgb`.
    size : int, (height, width) or None
        The length of the shorter side, the exact size, or no resizing.
    orientation : {"apply", "keep"}
        Whether images are turned upright.
    format : {"png", "jpeg", "webp", "tiff"} or None
        The format of a folder's files; None is PNG, or TIFF for what PNG can't hold.
    layout : str or None
        The axes of an array that is the source, where nothing tells them.
    range_source : {"user", "headers", "values"} or None
        Who says the range: the user, the headers of all files, or the values of all images.
    """

    to: str = "rgb"
    bits: str | int = "keep"
    value_range: ValueRange | None = None
    alpha: alphas.Alpha = "error"
    size: int | tuple[int, int] | None = None
    orientation: str = "apply"
    format: str | None = None
    layout: str | None = None
    range_source: str | None = None

    @property
    def needs_values(self) -> bool:
        """Whether the range has to be found in the values of all images first."""
        return bool(needs_values(self.value_range))

    def fingerprint(self) -> str:
        """Return a short text that differs for options that give other bytes."""
        told = self.describe()
        if self.bits == "keep":  # the range is only recorded
            del told["value_range"]
        text = json.dumps([VERSION, told], sort_keys=True)
        return sha256(text.encode()).hexdigest()[:16]

    def describe(self) -> dict[str, Any]:
        """Return the options as they are written into the file that is kept for resuming."""
        told = asdict(self)
        del told["range_source"]
        return told

    def with_range(self, value_range: ValueRange | None, source: str) -> "Options":
        """Return the same options with a range that was found in the set."""
        return replace(self, value_range=value_range, range_source=source)

    def read_arguments(self) -> dict[str, Any]:
        """Return the arguments for :func:`graytorgb.io.read`.

        An image whose 0 is white is inverted within the range that the user states, if it is
        applied.
        """
        if self.bits == 8 and self.range_source == "user" and not self.needs_values:
            return {"value_range": self.value_range}
        return {}


def check_options(
    *,
    to: Any,
    bits: Any,
    value_range: Any,
    alpha: Any,
    size: Any,
    orientation: Any,
    format: Any,  # noqa: A002  # the public name of the option
    layout: Any = None,
) -> Options:
    """Return the options of :func:`graytorgb.datasets.convert`, or raise an error for a wrong one.

    Raises
    ------
    OptionError, LevelsError, ChannelError
        If an option has a value that isn't allowed.
    """
    _check_choice("to", to, CHANNELS)
    _check_choice("bits", bits, BITS)
    _check_choice("orientation", orientation, ORIENTATIONS)
    _check_choice("format", format, (*FILE_FORMATS, None))
    if layout is not None and not isinstance(layout, str):
        raise OptionError(f'layout is the axes of an array, such as "NHW", not {layout!r}')
    return Options(
        to=to,
        bits="keep" if bits == "keep" else 8,
        value_range=check_policy(value_range),
        alpha="error" if alpha is None else alphas.check(alpha),
        size=_check_size(size),
        orientation=orientation,
        format=format,
        layout=layout,
        range_source=None if value_range is None else "user",
    )


def _check_choice(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    """Raise an error for a value that isn't one of the choices."""
    is_plain = value is None or (isinstance(value, str | int) and not isinstance(value, bool))
    if not (is_plain and value in choices):
        told = ", ".join(f'"{c}"' if isinstance(c, str) else str(c) for c in choices)
        near = suggest(value, [c for c in choices if isinstance(c, str)], cutoff=0.5)
        raise OptionError(f"{name} is one of {told}, not {value!r}{near}")


def _check_size(size: Any) -> int | tuple[int, int] | None:
    """Return the size as Python's own integers."""
    if size is None:
        return None
    sides = size if isinstance(size, tuple | list) else (size,)
    try:
        whole = tuple(s.__index__() for s in sides)
    except AttributeError:
        whole = ()
    is_size = bool(whole) and all(s >= 1 for s in whole) and len(whole) <= 2
    if not is_size or any(isinstance(s, bool) for s in sides):
        raise OptionError(
            "size is the length of the shorter side, such as 256, or (height, width), such as "
            f"(224, 224), not {size!r}"
        )
    return whole[0] if len(whole) == 1 else cast(tuple[int, int], whole)
