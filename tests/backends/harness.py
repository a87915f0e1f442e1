"""Build and run C programs that drive a part of the kernels by threads and forks."""

import os
import shutil
import subprocess

import pytest

from ..support import REQUIRED, ROOT

SANITIZERS = {
    "none": [],
    "thread": ["-fsanitize=thread"],
    "address": ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
}


def build_harness(source, folder, sanitizer, *options):
    """Compile a program of this folder; skip where the compiler lacks the sanitizer."""
    compiler = os.environ.get("CC") or shutil.which("cc")
    if not compiler or not (ROOT / "graytorgb/_native").exists():
        assert "all" not in REQUIRED, "no compiler, or no sources"
        pytest.skip("needs a compiler and the source tree")
    program = folder / "harness"
    if SANITIZERS[sanitizer]:
        empty = folder / "empty.c"
        empty.write_text("int main(void) { return 0; }\n")
        command = [compiler, *SANITIZERS[sanitizer], empty, "-o", program]
        built = subprocess.run(command, capture_output=True).returncode == 0
        if not built or subprocess.run([program], capture_output=True).returncode:
            pytest.skip(f"programs of {compiler} can't use the sanitizer of {sanitizer} here")
    flags = ["-std=c11", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", *options]
    command = [compiler, *flags, *SANITIZERS[sanitizer], ROOT / "tests/backends" / source]
    done = subprocess.run([*command, "-o", program], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return program


def run_harness(program, seconds):
    """Run the program for so long; return its exit status and what it printed."""
    env = dict(
        os.environ, TSAN_OPTIONS="die_after_fork=0 halt_on_error=1", ASAN_OPTIONS="detect_leaks=0"
    )
    done = subprocess.run(
        [program, str(seconds)], capture_output=True, text=True, timeout=100, env=env
    )
    return done.returncode, done.stdout + done.stderr
