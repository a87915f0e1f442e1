"""One network of every family of torchvision: the smallest by the parameters of its weights.

A family is a module of torchvision.models, such as ``detection.faster_rcnn``. The networks of
``quantization`` are the float networks that torchvision prepares for quantization, because a
network is adapted before it is quantized.
"""

from collections.abc import Callable
from typing import Any

from torch import nn
from torchvision import models

from .cases import Case
from .torch_trial import Specimen

_FRAMES = 16
# Shapes of batches, by the beginning of the family's name
_SHAPES = {
    "detection.": (1, 3, 160, 192),
    "optical_flow.": (1, 3, 128, 128),
    "segmentation.": (1, 3, 128, 128),
    "video.mvit": (1, 3, _FRAMES, 224, 224),  # the positions of the tokens are learned
    "video.s3d": (1, 3, _FRAMES, 224, 224),  # it ends in a pooling of 7 by 7
    "video.": (1, 3, _FRAMES, 64, 64),
    "inception": (1, 3, 299, 299),
    "quantization.inception": (1, 3, 299, 299),
}


def list_cases() -> list[Case]:
    """Return a case for every module that has networks."""
    families: dict[str, dict[str, int]] = {}
    for name in models.list_models():
        family = models.get_model_builder(name).__module__.removeprefix("torchvision.models.")
        weights = models.get_model_weights(name)
        families.setdefault(family, {})[name] = min(w.meta["num_params"] for w in weights)
    return [
        Case("torchvision", family, min(sizes, key=lambda name: (sizes[name], name)))
        for family, sizes in sorted(families.items())
    ]


def build(case: Case) -> Specimen:
    """Return a network with random weights, and a batch for it."""
    options: dict[str, Any] = {"weights": None}
    kind = case.family.partition(".")[0]
    if kind in ("segmentation", "detection"):
        options["weights_backbone"] = None
    if kind == "detection" and "ssd" not in case.family:
        options |= {"min_size": 160, "max_size": 192}
    if "inception" in case.family or "googlenet" in case.family:
        options["init_weights"] = False
    model = models.get_model(case.network, **options)
    shapes = (shape for name, shape in _SHAPES.items() if case.family.startswith(name))
    shape = next(shapes, (1, 3, 224, 224))
    if kind == "detection":
        return Specimen(model, shape, as_list=True, normalizes=True, select=find_detection_outputs)
    if kind == "optical_flow":
        return Specimen(model, shape, keywords=("image1", "image2"))
    return Specimen(model, shape)


def find_detection_outputs(model: nn.Module, call: Callable[[], Any]) -> list[Any]:
    """Return the outputs of a detection network's backbone and of its dense head.

    They are compared in the place of the boxes. The scores of random weights are nearly equal, so
    rounding decides which box comes first and which boxes it suppresses.
    """
    network: Any = getattr(model, "model", model)  # how="expand" wraps it
    head = network.rpn.head if hasattr(network, "rpn") else network.head
    outputs: list[Any] = []
    hooks = [
        part.register_forward_hook(lambda module, inputs, output: outputs.append(output))
        for part in (network.backbone, head)
    ]
    try:
        call()
    finally:
        for hook in hooks:
            hook.remove()
    return outputs
