"""Tests of ToRGB, ToUint8 and Prepare in albumentations' pipelines."""

import copy
import json
import pickle

import numpy as np
import pytest

import graytorgb as g2r

from ..support import (
    NUMBERS,
    ROOT,
    assert_same_bits,
    needs_package,
    oracle,
    random_bits,
    run_python,
)

needs_package("albumentations", "skimage")

import albumentations as A  # noqa: E402
import skimage.data  # noqa: E402

from graytorgb.albumentations import Prepare, ToGray, ToRGB, ToUint8  # noqa: E402
from graytorgb.backends.registry import BACKENDS  # noqa: E402

IMAGENET = g2r.stats("imagenet")
BOXES = A.BboxParams("pascal_voc", label_fields=["labels"])
KEYPOINTS = A.KeypointParams("xy", label_fields=["names"])
ANNOTATIONS = {
    "bboxes": [[10.0, 20.0, 110.0, 220.0], [0.0, 0.0, 512.0, 512.0]],
    "labels": ["tripod", "all"],
    "keypoints": [[100.0, 200.0], [511.0, 0.0]],
    "names": ["eye", "corner"],
}
EACH = pytest.mark.parametrize(
    "transform", [ToRGB(), ToUint8((0, 4095)), Prepare(IMAGENET, value_range=(0, 4095))], ids=str
)


def scan():
    """Return a photo as a 12-bit camera would have stored it."""
    return skimage.data.camera().astype(np.uint16) * 16 + 7


def close(result, want):
    return result.dtype == want.dtype and np.abs(result - want).max() <= 2e-6


class TestToRGB:
    @pytest.mark.parametrize("dtype", NUMBERS, ids=str)
    @pytest.mark.parametrize("channel", [(), (1,)], ids=["HW", "HW1"])
    def test_one_image(self, dtype, channel):
        gray = random_bits((7, 9), dtype)
        result = ToRGB()(image=gray.reshape(7, 9, *channel))["image"]
        assert_same_bits(result, oracle(gray, "HW->HWC"))
        assert not np.shares_memory(result, gray)

    @pytest.mark.parametrize(
        "shape", [(1, 8), (8, 1), (1, 1), (1, 8, 1), (8, 1, 1), (3, 3), (3, 8)]
    )
    def test_sizes_at_which_albumentations_loses_an_axis(self, shape):
        gray = random_bits(shape, np.uint8)
        result = ToRGB()(image=gray)["image"]
        assert_same_bits(result, oracle(gray.reshape(shape[:2]), "HW->HWC"))

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_backends(self, backend):
        if not g2r.list_backends()[backend].available:
            pytest.skip(f"{backend} isn't usable here")
        result = ToRGB(backend=backend)(image=skimage.data.camera())["image"]
        assert_same_bits(result, oracle(skimage.data.camera(), "HW->HWC"))
        assert result.flags.c_contiguous

    def test_rgb_passes_through(self):
        photo = skimage.data.astronaut()
        assert_same_bits(A.Compose([ToRGB(), ToRGB()])(image=photo)["image"], photo)

    def test_alpha(self):
        gray = np.dstack([skimage.data.camera(), np.zeros((512, 512), np.uint8)])
        with pytest.raises(g2r.ChannelError, match='alpha="drop"'):
            ToRGB()(image=gray)
        dropped = ToRGB(alpha="drop")(image=gray)["image"]
        assert_same_bits(dropped, oracle(gray[..., 0], "HW->HWC"))
        assert (ToRGB(alpha=(1, 2, 3))(image=gray)["image"] == (1, 2, 3)).all()

    def test_what_could_be_a_batch(self):
        for shape in [(64, 24, 24), (1, 24, 24)]:
            with pytest.raises(g2r.ChannelError, match="images=x for a batch"):
                ToRGB()(image=np.zeros(shape, np.uint8))
        for name in ("image", "images"):
            with pytest.raises(g2r.LayoutError, match=f"{name}="):
                ToRGB()(**{name: np.zeros((2, 2, 8, 8, 1), np.uint8)})

    def test_what_is_no_image(self):
        with pytest.raises(TypeError, match="image must be numpy array"):
            A.Compose([ToRGB()])(image="scan.png")

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"backend": "imagemagick"}, g2r.UnknownBackend),
            ({"alpha": "keep"}, g2r.ChannelError),
            ({"alpha": (1, 2)}, g2r.ChannelError),
            ({"p": 2}, ValueError),
            ({"num_output_channels": 3}, TypeError),
        ],
    )
    def test_mistakes_are_told_on_construction(self, options, error):
        with pytest.raises(error):
            ToRGB(**options)

    def test_probability(self):
        gray = skimage.data.camera()
        assert ToRGB(p=0)(image=gray)["image"] is gray


class TestToUint8:
    @pytest.mark.parametrize("policy", [(0, 4095), "dtype", "minmax", ("percentile", 1, 99)])
    @pytest.mark.parametrize("dtype", ["uint16", "int32", "float32", "float64"])
    @pytest.mark.parametrize("channel", [(), (1,), (3,)])
    def test_is_to_uint8(self, policy, dtype, channel):
        image = scan().astype(dtype) / (4095 if dtype.startswith("f") else 1)
        image = np.repeat(image[..., None], 3, 2) if channel == (3,) else image
        image = image.astype(dtype).reshape(512, 512, *channel)
        result = ToUint8(policy)(image=image)["image"]
        assert_same_bits(result, g2r.to_uint8(image, policy))

    def test_mistakes(self):
        for policy in [(1, 0), "12 bit", ()]:
            with pytest.raises(g2r.LevelsError):
                ToUint8(policy)
        with pytest.raises(g2r.LevelsError, match=r"value_range=\(0, 4095\)"):
            ToUint8()(image=scan())
        gray = skimage.data.camera()
        assert ToUint8()(image=gray / np.float32(255))["image"].tolist() == gray.tolist()
        with pytest.raises(g2r.LevelsError, match="NaN"):
            ToUint8((0, 1))(image=np.full((4, 4), np.nan))


class TestPrepare:
    @pytest.mark.parametrize("channel", [(), (1,), (3,)])
    def test_is_what_it_replaces(self, channel):
        """Prepare agrees with albumentations' own two transforms on 8 bits."""
        photo = skimage.data.camera()
        image = np.repeat(photo[..., None], 3, 2) if channel == (3,) else photo
        image = image.reshape(512, 512, *channel)
        want = A.Normalize(*IMAGENET)(image=np.repeat(photo[..., None], 3, 2))["image"]
        result = Prepare(IMAGENET)(image=image)["image"]
        assert result.dtype == want.dtype
        assert np.abs(result - want).max() <= 1e-5

    def test_16_bits_must_say_their_range(self):
        with pytest.raises(g2r.LevelsError, match="value_range"):
            Prepare(IMAGENET)(image=scan())
        result = Prepare(IMAGENET, value_range=(0, 4095))(image=scan())["image"]
        want = ((scan()[..., None] / 4095 - IMAGENET[0]) / IMAGENET[1]).astype(np.float32)
        assert close(result, want)

    def test_into_tensors(self):
        needs_package("torch")
        result = A.Compose([Prepare(IMAGENET), A.ToTensorV2()])(image=skimage.data.camera())
        assert result["image"].shape == (3, 512, 512)

    @pytest.mark.parametrize(
        "options",
        [
            {"stats": ((0.5, 0.5), 0.5)},
            {"stats": (0.5, 0)},
            {"value_range": (1, 0)},
            {"value_range": "x"},
        ],
    )
    def test_mistakes_are_told_on_construction(self, options):
        with pytest.raises((g2r.LevelsError, g2r.OptionError)):
            Prepare(**{"stats": (0.5, 0.5), **options})


@pytest.mark.parametrize(
    "transform", [ToUint8((0, 4095)), Prepare(IMAGENET, value_range=(0, 4095))]
)
def test_deep_files_that_opencv_made_8_bits_of(transform, tmp_path):
    """cv2.imread's default leaves 16 of 4096 levels, and the stated range shows that."""
    needs_package("cv2")
    import cv2

    path = str(tmp_path / "1.png")
    cv2.imwrite(path, scan())
    lost = cv2.imread(path, cv2.IMREAD_GRAYSCALE)
    assert len(np.unique(lost)) <= 16
    with pytest.raises(g2r.LevelsError, match=r"cv2\.IMREAD_UNCHANGED"):
        transform(image=lost)
    with pytest.raises(g2r.LevelsError, match=r"cv2\.IMREAD_UNCHANGED"):
        transform(images=lost[None])
    kept = transform(image=cv2.imread(path, cv2.IMREAD_UNCHANGED))["image"]
    assert_same_bits(kept, transform(image=scan())["image"])


class TestAnnotations:
    """Boxes, masks and keypoints stay as the rest of the pipeline leaves them."""

    @EACH
    @pytest.mark.parametrize("channel", [(), (1,)], ids=["HW", "HW1"])
    def test_stay(self, transform, channel):
        pipeline = A.Compose([transform], bbox_params=BOXES, keypoint_params=KEYPOINTS)
        mask = (scan() > 2000).astype(np.uint8)
        result = pipeline(
            image=scan().reshape(512, 512, *channel),
            mask=mask,
            masks=[mask, 1 - mask],
            **ANNOTATIONS,
        )
        for name, annotation in ANNOTATIONS.items():
            assert [*map(np.array_equal, result[name], annotation)] == [True, True], name
        assert_same_bits(result["mask"], mask)
        assert_same_bits(np.stack(result["masks"]), np.stack([mask, 1 - mask]))

    @EACH
    def test_move_with_the_image(self, transform):
        """Transforms of the shape give the same before and after ours."""
        geometry = [A.HorizontalFlip(p=1), A.Crop(100, 0, 500, 300), A.Resize(150, 200)]
        mask = (scan() > 2000).astype(np.uint8)
        given = {"image": scan(), "mask": mask, **ANNOTATIONS}
        options = {"bbox_params": BOXES, "keypoint_params": KEYPOINTS}
        alone = A.Compose(geometry, **options)(**given)
        result = A.Compose([*geometry, transform], **options)(**given)
        for name in ("mask", *ANNOTATIONS):
            assert np.array_equal(result[name], alone[name]), name
        assert len(result["bboxes"]) == 2
        assert result["image"].shape[:2] == result["mask"].shape == (150, 200)
        assert np.array_equal(result["image"], transform(image=alone["image"])["image"])
        before = A.Compose([transform, *geometry], **options)(**given)
        for name in ("mask", *ANNOTATIONS):
            assert np.array_equal(before[name], alone[name]), name

    def test_other_names(self):
        pipeline = A.Compose([ToRGB()], additional_targets={"second": "image", "where": "mask"})
        gray = skimage.data.camera()
        result = pipeline(image=gray, second=gray, where=gray)
        assert result["second"].shape == (512, 512, 3)
        assert result["where"].shape == (512, 512)


class TestTargets:
    @EACH
    @pytest.mark.parametrize("channel", [(), (1,), (3,)])
    @pytest.mark.parametrize("name", ["images", "volume"])
    @pytest.mark.parametrize("count", [1, 3, 5])
    def test_many(self, transform, channel, name, count):
        many = random_bits((count, 8, 9, *channel), np.uint16) % 4096
        result = A.Compose([transform])(**{name: many})[name]
        want = np.stack([transform(image=one)["image"] for one in many])
        assert_same_bits(result, want)

    @EACH
    def test_volumes(self, transform):
        volumes = random_bits((2, 3, 8, 9), np.uint16) % 4096
        result = A.Compose([transform])(volumes=volumes)["volumes"]
        want = np.stack([[transform(image=one)["image"] for one in volume] for volume in volumes])
        assert_same_bits(result, want)

    @pytest.mark.parametrize("transform", [ToRGB(), Prepare(IMAGENET)], ids=str)
    @pytest.mark.parametrize("shape", [(28, 28), (5, 3, 1)])
    def test_behind_to_tensor(self, transform, shape):
        """A tensor is (C, H, W); (1, 5, 3) would be read as one row of colors here."""
        pipeline = A.Compose([A.ToTensorV2(), transform])
        with pytest.raises(g2r.DtypeError, match=r"before A\.ToTensorV2\(\)"):
            pipeline(image=np.ones(shape, np.uint8))

    @EACH
    def test_a_list_is_a_list_afterwards(self, transform):
        images = list(random_bits((4, 8, 9), np.uint16) % 4096)
        result = A.Compose([transform])(images=images)["images"]
        assert isinstance(result, list)
        for one, image in zip(result, images, strict=True):
            assert_same_bits(one, transform(image=image)["image"])
        assert_same_bits(transform(images=images)["images"], np.stack(result))

    @pytest.mark.parametrize("policy", ["minmax", ("percentile", 5, 95)])
    def test_a_range_that_is_sought(self, policy):
        """Each image has a range of its own; the slices of a volume share one."""
        ramp = np.linspace(0, 1000, 72).astype(np.uint16).reshape(8, 9)
        many = np.stack([ramp, ramp * 4])
        calls = {
            ToUint8(policy): lambda x: g2r.to_uint8(x, policy),
            Prepare((0.5, 0.5), value_range=policy): lambda x: g2r.prepare(
                x, (0.5, 0.5), "NHW"[3 - x.ndim :], value_range=policy
            ),
        }
        for transform, call in calls.items():
            assert_same_bits(transform(images=many)["images"], np.stack([*map(call, many)]))
            assert_same_bits(transform(volume=many)["volume"], call(many))
            volumes = np.stack([many, many * 3])
            want = np.stack([*map(call, volumes)])
            assert_same_bits(transform(volumes=volumes)["volumes"], want)


class TestSerialization:
    CASES = (
        ToRGB(),
        ToRGB(alpha=(np.int64(1), 2, 3), backend="repeat", p=0.25),
        ToRGB(alpha="drop"),
        ToUint8("minmax"),
        ToUint8((np.uint16(0), 4095)),
        ToUint8(("percentile", 1, 99), p=0.5),
        Prepare(IMAGENET),
        Prepare((np.float32(0.5), [0.25, 0.5, 1]), value_range=np.array([0, 4095])),
    )

    @pytest.mark.parametrize("transform", CASES, ids=str)
    @pytest.mark.parametrize(
        "clone",
        [
            lambda t: A.from_dict(A.to_dict(t)),
            lambda t: A.from_dict(json.loads(json.dumps(A.to_dict(t)))),
            lambda t: pickle.loads(pickle.dumps(t)),
            copy.deepcopy,
        ],
        ids=["dict", "json", "pickle", "deepcopy"],
    )
    def test_comes_back(self, transform, clone):
        other = clone(transform)
        assert type(other) is type(transform)
        assert repr(other) == repr(transform)
        assert other.to_dict() == transform.to_dict()

    @pytest.mark.parametrize("form", ["json", "yaml"])
    def test_a_pipeline_in_a_file(self, form, tmp_path):
        steps = [A.Resize(64, 64), ToUint8((0, 4095)), ToRGB(), A.OneOf([A.NoOp()], p=1)]
        pipeline = A.Compose(steps, bbox_params=BOXES)
        A.save(pipeline, tmp_path / "pipeline", data_format=form)
        again = A.load(tmp_path / "pipeline", data_format=form)
        given = {"image": scan(), "bboxes": [[0, 0, 5, 5]], "labels": [1]}
        assert_same_bits(again(**given)["image"], pipeline(**given)["image"])

    def test_replay(self):
        pipeline = A.ReplayCompose([A.HorizontalFlip(p=0.5), ToUint8((0, 4095)), ToRGB(p=0.5)])
        for _ in range(8):
            first = pipeline(image=scan())
            again = A.ReplayCompose.replay(first["replay"], image=scan())
            assert_same_bits(again["image"], first["image"])

    def test_strict(self):
        assert A.Compose([ToRGB()], strict=True)(image=scan())["image"].shape == (512, 512, 3)


class TestPeers:
    """albumentations does by itself what our page says of it; this test notices a change."""

    def test_normalize_takes_every_image_for_8_bits(self):
        rgb = np.repeat(scan()[..., None], 3, 2)
        assert A.Normalize(*IMAGENET)(image=rgb)["image"].max() > 60
        assert Prepare(IMAGENET, value_range=(0, 4095))(image=rgb)["image"].max() < 2.7

    def test_normalize_of_one_channel_uses_the_first_mean(self):
        result = A.Normalize(*IMAGENET)(image=skimage.data.camera())["image"]
        assert result.shape == (512, 512)
        want = g2r.prepare(skimage.data.camera(), IMAGENET)[..., 0]
        assert np.abs(result - want).max() <= 1e-5

    @pytest.mark.parametrize("shape", [(1, 8), (8, 1), (1, 8, 1)])
    def test_a_row_or_a_column_loses_an_axis(self, shape):
        assert A.ToRGB()(image=np.zeros(shape, np.uint8))["image"].shape == (8, 3)

    def test_int64_becomes_int32(self):
        assert A.ToRGB()(image=np.full((4, 4), 2**40))["image"].dtype == np.int32

    def test_rgb_warns(self):
        with pytest.warns(UserWarning, match="already an RGB"):
            A.ToRGB()(image=skimage.data.astronaut())


def test_missing():
    """A process where None in sys.modules makes Python say that there is no such module."""
    text = run_python("""
import sys
sys.modules["albumentations"] = None
try:
    import graytorgb.albumentations
except ImportError as error:
    print(type(error).__name__, error.missing, error)
""")
    assert text == (
        "BackendUnavailable True needs albumentations: pip install 'graytorgb[albumentations]'"
    )
    assert "\nalbumentations =" in (ROOT / "setup.cfg").read_text()


def test_broken(tmp_path):
    (tmp_path / "albumentations.py").write_text("raise OSError('libGL.so.1: cannot open')")
    text = run_python(
        """
try:
    import graytorgb.albumentations
except ImportError as error:
    print(type(error).__name__, error.missing, error)
""",
        tmp_path,
    )
    assert "BackendUnavailable False" in text
    assert "installed but failed to import: libGL.so.1" in text


@pytest.mark.parametrize("make", [ToRGB, ToGray, lambda: ToUint8((0, 9)), lambda: Prepare("0..1")])
def test_a_mask_is_not_lost(make):
    masked = np.ma.array(np.zeros((4, 4), np.uint8), mask=True)
    for images in ({"image": masked}, {"images": [masked, masked]}):
        with pytest.raises(g2r.DtypeError, match="mask would be lost"):
            make()(**images)
