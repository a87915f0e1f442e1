"""What the tests share: the oracle, arrays of every kind, and what must be present."""

import os
import subprocess
import sys
from importlib.metadata import files
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from graytorgb.backends.registry import load
from graytorgb.core.layout import find_order, remove_channel
from graytorgb.errors import BackendUnavailable

ROOT = Path(__file__).parent.parent

# GRAYTORGB_REQUIRE=opencv,torchvision or =all: these fail where they would be skipped.
REQUIRED = set(filter(None, os.environ.get("GRAYTORGB_REQUIRE", "").split(",")))

NUMBERS = [np.dtype(code) for code in "?bBhHiIqQefdgFDG"]


def needs(*names):
    """Skip where a backend of these isn't usable; fail if GRAYTORGB_REQUIRE names it."""
    for name in names:
        try:
            load(name)
        except BackendUnavailable as error:
            if REQUIRED & {name, "all"}:
                pytest.fail(f"GRAYTORGB_REQUIRE names {name}: {error}", pytrace=False)
            pytest.skip(str(error), allow_module_level=True)


# What GRAYTORGB_REQUIRE may name beside the backends
PACKAGES = {"array_api_compat", "array_api_strict", "dask", "foolbox", "gdcm", "jax", "keras",
            "tensorflow", "timm", "torch", "transformers"}  # fmt: skip


def needs_package(*names):
    """The same for packages: of kinds and layers, and what only tests use."""
    for name in names:
        if find_spec(name) is None:
            if REQUIRED & {name, "all"}:
                pytest.fail(f"GRAYTORGB_REQUIRE names {name}, which isn't installed", pytrace=False)
            pytest.skip(f"needs {name}", allow_module_level=True)


def packaged(package, suffix):
    """The files of an installed package with this ending, in order."""
    needs_package(package.replace("-", "_"))
    found = [file.locate() for file in files(package) if file.name.endswith(suffix)]
    return sorted(Path(file) for file in found)


def oracle(gray, layout):
    """What to_rgb must give for a gray array without a channel axis, by NumPy alone."""
    source, target = layout.split("->")
    axis = target.index("C")
    moved = gray.transpose(find_order(source, remove_channel(target)))
    return np.repeat(moved[(slice(None),) * axis + (None,)], 3, axis)


def assert_same_bits(result, expected):
    """The same type, shape, dtype (byte order too) and bytes."""
    assert type(result) is type(expected)
    assert result.shape == expected.shape
    assert result.dtype.str == expected.dtype.str
    assert result.tobytes() == expected.tobytes()


def assert_own_memory(result, source):
    """C-contiguous, writable, aligned, and apart from `source`; proven by writing."""
    assert result.flags.c_contiguous
    assert result.flags.writeable
    assert result.flags.aligned
    before = source.tobytes()
    result.view(np.uint8)[...] ^= 0xFF
    assert source.tobytes() == before


def random_bits(shape, dtype, seed=0):
    """Any bit pattern of the dtype, NaN payloads among them; bool stays 0 and 1."""
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    count = int(np.prod(shape)) * dtype.itemsize
    return rng.integers(0, 256, count, dtype=np.uint8).view(dtype).reshape(shape)


@st.composite
def awkward_arrays(draw, shapes, dtypes=None):
    """An array of these shapes and any memory: strided, reversed, Fortran, unaligned, ….

    The bits are any; the byte order is either; it may be read-only.
    """
    shape = draw(shapes)
    dtype = draw(dtypes if dtypes is not None else st.sampled_from(NUMBERS))
    dtype = dtype.newbyteorder(draw(st.sampled_from("=S")))
    values = random_bits(shape, dtype, draw(st.integers(0, 2**32 - 1)))
    memory = draw(
        st.sampled_from(["plain", "fortran", "strided", "reversed", "unaligned", "repeated"])
    )
    if memory == "fortran":
        values = np.asfortranarray(values)
    elif memory == "strided":
        wide = np.zeros(tuple(2 * n for n in shape), dtype)
        every_other = wide[tuple(slice(None, None, 2) for _ in shape)]
        every_other[...] = values
        values = every_other
    elif memory == "reversed":
        values = values[tuple(slice(None, None, -1) for _ in shape)]
    elif memory == "unaligned":
        raw = np.zeros(values.nbytes + 1, np.uint8)[1:]
        raw[...] = np.frombuffer(values.tobytes(), np.uint8)
        values = raw.view(dtype).reshape(shape)
    elif memory == "repeated" and values.size:
        values = np.broadcast_to(values[:1], shape)
    if draw(st.booleans()):
        values = values.view()
        values.flags.writeable = False
    return values


def shapes(ndim, smallest=1):
    """Small shapes, thin ones and single pixels among them."""
    return npst.array_shapes(min_dims=ndim, max_dims=ndim, min_side=smallest, max_side=9)


def run_python(code, *paths):
    """Run code in a fresh interpreter, with these folders first on its path; its output."""
    env = dict(os.environ, PYTHONPATH=os.pathsep.join([*map(str, paths), str(ROOT)]))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
