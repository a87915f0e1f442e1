"""What threads share in the whole package: caches, loaded libraries, kept memory, settings."""

from ..support import EIGHT_THREADS, needs, run_python

COLD = (
    """
import random, sys, threading
import numpy as np, graytorgb as g2r
from graytorgb.backends import registry
from graytorgb.backends.registry import BACKENDS

sys.setswitchinterval(1e-6)
NAMES = [name for name, entry in BACKENDS.items() if not entry.slow_import]
CHANGES = {changes}
START = threading.Barrier(8)
wrong = []


def work(number):
    rng = random.Random(number)
    gray = np.random.default_rng(number).integers(0, 256, (3 + number, 40, 41), np.uint8)
    expected = np.stack([gray] * 3, -1)
    names = NAMES[number % len(NAMES):] + NAMES[:number % len(NAMES)]
    START.wait(60)  # nothing is imported or cached yet
    for turn in range(6):
        for name in ["auto", *names]:
            check(g2r.to_rgb(gray, "NHW", backend=name), expected, name)
        prepared = g2r.prepare(gray, (0.5, 0.5), "NHW->NCHW")
        check(prepared, np.moveaxis(expected, -1, 1) / np.float32(127.5) - 1, "prepare")
        check(g2r.to_uint8(gray.astype(np.uint16) << 4, (0, 4080)), gray, "to_uint8")
        if CHANGES and turn % 3 == 1:
            native = registry.load("native")
            native.set_threads(rng.choice([None, 1, 2, 3]))
            g2r.set_cache(rng.choice([0, 64 << 20, None]))
            large = g2r.to_rgb(np.full((16, 840, 840), number, np.uint8), "NHW", backend="native")
            check(large[:, ::50], np.uint8(number), "in memory that is kept")


def check(result, expected, what):
    if not np.allclose(result, expected, rtol=0, atol=1e-6):
        wrong.append(what)

"""
    + EIGHT_THREADS
    + """
print(wrong)
"""
)


def test_first_calls_from_eight_threads():
    needs("native", "opencv", "pillow", "skimage")
    assert run_python(COLD.format(changes=False)) == "[]"


def test_settings_change_while_eight_threads_convert():
    needs("native", "opencv", "pillow", "skimage")
    assert run_python(COLD.format(changes=True)) == "[]"
