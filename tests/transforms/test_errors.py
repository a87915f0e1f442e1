"""Tests of what the transforms say of an image that can't be converted, and of files from io.read.

The calls in a message are those of the place: a transform in the Compose, and not a verb.
"""

from pathlib import Path

import numpy as np
import pytest

from ..support import needs, needs_package

needs("torchvision")
needs_package("albumentations")

import albumentations as A  # noqa: E402
import PIL.Image  # noqa: E402
import torch  # noqa: E402
from torchvision import tv_tensors  # noqa: E402
from torchvision.transforms import v2  # noqa: E402

import graytorgb as g2r  # noqa: E402
import graytorgb.albumentations as of_albumentations  # noqa: E402
from graytorgb.core.image_file import ImageFile  # noqa: E402
from graytorgb.models import adapt, verify  # noqa: E402
from graytorgb.transforms import Prepare, PrepareBatch, ToGray, ToRGB, ToUint8  # noqa: E402

DEEP = np.random.default_rng(0).integers(0, 4096, (6, 7), dtype=np.uint16)
TRANSFORMS = (ToRGB(), ToGray(), ToUint8(), Prepare("imagenet"))
OF_ALBUMENTATIONS = (
    of_albumentations.ToRGB(),
    of_albumentations.ToGray(),
    of_albumentations.ToUint8(),
    of_albumentations.Prepare("imagenet"),
)
CHOICES = ("value_range=", '"dtype"', '"minmax"', '("percentile", ')
NO_IMAGES = {
    "a failed cv2.imread": (None, "cv2.imread(path) returns None"),
    "a path": ("a.png", "not a path, 'a.png': g2r.io.read(path)"),
    "a Path": (Path("a.png"), "not a path, 'a.png': g2r.io.read(path)"),
    "a file's bytes": (b"\x89PNG\r\n", "g2r.io.decode(data)"),
}
no_images = pytest.mark.parametrize(("given", "says"), NO_IMAGES.values(), ids=NO_IMAGES)
each = pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda t: type(t).__name__)
each_of_albumentations = pytest.mark.parametrize(
    "transform", OF_ALBUMENTATIONS, ids=lambda t: type(t).__name__
)


def make_file(array=DEEP, value_range=(0, 4095), layout="HW"):
    return ImageFile(Path("x.png"), array, layout, value_range, "a test", "PNG", "gray")


def read_message(call, *arguments, error=g2r.GrayToRGBError, **options):
    """Return the first line of the error that a call raises."""
    with pytest.raises(error) as caught:
        call(*arguments, **options)
    return str(caught.value).partition("\n")[0]


class TestNoImages:
    @each
    @no_images
    def test_alone_and_in_a_compose(self, transform, given, says):
        for call in (transform, v2.Compose([transform, v2.Identity()])):
            assert says in read_message(call, given, error=g2r.DtypeError)

    @each
    @no_images
    def test_first_in_a_sample(self, transform, given, says):
        for sample in ((given, 3), [given], {"image": given, "label": 3}):
            message = read_message(transform, sample, error=g2r.DtypeError)
            assert message.startswith("expected an image first in a sample, not ")
            assert says in message

    @each
    def test_beside_an_image_they_are_the_rest(self, transform):
        image = torch.zeros(1, 6, 7)
        for given, _ in NO_IMAGES.values():
            assert transform((image, given))[1] is given
            assert transform((given, image))[0] is given

    @no_images
    def test_in_a_batch(self, given, says):
        assert says in read_message(PrepareBatch("imagenet"), [(given, 3)], error=g2r.DtypeError)

    @each_of_albumentations
    @no_images
    def test_in_albumentations(self, transform, given, says):
        for targets in ({"image": given}, {"images": [given]}):
            message = read_message(transform, error=g2r.DtypeError, **targets)
            assert says.replace("path)", "path).array").replace("data)", "data).array") in (
                message.replace("imread(path) ", "imread(path).array ")
            )
            name = "image" if "image" in targets else "images"
            assert message.startswith(f"{name}= takes numpy arrays in albumentations, not ")

    @each_of_albumentations
    def test_files_and_pil_images_in_albumentations(self, transform):
        message = read_message(transform, image=make_file(), error=g2r.DtypeError)
        assert "ToUint8(file.value_range)" in message
        deep = read_message(transform, image=PIL.Image.fromarray(DEEP), error=g2r.DtypeError)
        assert "np.asarray(image), and ToUint8((lo, hi)) makes 8 bits of mode I;16" in deep
        plain = read_message(transform, image=PIL.Image.new("L", (7, 6)), error=g2r.DtypeError)
        assert plain.endswith("np.asarray(image)")


class TestDeepImages:
    @pytest.mark.parametrize("mode", ["I;16", "I;16B", "I", "F"])
    def test_to_rgb_names_to_uint8(self, mode):
        image = PIL.Image.new(mode, (7, 6))
        for call, given in ((ToRGB(), image), (v2.Compose([ToRGB(), v2.ToImage()]), (image, 3))):
            message = read_message(call, given, error=g2r.DtypeError)
            assert "put ToUint8((lo, hi)) before ToRGB() in the Compose" in message
            assert all(choice in message for choice in CHOICES[1:])
            assert f"mode {mode!r}" in message
        assert v2.Compose([ToUint8((0, 4095)), ToRGB()])(image).mode == "RGB"

    @pytest.mark.parametrize(
        ("transform", "call"),
        [
            (ToUint8(), "ToUint8((lo, hi))"),
            (Prepare("imagenet"), "Prepare(stats, value_range=(lo, hi))"),
        ],
    )
    def test_a_range_that_is_missing(self, transform, call):
        for image in (PIL.Image.fromarray(DEEP), DEEP, torch.from_numpy(DEEP)[None]):
            for given in (image, (image, 3))[: 1 if image is DEEP else 2]:
                message = read_message(transform, given, error=g2r.LevelsError)
                assert message.endswith(f"Here: {call}")
                assert all(choice in message for choice in CHOICES)

    @pytest.mark.parametrize(("channels", "first"), [(3, "stats"), (1, "channels=1")])
    def test_a_range_that_a_batch_lacks(self, channels, first):
        collate = PrepareBatch("imagenet" if channels == 3 else None, channels=channels)
        for image in (PIL.Image.fromarray(DEEP), make_file(value_range=None)):
            message = read_message(collate, [image], error=g2r.LevelsError)
            assert message.endswith(f"Here: PrepareBatch({first}, value_range=(lo, hi))")
            assert all(choice in message for choice in CHOICES)

    @pytest.mark.parametrize(
        ("transform", "call"),
        [
            (OF_ALBUMENTATIONS[2], "ToUint8((lo, hi))"),
            (OF_ALBUMENTATIONS[3], "Prepare(stats, value_range=(lo, hi))"),
        ],
    )
    def test_a_range_that_is_missing_in_albumentations(self, transform, call):
        for pipeline in (transform, A.Compose([transform])):
            message = read_message(pipeline, image=DEEP, error=g2r.LevelsError)
            assert message.endswith(f"Here: {call}")
            assert all(choice in message for choice in CHOICES)


class TestAlpha:
    rgba = np.zeros((6, 7, 4), np.uint8)

    @pytest.mark.parametrize("transform", [ToRGB(), ToGray(), Prepare("imagenet")])
    def test_the_call_is_a_transforms(self, transform):
        for image in (PIL.Image.fromarray(self.rgba), torch.zeros(4, 6, 7)):
            message = read_message(transform, image, error=g2r.ChannelError)
            assert 'Here: ToRGB(alpha="drop") or ToRGB(alpha=(r, g, b)), first' in message
            v2.Compose([ToRGB(alpha="drop"), transform])(image)

    def test_in_a_batch(self):
        image = PIL.Image.fromarray(self.rgba)
        message = read_message(PrepareBatch("imagenet"), [image], error=g2r.ChannelError)
        assert 'Here: ToRGB(alpha="drop") in the dataset\'s transform' in message

    def test_in_albumentations(self):
        for transform in (OF_ALBUMENTATIONS[0], OF_ALBUMENTATIONS[1], OF_ALBUMENTATIONS[3]):
            message = read_message(transform, image=self.rgba, error=g2r.ChannelError)
            assert 'Here: ToRGB(alpha="drop"), first in the A.Compose' in message


def test_an_array_whose_axes_are_not_known():
    message = read_message(ToRGB(), np.zeros((3, 6, 7)), error=g2r.LayoutError)
    assert "Here: a tensor, whose axes are known, torch.from_numpy(x)" in message
    assert ToRGB()(torch.zeros(3, 6, 7)[:, None]).shape == (3, 3, 6, 7)


class TestFiles:
    """What io.read gives: it brings its layout and its range into a Compose."""

    def test_on_its_own_it_becomes_an_array(self):
        assert np.array_equal(ToRGB()(make_file()), g2r.to_rgb(DEEP))
        assert np.array_equal(ToGray()(make_file()), DEEP)
        assert np.array_equal(ToUint8()(make_file()), g2r.to_uint8(DEEP, (0, 4095)))
        prepared = g2r.prepare(DEEP, "imagenet", value_range=(0, 4095))
        assert np.array_equal(Prepare("imagenet")(make_file()), prepared)

    @pytest.mark.parametrize(
        ("layout", "shape"),
        [("HW", (6, 7)), ("HWC", (6, 7, 3)), ("CHW", (3, 6, 7)), ("NHW", (3, 6, 7)),
         ("NHWC", (2, 6, 7, 3)), (None, (6, 7))],
    )  # fmt: skip
    def test_in_a_sample_it_becomes_an_image(self, layout, shape):
        array = np.random.default_rng(1).integers(0, 4096, shape, dtype=np.uint16)
        file = make_file(array, layout=layout)
        pipeline = v2.Compose([ToUint8(), ToRGB(), v2.ToDtype(torch.float32, scale=True)])
        image, label = pipeline((file, 3))
        leading = (layout or "HW").strip("HWC")
        rgb = g2r.to_rgb(g2r.to_uint8(array, (0, 4095)), f"{layout or 'HW'}->{leading}CHW")
        assert label == 3
        assert type(image) is tv_tensors.Image
        assert torch.equal(image, v2.functional.to_dtype(torch.from_numpy(rgb), scale=True))
        prepared, _ = Prepare("imagenet")((file, 3))
        assert prepared.shape == image.shape
        assert ToGray()({"image": file})["image"].shape == (*shape[: len(leading)], 1, 6, 7)

    def test_axes_that_nothing_tells(self):
        file = make_file(np.zeros((5, 6, 7), np.uint16), layout=None)
        for given in (file, (file, 3)):
            assert "say the layout" in read_message(ToRGB(), given, error=g2r.LayoutError)

    @pytest.mark.parametrize("channels", [3, 1])
    def test_in_a_batch_each_has_its_own_range(self, channels):
        files = [make_file(), make_file(value_range=(0, 8191)), make_file(value_range="minmax")]
        collate = PrepareBatch("0..1" if channels == 3 else None, channels=channels)
        batch, labels = collate([(file, k) for k, file in enumerate(files)])
        assert labels.tolist() == [0, 1, 2]
        for file, image in zip(files, batch, strict=True):
            expected = g2r.prepare(file, "0..1", "HW->CHW")[:channels]
            assert np.array_equal(image.numpy(), expected)

    def test_in_a_batch_a_range_that_is_stated_comes_first(self):
        batch = PrepareBatch("0..1", value_range=(0, 8191))([make_file()])
        expected = g2r.prepare(DEEP, "0..1", "HW->CHW", value_range=(0, 8191))
        assert np.array_equal(batch[0].numpy(), expected)

    def test_in_a_batch_of_bytes(self):
        gray = np.random.default_rng(2).integers(0, 256, (6, 7), dtype=np.uint8)
        files = [make_file(gray, (0, 255))] * 2
        batch = PrepareBatch(channels=1, dtype=torch.uint8)(files)
        assert np.array_equal(batch.numpy(), np.stack([gray, gray])[:, None])
        pictures = [PIL.Image.fromarray(gray)] * 2
        assert torch.equal(PrepareBatch("imagenet")(files), PrepareBatch("imagenet")(pictures))


@pytest.fixture(scope="module")
def networks():
    color = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.ReLU())
    return color, adapt(color, "imagenet")


class TestVerify:
    """The images of a proof are arrays; for files the message names the transform that reads."""

    @no_images
    def test_no_images(self, networks, given, says):
        for images in (given, [given]):
            message = read_message(verify, *networks, images, seconds=0)
            assert says in message
            assert "make_transform(adapted)(file) makes the network's input" in message

    def test_files_and_pil_images(self, networks, tmp_path):
        for image in (make_file(), PIL.Image.new("L", (7, 6))):
            for images in (image, [image]):
                message = read_message(verify, *networks, images, seconds=0)
                assert "make_transform(adapted)(file)" in message
        path = tmp_path / "x.png"
        PIL.Image.fromarray((DEEP >> 4).astype(np.uint8)).save(path)
        read = g2r.models.make_transform(networks[1])
        for file in (path, g2r.io.read(path), PIL.Image.open(path)):
            assert verify(*networks, [read(file)], seconds=0).passed
