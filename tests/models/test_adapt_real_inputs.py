"""adapt and verify on real torch networks that take more than one batch of images."""

import pytest

from graytorgb import ChannelError
from graytorgb.models import adapt, verify

from ..support import needs, needs_package

needs("torchvision")
needs_package("transformers")

import torch  # noqa: E402
import transformers as hf  # noqa: E402
from torch import nn  # noqa: E402
from torchvision import models as tv  # noqa: E402
from torchvision.models.optical_flow import raft_small  # noqa: E402

from .networks import MEAN, STD, assert_same_outputs, make_color  # noqa: E402

STATS = (MEAN, STD)
TEXT = {
    "vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 1, "intermediate_size": 16,
    "num_attention_heads": 2, "max_position_embeddings": 64, "bos_token_id": 1, "eos_token_id": 2,
    "pad_token_id": 0,
}  # fmt: skip
VISION = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
    "image_size": 16, "patch_size": 8,
}  # fmt: skip
TOKENS = torch.tensor([[4, 5, 2]])
FOUR = {"embed_dim": 4, "depths": [1] * 4, "num_heads": [1] * 4, "window_size": 4}
STAGES = ["stage1", "stage2", "stage3", "stage4"]


def make_detr():
    backbone = hf.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic",
        out_features=["stage2"],
    )  # fmt: skip
    return hf.DetrForObjectDetection(hf.DetrConfig(
        backbone_config=backbone, d_model=16, encoder_layers=1, decoder_layers=1,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16,
        decoder_ffn_dim=16, num_queries=5, use_timm_backbone=False, backbone=None,
    ))  # fmt: skip


def make_mask2former():
    swin = hf.SwinConfig(image_size=64, out_features=STAGES, **FOUR)
    return hf.Mask2FormerForUniversalSegmentation(hf.Mask2FormerConfig(
        backbone_config=swin, feature_size=32, mask_feature_size=32, hidden_dim=32,
        encoder_layers=1, decoder_layers=2, num_attention_heads=2, dim_feedforward=16,
        encoder_feedforward_dim=16, num_queries=4,
    ))  # fmt: skip


def make_sam():
    return hf.SamModel(hf.SamConfig(
        vision_config={
            "hidden_size": 16, "output_channels": 8, "num_hidden_layers": 1, "image_size": 64,
            "num_attention_heads": 2, "patch_size": 16, "mlp_dim": 16, "window_size": 2,
            "global_attn_indexes": [0], "num_pos_feats": 4,
        },
        prompt_encoder_config={
            "hidden_size": 8, "image_size": 64, "patch_size": 16, "mask_input_channels": 4,
        },
        mask_decoder_config={
            "hidden_size": 8, "mlp_dim": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
            "iou_head_hidden_dim": 16,
        },
    ))  # fmt: skip


def make_llava():
    return hf.LlavaForConditionalGeneration(hf.LlavaConfig(
        vision_config=hf.CLIPVisionConfig(**VISION), image_token_id=30, vision_feature_layer=-1,
        text_config=hf.LlamaConfig(num_key_value_heads=2, **TEXT),
    ))  # fmt: skip


def make_captioner():
    decoder = hf.GPT2Config(
        vocab_size=20, n_embd=16, n_layer=1, n_head=2, n_positions=16, add_cross_attention=True,
        bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    config = hf.VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        hf.ViTConfig(**VISION), decoder, decoder_start_token_id=1, pad_token_id=0
    )
    return hf.VisionEncoderDecoderModel(config)


# a network, the gray that it takes, and its other arguments; the image is `pixel_values`
HUGGING_FACE = {
    "VideoMAE": (
        lambda: hf.VideoMAEForVideoClassification(
            hf.VideoMAEConfig(num_frames=4, tubelet_size=2, **VISION)),
        (2, 4, 1, 16, 16), {}, "video",
    ),
    "TimeSformer of as many frames as channels": (
        lambda: hf.TimesformerForVideoClassification(hf.TimesformerConfig(num_frames=3, **VISION)),
        (2, 3, 1, 16, 16), {}, "video",
    ),
    "ViViT": (
        lambda: hf.VivitForVideoClassification(
            hf.VivitConfig(num_frames=4, tubelet_size=[2, 8, 8], **VISION)),
        (2, 4, 1, 16, 16), {}, "video",
    ),
    "CLIP": (
        lambda: hf.CLIPModel(hf.CLIPConfig(
            text_config=TEXT, vision_config=VISION, projection_dim=8)),
        (2, 1, 16, 16), {"input_ids": TOKENS}, "image",
    ),
    "SigLIP": (
        lambda: hf.SiglipModel(hf.SiglipConfig(text_config=TEXT, vision_config=VISION)),
        (2, 1, 16, 16), {"input_ids": TOKENS}, "image",
    ),
    "DETR": (
        make_detr, (2, 1, 64, 48), {"pixel_mask": torch.ones(2, 64, 48, dtype=torch.long)}, "image",
    ),
    "Mask2Former": (
        make_mask2former, (1, 1, 64, 64), {"pixel_mask": torch.ones(1, 64, 64)}, "image",
    ),
    "SAM": (
        make_sam, (2, 1, 64, 64),
        {"input_points": torch.tensor([[[[20.0, 30.0]]]] * 2), "multimask_output": False}, "image",
    ),
    "LLaVA": (
        make_llava, (1, 1, 16, 16), {"input_ids": torch.tensor([[30] * 4 + [4, 5, 2]])}, "image",
    ),
    "BLIP": (
        lambda: hf.BlipForConditionalGeneration(hf.BlipConfig(
            text_config={**TEXT, "encoder_hidden_size": 16}, vision_config=VISION)),
        (2, 1, 16, 16), {"input_ids": TOKENS.expand(2, -1)}, "image",
    ),
    "an encoder and a decoder": (
        make_captioner, (2, 1, 16, 16), {"decoder_input_ids": TOKENS.expand(2, -1)}, "image",
    ),
}  # fmt: skip


def make_mvit():
    block = tv.video.mvit.MSBlockConfig(1, 8, 8, [], [], [], [])
    flags = dict.fromkeys(("rel_pos_embed", "proj_after_attn"), False)
    flags |= dict.fromkeys(("residual_pool", "residual_with_cls_embed"), True)
    return tv.video.MViT((32, 32), 4, [block, block], num_classes=5, **flags)


def make_swin3d():
    return tv.video.swin_transformer.SwinTransformer3d(
        [2, 4, 4], 8, [1, 1], [1, 1], [2, 2, 2], num_classes=5
    )


# a network, a clip's frames and sides, and the example
CLIPS = {
    "r3d": (lambda: nn.Sequential(*list(tv.video.r3d_18().children())[:2]), (4, 16, 16), None),
    "mvit": (make_mvit, (4, 32, 32), (4, 32, 32)),
    "swin3d": (make_swin3d, (4, 16, 16), None),
}


def randomize(model):
    """Return a network in float64 whose outputs depend on its images."""
    model = model.double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 2 / parameter[0].numel() ** 0.5)
            else:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return model


@pytest.fixture(scope="module", params=HUGGING_FACE)
def case(request):
    make, shape, others, kind = HUGGING_FACE[request.param]
    torch.manual_seed(0)
    return randomize(make()), shape, others, kind


def make_arguments(shape, others):
    """Return a network's arguments in gray, and the original's."""
    gray = torch.rand(shape, dtype=torch.float64)
    color = make_color(gray.flatten(0, -4)).reshape(*shape[:-3], 3, *shape[-2:])
    others = {k: v.double() if k == "input_points" else v for k, v in others.items()}
    return {"pixel_values": gray, **others}, {"pixel_values": color, **others}


def select(output):
    """Return the tensors of an output that are comparable."""
    return {k: v for k, v in output.items() if isinstance(v, torch.Tensor)}


class TestHuggingFace:
    @pytest.mark.parametrize("example", ["none", "gray", "color"])
    def test_expand(self, case, example):
        model, shape, others, _ = case
        gray, color = make_arguments(shape, others)
        given = {"none": None, "gray": gray, "color": hf.BatchFeature(color)}[example]
        adapted = adapt(model, STATS, how="expand", example=given)
        with torch.no_grad():
            expected = select(model(**color))
            assert_same_outputs(select(adapted(**gray)), expected)
            assert_same_outputs(select(adapted(**hf.BatchFeature(gray))), expected)

    @pytest.mark.parametrize("example", ["none", "gray"])
    def test_collapse(self, case, example):
        """The stem changes, or the error says why it can't."""
        model, shape, others, _ = case
        gray, color = make_arguments(shape, others)
        adapted = adapt(model, STATS, example=None if example == "none" else gray)
        with torch.no_grad():
            assert_same_outputs(select(adapted(**gray)), select(model(**color)))

    def test_proof(self, case):
        """verify runs both networks with the arguments that the example gave, or with its own."""
        model, shape, others, kind = case
        color = make_arguments(shape, others)[1]
        sides = shape[-2:] if kind == "image" else (shape[1], *shape[-2:])
        images = torch.rand(3, 1, *sides)
        for how, example in (("expand", None), ("collapse", color)):
            adapted = adapt(model, STATS, how=how, example=example)
            proof = verify(model, adapted, images, seconds=0)
            assert proof.passed, proof.reason
            assert proof.images == 3
        other = adapt(model, (0.5, 0.2), how="expand", example=color)
        del other.graytorgb_preprocessing
        assert not verify(model, other, images, STATS, seconds=0).passed


@pytest.mark.parametrize("how", ["expand", "collapse"])
def test_a_text_alone(how):
    """A network of texts and images that takes texts alone does so when adapted."""
    model = randomize(make_llava())
    adapted = adapt(model, STATS, how=how)
    assert_same_outputs(adapted(input_ids=TOKENS).logits, model(input_ids=TOKENS).logits)
    if how == "expand":
        with pytest.raises(ChannelError, match="got no image"):
            adapted()


def test_a_further_image_that_is_not_required():
    """CLIPSeg takes a picture of what it looks for in the place of a text."""
    config = hf.CLIPSegConfig(
        text_config=TEXT, vision_config=VISION, projection_dim=16, extract_layers=[0],
        reduce_dim=8, decoder_num_attention_heads=2, decoder_intermediate_size=8,
    )  # fmt: skip
    model = randomize(hf.CLIPSegForImageSegmentation(config))
    gray = torch.rand(2, 1, 1, 16, 16, dtype=torch.float64)
    names = ("pixel_values", "conditional_pixel_values")
    adapted = adapt(model, STATS, how="expand")
    given = adapted(**dict(zip(names, gray, strict=True))).logits
    color = map(make_color, gray)
    assert_same_outputs(given, model(**dict(zip(names, color, strict=True))).logits)
    by_text = adapted(pixel_values=gray[0], input_ids=TOKENS).logits
    assert_same_outputs(by_text, model(pixel_values=make_color(gray[0]), input_ids=TOKENS).logits)


class TestTorchvision:
    @pytest.mark.parametrize("how", ["expand", "collapse"])
    def test_two_images_of_raft(self, how):
        """Optical flow takes two images, which verify doesn't make equal."""
        model = raft_small().eval()  # in float32, which its code requires
        adapted = adapt(model, STATS, how=how, example=(128, 128))
        first, second = torch.rand(2, 1, 1, 128, 128)
        expected = model(*(make_color(image) for image in (first, second)), 1)
        for flows in (adapted(first, second, num_flow_updates=1), adapted(first, image2=second,
                num_flow_updates=1)):  # fmt: skip
            assert_same_outputs(flows, expected, rtol=1e-5)

    @pytest.mark.parametrize("how", ["expand", "collapse"])
    @pytest.mark.parametrize("name", CLIPS)
    def test_clips(self, name, how):
        make, clip, example = CLIPS[name]
        model = randomize(make())
        gray = torch.rand(1, 1, *clip, dtype=torch.float64)
        adapted = adapt(model, STATS, how=how, example=example or clip)
        assert_same_outputs(adapted(gray), model(make_color(gray)))
        proof = verify(model, adapted, torch.rand(1, 1, *clip), seconds=0)
        assert proof.passed, proof.reason
