"""Tests of ``stats`` on the sources of each library that publishes models."""

import json

import numpy as np
import pytest

import graytorgb as g2r

from ..support import needs, needs_package, run_python

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_names():
    assert g2r.stats("imagenet") == IMAGENET
    levels = np.array([[0, 255]], np.uint8)
    for name, ends in (("-1..1", [-1, 1]), ("0..1", [0, 1])):
        assert g2r.prepare(levels, name)[0, :, 0].tolist() == ends


def test_caffe():
    """Subtract the mean from bytes, blue first, as ``imagenet_utils.preprocess_input`` does."""
    mean, std = g2r.stats("caffe")
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    result = g2r.prepare(levels, (mean, std), "HW->HWC")
    want = levels[..., None] - np.array([103.939, 116.779, 123.68])
    assert np.abs(result - want).max() < 1e-4


class TestTorchvision:
    @pytest.fixture(autouse=True)
    def library(self):
        needs("torchvision")

    def test_weights(self):
        from torchvision import models

        assert g2r.stats(models.ResNet50_Weights.DEFAULT) == IMAGENET
        assert g2r.stats(models.ViT_B_16_Weights.IMAGENET1K_SWAG_LINEAR_V1) == IMAGENET

    def test_every_classification_weight_there_is(self):
        from torchvision import models

        for name in models.list_models(module=models):
            for weights in models.get_model_weights(name):
                preset = weights.transforms()
                assert g2r.stats(weights) == (tuple(preset.mean), tuple(preset.std))

    def test_every_weight_there_is_by_name(self):
        """Each preset gives the same on gray images as the statistics of its name."""
        import torch
        from torchvision import models

        run = set()
        for weights in (w for n in models.list_models() for w in models.get_model_weights(n)):
            preset = weights.transforms()
            kind = type(preset).__name__
            if kind == "ObjectDetection":
                with pytest.raises(g2r.LevelsError, match="normalizes by itself"):
                    g2r.stats(str(weights))
                continue
            statistics = g2r.stats(str(weights))
            assert g2r.stats(weights) == statistics
            if (said := (repr(preset), statistics)) in run:
                continue
            run.add(said)
            mean, std = (torch.tensor(values)[:, None] for values in statistics)
            shape = (2, 3, 32, 32) if kind == "VideoClassification" else (3, 32, 32)
            for level in (0, 100, 255):
                gray = torch.full(shape, level, dtype=torch.uint8)
                result = preset(gray, gray)[0] if kind == "OpticalFlow" else preset(gray)
                want = (level / 255 - mean) / std
                assert (result.reshape(3, -1) - want).abs().max() < 1e-4 * want.abs().max()
        assert {said[0].partition("(")[0] for said in run} == {
            "ImageClassification", "VideoClassification", "SemanticSegmentation", "OpticalFlow"
        }  # fmt: skip

    @pytest.mark.parametrize(
        "name",
        [
            "ResNet50_Weights.DEFAULT",
            "ResNet50_Weights.IMAGENET1K_V2",
            "torchvision.models.ResNet50_Weights.IMAGENET1K_V1",
            "models.quantization.ResNet50_QuantizedWeights.DEFAULT",
        ],
    )
    def test_names_of_weights(self, name):
        assert g2r.stats(name) == IMAGENET

    @pytest.mark.parametrize(
        ("name", "says"),
        [
            ("ResNet50_Weights", r"several weights: ResNet50_Weights.IMAGENET1K_V1, .*DEFAULT"),
            ("ResNet50_Weights.V3", r"did you mean .*'ResNet50_Weights.IMAGENET1K_V2'"),
            ("resnet50_weights.default", r"did you mean 'ResNet50_Weights.DEFAULT'"),
            ("Resnet50Weights.DEFAULT", r"did you mean 'ResNet50_Weights.DEFAULT'"),
            ("weights", "torchvision has no weights called 'weights'"),
            ("IMAGENET1K_V1", r"of many networks, so name one: 'ResNet50_Weights.IMAGENET1K_V1'"),
            ("resnet50", r'their name \("ResNet50_Weights.DEFAULT"\)'),
            ("imagnet", "did you mean 'imagenet'"),
        ],
    )
    def test_names_that_are_none(self, name, says):
        with pytest.raises(g2r.OptionError, match=says):
            g2r.stats(name)

    def test_names_need_torchvision(self):
        """Only names with "weight" import torchvision, so a misspelled name imports nothing."""
        code = """
import sys
import graytorgb as g2r
sys.modules["torchvision"] = None
try:
    g2r.stats("ResNet50_Weights.DEFAULT")
except g2r.BackendUnavailable as error:
    print(error)
try:
    g2r.stats("resnet50")
except g2r.OptionError:
    print("torch" in sys.modules)
"""
        hint = "needs torchvision: pip install 'graytorgb[torchvision]'"
        assert run_python(code).splitlines() == [hint, "False"]

    def test_presets_and_normalize(self):
        from torchvision import models
        from torchvision.transforms import v2

        preset = models.MobileNet_V2_Weights.DEFAULT.transforms()
        assert g2r.stats(preset) == IMAGENET
        assert g2r.stats(v2.Normalize([0.1], [0.2])) == ((0.1,), (0.2,))

    def test_a_model_that_normalizes_by_itself(self):
        from torchvision.models import detection

        with pytest.raises(g2r.LevelsError, match=r'normalizes by itself.*"0..1"'):
            g2r.stats(detection.FasterRCNN_ResNet50_FPN_Weights.DEFAULT)

    def test_the_class_of_the_weights(self):
        from torchvision import models

        with pytest.raises(g2r.LevelsError, match=r"ResNet50_Weights.*DEFAULT"):
            g2r.stats(models.ResNet50_Weights)


class TestTimm:
    @pytest.fixture(autouse=True)
    def library(self):
        needs_package("timm")

    @pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "efficientnet_lite0"])
    def test_model_and_config(self, name):
        import timm

        model = timm.create_model(name, pretrained=False)
        config = timm.data.resolve_model_data_config(model)
        want = (config["mean"], config["std"])
        assert g2r.stats(model) == want
        assert g2r.stats(config) == want
        assert g2r.stats(model.pretrained_cfg) == want
        assert g2r.stats(timm.get_pretrained_cfg(name)) == want


class TestHuggingFace:
    @pytest.fixture(autouse=True)
    def library(self):
        needs_package("transformers")

    def processed(self, processor, levels):
        pixels = np.repeat(levels[None], 3, 0)
        return np.asarray(processor(pixels, input_data_format="channels_first").pixel_values[0])

    @pytest.mark.parametrize(
        "name", ["ViTImageProcessor", "ConvNextImageProcessor", "EfficientNetImageProcessor"]
    )
    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]},
            {"do_normalize": False},
            {"rescale_factor": 1 / 127.5},
        ],
    )
    def test_is_what_the_processor_does(self, name, options):
        import transformers

        self.agrees(getattr(transformers, name)(do_resize=False, **options))

    @pytest.mark.parametrize("options", [{}, {"include_top": False}, {"rescale_offset": True}])
    def test_efficientnets_second_division(self, options):
        import transformers

        self.agrees(transformers.EfficientNetImageProcessor(do_resize=False, **options))

    def test_statistics_that_are_not_used(self):
        """MobileViT's configuration has a mean and a std, and do_normalize=None."""
        import transformers

        processor = transformers.MobileViTImageProcessor(do_resize=False, do_center_crop=False)
        assert processor.do_normalize is None
        self.agrees(processor)
        assert g2r.stats(processor) == ((0.0,), (1.0,))
        config = {"image_mean": [0.5], "image_std": [0.5], "do_rescale": True}
        assert g2r.stats(config) == ((0.5,), (0.5,))

    def agrees(self, processor):
        levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
        want = self.processed(processor, levels)
        result = g2r.prepare(levels, processor, "HW->CHW")
        assert np.abs(result - want).max() < 1e-5
        config = json.loads(processor.to_json_string())
        assert g2r.stats(config) == g2r.stats(processor)

    def test_an_offset(self):
        import transformers

        processor = transformers.EfficientNetImageProcessor(
            do_resize=False,
            rescale_factor=1 / 127.5,
            rescale_offset=True,
            do_normalize=False,
            include_top=False,
        )
        self.agrees(processor)
        levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
        result = g2r.prepare(levels, processor, "HW->CHW")
        assert np.abs(result - (levels / 127.5 - 1)).max() < 1e-5

    def test_levels_that_are_not_rescaled(self):
        import transformers

        with pytest.raises(g2r.LevelsError, match="doesn't rescale"):
            g2r.stats(transformers.ViTImageProcessor(do_rescale=False))


@pytest.mark.parametrize(
    "source",
    [None, 3, [0.5, 0.5, 0.5], {}, {"mean": 0.5}, np.zeros(3), ..., int],
    ids=repr,
)
def test_what_knows_no_statistics(source):
    with pytest.raises(g2r.LevelsError, match="imagenet"):
        g2r.stats(source)


@pytest.mark.parametrize("name", ["image-net", ""])
def test_a_name_of_no_statistics(name):
    with pytest.raises(g2r.OptionError, match="imagenet"):
        g2r.stats(name)


def test_unusable_statistics():
    with pytest.raises(g2r.LevelsError, match="std divides"):
        g2r.stats({"mean": (0.5,), "std": (0.0,)})


class TestPairs:
    """Tests of a pair (mean, std) that the caller gives."""

    @pytest.mark.parametrize("pair", [(0.5, 0.25), [0.5, 0.25], (np.array(0.5), [0.25])])
    def test_scalars(self, pair):
        assert g2r.stats(pair) == ((0.5,), (0.25,))

    def test_named_tuple(self):
        found = g2r.stats((IMAGENET[0], np.array(IMAGENET[1])[:, None, None]))
        assert found == IMAGENET == g2r.stats(found)
        assert (found.mean, found.std) == IMAGENET

    def test_tensors(self):
        needs_package("torch")
        import torch

        mean, std = (torch.tensor(v, dtype=torch.float64)[:, None, None] for v in IMAGENET)
        assert g2r.stats((mean, std)) == IMAGENET

    @pytest.mark.parametrize("source", [(0.5,), (0.1, 0.2, 0.3), 0.5, np.array([0.5, 0.25]), ()])
    def test_what_is_no_pair(self, source):
        with pytest.raises(g2r.LevelsError, match=r"a pair \(mean, std\)"):
            g2r.stats(source)

    def test_unusable(self):
        with pytest.raises(g2r.LevelsError, match="std divides"):
            g2r.stats((0.5, 0))
        with pytest.raises(g2r.LevelsError, match="mean is 1 or 3 finite numbers"):
            g2r.stats(((0.5, 0.5), 0.5))

    def test_a_stats_of_arrays_is_checked_too(self):
        held = g2r.Stats(np.array(0.5), [0.25])
        assert g2r.stats(held) == ((0.5,), (0.25,))
        with pytest.raises(g2r.LevelsError, match="std divides"):
            g2r.stats(g2r.Stats((0.5,), (0.0,)))
