"""Tests of ``to_gray`` on torch tensors: shared memory, torch's own operations, vmap, gradients."""

import itertools

import numpy as np
import pytest

import graytorgb as g2r

from ..support import needs
from .gray_contract import WEIGHTS, GrayContract, colors_of, expected_gray
from .held import FLOATS, INTEGERS, bits_of, numpy_dtype

needs("torchvision")

import torch  # noqa: E402
from torchvision import tv_tensors  # noqa: E402
from torchvision.transforms import v2  # noqa: E402

from graytorgb.kinds.torch import KIND  # noqa: E402

WORDS = {1: np.uint8, 2: np.int16, 4: np.int32, 8: np.int64}


class TestShared(GrayContract):
    """The contract for plain tensors, whose memory numpy shares."""

    channels_first = True

    def make(self, array):
        if hasattr(np, array.dtype.name):
            return torch.from_numpy(array)
        words = torch.from_numpy(array.view(WORDS[array.dtype.itemsize]))
        return words.view(getattr(torch, array.dtype.name))

    def read(self, result):
        dtype = numpy_dtype(str(result.dtype).removeprefix("torch."))
        if hasattr(np, dtype.name):
            return result.numpy()
        return result.view(torch.uint8).numpy().view(dtype)

    def is_kind(self, result):
        return type(result) is torch.Tensor and result.is_contiguous()


class TestOwnOperations(TestShared):
    """The contract for tensors that numpy can't reach, as on a GPU."""

    @pytest.fixture(autouse=True)
    def _hide(self, monkeypatch):
        monkeypatch.setattr(KIND, "to_numpy_shared", lambda array: None)


class TestVmap(TestShared):
    """The contract under vmap, which shows no values; so colors pass under ``"any"``."""

    sees = False

    def run(self, function, array):
        batch = self.make(np.stack([array, array]))
        first, second = (self.read(r) for r in torch.vmap(function)(batch))
        assert first.tobytes() == second.tobytes()
        return first

    @pytest.mark.parametrize("name", ["uint8", "float32"])
    def test_any_refuses_colors(self, name):
        colors = colors_of(name)
        result = self.run(self.gray_by("any"), colors)
        assert result.tobytes() == colors[..., 0].tobytes()


@pytest.mark.parametrize("weights", ["luma", "equal"])
@pytest.mark.parametrize("is_gray", [True, False])
def test_gradients_are_the_weights(weights, is_gray):
    x = torch.rand(2, 1, 4, 5).repeat(1, 3, 1, 1) if is_gray else torch.rand(2, 3, 4, 5)
    x.requires_grad_()
    slope = torch.rand(2, 1, 4, 5)
    (g2r.to_gray(x, "NCHW", weights=weights) * slope).sum().backward()
    parts = {"luma": (0.299, 0.587, 0.114), "equal": (1 / 3,) * 3}[weights]
    for channel, part in enumerate(parts):
        torch.testing.assert_close(x.grad[:, channel], part * slope[:, 0])


def test_the_gradient_of_any_goes_to_one_channel():
    x = torch.rand(4, 5).expand(3, 4, 5).clone().requires_grad_()
    g2r.to_gray(x, "CHW", weights="any").sum().backward()
    assert x.grad.sum((1, 2)).tolist() == [20, 0, 0]


class TestShapes:
    @pytest.mark.parametrize(
        ("shape", "result"),
        [((5, 6), (1, 5, 6)), ((5, 6, 3), (5, 6, 1)), ((7, 3, 5, 6), (7, 1, 5, 6)),
         ((1, 5, 6), (1, 5, 6)), ((7, 5, 6, 1), (7, 5, 6, 1))],
    )  # fmt: skip
    def test_a_channel_is_kept(self, shape, result):
        assert g2r.to_gray(torch.zeros(shape)).shape == result

    def test_an_arrow_drops_it(self):
        assert g2r.to_gray(torch.zeros(7, 3, 5, 6), "NCHW->NHW").shape == (7, 5, 6)

    def test_as_torchvision_does(self):
        x = torch.rand(4, 3, 5, 6)
        torch.testing.assert_close(
            g2r.to_gray(x), v2.functional.rgb_to_grayscale(x), rtol=0, atol=2e-4
        )  # torchvision's third weight is 0.1140, its first 0.2989

    @pytest.mark.parametrize("kind", [tv_tensors.Image, tv_tensors.Video])
    def test_tv_tensors(self, kind):
        x = torch.randint(0, 256, (4, 3, 5, 6), dtype=torch.uint8)
        result = g2r.to_gray(kind(x))
        assert type(result) is kind
        assert torch.equal(result.as_subclass(torch.Tensor), g2r.to_gray(x, "NCHW"))
        with pytest.raises(g2r.LayoutError, match=r"can't be NHW.*as_subclass"):
            g2r.to_gray(kind(x), "NCHW->NHW")


class TestOut:
    @pytest.mark.parametrize("name", ["uint8", "bfloat16", "float32"])
    @pytest.mark.parametrize("channels", [1, 3])
    def test_filled_and_returned(self, name, channels):
        colors = colors_of(name)[..., :channels].copy()
        x = TestShared().make(colors)
        out = torch.empty(2, 5, 6, dtype=x.dtype)
        assert g2r.to_gray(x, "NHWC->NHW", out=out) is out
        expected = colors[..., 0] if channels == 1 else expected_gray(colors, "luma")
        assert TestShared().read(out).tobytes() == expected.tobytes()

    def test_refused(self):
        x = torch.zeros(2, 3, 5, 6)
        for out in (torch.empty(2, 5, 6), torch.empty(2, 1, 5, 6, dtype=torch.float64), x[:, :1]):
            with pytest.raises((g2r.LayoutError, g2r.DtypeError), match="out"):
                g2r.to_gray(x, out=out)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_another_device(weights):
    x = torch.empty(2, 3, 5, 6, device="meta", dtype=torch.bfloat16)
    result = g2r.to_gray(x, weights=weights)
    assert (result.device.type, result.shape, result.dtype) == ("meta", (2, 1, 5, 6), x.dtype)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_gpu_has_the_same_bits():
    for name, weights in itertools.product(INTEGERS + FLOATS, ["luma", "equal"]):
        colors = colors_of(name)
        result = g2r.to_gray(TestShared().make(colors).cuda(), "NHWC->NHW", weights=weights)
        assert result.is_cuda
        expected = expected_gray(colors, weights)
        assert TestShared().read(result.cpu()).tobytes() == expected.tobytes(), (name, weights)


@pytest.mark.slow
class TestCompile:
    @pytest.mark.parametrize(
        ("name", "weights"),
        [("uint8", "luma"), ("uint16", "equal"), ("int64", "luma"), ("float32", "luma"),
         ("bfloat16", "equal")],
    )  # fmt: skip
    def test_the_same_bits_without_a_graph_break(self, name, weights):
        x = TestShared().make(colors_of(name))
        torch.compiler.reset()  # or torch gives up after eight dtypes
        compiled = torch.compile(self.gray_by(weights), fullgraph=True)
        assert torch.equal(compiled(x), self.gray_by(weights)(x))

    def gray_by(self, weights):
        return lambda x: g2r.to_gray(x, "NHWC->NCHW", weights=weights)

    def test_any(self):
        gray = torch.from_numpy(bits_of("uint8", (2, 1, 5, 6)))
        compiled = torch.compile(
            lambda x: g2r.to_gray(x, "NCHW", weights="any"), fullgraph=True, backend="eager"
        )
        assert torch.equal(compiled(gray.repeat(1, 3, 1, 1)), gray)
        colors = torch.from_numpy(bits_of("uint8", (2, 3, 5, 6)))
        with pytest.raises(RuntimeError, match="channels differ: by how much isn't known"):
            compiled(colors)
