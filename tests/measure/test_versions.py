"""Tests of what ``graytorgb --version`` prints for a bug report."""

import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import pytest

import graytorgb as g2r
from graytorgb.extras import EXTRAS, list_distributions
from graytorgb.measure import versions
from graytorgb.measure.versions import describe_kernels, describe_versions, list_libraries

from ..backends.source_layouts import python, source_tree
from ..support import needs, run_python


class TestLines:
    def test_what_every_report_has(self):
        text = describe_versions()
        lines = [line.partition(" ")[0] for line in text.splitlines()]
        assert lines[:6] == ["graytorgb", "Python", "system", "processor", "kernels", "numpy"]
        assert f"graytorgb {g2r.__version__}" in " ".join(text.split())
        assert f"Python {sys.version.split()[0]}" in " ".join(text.split())
        assert f"numpy {np.__version__}" in " ".join(text.split())

    def test_every_library_of_the_extras_is_there_or_missing(self):
        found, missing = list_libraries()
        told = {*found, *missing}
        for library in EXTRAS:
            assert told & {*list_distributions(library)}, library
        for name, text in found.items():
            assert text.partition(" ")[0] == version(name)
        for name in missing:
            with pytest.raises(PackageNotFoundError):
                version(name)

    def test_two_builds_of_one_library_are_both_told(self, monkeypatch):
        there = {"opencv-python": "4.12.0", "opencv-python-headless": "4.11.0"}
        monkeypatch.setattr(versions, "_find_version", there.get)
        found, missing = list_libraries()
        assert found == there
        assert "opencv-python" not in missing
        assert "numpy" in missing
        assert "not installed" in describe_versions()

    @pytest.mark.parametrize(
        ("stated", "needs", "told"),
        [
            ("2.9.0+cu128", ["nvidia-cuda-runtime-cu12==12.8.90"], "2.9.0+cu128"),
            ("2.9.0+cpu", [], "2.9.0+cpu"),
            (
                "2.9.0",
                ["sympy", 'nvidia-cuda-runtime-cu12==12.8.90; x == "y"'],
                "2.9.0 (for CUDA 12.8.90)",
            ),
            ("2.14.1", ["cuda-toolkit[cublas,cudart]==13.0.3; x"], "2.14.1 (for CUDA 13.0.3)"),
            ("2.9.0", None, "2.9.0"),
        ],
    )
    def test_the_cuda_of_torch_comes_from_its_record(self, monkeypatch, stated, needs, told):
        monkeypatch.setattr(versions, "version", lambda name: stated)
        monkeypatch.setattr(versions, "requires", lambda name: needs)
        assert versions._find_version("torch").endswith(told)
        assert versions._find_version("timm") == stated

    def test_the_processor(self, monkeypatch, tmp_path):
        file = tmp_path / "cpuinfo"
        file.write_text("flags : x\nmodel name\t: Fast CPU @ 3 GHz\nmodel name\t: Other\n")
        monkeypatch.setattr(versions, "_CPU_INFO", file)
        assert versions._find_processor().startswith("Fast CPU @ 3 GHz (")
        monkeypatch.setattr(versions, "_CPU_INFO", tmp_path / "absent")
        monkeypatch.delenv("PROCESSOR_IDENTIFIER", raising=False)
        assert versions._find_processor()


class TestKernels:
    def test_compiled(self):
        needs("native")
        from graytorgb import _kernels

        assert describe_kernels().startswith(f"compiled, {_kernels.__version__} (of portable")

    def test_a_checkout_without_them(self, tmp_path):
        root = tmp_path / "checkout"
        source_tree(root)
        code = "import sys; sys.argv = ['graytorgb', '--version']; import graytorgb.__main__ as m"
        text = python(f"{code}; m.main()", cwd=root)
        assert "not compiled: needs graytorgb._kernels: it is compiled when" in text
        assert f"this is the source tree {root}, where it isn't compiled yet" in text

    def test_broken(self):
        text = run_python("""
import importlib.machinery, importlib.util, sys
spec = importlib.machinery.ModuleSpec("graytorgb._kernels", None)
sys.modules["graytorgb._kernels"] = importlib.util.module_from_spec(spec)
from graytorgb.measure.versions import describe_kernels
print(describe_kernels())
""")
        assert text.startswith("broken: can't be used: graytorgb._kernels is installed but failed")


@pytest.mark.parametrize("hidden", ["", "sys.modules['click'] = sys.modules['rich'] = None"])
def test_no_library_is_imported_for_it_nor_needed(hidden):
    names = [name for name in EXTRAS if name not in sys.stdlib_module_names]
    text = run_python(f"""
import sys
sys.argv = ["graytorgb", "--version"]
{hidden}
from graytorgb.__main__ import main
main()
print([name for name in {names} if sys.modules.get(name)])
""")
    assert text.splitlines()[0].split() == ["graytorgb", g2r.__version__]
    assert text.splitlines()[-1] == "[]"


def test_a_reader_that_has_gone():
    """As in ``graytorgb --version | head -1``."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "graytorgb", "--version"], stdout=writer, stderr=subprocess.PIPE
    )
    os.close(writer)
    assert done.stderr == b""
    assert done.returncode == 1
