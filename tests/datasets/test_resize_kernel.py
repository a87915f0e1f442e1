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
from graytorgb.functional.resizing import resize_part

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


def by_axes(plane, whole, place, size):
    """Resize by Pillow, one axis after the other, in the order of Pillow 13, and take the part."""
    (rows, columns), (height, width), (top, left) = plane.shape, whole, place
    down, across = (columns, height), (width, rows)
    image = PIL.Image.fromarray(plane)
    for each in (
        (down, whole[::-1]) if goes_down_first(plane.shape, whole) else (across, whole[::-1])
    ):
        image = image.resize(each, BILINEAR)
    return np.array(image)[top : top + size[0], left : left + size[1]]


def by_kernel(plane, whole, place, size, mirrored=False, level=-1):
    out = np.full(size, 77, np.uint8)
    _kernels.resize(plane, out, *whole, *place, mirrored, level)
    return out


def without_kernels(function, *arguments):
    """Call a function as where the kernels aren't built."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(registry, "is_usable", lambda name: False)
        return function(*arguments)


@st.composite
def calls(draw):
    """A plane, its size as a whole, and a part of that: all of it, the center, or anywhere."""
    shape, whole = (draw(SIDES), draw(SIDES)), draw(SIZES)
    if draw(st.integers(0, 4)) == 0:
        whole = shape[0], whole[1]
    plane = make_plane(shape, draw(st.integers(0, 99)), draw(st.booleans()))
    size = tuple(draw(st.one_of(st.just(side), st.integers(1, side))) for side in whole)
    free = [side - part for side, part in zip(whole, size, strict=True)]
    place = tuple(draw(st.one_of(st.just(n // 2), st.integers(0, n))) for n in free)
    return plane, whole, place, size


START = (0, 0)


@given(calls())
@example((make_plane((500, 375)), (224, 224), START, (224, 224)))
@example((make_plane((500, 375)), (341, 256), (58, 16), (224, 224)))
@example((make_plane((375, 500)), (256, 341), (16, 58), (224, 224)))
@example((make_plane((500, 375)), (224, 375), START, (224, 375)))
@example((make_plane((500, 375)), (500, 224), START, (500, 224)))
@example((make_plane((500, 375)), (500, 375), (9, 374), (32, 1)))
@example((make_plane((500, 375), 0, True), (1, 1), START, (1, 1)))
@example((make_plane((2, 3)), (300, 200), (7, 9), (30, 40)))
def test_every_level_gives_pillows_bits(call):
    expected = by_axes(*call)
    for level in LEVELS:
        assert np.array_equal(by_kernel(*call, False, level), expected)
        assert np.array_equal(by_kernel(*call, True, level), expected[:, ::-1])


@given(calls(), st.booleans())
def test_without_kernels_the_bits_are_the_same(call, is_mirrored):
    assume(PILLOW >= 13 or not goes_down_first(call[0].shape, call[1]))
    ours = resize_part(*call, is_mirrored)
    pillows = without_kernels(resize_part, *call, is_mirrored)
    assert np.array_equal(ours, pillows)
    for result in (ours, pillows):
        assert result.flags.c_contiguous
        assert result.flags.writeable
        assert result.dtype == np.uint8


@given(calls(), st.integers(0, 40), st.integers(0, 40), st.booleans(), st.sampled_from(LEVELS))
def test_any_row_strides_and_no_byte_beyond(call, before, after, is_flipped, level):
    plane, whole, place, size = call
    memory = make_plane((plane.shape[0] + 2, before + plane.shape[1] + after), 1)
    part = memory[1:-1, before : before + plane.shape[1]]
    part = part[::-1] if is_flipped else part
    part[...] = plane
    part.flags.writeable = False
    kept = memory.copy()
    results = np.full((size[0] + 2, before + size[1] + after), 77, np.uint8)
    out = results[1:-1, before : before + size[1]]
    _kernels.resize(part, out[::-1] if is_flipped else out, *whole, *place, False, level)
    assert np.array_equal(out[::-1] if is_flipped else out, by_kernel(*call))
    assert np.array_equal(memory, kept)
    out[...] = 77
    assert (results == 77).all()


@pytest.mark.parametrize(
    ("shape", "size"),
    [((1, 200_000), (1, 1)), ((200_000, 1), (1, 1)), ((200_000, 3), (2, 20)),
     ((3, 200_000), (20, 2)), ((1, 1), (700, 900)), ((2000, 1500), (1, 2))],
)  # fmt: skip
def test_extreme_sizes(shape, size):
    plane = make_plane(shape, 0, True)
    expected = by_axes(plane, size, START, size)
    for level in LEVELS:
        assert np.array_equal(by_kernel(plane, size, START, size, False, level), expected)
    white = np.full(shape, 255, np.uint8)
    assert (by_kernel(white, size, START, size) == 255).all()


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
    part = {"whole": (60, 70), "place": (4, 5), "size": (50, 60)}
    expected = [by_axes(plane, **part) for plane in planes]
    with ThreadPoolExecutor(4) as pool:
        results = pool.map(partial(by_kernel, **part), planes)
        assert all(map(np.array_equal, results, expected))


PLANE = make_plane((6, 8))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"left": -1}, "the part isn't within the resized plane"),
        ({"top": -1}, "the part isn't within the resized plane"),
        ({"left": 3}, "the part isn't within the resized plane"),
        ({"top": 2}, "the part isn't within the resized plane"),
        ({"left": 2**31 - 1}, "the part isn't within the resized plane"),
        ({"top": 2**31 - 1}, "the part isn't within the resized plane"),
        ({"height": 3}, "the part isn't within the resized plane"),
        ({"width": 4}, "the part isn't within the resized plane"),
        ({"height": 0}, "the part isn't within the resized plane"),
        ({"width": -5}, "the part isn't within the resized plane"),
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
    call = {"plane": PLANE, "out": out, "height": 5, "width": 7, "top": 1, "left": 2,
            "mirrored": False, "level": -1}  # fmt: skip
    kept = PLANE.copy()
    with pytest.raises(ValueError, match=message):
        _kernels.resize(*(call | changes).values())
    assert np.array_equal(PLANE, kept)
    _kernels.resize(*call.values())


def test_halves_of_one_array_are_apart():
    whole = make_plane((20, 16))
    expected = by_kernel(whole[:10].copy(), (10, 16), START, (10, 16), True)
    _kernels.resize(whole[:10], whole[10:], 10, 16, 0, 0, True, -1)
    assert np.array_equal(whole[10:], expected)
    _kernels.resize(whole[10:][::-1], whole[:10][::-1], 10, 16, 0, 0, True, -1)
    assert np.array_equal(whole[:10], expected[:, ::-1])


@pytest.mark.parametrize("out", [b"bytes", None, np.broadcast_to(np.uint8(1), (4, 5))])
def test_a_result_that_is_no_memory_to_write(out):
    with pytest.raises((TypeError, ValueError, BufferError)):
        _kernels.resize(PLANE, out, 4, 5, 0, 0, False, -1)


def test_too_little_memory_is_an_error():
    """All rows of the plane are in the same place, so that only the scratch is too large."""
    side = 2**31 - 1
    plane = np.lib.stride_tricks.as_strided(np.empty(side, np.uint8), (side, side), (0, 1))
    with pytest.raises(MemoryError):
        _kernels.resize(plane, np.empty((4, 1 << 20), np.uint8), 4, 1 << 20, 0, 0, False, -1)
