"""make_transform: from gray files to the input of an adapted network."""

import pickle

import numpy as np
import PIL.Image
import pytest
import skimage.data

import graytorgb as g2r
from graytorgb import ChannelError, LayoutError, LevelsError, ModelError, OptionError
from graytorgb.models import adapt, make_transform
from graytorgb.models.preprocessing import Preprocessing
from graytorgb.models.resizing_record import Resizing, find_resizing

from ..support import needs, needs_package

needs("torchvision")
needs_package("timm", "transformers", "onnx")

import timm  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from onnx import parser  # noqa: E402
from torch import nn  # noqa: E402
from torchvision import models as tv  # noqa: E402
from torchvision.transforms import v2  # noqa: E402

CAMERA = skimage.data.camera()[30:430, 20:500]
MEAN, STD = (torch.tensor(v)[:, None, None] for v in g2r.stats("imagenet"))


def make_network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU()).eval()


def adapted(stats="imagenet", **options):
    return adapt(make_network(), stats, example=16, **options)


def denormalize(planes, mean=MEAN, std=STD):
    """The gray of a pipeline's three normalized planes."""
    gray = planes * std + mean
    assert (gray - gray[:1]).abs().max() < 1e-5
    return gray[:1]


@pytest.fixture
def photo(tmp_path):
    PIL.Image.fromarray(CAMERA).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


class TestPipelines:
    """Each as the library does it with the image in RGB."""

    @pytest.mark.parametrize(
        "weights",
        [tv.ResNet50_Weights.IMAGENET1K_V2, tv.ViT_B_16_Weights.IMAGENET1K_SWAG_E2E_V1,
         tv.Swin_V2_T_Weights.DEFAULT, tv.EfficientNet_B3_Weights.DEFAULT],
        ids=str,
    )  # fmt: skip
    def test_torchvision_weights(self, photo, weights):
        expected = denormalize(weights.transforms()(PIL.Image.open(photo).convert("RGB")))
        for network, options in [(adapted(weights), {}), (adapted(), {"pipeline": weights})]:
            torch.testing.assert_close(
                make_transform(network, **options)(photo), expected, rtol=0, atol=1e-5
            )

    def test_weights_by_name(self):
        assert make_transform(adapted("ResNet50_Weights.DEFAULT")).resizing == Resizing(
            232, None, (224, 224), 2
        )

    @pytest.mark.parametrize(
        "config",
        [
            {"input_size": (3, 224, 224), "crop_pct": 0.875, "interpolation": "bicubic"},
            {"input_size": (3, 96, 96), "crop_pct": 0.95, "interpolation": "bilinear"},
            {"input_size": (3, 96, 96), "crop_pct": 0.9, "crop_mode": "squash",
             "interpolation": "bicubic"},
            {"input_size": (3, 64, 96), "crop_pct": 1.0, "crop_mode": "squash",
             "interpolation": "bicubic"},
        ],
    )  # fmt: skip
    def test_timm_configs(self, photo, config):
        config |= {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
        pipeline = timm.data.create_transform(**config)
        expected = denormalize(pipeline(PIL.Image.open(photo).convert("RGB")))
        found = make_transform(adapted(config))(photo)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)

    def test_a_timm_network_states_it_itself(self, photo):
        model = timm.create_model("resnet10t", num_classes=4).eval()
        config = timm.data.resolve_data_config(model=model)
        expected = denormalize(
            timm.data.create_transform(**config)(PIL.Image.open(photo).convert("RGB"))
        )
        transform = make_transform(adapt(model, "imagenet"))
        torch.testing.assert_close(transform(photo), expected, rtol=0, atol=1e-5)

    @pytest.mark.parametrize("name", ["ViT", "CLIP", "ConvNext"])
    def test_hugging_face_processors(self, photo, name):
        processor = getattr(transformers, f"{name}ImageProcessor")()
        mean, std = (torch.tensor(v).reshape(-1, 1, 1) for v in g2r.stats(processor))
        image = PIL.Image.open(photo).convert("RGB")
        planes = processor(image, return_tensors="pt")["pixel_values"][0]
        found = make_transform(adapted(processor))(photo)
        # the processor may resize tensors, whose arithmetic isn't Pillow's
        torch.testing.assert_close(found, denormalize(planes, mean, std), rtol=0, atol=1.1 / 255)

    @pytest.mark.parametrize(
        "source",
        [{"input_size": (3, 96, 96), "crop_pct": 0.9, "crop_mode": "border"},
         {"image_processor_type": "DetrImageProcessor", "do_resize": True, "resample": 2,
          "size": {"shortest_edge": 800, "longest_edge": 1333}},
         "imagenet", (0.5, 0.5)],
    )  # fmt: skip
    def test_what_states_none(self, source):
        assert find_resizing(source) is None
        with pytest.raises(OptionError, match="state size="):
            make_transform(adapted(), pipeline=source)

    def test_the_record_is_carried(self):
        stated = Preprocessing.from_arguments(tv.ResNet50_Weights.DEFAULT)
        assert Preprocessing.from_text(stated.to_text()) == stated
        for text in ("gray-input_crop_1", "gray-input_shorter_a", "gray-input_filter_-1"):
            assert Preprocessing.from_text(text) is None


class TestSize:
    def test_images_keep_their_size(self, photo):
        transform = make_transform(adapted())
        torch.testing.assert_close(transform(photo)[0], torch.from_numpy(CAMERA / np.float32(255)))
        assert repr(transform) == "InputTransform(any size, values 0 to 1, float32 (1, H, W))"

    @pytest.mark.parametrize("size", [32, (24, 40), [24, 40], np.int64(32)])
    def test_stretched(self, photo, size):
        sides = tuple(size) if isinstance(size, tuple | list) else (int(size), int(size))
        expected = np.asarray(PIL.Image.open(photo).resize(sides[::-1], 2)) / np.float32(255)
        found = make_transform(adapted(), size=size)(photo)
        torch.testing.assert_close(found[0], torch.from_numpy(expected))

    def test_center(self, photo):
        transform = make_transform(adapted(), size=32, resize=40)
        expected = v2.Compose([v2.Resize(40), v2.CenterCrop(32), v2.PILToTensor()])
        torch.testing.assert_close(transform(photo), expected(PIL.Image.open(photo)) / 255)

    def test_a_pipeline_keeps_its_proportions(self):
        network = adapted(tv.ResNet50_Weights.IMAGENET1K_V1)
        assert make_transform(network, size=112).resizing == Resizing(128, None, (112, 112), 2)

    @pytest.mark.parametrize(
        "options",
        [{"size": v} for v in (0, True, "", "224", [], (1, 2, 3), 1.5, (0, 3), (3, None))]
        + [{"size": 32, "resize": v} for v in (0, 31, True, "40", 40.0)]
        + [{"pipeline": 0}, {"weights": "red"}],
        ids=str,
    )
    def test_what_cannot_be_meant(self, options):
        with pytest.raises(OptionError):
            make_transform(adapted(), **options)

    def test_no_adapted_network(self):
        with pytest.raises(ModelError, match=r"make_transform\(adapt\(model, stats\)\)"):
            make_transform(make_network())


class TestImages:
    def test_every_kind_gives_the_same(self, photo):
        transform = make_transform(adapted(), size=32, resize=40)
        expected = transform(photo)
        image = PIL.Image.open(photo)
        kinds = [str(photo), image, g2r.io.read(photo), CAMERA, CAMERA[..., None],
            torch.from_numpy(CAMERA), torch.from_numpy(CAMERA)[None], v2.functional.to_image(image),
            image.convert("RGB"), np.stack([CAMERA] * 3, -1)]  # fmt: skip
        for kind in kinds:
            assert torch.equal(transform(kind), expected)

    def test_deep_files_by_their_range(self, tmp_path):
        """The right levels, and not the upper byte."""
        deep = CAMERA.astype(np.uint16) * 257
        deep[CAMERA > 9] -= 3
        PIL.Image.fromarray(deep).save(tmp_path / "deep.png")
        found = make_transform(adapted())(tmp_path / "deep.png")[0]
        np.testing.assert_allclose(found, deep / 65535, atol=1e-6)

    def test_a_range_that_is_stated(self):
        deep = CAMERA.astype(np.uint16) * 16
        with pytest.raises(LevelsError, match=r"make_transform\(network, value_range=\(lo, hi\)\)"):
            make_transform(adapted())(deep)
        transform = make_transform(adapted(), value_range=(0, 4080))
        np.testing.assert_allclose(transform(deep)[0], CAMERA / 255, atol=1e-6)
        image = PIL.Image.fromarray(deep)
        assert torch.equal(transform(image), transform(deep))

    def test_color_is_refused(self, tmp_path):
        PIL.Image.fromarray(skimage.data.astronaut()).save(tmp_path / "color.png")
        with pytest.raises(ChannelError, match=r'make_transform\(network, weights="luma"\)'):
            make_transform(adapted())(tmp_path / "color.png")
        found = make_transform(adapted(), weights="luma")(tmp_path / "color.png")[0]
        expected = np.asarray(PIL.Image.fromarray(skimage.data.astronaut()).convert("L"))
        np.testing.assert_allclose(found, expected / 255, atol=1e-6)

    def test_alpha(self):
        pixels = np.stack([CAMERA] * 3 + [np.full_like(CAMERA, 255)], -1)
        image = PIL.Image.fromarray(pixels)
        for given in (pixels, image):
            with pytest.raises(ChannelError, match='alpha="drop"'):
                make_transform(adapted())(given)
            for alpha in ("drop", (0, 0, 0)):
                found = make_transform(adapted(), alpha=alpha)(given)[0]
                np.testing.assert_allclose(found, CAMERA / 255, atol=1e-6)

    @pytest.mark.parametrize(
        "image", [torch.zeros(2, 1, 8, 8), torch.zeros(8), np.zeros((2, 1, 8, 8), np.float32)]
    )
    def test_several_images(self, image):
        with pytest.raises(LayoutError):
            make_transform(adapted())(image)

    @pytest.mark.parametrize("size", [None, 8])
    @pytest.mark.parametrize(
        "image", [np.zeros((0, 4), np.uint8), np.zeros((4, 0), np.float32), torch.zeros(1, 0, 4)]
    )
    def test_no_pixels(self, image, size):
        with pytest.raises(LayoutError, match="this image has no pixels"):
            make_transform(adapted(), size=size)(image)

    def test_not_finite(self):
        with pytest.raises(LevelsError):
            make_transform(adapted())(np.full((8, 8), np.nan, np.float32))

    def test_bool(self):
        found = make_transform(adapted())(CAMERA > 100)
        np.testing.assert_array_equal(found[0], CAMERA > 100)


class TestNetworks:
    @pytest.mark.parametrize(
        ("options", "limits", "text"),
        [
            ({"value_range": (0, 255)}, (0, 255), "values 0 to 255"),
            ({"value_range": (-1, 1)}, (-1, 1), "values -1 to 1"),
            ({"normalized": (0.5, 0.25)}, (-2, 2), "normalized by 0.5 and 0.25"),
        ],
    )
    def test_the_range_of_the_network(self, options, limits, text):
        transform = make_transform(adapted(**options))
        lo, hi = limits
        np.testing.assert_allclose(transform(CAMERA)[0], lo + (hi - lo) * (CAMERA / 255), atol=1e-4)
        assert text in repr(transform)

    @pytest.mark.parametrize("how", ["collapse", "expand", "learned"])
    def test_the_outputs_are_those_of_the_original_pipeline(self, photo, how):
        weights = tv.ResNet50_Weights.DEFAULT
        model = make_network()
        network = adapt(model, weights, how=how, example=16)
        expected = model(weights.transforms()(PIL.Image.open(photo).convert("RGB"))[None])
        for transform in (make_transform(network), network.transform()):
            found = network(transform(photo)[None])
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
    def test_dtypes(self, dtype):
        assert make_transform(adapted().to(dtype))(CAMERA).dtype == dtype

    @pytest.mark.parametrize(
        ("shape", "expected"), [("N, 3, H, W", (1, 400, 480)), ("N, 3, 24, 40", (1, 24, 40))]
    )
    def test_onnx(self, tmp_path, shape, expected):
        from onnx import numpy_helper, save

        text = f"""<ir_version: 8, opset_import: ["": 17]>
            net (float[{shape}] x) => (float[N, 8, P, Q] y) {{ y = Conv (x, w) }}"""
        model = parser.parse_model(text)
        kernel = np.random.default_rng(0).standard_normal((8, 3, 3, 3)).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(kernel, "w"))
        gray = adapt(model, "imagenet", value_range=(0, 255))
        save(gray, tmp_path / "gray.onnx")
        for network in (gray, tmp_path / "gray.onnx"):
            found = make_transform(network)(CAMERA)
            assert found.shape == expected
            assert found.dtype == np.float32
            assert found.max() > 200
        if "24" in shape:
            with pytest.raises(OptionError, match="takes images of 24 x 40"):
                make_transform(gray, size=32)

    def test_in_a_compose_and_in_workers(self, photo):
        transform = make_transform(adapted(tv.ResNet50_Weights.DEFAULT))
        copy = pickle.loads(pickle.dumps(transform))
        assert torch.equal(copy(photo), transform(photo))
        assert repr(copy) == repr(transform)
        assert len(pickle.dumps(transform)) < 2000  # none of the network's weights
        pipeline = v2.Compose([transform, v2.RandomHorizontalFlip(1.0)])
        assert torch.equal(pipeline(photo), transform(photo).flip(-1))
