"""Hugging Face's image and video processors: what they do to the values of an image."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import LevelsError

_HOLDERS = ("image_processor", "video_processor", "feature_extractor")
_TYPES = ("image_processor_type", "video_processor_type", "feature_extractor_type")
_KINDS = ("ImageProcessor", "VideoProcessor")

# Fields of a configuration that doesn't state them; transformers leaves out those that are None.
_USUAL: Mapping[str, Any] = {"do_rescale": True, "do_normalize": True, "rescale_factor": 1 / 255}
_NOT_NORMALIZED = {"do_normalize": False}
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "ChameleonImageProcessor": {"rescale_factor": 0.0078},
    "EfficientNetImageProcessor": {"include_top": True},
    "GLPNImageProcessor": _NOT_NORMALIZED,
    "Gemma4ImageProcessor": _NOT_NORMALIZED,
    "Gemma4UnifiedImageProcessor": _NOT_NORMALIZED,
    "ImageGPTImageProcessor": {"do_color_quantize": True},
    "Molmo2VideoProcessor": {"do_rescale": False},
    "PeVideoVideoProcessor": {"do_rescale": False},
    "RTDetrImageProcessor": _NOT_NORMALIZED,
    "Tipsv2DptImageProcessor": _NOT_NORMALIZED,
    "Tipsv2ImageProcessor": _NOT_NORMALIZED,
    "TvpImageProcessor": {"do_flip_channel_order": True},
    "UVDocImageProcessor": _NOT_NORMALIZED,
    "VivitImageProcessor": {"rescale_factor": 1 / 127.5, "offset": True},
    "VivitVideoProcessor": {"rescale_factor": 1 / 127.5},
}
# Steps that a class always does, even if its fields say otherwise. All of these classes run in
# tests/core/test_processors.py.
_FLIPS = {"do_flip_channel_order": True}
_ALWAYS: Mapping[str, Mapping[str, Any]] = {
    "EfficientLoFTRImageProcessor": _NOT_NORMALIZED,
    "LayoutLMv2ImageProcessor": {"do_rescale": False},
    "LightGlueImageProcessor": _NOT_NORMALIZED,
    "MobileViTImageProcessor": _NOT_NORMALIZED,
    "NemotronH_Omni_Reasoning_V3VideoProcessor": _USUAL,
    "PPLCNetImageProcessor": _FLIPS,
    "PPOCRV5ServerDetImageProcessor": _FLIPS,
    "SuperGlueImageProcessor": _NOT_NORMALIZED,
    "SuperPointImageProcessor": _NOT_NORMALIZED,
    "Swin2SRImageProcessor": _NOT_NORMALIZED,
    "UVDocImageProcessor": _FLIPS,
    "VivitVideoProcessor": {"offset": True},
}
_SYNONYMS = {"image_mean": "norm_mean", "image_std": "norm_std"}  # in files of NemotronH
_BY_EACH_IMAGE = ("Kosmos2_5ImageProcessor", "Pix2StructImageProcessor")


class Preprocessing(NamedTuple):
    """The steps of a processor on levels from 0 to 255.

    It computes ``(v * scale - offset - mean) / std / divisor``.

    Attributes
    ----------
    mean, std : float or sequence, or None
        The processor's mean and std, in its order of channels; None if it doesn't normalize.
    scale, offset : float
        The factor, and the number that is subtracted after it.
    divisor : float or sequence, or None
        The number that divides the result at the end.
    flips : bool
        Whether RGB becomes BGR after that.
    """

    mean: Any
    std: Any
    scale: float
    offset: float
    divisor: Any
    flips: bool


def find_processors(source: Any) -> list[Any]:
    """Return the processors of images and videos that `source` holds, or `source` itself."""
    held = [field(source, name) for name in _HOLDERS]
    return [each for each in held if each is not None and _Fields(each).is_processor] or [source]


def read_processor(source: Any) -> Preprocessing | None:
    """Return what a processor or its configuration says it does to an image's values.

    Returns
    -------
    Preprocessing or None
        None if `source` isn't an image processor.

    Raises
    ------
    LevelsError
        If it is one, and doesn't give every image the same statistics for values from 0 to 1.
    """
    read = _Fields(source)
    if not read.is_processor:
        return None
    name = describe(source)
    if field(source, "sampling_rate") is not None:
        raise LevelsError(f"{name} has statistics of sound, and none of images")
    if read.name in _BY_EACH_IMAGE:
        raise LevelsError(
            f"{name} normalizes each image by that image's own mean and std, so there are no "
            "statistics for all of them: call the processor itself"
        )
    if not read("do_rescale"):
        raise LevelsError(
            f"{name} doesn't rescale its levels, so its statistics aren't for 0 to 1: "
            "give the pair (mean, std) in these units, prepare(x, (mean, std))"
        )
    if read("do_color_quantize"):
        raise LevelsError(
            f"{name} gives the numbers of its color clusters, not normalized values: "
            "do_color_quantize=False gives those"
        )
    mean, std = (read("image_mean"), read("image_std")) if read("do_normalize") else (None, None)
    if read("do_normalize") and (mean is None or std is None):
        raise LevelsError(
            f"{name} normalizes, but has no image_mean and image_std: "
            "transformers.AutoImageProcessor.from_pretrained(folder) makes a processor with both"
        )
    return Preprocessing(
        mean,
        std,
        scale=float(read("rescale_factor")),
        offset=1.0 if read("offset") or read("rescale_offset") else 0.0,
        divisor=read("image_std") if read("include_top") else None,
        flips=bool(read("do_flip_channel_order")),
    )


class _Fields:
    """The fields of a processor or of its configuration, and what its class always does."""

    def __init__(self, source: Any) -> None:
        self.source = source
        names = _class_names(source)
        known = (*_DEFAULTS, *_ALWAYS, *_BY_EACH_IMAGE)
        self.name = next((name for name in names if name in known), "")
        self.is_typed = any(name.endswith(_KINDS) for name in names)

    @property
    def is_processor(self) -> bool:
        """Whether the source is an image processor, by its class or by its fields."""
        mean, std = field(self.source, "image_mean"), field(self.source, "image_std")
        has_both = mean is not None and std is not None
        return self.is_typed or has_both or field(self.source, "do_rescale") is not None

    def __call__(self, name: str) -> Any:
        """Return a field's value: what the class always does, what is stated, or the default."""
        always = _ALWAYS.get(self.name, {})
        if name in always:
            return always[name]
        is_mapping = isinstance(self.source, Mapping)
        is_stated = name in self.source if is_mapping else hasattr(self.source, name)
        stated = field(self.source, name)
        if stated is None and name in _SYNONYMS:
            stated = field(self.source, _SYNONYMS[name])
        if stated is not None or (is_stated and name != "rescale_factor"):
            return stated
        if name == "do_normalize" and not self.is_typed:
            return field(self.source, "image_mean") is not None
        return _DEFAULTS.get(self.name, {}).get(name, _USUAL.get(name))


def _class_names(source: Any) -> list[str]:
    """Return the names of a processor's classes, without those that only say how it works."""
    if isinstance(source, Mapping):
        names = [str(source[key]) for key in _TYPES if source.get(key)]
    else:
        kind = source if isinstance(source, type) else type(source)
        names = [each.__name__ for each in kind.__mro__]
    names = [name.removesuffix("Fast").removesuffix("Pil") for name in names]
    # the name in older versions of transformers
    return [name.replace("FeatureExtractor", "ImageProcessor") for name in names]


def field(source: Any, name: str) -> Any:
    """Return an entry of a mapping or an attribute of anything else; None without it."""
    return source.get(name) if isinstance(source, Mapping) else getattr(source, name, None)


def describe(source: Any) -> str:
    """Return the name of an object for a message: of a configuration, the processor's name."""
    if isinstance(source, type):
        return source.__name__
    name = type(source).__name__
    if isinstance(source, Mapping):
        name = next((str(source[key]) for key in _TYPES if source.get(key)), name)
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"
