"""Adapted networks that are saved and built again: transformers, smp, timm, and restore_input."""

import copy
import warnings

import pytest

from graytorgb import ModelError
from graytorgb.models import adapt, restore_input, verify

from ...support import needs_package

needs_package("timm", "transformers", "segmentation_models_pytorch")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import segmentation_models_pytorch as smp
    import timm
    import torch
    import transformers

from ..networks import MEAN, STD, assert_same_outputs, make_color, randomize_constants  # noqa: E402
from .tool_pairs import make_pair  # noqa: E402

SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 32}
STAGES = {"hidden_sizes": [8, 16], "depths": [1, 1], "num_labels": 5}
# The network, its configuration, and how many planes its stem sees after adapting
TRANSFORMERS = {
    "ResNet": (
        transformers.ResNetForImageClassification,
        transformers.ResNetConfig(embedding_size=8, layer_type="basic", **STAGES),
        2,
    ),
    "MobileNetV2": (
        transformers.MobileNetV2ForImageClassification,
        transformers.MobileNetV2Config(depth_multiplier=0.25, image_size=32, num_labels=5),
        2,
    ),
    "SegFormer": (
        transformers.SegformerForSemanticSegmentation,
        transformers.SegformerConfig(
            num_encoder_blocks=2, num_attention_heads=[1, 2], sr_ratios=[2, 1], patch_sizes=[7, 3],
            strides=[4, 2], mlp_ratios=[2, 2], decoder_hidden_size=16, **STAGES
        ),
        2,
    ),
    "Swin": (
        transformers.SwinForImageClassification,
        transformers.SwinConfig(
            image_size=32, embed_dim=8, depths=[1, 1], num_heads=[2, 2], window_size=4
        ),
        2,
    ),
    "CLIP": (
        transformers.CLIPVisionModel,
        transformers.CLIPVisionConfig(intermediate_size=32, patch_size=8, **SMALL),
        2,
    ),
    "ViT": (
        transformers.ViTForImageClassification,
        transformers.ViTConfig(intermediate_size=32, patch_size=8, **SMALL),
        1,
    ),
    "ConvNeXt": (
        transformers.ConvNextForImageClassification,
        transformers.ConvNextConfig(num_stages=2, **STAGES),
        1,
    ),
    "DINOv2": (
        transformers.Dinov2Model,
        transformers.Dinov2Config(patch_size=8, **SMALL),
        1,
    ),
}  # fmt: skip


@pytest.fixture(scope="module", params=TRANSFORMERS)
def case(request, tmp_path_factory):
    """Return a pair, the folder of the saved adapted network, and the planes of its stem."""
    make, config, planes = TRANSFORMERS[request.param]
    pair = make_pair(make(copy.deepcopy(config)), size=32)
    folder = tmp_path_factory.mktemp("adapted")
    pair.adapted.save_pretrained(folder)
    return pair, folder, planes


def test_transformers(case):
    """from_pretrained builds the stem by the saved configuration.

    If it sees two planes, restore_input makes them of one channel.
    """
    pair, folder, planes = case
    loaded = type(pair.original).from_pretrained(folder).double().eval()
    for name, parameter in loaded.named_parameters():
        assert torch.equal(parameter, pair.adapted.get_parameter(name)), name
    restored = restore_input(loaded)
    with torch.no_grad():
        assert_same_outputs(restored(pair.gray), pair.original(pair.color))
        assert_same_outputs(restored(pixel_values=pair.gray), pair.original(pair.color))
    assert isinstance(restored, type(pair.original))
    stems = [p for p in restored.parameters() if p.ndim == 4 and p.shape[1] == planes]
    assert stems


def test_transformers_by_its_auto_class(tmp_path):
    make, config, _ = TRANSFORMERS["ResNet"]
    pair = make_pair(make(copy.deepcopy(config)), size=32)
    pair.adapted.save_pretrained(tmp_path)
    loaded = transformers.AutoModelForImageClassification.from_pretrained(tmp_path).double().eval()
    restored = restore_input(loaded)
    with torch.no_grad():
        assert_same_outputs(restored(pair.gray), pair.original(pair.color))


def test_a_restored_network_is_saved_again(tmp_path):
    make, config, _ = TRANSFORMERS["ResNet"]
    pair = make_pair(make(copy.deepcopy(config)), size=32)
    pair.adapted.save_pretrained(tmp_path / "once")
    once = restore_input(make.from_pretrained(tmp_path / "once").double().eval())
    once.save_pretrained(tmp_path / "twice")
    twice = restore_input(make.from_pretrained(tmp_path / "twice").double().eval())
    with torch.no_grad():
        assert_same_outputs(twice(pair.gray), pair.original(pair.color))


def test_the_wrong_number_of_channels_is_refused_by_transformers(tmp_path):
    make, config, _ = TRANSFORMERS["ResNet"]
    pair = make_pair(make(copy.deepcopy(config)), size=32)
    pair.adapted.save_pretrained(tmp_path)
    for channels in (1, 3):
        with pytest.raises(RuntimeError, match="ignore_mismatched_sizes"):
            make.from_pretrained(tmp_path, num_channels=channels)


def test_clips_image_features(tmp_path):
    """CLIP has other ways in than forward, and its text needs no image."""
    config = transformers.CLIPConfig(
        text_config={"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
                     "num_attention_heads": 2, "vocab_size": 40, "max_position_embeddings": 8},
        vision_config={"intermediate_size": 32, "patch_size": 8, **SMALL},
        projection_dim=8,
    )  # fmt: skip
    model = randomize_constants(transformers.CLIPModel(config))
    tokens = torch.tensor([[1, 5, 7, 2]])
    example = {"pixel_values": torch.rand(1, 3, 32, 32).double(), "input_ids": tokens}
    adapted = adapt(model, (MEAN, STD), example=example)
    gray = torch.rand(2, 1, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        for name in ("get_image_features", "__call__"):
            options = {"input_ids": tokens} if name == "__call__" else {}
            expected = getattr(model, name)(pixel_values=make_color(gray), **options)
            assert_same_outputs(getattr(adapted, name)(pixel_values=gray, **options), expected)
        text = model.get_text_features(input_ids=tokens)
        assert_same_outputs(adapted.get_text_features(input_ids=tokens), text)


SMP = {
    "Unet": lambda: smp.Unet("resnet18", encoder_weights=None, classes=2),
    "FPN of timm's": lambda: smp.FPN("tu-resnet18", encoder_weights=None, classes=2),
    "Segformer": lambda: smp.Segformer("mit_b0", encoder_weights=None, classes=2),
}
SLOW = {"FPN of timm's", "Segformer"}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] if n in SLOW else []) for n in SMP]
)
def test_segmentation_models_pytorch(name, tmp_path):
    pair = make_pair(SMP[name](), size=64, batch=1)
    pair.adapted.save_pretrained(tmp_path)
    loaded = smp.from_pretrained(tmp_path).double().eval()
    restored = restore_input(loaded, (MEAN, STD))
    with torch.no_grad():
        expected = pair.original(pair.color)
        # smp fills a network in float32 with the weights
        assert_same_outputs(restored(pair.gray), expected, rtol=1e-5)
        assert_same_outputs(restored.predict(pair.gray), expected, rtol=1e-5)
        assert_same_outputs(pair.adapted.predict(pair.gray), expected)


@pytest.fixture(scope="module")
def resnet():
    return make_pair(timm.create_model("resnet10t", num_classes=5), size=32)


class TestTimm:
    """State dicts in networks that timm builds with other numbers of channels."""

    def test_two_channels(self, resnet):
        built = timm.create_model("resnet10t", num_classes=5, in_chans=2).double().eval()
        built.load_state_dict(resnet.adapted.state_dict())
        restored = restore_input(built, (MEAN, STD))
        with torch.no_grad():
            assert_same_outputs(restored(resnet.gray), resnet.original(resnet.color))
        assert restored.state_dict().keys() == resnet.original.state_dict().keys()
        gray = resnet.gray.numpy()[:, 0]
        assert verify(resnet.original, restored, gray, seconds=0).passed

    def test_two_channels_from_a_file(self, resnet, tmp_path):
        torch.save(resnet.adapted.state_dict(), tmp_path / "gray.pth")
        built = timm.create_model(
            "resnet10t", num_classes=5, in_chans=2, checkpoint_path=tmp_path / "gray.pth"
        )
        restored = restore_input(built.double().eval(), (MEAN, STD))
        with torch.no_grad():
            expected = resnet.original(resnet.color)
            assert_same_outputs(restored(resnet.gray), expected, rtol=1e-5)

    @pytest.mark.parametrize("channels", [1, 3])
    def test_another_number_of_channels_is_refused_by_timm(self, resnet, channels):
        built = timm.create_model("resnet10t", num_classes=5, in_chans=channels)
        with pytest.raises(RuntimeError, match=r"size mismatch for conv1\.0\.weight"):
            built.load_state_dict(resnet.adapted.state_dict())

    def test_one_channel_if_the_stem_pads_nothing(self):
        """A ViT's stem has a bias and no padding, so timm's own network of one channel fits."""
        options = {"img_size": 32, "depth": 1, "num_classes": 5}
        network = timm.create_model("vit_tiny_patch16_224", **options)
        pair = make_pair(network, size=32)
        built = timm.create_model("vit_tiny_patch16_224", in_chans=1, **options).double().eval()
        built.load_state_dict(pair.adapted.state_dict())
        with torch.no_grad():
            assert_same_outputs(built(pair.gray), pair.original(pair.color))


class TestRestoreInput:
    """restore_input takes a network that was built with two input channels."""

    def build(self, channels):
        return timm.create_model("resnet10t", num_classes=5, in_chans=channels).eval()

    def test_an_adapted_network_has_its_input(self):
        adapted = make_pair(self.build(3), size=32).adapted
        with pytest.raises(ModelError, match="adapted already"):
            restore_input(adapted, (MEAN, STD))

    def test_color_is_for_adapt(self):
        with pytest.raises(ModelError, match="adapt"):
            restore_input(self.build(3), (MEAN, STD))

    def test_one_channel_with_padding_holds_no_normalization(self):
        with pytest.raises(ModelError, match=r"'conv1\.0' sees one channel.*in_chans=2"):
            restore_input(self.build(1), (MEAN, STD))
        without_means = restore_input(self.build(1), (0, 1))
        assert without_means(torch.rand(1, 1, 32, 32)).shape == (1, 5)

    def test_other_networks_are_refused(self):
        with pytest.raises(ModelError, match="neither one nor two channels"):
            restore_input(self.build(5), (MEAN, STD))

    @pytest.mark.parametrize("stats", [(MEAN, STD), "0..1"])
    def test_three_planes(self, stats):
        """A network whose own code is written for three channels sees gray, a constant, zeros."""

        class Views(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.stem = torch.nn.Conv2d(3, 4, 3, padding=1)

            def forward(self, x):
                return self.stem(x.view(-1, 3, *x.shape[-2:]))

        adapted, built, gray = adapt(Views(), stats), Views(), torch.rand(2, 1, 16, 16)
        built.load_state_dict(adapted.state_dict())
        assert_same_outputs(restore_input(built, stats)(gray), adapted(gray))
        with pytest.raises(ModelError, match=r"An original network, .* by adapt\(model, stats\)"):
            restore_input(Views(), stats)

    @pytest.mark.parametrize("model", [None, 3, "net.pt"])
    def test_no_network(self, model):
        with pytest.raises(ModelError) as expected:
            adapt(model, "0..1")
        with pytest.raises(ModelError) as raised:
            restore_input(model, "0..1")
        assert str(raised.value) == str(expected.value)

    def test_files_of_models_keep_their_input(self):
        with pytest.raises(ModelError, match="restore_input is for torch networks"):
            restore_input("net.onnx", "0..1")

    def test_stats_are_needed(self):
        with pytest.raises(ModelError, match="stats"):
            restore_input(self.build(2))
