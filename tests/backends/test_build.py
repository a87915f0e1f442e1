"""Building the kernels: by every compiler that is here, and what a failed build leaves behind."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ..support import REQUIRED, ROOT, needs, needs_package, run_python
from .cross_headers import make_headers
from .source_layouts import STATUS, python

needs("native")
needs_package("setuptools")

from graytorgb import _kernels  # noqa: E402

LOG = "_kernels_build.log"
VERSIONS = {"gcc": range(9, 20), "clang": range(14, 30)}


def program(name):
    """The file of a program on the path, or None."""
    path = shutil.which(name)
    return path and Path(path).resolve()


def find_versions(family):
    """Return the oldest and the newest version of a compiler here that isn't the main one."""
    here = [f"{family}-{version}" for version in VERSIONS[family]]
    here = [name for name in here if program(name)]
    ends = dict.fromkeys([*here[:1], *here[-1:]])
    return [name for name in ends if program(name) != program(family)]


COMPILERS = [name for family in VERSIONS for name in (family, *find_versions(family))]
WARNINGS = "-Wall -Wextra -Wvla -Werror"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="CC is for Unix")


def needs_program(*names):
    """Skip if one of these programs isn't installed; fail if GRAYTORGB_REQUIRE names it."""
    for name in names:
        if not program(name):
            if name in REQUIRED:
                pytest.fail(f"GRAYTORGB_REQUIRE names {name}, which isn't installed")
            pytest.skip(f"needs {name}")


def run(*command):
    """Run a program that has to succeed; return what it printed."""
    command = list(map(str, command))
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}"
    return done.stdout


def setup_py(source, *arguments, compiler, flags=""):
    """Run setup.py in a source tree; what it printed."""
    done = subprocess.run(
        [sys.executable, "setup.py", *map(str, arguments)],
        cwd=source, env=dict(os.environ, CC=compiler, CFLAGS=flags), timeout=600,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture
def source(tmp_path):
    """A copy of the source tree, never built."""
    folder = tmp_path / "source"
    ignored = shutil.ignore_patterns("*.so", "*.pyd", "*.log", "__pycache__")
    shutil.copytree(ROOT / "graytorgb", folder / "graytorgb", ignore=ignored)
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture
def compilers(tmp_path):
    """Programs that stand for a compiler: one that fails, one that makes empty files."""
    scripts = {
        "fails": 'echo "kernels.c:1:2: warning: first" >&2; echo "kernels.c:3:4: error: why" >&2\n'
        'echo "and more of its words" >&2; exit 1',
        "silent": "exit 3",
        "works": 'while [ "$1" != -o ]; do shift; done; : > "$2"',
    }
    found = {"absent": str(tmp_path / "absent-cc")}
    for name, script in scripts.items():
        path = tmp_path / f"{name}-cc"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        found[name] = str(path)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("compiler", COMPILERS)
def test_the_kernels_compile_without_a_warning_and_with_every_level(compiler, source, tmp_path):
    needs_program(compiler)
    built = tmp_path / "built"
    setup_py(source, "build", "--build-lib", built, compiler=compiler, flags=WARNINGS)
    log = built / "graytorgb" / LOG
    assert not log.exists(), log.read_text()
    code = """
import json, numpy as np, graytorgb as g2r
from graytorgb import _kernels
gray = np.arange(5 * 71 * 73, dtype=np.uint16).reshape(5, 71, 73)
rgb = g2r.to_rgb(gray, "NHW", backend="native")
same = all((rgb[..., c] == gray).all() for c in range(3))
print(json.dumps([_kernels.__file__, list(_kernels.levels), bool(same)]))
"""
    file, levels, same = json.loads(python(code, built, cwd=built))
    assert same
    assert Path(file).parent == built / "graytorgb"
    assert levels == list(_kernels.levels)


# Other processors and systems: every source compiles and links, and all levels give one result.
# `make cross` runs the tests of the kernels with an arm64 Python too.

NATIVE = ROOT / "graytorgb" / "_native"
COMPARISON = ROOT / "tests" / "backends" / "compare_levels.c"  # a program without Python
FOR_ARM, FOR_WINDOWS, QEMU = "aarch64-linux-gnu-gcc", "x86_64-w64-mingw32-gcc", "qemu-aarch64"
LIMITED = "-DPy_LIMITED_API=0x030B0000"


def find_gnu_options():
    """Return the options with which setup.py compiles and links by GCC and Clang."""
    (line,) = re.findall(r"^GNU = (.*)$", (ROOT / "setup.py").read_text(), re.MULTILINE)
    return ast.literal_eval(line)


def compile_all(compiler, system, folder):
    """Compile every source; return the objects of the kernels, and those of the Python module."""
    options, headers = find_gnu_options()[0], make_headers(folder, system)
    options += [LIMITED, f"-I{NATIVE}", *(f"-I{path}" for path in headers), *WARNINGS.split()]
    options += ["-fPIC"] if system == "linux" else []
    plain, module = [], []
    for source in (*sorted(NATIVE.glob("*.c")), COMPARISON):
        made = folder / f"{source.stem}.o"
        run(*compiler, *options, "-c", source, "-o", made)
        (module if '#include "bindings.h"' in source.read_text() else plain).append(made)
    assert len(plain) > 5
    assert len(module) > 4
    return plain, module


@pytest.mark.slow
@pytest.mark.parametrize("compiler", [FOR_ARM, "clang --target=aarch64-linux-gnu"])
def test_arm_has_a_neon_level_with_the_same_results(compiler, tmp_path):
    compiler = compiler.split()
    needs_program(compiler[0], FOR_ARM, QEMU)  # Clang takes GCC's C library
    plain, module = compile_all(compiler, "linux", tmp_path)
    link = find_gnu_options()[1]
    run(*compiler, "-static", *plain, *link, "-o", tmp_path / "compare")
    assert run(QEMU, tmp_path / "compare").split() == ["portable", "neon", "equal"]
    kernels = [path for path in plain if path.stem != COMPARISON.stem]
    run(*compiler, "-shared", *kernels, *module, *link, "-o", tmp_path / "_kernels.so")


@pytest.mark.slow
def test_mingw_builds_the_module_for_windows_without_a_warning(tmp_path):
    needs_program(FOR_WINDOWS)
    plain, module = compile_all([FOR_WINDOWS], "windows", tmp_path)
    link = find_gnu_options()[1]
    run(FOR_WINDOWS, *plain, *link, "-o", tmp_path / "compare.exe")
    # What the module takes from Python's library is the library here.
    tools = FOR_WINDOWS.removesuffix("gcc")
    undefined = run(f"{tools}nm", "--undefined-only", *module)
    names = sorted(set(re.findall(r"__imp_(_?Py\w+)", undefined)))
    assert "PyModule_Create2" in names or "PyModuleDef_Init" in names
    definition, library = tmp_path / "python3.def", tmp_path / "libpython3.a"
    definition.write_text("\n".join(["LIBRARY python3.dll", "EXPORTS", *names, ""]))
    run(f"{tools}dlltool", "-d", definition, "-l", library)
    kernels = [path for path in plain if path.stem != COMPARISON.stem]
    file = tmp_path / "_kernels.pyd"
    run(FOR_WINDOWS, "-shared", *kernels, *module, library, *link, "-o", file)
    assert "PyInit__kernels" in run(f"{tools}objdump", "-p", file)


# mingw's headers don't expect a compiler that says to be MSVC, and leave these undefined.
AS_MSVC = """
#include <_mingw.h>
#undef __attribute__
#undef __MINGW_ATTRIB_NORETURN
#undef __MINGW_ATTRIB_DEPRECATED
#define __MINGW_ATTRIB_NORETURN
#define __MINGW_ATTRIB_DEPRECATED
typedef struct { double part[2]; } _Dcomplex, _Lcomplex;
typedef struct { float part[2]; } _Fcomplex;
"""


@pytest.mark.slow
def test_clang_accepts_the_sources_as_msvc_would(tmp_path):
    """With MSVC's macros, and an error for what only GNU's compilers know."""
    needs_program("clang", FOR_WINDOWS)
    library = run(FOR_WINDOWS, "-print-file-name=libkernel32.a").strip()
    headers = [*make_headers(tmp_path, "windows"), Path(library).parents[1] / "include"]
    start = tmp_path / "as_msvc.h"
    start.write_text(AS_MSVC)
    for source in (*sorted(NATIVE.glob("*.c")), COMPARISON):
        # mingw's headers declare no intrinsics; GCC has looked for undeclared functions before
        run("clang", "--target=x86_64-pc-windows-msvc", "-fms-compatibility-version=19.30",
            "-fsyntax-only", "-std=c11", *WARNINGS.split(), "-Wgnu", LIMITED,
            "-Wno-implicit-function-declaration", f"-I{NATIVE}",
            *(f"-isystem{path}" for path in headers), "-include", start, source)  # fmt: skip


def test_a_failed_build_keeps_the_compilers_words(source, tmp_path, compilers):
    built = tmp_path / "built"
    printed = setup_py(source, "build", "--build-lib", built, compiler=compilers["fails"])
    log = built / "graytorgb" / LOG
    words = log.read_text()
    assert words.splitlines()[0] == "kernels.c:3:4: error: why"
    for text in (words, printed):
        assert "kernels.c:1:2: warning: first\n" in text
        assert "and more of its words\n" in text
    text = python(STATUS, built, cwd=source.parent)
    assert f"here it is not compiled: see {log}, kernels.c:3:4: error: why." in text
    assert "no C compiler" not in text


def test_a_compiler_that_says_nothing(source, tmp_path, compilers):
    built = tmp_path / "built"
    setup_py(source, "build", "--build-lib", built, compiler=compilers["silent"])
    first = (built / "graytorgb" / LOG).read_text().splitlines()[0]
    assert compilers["silent"] in first
    assert len(first) <= 160


def test_no_compiler_is_told_where_there_was_none(source, tmp_path, compilers):
    built = tmp_path / "built"
    setup_py(source, "build", "--build-lib", built, compiler=compilers["absent"])
    text = python(STATUS, built, cwd=source.parent)
    assert f"no C compiler was found: there is no {compilers['absent']!r} (see" in text
    assert "With one: pip install" in text


def test_a_source_tree_has_the_log_of_its_last_build_alone(source, compilers):
    log = source / "graytorgb" / LOG
    setup_py(source, "build_ext", "--inplace", compiler=compilers["fails"])
    assert log.read_text().startswith("kernels.c:3:4: error: why\n")
    assert "kernels.c:3:4: error: why. When" in python(STATUS, cwd=source)
    setup_py(source, "build_ext", "--inplace", compiler=compilers["works"])
    assert not list(source.rglob(LOG))
    assert python(STATUS, cwd=source).startswith("broken")  # an empty file


def test_a_failed_build_installs_no_older_kernels(source, compilers):
    setup_py(source, "build", "--build-lib", "built", compiler=compilers["works"])
    assert list((source / "built").rglob("_kernels.*so"))
    (source / "graytorgb" / "_native" / "work.c").touch()  # newer than what was built
    setup_py(source, "build", "--build-lib", "built", compiler=compilers["fails"])
    assert not list((source / "built").rglob("_kernels.*so"))
    assert list((source / "built").rglob(LOG))


def test_a_wheel_takes_the_log_along(source, compilers):
    setup_py(source, "bdist_wheel", "--dist-dir", "wheels", compiler=compilers["fails"])
    (wheel,) = (source / "wheels").iterdir()
    names = zipfile.ZipFile(wheel).namelist()
    assert f"graytorgb/{LOG}" in names
    assert not [name for name in names if name.endswith(".so")]


def test_git_ignores_the_log():
    assert f"/graytorgb/{LOG}" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_package_and_its_build_agree_on_the_logs_name():
    text = run_python("from graytorgb.backends import diagnosis; print(diagnosis._LOG)")
    assert text == LOG
    assert f'LOG = "{LOG}"' in (ROOT / "setup.py").read_text()
