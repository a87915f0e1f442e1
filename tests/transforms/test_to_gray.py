"""Tests of ToGray in Compose pipelines of torchvision and of albumentations."""

import copy
import json
import pickle

import numpy as np
import pytest

import graytorgb as g2r

from ..support import assert_same_bits, needs, needs_package, random_bits

needs("torchvision", "pillow", "skimage")
needs_package("albumentations")

import albumentations as A  # noqa: E402
import skimage.data  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402
from torchvision import transforms as v1  # noqa: E402
from torchvision import tv_tensors  # noqa: E402
from torchvision.transforms import v2  # noqa: E402

from graytorgb import albumentations as gray_A  # noqa: E402
from graytorgb.transforms import ToGray, ToRGB, ToUint8  # noqa: E402

PHOTO = skimage.data.astronaut()[100:140, 200:250].copy()
CAMERA = skimage.data.camera()[:40, :50].copy()


def pil_photo():
    return Image.fromarray(PHOTO)


@pytest.mark.parametrize("compose", [v1.Compose, v2.Compose], ids=["v1", "v2"])
class TestCompose:
    def test_as_pillow_and_torchvision_do(self, compose):
        ours = compose([ToGray(), v1.PILToTensor()])(pil_photo())
        theirs = compose([v1.Grayscale(), v1.PILToTensor()])(pil_photo())
        assert torch.equal(ours, theirs)
        assert torch.equal(compose([v1.PILToTensor(), ToGray()])(pil_photo()), ours)
        wrapped = compose([v2.ToImage(), ToGray()])(pil_photo())
        assert type(wrapped) is tv_tensors.Image
        assert torch.equal(wrapped.as_subclass(torch.Tensor), ours)

    def test_a_mixed_folder_has_one_channel(self, compose):
        images = [pil_photo(), Image.fromarray(CAMERA), pil_photo().quantize(16),
                  Image.fromarray(CAMERA > 100)]  # fmt: skip
        pipeline = compose([ToGray(), v2.ToImage()])
        assert {tuple(pipeline(image).shape) for image in images} == {(1, 40, 50)}

    def test_deep_images_keep_every_value(self, compose):
        deep = CAMERA.astype(np.uint16) * 16
        image = compose([ToGray(), ToUint8((0, 4080))])(Image.fromarray(deep))
        assert_same_bits(np.asarray(image), CAMERA)

    def test_arrays_on_their_own(self, compose):
        assert_same_bits(compose([ToGray()])(PHOTO), np.asarray(pil_photo().convert("L")))

    def test_there_and_back(self, compose):
        back = compose([ToRGB(), ToGray("any")])(Image.fromarray(CAMERA))
        assert_same_bits(np.asarray(back), CAMERA)


class TestTorchvision:
    @pytest.mark.parametrize(
        ("shape", "result"),
        [((3, 5, 6), (1, 5, 6)), ((1, 5, 6), (1, 5, 6)), ((5, 6), (1, 5, 6)),
         ((2, 8, 3, 5, 6), (2, 8, 1, 5, 6)), ((0, 3, 5, 6), (0, 1, 5, 6)), ((3, 3, 3), (1, 3, 3))],
    )  # fmt: skip
    def test_tensors_are_c_h_w(self, shape, result):
        assert ToGray()(torch.zeros(shape)).shape == result

    def test_images_and_videos_and_nothing_else(self):
        sample = {
            "image": tv_tensors.Image(torch.zeros(3, 5, 6)),
            "views": [pil_photo(), tv_tensors.Video(torch.zeros(4, 3, 5, 6))],
            "mask": tv_tensors.Mask(torch.zeros(3, 5, 6)),
            "feature": torch.zeros(3, 5, 6),
            "label": 3,
        }
        result = ToGray()(sample)
        assert result["image"].shape == (1, 5, 6)
        assert result["views"][0].mode == "L"
        assert type(result["views"][1]) is tv_tensors.Video
        assert result["views"][1].shape == (4, 1, 5, 6)
        for key in ("mask", "feature", "label"):
            assert result[key] is sample[key]

    def test_errors(self):
        with pytest.raises(g2r.OptionError, match="weights is"):
            ToGray("bt709")
        with pytest.raises(g2r.ChannelError, match=r"to_gray\(to_rgb"):
            ToGray()(torch.zeros(4, 5, 6))
        with pytest.raises(g2r.ChannelError, match="channels differ: by"):
            ToGray("any")(pil_photo())
        assert v2.Compose([ToRGB(alpha="drop"), ToGray()])(torch.zeros(4, 5, 6)).shape == (1, 5, 6)

    def test_repr_pickle_and_copy(self):
        for transform in (pickle.loads(pickle.dumps(ToGray("equal"))), copy.copy(ToGray("equal"))):
            assert repr(transform) == "ToGray(weights='equal')"
            expected = g2r.to_gray(PHOTO, weights="equal")
            assert_same_bits(np.asarray(transform(pil_photo())), expected)

    def test_in_a_loader(self):
        photos = [v2.functional.to_image(pil_photo())] * 4
        data = [(v2.Compose([ToGray()])(photo), i) for i, photo in enumerate(photos)]
        batch, labels = next(iter(DataLoader(data, batch_size=4)))
        assert batch.shape == (4, 1, 40, 50)
        assert labels.tolist() == [0, 1, 2, 3]


class TestAlbumentations:
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, bool], ids=str)
    @pytest.mark.parametrize("shape", [(7, 9), (7, 9, 1), (7, 9, 3), (1, 1, 3), (3, 3), (1, 9)])
    def test_one_image(self, shape, dtype):
        image = random_bits(shape, dtype)
        result = gray_A.ToGray()(image=image)["image"]
        assert_same_bits(result, g2r.to_gray(image, "HWC" if len(shape) == 3 else "HW"))
        assert result.shape == shape[:2]
        assert not np.shares_memory(result, image)

    def test_every_target(self):
        volume = random_bits((4, 7, 9, 3), np.uint8)
        want = g2r.to_gray(volume, "NHWC")
        pipeline = A.Compose([gray_A.ToGray()])
        assert_same_bits(pipeline(images=volume)["images"], want)
        assert_same_bits(pipeline(volume=volume)["volume"], want)
        assert_same_bits(pipeline(volumes=volume[None])["volumes"], want[None])

    def test_in_a_pipeline_with_boxes(self):
        pipeline = A.Compose(
            [A.HorizontalFlip(p=1), gray_A.ToGray(), A.ToTensorV2()],
            bbox_params=A.BboxParams("pascal_voc", label_fields=["labels"]),
        )
        mask = np.zeros((40, 50, 3), np.uint8)
        result = pipeline(image=PHOTO, mask=mask, bboxes=[[0, 0, 20, 30]], labels=["face"])
        expected = np.asarray(pil_photo().convert("L"))[:, ::-1]
        assert_same_bits(result["image"].numpy(), np.ascontiguousarray(expected[None]))
        assert result["mask"].shape == (40, 50, 3)
        np.testing.assert_allclose(result["bboxes"], [[30, 0, 50, 30]], atol=1e-5)

    def test_errors(self):
        with pytest.raises(g2r.OptionError, match="weights is"):
            gray_A.ToGray("bt709")
        with pytest.raises(g2r.ChannelError, match=r"to_gray\(to_rgb"):
            gray_A.ToGray()(image=np.zeros((5, 6, 4), np.uint8))
        with pytest.raises(g2r.ChannelError, match="images=x for a batch"):
            gray_A.ToGray()(image=np.zeros((5, 6, 7), np.uint8))
        with pytest.raises(g2r.ChannelError, match="channels differ: by"):
            gray_A.ToGray("any")(image=PHOTO)
        assert gray_A.ToGray(p=0)(image=PHOTO)["image"] is PHOTO

    def test_saved_and_loaded(self):
        pipeline = A.Compose([gray_A.ToGray("equal")])
        loaded = A.from_dict(json.loads(json.dumps(A.to_dict(pipeline))))
        assert "weights='equal'" in repr(loaded)
        assert_same_bits(loaded(image=PHOTO)["image"], g2r.to_gray(PHOTO, weights="equal"))
