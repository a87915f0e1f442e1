"""The kernel that resizes one plane of bytes: the bits of Pillow, at every level of vectors."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import PIL.Image
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from graytorgb.backends import registry
from graytorgb.datasets.pixels.crops import CenterView, NumpyDraw, RandomView
from graytorgb.datasets.pixels.resizing import resize_box

from ..support import needs, packaged

needs("native", "pillow")

from graytorgb import _kernels  # noqa: E402

BILINEAR = PIL.Image.Resampling.BILINEAR
LEVELS = range(len(_kernels.levels))
PILLOW = int(PIL.__version__.partition(".")[0])
# around the 16 lanes of a block, and more; one pixel, and large reductions
SIDES = st.one_of(st.integers(1, 40), st.sampled_from([1, 15, 16, 17, 31, 33, 97, 240, 1000]))
SIZES = st.tuples(*[st.one_of(st.integers(1, 40), st.sampled_from([1, 15, 16, 17, 33, 224]))] * 2)


def make_plane(shape, seed=0, is_extreme=False):
    """Noise of all levels, or of black and white, whose sums are the largest."""
    rng = np.random.default_rng(seed)
    if is_extreme:
        return rng.choice(np.array([0, 255], np.uint8), shape)
    return rng.integers(0, 256, shape, dtype=np.uint8)


def goes_down_first(shape, size):
    """Whether the pass along columns comes first, as Pillow 13 decides it."""
    return shape[0] > size[0] and shape[0] - size[0] > 2 * (shape[1] - size[1])


def by_axes(plane, box, size):
    """Resize by Pillow, one axis after the other, in the order of Pillow 13."""
    left, top, right, bottom = box
    (rows, columns), (height, width) = plane.shape, size
    image = PIL.Image.fromarray(plane)
    if goes_down_first(plane.shape, size):
        image = image.resize((columns, height), BILINEAR, (0, top, columns, bottom))
        return np.array(image.resize((width, height), BILINEAR, (left, 0, right, height)))
    image = image.resize((width, rows), BILINEAR, (left, 0, right, rows))
    return np.array(image.resize((width, height), BILINEAR, (0, top, width, bottom)))


def by_kernel(plane, box, size, mirrored=False, level=-1):
    out = np.full(size, 77, np.uint8)
    _kernels.resize(plane, out, *box, mirrored, level)
    return out


def without_kernels(function, *arguments):
    """Call a function as where the kernels aren't built."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(registry, "is_usable", lambda name: False)
        return function(*arguments)


@st.composite
def edges(draw, length):
    """Two edges of a box: of the whole, between pixels, or at pixels; also nothing between them."""
    kind = draw(st.sampled_from(["whole", "fractions", "pixels", "to the end"]))
    if kind == "whole":
        return 0.0, float(length)
    numbers = st.integers(0, length) if kind == "pixels" else st.floats(0, length, width=32)
    start, stop = sorted((float(draw(numbers)), float(draw(numbers))))
    return (start, float(length)) if kind == "to the end" else (start, stop)


@st.composite
def calls(draw):
    """A plane, a box in it and a size."""
    shape, size = (draw(SIDES), draw(SIDES)), draw(SIZES)
    plane = make_plane(shape, draw(st.integers(0, 99)), draw(st.booleans()))
    (top, bottom), (left, right) = draw(edges(shape[0])), draw(edges(shape[1]))
    return plane, (left, top, right, bottom), size


WHOLE = (0.0, 0.0, 375.0, 500.0)


@given(calls())
@example((make_plane((500, 375)), WHOLE, (224, 224)))
@example((make_plane((500, 375)), WHOLE, (224, 375)))
@example((make_plane((500, 375)), WHOLE, (500, 224)))
@example((make_plane((500, 375)), WHOLE, (500, 375)))
@example((make_plane((500, 375), 0, True), WHOLE, (1, 1)))
@example((make_plane((2, 3)), (0.0, 0.0, 3.0, 2.0), (300, 200)))
@example((make_plane((40, 50)), (9.0, 7.0, 41.0, 39.0), (32, 32)))
def test_every_level_gives_pillows_bits(call):
    plane, box, size = call
    expected = by_axes(plane, box, size)
    for level in LEVELS:
        assert np.array_equal(by_kernel(plane, box, size, False, level), expected)
        assert np.array_equal(by_kernel(plane, box, size, True, level), expected[:, ::-1])


@given(calls(), st.booleans())
def test_without_kernels_the_bits_are_the_same(call, is_mirrored):
    plane, box, size = call
    assume(PILLOW >= 13 or not goes_down_first(plane.shape, size))
    ours = resize_box(plane, box, size, is_mirrored)
    pillows = without_kernels(resize_box, plane, box, size, is_mirrored)
    assert np.array_equal(ours, pillows)
    for result in (ours, pillows):
        assert result.flags.c_contiguous
        assert result.flags.writeable
        assert result.dtype == np.uint8


@given(calls(), st.integers(0, 40), st.integers(0, 40), st.booleans(), st.sampled_from(LEVELS))
def test_any_row_strides_and_no_byte_beyond(call, before, after, is_flipped, level):
    plane, box, size = call
    memory = make_plane((plane.shape[0] + 2, before + plane.shape[1] + after), 1)
    part = memory[1:-1, before : before + plane.shape[1]]
    part = part[::-1] if is_flipped else part
    part[...] = plane
    part.flags.writeable = False
    kept = memory.copy()
    results = np.full((size[0] + 2, before + size[1] + after), 77, np.uint8)
    out = results[1:-1, before : before + size[1]]
    _kernels.resize(part, out[::-1] if is_flipped else out, *box, False, level)
    assert np.array_equal(out[::-1] if is_flipped else out, by_kernel(plane, box, size))
    assert np.array_equal(memory, kept)
    out[...] = 77
    assert (results == 77).all()


@pytest.mark.parametrize(
    ("shape", "size"),
    [((1, 200_000), (1, 1)), ((200_000, 1), (1, 1)), ((200_000, 3), (2, 20)),
     ((3, 200_000), (20, 2)), ((1, 1), (700, 900)), ((2000, 1500), (1, 2))],
)  # fmt: skip
def test_extreme_sizes(shape, size):
    plane, box = make_plane(shape, 0, True), (0.0, 0.0, float(shape[1]), float(shape[0]))
    expected = by_axes(plane, box, size)
    for level in LEVELS:
        assert np.array_equal(by_kernel(plane, box, size, False, level), expected)
    white = np.full(shape, 255, np.uint8)
    assert (by_kernel(white, box, size) == 255).all()


def test_the_views_of_photos():
    photos = [path for path in packaged("foolbox", ".jpg") if "imagenet_" in path.name]
    assert len(photos) > 5
    for seed, path in enumerate(photos):
        plane = np.asarray(PIL.Image.open(path).convert("L"))
        for array in (plane, plane.T, plane[::-1, ::-1]):
            center = CenterView((96, 80), 110)
            assert np.array_equal(center.take(array), without_kernels(center.take, array))
            take = partial(RandomView((64, 64)).take, array)
            ours, pillows = (
                call(take, NumpyDraw(np.random.default_rng(seed)))
                for call in (lambda f, draw: f(draw), without_kernels)
            )
            assert np.array_equal(ours, pillows)


def test_threads_share_nothing():
    planes = [make_plane((90 + k, 120), k) for k in range(40)]
    boxes = [(0.0, 0.0, 120.0, 90.0 + k) for k in range(40)]
    expected = [by_axes(plane, box, (50, 60)) for plane, box in zip(planes, boxes, strict=True)]
    with ThreadPoolExecutor(4) as pool:
        results = pool.map(partial(by_kernel, size=(50, 60)), planes, boxes)
        assert all(map(np.array_equal, results, expected))


PLANE = make_plane((6, 8))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"left": -0.5}, "the box isn't within the plane"),
        ({"top": -1.0}, "the box isn't within the plane"),
        ({"right": 8.01}, "the box isn't within the plane"),
        ({"bottom": 6.5}, "the box isn't within the plane"),
        ({"left": 5.0, "right": 4.0}, "the box isn't within the plane"),
        ({"top": 5.0, "bottom": 4.0}, "the box isn't within the plane"),
        ({"left": float("nan")}, "the box isn't within the plane"),
        ({"bottom": float("nan")}, "the box isn't within the plane"),
        ({"right": float("inf")}, "the box isn't within the plane"),
        ({"plane": PLANE.astype(np.uint16)}, "of elements of 1 byte"),
        ({"plane": PLANE[0]}, "two axes"),
        ({"plane": PLANE[None]}, "two axes"),
        ({"plane": PLANE[:0]}, "each side of a plane"),
        ({"plane": PLANE[:, :0]}, "each side of a plane"),
        ({"plane": PLANE[:, ::2]}, "the elements of a row aren't neighbors"),
        ({"plane": PLANE.T}, "the elements of a row aren't neighbors"),
        ({"out": np.empty((4, 0), np.uint8)}, "each side of a plane"),
        ({"out": np.empty((4, 5, 1), np.uint8)}, "two axes"),
        ({"out": np.empty((4, 5), np.float32)}, "of elements of 1 byte"),
        ({"out": np.empty((4, 10), np.uint8)[:, ::2]}, "the elements of a row aren't neighbors"),
        ({"out": PLANE[:3]}, "source and result overlap"),
        ({"out": PLANE[5:][::-1]}, "source and result overlap"),
        ({"plane": PLANE[::-1], "out": PLANE[:1]}, "source and result overlap"),
        ({"level": len(_kernels.levels) + 5}, "no such level"),
        ({"level": -2}, "no such level"),
    ],
)
def test_refused_arguments(changes, message):
    out = np.empty((4, 5), np.uint8)
    call = {"plane": PLANE, "out": out, "left": 0.0, "top": 0.0, "right": 8.0, "bottom": 6.0,
            "mirrored": False, "level": -1}  # fmt: skip
    kept = PLANE.copy()
    with pytest.raises(ValueError, match=message):
        _kernels.resize(*(call | changes).values())
    assert np.array_equal(PLANE, kept)
    _kernels.resize(*call.values())


def test_halves_of_one_array_are_apart():
    whole = make_plane((20, 16))
    expected = by_kernel(whole[:10].copy(), (0, 0, 16, 10), (10, 16), True)
    _kernels.resize(whole[:10], whole[10:], 0, 0, 16, 10, True, -1)
    assert np.array_equal(whole[10:], expected)
    _kernels.resize(whole[10:][::-1], whole[:10][::-1], 0, 0, 16, 10, True, -1)
    assert np.array_equal(whole[:10], expected[:, ::-1])


@pytest.mark.parametrize("out", [b"bytes", None, np.broadcast_to(np.uint8(1), (4, 5))])
def test_a_result_that_is_no_memory_to_write(out):
    with pytest.raises((TypeError, ValueError, BufferError)):
        _kernels.resize(PLANE, out, 0, 0, 8, 6, False, -1)


def test_too_little_memory_is_an_error():
    """All rows of the plane are in the same place, so that only the scratch is too large."""
    side = 2**31 - 1
    plane = np.lib.stride_tricks.as_strided(np.empty(side, np.uint8), (side, side), (0, 1))
    with pytest.raises(MemoryError):
        _kernels.resize(plane, np.empty((4, 1 << 20), np.uint8), 0, 0, side, side, False, -1)
