"""The house: floors, lazy imports, and what may be where."""

import ast
import sys

import pytest
from importlinter.cli import lint_imports

from graytorgb.backends.table import BUILT_IN
from graytorgb.extras import EXTRAS

from .support import ROOT, needs, run_python

PACKAGE = ROOT / "graytorgb"
STANDARD = sys.stdlib_module_names


def imports(path):
    """The top-level packages that a file imports, relative imports left out."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module.partition(".")[0])
    return found - STANDARD


def test_an_import_only_goes_down(monkeypatch):
    """The contracts are in setup.cfg; `lint-imports` alone shows what is broken."""
    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True) == 0


def test_every_module_is_on_a_floor():
    config = (ROOT / "setup.cfg").read_text()
    for path in PACKAGE.glob("*.py"):
        if path.stem != "__init__":
            assert f"graytorgb.{path.stem}" in config, path
    for path in PACKAGE.iterdir():
        if path.is_dir() and (path / "__init__.py").exists():
            assert f"graytorgb.{path.name}" in config, path


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_a_module_is_short_and_a_face_only_re_exports(path):
    text = path.read_text()
    lines = len(text.splitlines())
    assert lines <= 400
    if path.name == "__init__.py":
        assert lines <= 120
        body = ast.parse(text).body
        defined = {n.name for n in body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
        assert defined <= {"__getattr__"}  # which imports what is re-exported


def test_a_backend_is_one_file_and_one_line():
    files = {path.stem for path in (PACKAGE / "backends").glob("*.py")} - {"__init__"}
    assert files - {
        "choose", "diagnosis", "entry_points", "listing", "protocol", "registry", "result_cache",
        "table",
    } == set(BUILT_IN)  # fmt: skip


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_backend_knows_neither_the_others_nor_the_registry(name):
    """Of the house it knows layouts, errors, and what every backend shares."""
    allowed = {"core.layout", "errors", "protocol"}
    if name == "native":
        allowed |= {"_kernels", "core.processor_count"}
    tree = ast.parse((PACKAGE / "backends" / f"{name}.py").read_text())
    inside = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.level}
    assert inside <= allowed


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_backend_imports_its_own_library_alone(name):
    library = BUILT_IN[name].library
    allowed = {"numpy", library} if library in EXTRAS else {"numpy"}
    if name == "torchvision":
        allowed.add("torch")
    assert imports(PACKAGE / "backends" / f"{name}.py") <= allowed


def test_the_core_imports_numpy_alone():
    core = [*(PACKAGE / "core").glob("*.py"), *(PACKAGE / "functional").glob("*.py")]
    for path in (*core, PACKAGE / "__init__.py", PACKAGE / "errors.py", PACKAGE / "extras.py"):
        assert imports(path) <= {"numpy"}, path


def test_pytest_is_imported_by_the_testing_room_alone():
    for path in PACKAGE.rglob("*.py"):
        if imports(path) & {"pytest", "hypothesis"}:
            assert path.parent.name == "testing", path


def test_nothing_else_imports_by_name():
    for path in PACKAGE.rglob("*.py"):
        names = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module)
        loaders = names & {"importlib", "importlib.util", "importlib.machinery", "imp", "pkgutil"}
        assert bool(loaders) == (path.name == "extras.py"), path


def test_importing_loads_numpy_and_nothing_else():
    code = """
import sys
import numpy
before = set(sys.modules)
import graytorgb
print(*{name.partition(".")[0] for name in set(sys.modules) - before})
"""
    assert set(run_python(code).split()) - STANDARD <= {"graytorgb", "numpy"}


def test_submodules_are_there_when_asked_for():
    code = """
import sys
import graytorgb as g2r
heavy = {"torch", "keras", "albumentations", "PIL", "click", "psutil"}
assert not heavy & set(sys.modules)
assert g2r.io.read and g2r.models.adapt
assert not {"torch", "keras"} & set(sys.modules)
for name in dir(g2r):  # as tools do that look into a module
    getattr(g2r, name)
assert not {"torch", "keras"} & set(sys.modules)
print(g2r.transforms.ToRGB.__name__, "torch" in sys.modules)
"""
    needs("torchvision")
    assert run_python(code) == "ToRGB True"


@pytest.mark.parametrize("name", ["transforms", "layers", "albumentations"])
def test_a_submodule_says_what_it_needs(name):
    library = {"transforms": "torchvision"}.get(name, name if name != "layers" else "keras")
    code = f"""
import sys
sys.modules[{library!r}] = None
import graytorgb as g2r
try:
    g2r.{name}
except g2r.BackendUnavailable as error:
    print(error)
"""
    assert f"pip install 'graytorgb[{library}]'" in run_python(code)


def test_converting_numpy_loads_no_library_that_is_not_used():
    code = """
import sys
import numpy as np
import graytorgb as g2r
x = np.zeros((4, 16, 16), np.uint8)
g2r.to_rgb(x, "NHW->NCHW")
g2r.to_rgb(x[0])
g2r.to_uint8(x.astype(np.uint16), (0, 4095))
g2r.to_rgb(x, "NHW", backend="repeat")
print(*{name.partition(".")[0] for name in sys.modules})
"""
    loaded = set(run_python(code).split())
    assert not loaded & {"cv2", "skimage", "scipy", "PIL", "torch", "torchvision", "click", "rich"}
    assert not loaded & {"tensorflow", "jax", "dask", "array_api_compat", "keras"}


def test_import_time(record_property, tmp_path):
    """Report what the import takes over numpy's own, from compiled files as in any installation.

    The bar is 15 ms, for the best of five interpreters: on a busy machine the others only wait.
    It isn't asserted, because a busy machine isn't a fault of the code; what is imported is.
    """
    code = f"""
import sys, time, numpy
sys.dont_write_bytecode, sys.pycache_prefix = False, {str(tmp_path)!r}
start = time.perf_counter()
import graytorgb
print((time.perf_counter() - start) * 1000)
"""
    best = min(float(run_python(code)) for _ in range(5))
    record_property("import_ms", best)
    print(f"import graytorgb over import numpy: {best:.1f} ms")
    assert best > 0
