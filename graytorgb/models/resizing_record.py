"""``Resizing``: how a network's own pipeline resizes and crops images, read from what states it."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..core.processors import field, find_processors
from ..core.stats import find_weights

Size = tuple[int, int]  # height, width

# Pillow's numbers of its filters, which torchvision, timm and Hugging Face use too
FILTERS = ("NEAREST", "LANCZOS", "BILINEAR", "BICUBIC", "BOX", "HAMMING")
WORDS = ("shorter", "stretch", "crop", "filter")
_SMALL_CONVNEXT = 384  # shorter sides below this are cropped by ConvNeXt's processor


class Resizing(NamedTuple):
    """How a network's own pipeline resizes and crops images.

    Attributes
    ----------
    shorter : int or None
        The length of the shorter side after resizing; the longer one keeps the proportions.
    stretch : (height, width) or None
        The size after resizing, if proportions aren't kept.
    crop : (height, width) or None
        The center that is taken then, or None for the whole image.
    filter : int
        The number of Pillow's filter, an index of :data:`FILTERS`.
    """

    shorter: int | None = None
    stretch: Size | None = None
    crop: Size | None = None
    filter: int = 2

    def with_size(self, size: Size) -> "Resizing":
        """Return the resizing whose result has another size, in the same proportions.

        >>> Resizing(shorter=256, crop=(224, 224)).with_size((112, 112))
        Resizing(shorter=128, stretch=None, crop=(112, 112), filter=2)
        """
        if self.crop is None:
            return Resizing(stretch=size, filter=self.filter)
        if self.shorter is not None:
            shorter = max(*size, round(self.shorter * max(size) / max(self.crop)))
            return Resizing(shorter, None, size, self.filter)
        tall, wide = self.stretch or self.crop
        height = max(size[0], round(tall * size[0] / self.crop[0]))
        width = max(size[1], round(wide * size[1] / self.crop[1]))
        return Resizing(None, (height, width), size, self.filter)

    def list_words(self) -> list[str]:
        """Return the record as words and numbers, which :meth:`from_words` reads.

        >>> Resizing(shorter=256, crop=(224, 224)).list_words()
        ['shorter', '256', 'crop', '224', '224', 'filter', '2']
        """
        words = []
        for word, value in zip(WORDS, self, strict=True):
            if value is not None:
                words += [word, *map(str, value if isinstance(value, tuple) else (value,))]
        return words

    @classmethod
    def from_words(cls, found: Mapping[str, tuple[float, ...]]) -> "Resizing | None":
        """Return the record of these words with their numbers, or None if there is none.

        Raises
        ------
        ValueError
            If the numbers aren't sides and a filter.
        """
        if not found.keys() & set(WORDS):
            return None
        known = {word: tuple(int(n) for n in found[word]) for word in WORDS if word in found}
        counts = {"shorter": 1, "stretch": 2, "crop": 2, "filter": 1}
        if any(len(numbers) != counts[word] or min(numbers) < 0 for word, numbers in known.items()):
            raise ValueError(f"no resizing has these numbers: {known}")
        values: Any = {w: v[0] if counts[w] == 1 else v for w, v in known.items()}
        return cls(**values)


def find_resizing(source: Any) -> Resizing | None:
    """Return how a pipeline resizes and crops images, or None if `source` doesn't say.

    Parameters
    ----------
    source : object
        What may be given as statistics: torchvision weights, their name or their preset, a timm
        model or config, a Hugging Face image processor. Pipelines that pad, or that limit the
        longer side too, aren't described here.

    Examples
    --------
    >>> find_resizing({"input_size": (3, 224, 224), "crop_pct": 0.875, "interpolation": "bicubic"})
    Resizing(shorter=256, stretch=None, crop=(224, 224), filter=3)
    """
    if isinstance(source, str):
        source = find_weights(source) if "weight" in source.lower() else None
    if source is None or isinstance(source, tuple | list):
        return None
    for read in (_of_timm, _of_torchvision, _of_processor):
        found = read(source)
        if found is not None:
            return found
    return None


def _of_timm(source: Any) -> Resizing | None:
    """Return the resizing of a timm model or config (timm.data.transforms_imagenet_eval)."""
    configs = (field(source, name) for name in ("pretrained_cfg", "default_cfg", "data_config"))
    config = next((c for c in configs if c is not None), source)
    size, part = field(config, "input_size"), field(config, "crop_pct")
    mode = field(config, "crop_mode") or "center"
    number = _find_filter(field(config, "interpolation") or "bilinear")
    if not isinstance(size, tuple | list) or len(size) != 3 or not part or number is None:
        return None
    height, width = int(size[1]), int(size[2])
    tall, wide = (math.floor(n / part) for n in (height, width))
    if mode == "squash":
        return Resizing(None, (tall, wide), (height, width), number)
    if mode == "center" and tall == wide:
        return Resizing(tall, None, (height, width), number)
    return None


def _of_torchvision(source: Any) -> Resizing | None:
    """Return the resizing of torchvision's weights, or of the preset that they make."""
    is_weights = callable(field(source, "transforms")) and field(source, "url") is not None
    preset = source.transforms() if is_weights else source
    if type(preset).__module__ != "torchvision.transforms._presets":
        return None
    resize, crop = field(preset, "resize_size"), field(preset, "crop_size")
    number = _find_filter(field(preset, "interpolation"))
    if not resize or number is None or type(preset).__name__ == "VideoClassification":
        return None
    sides = tuple(map(int, resize))
    center = tuple(map(int, crop)) if crop else ()
    return Resizing(
        sides[0] if len(sides) == 1 else None,
        (sides[0], sides[1]) if len(sides) == 2 else None,
        (center[0], center[-1]) if center else None,
        number,
    )


def _of_processor(source: Any) -> Resizing | None:
    """Return the resizing of a Hugging Face image processor or its configuration."""
    [processor, *others] = find_processors(source)
    name = type(processor).__name__
    if isinstance(processor, Mapping):
        name = str(processor.get("image_processor_type", processor.get("feature_extractor_type")))
    size, number = field(processor, "size"), _find_filter(field(processor, "resample"))
    if others or not size or number is None or field(processor, "do_pad"):
        return None
    if field(processor, "do_resize") is not True or field(processor, "do_thumbnail"):
        return None
    both = _read_sides(size)
    shortest, longest = field(size, "shortest_edge"), field(size, "longest_edge")
    crop = (
        _read_sides(field(processor, "crop_size")) if field(processor, "do_center_crop") else None
    )
    part = field(processor, "crop_pct")
    if part and name.startswith("ConvNext") and shortest:
        side = int(shortest)
        if side >= _SMALL_CONVNEXT:
            return Resizing(None, (side, side), None, number)
        return Resizing(int(side / part), None, (side, side), number)
    if part or longest:
        return None
    if both is not None:
        return Resizing(None, both, crop, number)
    return Resizing(int(shortest), None, crop, number) if shortest else None


def _read_sides(size: Any) -> Size | None:
    """Return the height and the width that Hugging Face's mappings or objects state."""
    height, width = field(size, "height"), field(size, "width")
    return None if height is None or width is None else (int(height), int(width))


def _find_filter(name: Any) -> int | None:
    """Return the number of a filter that a library names in its own way, or None."""
    text = getattr(name, "value", name)
    if isinstance(text, str):
        text = text.upper().removeprefix("PIL.")
        return FILTERS.index(text) if text in FILTERS else None
    is_number = isinstance(text, int) and not isinstance(text, bool)
    return int(text) if is_number and 0 <= text < len(FILTERS) else None
