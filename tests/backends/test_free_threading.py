"""What works in a free-threaded Python: the kernels, and all that threads share."""

from ..support import EIGHT_THREADS, needs, needs_free_threading, run_python

needs("native")

# Eight threads convert, and change every setting meanwhile; each compares what it gets.
HAMMER = (
    """
import gc, random, sys, threading, time
import numpy as np, graytorgb as g2r
from graytorgb.backends import registry

sys.setswitchinterval(1e-6)
native = registry.load("native")
START, END = threading.Barrier(8), time.monotonic() + {seconds}
wrong, calls = [], [0] * 8


def expect(result, expected, what):
    if not np.array_equal(result, expected):
        wrong.append(what)


def work(number):
    rng = random.Random(number)
    gray = np.random.default_rng(number).integers(0, 256, (2 + number, 40, 41), np.uint8)
    rgb = np.stack([gray] * 3, -1)
    prepared = g2r.prepare(gray, "imagenet", "NHW->NCHW", threads=1)
    large = np.full((14, 900, 900), number, np.uint8)  # a result in memory that is kept
    mine = f"mine-{{number}}"
    START.wait(60)
    while time.monotonic() < END and not wrong:
        calls[number] += 1
        kind = rng.randrange(7)
        if kind == 0:
            name = rng.choice(["auto", "native", "fill"])
            expect(g2r.to_rgb(gray, "NHW", backend=name), rgb, name)
        elif kind == 1:
            expect(g2r.prepare(gray, "imagenet", "NHW->NCHW"), prepared, "prepare")
        elif kind == 2:
            result = g2r.to_rgb(large, "NHW", backend="native")
            expect(result[:, ::90], np.full((14, 10, 900, 3), number, np.uint8), "kept memory")
        elif kind == 3:
            limit = rng.choice([0, 40 << 20, None])
            info = g2r.set_cache(limit)
            if info.kept_bytes > 8 << 30:
                wrong.append("set_cache")
        elif kind == 4:
            native.set_threads(rng.choice([None, 1, 2, 3]))
            if native.get_threads() not in range(1, 65):
                wrong.append("set_threads")
        elif kind == 5:
            g2r.register_backend(mine, "graytorgb.backends.fill", dtypes=["uint8"])
            expect(g2r.to_rgb(gray, "NHW", backend=mine), rgb, "register")
            if mine not in g2r.list_backends():
                wrong.append("list_backends")
            g2r.unregister_backend(mine)
            try:
                g2r.to_rgb(gray, "NHW", backend=mine)
                wrong.append("unregister")
            except g2r.UnknownBackend:
                pass
        else:
            expect(g2r.to_uint8(gray.astype(np.uint16) << 4, (0, 4080)), gray, "to_uint8")

"""
    + EIGHT_THREADS
    + """
gc.collect()  # an exception's traceback may refer to the frame that holds a result
info = g2r.cache_info()
print(wrong, min(calls) > 0, info.lent_bytes, info.kept_bytes <= info.limit)
"""
)


def test_the_kernels_leave_the_gil_off(monkeypatch):
    """Python would turn the GIL on, with a RuntimeWarning, for a module that needs it."""
    needs_free_threading()
    monkeypatch.delenv("PYTHON_GIL", raising=False)  # 0 would keep it off whatever is loaded
    text = run_python("""
import sys, warnings
warnings.simplefilter("error")
import numpy as np, graytorgb as g2r
before = sys._is_gil_enabled()
g2r.to_rgb(np.zeros((2, 40, 41), np.uint8), "NHW", backend="native")
g2r.prepare(np.zeros((2, 40, 41), np.uint8), "imagenet", "NHW->NCHW")
print("graytorgb._kernels" in sys.modules, before, sys._is_gil_enabled())
""")
    assert text == "True False False"


def test_another_interpreter_of_the_process_is_refused():
    """NumPy and the kept memory belong to the process, so no other interpreter gets the module."""
    needs_free_threading()
    text = run_python("""
import _interpreters
from graytorgb import _kernels
code = f'''
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from importlib.util import module_from_spec
loader = ExtensionFileLoader("graytorgb._kernels", {_kernels.__file__!r})
module_from_spec(ModuleSpec("graytorgb._kernels", loader, origin={_kernels.__file__!r}))
'''
failed = _interpreters.run_string(_interpreters.create(), code)
print(failed.formatted)
""")
    assert "does not support loading in subinterpreters" in text


def test_a_second_module_object_shares_the_kept_memory():
    """Python makes a second one if sys.modules loses the first, and it is imported again."""
    text = run_python("""
import sys
import numpy as np
from graytorgb import _kernels as first
first.set_cache_limit(1 << 30)
array, _ = first.empty((1 << 20,), np.dtype(np.uint8))
del sys.modules["graytorgb._kernels"], array
import graytorgb
del graytorgb._kernels
from graytorgb import _kernels as second
array, is_warm = second.empty((1 << 20,), np.dtype(np.uint8))
same = first.cache_info() == second.cache_info() and first.levels == second.levels
print(first is second, is_warm, same)
""")
    assert text == "False True True"


def test_eight_threads_convert_and_change_every_setting():
    text = run_python(HAMMER.format(seconds=1.5))
    assert text == "[] True 0 True"
