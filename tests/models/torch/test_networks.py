"""adapt on small networks of every family that people use, with random weights."""

import copy
import warnings
from functools import partial

import numpy as np
import pytest

import graytorgb as g2r
from graytorgb import ModelError
from graytorgb.errors import ChannelError
from graytorgb.models import adapt

from ...support import needs, needs_package

needs("torchvision")
needs_package("timm", "transformers", "segmentation_models_pytorch")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import segmentation_models_pytorch as smp
    import timm
    import torch
    import transformers
    from timm import layers
    from timm.models import nfnet, resnetv2
    from torch import nn
    from torch.utils._pytree import tree_leaves
    from torchvision import models as tv
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
    from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from ..networks import (  # noqa: E402
    MEAN,
    STD,
    assert_same_detections,
    assert_same_outputs,
    list_float_tensors,
    make_color,
    randomize_constants,
)


def assert_adapted(model, size, **options):
    """Assert that the collapsed network gives the same outputs, and return it."""
    model = randomize_constants(model)
    before = copy.deepcopy(model.state_dict())
    adapted = adapt(model, (MEAN, STD), **options)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    size = (size, size) if isinstance(size, int) else size
    gray = torch.rand(2, 1, *size, dtype=torch.float64)
    with torch.no_grad():
        expected = model(make_color(gray))
        assert_same_outputs(adapted(gray), expected)
        other = list_float_tensors(adapted(1 - gray))
    assert any(
        not torch.equal(o, e) for o, e in zip(other, list_float_tensors(expected), strict=True)
    )
    return adapted


TORCHVISION = {
    "resnet": (lambda: tv.ResNet(tv.resnet.BasicBlock, [1] * 4, 5), 33),
    "mobilenet_v2": (lambda: tv.mobilenet_v2(num_classes=5, width_mult=0.25), 64),
    "mobilenet_v3": (lambda: tv.mobilenet_v3_small(), 64),
    "efficientnet": (lambda: tv.efficientnet_b0(), 32),
    "convnext": (lambda: tv.convnext.ConvNeXt([tv.convnext.CNBlockConfig(8, None, 2)]), 32),
    "vit": (lambda: tv.VisionTransformer(32, 8, 1, 2, 16, 32), 32),
    "swin": (lambda: tv.SwinTransformer([4, 4], 8, [2], [2], [4, 4]), 32),
    "regnet": (lambda: tv.regnet_y_400mf(), 32),
    "densenet": (lambda: tv.DenseNet(8, (1, 1), 8), 64),
    "vgg": (
        # without its classifier, whose 120 million weights say nothing here
        lambda: nn.Sequential(tv.vgg.make_layers(tv.vgg.cfgs["A"], batch_norm=True)),
        32,
    ),
    "squeezenet": (lambda: tv.squeezenet1_1(), 64),
    "shufflenet": (lambda: tv.shufflenet_v2_x0_5(), 64),
    "googlenet that normalizes": (
        lambda: tv.googlenet(init_weights=False, transform_input=True),
        64,
    ),
    "lraspp": (
        lambda: tv.segmentation.lraspp_mobilenet_v3_large(weights_backbone=None),
        32,
    ),
    "clips": (lambda: nn.Sequential(*list(tv.video.r3d_18().children())[:2]), (4, 16, 18)),
}


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision(name):
    make, size = TORCHVISION[name]
    adapted = assert_adapted(make(), size, example=size)
    assert not getattr(adapted, "transform_input", False)


DETECTION = {
    "fasterrcnn": lambda: tv.detection.fasterrcnn_mobilenet_v3_large_fpn(
        weights=None, weights_backbone=None, min_size=64, max_size=96, box_score_thresh=0
    ),
    "retinanet": lambda: tv.detection.RetinaNet(
        resnet_fpn_backbone(
            backbone_name="resnet18",
            weights=None,
            returned_layers=[2, 3, 4],
            extra_blocks=LastLevelP6P7(256, 256),
        ),
        5,
        min_size=64,
        max_size=96,
        score_thresh=0,
    ),
    "ssd": lambda: tv.detection.ssdlite320_mobilenet_v3_large(
        weights=None, weights_backbone=None, score_thresh=0
    ),
}


@pytest.fixture(scope="module", params=DETECTION)
def detector(request):
    return randomize_constants(DETECTION[request.param]())


@pytest.mark.parametrize("how", ["collapse", "expand"])
def test_detection_normalizes_itself(detector, how):
    """Images of several sizes end at several places in a batch that is padded with zeros."""
    model = detector
    adapted = adapt(model, how=how)
    sizes = (60, 80), (100, 70)
    gray = [torch.rand(1, *size, dtype=torch.float64) for size in sizes]
    with torch.no_grad():
        assert_same_detections(adapted, gray, model, [image.expand(3, -1, -1) for image in gray])
        features = [
            tree_leaves(network.backbone(network.transform(images)[0].tensors))
            for network, images in (
                (model, [image.expand(3, -1, -1) for image in gray]),
                (model, [1 - image.expand(3, -1, -1) for image in gray]),
            )
        ]
    assert not torch.equal(features[0][0], features[1][0])
    with pytest.raises(ModelError, match=r"normalizes its images itself.*adapt\(model\)"):
        adapt(model, (MEAN, STD), how=how)
    adapt(model, "0..1", how=how)  # as stats(its weights) advises


def test_detection_in_bytes():
    model = randomize_constants(DETECTION["ssd"]())
    adapted = adapt(model, value_range=(0, 255))
    gray = torch.rand(1, 40, 50, dtype=torch.float64)
    with torch.no_grad():
        assert_same_detections(adapted, [gray * 255], model, [gray.expand(3, -1, -1)])


TIMM = {
    "resnet10t": ({}, 64),
    "tf_efficientnet_lite0": ({}, 65),  # pads by the image's size, in its own convolution
    "vit_tiny_patch16_224": ({"img_size": 32}, 32),
    "swin_tiny_patch4_window7_224": (
        {"img_size": 28, "embed_dim": 8, "depths": (1, 1), "num_heads": (1, 1)},
        28,
    ),
    "convnext_atto": ({"depths": (1,) * 4}, 64),
    "mobilenetv3_small_050": ({}, 64),
    "repvgg_a0": ({}, 64),  # three branches of kernels see the image
    "crossvit_tiny_240": ({}, 240),  # two branches, one of them resized
    "pvt_v2_b0": ({}, 64),
    "levit_128s": ({"img_size": 64}, 64),
}


@pytest.mark.parametrize("name", TIMM)
def test_timm(name):
    options, size = TIMM[name]
    assert_adapted(timm.create_model(name, **options), size, example=size)


def make_nfnet(*, same_padding):
    """Return a small network without normalization, whose convolutions standardize weights."""
    config = nfnet.NfCfg(
        (1,) * 4, (8, 8, 16, 16), stem_type="deep_quad", stem_chs=16, group_size=8, num_features=32,
        extra_conv=True, same_padding=same_padding, skipinit=True, act_layer="gelu",
    )  # fmt: skip
    return nfnet.NormFreeNet(config, num_classes=5)


def make_bit(stem_type, convolution):
    """Return a small network of Google's, with standardized weights."""
    return resnetv2.ResNetV2(
        (1,) * 4, (8, 8, 16, 16), 5, stem_chs=8, stem_type=stem_type, conv_layer=convolution,
        norm_layer=partial(layers.GroupNormAct, num_groups=4),
    )  # fmt: skip


STANDARDIZED = {
    "NFNet": lambda: make_nfnet(same_padding=False),
    "DeepMind's NFNet": lambda: make_nfnet(same_padding=True),
    "BiT": lambda: make_bit("fixed", layers.StdConv2d),
    "BiT of TensorFlow": lambda: make_bit("same", layers.StdConv2dSame),
}


@pytest.mark.parametrize("size", [(48, 64), (47, 51), (49, 66)])
@pytest.mark.parametrize("name", STANDARDIZED)
def test_standardized_weights(name, size):
    """The stem becomes a plain convolution, whose padding still depends on the image's size."""
    adapted = assert_adapted(STANDARDIZED[name](), size, example=48)
    kind = "SameConv2d" if "of TensorFlow" in name or "DeepMind" in name else "Conv2d"
    stem = next(m for m in adapted.modules() if isinstance(m, nn.Conv2d))
    assert type(stem).__name__ == kind
    assert stem.in_channels == 2


def test_timms_data_config_says_what_the_network_takes_now():
    model = timm.create_model("mobilenetv3_small_050")
    assert g2r.stats(adapt(model, model)) == ((0,), (1,))
    for value_range, mean, std in (((0, 1), 0, 1), ((0, 255), 0, 1 / 255), ((-1, 1), 0.5, 0.5)):
        adapted = adapt(model, (MEAN, STD), value_range=value_range)
        config = timm.data.resolve_model_data_config(adapted)
        assert config["input_size"] == (1, 224, 224)
        np.testing.assert_allclose((config["mean"], config["std"]), ([mean], [std]))
    assert timm.data.resolve_model_data_config(model)["input_size"] == (3, 224, 224)


def test_a_timm_pipeline_goes_with_it():
    from PIL import Image

    model = randomize_constants(timm.create_model("mobilenetv3_small_050"))
    adapted = adapt(model, (MEAN, STD))
    gray = Image.fromarray(np.random.default_rng(0).integers(0, 256, (224, 224), np.uint8))
    images = []
    for network, image in ((model, gray.convert("RGB")), (adapted, gray)):
        config = timm.data.resolve_model_data_config(network)
        images.append(timm.data.create_transform(**config)(image)[None].double())
    with torch.no_grad():
        assert_same_outputs(adapted(images[1]), model(images[0]), rtol=1e-5)
        assert_same_outputs(
            adapted.forward_features(images[1]), model.forward_features(images[0]), rtol=1e-5
        )


@pytest.mark.parametrize(
    ("kind", "encoder"),
    [("Unet", "resnet18"), ("FPN", "mit_b0"), ("FPN", "tu-mobilenetv3_small_050")],
)
def test_segmentation_models_pytorch(kind, encoder):
    assert_adapted(getattr(smp, kind)(encoder, encoder_weights=None), 32, example=32)


SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 37,
    "image_size": 32,
    "patch_size": 8,
}
STAGES = {"depths": [1, 1], "hidden_sizes": [8, 16]}
HUGGING_FACE = {
    "ViT": (SMALL, 32),
    "Beit": (SMALL, 32),
    "ResNet": ({"embedding_size": 8, "layer_type": "basic", **STAGES}, 33),
    "ConvNext": ({"num_stages": 2, **STAGES}, 32),
    # 33 pixels are padded to 36, before and outside the convolution
    "Swin": (
        {"image_size": 32, "embed_dim": 8, "depths": [1], "num_heads": [2], "window_size": 4},
        33,
    ),
}

PLANES = {"ResNet": 2, "Swin": 2}  # their stems pad with zeros


@pytest.mark.parametrize("name", HUGGING_FACE)
def test_hugging_face(name):
    config, size = HUGGING_FACE[name]
    config = getattr(transformers, f"{name}Config")(**config)
    model = getattr(transformers, f"{name}ForImageClassification")(config)
    adapted = assert_adapted(model, size)
    # transformers makes the network of these, and its weights have to fit
    stem = next(p for p in adapted.parameters() if p.ndim == 4)
    assert adapted.config.num_channels == stem.shape[1] == PLANES.get(name, 1)
    assert model.config.num_channels == 3
    gray = torch.rand(1, 1, size, size, dtype=torch.float64)
    by_name = adapted(pixel_values=gray).logits
    assert torch.equal(by_name, adapted(gray).logits)
    with pytest.raises((ValueError, ChannelError)):
        adapted(gray.expand(-1, 3, -1, -1))


def test_a_network_of_several_arguments():
    """CLIP's image isn't its first argument."""
    text = {"vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 1, "intermediate_size": 16}
    text |= {"num_attention_heads": 2, "max_position_embeddings": 8, "eos_token_id": 3}
    config = transformers.CLIPConfig(text_config=text, vision_config=SMALL, projection_dim=8)
    model = randomize_constants(transformers.CLIPModel(config))
    words = torch.tensor([[1, 4, 3]])
    gray = torch.rand(1, 1, 32, 32, dtype=torch.float64)
    example = {"input_ids": words, "pixel_values": gray}
    adapted = adapt(model, (MEAN, STD), example=example)
    # a stem without a bias sees two planes, and gets no new parameter
    assert adapted.config.vision_config.num_channels == 2
    assert list(adapted.state_dict()) == list(model.state_dict())
    expected = model(input_ids=words, pixel_values=make_color(gray))
    assert_same_outputs(
        adapted(input_ids=words, pixel_values=gray).image_embeds, expected.image_embeds
    )
    guessed = adapt(model, (MEAN, STD))  # with a text that is made up
    assert_same_outputs(
        guessed(input_ids=words, pixel_values=gray).image_embeds, expected.image_embeds
    )


class TestFront:
    """how="expand" and "learned"."""

    @pytest.fixture
    def model(self):
        return randomize_constants(tv.mobilenet_v2(num_classes=5))

    @pytest.mark.parametrize("how", ["expand", "learned"])
    def test_same_outputs(self, model, how):
        gray = torch.rand(2, 1, 40, 40, dtype=torch.float64)
        assert_same_outputs(adapt(model, (MEAN, STD), how=how)(gray), model(make_color(gray)))

    def test_expand_is_a_view(self):
        color = nn.Sequential(nn.Identity())
        gray = torch.rand(2, 1, 8, 8)
        result = adapt(color, (0, 1), how="expand")(gray)
        assert result.shape == (2, 3, 8, 8)
        assert result.data_ptr() == gray.data_ptr()
        assert result.stride()[1] == 0

    @pytest.mark.parametrize("how", ["expand", "learned"])
    def test_any_network(self, how):
        """It works for networks that collapse refuses, too."""
        model = nn.Sequential(nn.InstanceNorm2d(3), nn.Conv2d(3, 4, 3), nn.ReLU()).double()
        with pytest.raises(ModelError, match=r"batch_norm, in layer '0'.*expand"):
            adapt(model, (MEAN, STD), example=16)
        gray = torch.rand(1, 1, 16, 16, dtype=torch.float64)
        with torch.no_grad():
            assert_same_outputs(adapt(model, (MEAN, STD), how=how)(gray), model(make_color(gray)))

    def test_clips(self):
        model = randomize_constants(nn.Sequential(nn.Conv3d(3, 2, 3)))
        clip = torch.rand(1, 1, 4, 8, 8, dtype=torch.float64)
        for how in ("expand", "learned"):
            adapted = adapt(model, (MEAN, STD), how=how, example=(4, 8, 8))
            assert_same_outputs(adapted(clip), model(make_color(clip)))

    def test_only_the_front_learns_if_asked(self, model):
        adapted = adapt(model, (MEAN, STD), how="learned", freeze=True)
        names = [name for name, p in adapted.named_parameters() if p.requires_grad]
        assert names == ["front.convolution.weight", "front.convolution.bias"]
        assert all(p.requires_grad for p in model.parameters())
        before = {name: p.clone() for name, p in adapted.named_parameters()}
        optimizer = torch.optim.SGD([p for p in adapted.parameters() if p.requires_grad], 0.1)
        adapted(torch.rand(2, 1, 32, 32, dtype=torch.float64)).pow(2).sum().backward()
        optimizer.step()
        changed = {n for n, p in adapted.named_parameters() if not torch.equal(p, before[n])}
        assert changed == set(names)

    def test_without_freeze_everything_learns(self, model):
        adapted = adapt(model, (MEAN, STD), how="learned")
        assert all(p.requires_grad for p in adapted.parameters())

    def test_color_is_refused(self, model):
        for how in ("expand", "learned", "collapse"):
            with pytest.raises(ChannelError, match=r"\(N, 1, H, W\)"):
                adapt(model, (MEAN, STD), how=how)(torch.rand(1, 3, 32, 32, dtype=torch.float64))
