"""Every decoder of segmentation_models_pytorch, on two encoders."""

import warnings

from .cases import Case

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import segmentation_models_pytorch as smp

from .torch_trial import Specimen

ENCODERS = ("resnet18", "efficientnet-b0")
_NAME = "segmentation_models_pytorch"
_TRANSFORMERS = {
    "resnet18": "tu-vit_tiny_patch16_224",
    "efficientnet-b0": "tu-deit_tiny_patch16_224",
}


def list_cases() -> list[Case]:
    """Return a case for every decoder and encoder.

    DPT takes transformers of timm alone, so it has two of them.
    """
    return [
        Case(_NAME, decoder, _TRANSFORMERS[encoder] if decoder == "dpt" else encoder)
        for decoder in smp.MODEL_ARCHITECTURES_MAPPING
        for encoder in ENCODERS
    ]


def build(case: Case) -> Specimen:
    """Return a segmentation network with random weights."""
    options = {"encoder_name": case.network, "encoder_weights": None}
    model = smp.create_model(case.family, **options)
    side = 224 if case.family == "dpt" else 128
    return Specimen(model, (1, 3, side, side))
