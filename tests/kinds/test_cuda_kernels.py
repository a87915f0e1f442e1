"""The fused kernels for GPUs: in Triton's interpreter anywhere, and compiled where CUDA is."""

import itertools
import warnings

import numpy as np
import pytest

import graytorgb as g2r

from ..support import needs_package, run_python

needs_package("torch")

import torch  # noqa: E402

from graytorgb.core import notice  # noqa: E402
from graytorgb.core.arithmetic import find_constants  # noqa: E402
from graytorgb.kinds import torch as kind  # noqa: E402

SOURCES = ("bool", "uint8", "int8", "uint16", "int16", "float16", "bfloat16", "float32")
TARGETS = ("float32", "float16", "bfloat16", "uint8")
SHAPES = ((2, 5, 7), (3, 8, 16), (1, 1, 1), (700, 3, 1))

# Triton reads the variable when it is imported, so its interpreter needs a process of its own.
INTERPRETED = """
import os
os.environ["TRITON_INTERPRET"] = "1"
from graytorgb.kinds import cuda_kernels
from tests.kinds import test_cuda_kernels as tests
tests.{call}
print("done")
"""


def gray_of(name, shape, seed=0):
    """Random values in a dtype: any bits of integers, and floats within and around 0 to 1."""
    rng = np.random.default_rng(seed)
    dtype = getattr(torch, name)
    if dtype.is_floating_point or dtype.is_complex:
        return torch.from_numpy(rng.normal(0.5, 0.5, shape)).to(dtype)
    most = 2 if name == "bool" else 256
    return torch.from_numpy(rng.integers(0, most, (*shape, dtype.itemsize), np.uint8)).view(dtype)[
        ..., 0
    ]


def bits_of(tensor):
    return tensor.contiguous().view(torch.uint8).cpu().numpy().tobytes()


def check_expand(device="cpu", names=(*SOURCES, "int64", "complex64", "float64")):
    from graytorgb.kinds import cuda_kernels

    for name, shape in itertools.product(names, SHAPES):
        gray = gray_of(name, shape)
        for axis in (0, 1, 3):
            expected = gray.unsqueeze(axis).expand(*shape[:axis], 3, *shape[axis:])
            result = cuda_kernels.expand(gray.to(device), axis)
            assert result.shape == expected.shape
            assert result.is_contiguous()
            assert bits_of(result) == bits_of(expected), (name, shape, axis)


def check_addresses(device="cpu"):
    """Bytes and halves that begin or end within a word of 4 bytes."""
    from graytorgb.kinds import cuda_kernels

    for name, start, count in itertools.product(("uint8", "int16"), range(4), range(1, 10)):
        gray = gray_of(name, (20,)).to(device)[start : start + count]
        expected = gray.unsqueeze(1).expand(count, 3)
        assert bits_of(cuda_kernels.expand(gray, 1)) == bits_of(expected), (name, start, count)


def check_large_numbers():
    """Elements that are numbered in 64 bits, as beyond 2^31 of them."""
    from graytorgb.kinds import cuda_kernels

    before, cuda_kernels._MOST_IN_32_BITS = cuda_kernels._MOST_IN_32_BITS, 0
    try:
        check_expand(names=("uint8", "int16", "float32"))
        check_normalize(names=("uint8",))
    finally:
        cuda_kernels._MOST_IN_32_BITS = before


def check_normalize(device="cpu", names=SOURCES):
    """The bits of torch's own operations on the CPU."""
    from graytorgb.kinds import cuda_kernels

    stats = g2r.stats("imagenet")
    # Triton's interpreter cuts a float32 off to bfloat16, which a GPU rounds
    targets = TARGETS if device == "cuda" else [name for name in TARGETS if name != "bfloat16"]
    for name, target, shape in itertools.product(names, targets, SHAPES[:2]):
        is_float = getattr(torch, name).is_floating_point
        for stated, (layout, channels) in itertools.product(
            (False, True), itertools.product((1, 3), (1, 3))
        ):
            lo, hi = (0.1, 0.8) if is_float and stated else (0, 1) if is_float else (10, 200)
            arithmetic = find_constants(lo, hi, stats, target, stated=stated)
            full = (*shape[:layout], channels, *shape[layout:])
            image = gray_of(name, full)
            dtype = getattr(torch, target)
            expected = kind.KIND.normalize(image, layout, arithmetic, dtype)
            assert cuda_kernels.can_normalize(image, arithmetic)
            result = cuda_kernels.normalize(image.to(device), layout, arithmetic, dtype)
            assert (result.shape, result.dtype) == (expected.shape, dtype)
            assert result.is_contiguous()
            assert bits_of(result) == bits_of(expected), (name, target, shape, layout, channels)


def check_not_numbers(device="cpu"):
    """NaN stays NaN, and infinities saturate at the ends of a stated range."""
    from graytorgb.kinds import cuda_kernels

    arithmetic = find_constants(0, 1, g2r.stats("imagenet"), "float32", stated=True)
    image = torch.tensor([[np.nan, np.inf, -np.inf, 0.25]]).unsqueeze(1)
    expected = kind.KIND.normalize(image, 1, arithmetic, torch.float32)
    result = cuda_kernels.normalize(image.to(device), 1, arithmetic, torch.float32).cpu()
    assert torch.isnan(result[..., 0]).all()
    assert torch.equal(result[..., 1:], expected[..., 1:])


CHECKS = ("check_expand", "check_addresses", "check_large_numbers", "check_normalize",
          "check_not_numbers")  # fmt: skip


@pytest.mark.slow
def test_interpreted_kernels_give_the_bits_of_torch():
    needs_package("triton")
    calls = "\ntests.".join(f"{name}()" for name in CHECKS)
    assert run_python(INTERPRETED.format(call=calls)).endswith("done")


def test_tensors_that_no_kernel_takes():
    needs_package("triton")
    from graytorgb.kinds import cuda_kernels

    arithmetic = find_constants(0, 255, g2r.stats("imagenet"), "float32", stated=False)
    wide = find_constants(0, 255, g2r.stats("imagenet"), "float64", stated=False)
    image = torch.zeros(700, 600, 1, dtype=torch.uint8)
    assert cuda_kernels.can_expand(image)
    assert cuda_kernels.can_normalize(image, arithmetic)
    assert not cuda_kernels.can_normalize(image, wide)
    assert not cuda_kernels.can_expand(image[:500])
    for refused in (image[:, ::2], image[:0], image.expand(700, 600, 3)):
        assert not cuda_kernels.can_expand(refused)
        assert not cuda_kernels.can_normalize(refused, arithmetic)
    assert not cuda_kernels.can_expand(torch.zeros(700, 600, dtype=torch.complex128))
    for name in ("int32", "int64", "float64", "complex64"):
        assert not cuda_kernels.can_normalize(image.to(getattr(torch, name)), arithmetic)


def test_a_conjugate_or_negative_that_torch_has_not_computed_yet():
    """Such a view has the memory of the original, whose values are others."""
    needs_package("triton")
    from graytorgb.kinds import cuda_kernels

    arithmetic = find_constants(0, 1, g2r.stats("imagenet"), "float32", stated=True)
    conjugate = torch.zeros(700, 600, dtype=torch.complex64).conj()
    negative = torch._neg_view(torch.zeros(700, 600))
    assert not cuda_kernels.can_expand(conjugate)
    assert not cuda_kernels.can_expand(negative)
    assert not cuda_kernels.can_normalize(negative, arithmetic)
    assert cuda_kernels.can_expand(conjugate.resolve_conj())
    assert cuda_kernels.can_normalize(negative.resolve_neg(), arithmetic)


@pytest.mark.parametrize("missing", [True, False])
def test_torch_works_alone_where_triton_cannot(missing, monkeypatch):
    """A missing Triton is no fault; one that can't compile is told once, with its first line."""
    needs_package("triton")
    from graytorgb.kinds import cuda_kernels

    def fail():
        raise RuntimeError("Failed to find C compiler.\nmore words")

    monkeypatch.setattr(kind, "is_missing", lambda library: missing)
    monkeypatch.setattr(cuda_kernels, "compile_smallest", fail)
    notice.forget()
    kind._load_kernels.cache_clear()
    try:
        with warnings.catch_warnings(record=True) as shown:
            warnings.simplefilter("always")
            assert kind._load_kernels() is None
            assert kind._load_kernels() is None
    finally:
        kind._load_kernels.cache_clear()
    told = [str(warning.message) for warning in shown]
    assert len(told) == (0 if missing else 1)
    assert all(text.endswith("here: Failed to find C compiler.") for text in told)


def test_a_tensor_on_the_cpu_asks_for_no_kernels():
    code = """
import sys, torch, graytorgb as g2r
g2r.to_rgb(torch.zeros(2, 1, 4, 4, requires_grad=True), "NCHW")
g2r.prepare(torch.zeros(2, 1, 4, 4, device="meta"), "imagenet", "NCHW", value_range=(0, 1))
print("graytorgb.kinds.cuda_kernels" in sys.modules)
"""
    assert run_python(code) == "False"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
class TestOnTheGpu:
    @pytest.fixture(autouse=True)
    def kernels(self, monkeypatch):
        """Count the kernels' runs, so that no test is passed by torch's own operations."""
        needs_package("triton")
        from graytorgb.kinds import cuda_kernels

        kind._load_kernels()  # which runs one
        self.runs, run = [], cuda_kernels._run

        def count(kernel, *arguments, **options):
            self.runs.append(kernel)
            return run(kernel, *arguments, **options)

        monkeypatch.setattr(cuda_kernels, "_run", count)

    @pytest.mark.parametrize("check", [check for check in CHECKS if check != "check_large_numbers"])
    def test_compiled_kernels_give_the_bits_of_torch(self, check):
        globals()[check]("cuda")

    @pytest.mark.parametrize("name", ["uint8", "uint16", "float32", "float64", "bfloat16"])
    @pytest.mark.parametrize("layout", ["NHW->NHWC", "NHW->NCHW", "NHWC->NCHW", "NCHW->NHWC"])
    def test_to_rgb(self, name, layout):
        source = layout.partition("->")[0]
        gray = gray_of(name, (9, 224, 224))
        gray = gray if source == "NHW" else gray.unsqueeze(source.index("C"))
        expected = g2r.to_rgb(gray, layout)
        result = g2r.to_rgb(gray.cuda(), layout)
        assert result.is_cuda
        assert len(self.runs) == 1
        assert bits_of(result) == bits_of(expected)

    @pytest.mark.parametrize("target", TARGETS)
    @pytest.mark.parametrize("name", ["uint8", "uint16", "float32"])
    @pytest.mark.parametrize("layout", ["NHW->NHWC", "NHW->NCHW", "NCHW"])
    def test_prepare(self, name, target, layout):
        gray = gray_of(name, (9, 50, 60))
        gray = gray.unsqueeze(1) if layout == "NCHW" else gray
        stated = {
            "value_range": (0, 1) if name == "float32" else (0, 60000 if name == "uint16" else 255)
        }
        stats = ((0.2, 0.3, 0.4), (0.005, 0.006, 0.007)) if target == "uint8" else "imagenet"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = g2r.prepare(gray.cuda(), stats, layout, dtype=target, **stated)
            expected = g2r.prepare(gray, stats, layout, dtype=target, **stated)
        assert len(self.runs) == 1
        largest = float(expected.float().abs().max())
        bounds = {"float32": 1e-6 * largest, "float16": 1e-3 * largest, "bfloat16": 8e-3 * largest}
        error = float((result.cpu().float() - expected.float()).abs().max())
        assert error <= bounds.get(target, 1)  # a level of uint8

    def test_a_gradient_is_torchs(self):
        gray = torch.rand(8, 1, 300, 300, device="cuda", requires_grad=True)
        g2r.to_rgb(gray, "NCHW").sum().backward()
        assert torch.equal(gray.grad, torch.full_like(gray, 3))
        assert not self.runs

    def test_a_conjugate(self):
        gray = gray_of("complex64", (9, 224, 224)) * 1j
        result = g2r.to_rgb(gray.cuda().conj(), "NHW->NCHW")
        assert not self.runs
        assert torch.equal(result.cpu(), g2r.to_rgb(gray.conj(), "NHW->NCHW"))

    def test_a_captured_graph_keeps_torchs_operations(self):
        gray = torch.randint(0, 256, (8, 300, 300), dtype=torch.uint8, device="cuda")
        g2r.to_rgb(gray, "NHW->NCHW")
        self.runs.clear()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            result = g2r.to_rgb(gray, "NHW->NCHW")
        gray.fill_(7)
        graph.replay()
        assert not self.runs
        assert (result == 7).all()

    def test_a_compiled_function_keeps_its_graph(self):
        compiled = torch.compile(lambda x: g2r.to_rgb(x, "NHW->NCHW") + 1, fullgraph=True)
        gray = torch.randint(0, 200, (8, 300, 300), dtype=torch.uint8, device="cuda")
        assert torch.equal(compiled(gray), g2r.to_rgb(gray, "NHW->NCHW") + 1)

    def test_a_small_image_is_torchs(self):
        g2r.to_rgb(torch.zeros(28, 28, dtype=torch.uint8, device="cuda"), "HW")
        assert not self.runs
