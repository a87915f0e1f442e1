"""The findings of an audit: what may be wrong with a file, by name."""

from collections.abc import Callable
from typing import NamedTuple

from .audit_record import LossRecord, Record


class Finding(NamedTuple):
    """Something that a user should know of a file.

    Attributes
    ----------
    holds : callable
        Returns whether it holds for a record of a file that could be read.
    meaning : str
        What it means, for people, in a few words.
    """

    holds: Callable[[Record], bool]
    meaning: str


COPY = "copy"
UNREADABLE = "unreadable"
LOSS = "lossy in "  # and the name of a loader


def _is_gray(record: Record) -> bool:
    return record["color"] in ("gray", "rgb-gray", "rgb-nearly-gray")


def is_deep(record: Record) -> bool:
    """Return whether a file has values that 8 bits can't hold."""
    return record["dtype"] is not None and record["dtype"] not in ("bool", "uint8", "int8")


def is_loss(loss: LossRecord | None) -> bool:
    """Return whether a loader loses levels or turns pixels white. One that refuses does neither."""
    return loss is not None and (loss["levels_after"] < loss["levels_before"] or loss["white"] > 0)


def _is_shallow(record: Record) -> bool:
    used, stated = record["effective_bits"], record["bits"]
    return used is not None and stated is not None and stated > max(used, 8) and (
        not record["constant"]
    )  # fmt: skip


def _is_left_shifted(record: Record) -> bool:
    step, levels = record["step"], record["levels"] or 0
    return isinstance(step, int) and is_deep(record) and step > 1 and not step & step - 1 and (
        levels >= 16
    )  # fmt: skip


FINDINGS = {
    UNREADABLE: Finding(lambda r: False, "damaged, truncated, or of a kind that isn't read"),
    "deep": Finding(is_deep, "more than 8 bits: most loaders lose them"),
    "shallow": Finding(_is_shallow, "fewer bits in use than the file states"),
    "left-shifted": Finding(_is_left_shifted, "values in the upper bits, as 12 bits in 16"),
    "gray stored as RGB": Finding(
        lambda r: r["color"] == "rgb-gray" and r["color_type"] in ("RGB", "RGBA"),
        "three equal channels: two are wasted",
    ),
    "nearly gray stored as RGB": Finding(
        lambda r: r["color"] == "rgb-nearly-gray", "gray but for the noise of JPEG"
    ),
    "gray palette": Finding(
        lambda r: r["color_type"] == "palette" and _is_gray(r), "a palette of grays"
    ),
    "color": Finding(lambda r: r["color"] == "color", "not gray"),
    "alpha": Finding(
        lambda r: r["alpha"] is None and r["color_type"] in ("gray+alpha", "RGBA"),
        "an alpha channel, of which only pixels tell more",
    ),
    "alpha opaque": Finding(lambda r: r["alpha"] == "opaque", "an alpha channel without use"),
    "alpha constant": Finding(lambda r: r["alpha"] == "constant", "transparent to one degree"),
    "alpha varying": Finding(lambda r: r["alpha"] == "varying", "needs a background"),
    "inverted": Finding(lambda r: bool(r["inverted"]), "the file stores 0 as white"),
    "orientation": Finding(
        lambda r: (r["orientation"] or 1) != 1, "a tag asks to turn it: most loaders don't"
    ),
    "ICC profile": Finding(lambda r: bool(r["icc"]), "an ICC profile: loaders ignore it"),
    "constant": Finding(lambda r: bool(r["constant"]), "all pixels are equal"),
    "not finite": Finding(lambda r: bool(r["not_finite"]), "NaN or infinite values"),
    "several images": Finding(lambda r: (r["frames"] or 1) > 1, "frames or pages in one file"),
    "axes unknown": Finding(
        lambda r: r["shape"] is not None and r["layout"] is None, "--layout has to tell them"
    ),
    COPY: Finding(lambda r: False, "the same bytes as an earlier file"),
}  # fmt: skip

MIXED = {
    "mixed modes": "kinds of pixels in the set",
    "mixed depths": "depths, each with its own value range",
    "mixed sizes": "sizes of images",
}


def list_findings(record: Record) -> list[str]:
    """Return the names of what holds for a file, as far as the file alone tells it."""
    if record["error"] is not None:
        return [UNREADABLE]
    names = [name for name, finding in FINDINGS.items() if finding.holds(record)]
    losses = record["losses"] or {}
    return names + [f"{LOSS}{name}" for name, loss in losses.items() if is_loss(loss)]


def describe_finding(name: str) -> str:
    """Return what a finding means, for people."""
    if name.startswith(LOSS):
        return f"{name.removeprefix(LOSS)} loses levels or turns pixels white"
    return MIXED[name] if name in MIXED else FINDINGS[name].meaning
