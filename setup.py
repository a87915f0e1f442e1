"""The optional C extension; everything else is in setup.cfg."""

import sys
from pathlib import Path

import numpy as np
from setuptools import Extension, setup

# Relaxed arithmetic would break the promise that every level gives the same bits.
FLAGS = ["/O2", "/std:c11"] if sys.platform == "win32" else ["-std=c11", "-O3", "-pthread"]
SOURCES = Path("graytorgb/_native")

setup(
    ext_modules=[
        Extension(
            "graytorgb._kernels",
            sources=sorted(map(str, SOURCES.glob("*.c"))),
            depends=sorted(str(path) for path in SOURCES.iterdir() if path.suffix != ".c"),
            include_dirs=[np.get_include()],
            define_macros=[("Py_LIMITED_API", "0x030B0000")],
            extra_compile_args=FLAGS,
            extra_link_args=[] if sys.platform == "win32" else ["-pthread"],
            py_limited_api=True,
            optional=True,  # without a compiler the package installs, and says what it lacks
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
