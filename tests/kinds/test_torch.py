"""Tests of torch tensors: views, gradients, dtypes that numpy lacks, and refused tensors."""

import numpy as np
import pytest

import graytorgb as g2r
from graytorgb.backends.registry import BACKENDS

from ..support import needs, oracle, random_bits

needs("torchvision")

import torch  # noqa: E402
from torch.autograd import forward_ad  # noqa: E402
from torchvision import tv_tensors  # noqa: E402

WORDS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
DTYPES = [
    torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.uint16,
    torch.uint32, torch.uint64, torch.float16, torch.bfloat16, torch.float32, torch.float64,
    torch.complex64, torch.complex128, torch.float8_e4m3fn, torch.float8_e5m2,
]  # fmt: skip


def tensor_of(dtype, shape=(4, 5, 6)):
    """Return a tensor of random bits of a dtype."""
    if dtype is torch.bool:
        return torch.from_numpy(random_bits(shape, bool))
    return torch.from_numpy(random_bits((*shape[:-1], shape[-1] * dtype.itemsize), np.uint8)).view(
        dtype
    )


def bits(tensor):
    return tensor.detach().contiguous().view(torch.uint8).numpy().tobytes()


def expected_tensor(tensor, axis):
    return torch.stack([tensor.detach()] * 3, axis)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("backend", ["auto", *BACKENDS])
def test_tensor_gives_tensor_bit_for_bit(backend, dtype):
    needs(*({backend} - {"auto"}))
    x = tensor_of(dtype)
    if backend == "pillow" and dtype is not torch.uint8:
        with pytest.raises(g2r.DtypeError, match="pillow"):
            g2r.to_rgb(x, "NHW", backend=backend)
        return
    result = g2r.to_rgb(x, "NHW", backend=backend)  # a missing C goes in front of H
    assert type(result) is torch.Tensor
    assert result.dtype == dtype
    assert result.shape == (4, 3, 5, 6)
    expected = torch.stack([x.view(torch.uint8)] * 3, 1)
    assert bits(result) == expected.contiguous().numpy().tobytes()
    assert result.is_contiguous() == (backend != "broadcast")


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bfloat16, torch.float64], ids=str)
def test_broadcast_shares_memory_with_stride_0(dtype):
    x = tensor_of(dtype, (8, 5, 6))[2:, 1:, ::2]  # an offset and strides of its own
    for options in ({"backend": "broadcast"}, {"copy": False}):
        view = g2r.to_rgb(x, "NHW->NHWC", **options)
        assert view.data_ptr() == x.data_ptr()
        assert view.stride() == (*x.stride(), 0)
        assert bits(view) == bits(expected_tensor(x, 3))
    copied = g2r.to_rgb(x, "NHW->NHWC", backend="broadcast", copy=True)
    assert copied.is_contiguous()
    assert copied.data_ptr() != x.data_ptr()


def test_no_warning_from_read_only_memory():
    gray = random_bits((4, 5, 6), np.uint8)
    gray.flags.writeable = False  # filterwarnings=error would raise here
    result = g2r.to_rgb(gray, "NHW", backend="torchvision")
    assert result.tobytes() == oracle(gray, "NHW->NHWC").tobytes()


@pytest.mark.parametrize(
    ("shape", "result"),
    [((5, 6), (3, 5, 6)), ((5, 6, 1), (5, 6, 3)), ((1, 5, 6), (3, 5, 6)),
     ((7, 1, 5, 6), (7, 3, 5, 6)), ((7, 5, 6, 1), (7, 5, 6, 3)), ((0, 1, 5, 6), (0, 3, 5, 6))],
)  # fmt: skip
def test_inference(shape, result):
    assert g2r.to_rgb(torch.zeros(shape)).shape == result


@pytest.mark.parametrize("shape", [(64, 8, 8), (3, 8, 8), (8, 8, 4), (2, 1, 8, 3)])
def test_ambiguity_is_an_error(shape):
    with pytest.raises(g2r.LayoutError, match=r"given: torch\.Tensor"):
        g2r.to_rgb(torch.zeros(shape))


class TestOut:
    @pytest.mark.parametrize("dtype", [torch.uint8, torch.bfloat16], ids=str)
    def test_filled_and_returned(self, dtype):
        x = tensor_of(dtype)
        out = torch.empty((4, 3, 5, 6), dtype=dtype)
        assert g2r.to_rgb(x, "NHW", out=out) is out
        assert bits(out) == bits(expected_tensor(x, 1))

    @pytest.mark.parametrize(
        ("out", "error"),
        [
            (np.empty((4, 3, 5, 6), np.uint8), g2r.DtypeError),
            (torch.empty((4, 3, 5, 6), dtype=torch.int8), g2r.DtypeError),
            (torch.empty((4, 5, 6, 3), dtype=torch.uint8), g2r.LayoutError),
            (torch.empty((4, 5, 6, 3), dtype=torch.uint8).movedim(-1, 1), g2r.LayoutError),
            (torch.empty((4, 3, 5, 6), dtype=torch.uint8, device="meta"), g2r.DtypeError),
        ],
    )
    def test_refused(self, out, error):
        with pytest.raises(error, match="out"):
            g2r.to_rgb(torch.zeros((4, 5, 6), dtype=torch.uint8), "NHW", out=out)

    def test_bfloat16_is_not_int16(self):
        with pytest.raises(g2r.DtypeError, match="int16"):
            g2r.to_rgb(
                torch.zeros((5, 6), dtype=torch.bfloat16),
                out=torch.zeros((3, 5, 6), dtype=torch.int16),
            )

    def test_with_a_gradient(self):
        with pytest.raises(g2r.DtypeError, match="leave out= away"):
            g2r.to_rgb(torch.zeros(5, 6, requires_grad=True), out=torch.empty(3, 5, 6))


class TestOwnLibrary:
    """Tensors whose memory numpy can't share go through torch's own operations."""

    def test_gradients_are_summed_over_the_channels(self):
        x = torch.rand(2, 1, 4, 5, requires_grad=True)
        weight = torch.rand(2, 3, 4, 5)
        (g2r.to_rgb(x) * weight).sum().backward()
        torch.testing.assert_close(x.grad, weight.sum(1, keepdim=True))

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32], ids=str)
    def test_gradients_in_every_dtype(self, dtype):
        x = torch.ones(5, 6, dtype=dtype, requires_grad=True)
        g2r.to_rgb(x).sum().backward()
        assert x.grad.tolist() == [[3.0] * 6] * 5

    def test_forward_mode_gradients(self):
        x, tangent = torch.rand(5, 6), torch.rand(5, 6)
        _, moved = torch.func.jvp(g2r.to_rgb, (x,), (tangent,))
        assert torch.equal(moved, torch.stack([tangent] * 3))
        with forward_ad.dual_level():
            dual = g2r.to_rgb(forward_ad.make_dual(x, tangent))
            assert torch.equal(forward_ad.unpack_dual(dual).tangent, moved)

    @pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
    def test_traces(self):
        traced = torch.jit.trace(lambda x: g2r.to_rgb(x, "NHW"), torch.zeros(2, 5, 6))
        x = torch.rand(2, 5, 6)
        assert torch.equal(traced(x), g2r.to_rgb(x, "NHW"))

    def test_functionalised_tensors_have_no_memory_of_their_own(self):
        x = torch.rand(2, 5, 6)
        result = torch.func.functionalize(lambda x: g2r.to_rgb(x, "NHW"))(x)
        assert torch.equal(result, g2r.to_rgb(x, "NHW"))

    @pytest.mark.parametrize("mode", ["real", "fake", "symbolic"])
    def test_recorded_graphs_hold_no_values(self, mode):
        from torch.fx.experimental.proxy_tensor import make_fx

        graph = make_fx(lambda x: g2r.to_rgb(x, "NHW"), tracing_mode=mode)(torch.zeros(2, 5, 6))
        x = torch.rand(2, 5, 6)
        assert torch.equal(graph(x), g2r.to_rgb(x, "NHW"))

    def test_meta_tensors(self):
        assert g2r.to_rgb(torch.empty(4, 5, 6, device="meta"), "NHW->NHWC").shape == (4, 5, 6, 3)

    @pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.bfloat16], ids=str)
    def test_prepare_of_meta_tensors(self, dtype):
        x = torch.empty(4, 5, 6, dtype=dtype, device="meta")
        result = g2r.prepare(x, "imagenet", "NHW", dtype=torch.float16)
        assert result.device.type == "meta"
        assert result.shape == (4, 3, 5, 6)
        assert result.dtype == torch.float16

    def test_prepare_under_nested_vmap(self):
        x = torch.randint(0, 256, (2, 3, 5, 6), dtype=torch.uint8)
        mean, std = g2r.stats("imagenet")
        result = torch.vmap(torch.vmap(lambda image: g2r.prepare(image, (mean, std), "HW")))(x)
        torch.testing.assert_close(
            result, g2r.prepare(x, (mean, std), "NTHW->NTCHW"), rtol=0, atol=1e-6
        )

    @pytest.mark.parametrize("how", ["backward", "grad", "jvp", "dual"])
    def test_prepare_looks_at_floats_whose_gradient_is_asked_for(self, how):
        def differentiate(x):
            def call(x):
                return g2r.prepare(x, (0.5, 0.5), "HW")

            if how == "backward":
                return call(x.requires_grad_())
            if how == "grad":
                return torch.func.grad(lambda x: call(x).sum())(x)
            if how == "jvp":
                return torch.func.jvp(call, (x,), (x,))
            with forward_ad.dual_level():
                return call(forward_ad.make_dual(x, x))

        differentiate(torch.rand(5, 6))
        for wrong in (255, torch.nan, -torch.inf):
            x = torch.rand(5, 6)
            x[2, 3] = wrong
            with pytest.raises(g2r.LevelsError, match="unless you say their range"):
                differentiate(x)
        assert g2r.prepare(torch.rand(0, 5, 6, requires_grad=True), (0.5, 0.5), "NHW").numel() == 0

    def test_no_gradient_passes_by_what_is_found_in_the_values(self):
        x = torch.rand(5, 6)
        with forward_ad.dual_level(), pytest.raises(g2r.LevelsError, match="a gradient"):
            g2r.prepare(forward_ad.make_dual(x, x), (0.5, 0.5), value_range="minmax")

    @pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.bfloat16], ids=str)
    def test_prepare_of_few_bits_with_a_gradient(self, dtype):
        x = torch.rand(5, 6).to(dtype)
        own = g2r.prepare(x.clone().requires_grad_(), (0.5, 0.5))
        torch.testing.assert_close(own.detach(), g2r.prepare(x, (0.5, 0.5)))

    def test_a_subclass_keeps_what_it_carries(self):
        class Tagged(torch.Tensor):
            pass

        result = g2r.to_rgb(torch.rand(5, 6).as_subclass(Tagged))
        assert type(result) is Tagged
        assert result.shape == (3, 5, 6)

    def test_conjugates(self):
        x = torch.complex(torch.rand(5, 6), torch.rand(5, 6)).conj()
        torch.testing.assert_close(g2r.to_rgb(x), torch.stack([x] * 3))

    def test_vmap(self):
        x = torch.rand(4, 1, 5, 6)
        result = torch.vmap(lambda image: g2r.to_rgb(image, "CHW"))(x)
        assert torch.equal(result, x.expand(4, 3, 5, 6))

    def test_a_numpy_backend_is_refused_by_name(self):
        with pytest.raises(g2r.DtypeError, match=r'backend="auto".*detach\(\)\.cpu\(\)'):
            g2r.to_rgb(torch.rand(5, 6, requires_grad=True), backend="fill")

    def test_views(self):
        x = torch.rand(5, 6, requires_grad=True)
        assert g2r.to_rgb(x, copy=False).stride() == (0, 6, 1)
        assert g2r.to_rgb(x, backend="broadcast").data_ptr() == x.data_ptr()

    def test_composite_is_refused_and_drop_works(self):
        x = torch.rand(4, 5, 6, requires_grad=True)
        assert g2r.to_rgb(x, "CHW", alpha="drop").shape == (3, 5, 6)
        with pytest.raises(g2r.DtypeError, match=r"detach\(\)\.cpu\(\)"):
            g2r.to_rgb(x, "CHW", alpha=(0, 0, 0))


class TestChannelsLast:
    """A memory format isn't a layout: it changes neither the axes nor the values."""

    gray = torch.randint(0, 256, (4, 1, 6, 7), dtype=torch.uint8)

    @pytest.mark.parametrize("gradient", [False, True])
    @pytest.mark.parametrize("channels", [1, 3])
    @pytest.mark.parametrize("layout", ["NCHW", "NCHW->NHWC"])
    def test_in(self, layout, channels, gradient):
        x = self.gray.expand(-1, channels, -1, -1).contiguous().float().div(255)
        last = x.contiguous(memory_format=torch.channels_last).requires_grad_(gradient)
        for call in (
            lambda x: g2r.to_rgb(x, layout),
            lambda x: g2r.prepare(x, "imagenet", layout),
        ):
            result = call(last)
            assert result.is_contiguous()
            torch.testing.assert_close(result.detach(), call(x), rtol=0, atol=1e-6)

    def test_out_by_the_layout(self):
        """A view of NHWC memory as NCHW has the memory format channels_last."""
        for result in (
            g2r.to_rgb(self.gray, "NCHW->NHWC"),
            g2r.prepare(self.gray, (0.5, 0.5), "NCHW->NHWC"),
        ):
            seen = result.permute(0, 3, 1, 2)
            assert seen.is_contiguous(memory_format=torch.channels_last)
            model = torch.nn.Conv2d(3, 2, 3).to(memory_format=torch.channels_last)
            assert model(seen.float()).is_contiguous(memory_format=torch.channels_last)

    def test_levels(self):
        last = self.gray.to(memory_format=torch.channels_last)
        assert torch.equal(g2r.to_uint8(last, (0, 255)), self.gray)


class TestTvTensors:
    def test_another_layout_is_refused(self):
        x = tv_tensors.Image(torch.zeros(1, 5, 6))
        with pytest.raises(g2r.LayoutError, match=r"as_subclass\(torch\.Tensor\)"):
            g2r.to_rgb(x, "CHW->HWC")
        assert g2r.to_rgb(x, "CHW").shape == (3, 5, 6)

    @pytest.mark.parametrize("shape", [(1, 5, 6), (3, 5, 6), (4, 1, 5, 6), (2, 4, 1, 5, 6)])
    @pytest.mark.parametrize("kind", [tv_tensors.Image, tv_tensors.Video], ids=lambda k: k.__name__)
    def test_the_type_says_the_layout(self, kind, shape):
        if kind is tv_tensors.Video and len(shape) < 4:
            return
        x = kind(torch.randint(0, 255, shape, dtype=torch.uint8))
        result = g2r.to_rgb(x)
        assert type(result) is kind
        assert torch.equal(
            result.as_subclass(torch.Tensor), x.as_subclass(torch.Tensor).expand(result.shape)
        )
        assert result.shape[-3] == 3

    @pytest.mark.parametrize(
        "x",
        [
            tv_tensors.Mask(torch.zeros(5, 6, dtype=torch.uint8)),
            tv_tensors.BoundingBoxes(torch.zeros(1, 4), format="XYXY", canvas_size=(5, 6)),
        ],
        ids=lambda x: type(x).__name__,
    )
    def test_what_is_no_image_is_refused_by_name(self, x):
        for call in (g2r.to_rgb, lambda v: g2r.to_uint8(v, (0, 1))):
            with pytest.raises(g2r.DtypeError, match=f"a {type(x).__name__} isn't an image"):
                call(x)


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_sparse_and_quantized_are_refused():
    quantized = torch.quantize_per_tensor(torch.zeros(5, 6), 1.0, 0, torch.quint8)
    for x in (torch.zeros(5, 6).to_sparse(), quantized):
        with pytest.raises(g2r.DtypeError, match="aren't images"):
            g2r.to_rgb(x)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_nested_tensors_are_refused():
    x = torch.nested.nested_tensor([torch.zeros(5, 6), torch.zeros(4, 6)])
    for call in (g2r.to_rgb, lambda v: g2r.to_uint8(v, (0, 1))):
        with pytest.raises(g2r.DtypeError, match="nested"):
            call(x)


def test_alpha_in_a_dtype_that_numpy_lacks():
    for dtype in (torch.bfloat16, torch.float8_e5m2):
        with pytest.raises(g2r.DtypeError, match="that NumPy has"):
            g2r.to_rgb(torch.ones(2, 1, 1).to(dtype), "CHW", alpha=(0, 0, 0))


def test_alpha():
    x = torch.randint(0, 256, (2, 4, 5, 6), dtype=torch.uint8)
    assert torch.equal(g2r.to_rgb(x, "NCHW", alpha="drop"), x[:, :3])
    mixed = g2r.to_rgb(x, "NCHW", alpha=(10, 20, 30))
    assert mixed.is_contiguous()
    as_numpy = g2r.to_rgb(x.numpy(), "NCHW", alpha=(10, 20, 30))
    assert mixed.numpy().tobytes() == as_numpy.tobytes()
