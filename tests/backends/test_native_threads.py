"""The number of threads that the kernels use, asked and set by several threads at once."""

import pytest

from graytorgb.backends.registry import load

from ..interleave import codes_of, interleavings
from ..support import needs

needs("native")

native = load("native")


@pytest.fixture(autouse=True)
def as_before():
    yield
    native.set_threads(None)


@pytest.mark.parametrize("count", [None, 7])
def test_the_number_is_always_one(count):
    """`get_threads` and `count_threads` while another thread sets it, before any instruction."""
    default = native.get_threads()

    def asked():
        native.set_threads(5)
        return native.get_threads(), native.count_threads(1 << 40)

    for (told, given), _ in interleavings(
        asked, lambda: native.set_threads(count), codes_of(native)
    ):
        assert told in {5, count or default}
        assert given in {5, count or default}


def test_setting_a_number_never_shows_another():
    """A thread that asks meanwhile is told the number before or after, and not the default."""
    default = native.get_threads()
    before, after = default + 1, default + 2

    def set_it():
        native.set_threads(before)
        native.set_threads(after)

    for _, told in interleavings(set_it, native.get_threads, codes_of(native)):
        assert told in {default, before, after}
    native.set_threads(before)
    for _, told in interleavings(
        lambda: native.set_threads(before), native.get_threads, codes_of(native)
    ):
        assert told == before


def test_the_default_set_by_two_threads_stays_the_default():
    """`set_threads(get_threads())` fixes nothing, whatever another thread sets meanwhile."""
    default = native.get_threads()

    def set_default():
        native.set_threads(default)

    for _ in interleavings(set_default, lambda: native.set_threads(default + 3), codes_of(native)):
        assert native._threads in {None, default + 3}
        native.set_threads(None)
