"""Tests of ToRGB and ToUint8 in real Compose pipelines, folders and loaders."""

import copy
import pickle
from dataclasses import dataclass

import numpy as np
import pytest

import graytorgb as g2r

from ..support import needs, random_bits

needs("torchvision", "pillow", "skimage")

import skimage.data  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402
from torchvision import datasets, tv_tensors  # noqa: E402
from torchvision import transforms as v1  # noqa: E402
from torchvision.transforms import v2  # noqa: E402

from graytorgb.transforms import ToRGB, ToUint8  # noqa: E402


def pil_gray():
    return Image.fromarray(skimage.data.camera()[:40, :50].copy())


@pytest.mark.parametrize("compose", [v1.Compose, v2.Compose], ids=["v1", "v2"])
class TestCompose:
    def test_before_to_tensor(self, compose):
        result = compose([ToRGB(), v1.ToTensor()])(pil_gray())
        assert result.shape == (3, 40, 50)
        assert torch.equal(result[0], result[2])

    def test_after_to_tensor(self, compose):
        before = compose([ToRGB(), v1.ToTensor()])(pil_gray())
        assert torch.equal(compose([v1.ToTensor(), ToRGB()])(pil_gray()), before)

    def test_around_to_image(self, compose):
        before = compose([ToRGB(), v2.ToImage()])(pil_gray())
        after = compose([v2.ToImage(), ToRGB()])(pil_gray())
        assert type(before) is type(after) is tv_tensors.Image
        assert torch.equal(before, after)

    def test_with_normalize(self, compose):
        steps = [ToRGB(), v1.ToTensor(), v1.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]
        result = compose(steps)(pil_gray())
        gray = np.asarray(pil_gray(), np.float64) / 255
        for c, (m, s) in enumerate(zip([0.485, 0.456, 0.406], [0.229, 0.224, 0.225], strict=True)):
            np.testing.assert_allclose(result[c], (gray - m) / s, atol=1e-6)

    def test_16_bits(self, compose):
        deep = skimage.data.camera().astype(np.uint16) * 257
        result = compose([ToUint8("dtype"), ToRGB()])(Image.fromarray(deep))
        np.testing.assert_array_equal(np.asarray(result)[..., 1], skimage.data.camera())

    def test_arrays_on_their_own(self, compose):
        result = compose([ToUint8((0, 4095)), ToRGB()])(np.full((5, 6), 4095, np.uint16))
        assert isinstance(result, np.ndarray)
        assert result.shape == (5, 6, 3)
        assert (result == 255).all()


class TestTensors:
    @pytest.mark.parametrize(
        ("shape", "result"),
        [
            ((1, 5, 6), (3, 5, 6)),
            ((3, 5, 6), (3, 5, 6)),
            ((5, 6), (3, 5, 6)),
            ((8, 1, 5, 6), (8, 3, 5, 6)),
            ((2, 4, 1, 5, 6), (2, 4, 3, 5, 6)),
            ((1, 1, 1), (3, 1, 1)),
            ((0, 1, 5, 6), (0, 3, 5, 6)),
            ((3, 1, 1), (3, 1, 1)),
            ((3, 3, 3), (3, 3, 3)),
        ],
    )
    def test_are_c_h_w(self, shape, result):
        assert ToRGB()(torch.zeros(shape)).shape == result

    @pytest.mark.parametrize("shape", [(5, 8, 8), (64, 224, 224)])
    def test_another_count_of_channels_is_an_error(self, shape):
        with pytest.raises(g2r.ChannelError, match='to_rgb\\(x, "NHW"\\)'):
            ToRGB()(torch.zeros(shape))

    def test_alpha(self):
        x = torch.randint(0, 256, (4, 5, 6), dtype=torch.uint8)
        with pytest.raises(g2r.ChannelError):
            ToRGB()(x)
        assert torch.equal(ToRGB(alpha="drop")(x), x[:3])
        assert ToRGB(alpha=(0, 0, 0))(x).shape == (3, 5, 6)


class TestSamples:
    def sample(self):
        return {
            "image": tv_tensors.Image(torch.randint(0, 255, (1, 5, 6), dtype=torch.uint8)),
            "views": [pil_gray(), (tv_tensors.Video(torch.zeros(4, 1, 5, 6)), "caption")],
            "mask": tv_tensors.Mask(torch.zeros(1, 5, 6, dtype=torch.uint8)),
            "boxes": tv_tensors.BoundingBoxes([[0, 0, 2, 2]], format="XYXY", canvas_size=(5, 6)),
            "feature": torch.zeros(1, 5, 6),
            "labels": np.zeros((1, 5)),
            "label": 3,
            "name": "x.png",
            "none": None,
        }

    @pytest.mark.parametrize("transform", [ToRGB(), v2.Compose([ToUint8((0, 255)), ToRGB()])])
    def test_images_and_videos_and_nothing_else(self, transform):
        sample = self.sample()
        result = transform(sample)
        assert result["image"].shape == (3, 5, 6)
        assert result["views"][0].mode == "RGB"
        assert type(result["views"][1][0]) is tv_tensors.Video
        assert result["views"][1][0].shape == (4, 3, 5, 6)
        for key in ("mask", "boxes", "feature", "labels", "label", "name", "none"):
            assert result[key] is sample[key], key

    def test_two_arguments_are_a_sample(self):
        image, label = ToRGB()(torch.zeros(1, 5, 6), 7)
        assert image.shape == (3, 5, 6)
        assert label == 7

    def test_the_first_plain_tensor_is_the_image(self):
        image, other = ToRGB()((torch.zeros(1, 5, 6), torch.zeros(1, 5, 6)))
        assert (image.shape, other.shape) == ((3, 5, 6), (1, 5, 6))

    def test_an_array_beside_a_label_is_an_error(self):
        for transform in (ToRGB(), ToUint8((0, 1))):
            with pytest.raises(g2r.DtypeError, match=r"v2\.ToImage\(\)"):
                transform((np.zeros((5, 6)), 3))

    def test_an_array_before_a_mask_is_an_error(self):
        with pytest.raises(g2r.DtypeError, match=r"v2\.ToImage\(\)"):
            ToRGB()((np.zeros((5, 6)), torch.zeros(1, 5, 6)))
        image, boxes = ToRGB()((torch.zeros(1, 5, 6), np.zeros((2, 4))))
        assert (image.shape, boxes.shape) == ((3, 5, 6), (2, 4))

    @pytest.mark.parametrize("hidden", ["dict", "list", "dataclass"])
    def test_what_torchvision_does_not_look_into_is_an_error(self, hidden):
        @dataclass
        class Sample:
            image: torch.Tensor

        image = torch.zeros(1, 5, 6)
        kinds = {
            "dict": type("Dict", (dict,), {})(image=image),
            "list": type("List", (list,), {})([image]),
            "dataclass": Sample(image),
        }
        for sample in (kinds[hidden], (kinds[hidden], 3)):
            with pytest.raises(g2r.DtypeError):
                ToRGB()(sample)

    def test_beside_an_image_they_are_the_rest(self):
        @dataclass
        class Info:
            patient: str

        for info in (Info("x"), type("Dict", (dict,), {})(a=1), np.array(3), np.zeros(4)):
            for image in (torch.zeros(1, 5, 6), tv_tensors.Image(torch.zeros(1, 5, 6))):
                converted, same = ToRGB()((image, info))
                assert same is info
                assert converted.shape == (3, 5, 6)
        assert ToRGB()((np.array(3), torch.zeros(1, 5, 6)))[1].shape == (3, 5, 6)

    def test_nothing(self):
        with pytest.raises(g2r.DtypeError, match="ToRGB takes an image or a sample"):
            ToRGB()()

    def test_a_sample_without_images_is_left_alone(self):
        mask = tv_tensors.Mask(torch.zeros(1, 5, 6))
        assert ToRGB()(mask) is mask
        assert ToRGB()({"label": 3}) == {"label": 3}

    @pytest.mark.parametrize("wrong", ["x.png", None, 3, b""])
    def test_what_is_no_sample_is_an_error(self, wrong):
        for transform in (ToRGB(), ToUint8((0, 1))):
            with pytest.raises(g2r.DtypeError, match="expected an image"):
                transform(wrong)


class TestObjects:
    def test_a_range_that_is_known(self):
        gray = random_bits((1, 6, 7), np.uint8)
        for x in (gray, np.float32(gray / np.float32(255))):
            assert np.array_equal(ToUint8()(torch.from_numpy(x)).numpy(), gray)
            assert np.array_equal(ToUint8()(x[0]), gray[0])
        with pytest.raises(g2r.LevelsError, match=r"value_range=\(0, 4095\)"):
            ToUint8()(Image.fromarray(gray[0].astype(np.uint16)))

    def test_what_io_read_gives_brings_its_range(self, tmp_path):
        deep = random_bits((6, 7), np.uint16) >> 4
        Image.fromarray(deep).save(tmp_path / "scan.png")
        file = g2r.io.read(tmp_path / "scan.png", value_range=(0, 4095))
        result = v2.Compose([ToUint8(), ToRGB(), v2.ToImage()])(file)
        gray = torch.from_numpy(g2r.to_uint8(deep, (0, 4095)))
        assert torch.equal(result, gray.expand(3, -1, -1))
        assert np.array_equal(ToRGB()(file)[..., 2], deep)

    def test_repr(self):
        assert repr(ToRGB()) == "ToRGB(backend='auto', copy=None, alpha='error')"
        assert repr(ToRGB(backend="fill", copy=True, alpha=(0, 0, 1))) == (
            "ToRGB(backend='fill', copy=True, alpha=(0, 0, 1))"
        )
        assert repr(ToUint8(("percentile", 1, 99))) == "ToUint8(value_range=('percentile', 1, 99))"

    @pytest.mark.parametrize("clone", [copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
    def test_copies(self, clone):
        x = torch.arange(30, dtype=torch.int16).reshape(1, 5, 6)
        for transform in (ToRGB(backend="fill", alpha="drop"), ToUint8((0, 29))):
            again = clone(transform)
            assert repr(again) == repr(transform)
            assert torch.equal(again(x), transform(x))

    def test_mistakes_are_told_on_construction(self):
        with pytest.raises(g2r.UnknownBackend):
            ToRGB(backend="openvc")
        with pytest.raises(g2r.ChannelError):
            ToRGB(alpha="dorp")
        with pytest.raises(g2r.LayoutError):
            ToRGB(copy="no")
        with pytest.raises(g2r.LayoutError):
            ToRGB(backend="fill", copy=False)
        with pytest.raises(g2r.LevelsError):
            ToUint8((1, 0))

    def test_backend_and_copy_are_used(self):
        x = torch.zeros(1, 5, 6)
        assert ToRGB(backend="broadcast")(x).stride() == (0, 6, 1)
        assert ToRGB(copy=False)(x).data_ptr() == x.data_ptr()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Write a realistic image folder: L, RGB, LA, P, 1 and 16-bit PNG files of real photos."""
    root = tmp_path_factory.mktemp("folder")
    camera = skimage.data.camera()[100:164, 200:264].copy()
    astronaut = skimage.data.astronaut()[:64, :64].copy()
    gray = Image.fromarray(camera)
    opacity = Image.fromarray(random_bits((64, 64), np.uint8))
    images = {
        "L": gray,
        "RGB": Image.fromarray(astronaut),
        "LA": Image.merge("LA", (gray, opacity)),
        "P": Image.fromarray(astronaut).quantize(64),
        "1": gray.convert("1"),
        "I;16": Image.fromarray(camera.astype(np.uint16) * 257),
    }
    for mode, image in images.items():
        path = root / "AB"[len(mode) % 2] / f"{mode.replace(';', '')}.png"
        path.parent.mkdir(exist_ok=True)
        image.save(path)
    return root


def open_as_it_is(path):
    """ImageFolder's own loader converts to RGB, which destroys 16-bit files."""
    image = Image.open(path)
    image.load()
    return image


PIPELINE = [ToUint8("dtype"), ToRGB(alpha="drop"), v2.ToImage(), v2.ToDtype(torch.float32, True)]


class TestFolder:
    def dataset(self, folder):
        return datasets.ImageFolder(folder, v2.Compose(PIPELINE), loader=open_as_it_is)

    def test_every_mode(self, folder):
        dataset = self.dataset(folder)
        names = [path.rsplit("/", 1)[1] for path, _ in dataset.samples]
        images = {name: image for name, (image, _) in zip(names, dataset, strict=True)}
        assert len(images) == 6
        assert all(image.shape == (3, 64, 64) for image in images.values())
        for same in ("LA.png", "I16.png"):  # the same photo, with alpha and with 16 bits
            assert torch.equal(images[same], images["L.png"])
        assert set(images["1.png"].unique().tolist()) == {0, 1}
        assert not torch.equal(images["RGB.png"][0], images["RGB.png"][1])
        assert (images["P.png"] - images["RGB.png"]).abs().mean() < 0.05

    def test_16_bit_files_keep_what_imagefolder_loses(self, folder):
        ours = {
            p: x
            for (p, _), (x, _) in zip(
                self.dataset(folder).samples, self.dataset(folder), strict=True
            )
        }
        plain = datasets.ImageFolder(folder, v2.Compose([v2.RGB(), v2.ToImage()]))
        for (path, _), (image, _) in zip(plain.samples, plain, strict=True):
            if path.endswith("I16.png"):
                assert len(image.unique()) < 5  # clipped in silence
                assert len(ours[path].unique()) > 100

    @pytest.mark.slow
    @pytest.mark.parametrize(("method", "workers"), [("fork", 2), ("spawn", 1)])
    @pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
    def test_data_loader_workers(self, folder, method, workers):
        dataset = self.dataset(folder)
        loader = DataLoader(
            dataset, batch_size=4, num_workers=workers, multiprocessing_context=method
        )
        batches = list(loader)
        assert [len(labels) for _, labels in batches] == [4, 2]
        together = torch.cat([images for images, _ in batches])
        assert torch.equal(together, torch.stack([image for image, _ in dataset]))


@pytest.mark.slow
class TestCompile:
    """fullgraph=True fails at a graph break."""

    @pytest.fixture(autouse=True)
    def fresh_compiler(self):
        """Reset torch's compiler, which compiles a function at most 8 times in a process."""
        torch.compiler.reset()

    @pytest.mark.parametrize("shape", [(1, 5, 6), (4, 1, 5, 6), (3, 5, 6)])
    def test_to_rgb(self, shape):
        x = torch.rand(shape)
        compiled = torch.compile(ToRGB(), fullgraph=True)
        assert torch.equal(compiled(x), ToRGB()(x))
        assert compiled(x).is_contiguous()

    @pytest.mark.parametrize(
        "policy", [(0, 4095), "dtype", "minmax", ("percentile", 1, 99)], ids=str
    )
    def test_to_uint8(self, policy):
        x = torch.randint(0, 4096, (4, 1, 5, 6), dtype=torch.int16)
        compiled = torch.compile(v2.Compose([ToUint8(policy), ToRGB()]), fullgraph=True)
        assert torch.equal(compiled(x), ToRGB()(ToUint8(policy)(x)))

    def test_alpha_on_a_background(self):
        x = torch.randint(0, 256, (2, 4, 5, 6), dtype=torch.uint8)
        transform = ToRGB(alpha=(10, 20, 30))
        assert torch.equal(torch.compile(transform, fullgraph=True)(x), transform(x))

    def test_a_named_backend_gives_way_to_the_graph(self):
        x = torch.rand(4, 1, 5, 6)
        compiled = torch.compile(ToRGB(backend="fill"), fullgraph=True)
        assert torch.equal(compiled(x), ToRGB()(x))

    def test_a_changed_range_is_used(self):
        transform = ToUint8((0, 100))
        compiled = torch.compile(transform, fullgraph=True)
        x = torch.full((1, 5, 6), 10, dtype=torch.int16)
        assert compiled(x).unique().tolist() == [26]
        transform.value_range = (0, 10)
        assert compiled(x).unique().tolist() == [255]

    def test_errors_come_through(self):
        compiled = torch.compile(ToUint8((0, 1)), fullgraph=True)
        with pytest.raises(g2r.LevelsError, match="NaN"):
            compiled(torch.full((1, 5, 6), torch.nan))

    def test_the_operation_is_well_formed(self):
        x = torch.randint(0, 4096, (1, 5, 6), dtype=torch.int16)
        torch.library.opcheck(torch.ops.graytorgb.to_uint8.default, (x, "(0, 4095)"))
