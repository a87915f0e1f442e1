"""Backends that a process registers: in every verb, refused clearly, and never stale."""

import sys
import types

import numpy as np
import pytest

import graytorgb as g2r
from graytorgb.backends import registry

from ..support import needs, oracle, run_python

GRAY = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(4, 5, 6)


@pytest.fixture(autouse=True)
def registered_no_more():
    yield
    for name in list(registry._registered):
        g2r.unregister_backend(name)


@pytest.fixture
def module(monkeypatch):
    """Make a backend's module whose result is `value` wherever it is asked, and count its calls."""

    def make(name, value=7, **attributes):
        made = types.ModuleType(name)
        made.calls = 0

        def expand(gray, axis, out=None):
            made.calls += 1
            return np.full((*gray.shape[:axis], 3, *gray.shape[axis:]), value, gray.dtype)

        made.__dict__.update({"expand": expand} | attributes)
        monkeypatch.setitem(sys.modules, name, made)
        return made

    return make


def converted(**options):
    """Three channels by the backend "mine", whose modules here give one value everywhere."""
    result = g2r.to_rgb(GRAY, "NHW->NCHW", **{"backend": "mine"} | options)
    assert result.shape == (4, 3, 5, 6)
    (value,) = set(result.ravel().tolist())
    return value


def test_it_is_a_line_like_the_others(module):
    made = module("mine_module", 7, __version__="1.2")
    g2r.register_backend("mine", "mine_module", dtypes=["uint8", np.uint16])
    assert converted() == 7
    assert converted(out=np.empty((4, 3, 5, 6), np.uint8)) == 7
    assert made.calls == 2
    info = g2r.list_backends()["mine"]
    assert info == ("mine", "available", "mine_module 1.2", "mine_module.expand", "uint8, uint16",
                    "copy")  # fmt: skip
    assert list(g2r.list_backends())[-1] == "mine"
    with pytest.raises(g2r.DtypeError, match="can't carry float32; these can: auto, repeat"):
        g2r.to_rgb(GRAY.astype(np.float32), "NHW", backend="mine")
    with pytest.raises(g2r.DtypeError) as caught:
        g2r.to_rgb(GRAY.astype(np.uint16), "NHW", backend="pillow")
    assert caught.value.args[0].endswith(", mine")
    with pytest.raises(g2r.LayoutError, match="makes copies"):
        converted(copy=False)


def test_it_works_on_a_pil_image(module):
    needs("pillow")
    from PIL import Image

    module("mine_module")
    g2r.register_backend("mine", "mine_module")
    assert g2r.to_rgb(Image.new("L", (2, 2)), backend="mine").getpixel((0, 0)) == (7, 7, 7)


def test_it_works_in_a_transform(module):
    needs("torchvision")
    import torch

    from graytorgb.transforms import ToRGB

    module("mine_module")
    g2r.register_backend("mine", "mine_module")
    assert ToRGB(backend="mine")(torch.zeros(1, 4, 4, dtype=torch.uint8)).unique().tolist() == [7]


def test_a_view(module):
    def expand(gray, axis, out=None):
        shape = (*gray.shape[:axis], 3, *gray.shape[axis:])
        return np.broadcast_to(np.expand_dims(gray, axis), shape)

    module("view_module", expand=expand)
    g2r.register_backend("mine", "view_module", result="view")
    view = g2r.to_rgb(GRAY, "NHW", backend="mine")
    assert np.shares_memory(view, GRAY)
    copy = g2r.to_rgb(GRAY, "NHW", backend="mine", copy=True)
    assert not np.shares_memory(copy, GRAY)
    assert (copy == oracle(GRAY, "NHW->NHWC")).all()


def test_its_module_is_imported_when_it_is_first_used(tmp_path):
    (tmp_path / "loud.py").write_text("print('imported')\nfrom graytorgb.backends.fill import *\n")
    code = """
import numpy as np, graytorgb as g2r
g2r.register_backend("mine", "loud", library="loud")
g2r.choose_backend((64, 224, 224), "uint8", "NHW")
print("registered")
print(g2r.to_rgb(np.zeros((4, 5), np.uint8), backend="mine").shape)
"""
    assert run_python(code, tmp_path).split("\n") == ["registered", "imported", "(4, 5, 3)"]


class TestChanges:
    """What was kept for the backend of a name is never used for another."""

    def test_replaced(self, module):
        module("first", 1)
        module("second", 2)
        g2r.register_backend("mine", "first")
        assert [converted(), converted()] == [1, 1]  # the second time by the plan that was kept
        with pytest.raises(g2r.OptionError, match=r"already: take another name, or register_back"):
            g2r.register_backend("mine", "second")
        assert converted() == 1
        g2r.register_backend("mine", "second", replace=True)
        assert converted() == 2
        assert g2r.list_backends()["mine"].how == "second.expand"

    def test_replaced_by_another_module_of_its_name(self, module):
        module("first", 1)
        g2r.register_backend("mine", "first")
        assert converted() == 1
        module("first", 3)
        g2r.register_backend("mine", "first", replace=True)
        assert converted() == 3

    def test_removed(self, module):
        module("first", 1)
        g2r.register_backend("mine", "first")
        assert converted() == 1
        g2r.unregister_backend("mine")
        with pytest.raises(g2r.UnknownBackend, match="'mine'"):
            converted()
        assert "mine" not in g2r.list_backends()
        with pytest.raises(g2r.OptionError, match="registered as 'mine'; registered: none"):
            g2r.unregister_backend("mine")
        with pytest.raises(g2r.OptionError, match="'fill'"):
            g2r.unregister_backend("fill")

    def test_a_plan_that_another_thread_holds_still_works(self, module):
        """The plan was made before the change, and is carried out after it."""
        from graytorgb.functional.plan import Options, find_plan, run_plan

        module("first", 1)
        g2r.register_backend("mine", "first")
        plan = find_plan(GRAY.shape, GRAY.dtype, "NHW->NCHW", Options("mine", None, "error"))
        g2r.unregister_backend("mine")
        assert (run_plan(plan, GRAY) == 1).all()

    def test_a_built_in_one_is_replaced_and_comes_back(self, module):
        small = np.zeros((4, 4), np.uint8)
        assert g2r.to_rgb(small, backend="fill").max() == 0
        module("first", 1)
        with pytest.raises(g2r.OptionError, match="already"):
            g2r.register_backend("fill", "first")
        g2r.register_backend("fill", "first", replace=True)
        for out in (None, np.zeros((4, 4, 3), np.uint8)):
            assert (g2r.to_rgb(small, backend="fill", out=out) == 1).all()
        g2r.unregister_backend("fill")
        for out in (None, np.ones((4, 4, 3), np.uint8)):
            assert (g2r.to_rgb(small, backend="fill", out=out) == 0).all()
        assert g2r.list_backends()["fill"].why == f"numpy {np.__version__}"

    def test_what_auto_takes(self):
        """A backend that fails is left out, until another one has its name."""
        needs("opencv")
        text = run_python("""
import sys
sys.modules["graytorgb._kernels"] = sys.modules["cv2"] = None
import types
import numpy as np, graytorgb as g2r
ask = lambda: g2r.choose_backend((64, 224, 224), "uint8", "NHW").backend
print(ask())
g2r.register_backend("opencv", "graytorgb.backends.repeat", replace=True)
print(ask())
g2r.unregister_backend("opencv")
print(ask())

sys.modules["ones"] = types.ModuleType("ones")
sys.modules["ones"].expand = lambda gray, axis, out=None: np.ones((4, 5, 3), np.uint8)
convert = lambda: g2r.to_rgb(np.zeros((4, 5), np.uint8)).max()
print(g2r.choose_backend((4, 5), "uint8").backend, convert())
g2r.register_backend("fill", "ones", replace=True)
print(convert())
g2r.unregister_backend("fill")
print(convert())
""")
        assert text.split() == ["fill", "opencv", "fill", "fill", "0", "1", "0"]

    def test_while_other_threads_convert(self):
        text = run_python("""
import sys, threading
import numpy as np, graytorgb as g2r
sys.setswitchinterval(1e-6)
gray = np.arange(16, dtype=np.uint8).reshape(4, 4)
wrong, done = [], threading.Event()

def convert():
    while not done.is_set():
        try:
            if not (g2r.to_rgb(gray, backend="mine") == gray[..., None]).all():
                wrong.append("values")
            g2r.list_backends()["fill"]
        except g2r.UnknownBackend:
            pass
        except BaseException as error:
            wrong.append(repr(error))

threads = [threading.Thread(target=convert) for _ in range(4)]
for thread in threads:
    thread.start()
for turn in range(100):
    g2r.register_backend("mine", f"graytorgb.backends.{('fill', 'repeat')[turn % 2]}")
    g2r.register_backend("mine", "graytorgb.backends.dstack", replace=True)
    g2r.unregister_backend("mine")
done.set()
for thread in threads:
    thread.join()
print(wrong)
""")
        assert text == "[]"


class TestRefusals:
    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            ({"name": "auto"}, 'not "auto"'),
            ({"name": ""}, "given: ''"),
            ({"name": "a,b"}, "given: 'a,b'"),
            ({"name": None}, "given: None"),
            ({"name": "native", "replace": True}, "prepare computes with its kernels"),
            ({"module": "my module"}, "module is a dotted name"),
            ({"module": "package:object"}, "module is a dotted name"),
            ({"module": np}, "module is a dotted name"),
            ({"module": ".backend"}, "module is a dotted name"),
            ({"library": 3}, "library is a dotted name"),
            ({"result": "both"}, 'result is "copy" or "view", not \'both\''),
            ({"dtypes": "uint8"}, "a list of dtypes"),
            ({"dtypes": ["uint7"]}, "uint7"),
            ({"dtypes": [None]}, "not None"),
            ({"dtypes": ["uint8", object]}, "numbers or bool"),
            ({"dtypes": []}, "not an empty list"),
            ({"dtypes": 8}, "not 8"),
        ],
    )
    def test_arguments(self, arguments, says):
        before = registry.version
        with pytest.raises(g2r.OptionError) as caught:
            g2r.register_backend(**{"name": "mine", "module": "somewhere"} | arguments)
        assert says in str(caught.value)
        assert registry.version == before
        assert "mine" not in registry.BACKENDS

    @pytest.mark.parametrize(
        ("library", "needs"), [("not_there", "not_there"), (None, "package_not_there")]
    )
    def test_a_library_that_is_missing(self, library, needs):
        g2r.register_backend("mine", "package_not_there.backend", library=library)
        with pytest.raises(g2r.BackendUnavailable) as caught:
            converted()
        told = str(caught.value)
        assert told.startswith(f"backend 'mine' needs {needs}, which isn't installed; usable now:")
        assert isinstance(caught.value.__cause__, ModuleNotFoundError)
        assert caught.value.missing
        assert g2r.list_backends()["mine"].status == "missing"

    def test_a_module_that_is_broken(self, tmp_path, monkeypatch):
        (tmp_path / "broken_mine.py").write_text("raise OSError('libmine.so.1')")
        monkeypatch.syspath_prepend(tmp_path)
        g2r.register_backend("mine", "broken_mine")
        with pytest.raises(g2r.BackendUnavailable, match="failed to import: libmine") as caught:
            converted()
        assert isinstance(caught.value.__cause__, OSError)
        assert not caught.value.missing
        assert g2r.list_backends()["mine"].status == "broken"

    def test_a_module_without_the_function(self, module):
        module("mine_module", expand=None)
        g2r.register_backend("mine", "mine_module")
        with pytest.raises(g2r.BackendUnavailable, match="mine_module has no function expand"):
            converted()
        assert g2r.list_backends()["mine"].status == "broken"


class TestBenchmark:
    def test_it_is_measured(self, module):
        needs("opencv")
        from graytorgb.bench.case import Case
        from graytorgb.bench.run import measure

        module("mine_module")
        g2r.register_backend("mine", "mine_module")
        names = {it.backend for it in g2r.recommend((4, 20, 30), "uint8", "NHW")}
        assert {"mine", "fill"} <= names
        case = Case((4, 20, 30), "uint8", "NHW->NHWC", 1)
        (row,) = measure(case, ["mine"], budget=0, peaks=False)
        assert row.available

    @pytest.mark.slow
    def test_its_memory_is_measured_in_another_process(self):
        from graytorgb.bench.peaks import measure_conversion_peak

        g2r.register_backend("mine", "graytorgb.backends.fill")
        peak = measure_conversion_peak("mine", (64, 256, 256), "uint8", "NHW")
        assert 0.9 < peak / (3 * 64 * 256**2) < 1.1


def test_the_command_line(module):
    from click.testing import CliRunner

    from graytorgb.cli import main

    module("mine_module")
    g2r.register_backend("mine", "mine_module")
    listed = CliRunner().invoke(main, ["backends"], env={"COLUMNS": "200"})
    assert "mine_module.expand" in listed.output
    arguments = ["bench", "--shape", "4x5x6", "--backends", "mine", "--seconds", "0", "--no-peaks"]
    assert "mine: " in CliRunner().invoke(main, arguments).output


def test_a_backend_that_another_thread_removes_is_still_listed(module, monkeypatch):
    """The list is of one moment: each backend in it is inspected by its own line."""
    module("mine_module")
    g2r.register_backend("mine", "mine_module")
    find = registry.find_backends

    def find_and_let_another_remove():
        found = find()
        g2r.unregister_backend("mine")
        return found

    monkeypatch.setattr(registry, "find_backends", find_and_let_another_remove)
    assert g2r.list_backends()["mine"].available
    assert "mine" not in find()
