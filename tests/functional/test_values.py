"""Tests of values that make an image white or black: an error or one warning. Bool has no range.

tests/kinds/kinds_contract.py tries most of it on every kind; here are NumPy, PIL and transforms.
"""

import warnings

import numpy as np
import pytest

import graytorgb as g2r

from ..support import needs, needs_package, random_bits, run_python

MASK = np.arange(48).reshape(6, 8) % 5 < 2
RANGES = [(0, 255), (0, 1), (0, 4095), (-1, 1), (0.25, 0.75), "dtype", "minmax",
          ("percentile", 1, 99)]  # fmt: skip
DEEP = np.random.default_rng(0).integers(0, 65536, (3, 64, 64), dtype=np.uint16)


def said(call, times=2):
    """Return the texts of the warnings of `count` calls."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(times):
            call()
    return [str(warning.message) for warning in caught]


class TestBool:
    @pytest.mark.parametrize("value_range", RANGES, ids=str)
    def test_arrays(self, value_range):
        for mask in (MASK, MASK[:, ::2], np.asfortranarray(MASK), np.full((4, 5), True)):
            np.testing.assert_array_equal(g2r.to_uint8(mask, value_range), mask * np.uint8(255))
            for stated in (value_range, None):
                for layout in ("HW->HWC", "HW->CHW"):
                    result = g2r.prepare(mask, (0.5, 0.25), layout, value_range=stated)
                    want = np.where(mask, np.float32(2), np.float32(-2))
                    np.testing.assert_array_equal(result, g2r.to_rgb(want, layout))

    def test_to_rgb_changes_nothing(self):
        rgb = g2r.to_rgb(MASK)
        assert rgb.dtype == bool
        assert (rgb == MASK[..., None]).all()

    def test_rgb_and_out(self):
        rgb = np.stack([MASK, ~MASK, MASK], -1)
        result = g2r.prepare(rgb, (0, 1), "HWC->CHW", value_range=(0, 255))
        np.testing.assert_array_equal(result, rgb.transpose(2, 0, 1).astype(np.float32))
        out = np.empty(MASK.shape, np.uint8)
        assert g2r.to_uint8(MASK, (0, 9), out=out) is out
        np.testing.assert_array_equal(out, MASK * 255)

    @pytest.mark.parametrize("value_range", RANGES, ids=str)
    def test_pil_and_torchvision(self, value_range):
        needs("torchvision", "pillow")
        import torch
        from PIL import Image
        from torchvision import tv_tensors

        from graytorgb.transforms import Prepare, PrepareBatch, ToUint8

        image = Image.fromarray(MASK)
        assert image.mode == "1"
        for levels in (g2r.to_uint8(image, value_range), ToUint8(value_range)(image)):
            assert levels.mode == "L"
            np.testing.assert_array_equal(np.asarray(levels), MASK * 255)
        tensor = torch.from_numpy(MASK)[None]
        want = torch.from_numpy(np.where(MASK, 2, -2).astype(np.float32)).expand(3, 6, 8)
        for x in (tensor, tv_tensors.Image(tensor)):
            assert torch.equal(torch.Tensor(ToUint8(value_range)(x)), tensor * 255.0)
        for stated in (value_range, None):
            prepare = Prepare((0.5, 0.25), value_range=stated)
            for x in (image, tensor, tv_tensors.Image(tensor)):
                assert torch.equal(prepare(x).as_subclass(torch.Tensor), want)
            batch = PrepareBatch((0.5, 0.25), value_range=stated)([image, tensor, MASK])
            assert torch.equal(batch, want.expand(3, 3, 6, 8))

    @pytest.mark.parametrize("value_range", RANGES, ids=str)
    def test_albumentations(self, value_range):
        needs_package("albumentations")
        from graytorgb.albumentations import Prepare, ToUint8

        for shape in ((6, 8), (6, 8, 1)):
            mask = MASK.reshape(shape)
            result = ToUint8(value_range)(image=mask)["image"]
            np.testing.assert_array_equal(result, mask * np.uint8(255))
            for stated in (value_range, None):
                result = Prepare((0.5, 0.25), value_range=stated)(image=mask)["image"]
                np.testing.assert_array_equal(result, np.where(MASK, 2, -2)[..., None] * np.ones(3))

    def test_traces(self):
        needs("torchvision")
        import torch

        tensor = torch.from_numpy(MASK)
        for call in (
            lambda x: g2r.to_uint8(x, (0, 255)),
            lambda x: g2r.prepare(x, (0.5, 0.25), "HW", value_range=(0, 255)),
        ):
            want = call(tensor)
            assert torch.equal(torch.vmap(call)(tensor[None])[0], want)
            torch.compiler.reset()
            compiled = torch.compile(call, fullgraph=True, backend="eager")
            assert torch.equal(compiled(tensor), want)


class TestDepth:
    def test_transforms(self):
        needs("torchvision", "pillow")
        import torch
        from PIL import Image

        from graytorgb.transforms import Prepare, PrepareBatch, ToUint8

        gray = random_bits((6, 8), np.uint8)
        transforms = [ToUint8((0, 4095)), Prepare((0.5, 0.5), value_range=(0, 4095))]
        transforms.append(lambda x: PrepareBatch((0.5, 0.5), value_range=(0, 4095))([x]))
        for transform in transforms:
            for x in (gray, torch.from_numpy(gray)[None], Image.fromarray(gray)):
                with pytest.raises(g2r.LevelsError, match="lost when it was opened"):
                    transform(x)
        wrapped = torch.zeros(1, 6, 8, dtype=torch.int16)
        for transform in (ToUint8((0, 65535)), Prepare((0.5, 0.5), value_range=(0, 65535))):
            with pytest.raises(g2r.LevelsError, match="go to 32767 at most"):
                transform(wrapped)
        assert (ToUint8((-32768, 32767))(wrapped) == 128).all()

    def test_a_channel_axis_an_empty_batch_and_out(self):
        gray = np.zeros((0, 6, 8), np.uint8)
        for x in (gray, gray[..., None], np.zeros((2, 6, 8, 3), np.uint8)):
            layout = "NHW" if x.ndim == 3 else "NHWC"
            with pytest.raises(g2r.LevelsError, match="the range goes to 4095"):
                g2r.to_uint8(x, (0, 4095))
            with pytest.raises(g2r.LevelsError, match="the range goes to 4095"):
                g2r.prepare(x, (0.5, 0.5), layout, value_range=(0, 4095))

    def test_what_8_bits_have(self):
        gray = np.arange(256, dtype=np.uint8)[None]
        for value_range in ((0, 255), (0, 256), (-1, 255), (100, 101), "dtype", (0.5, 12.25)):
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "more than half")
                assert g2r.to_uint8(gray, value_range).shape == (1, 256)


class TestFloats:
    def test_resized_images(self):
        """Bicubic resizing overshoots: that is an error, or saturated if the range is stated."""
        needs("torchvision")
        import torch

        checks = torch.from_numpy(random_bits((2, 1, 40, 40), bool).astype(np.float32))
        for antialias in (False, True):
            x = torch.nn.functional.interpolate(
                checks, (97, 103), mode="bicubic", antialias=antialias
            )
            assert x.min() < -0.05
            assert x.max() > 1.05
            for value_range in (None, "dtype"):
                with pytest.raises(g2r.LevelsError, match=r"\(0, 1\) to saturate what is beyond"):
                    g2r.prepare(x, (0, 1), "NCHW", value_range=value_range)
            with pytest.raises(g2r.LevelsError, match=r"\(0, 1\) to saturate what is beyond"):
                g2r.to_uint8(x, "dtype")
            result = g2r.prepare(x, (0, 1), "NCHW", value_range=(0, 1))
            assert torch.equal(result, x.clamp(0, 1).expand(-1, 3, -1, -1))
            assert torch.equal(g2r.to_uint8(x, (0, 1)), g2r.to_uint8(x.clamp(0, 1), "dtype"))

    def test_gradients_of_black_and_white_stay(self):
        needs("torchvision")
        import torch

        x = torch.tensor([[-(2**-10), 0, 0.5, 1, 1 + 2**-10]], requires_grad=True)
        g2r.prepare(x, (0, 0.5), "HW").sum().backward()
        assert x.grad.tolist() == [[0, 6, 6, 6, 0]]

    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble", ">f4"])
    def test_the_values_are_named(self, dtype):
        x = np.linspace(0, 255, 20_000).astype(dtype).reshape(100, 200)
        for call in (
            lambda: g2r.to_uint8(x, "dtype"),
            lambda: g2r.prepare(x, (0.5, 0.5), value_range="dtype"),
            lambda: g2r.prepare(x, (0.5, 0.5)),
        ):
            with pytest.raises(g2r.LevelsError, match=r"go from 0 to 255.*value_range=\(0, 255\)"):
                call()
        x[50, 50] = np.nan
        with pytest.raises(g2r.LevelsError, match="NaN"):
            g2r.to_uint8(x, "dtype")


class TestSaturation:
    @pytest.mark.parametrize(
        "call",
        [
            lambda x, r: g2r.to_uint8(x, r),
            lambda x, r: g2r.prepare(x, (0.5, 0.5), "NHW", value_range=r),
        ],
        ids=["to_uint8", "prepare"],
    )
    @pytest.mark.parametrize("dtype", ["uint16", "int32", "float32", "float64", ">u2"])
    @pytest.mark.parametrize("memory", ["plain", "strided", "reversed"])
    def test_told_once_for_each_range(self, call, dtype, memory):
        x = DEEP.astype(dtype)
        x = {"plain": x, "strided": x[:, ::2], "reversed": x[:, :, ::-1]}[memory]
        (text,) = said(lambda: call(x, (0, 4095)))
        assert f"largest value is {x.max():g}" in text.replace(".0", "")
        assert "value_range=(0, 4095)" in text
        assert len(said(lambda: [call(x, (0, 4095)), call(x, (0, 2047))])) == 2
        assert said(lambda: call(x, (0, 65535))) == []
        assert said(lambda: call(x, "minmax")) == []
        assert said(lambda: call(x, ("percentile", 0, 10))) == []

    @pytest.mark.parametrize("above", [0.52, 0.48, 0.3])
    def test_more_than_half_is_counted(self, above):
        """Part of the rows, of the columns or of single pixels is above the range."""
        rows, columns = np.zeros((2, 500, 300), np.uint16)
        rows[: int(500 * above)] = 5000
        columns[:, : int(300 * above)] = 5000
        for image in (rows, columns, np.where(np.random.default_rng(0).random((500, 300)) < above,
                                              5000, 0).astype(np.uint16)):  # fmt: skip
            fraction = (image > 4095).mean()
            texts = said(lambda image=image: g2r.to_uint8(image, (0, 4095)))
            assert len(texts) == (fraction > 0.5)

    def test_transforms(self):
        needs("torchvision", "pillow")
        import torch
        from PIL import Image

        from graytorgb.transforms import Prepare, ToUint8

        for image in (Image.fromarray(DEEP[0]), torch.from_numpy(DEEP[:1])):
            for transform in (ToUint8((0, 4095)), Prepare((0.5, 0.5), value_range=(0, 4095))):
                (text,) = said(lambda t=transform, x=image: t(x))
                assert "largest value is 655" in text
        x = torch.rand(1, 8, 8, requires_grad=True)
        assert len(said(lambda: g2r.prepare(x + 1, (0, 1), "CHW", value_range=(0, 0.5)))) == 1

    def test_another_device_is_looked_at_once_and_a_trace_never(self, monkeypatch):
        needs("torchvision")
        import torch

        from graytorgb.functional import ranges
        from graytorgb.kinds.torch import KIND

        looks = []
        monkeypatch.setattr(ranges, "_looked_at", set())
        monkeypatch.setattr(KIND, "to_numpy_shared", lambda array: None)
        monkeypatch.setattr(KIND, "read_host_values", lambda array: None)
        monkeypatch.setattr(KIND, "read_values", lambda array: looks.append(1) or array.numpy())
        x = torch.from_numpy(DEEP.astype(np.int32))
        texts = said(lambda: g2r.prepare(x, (0.5, 0.5), "NHW", value_range=(0, 4095)), 3)
        assert (len(texts), len(looks)) == (1, 1)
        monkeypatch.undo()
        meta = torch.empty(2, 8, 8, device="meta")
        assert g2r.prepare(meta, (0.5, 0.5), "NHW", value_range=(0, 9)).device.type == "meta"
        call = torch.compile(
            lambda x: g2r.prepare(x, (0.5, 0.5), "NHW", value_range=(0, 4095)),
            fullgraph=True,
            backend="eager",
        )
        assert said(lambda: call(x)) == []

    def test_at_the_line_that_called(self):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            g2r.prepare(DEEP, (0.5, 0.5), "NHW", value_range=(0, 4095))
        assert caught[0].filename == __file__

    def test_once_in_a_process(self):
        code = """
import warnings
import numpy as np, graytorgb as g2r
for largest in range(5000, 5010):
    image = np.full((40, 50), largest, np.uint16)
    for _ in range(2):
        g2r.to_uint8(image, (0, 4095))
    with warnings.catch_warnings():
        pass
"""
        assert run_python(f"import sys\nsys.stderr = sys.stdout{code}").count("more than half") == 1


class TestNoContrast:
    @pytest.mark.parametrize("policy", ["minmax", ("percentile", 1, 99)], ids=str)
    @pytest.mark.parametrize("dtype", ["uint8", "int16", "uint64", "float16", "float64", ">u2"])
    def test_arrays(self, policy, dtype):
        x = np.full((4, 6), 7, dtype)
        assert said(lambda: g2r.to_uint8(x, policy)) == said(lambda: g2r.to_uint8(x, policy), 1)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "an image has no contrast")
            assert not g2r.to_uint8(x, policy).any()
            black = g2r.prepare(np.zeros((4, 6), np.uint8), "imagenet", "HW->CHW")
            result = g2r.prepare(x, "imagenet", "HW->CHW", value_range=policy)
        np.testing.assert_array_equal(result, black)

    def test_a_few_bright_pixels(self):
        """A policy that finds one value for both ends makes them black too, and warns."""
        stars = np.zeros((100, 100), np.uint16)
        stars[50, 50] = 4095
        with pytest.warns(UserWarning, match=r"\('percentile', 1, 99\) gives 0 to 0: it becomes"):
            assert not g2r.to_uint8(stars, ("percentile", 1, 99)).any()
        assert g2r.to_uint8(stars, "minmax").max() == 255

    def test_transforms(self):
        needs("torchvision", "pillow")
        import torch
        from PIL import Image

        from graytorgb.transforms import Prepare, PrepareBatch, ToUint8

        blank = np.full((6, 8), 300, np.uint16)
        image = Image.fromarray(blank)
        for policy in ("minmax", ("percentile", 1, 99)):
            with pytest.warns(UserWarning, match="no contrast"):
                assert not np.asarray(ToUint8(policy)(image)).any()
            with pytest.warns(UserWarning, match="no contrast"):
                batch = PrepareBatch((0, 1), value_range=policy)([image, blank, blank])
            assert not batch.any()
            with pytest.warns(UserWarning, match="no contrast"):
                assert (
                    Prepare((0.5, 0.5), value_range=policy)(torch.from_numpy(blank)) == -1
                ).all()

    def test_albumentations(self):
        needs_package("albumentations")
        from graytorgb.albumentations import Prepare, ToUint8

        blank = np.full((2, 6, 8), 300, np.uint16)
        for transform in (ToUint8("minmax"), Prepare((0, 1), value_range=("percentile", 1, 99))):
            texts = said(lambda t=transform: [t(image=blank[0]), t(images=blank), t(volume=blank)])
            assert len(texts) == 1
            assert transform(image=np.arange(6.0).reshape(2, 3))["image"].max() > 0

    def test_what_stays_an_error(self):
        x = np.full((4, 6), 7.0)
        for call in (g2r.to_uint8, lambda x, r: g2r.prepare(x, (0, 1), "HW", value_range=r)):
            with pytest.raises(g2r.LevelsError, match="range is empty"):
                call(x, (7, 7))
            for policy in ("minmax", ("percentile", 1, 99)):
                with pytest.raises(g2r.LevelsError, match="NaN"):
                    call(x * np.nan, policy)
                with pytest.raises(g2r.LevelsError, match="finite"):
                    call(x * np.inf, policy)


class TestScales:
    @pytest.mark.parametrize(
        "value_range", [(-1e308, 1e308), (0, 5e-324), (0, 1e-308), (-1.7e308, 1.7e308)]
    )
    @pytest.mark.parametrize("dtype", ["uint16", "float16", "float32", "float64", "int64"])
    def test_what_float64_cannot_scale(self, value_range, dtype):
        x = np.arange(24).reshape(4, 6).astype(dtype)
        with pytest.raises(g2r.LevelsError, match="float64 can't scale the range"):
            g2r.prepare(x, (0.485, 0.229), value_range=value_range)
        with pytest.raises(g2r.LevelsError, match="float64 can't scale the range"):
            g2r.to_uint8(x, value_range)

    def test_what_it_can(self):
        x = np.array([[0, 0.5e-290, 1e-290]])
        assert g2r.prepare(x, (0, 1), value_range=(0, 1e-290))[0, :, 0].tolist() == [0, 0.5, 1]
