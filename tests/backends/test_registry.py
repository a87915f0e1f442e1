"""The table of backends, and libraries that are missing or broken."""

import numpy as np
import pytest

import graytorgb as g2r
from graytorgb.backends.table import BUILT_IN
from graytorgb.extras import EXTRAS

from ..support import PACKAGES, REQUIRED, needs, run_python

WITH_LIBRARY = [name for name, entry in BUILT_IN.items() if entry.library in EXTRAS]


def test_required_backends_exist():
    assert {"all", "browser", "clang"} | set(BUILT_IN) | PACKAGES >= REQUIRED


def test_backends_tells_all_of_each():
    infos = g2r.list_backends()
    assert list(infos) == list(BUILT_IN)
    for name, info in infos.items():
        assert info.name == name
        assert info.status in ("available", "missing", "broken")
        assert info.available == (info.status == "available")
        assert info.result == BUILT_IN[name].result
        assert info.how
        assert info.why
    assert infos["fill"].why == f"numpy {np.__version__}"
    assert infos["pillow"].takes == "uint8"
    assert infos["broadcast"].result == "view"


@pytest.mark.parametrize("name", WITH_LIBRARY)
def test_missing(name):
    """None in sys.modules is how Python itself says that there is no such module."""
    library = BUILT_IN[name].library
    text = run_python(f"""
import sys
sys.modules[{library!r}] = None
import numpy as np, graytorgb as g2r
x = np.zeros((4, 300, 300), np.uint8)
try:
    g2r.to_rgb(x, "NHW", backend={name!r})
except ImportError as error:
    assert isinstance(error, g2r.BackendUnavailable)
    assert isinstance(error.__cause__, ImportError)
    print(error)
print(g2r.list_backends()[{name!r}].status)
print(g2r.to_rgb(x, "NHW").shape)  # auto goes on without it
""")
    needed = (
        f"backend {name!r} needs {library}: pip install 'graytorgb[{name}]'; usable now: repeat"
    )
    assert needed in text
    others = text.partition("usable now: ")[2].partition("\n")[0].split(", ")
    assert set(others) >= {"repeat", "dstack", "fill", "broadcast"}
    assert name not in others
    assert "given: numpy.ndarray, shape (4, 300, 300), dtype uint8" in text
    assert text.endswith("missing\n(4, 300, 300, 3)")


@pytest.mark.parametrize(
    ("name", "failure"),
    [(WITH_LIBRARY[0], "OSError(9)")]
    + [(name, "ImportError('libGL.so.1: cannot open')") for name in WITH_LIBRARY],
)
def test_broken(name, failure, tmp_path):
    needs(name)  # and with it what it needs in turn, torch for torchvision
    library = BUILT_IN[name].library
    (tmp_path / library).mkdir()
    (tmp_path / library / "__init__.py").write_text(f"raise {failure}")
    text = run_python(
        f"""
import numpy as np, graytorgb as g2r
try:
    g2r.to_rgb(np.zeros((4, 300, 300), np.uint8), "NHW", backend={name!r})
except g2r.BackendUnavailable as error:
    print(repr(error.__cause__))
    print(error)
info = g2r.list_backends()[{name!r}]
print(info.status, info.available)
print(g2r.to_rgb(np.zeros((4, 300, 300), np.uint8), "NHW").shape)
""",
        tmp_path,
    )
    assert text.startswith(failure)
    assert f"{library} is installed but failed to import" in text
    assert text.endswith("broken False\n(4, 300, 300, 3)")


@pytest.mark.parametrize("name", WITH_LIBRARY)
def test_hollow(name, tmp_path):
    """The folder that an uninstall left behind imports, and holds nothing."""
    library = BUILT_IN[name].library
    (tmp_path / library).mkdir()
    (tmp_path / library / "__init__.py").write_text("")
    text = run_python(
        f"""
import numpy as np, graytorgb as g2r
print(g2r.list_backends()[{name!r}].status)
print(g2r.to_rgb(np.zeros((4, 300, 300), np.uint8), "NHW").shape)
""",
        tmp_path,
    )
    assert text == "broken\n(4, 300, 300, 3)"


def test_auto_tries_a_failing_import_once(tmp_path):
    (tmp_path / "cv2.py").write_text("print('tried'); raise ImportError('no')")
    code = """
import sys
sys.modules["graytorgb._kernels"] = None
import numpy as np, graytorgb as g2r
for _ in range(5):
    g2r.to_rgb(np.zeros((4, 300, 300), np.uint8), "NHW")
"""
    assert run_python(code, tmp_path) == "tried"


def test_kinds_are_found_while_another_thread_imports_their_library():
    code = """
import sys, types
import numpy as np, graytorgb as g2r
for name in ("PIL.Image", "torch", "torchvision.tv_tensors"):
    sys.modules[name] = types.ModuleType(name)  # begun, and still empty
print(g2r.to_rgb(np.zeros((4, 5), np.uint8)).shape)
"""
    assert run_python(code) == "(4, 5, 3)"


class TestChoose:
    def test_is_what_auto_takes(self):
        needs("native")
        assert g2r.choose_backend((64, 224, 224), np.uint8, "NHW").backend == "native"
        assert g2r.choose_backend((64, 224, 224), "float64", "NHW->NCHW").backend == "native"
        assert g2r.choose_backend((28, 28), "uint8").backend == "fill"
        assert g2r.choose_backend((64, 224, 224, 1), "uint8").backend == "native"

    def test_rgb_needs_none(self):
        choice = g2r.choose_backend((224, 224, 3), "uint8")
        assert choice.backend is None
        assert "3 channels" in choice.reason

    def test_errors_are_to_rgbs(self):
        with pytest.raises(g2r.LayoutError):
            g2r.choose_backend((64, 224, 224), "uint8")
        with pytest.raises(g2r.DtypeError):
            g2r.choose_backend((224, 224), object)
        with pytest.raises(g2r.ChannelError):
            g2r.choose_backend((224, 224, 2), "uint8", "HWC")

    @pytest.mark.parametrize(
        ("missing", "expected"),
        [
            (["graytorgb._kernels"], ["opencv", "opencv", "fill"]),
            (["graytorgb._kernels", "cv2"], ["fill", "repeat", "fill"]),
        ],
    )
    def test_without_libraries(self, missing, expected):
        needs("opencv")
        text = run_python(f"""
import sys
for name in {missing}:
    sys.modules[name] = None
import graytorgb as g2r
for dtype, layout in (("uint8", "NHW"), ("float64", "NHW"), ("uint8", "NHW->NCHW")):
    print(g2r.choose_backend((64, 224, 224), dtype, layout).backend)
""")
        assert text.split() == expected
