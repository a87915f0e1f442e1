"""Names of a network's arguments, and what they say: an image, something else, or nothing."""

import re

# As whole words of a name such as "image_attention_mask"; digits at a word's end don't count.
_IMAGES = {
    "image", "images", "img", "imgs", "pixel", "pixels", "picture", "photo", "frame", "frames",
    "video", "videos", "clip", "clips", "rgb", "color", "camera", "view", "views",
}  # fmt: skip
_OTHERS = {
    "mask", "masks", "masked", "label", "labels", "class", "classes", "emb", "embed", "embeds",
    "embedding", "embeddings", "feature", "features", "feat", "feats", "token", "tokens", "id",
    "ids", "attention", "box", "boxes", "bbox", "bboxes", "point", "points", "keypoints",
    "size", "sizes", "shape", "grid", "position", "positions", "pos", "flow", "depth",
    "disparity", "heatmap", "weight", "weights", "scale", "latent", "latents", "hidden",
    "state", "states", "cache", "timestep", "timesteps", "noise", "text", "prompt", "prompts",
    "cond", "sem", "seg", "segmentation", "panoptic", "anchors", "proposals", "instances",
    "logits", "encoder", "metas", "patches", "index", "indices", "mel", "audio", "spectrogram",
    "word", "words",
}  # fmt: skip
_DOUBTFUL = {"target", "targets", "gt", "truth", "reference", "ref"}


def is_image_name(name: str) -> bool:
    """Whether a name says that the argument is an image.

    >>> [is_image_name(name) for name in ("pixel_values", "image1", "x", "pixel_mask")]
    [True, True, False, False]
    """
    words = _split_words(name)
    return bool(words & _IMAGES) and not words & (_OTHERS | _DOUBTFUL)


def is_other_name(name: str) -> bool:
    """Whether a name says that the argument is no image.

    >>> [is_other_name(name) for name in ("image_embeds", "input_ids", "target", "x")]
    [True, True, False, False]
    """
    return bool(_split_words(name) & _OTHERS)


def is_doubtful_name(name: str) -> bool:
    """Whether a name is one of something that may be an image or not, such as a target.

    >>> is_doubtful_name("target")
    True
    """
    words = _split_words(name)
    return bool(words & _DOUBTFUL) and not words & _OTHERS


def _split_words(name: str) -> set[str]:
    """Return the words of a name in snake_case or camelCase, in lower case, without digits."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return {word.strip("0123456789") for word in spaced.lower().split("_")} - {""}
