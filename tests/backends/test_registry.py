"""The table of backends, and libraries that are missing or broken."""

import json
from typing import NamedTuple

import numpy as np
import pytest

import graytorgb as g2r
from graytorgb.backends.table import BUILT_IN
from graytorgb.extras import EXTRAS

from ..support import PACKAGES, PROGRAMS, REQUIRED, needs, run_python

WITH_LIBRARY = [name for name, entry in BUILT_IN.items() if entry.library in EXTRAS]


def test_required_backends_exist():
    assert {"all", "browser"} | PROGRAMS | set(BUILT_IN) | PACKAGES >= REQUIRED


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


# Prints, for each backend with a library, its error and status, and then the shape of auto's result
TRY_EACH = f"""
import json
import numpy as np, graytorgb as g2r
x = np.zeros((4, 300, 300), np.uint8)
told = {{}}
for name in {WITH_LIBRARY}:
    try:
        g2r.to_rgb(x, "NHW", backend=name)
    except ImportError as error:
        cause = error.__cause__
        told[name] = [isinstance(error, g2r.BackendUnavailable), isinstance(cause, ImportError),
                      repr(cause), getattr(cause, "name", None), str(error)]
infos = g2r.list_backends()
for name in told:
    told[name] += [infos[name].status, infos[name].available]
print(json.dumps([told, g2r.to_rgb(x, "NHW").shape]))
"""


class Told(NamedTuple):
    """What one backend without a working library tells, and the shape of auto's result."""

    is_unavailable: bool
    cause_is_import_error: bool
    cause: str
    module: str
    error: str
    status: str
    available: bool
    shape: list[int]


def try_each(*paths, first=""):
    """Run TRY_EACH in one fresh interpreter; return what each backend told."""
    told, shape = json.loads(run_python(first + TRY_EACH, *paths))
    assert list(told) == WITH_LIBRARY
    return {name: Told(*values, shape) for name, values in told.items()}


def write_libraries(folder, content):
    """Write packages that have the libraries' names and one line of code."""
    for name in WITH_LIBRARY:
        library = folder / BUILT_IN[name].library
        library.mkdir()
        (library / "__init__.py").write_text(content)
    return folder


@pytest.fixture(scope="module")
def missing():
    libraries = [BUILT_IN[name].library for name in WITH_LIBRARY]
    return try_each(first=f"import sys; sys.modules.update(dict.fromkeys({libraries}))\n")


@pytest.fixture(scope="module", params=["OSError(9)", "ImportError('libGL.so.1: cannot open')"])
def broken(request, tmp_path_factory):
    folder = write_libraries(tmp_path_factory.mktemp("broken"), f"raise {request.param}")
    return request.param, try_each(folder)


@pytest.fixture(scope="module")
def hollow(tmp_path_factory):
    return try_each(write_libraries(tmp_path_factory.mktemp("hollow"), ""))


@pytest.mark.parametrize("name", WITH_LIBRARY)
def test_missing(name, missing):
    """None in sys.modules is how Python itself says that there is no such module."""
    library, told = BUILT_IN[name].library, missing[name]
    assert told.is_unavailable
    assert told.cause_is_import_error
    # the backend torchvision imports torch first, which may be missing too
    assert told.module.partition(".")[0] in (library, "torch")
    needed = (
        f"backend {name!r} needs {library}: pip install 'graytorgb[{name}]'; usable now: repeat"
    )
    assert needed in told.error
    others = told.error.partition("usable now: ")[2].partition("\n")[0].split(", ")
    assert set(others) >= {"repeat", "dstack", "fill", "broadcast"}
    assert not {*WITH_LIBRARY} & {*others}
    assert "given: numpy.ndarray, shape (4, 300, 300), dtype uint8" in told.error
    assert told.status == "missing"
    assert told.shape == [4, 300, 300, 3]  # auto goes on without it


@pytest.mark.parametrize("name", WITH_LIBRARY)
def test_broken(name, broken):
    needs(name)  # and with it what it needs in turn, torch for torchvision
    failure, all_told = broken
    told = all_told[name]
    assert told.is_unavailable
    assert told.cause == failure
    assert f"{BUILT_IN[name].library} is installed but failed to import" in told.error
    assert (told.status, told.available) == ("broken", False)
    assert told.shape == [4, 300, 300, 3]


@pytest.mark.parametrize("name", WITH_LIBRARY)
def test_hollow(name, hollow):
    """The folder that an uninstall left behind imports, and holds nothing."""
    assert hollow[name].status == "broken"
    assert hollow[name].shape == [4, 300, 300, 3]


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
        assert g2r.choose_backend((28, 28), "uint8").backend == "native"
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
