"""Tests of torch tensors in compiled and exported functions."""

import pytest

import graytorgb as g2r

from ..support import needs, run_python

needs("torchvision")

import torch  # noqa: E402


@pytest.mark.slow
class TestCompile:
    @pytest.mark.parametrize("layout", ["NCHW", "NCHW->NHWC"])
    def test_without_a_graph_break(self, layout):
        x = torch.rand(4, 1, 5, 6)
        compiled = torch.compile(lambda t: g2r.to_rgb(t, layout), fullgraph=True)
        assert torch.equal(compiled(x), g2r.to_rgb(x, layout))

    @pytest.mark.filterwarnings("error")  # torch's own too, of functions that keep results
    def test_without_a_warning(self, monkeypatch):
        from torch._dynamo import utils

        monkeypatch.setattr(utils, "warn_once_cache", set())  # by other tests
        x = torch.rand(2, 1, 5, 6)
        for verb in (
            lambda x: g2r.to_rgb(x, "NCHW->NHWC"),
            lambda x: g2r.to_uint8(x, (0, 1)),
            lambda x: g2r.prepare(x, (0.5, 0.5), "NCHW"),
        ):
            compiled = torch.compile(verb, fullgraph=True, backend="eager")
            torch.testing.assert_close(compiled(x), verb(x))

    def test_a_wrong_layout_is_the_same_error(self):
        compiled = torch.compile(lambda x: g2r.to_rgb(x, "NHWW"), backend="eager")
        with pytest.raises(g2r.LayoutError, match="W appears twice"):
            compiled(torch.rand(2, 5, 6))

    @pytest.mark.parametrize("dtype", [torch.uint8, torch.float32], ids=str)
    def test_prepare_with_any_batch(self, dtype):
        mean, std = g2r.stats("imagenet")

        def call(x):
            return g2r.prepare(x, (mean, std), "NHW->NCHW")

        compiled = torch.compile(call, fullgraph=True)  # from its second size on, of any
        for count in (4, 3, 7):
            x = torch.randint(0, 256, (count, 5, 6), dtype=torch.uint8)
            x = x if dtype == torch.uint8 else x / 255
            torch.testing.assert_close(compiled(x), call(x), rtol=0, atol=1e-6)

    @pytest.mark.parametrize("channel", [1, 3])
    def test_an_inferred_layout_of_any_size(self, channel):
        compiled = torch.compile(lambda x: g2r.to_rgb(x), fullgraph=True, backend="eager")
        for size in (5, 7, 9):  # symbols from the second on
            x = torch.rand(size + 2, size, size + 1).unsqueeze(channel)
            assert torch.equal(compiled(x), g2r.to_rgb(x))

    def test_in_a_process_that_has_converted_nothing_yet(self):
        """Run in a new process, so that nothing is cached or imported before the trace."""
        code = """
import torch
import graytorgb as g2r
call = torch.compile(lambda x: g2r.to_rgb(x, "NCHW->NHWC"), fullgraph=True, backend="eager")
print(*call(torch.zeros(2, 1, 5, 6)).shape)
"""
        assert run_python(code).strip() == "2 5 6 3"

    def test_gradients_through_the_compiler(self):
        x = torch.rand(4, 1, 5, 6, requires_grad=True)
        torch.compile(lambda t: g2r.to_rgb(t, "NCHW"), fullgraph=True)(x).sum().backward()
        assert torch.equal(x.grad, torch.full_like(x, 3))

    def test_values_are_looked_at_when_it_runs(self):
        def levels(x):
            return g2r.to_uint8(x, (0, 1))

        def normalized(x):
            return g2r.prepare(x, (0.5, 0.5), "HW->CHW")

        x = torch.rand(5, 6)
        for verb, message in [(levels, "NaN"), (normalized, "unless you say their range")]:
            compiled = torch.compile(verb, fullgraph=True)
            torch.testing.assert_close(compiled(x), verb(x))
            with pytest.raises(RuntimeError, match=message):
                compiled(torch.full((5, 6), torch.nan))
        assert torch.compile(torch.vmap(normalized), fullgraph=True)(x[None]).shape == (1, 3, 5, 6)

    @pytest.mark.parametrize("dtype", [torch.uint16, torch.float32], ids=str)
    def test_export_of_to_uint8(self, dtype):
        class Model(torch.nn.Module):
            def forward(self, x):
                return g2r.to_uint8(x, (0, 200))

        x = (torch.rand(5, 6) * 255).to(dtype)
        exported = torch.export.export(Model(), (x,)).module()
        assert torch.equal(exported(x), Model()(x))

    def test_export_of_prepare(self):
        class Model(torch.nn.Module):
            def forward(self, x):
                return g2r.prepare(x, "imagenet", "NHW", value_range=(0, 4095))

        x = torch.randint(0, 4096, (4, 5, 6), dtype=torch.int16)
        batch = torch.export.Dim("batch", min=2)
        program = torch.export.export(Model(), (x,), dynamic_shapes=({0: batch},))
        result = program.module()(x[:3])
        torch.testing.assert_close(result, Model()(x[:3]), rtol=0, atol=1e-6)

    def test_export(self):
        class Model(torch.nn.Module):
            def forward(self, x):
                return g2r.to_rgb(x, "NCHW").sum(1)

        x = torch.rand(4, 1, 5, 6)
        program = torch.export.export(Model(), (x,), dynamic_shapes=({0: torch.export.Dim.AUTO},))
        torch.testing.assert_close(program.module()(x[:3]), Model()(x[:3]))
