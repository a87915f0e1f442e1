"""Build the optional C extension, and the text for PyPI; all other settings are in setup.cfg."""

import os
import re
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copy2, which
from tempfile import TemporaryFile
from textwrap import shorten
from typing import BinaryIO

import numpy as np
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError, PlatformError

# The options of the compiler and of the linker. None of them relaxes the arithmetic, because every
# instruction set has to give the same bits.
MSVC = ["/O2", "/std:c11"], []
GNU = ["-std=c11", "-O3", "-ffp-contract=off", "-pthread"], ["-pthread"]
SOURCES = Path("graytorgb/_native")
# By the stable ABI, one build serves every Python from 3.11 on, except free-threaded ones.
HAS_STABLE_ABI = not sysconfig.get_config_var("Py_GIL_DISABLED")
LOG = "_kernels_build.log"  # graytorgb/backends/diagnosis.py reads it
# A link or a picture in Markdown whose target is a file of this repository; the text is a group
LOCAL_LINK = re.compile(r"!?\[([^\[\]]+)\]\((?!https?:)[^()\s]+\)")


class BuildKernels(build_ext):
    """Build the extension; if this fails, write the compiler's output to a file in the package.

    The package is then installed without the extension, and an error message shows the output.
    """

    def build_extension(self, ext: Extension) -> None:
        """Compile the extension; if this fails, write a log whose first line is the reason."""
        flags = MSVC if self.compiler.compiler_type == "msvc" else GNU
        ext.extra_compile_args, ext.extra_link_args = flags
        log = self._log(ext)
        with TemporaryFile() as file:
            try:
                with printed_to(file):
                    super().build_extension(ext)
            except (BaseError, CCompilerError) as error:
                file.seek(0)
                words = file.read().decode(errors="replace")
                Path(self.get_ext_fullpath(ext.name)).unlink(missing_ok=True)  # an older build's
                log.parent.mkdir(parents=True, exist_ok=True)
                text = f"{self._reason(words, error)}\n\n{words}\n{error}\n"
                log.write_text(text, encoding="utf-8")
                raise
            finally:
                file.seek(0)
                sys.stderr.write(file.read().decode(errors="replace"))
        log.unlink(missing_ok=True)

    def copy_extensions_to_source(self) -> None:
        """Copy the extension, and the log of this build if there is one; remove an older log."""
        super().copy_extensions_to_source()
        for ext in self.extensions:
            beside = self._log(ext)  # in the source tree, because self.inplace is set
            beside.unlink(missing_ok=True)
            built = Path(self.build_lib, *ext.name.split(".")[:-1], LOG)
            if built.exists():
                copy2(built, beside)

    def _log(self, ext: Extension) -> Path:
        return Path(self.get_ext_fullpath(ext.name)).parent / LOG

    def _reason(self, words: str, error: Exception) -> str:
        command = getattr(self.compiler, "compiler_so", None)  # MSVC doesn't have it
        if isinstance(error, PlatformError):
            return f"no C compiler was found: {shorten(str(error), 160)}"
        if command and not which(command[0]):
            return f"no C compiler was found: there is no {command[0]!r}"
        # An error line of GCC, Clang, their linkers or MSVC, but not an option such as -Werror=...
        first = re.search(r"^.*\berror( [A-Z]+\d+)?: .*$", words, re.MULTILINE)
        return first.group().strip() if first else shorten(str(error), 160)


def describe_for_pypi() -> str:
    """Return the README for PyPI, where a link or a picture of this repository would be dead.

    The text of a link stays, and so does what a picture is described by. Code is left alone.
    """
    text = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
    parts = re.split(r"(^```.*?^```$)", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(
        part if part.startswith("```") else LOCAL_LINK.sub(r"\1", part) for part in parts
    )


@contextmanager
def printed_to(file: BinaryIO) -> Iterator[None]:
    """Write to `file` what this process and the processes that it starts print."""
    sys.stdout.flush()
    sys.stderr.flush()
    before = {stream: os.dup(stream) for stream in (1, 2)}
    try:
        for stream in before:
            os.dup2(file.fileno(), stream)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for stream, copy in before.items():
            os.dup2(copy, stream)
            os.close(copy)


setup(
    long_description=describe_for_pypi(),
    cmdclass={"build_ext": BuildKernels},
    ext_modules=[
        Extension(
            "graytorgb._kernels",
            sources=sorted(map(str, SOURCES.glob("*.c"))),
            depends=sorted(str(path) for path in SOURCES.iterdir() if path.suffix != ".c"),
            include_dirs=[np.get_include()],
            define_macros=[("Py_LIMITED_API", "0x030B0000")] if HAS_STABLE_ABI else [],
            py_limited_api=HAS_STABLE_ABI,
            optional=True,  # if it can't be built, the package works without it
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if HAS_STABLE_ABI else {},
)
