"""The table of runtimes: its lines, the file of each, and what is said of the others."""

import configparser
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import graytorgb as g2r
from graytorgb import ModelError, OptionError
from graytorgb.models.frameworks import FRAMEWORKS
from graytorgb.models.runtimes import RUNTIMES, Runtime, RuntimeLine, find_runtime, table

from ...support import needs_package, read_guide, run_python

FOLDER = Path(g2r.__file__).parent / "models" / "runtimes"
EVERY = pytest.mark.parametrize("line", RUNTIMES.values(), ids=RUNTIMES)
SHARED = {
    "__init__",
    "conversion",
    "hidden_library",
    "keras_export",
    "proof",
    "runner",
    "signal_stack",
    "table",
    "torch_export",
}


def test_a_runtime_is_one_file_and_one_line():
    assert {path.stem for path in FOLDER.glob("*.py")} - SHARED == set(RUNTIMES)


@EVERY
def test_the_file_keeps_the_contract(line):
    needs_package(line.library)
    runtime = line.load()
    members = {name for name in vars(Runtime) if not name.startswith("_")}
    assert members <= set(dir(runtime))
    assert runtime.CONVERTERS.keys() == line.converters.keys()
    assert line.converters.keys() <= FRAMEWORKS.keys()


@EVERY
def test_the_extra_installs_what_it_needs(line):
    config = configparser.ConfigParser()
    config.read(FOLDER.parents[2] / "setup.cfg")
    extras = config["options.extras_require"]
    needed = extras[line.extra] + "".join(
        extras[other] for other in re.findall(r"graytorgb\[(.*)\]", extras[line.extra])
    )
    names = {re.split("[<>=]", name)[0].replace("-", "_") for name in needed.split()}
    libraries = {name for names in line.converters.values() for name in names}
    assert {line.library, *libraries, "psutil"} <= names


@pytest.mark.parametrize("library", ["openvino", "ai_edge_litert", "executorch", "coremltools"])
def test_a_missing_library_names_its_extra(library):
    [line] = [line for line in RUNTIMES.values() if line.library == library]
    text = run_python(f"""
import sys
sys.modules[{library!r}] = None
from graytorgb.errors import BackendUnavailable
from graytorgb.models.runtimes import find_runtime
try:
    find_runtime({line.name!r}).load()
except BackendUnavailable as error:
    print(error.missing, error)
""")
    assert text.endswith(f"True needs {library}: pip install 'graytorgb[{line.extra}]'")


def test_a_missing_converter_names_the_extra(monkeypatch):
    needs_package("ai_edge_litert")
    monkeypatch.setitem(sys.modules, "litert_torch", None)
    with pytest.raises(g2r.BackendUnavailable, match=r"needs litert_torch: .*graytorgb\[litert\]"):
        RUNTIMES["litert"].load_converter("torch")


def test_nothing_is_imported_before_it_is_needed():
    libraries = {line.library for line in RUNTIMES.values()} | {"litert_torch", "nncf", "torch"}
    code = (
        "import sys, graytorgb.models.runtimes as r; r.find_runtime('litert').check_takes('torch')"
    )
    assert run_python(f"{code}\nprint({libraries} & set(sys.modules))") == "set()"


def test_openvino_sends_no_telemetry():
    needs_package("openvino")
    code = (
        "import sys, graytorgb.models.runtimes.openvino; print('openvino_telemetry' in sys.modules)"
    )
    assert run_python(code) == "False"


@pytest.mark.parametrize("name", ["OpenVINO", "open-vino", "open_vino", "openvino"])
def test_spellings(name):
    assert find_runtime(name) is RUNTIMES["openvino"]
    assert find_runtime("ONNX Runtime").name == "onnxruntime"


@pytest.mark.parametrize("name", ["opnvino", "tensorrt", "", 3, b"litert", ["litert"]])
def test_unknown_runtimes(name):
    with pytest.raises(OptionError, match=r"runtime is 'onnxruntime', .* or 'coreml', or None"):
        find_runtime(name)
    if name == "opnvino":
        with pytest.raises(OptionError, match="did you mean 'openvino'"):
            find_runtime(name)


@pytest.mark.parametrize(
    ("runtime", "framework", "message"),
    [
        ("litert", "onnx", "'litert' takes networks of torch or keras, and this one is of onnx, for"
         " which there is runtime='onnxruntime' or 'openvino'"),
        ("executorch", "keras", "takes networks of torch, .*'onnxruntime', 'openvino' or 'litert'"),
        ("coreml", "onnx", "takes networks of torch, .*'onnxruntime' or 'openvino'"),
    ],
)  # fmt: skip
def test_pairs_that_do_not_exist(runtime, framework, message):
    with pytest.raises(ModelError, match=message):
        RUNTIMES[runtime].check_takes(framework)


def test_another_runtime_is_one_file_and_one_line(monkeypatch, tmp_path):
    """A module and a line of the table are all that it needs."""
    needs_package("onnx", "onnxruntime")
    from ..onnx import graphs

    module = type(sys)("graytorgb.models.runtimes.slow")
    module.CONVERTERS = {"onnx": lambda model, arrays, path: path.write_bytes(b"")}
    proto = graphs.model(graphs.CONV % "x")
    module.load_session = lambda path: lambda arrays: [arrays[0].mean(1, keepdims=True)]
    module.read_inputs = lambda path: []
    monkeypatch.setitem(sys.modules, module.__name__, module)
    line = RuntimeLine("slow", "Slow", "numpy", "slow", ".slow", {"onnx": ()})
    monkeypatch.setattr(table, "RUNTIMES", {**RUNTIMES, "slow": line})
    adapted = g2r.models.adapt(proto, "0..1")
    proof = g2r.models.verify(
        proto, adapted, graphs.gray(2, 8, 9), seconds=0, tolerance=1e-3, runtime="Slow"
    )
    assert proof.passed
    assert proof.runtime.startswith("Slow 2")
    assert proof.original_runtime_difference is None  # the outputs have other shapes
    assert proof.max_difference <= np.finfo(np.float32).eps


def test_the_guide_lists_each_pair():
    guide = read_guide("runtimes.md")
    for line in RUNTIMES.values():
        [row] = re.findall(rf"^\| {line.title} .*$", guide, re.MULTILINE)
        cells = [cell.strip() for cell in row.split("|")][3:6]
        assert [cell != "" for cell in cells] == [name in line.converters
            for name in ("torch", "keras", "onnx")]  # fmt: skip
        assert f'"{line.name}"' in row
