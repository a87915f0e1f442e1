"""Helpers for all tests: required libraries, fresh interpreters, arrays, graytorgb.testing."""

import os
import subprocess
import sys
import sysconfig
from importlib.metadata import files
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from graytorgb.backends.registry import load
from graytorgb.errors import BackendUnavailable
from graytorgb.testing import (
    NUMBERS,
    assert_own_memory,
    assert_same_bits,
    awkward_arrays,
    oracle,
    random_bits,
    shapes,
)

__all__ = [
    "EIGHT_THREADS",
    "NUMBERS",
    "assert_own_memory",
    "assert_same_bits",
    "awkward_arrays",
    "needs",
    "needs_free_threading",
    "needs_package",
    "oracle",
    "packaged",
    "random_bits",
    "run_python",
    "shapes",
    "unaligned",
]

ROOT = Path(__file__).parent.parent

# With GRAYTORGB_REQUIRE=opencv,torchvision, or =all, tests aren't skipped but fail if one of these
# libraries is missing.
REQUIRED = set(filter(None, os.environ.get("GRAYTORGB_REQUIRE", "").split(",")))


def needs(*names):
    """Skip if one of these backends can't be used; fail if GRAYTORGB_REQUIRE names it."""
    for name in names:
        try:
            load(name)
        except BackendUnavailable as error:
            if REQUIRED & {name, "all"}:
                pytest.fail(f"GRAYTORGB_REQUIRE names {name}: {error}", pytrace=False)
            pytest.skip(str(error), allow_module_level=True)


# The packages that GRAYTORGB_REQUIRE may name beside the backends
PACKAGES = {"array_api_compat", "array_api_strict", "dask", "distributed", "foolbox", "fsspec",
            "gdcm", "jax", "keras", "loky", "ml_dtypes", "psutil", "rattler_build", "tensorflow",
            "timm", "torch", "transformers", "zarr"}  # fmt: skip

# The programs that it may name, which .ci/run installs
PROGRAMS = {"aarch64-linux-gnu-gcc", "clang", "qemu-aarch64", "x86_64-w64-mingw32-gcc"}


def needs_package(*names):
    """Skip if one of these packages isn't installed; fail if GRAYTORGB_REQUIRE names it."""
    for name in names:
        if find_spec(name) is None:
            if REQUIRED & {name, "all"}:
                pytest.fail(f"GRAYTORGB_REQUIRE names {name}, which isn't installed", pytrace=False)
            pytest.skip(f"needs {name}", allow_module_level=True)


def needs_free_threading():
    """Skip if this Python has a GIL; fail if GRAYTORGB_REQUIRE names "free-threading".

    "all" doesn't include it, because most Pythons have one.
    """
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        assert not sys._is_gil_enabled(), "PYTHON_GIL=1 is set, or a module needs the GIL"
        return
    if "free-threading" in REQUIRED:
        pytest.fail(
            "GRAYTORGB_REQUIRE names free-threading, and this Python has a GIL", pytrace=False
        )
    pytest.skip("needs a free-threaded Python, such as python3.14t")


def read_guide(name):
    """Return the text of a page of the guide; skip beside an installed package, without docs/."""
    folder = ROOT / "docs" / "guide"
    if not folder.exists() and "all" not in REQUIRED:
        pytest.skip("needs the source tree")
    return (folder / name).read_text(encoding="utf-8")


def packaged(package, suffix):
    """Return the files of an installed package whose names end in `suffix`, sorted."""
    needs_package(package.replace("-", "_"))
    found = [file.locate() for file in files(package) if file.name.endswith(suffix)]
    return sorted(Path(file) for file in found)


def unaligned(nbytes, offset):
    """Bytes that begin so far into a line of the cache."""
    memory = np.zeros(nbytes + 128, np.uint8)
    start = -memory.ctypes.data % 64 + offset
    return memory[start : start + nbytes]


def run_python(code, *paths):
    """Run code in a fresh interpreter, with these folders first on its path; return its output."""
    env = dict(os.environ, PYTHONPATH=os.pathsep.join([*map(str, paths), str(ROOT)]))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# The end of a script that has `wrong`, a list, and `work(number)`: eight threads work at once, and
# the errors that they raise are in the list.
EIGHT_THREADS = """def run(number):
    try:
        work(number)
    except BaseException as error:
        wrong.append(repr(error))


threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""
