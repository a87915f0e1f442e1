"""What some architectures of transformers need beside the rules of `transformers_families.py`."""

from typing import Any

import torch

# Model types that stand for a network of another library
SKIPPED = {
    "timm_wrapper": "it holds any network of timm",
    "timm_backbone": "it holds any network of timm",
}
# Architectures that are listed and can't be tried, and why
UNTRIED = {
    "siglip2": "its processor cuts the image into patches, and the network takes no image",
    "shieldgemma2": "it is a language model, and takes the image inside a text",
    "imagegpt": "its processor replaces colors by numbers of clusters, and it takes no image",
}
# Networks that read four layers of a transformer: the four that are left
_FOUR = {
    "num_hidden_layers": 4,
    "out_indices": [1, 2, 3, 4],
    "out_features": [f"stage{n}" for n in range(1, 5)],
    "stage_names": ["stem", *(f"stage{n}" for n in range(1, 5))],
}
# With random weights the depth is negative everywhere, and a relative one ends in a ReLU
_METRIC = {"depth_estimation_type": "metric"}
_FRAMES = 4
_VIDEO = {"shape": (1, _FRAMES, 3, 224, 224), "channel_axis": 2}
_PAIR = {"shape": (1, 2, 3, 128, 128), "channel_axis": 2}
_WORDS = torch.tensor([[3, 5, 7, 9]])

_RATIOS = {
    f"{way}_{name}ratio": [kernel, [1, 1], padding]
    for name, n in (("long", 7), ("mid", 5), ("short", 3))
    for way, kernel, padding in (
        ("vertical_long_to_small_conv", [n, 1], [n // 2, 0]),
        ("horizontal_small_to_long_conv", [1, n], [0, n // 2]),
        ("symmetric_conv_long", [n, n], [n // 2, n // 2]),
    )
}
# Networks that find text: numbers that their configuration has no default for
_OCR = {
    "intraclass_block_config": {
        "reduce_channel": [1, 1, 0], "return_channel": [1, 1, 0], **_RATIOS,
    },
    "kernel_list": [3, 2, 2],
    "scale_factor_list": [1, 2, 4, 8],
}  # fmt: skip
_STAGES = {  # each stage halves both sides; the library's own numbers are for lines of text
    "out_features": [f"stage{n}" for n in range(1, 5)],
    "out_indices": [1, 2, 3, 4],
    "stage_out_channels": [96, 128, 192, 384],
    "block_configs": [
        [[3, 96, 96, 1, True]],
        [[3, 96, 128, 2, False]],
        [[3, 128, 192, 2, True]],
        [[3, 192, 384, 2, False]],
    ],
}
# Arguments of the configuration; those in "keep" aren't made smaller.
CONFIGS: dict[str, dict[str, Any]] = {
    "dpt": {"num_hidden_layers": 4, "backbone_out_indices": [0, 1, 2, 3]},
    "chmv2": {"backbone_config": _FOUR},
    "depth_anything": {"backbone_config": _FOUR, **_METRIC},
    "prompt_depth_anything": {"backbone_config": _FOUR, **_METRIC},
    "tipsv2_dpt": {"backbone_config": _FOUR},
    "zoedepth": {"backbone_config": _FOUR},
    "eomt": {"num_blocks": 1},
    "eomt_dinov3": {"num_blocks": 1},
    "lw_detr": {
        "num_queries": 100,
        "backbone_config": {"image_size": 256},
        "projector_scale_factors": [1.0],
    },
    "rf_detr": {"num_queries": 100},
    "grounding-dino": {"num_queries": 100},
    "mm-grounding-dino": {"num_queries": 100},
    "pp_doclayout_v2": {"class_thresholds": [0.5] * 25, "class_order": list(range(25))},
    "pp_ocrv5_server_det": _OCR,
    "pp_ocrv6_medium_det": {**_OCR, "backbone_config": _STAGES},
    "pp_ocrv6_small_det": {
        "backbone_config": _STAGES, "layer_list_out_channels": [96, 128, 192, 384],
    },
    "sapiens2": {"head_config": {"upsample_out_channels": [64, 64], "conv_out_channels": [64]}},
    "depth_pro": {"patch_size": 64, "keep": ("num_hidden_layers",)},
    "timesformer": {"num_frames": _FRAMES},
    "videomae": {"num_frames": _FRAMES},
    "vivit": {"num_frames": _FRAMES},
    "vjepa2": {"frames_per_clip": _FRAMES, "crop_size": 224},
    "videoprism": {"vision_config": {"num_frames": _FRAMES}},
    "videoprism_vision_model": {"num_frames": _FRAMES},
    "blip-2": {"qformer_config": {"use_qformer_text_input": True}},
    "sam2": {"vision_config": {"backbone_feature_sizes": [[56, 56], [28, 28], [14, 14]]}},
    "edgetam": {"vision_config": {"backbone_feature_sizes": [[56, 56], [28, 28], [14, 14]]}},
    "sam3_tracker": {"vision_config": {"backbone_feature_sizes": [[64, 64], [32, 32], [16, 16]]}},
}  # fmt: skip
# The shape of the images, the other arguments, and the argument that takes the images
INPUTS: dict[str, dict[str, Any]] = {
    "lw_detr": {"shape": (1, 3, 256, 256)},
    "depth_pro": {"shape": (1, 3, 256, 256)},
    "oneformer": {"others": {"task_inputs": torch.ones(1, 77, dtype=torch.long)}},
    "timesformer": _VIDEO,
    "videomae": _VIDEO,
    "vivit": _VIDEO,
    "videomt": {**_VIDEO, "keyword": "pixel_values_videos"},
    "vjepa2": {**_VIDEO, "keyword": "pixel_values_videos"},
    "videoprism": {**_VIDEO, "keyword": "pixel_values_videos"},
    "videoprism_vision_model": {**_VIDEO, "keyword": "pixel_values_videos"},
    "efficientloftr": _PAIR,
    "lightglue": _PAIR,
    "superglue": _PAIR,
    "omdet-turbo": {
        "others": {
            "classes_input_ids": _WORDS,
            "classes_attention_mask": torch.ones_like(_WORDS),
            "tasks_input_ids": _WORDS,
            "tasks_attention_mask": torch.ones_like(_WORDS),
            "classes_structure": torch.tensor([1]),
        }
    },
}
