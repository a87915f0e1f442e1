"""One network of every vision architecture of transformers, small and with random weights.

The list has every model type of the tasks in `TASKS`, each with the class of the first task that
it has. The configuration is the architecture's own, with fewer layers and smaller images and
vocabularies; `transformers_configs.py` says what else an architecture needs.
"""

import inspect
import warnings
from typing import Any

import torch

from .cases import Case
from .torch_trial import Specimen
from .transformers_configs import CONFIGS, INPUTS, SKIPPED, UNTRIED
from .trial import Untried

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import transformers
    from transformers import CONFIG_MAPPING, PreTrainedModel
    from transformers.models.auto import modeling_auto

TASKS = (
    "IMAGE_CLASSIFICATION",
    "OBJECT_DETECTION",
    "UNIVERSAL_SEGMENTATION",
    "INSTANCE_SEGMENTATION",
    "SEMANTIC_SEGMENTATION",
    "DEPTH_ESTIMATION",
    "VIDEO_CLASSIFICATION",
    "ZERO_SHOT_IMAGE_CLASSIFICATION",
    "ZERO_SHOT_OBJECT_DETECTION",
    "MASK_GENERATION",
    "POSE_ESTIMATION",
    "KEYPOINT_DETECTION",
    "KEYPOINT_MATCHING",
    "IMAGE_TO_IMAGE",
    "IMAGE_MATTING",
    "IMAGE",  # networks without a head
)
_SIDE = 224
# What is made smaller wherever a configuration has it: counts of layers, which become 2, and
# lists of counts, one for each stage, which become ones.
_COUNTS = {
    "num_hidden_layers",
    "encoder_layers",
    "decoder_layers",
    "num_layers",
    "n_layer",
    "pred_num_hidden_layers",
    "decoder_num_hidden_layers",
    "text_encoder_num_layers",
    "num_spatial_layers",
    "num_global_layers",
    "num_self_attends_per_block",
}
_LISTS = {"depths", "stage_num_blocks", "blocks_per_stage", "num_block_repeats"}
_SIZES = {"image_size": _SIDE, "vocab_size": 1000}


def list_cases() -> list[Case]:
    """Return a case for every model type of `TASKS`, but those that hold networks of others."""
    classes: dict[str, str] = {}
    for task in TASKS:
        names = getattr(modeling_auto, f"MODEL_FOR_{task}_MAPPING_NAMES")
        for family, name in names.items():
            classes.setdefault(family, name if isinstance(name, str) else name[0])
    networks = {name: family for family, name in reversed(classes.items())}  # the first of twins
    return [
        Case("transformers", family, name)
        for family, name in classes.items()
        if networks[name] == family and family not in SKIPPED
    ]


def build(case: Case) -> Specimen:
    """Return a small network with random weights, and its inputs."""
    if case.family in UNTRIED:
        raise Untried(UNTRIED[case.family])
    transformers.logging.set_verbosity_error()
    config = make_config(case.family)
    model: PreTrainedModel = getattr(transformers, case.network)(config)
    model.config.return_dict = True
    side = _find_size(config)
    arguments = {"shape": (1, 3, side, side), **INPUTS.get(case.family, {})}
    others = {**_make_text(model, case.family), **arguments.pop("others", {})}
    keyword = arguments.pop("keyword", "pixel_values")
    if keyword in inspect.signature(model.forward).parameters:
        arguments["keywords"] = (keyword,)
    return Specimen(model, others=others, **arguments)


def make_config(family: str) -> Any:
    """Return an architecture's configuration, made small."""
    kind = CONFIG_MAPPING[family]
    special = dict(CONFIGS.get(family, {}))
    keep = special.pop("keep", ())
    return kind(**_merge(_find_changes(kind().to_dict(), keep), special))


def _find_changes(values: dict[str, Any], keep: tuple[str, ...]) -> dict[str, Any]:
    """Return what has to change in a configuration, and in those inside it, to make it small."""
    changes: dict[str, Any] = {}
    for name, value in values.items():
        if name in keep:
            continue
        if isinstance(value, dict) and "model_type" in value:
            # the layers of a backbone that are used go by number, so it keeps their count
            inner = _find_changes(value, (*keep, *_COUNTS) if name == "backbone_config" else keep)
            if inner:
                changes[name] = {**value, **inner}
        elif name in _COUNTS and isinstance(value, int):
            changes[name] = min(value, 2)
        elif name in _LISTS and isinstance(value, list):
            changes[name] = [1] * len(value)
        elif name in _SIZES and value is not None:
            most = _SIZES[name]
            changes[name] = min(value, most) if isinstance(value, int) else [most] * len(value)
    return changes


def _merge(values: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return two dicts in one, with dicts inside them joined too."""
    merged = dict(values)
    for name, value in other.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = _merge(merged[name], value) if both else value
    return merged


def _find_size(config: Any) -> int:
    """Return the side of the images that a configuration states."""
    vision = getattr(config, "vision_config", None)
    for holder in (config, vision, getattr(config, "backbone_config", None)):
        size = getattr(holder, "image_size", None)
        if isinstance(size, int):
            return size
        if isinstance(size, list | tuple):
            return int(size[0])
    return _SIDE


def _make_text(model: Any, family: str) -> dict[str, torch.Tensor]:
    """Return the words for a network that takes some beside the image."""
    taken = inspect.signature(model.forward).parameters
    if "input_ids" not in taken:
        return {}
    words = {"input_ids": torch.tensor([[3, 5, 7, 9]])}
    if "attention_mask" in taken:
        words["attention_mask"] = torch.ones(1, 4, dtype=torch.long)
    return words
