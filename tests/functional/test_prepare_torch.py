"""Tests of ``prepare`` on torch tensors: gradients, traces, graphs and other devices."""

import warnings

import numpy as np
import pytest

import graytorgb as g2r

from ..support import assert_same_bits, needs

IMAGENET = g2r.stats("imagenet")


class TestTorch:
    @pytest.fixture(autouse=True)
    def torch(self):
        needs("torchvision")
        import torch

        self.torch = torch
        self.gray = torch.arange(256, dtype=torch.uint8).reshape(2, 1, 8, 16)
        self.want = g2r.prepare(self.gray.numpy(), IMAGENET, "NCHW")

    def prepare(self, x, layout="NCHW", **options):
        return g2r.prepare(x, IMAGENET, layout, **options)

    def test_in_and_out(self):
        result = self.prepare(self.gray)
        assert result.dtype == self.torch.float32
        assert_same_bits(result.numpy(), self.want)
        out = self.torch.empty(2, 3, 8, 16)
        assert self.prepare(self.gray, out=out) is out
        assert_same_bits(out.numpy(), self.want)
        for name in ("float16", "bfloat16", "uint8"):
            dtype = getattr(self.torch, name)
            out = self.torch.empty((2, 3, 8, 16), dtype=dtype)
            assert self.prepare(self.gray, out=out, dtype=dtype) is out
            assert self.torch.equal(out, self.prepare(self.gray, dtype=name))

    def test_a_missing_channel_goes_in_front(self):
        result = self.prepare(self.gray[:, 0], "NHW")
        assert result.shape == (2, 3, 8, 16)

    def test_tv_tensors_stay_what_they_are(self):
        from torchvision import tv_tensors

        for kind in (tv_tensors.Image, tv_tensors.Video):
            result = self.prepare(kind(self.gray), None)
            assert type(result) is kind
            assert_same_bits(result.as_subclass(self.torch.Tensor).numpy(), self.want)

    def test_bfloat16_in(self):
        result = self.prepare((self.gray / 255).bfloat16())
        assert np.abs(result.numpy() - self.want).max() < 0.02

    @pytest.mark.parametrize("how", ["gradient", "vmap", "compile", "export", "jit", "functional"])
    def test_by_torchs_own_operations(self, how):
        torch = self.torch
        x = self.gray.float() / 255

        def call(x):
            return self.prepare(x, "CHW" if x.ndim == 3 else "NCHW")

        if how == "gradient":
            leaf = x.clone().requires_grad_()
            result = call(leaf)
            result.sum().backward()
            std = IMAGENET[1]
            assert torch.allclose(leaf.grad, torch.tensor(sum(1 / s for s in std)))
        elif how == "vmap":
            result = torch.vmap(call)(x)
        elif how == "compile":
            result = torch.compile(call, fullgraph=True, backend="eager")(x)
        elif how == "functional":
            result = torch.func.functionalize(call)(x)
        elif how == "jit":
            with warnings.catch_warnings():  # of torch's about itself
                warnings.simplefilter("ignore")
                result = torch.jit.trace(call, x)(x)
        else:

            class Model(torch.nn.Module):
                def forward(self, x):
                    return call(x)

            result = torch.export.export(Model(), (x,)).module()(x)
        assert np.abs(result.detach().numpy() - self.want).max() <= 1e-6
        assert result.is_contiguous()

    def test_uint8_by_torchs_own_operations(self):
        def call(x):
            return g2r.prepare(x, (0.1, 1 / 300), "NCHW", dtype="uint8")

        assert self.torch.equal(self.torch.vmap(call)(self.gray[None])[0], call(self.gray))

    def test_rgb_and_layouts_by_torchs_own_operations(self):
        rgb = self.torch.rand(2, 8, 9, 3, requires_grad=True)
        own = self.prepare(rgb, "NHWC->NCHW").detach()
        assert self.torch.equal(own, self.prepare(rgb.detach(), "NHWC->NCHW"))

    def test_a_stated_range_by_torchs_own_operations(self):
        torch = self.torch
        x = (torch.arange(-4.0, 9.0) / 4).reshape(1, 1, 1, 13).requires_grad_()
        own = self.prepare(x, value_range=(0, 1))
        assert torch.allclose(own, self.prepare(x.detach(), value_range=(0, 1)), atol=1e-6)
        own.sum().backward()
        assert ((x.grad == 0) == ((x <= 0) | (x >= 1))).all()

    def test_wide_integers_by_torchs_own_operations(self):
        x = self.torch.tensor([[2**30, 2**30 + 5, 2**30 + 10]], dtype=self.torch.int32)

        def call(x):
            return g2r.prepare(x, (0, 1), "HW", value_range=(2**30, 2**30 + 10))

        assert self.torch.vmap(call)(x[None])[0, 0, 0].tolist() == [0, 0.5, 1]

    def test_autograd_notices_what_out_overwrites(self):
        torch = self.torch
        p = torch.ones(2, 3, 8, 16, requires_grad=True)
        calls = [
            lambda out: self.prepare(self.gray, out=out),
            lambda out: g2r.to_rgb(self.gray / 255, "NCHW", out=out),
            lambda out: g2r.to_rgb(self.want_tensor(), "NCHW", out=out),
        ]
        for call in calls:
            out = torch.zeros(2, 3, 8, 16)
            loss = (out * p).sum()
            call(out)
            with pytest.raises(RuntimeError, match="modified by an inplace operation"):
                loss.backward()
        with torch.inference_mode():
            self.prepare(self.gray, out=torch.zeros(2, 3, 8, 16))

    def want_tensor(self):
        return self.torch.from_numpy(self.want)

    @pytest.mark.parametrize("value_range", ["minmax", ("percentile", 1, 99)])
    def test_what_looks_at_values_needs_values(self, value_range):
        x = self.torch.rand(2, 1, 8, 9, requires_grad=True)
        with pytest.raises(g2r.LevelsError, match="state the range"):
            self.prepare(x, value_range=value_range)
        with pytest.raises(g2r.DtypeError, match="leave out= away"):
            self.prepare(x, out=self.torch.empty(2, 3, 8, 9))

    def test_out_of_another_kind(self):
        with pytest.raises(g2r.DtypeError, match=r"torch.empty"):
            self.prepare(self.gray, out=np.empty((2, 3, 8, 16), np.float32))
