"""The compiled kernels, called as nothing in the package calls them."""

import itertools
import platform
import sys

import numpy as np
import pytest

import graytorgb as g2r
from graytorgb.backends.registry import load
from graytorgb.core import arithmetic
from graytorgb.functional import normalize as normalize

from ..support import assert_same_bits, needs, oracle, random_bits, run_python, unaligned

needs("native")

from graytorgb import _kernels  # noqa: E402

LEVELS = range(len(_kernels.levels))
WIDTHS = (1, 2, 3, 4, 8, 12, 16, 32)
# around every vector width, in elements of every size, and a few blocks
COUNTS = (*range(1, 70), 127, 128, 129, 255, 257, 1023, 4095, 4096, 4097, 12_345)
SOURCES = [np.dtype(t) for t in ("u1", "u2", "i2", "f2", "f4")]
TARGETS = normalize.DTYPES
INFINITE = (-np.inf,) * 3, (np.inf,) * 3


def test_the_best_level_is_that_of_the_processor():
    """Compilers for Windows build the portable level alone, but for GNU's on x86-64."""
    vectors = {"x86_64": ("avx2", "avx512"), "AMD64": ("avx2", "avx512")}
    vectors |= dict.fromkeys(("aarch64", "arm64"), ("neon",))
    expected = ("portable", *vectors[platform.machine()])
    if sys.platform == "win32" or "neon" not in expected:
        assert _kernels.levels == expected[: len(_kernels.levels)]
    else:  # every processor of this kind has it
        assert _kernels.levels == expected
    assert _kernels.__version__ == _kernels.levels[-1]  # the level that -1 is
    assert _kernels.stream_from > 1 << 30 or _kernels.levels[-1] in ("avx2", "avx512")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("width", WIDTHS)
def test_expand_at_every_level_size_and_alignment(level, width):
    for n, stream, offset in itertools.product(COUNTS, (False, True), (0, 1, 8)):
        gray = unaligned(n * width, offset)
        gray[...] = random_bits(n * width, np.uint8, seed=n)
        pixels = gray.reshape(n, 1, width)
        out = unaligned(3 * n * width, offset)
        _kernels.expand(gray, out, 1, n, width, True, stream, 1, level)
        assert (out.reshape(n, 3, width) == pixels).all()
        out[...] = 0
        _kernels.expand(gray, out, 1, n, width, False, stream, 1, level)
        assert (out.reshape(3, -1) == gray).all()


@pytest.mark.parametrize("dtype", ["?", "u1", ">u2", "<f4", ">f8", "c16", "g", "V3", "V64"])
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (28, 28), (2, 3, 7), (1, 128, 129)])
def test_expand_alone_gives_numpys_result(dtype, shape):
    count = int(np.prod(shape))
    size = np.dtype(dtype).itemsize
    memory = unaligned(count * size, 1)
    memory[...] = random_bits(count * size, np.uint8)
    gray = np.ndarray(shape, dtype, memory)
    gray.flags.writeable = False
    for axis in range(len(shape) + 1):
        expected = np.repeat(np.expand_dims(gray, axis), 3, axis)
        fresh = _kernels.expand_alone(gray, axis, None)
        out = np.zeros_like(expected)
        assert _kernels.expand_alone(gray, axis, out) is out
        for result in (fresh, out):
            assert (result.dtype, result.shape) == (expected.dtype, expected.shape)
            assert result.flags.c_contiguous
            assert result.flags.writeable
            assert result.flags.aligned
            assert result.tobytes() == expected.tobytes()
        assert fresh.base is None


def read_only(array):
    array.flags.writeable = False
    return array


PAIR = np.zeros(8, np.uint8)
ALONE = np.zeros((2, 3), np.uint8)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ((), TypeError, "takes an array, an axis, and out or None"),
        ((ALONE, 2), TypeError, "takes an array, an axis, and out or None"),
        ((ALONE.tolist(), 2, None), TypeError, "takes an array, an axis, and out or None"),
        ((ALONE, "2", None), TypeError, "integer"),
        ((ALONE, 3, None), ValueError, "doesn't have that axis"),
        ((ALONE, -1, None), ValueError, "doesn't have that axis"),
        ((ALONE, 1 << 70, None), OverflowError, "too large"),
        ((ALONE.T, 2, None), ValueError, "isn't C-contiguous, or holds objects"),
        ((ALONE.astype(object), 2, None), ValueError, "isn't C-contiguous, or holds objects"),
        ((np.zeros((2, 0), np.uint8), 2, None), ValueError, "at least 1"),
        ((np.zeros((2, 3), "V65"), 2, None), ValueError, "more bytes than any"),
        ((np.zeros((1,) * 64, np.uint8), 0, None), ValueError, "64"),
        ((ALONE, 2, np.zeros((2, 3, 3), np.uint16)), ValueError, "out isn't"),
        ((ALONE, 2, np.zeros((3, 2, 3), np.uint8)), ValueError, "out isn't"),
        ((ALONE, 2, np.zeros((2, 3, 3, 1), np.uint8)), ValueError, "out isn't"),
        ((ALONE, 2, np.zeros((2, 3, 6), np.uint8)[..., ::2]), ValueError, "out isn't"),
        ((ALONE, 2, read_only(np.zeros((2, 3, 3), np.uint8))), ValueError, "out isn't"),
        ((ALONE, 2, bytearray(18)), ValueError, "out isn't"),
        ((PAIR[:2], 0, PAIR[1:7].reshape(3, 2)), ValueError, "overlap"),
    ],
)
def test_expand_alone_refuses_what_it_was_not_made_for(arguments, error, says):
    with pytest.raises(error, match=says):
        _kernels.expand_alone(*arguments)


def test_a_small_result_asks_for_no_threads(monkeypatch):
    def fail(*arguments):
        raise AssertionError("it counts threads")

    monkeypatch.setattr(load("native"), "count_threads", fail)
    gray = random_bits((28, 56), np.uint8)
    for image in (gray, gray[:, ::2], gray.T):
        for layout in ("HW->HWC", "HW->CHW"):
            if image is gray or layout == "HW->HWC":
                result = g2r.to_rgb(image, layout, backend="native")
                assert_same_bits(result, oracle(image, layout))


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_write_writes_every_byte_and_no_other(threads):
    for n, stream, offset in itertools.product((0, 1, 63, 64, 65, 700_001), (0, 1), (0, 1)):
        memory = np.full(n + 192, 0xA5, np.uint8)
        start = -memory.ctypes.data % 64 + 64 + offset
        _kernels.write(memory[start : start + n], stream, threads)
        assert not memory[start : start + n].any()
        assert (memory[:start] == 0xA5).all()
        assert (memory[start + n :] == 0xA5).all()


@pytest.mark.parametrize("threads", range(1, 9))
@pytest.mark.parametrize("stream", [False, True])
def test_expand_by_any_number_of_threads(threads, stream):
    gray = random_bits((7, 301, 211), np.uint16)
    for layout in ("NHW->NHWC", "NHW->NCHW"):
        expected = oracle(gray, layout)
        for level in LEVELS:
            out = np.zeros_like(expected)
            interleaved = layout.endswith("C")
            before, after = (1, gray.size) if interleaved else (7, 301 * 211)
            _kernels.expand(gray, out, before, after, 2, interleaved, stream, threads, level)
            assert_same_bits(out, expected)


def run_normalize(x, target, numbers, *, offset=1, images=1, **options):
    """(n,) to (images, n / images, 3) or (images, 3, n / images), `offset` bytes into a line.

    The bytes before and after must stay as they are.
    """
    size = {"float32": 4, "float16": 2, "bfloat16": 2, "uint8": 1}[target]
    memory = np.full(3 * x.size * size + 192, 0xA5, np.uint8)
    start = -memory.ctypes.data % 64 + 64 + offset
    out = memory[start : start + 3 * x.size * size]
    flag = _kernels.normalize(
        np.ascontiguousarray(x),
        out,
        images,
        x.size // images,
        SOURCES.index(x.dtype),
        TARGETS.index(target),
        numbers,
        *(options[name] for name in ("interleaved", "stream", "threads", "level")),
    )
    assert (memory[:start] == 0xA5).all()
    assert (memory[start + out.size :] == 0xA5).all()
    return flag, out


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_normalize_gives_the_same_bits_at_every_level_and_with_any_threads(source, target):
    statistics = g2r.stats("imagenet") if target != "uint8" else ((0.1,) * 3, (0.004,) * 3)
    lo, hi = (0, 1) if source.kind == "f" else (-1000, 40_000)
    numbers = arithmetic.pack(arithmetic.find_constants(lo, hi, statistics, target, stated=True))
    for n in (*range(1, 40), 64, 640, 4097, 100_000):
        x = random_bits(n, source, seed=n)
        if source.kind == "f":
            x = np.random.default_rng(n).normal(0.5, 0.4, n).astype(source)
        for interleaved, images in itertools.product((False, True), {1, 5 if n % 5 == 0 else 1}):
            batch = {"interleaved": interleaved, "images": images}

            def run(**how):
                return run_normalize(x, target, numbers, **batch, **how)  # noqa: B023

            flag, expected = run(stream=False, threads=1, level=0)
            assert not flag
            for level, stream, offset in itertools.product(LEVELS, (False, True), (0, 1, 4, 32)):
                for threads in (1, *(range(2, 9) if n == 100_000 and offset == 4 else ())):
                    _, result = run(stream=stream, threads=threads, level=level, offset=offset)
                    assert (result == expected).all(), (n, level, stream, offset, threads, batch)


@pytest.mark.parametrize("level", LEVELS)
def test_half_precision_is_ieees(level):
    """All 65,536 float16 values in, and out again; and what rounds to each from a float32."""
    identity = np.float32([0] * 6 + [1] * 3 + [-np.inf] * 3 + [np.inf] * 3 + [-np.inf, np.inf])
    options = {"interleaved": False, "stream": False, "threads": 1, "level": level}
    half = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    numbers = half[~np.isnan(half)]
    _, result = run_normalize(numbers, "float32", identity, **options)
    # (0 - 0) is 0 whatever the sign, so zeros are compared by value
    assert (result.view(np.float32).reshape(3, -1) == numbers.astype(np.float32)).all()
    finite = np.unique(numbers[np.isfinite(numbers)].astype(np.float32))
    ties = (finite[:-1] + finite[1:]) / 2
    largest = np.float32([65519.9, 65520, 65521, 1e30])
    around = np.concatenate([np.nextafter(ties, -np.inf), ties, np.nextafter(ties, np.inf)])
    x = np.concatenate([around, finite, largest, -largest]).astype(np.float32)
    with np.errstate(over="ignore"):
        expected = x.astype(np.float16)
    _, result = run_normalize(x, "float16", identity, **options)
    assert (result.view(np.float16).reshape(3, -1) == expected).all()


@pytest.mark.parametrize("level", LEVELS)
def test_bfloat16_is_rounded_to_nearest_even(level):
    identity = np.float32([0] * 6 + [1] * 3 + [-np.inf] * 3 + [np.inf] * 3 + [-np.inf, np.inf])
    bits = random_bits(200_000, np.uint32)
    bits[:100_000] = bits[:100_000] & 0xFFFF0000 | 0x8000  # ties
    bits = bits[np.isfinite(bits.view(np.float32))]
    options = {"interleaved": True, "stream": False, "threads": 1, "level": level}
    _, result = run_normalize(bits.view(np.float32), "bfloat16", identity, **options)
    # the two neighbors, toward zero and away from it, in float64; beyond the largest lies 2^128
    near = bits & 0xFFFF0000
    far = near + 0x10000
    exact, toward, away = (each.view(np.float32).astype(float) for each in (bits, near, far))
    away = np.clip(away, -(2.0**128), 2.0**128)
    to_near, to_far = np.abs(exact - toward), np.abs(away - exact)
    is_odd = (bits >> 16 & 1).astype(bool)
    takes_far = (to_far < to_near) | ((to_far == to_near) & is_odd)
    expected = np.where(takes_far, far, near) >> 16
    assert (result.view(np.uint16).reshape(-1, 3) == expected[:, None]).all()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_nan_and_zeros_of_both_signs_are_clamped_alike_at_every_level(level, dtype):
    """As `y > lowest ? y : lowest` says: NaN and an equal value become the bound."""
    x = np.array([np.nan, -np.nan, 0, -0.0, np.inf, -np.inf, 1, -1, 6e-8, -6e-8], dtype)
    x = np.concatenate([np.repeat(x, 4), x, x])  # whole vectors of a value, mixed ones, and a tail
    bounds = np.float32([0, -0.0, -np.inf, np.inf, 0.5, -0.5])
    options = {"interleaved": False, "stream": False, "threads": 1, "level": level}
    for lowest, highest in itertools.product(bounds, bounds):
        numbers = [0] * 6 + [1] * 3 + [lowest] * 3 + [highest] * 3 + [-np.inf, np.inf]
        flag, result = run_normalize(x, "float32", np.float32(numbers), **options)
        y = x.astype(np.float32)
        y = np.where(y > lowest, y, lowest)
        y = np.where(y < highest, y, highest)
        assert_same_bits(result.view(np.float32).reshape(3, -1), np.stack([y] * 3))
        assert flag is True


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("n", [1, 7, 8, 9, 15, 16, 17, 100, 5000])
@pytest.mark.parametrize("bad", [np.nan, -0.001, 1.002, np.inf, -np.inf])
def test_a_float_outside_is_reported_wherever_it_is(level, n, bad):
    numbers = arithmetic.pack(
        arithmetic.find_constants(0, 1, ((0.5,), (0.5,)), "float32", stated=False)
    )
    options = {"interleaved": False, "stream": False, "threads": 2, "level": level}
    for dtype in (np.float16, np.float32):
        x = np.linspace(0, 1, n).astype(dtype)
        assert run_normalize(x, "float32", numbers, **options)[0] is False
        for place in {0, n // 2, n - 1}:
            x[place] = bad
            assert run_normalize(x, "float32", numbers, **options)[0] is True
            x[place] = 0


GRAY, OUT = np.zeros(8, np.uint8), np.zeros(24, np.uint8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"before": 0}, "at least 1"),
        ({"after": -8}, "at least 1"),
        ({"width": 0}, "at least 1"),
        ({"before": 2}, "source doesn't have"),
        ({"after": 2**62, "before": 2**62}, "source doesn't have"),
        ({"width": 2**62}, "more bytes than any"),
        ({"width": 65}, "more bytes than any"),
        ({"gray": np.zeros(7, np.uint8)}, "source doesn't have"),
        ({"out": np.zeros(23, np.uint8)}, "result doesn't have"),
        ({"out": np.zeros(25, np.uint8)}, "result doesn't have"),
        ({"level": len(_kernels.levels) + 5}, "no such level"),
        ({"level": -2}, "no such level"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    arguments = {"gray": GRAY, "out": OUT.copy(), "before": 1, "after": 8, "width": 1}
    arguments |= {"interleaved": True, "stream": False, "threads": 1, "level": -1} | change
    with pytest.raises(ValueError, match=message):
        _kernels.expand(*arguments.values())
    assert not arguments["out"].any()


def test_overlap_is_refused():
    memory = np.zeros(32, np.uint8)
    for start, at in itertools.product(range(25), range(9)):
        gray, out = memory[start : start + 8], memory[at : at + 24]
        if start < at + 24 and at < start + 8:
            with pytest.raises(ValueError, match="overlap"):
                _kernels.expand(gray, out, 1, 8, 1, True, False, 1, -1)
    _kernels.expand(memory[:8], memory[8:], 1, 8, 1, True, False, 1, -1)
    _kernels.expand(memory[24:], memory[:24], 1, 8, 1, True, False, 1, -1)


def test_memory_that_cannot_be_written_or_is_not_one_piece_is_refused():
    frozen = OUT.copy()
    frozen.flags.writeable = False
    for gray, out in [(GRAY, frozen), (GRAY, np.zeros(48, np.uint8)[::2]), (GRAY[::2], OUT)]:
        with pytest.raises((ValueError, BufferError, TypeError)):
            _kernels.expand(gray, out, 1, 8, 1, True, False, 1, -1)
    with pytest.raises(TypeError):
        _kernels.expand("gray", OUT, 1, 8, 1, True, False, 1, -1)


@pytest.mark.parametrize(
    ("place", "value"), [(4, -1), (4, 5), (5, 4), (5, -1), (6, np.zeros(16, np.float32))]
)
def test_normalize_refuses_codes_and_constants_that_do_not_exist(place, value):
    arguments = [GRAY, np.zeros(96, np.uint8), 1, 8, 0, 0, np.zeros(17, np.float32)]
    arguments += [True, False, 1, -1]
    _kernels.normalize(*arguments)
    arguments[place] = value
    with pytest.raises(ValueError, match=r"no such|17 float32"):
        _kernels.normalize(*arguments)


def test_without_the_extension():
    """As on a machine without a compiler."""
    text = run_python("""
import sys
sys.modules["graytorgb._kernels"] = None
import numpy as np, graytorgb as g2r
x = np.arange(64 * 300 * 300, dtype=np.uint16).reshape(64, 300, 300)
print(g2r.to_rgb(x, "NHW->NCHW").shape)
print(g2r.prepare(x, (0.5, 0.5), "NHW->NCHW", value_range="dtype").shape)
print(g2r.cache_info())
for call in (lambda: g2r.set_cache(0), lambda: g2r.to_rgb(x, "NHW", backend="native")):
    try:
        call()
    except g2r.BackendUnavailable as error:
        print(error.missing, str(error).splitlines()[0])
""")
    lines = text.splitlines()
    assert lines[:2] == ["(64, 3, 300, 300)"] * 2
    assert "limit=0" in lines[2]
    assert len(lines) == 5
    for line in lines[3:]:
        assert line.startswith("True backend 'native' needs graytorgb._kernels: it is compiled")
        assert "pip install" in line
