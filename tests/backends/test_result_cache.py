"""Memory that comes back: what is kept, and that nobody notices."""

import gc
import pickle
import sys
import threading

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graytorgb as g2r

from ..support import needs, needs_package, run_python

needs("native")

from graytorgb import _kernels  # noqa: E402

MIB = 1 << 20


def address(array):
    return array.__array_interface__["data"][0]


@pytest.fixture(autouse=True)
def empty_cache():
    gc.collect()
    g2r.set_cache(0)
    g2r.set_cache(256 * MIB)
    yield
    g2r.set_cache(None)


def new(nbytes):
    return _kernels.empty((nbytes,), np.uint8)[0]


def test_a_dying_result_gives_its_memory_to_the_next():
    gray = np.ones((200, 300, 210), np.uint8)
    before = g2r.cache_info()
    first = g2r.to_rgb(gray, "NHW", backend="native")
    where = address(first)
    assert g2r.cache_info().lent_bytes - before.lent_bytes == first.nbytes
    del first
    assert g2r.cache_info().kept_bytes == 3 * gray.nbytes
    second = g2r.to_rgb(gray, "NHW", backend="native")
    assert address(second) == where
    after = g2r.cache_info()
    assert (after.hits - before.hits, after.misses - before.misses) == (1, 1)
    assert after.kept_bytes == after.kept_blocks == 0


def test_prepare_takes_its_memory_there_too():
    x = np.zeros((200, 128, 128), np.uint8)
    where = address(g2r.prepare(x, (0.5, 0.5), "NHW->NCHW"))
    assert address(g2r.prepare(x, (0.5, 0.5), "NHW->NCHW")) == where


def test_a_smaller_result_takes_a_block_that_fits_without_much_waste():
    where = address(new(16 * MIB))
    assert address(new(15 * MIB)) == where
    assert address(new(8 * MIB)) != where


@pytest.mark.parametrize("hold", [
    lambda a: a[1000:2000],
    lambda a: a.reshape(2, -1).T,
    lambda a: memoryview(a),
    lambda a: np.frombuffer(a, np.uint16),
    lambda a: a.view(np.uint32)[:-5],
    lambda a: np.lib.stride_tricks.as_strided(a, (5,), (7,)),
], ids=["slice", "transposed", "memoryview", "frombuffer", "view", "as_strided"])  # fmt: skip
def test_memory_that_a_view_holds_is_not_handed_out(hold):
    array = new(4 * MIB)
    array[...] = 7
    where, view = address(array), hold(array)
    del array
    assert g2r.cache_info().kept_blocks == 0
    other = new(4 * MIB)
    assert address(other) != where
    other[...] = 9
    assert (np.asarray(view).view(np.uint8) == 7).all()
    del view
    assert g2r.cache_info().kept_blocks == 1


def test_memory_that_a_tensor_holds_is_not_handed_out():
    needs_package("torch")
    import torch

    array = new(4 * MIB)
    array[...] = 7
    where, tensor = address(array), torch.from_numpy(array)[5:]
    del array
    other = new(4 * MIB)
    other[...] = 9
    assert address(other) != where
    assert (tensor == 7).all()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 12), st.booleans()), max_size=40))
def test_no_two_living_arrays_share_memory(steps):
    """Random arrays live and die in six places; each keeps the number it was filled with."""
    places = {}
    for number, (place, size, as_view) in enumerate(steps):
        array = new(size * MIB // 2)
        array[...] = number
        places[place] = (number, array[10:] if as_view else array)
        for expected, held in places.values():
            assert held[0] == held[-1] == expected
        info = g2r.cache_info()
        assert info.kept_bytes <= info.limit
    for expected, held in places.values():
        assert (held == expected).all()


def test_it_is_an_ordinary_array():
    array = new(2 * MIB)
    array[...] = np.arange(2 * MIB, dtype=np.uint64).astype(np.uint8)
    expected = array.copy()
    assert type(array) is np.ndarray
    assert array.flags.owndata
    assert array.flags.writeable
    assert address(array) % 64 == 0
    assert (pickle.loads(pickle.dumps(array)) == expected).all()
    assert bytes(memoryview(array)[:10]) == expected[:10].tobytes()
    array.resize(5 * MIB, refcheck=False)  # grows, and the rest is zero
    assert (array[: 2 * MIB] == expected).all()
    assert not array[2 * MIB :].any()
    array.resize(100, refcheck=False)  # shrinks
    assert (array == expected[:100]).all()
    array.resize(99, refcheck=False)
    del array
    needs_package("torch")
    import torch

    tensor = torch.from_numpy(new(2 * MIB))
    tensor.fill_(3)
    assert tensor.sum() == 3 * 2 * MIB


def test_zero_is_nothing_kept_and_memory_goes_back():
    process = psutil.Process()
    array = new(200 * MIB)
    array[...] = 1
    full = process.memory_info().rss
    del array
    assert g2r.cache_info().kept_bytes == 200 * MIB
    assert g2r.set_cache(0).kept_bytes == 0
    assert full - process.memory_info().rss > 190 * MIB
    del_me = new(4 * MIB)
    del del_me
    assert g2r.cache_info().kept_blocks == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit is Linux's")
def test_memory_goes_back_when_it_runs_short():
    """What is kept is given up first; then it is NumPy's error, and nothing else is lost."""
    text = run_python("""
import resource, numpy as np, psutil, graytorgb as g2r
gray = np.ones((200, 256, 256), np.uint8)  # 37.5 MiB of result
g2r.to_rgb(gray, "NHW", backend="native")
kept = g2r.cache_info().kept_blocks
used = psutil.Process().memory_info().vms
resource.setrlimit(resource.RLIMIT_AS, (used + (20 << 20),) * 2)
result = g2r.to_rgb(np.ones((210, 256, 256), np.uint8), "NHW", backend="native")
print(kept, g2r.cache_info().kept_blocks, end=" ")
for call in (
    lambda: g2r.to_rgb(gray, "NHW", backend="native"),
    lambda: g2r.prepare(gray, (0.5, 0.5), "NHW->NCHW"),
    lambda: result.resize(10**9, refcheck=False),
):
    try:
        call()
    except MemoryError:
        print("MemoryError", end=" ")
print(result.min() == result.max() == 1, g2r.cache_info().lent_bytes == result.nbytes)
""")
    assert text == "1 0 MemoryError MemoryError MemoryError True True"


def test_the_oldest_make_room():
    g2r.set_cache(10 * MIB)
    arrays = [new(4 * MIB) for _ in range(3)]
    where = [address(array) for array in arrays]
    for _ in range(3):
        del arrays[0]
    assert g2r.cache_info().kept_bytes == 8 * MIB
    again = new(4 * MIB), new(4 * MIB)
    assert [address(array) for array in again] == where[:0:-1]
    big = new(11 * MIB)
    del big  # more than the limit: not kept, and nothing is dropped for it
    del again
    assert g2r.cache_info().kept_bytes == 8 * MIB


def test_many_blocks():
    arrays = [new(MIB) for _ in range(100)]
    del arrays
    info = g2r.cache_info()
    assert 10 < info.kept_blocks < 100
    assert info.kept_bytes == info.kept_blocks * MIB


@pytest.mark.parametrize("limit", [-1, 1.5, "1G", True, 10**20])
def test_limits_that_are_none(limit):
    with pytest.raises(g2r.OptionError, match="number of bytes"):
        g2r.set_cache(limit)


def test_the_default():
    limit = g2r.set_cache(None).limit
    assert limit == min(psutil.virtual_memory().total // 8, 4 << 30)


@pytest.mark.parametrize(("value", "limit"), [("0", "0"), ("1000000", "1000000")])
def test_the_environment(monkeypatch, value, limit):
    monkeypatch.setenv("GRAYTORGB_CACHE", value)
    assert run_python("import graytorgb as g; print(g.cache_info().limit)") == limit


def test_an_environment_that_is_no_number(monkeypatch):
    monkeypatch.setenv("GRAYTORGB_CACHE", "1G")
    text = run_python("""
import warnings, graytorgb as g2r
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    print(g2r.choose_backend((64, 224, 224), "uint8", "NHW").backend, g2r.cache_info().limit > 0)
print(*(str(w.message) for w in caught))
""")
    assert text.splitlines()[0] == "native True"
    assert "GRAYTORGB_CACHE is a number of bytes, not '1G'" in text


def test_threads():
    """Each thread's arrays keep what it wrote while others allocate and free."""
    wrong = []

    def loop(number):
        for _ in range(200):
            array = new((1 + number % 3) * MIB)
            array[::4096] = number
            if not (array[::4096] == number).all():
                wrong.append(number)

    gc.collect()
    lent = g2r.cache_info().lent_bytes
    threads = [threading.Thread(target=loop, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert g2r.cache_info().lent_bytes == lent


def test_a_fork_has_its_own():
    text = run_python("""
import os, numpy as np, graytorgb as g2r
gray = np.ones((200, 256, 256), np.uint8)
held = g2r.to_rgb(gray, "NHW", backend="native")
g2r.to_rgb(gray, "NHW", backend="native")  # and a kept one
child = os.fork()
if not child:
    mine = g2r.to_rgb(2 * gray, "NHW", backend="native")
    held[...] = 3
    ok = (mine == 2).all() and g2r.cache_info().kept_blocks == 0
    del mine, held
    os._exit(0 if ok and g2r.cache_info().kept_blocks == 2 else 1)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), (held == 1).all(), g2r.cache_info().kept_blocks)
""")
    assert text == "0 True 1"
