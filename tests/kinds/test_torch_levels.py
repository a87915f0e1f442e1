"""Tests of ``to_uint8`` on torch tensors: every dtype, vmap, gradients, torch's operations."""

import numpy as np
import pytest

import graytorgb as g2r

from ..support import needs, random_bits

needs("torchvision")

import torch  # noqa: E402
from torchvision import tv_tensors  # noqa: E402

from graytorgb.kinds.torch import KIND  # noqa: E402


class TestToUint8:
    DEEP = (
        torch.arange(-20, 220).reshape(3, 8, 10).to(torch.int16),
        torch.arange(240).reshape(3, 8, 10).to(torch.uint16),
        torch.arange(240).reshape(3, 8, 10) % 2 == 0,
        torch.arange(-20, 220).reshape(3, 8, 10) * 10**16,
        torch.arange(-20, 220).reshape(3, 8, 10).to(torch.uint32),
        torch.arange(-20, 220).reshape(3, 8, 10).to(torch.uint64),
        torch.linspace(-3, 203, 240).reshape(3, 8, 10),
        torch.linspace(-3, 203, 240).reshape(3, 8, 10).to(torch.bfloat16),
        torch.linspace(-3, 203, 240, dtype=torch.float64).reshape(3, 8, 10),
    )

    @pytest.mark.filterwarnings("ignore:more than half of an image is above")
    def test_as_numpy_does(self):
        x = random_bits((4, 50, 60), np.uint16)
        for policy in [(0, 4095), "dtype", "minmax", ("percentile", 1, 99)]:
            result = g2r.to_uint8(torch.from_numpy(x), policy)
            assert result.dtype == torch.uint8
            assert result.numpy().tobytes() == g2r.to_uint8(x, policy).tobytes()

    def test_bfloat16_by_its_values(self):
        x = torch.tensor([[0.0, 0.5, 1.0, 2.0]], dtype=torch.bfloat16)
        assert g2r.to_uint8(x, (0, 1)).tolist() == [[0, 128, 255, 255]]

    def test_a_gradient_ends_here(self):
        assert not g2r.to_uint8(torch.rand(5, 6, requires_grad=True), (0, 1)).requires_grad

    def test_a_subclass_is_refused_by_name(self):
        class Tagged(torch.Tensor):
            pass

        x = torch.rand(5, 6).as_subclass(Tagged)
        with pytest.raises(g2r.DtypeError, match=r"Tagged is a subclass.*as_subclass"):
            g2r.to_uint8(x, (0, 1))

    @pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental")
    @pytest.mark.parametrize("dtype", [torch.complex32, torch.complex64], ids=str)
    def test_complex_has_no_order(self, dtype):
        with pytest.raises(g2r.DtypeError, match=r"x\.real or x\.abs"):
            g2r.to_uint8(torch.zeros(5, 6, dtype=dtype), (0, 1))

    def test_lazy_negatives(self):
        x = torch.complex(torch.rand(5, 6), torch.rand(5, 6))
        assert torch.equal(g2r.to_uint8(x.conj().imag, (-1, 0)), g2r.to_uint8(-x.imag, (-1, 0)))

    @pytest.mark.filterwarnings("ignore:more than half of an image is above")
    @pytest.mark.parametrize("x", DEEP, ids=lambda x: str(x.dtype))
    def test_vmap(self, x):
        mapped = torch.vmap(lambda x: g2r.to_uint8(x, (0, 200)))(x)
        assert torch.equal(mapped, g2r.to_uint8(x, (0, 200)))
        if x.dtype == torch.bool:  # which has no range to look for
            assert torch.equal(torch.vmap(lambda x: g2r.to_uint8(x, "minmax"))(x), mapped)
            return
        with pytest.raises(g2r.LevelsError, match="state the range"):
            torch.vmap(lambda x: g2r.to_uint8(x, "minmax"))(x)

    @pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
    def test_nan_where_no_value_is_shown(self):
        """NaN becomes 255 under vmap, as the docstring of ``to_uint8`` says."""

        def verb(x):
            return g2r.to_uint8(x, (0, 1))

        x = torch.full((1, 5, 6), torch.nan)
        assert (torch.vmap(verb)(x) == 255).all()
        assert (torch.jit.trace(verb, torch.rand(1, 5, 6))(x) == 255).all()

    def test_video_stays_video(self):
        x = tv_tensors.Video(torch.zeros(4, 1, 5, 6, dtype=torch.int16))
        assert type(g2r.to_uint8(x, (0, 4095))) is tv_tensors.Video

    def test_out(self):
        x = torch.rand(5, 6)
        out = torch.empty(5, 6, dtype=torch.uint8)
        assert g2r.to_uint8(x, (0, 1), out=out) is out
        assert torch.equal(out, g2r.to_uint8(x, (0, 1)))
        with pytest.raises(g2r.DtypeError, match="kind"):
            g2r.to_uint8(x, (0, 1), out=out.numpy())

    @pytest.mark.parametrize("dtype", [torch.uint16, torch.float32], ids=str)
    def test_another_device(self, dtype):
        x = torch.empty(5, 6, device="meta", dtype=dtype)
        levels = g2r.to_uint8(x, (0, 1))
        assert (levels.device.type, levels.shape, levels.dtype) == ("meta", x.shape, torch.uint8)
        with pytest.raises(g2r.LevelsError, match="state the range"):
            g2r.to_uint8(x, "minmax")
        with pytest.raises(g2r.DtypeError, match="leave out= away"):
            g2r.to_uint8(x, (0, 1), out=levels)

    @pytest.mark.filterwarnings("ignore:more than half of an image is above")
    @pytest.mark.parametrize("x", DEEP, ids=lambda x: str(x.dtype))
    def test_its_own_operations(self, x, monkeypatch):
        """Pretend that numpy can't reach the values, as on a device that a test may not have."""
        expected = {p: g2r.to_uint8(x, p) for p in ((0, 200), "minmax", ("percentile", 1, 99))}
        read = KIND.to_numpy_values
        monkeypatch.setattr(KIND, "to_numpy_values", lambda array: None)
        monkeypatch.setattr(KIND, "read_values", read)
        for policy, levels in expected.items():
            assert torch.equal(g2r.to_uint8(x, policy), levels)

    def test_nan_on_another_device(self, monkeypatch):
        monkeypatch.setattr(KIND, "to_numpy_values", lambda array: None)
        with pytest.raises(g2r.LevelsError, match="NaN"):
            g2r.to_uint8(torch.tensor([[torch.nan, 1]]), (0, 1))
