"""Tests of Prepare in real Compose pipelines, and of PrepareBatch in real loaders."""

import copy
import pickle

import numpy as np
import pytest

import graytorgb as g2r

from ..support import needs, random_bits

needs("torchvision", "pillow", "skimage")

import skimage.data  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402
from torch.utils.data import DataLoader, Dataset, default_collate  # noqa: E402
from torchvision import datasets, tv_tensors  # noqa: E402
from torchvision import transforms as v1  # noqa: E402
from torchvision.transforms import v2  # noqa: E402

from graytorgb.transforms import Prepare, PrepareBatch  # noqa: E402

IMAGENET = g2r.stats("imagenet")
USUAL = v2.Compose(
    [v2.ToImage(), v2.RGB(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(*IMAGENET)]
)


def photo(mode="L"):
    image = Image.fromarray(skimage.data.astronaut()[:60, 100:170].copy())
    return image.convert(mode)


def close(result, want):
    return torch.allclose(
        result.as_subclass(torch.Tensor), want.as_subclass(torch.Tensor), rtol=0, atol=2e-6
    )


class TestPrepare:
    @pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
    @pytest.mark.parametrize("compose", [v1.Compose, v2.Compose], ids=["v1", "v2"])
    def test_is_what_it_replaces_for_pil(self, compose, mode):
        result = compose([Prepare(IMAGENET)])(photo(mode))
        assert type(result) is torch.Tensor
        assert result.dtype == torch.float32
        assert close(result, USUAL(photo(mode).convert("RGB")))

    @pytest.mark.parametrize("shape", [(1, 20, 30), (5, 1, 20, 30), (2, 5, 3, 20, 30), (20, 30)])
    def test_tensors_are_c_h_w(self, shape):
        x = torch.from_numpy(random_bits(shape, np.uint8))
        result = Prepare(IMAGENET)(x)
        want = USUAL.transforms[1:]
        want = v2.Compose(want)(x if len(shape) > 2 else x[None])
        assert result.shape == want.shape
        assert close(result, want)

    @pytest.mark.parametrize("kind", [tv_tensors.Image, tv_tensors.Video])
    def test_tv_tensors_stay(self, kind):
        x = kind(torch.from_numpy(random_bits((4, 1, 20, 30), np.uint8)))
        result = Prepare(IMAGENET)(x)
        assert type(result) is kind
        assert close(result, USUAL(x) if kind is tv_tensors.Image else USUAL(tv_tensors.Image(x)))

    def test_after_to_tensor_and_before_more(self):
        pipeline = v2.Compose([v1.ToTensor(), Prepare(IMAGENET), v2.CenterCrop(10)])
        assert close(pipeline(photo()), v2.CenterCrop(10)(USUAL(photo())))

    def test_16_bits(self):
        deep = skimage.data.camera().astype(np.uint16) * 16
        prepare = Prepare(IMAGENET, value_range=(0, 4080))
        want = USUAL(Image.fromarray(skimage.data.camera()))
        for image in (Image.fromarray(deep), torch.from_numpy(deep)[None]):
            assert close(prepare(image), want)
            with pytest.raises(g2r.LevelsError, match="doesn't tell how deep"):
                Prepare(IMAGENET)(image)

    def test_depth_that_was_lost_on_the_way(self):
        deep = Image.fromarray(np.array([[0, 40_000, 65_535]], np.uint16))
        for lost in (deep.convert("RGB"), v1.ToTensor()(deep), v2.PILToTensor()(photo())):
            with pytest.raises(g2r.LevelsError, match="lost when it was opened"):
                Prepare(IMAGENET, value_range=(0, 65_535))(lost)

    @pytest.mark.parametrize("name", ["float16", "bfloat16"])
    def test_dtypes_by_name(self, name):
        assert Prepare((0.5, 0.5), dtype=name)(photo()).dtype == getattr(torch, name)
        assert PrepareBatch((0.5, 0.5), dtype=name)([photo()]).dtype == getattr(torch, name)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.uint8])
    def test_dtypes(self, dtype):
        result = Prepare((0, 1 / 255), dtype=dtype)(photo())
        assert result.dtype == dtype
        assert (result.float() - v2.PILToTensor()(photo("RGB").convert("L"))).abs().max() <= 0.51

    @pytest.mark.parametrize("mode", ["LA", "RGBA"])
    def test_alpha(self, mode):
        with pytest.raises(g2r.ChannelError, match='alpha="drop"'):
            Prepare(IMAGENET)(photo(mode))

    def test_an_array_on_its_own_stays_one(self):
        result = Prepare(IMAGENET)(np.asarray(photo()))
        assert type(result) is np.ndarray
        assert result.shape == (60, 70, 3)

    def test_the_rest_of_a_sample_is_left_alone(self):
        mask = tv_tensors.Mask(torch.ones(60, 70, dtype=torch.uint8))
        boxes = tv_tensors.BoundingBoxes([[1, 2, 3, 4]], format="XYXY", canvas_size=(60, 70))
        sample = {"image": photo(), "mask": mask, "boxes": boxes, "label": 3}
        result = Prepare(IMAGENET)(sample)
        assert close(result["image"], USUAL(photo()))
        assert result["mask"] is mask
        assert result["boxes"] is boxes
        assert result["label"] == 3

    @pytest.mark.parametrize(
        "clone", [copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))]
    )
    def test_copies(self, clone):
        prepare = Prepare((0.5, 0.5), value_range="minmax", dtype=torch.float16)
        assert repr(clone(prepare)) == repr(prepare)
        assert torch.equal(clone(prepare)(photo()), prepare(photo()))

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"stats": ((0.5, 0.5), 0.5)}, g2r.LevelsError),
            ({"stats": (0.5, 0)}, g2r.LevelsError),
            ({"stats": "imagenett"}, g2r.OptionError),
            ({"mean": 0.5}, g2r.OptionError),
            ({"value_range": (1, 0)}, g2r.LevelsError),
            ({"value_range": "12 bit"}, g2r.LevelsError),
            ({"dtype": torch.float64}, g2r.DtypeError),
        ],
    )
    def test_mistakes_are_told_on_construction(self, options, error):
        for transform in (Prepare, PrepareBatch):
            with pytest.raises(error):
                transform(**{"stats": (0.5, 0.5), **options})

    @pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
    def test_compiles_into_one_graph(self, dtype):
        x = torch.from_numpy(random_bits((4, 1, 20, 30), np.uint8))
        x = x if dtype == torch.uint8 else x / 255
        prepare = Prepare(IMAGENET)
        torch.compiler.reset()  # it compiles a function for at most 8 callers in a process
        compiled = torch.compile(prepare, fullgraph=True, backend="eager")
        assert close(compiled(x), prepare(x))


class Photos(Dataset):
    """Gray images with their numbers as labels; picklable for spawned workers."""

    def __len__(self):
        return 10

    def __getitem__(self, index):
        return Image.fromarray(random_bits((30, 40), np.uint8, seed=index)), index


def expected(indices):
    images = [USUAL(Photos()[i][0]) for i in indices]
    return torch.stack([image.as_subclass(torch.Tensor) for image in images])


class TestPrepareBatch:
    @pytest.mark.parametrize(
        ("sample", "says"),
        [
            (np.ma.array(np.zeros((4, 4), np.uint8), mask=True), "mask would be lost"),
            (np.zeros((4, 4), np.uint8).view(np.recarray), "is a subclass of numpy.ndarray"),
            (np.zeros((4, 4), object), "numbers or bool, not dtype object"),
            (np.zeros((4, 4), np.longdouble), r"x\.astype\(np\.float32\)"),
            (torch.zeros(1, 4, 4).to_sparse(), r"x\.to_dense\(\)"),
        ],
    )
    def test_what_is_no_plain_array_or_tensor(self, sample, says):
        with pytest.raises(g2r.DtypeError, match=says):
            PrepareBatch(IMAGENET)([sample])

    def test_a_sample_that_needs_gradients_is_its_values(self):
        sample = torch.rand(1, 4, 4)
        expected = PrepareBatch(IMAGENET)([sample])
        assert torch.equal(PrepareBatch(IMAGENET)([sample.requires_grad_()]), expected)

    def test_is_prepare_and_collate(self):
        samples = [Photos()[i] for i in range(4)]
        images, labels = PrepareBatch(IMAGENET)(samples)
        want = default_collate([(Prepare(IMAGENET)(image), label) for image, label in samples])
        assert torch.equal(images, want[0])
        assert torch.equal(labels, want[1])

    def test_images_of_any_kind(self):
        gray = random_bits((30, 40), np.uint8)
        tensor = torch.from_numpy(gray)
        kinds = [gray, tensor, tensor[None], tv_tensors.Image(tensor), Image.fromarray(gray)]
        kinds.append(Image.fromarray(gray).convert("RGB"))
        batch = PrepareBatch(IMAGENET)(kinds)
        assert batch.shape == (6, 3, 30, 40)
        for image in batch:
            assert close(image, batch[0])

    def test_nested_samples(self):
        samples = [(*Photos()[i], {"name": str(i), "box": [i, i]}) for i in range(3)]
        _, labels, more = PrepareBatch(IMAGENET)(samples)
        assert labels.tolist() == [0, 1, 2]
        assert more["name"] == ["0", "1", "2"]

    def test_memory_that_is_held_is_never_used_again(self):
        collate = PrepareBatch(IMAGENET)
        held = [collate([Photos()[i]])[0] for i in range(6)]
        for i, batch in enumerate(held):
            assert close(batch, expected((i,)))
        view = held[-1][0, 1:, 5:]
        want, where = view.clone(), held[-1].data_ptr()
        del held, batch
        again = [collate([Photos()[i]])[0] for i in range(6)]
        assert torch.equal(view, want)
        assert where not in {batch.data_ptr() for batch in again}

    def test_memory_that_nothing_holds_is_used_again(self):
        collate = PrepareBatch(IMAGENET)
        places = set()
        for i in range(8):
            images, _ = collate([Photos()[i], Photos()[i + 1]] if i < 7 else [Photos()[i]])
            assert close(images[:1], expected((i,)))
            places.add(images.data_ptr())
        assert len(places) == 2

    def test_batches_that_are_kept_stay(self):
        loader = DataLoader(Photos(), 2, collate_fn=PrepareBatch(IMAGENET))
        everything = torch.cat([images for images, _ in list(loader)])
        assert close(everything, expected(range(10)))

    def test_a_copy_for_a_worker_holds_no_batches(self):
        collate = PrepareBatch(IMAGENET)
        before = len(pickle.dumps(collate))
        collate([Photos()[0]])
        assert len(pickle.dumps(collate)) == before

    def test_no_buffers(self):
        collate = PrepareBatch(IMAGENET, buffers=0)
        batches = [collate([Photos()[i]])[0] for i in range(6)]
        assert len({batch.data_ptr() for batch in batches}) == 6

    @pytest.mark.parametrize(("method", "workers"), [(None, 0), ("fork", 2), ("spawn", 1)])
    def test_loader(self, workers, method):
        """Every batch of an epoch is right when it is read; with workers it stays right."""
        loader = DataLoader(
            Photos(),
            batch_size=3,
            num_workers=workers,
            multiprocessing_context=method,
            persistent_workers=bool(workers),  # to start them takes seconds
            collate_fn=PrepareBatch(IMAGENET),
        )
        kept = []
        for _ in range(2):
            for images, labels in loader:
                assert close(images, expected(labels.tolist()))
                kept.append((images, labels))
        assert len(kept) == 8
        if workers:
            for images, labels in kept:
                assert close(images, expected(labels.tolist()))

    @pytest.mark.parametrize(
        "image",
        [
            np.fliplr(random_bits((30, 40), np.uint8)),
            random_bits((30, 40), np.uint8)[..., None],
            np.asarray(Image.fromarray(random_bits((30, 40), np.uint8))),
            random_bits((30, 40, 3), np.uint8),
        ],
        ids=["flipped", "HW1", "read-only", "HW3"],
    )
    def test_arrays_as_users_have_them(self, image):
        batch = PrepareBatch(IMAGENET)([image, image])
        want = image.reshape(30, 40, -1) * np.ones(3)
        want = (want / 255 - IMAGENET[0]) / IMAGENET[1]
        assert np.abs(batch[1].permute(1, 2, 0).numpy() - want).max() < 2e-6

    def test_a_foreign_byte_order_is_read(self):
        image = np.full((4, 5), 1000, ">u2")
        batch = PrepareBatch((0, 1), value_range=(0, 2000))([image])
        assert (batch == 0.5).all()

    @pytest.mark.parametrize(
        ("samples", "error"),
        [
            ([], g2r.LayoutError),
            ([(np.zeros((4, 5), np.uint8), 1), np.zeros((4, 5), np.uint8)], g2r.LayoutError),
            ([(np.zeros((4, 5), np.uint8), 1), (np.zeros((4, 5), np.uint8),)], g2r.LayoutError),
            ([{"image": np.zeros((4, 5), np.uint8)}], g2r.DtypeError),
            (["a.png"], g2r.DtypeError),
            ([tv_tensors.Mask(torch.zeros(4, 5, dtype=torch.uint8))], g2r.DtypeError),
        ],
    )
    def test_samples_that_are_none(self, samples, error):
        with pytest.raises(error, match="sample"):
            PrepareBatch(IMAGENET)(samples)

    def test_sizes_differ(self):
        samples = [np.zeros((4, 5), np.uint8), np.zeros((4, 6), np.uint8)]
        with pytest.raises(g2r.LayoutError, match=r"\(4, 5\), \(4, 6\).*Resize"):
            PrepareBatch(IMAGENET)(samples)

    @pytest.mark.parametrize("buffers", [-1, 1.5, True, None])
    def test_buffers_that_are_no_number(self, buffers):
        with pytest.raises(g2r.OptionError, match="buffers"):
            PrepareBatch(IMAGENET, buffers=buffers)

    @pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is present")
    def test_pinned_without_cuda(self):
        assert PrepareBatch(IMAGENET).pin_memory is False
        with pytest.raises(g2r.OptionError, match="needs CUDA"):
            PrepareBatch(IMAGENET, pin_memory=True)

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
    def test_pinned_with_cuda(self):
        images, _ = PrepareBatch(IMAGENET)([Photos()[0]])
        assert images.is_pinned()
        assert close(images.to("cuda", non_blocking=True).cpu(), expected((0,)))

    def test_a_tensor_of_the_wrong_shape(self):
        for image in (torch.zeros(2, 8, 9), torch.zeros(9), torch.zeros(2, 1, 8, 9)):
            with pytest.raises(g2r.GrayToRGBError):
                PrepareBatch(IMAGENET)([image])


def test_a_folder_of_files(tmp_path):
    """ImageFolder's own loader makes RGB of everything; Prepare takes either."""
    (tmp_path / "a").mkdir()
    for mode in ("L", "RGB", "P", "1"):
        photo(mode).save(tmp_path / "a" / f"{mode}.png")
    for loader in (Image.open, None):
        options = {"loader": loader} if loader else {}
        data = datasets.ImageFolder(tmp_path, Prepare(IMAGENET), **options)
        for path, _ in data.samples:
            index = data.samples.index((path, 0))
            assert close(data[index][0], USUAL(Image.open(path).convert("RGB")))
