"""The line of code and the command that convert an audited set and lose nothing by mistake."""

import shlex
from collections import Counter
from collections.abc import Mapping
from typing import TypedDict

from .depths import DepthValues
from .ranges import FittingRange

_PLAIN_DEPTHS = ("1 bit", "8 bits")  # of which to_uint8 knows black and white
_WHITE = (255, 255, 255)


class Advice(TypedDict):
    """What to do with a set.

    Attributes
    ----------
    code : str
        A Python expression that makes RGB of 8 bits of the file `path`, after
        ``import graytorgb as g2r``; or of `image`, one image of an array.
    command : str
        The command that converts the whole set; DST is the folder or the file to write.
    notes : list of str
        Sentences on what code and command leave to the reader.
    """

    code: str
    command: str
    notes: list[str]


def give_advice(
    source: str,
    depths: Mapping[str, DepthValues],
    ranges: Mapping[str, FittingRange],
    findings: Counter[str],
    *,
    quick: bool,
    array_layout: str | None = None,
) -> Advice:
    """Return the code and the command for a set of these depths, ranges and findings.

    Parameters
    ----------
    source : str
        What the command reads.
    depths, ranges : dict by depth
    findings : Counter of {name: files}
    quick : bool
        Whether only headers were read.
    array_layout : str or None
        The axes of each image of an array; None for files.
    """
    return {
        "code": _make_code(depths, ranges, findings, quick=quick)
        if array_layout is None
        else _make_array_code(ranges, findings, array_layout),
        "command": _make_command(source, depths, ranges, findings, quick=quick),
        "notes": _list_notes(depths, ranges, findings, quick=quick),
    }


def _make_code(
    depths: Mapping[str, DepthValues],
    ranges: Mapping[str, FittingRange],
    findings: Counter[str],
    *,
    quick: bool,
) -> str:
    """Return the expression that makes 8-bit RGB of a file of the set."""
    missing = "(LO, HI)" if quick else '"minmax"'
    stated = {
        dtype: _quote(found.value_range) if found.value_range else missing
        for depth, found in ranges.items()
        if depth not in _PLAIN_DEPTHS and not _states_its_own(depth)
        for dtype in sorted(depths[depth].dtypes)
    }
    read, limits = "path", ""
    if len(ranges) == 1 and stated:
        read += f", value_range={next(iter(stated.values()))}"
    elif stated:
        table = ", ".join(f'"{dtype}": {ends}' for dtype, ends in stated.items())
        limits = f", {{{table}}}.get(image.array.dtype.name)"
    if findings["orientation"]:
        read += ', orientation="apply"'
    image, options = f"g2r.io.read({read})", ""
    if (alpha := _choose_alpha(findings)) is not None:
        options = f", alpha={_quote(alpha)}"
    if findings["alpha varying"] and len(ranges) == 1 and stated and not quick:
        # on a background first, because alpha has the depth of the file and not its range
        limits = next(iter(stated.values()))
        background = _choose_background(depths, ranges)
        return f"g2r.to_uint8(g2r.to_rgb({image}, alpha={background}), {limits})"
    if set(ranges) <= {"8 bits"}:
        return f"g2r.to_rgb({image}{options})"
    # one plane is told by its shape; a stack or colors could be read in more than one way
    has_axes = quick or bool(findings["several images"]) or _has_channels(findings)
    if has_axes or limits:
        image = f"image := {image}"
    layout = ", image.layout" if has_axes else ""
    return f"g2r.to_rgb(g2r.to_uint8({image}{limits}){layout}{options})"


def _make_array_code(
    ranges: Mapping[str, FittingRange], findings: Counter[str], layout: str
) -> str:
    """Return the expression that makes 8-bit RGB of an image of an array."""
    alpha = _choose_alpha(findings)
    options = "" if alpha is None else f", alpha={_quote(alpha)}"
    depth, found = next(iter(ranges.items()), ("8 bits", None))
    if depth == "8 bits" or found is None:
        return f'g2r.to_rgb(image, "{layout}"{options})'
    limits = _quote(found.value_range) if found.value_range else '"minmax"'
    return f'g2r.to_rgb(g2r.to_uint8(image, {limits}), "{layout}"{options})'


def _quote(value: object) -> str:
    """Return a value as Python code, with double quotes."""
    return repr(value).replace("'", '"')


def _make_command(
    source: str,
    depths: Mapping[str, DepthValues],
    ranges: Mapping[str, FittingRange],
    findings: Counter[str],
    *,
    quick: bool,
) -> str:
    """Return the command that converts the set: to 8 bits if one range fits all files."""
    is_gray = not (quick or findings["color"])
    source = f"./{source}" if source.startswith("-") else source  # a dash begins an option
    command = ["graytorgb convert", shlex.quote(source), "DST --to", "gray" if is_gray else "rgb"]
    if len(ranges) == 1:
        depth, found = next(iter(ranges.items()))
        if depth not in _PLAIN_DEPTHS and found.value_range is not None:
            command.append("--value-range {} {} --bits 8".format(*found.value_range))
    alpha = _choose_alpha(findings)
    if alpha is not None:
        background = ",".join(map(str, _choose_background(depths, ranges)))
        command.append(f"--alpha {'drop' if alpha == 'drop' else background}")
    if findings["orientation"]:
        command.append("--orientation apply")
    return " ".join(command)


def _list_notes(
    depths: Mapping[str, DepthValues],
    ranges: Mapping[str, FittingRange],
    findings: Counter[str],
    *,
    quick: bool,
) -> list[str]:
    """Return what code and command don't settle."""
    notes = []
    if len(ranges) > 1:
        notes.append(
            "The set has several depths: the command keeps every value, and the code takes each "
            "depth's own range to 8 bits."
        )
    if any(found.value_range is None for found in ranges.values()):
        notes.append(
            "LO and HI are black and white of the whole set: audit it without quick."
            if quick
            else 'Nothing tells black and white of one depth: "minmax" takes those of each image.'
        )
    if findings["alpha varying"]:
        notes.append(_tell_background(depths, ranges))
    elif quick and findings["alpha"]:
        notes.append(
            "Whether anything is transparent wasn't looked at: drop shows what is hidden there. An "
            "audit without quick tells it."
        )
    if findings["axes unknown"]:
        notes.append('Where axes are unknown, state them: to_rgb(image, "NHW"), or --layout here.')
    if findings["not finite"]:
        notes.append("Values that aren't finite have no level: np.nan_to_num(image.array) first.")
    if findings["unreadable"]:
        notes.append("Unreadable files are errors there too: mend or remove them.")
    return notes


def _choose_alpha(findings: Counter[str]) -> str | tuple[int, int, int] | None:
    """Return the argument `alpha` that the set needs; None if it has no alpha."""
    if findings["alpha varying"]:
        return _WHITE
    names = ("alpha opaque", "alpha constant", "alpha")
    return "drop" if any(findings[name] for name in names) else None


def _choose_background(
    depths: Mapping[str, DepthValues], ranges: Mapping[str, FittingRange]
) -> tuple[int | float, ...]:
    """Return white in the units of the transparent files.

    It is black, which is 0 in all units, where several depths are transparent, or nothing tells
    what is white.
    """
    transparent = [depth for depth in ranges if depths[depth].transparent]
    if len(transparent) != 1:
        return (0, 0, 0)
    if transparent[0] in _PLAIN_DEPTHS:
        return _WHITE
    value_range = ranges[transparent[0]].value_range
    return (value_range[1] if value_range else 0,) * 3


def _tell_background(depths: Mapping[str, DepthValues], ranges: Mapping[str, FittingRange]) -> str:
    """Return the sentence on what is behind transparent images."""
    behind = "white" if any(_choose_background(depths, ranges)) else "black"
    if behind == "black" and len(ranges) > 1:
        behind = "white by the code and on black by the command, for white differs between depths"
    return f"Transparent images are laid on {behind}; another background may be right."


def _has_channels(findings: Counter[str]) -> bool:
    """Return whether any array of the set has an axis of channels."""
    names = (
        "gray stored as RGB", "nearly gray stored as RGB", "gray palette", "color", "alpha opaque",
        "alpha constant", "alpha varying",
    )  # fmt: skip
    return any(findings[name] for name in names)


def _states_its_own(depth: str) -> bool:
    """Return whether a file of this depth states what is white: fewer than 8 bits, as in a PGM."""
    bits, _, rest = depth.partition(" bit")
    return rest in ("", "s") and bits.isdigit() and int(bits) < 8
