"""benchmarks.accuracy.coverage: its lists name real networks, and it reports whatever happens."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from ..support import needs, needs_package

needs("torchvision")
needs_package("timm", "transformers", "segmentation_models_pytorch")

import timm  # noqa: E402
from torchvision import models  # noqa: E402

from benchmarks.accuracy import coverage  # noqa: E402
from benchmarks.accuracy.coverage_networks import results  # noqa: E402
from benchmarks.accuracy.coverage_networks.cases import (  # noqa: E402
    LIBRARIES,
    Case,
    Library,
    list_cases,
    read_smallest,
)
from benchmarks.accuracy.coverage_networks.report import HEADS, make_row  # noqa: E402
from benchmarks.accuracy.coverage_networks.results import Result, compare  # noqa: E402

from . import coverage_specimens as specimens  # noqa: E402

RESULTS = Path(coverage.RESULTS)


# The lists


@pytest.fixture(scope="module")
def cases():
    return list_cases()


def test_every_library_has_each_network_once(cases):
    assert len(set(cases)) == len(cases)
    assert {case.library for case in cases} == set(LIBRARIES)


def test_every_family_of_timm_and_torchvision_is_named(cases):
    named = {(case.library, case.family): case.network for case in cases}
    for family in timm.list_modules():
        assert named["timm", family] in timm.list_models(module=family)
    for name in models.list_models():
        family = models.get_model_builder(name).__module__.removeprefix("torchvision.models.")
        assert named["torchvision", family] in models.list_models()
    quantizable = named["torchvision", "quantization.resnet"]
    assert quantizable == "quantized_resnet18"


def test_networks_of_transformers_and_smp_exist(cases):
    import segmentation_models_pytorch as smp
    import transformers

    found = [case for case in cases if case.library == "transformers"]
    assert len(found) >= 60
    assert {case.network for case in found} <= set(dir(transformers))  # without importing them
    decoders = {c.family for c in cases if c.library == "segmentation_models_pytorch"}
    assert decoders == set(smp.MODEL_ARCHITECTURES_MAPPING)
    encoders = {c.network for c in cases if c.family == "unet"}
    assert len(encoders) == 2
    assert encoders <= set(smp.encoders.encoders)


def test_networks_of_keras_exist():
    """Keras isn't imported, because its backend may be TensorFlow."""
    package = Path(importlib.util.find_spec("keras").origin).parent / "src" / "applications"
    named = read_smallest("keras")
    families = {path.stem for path in package.glob("*.py")}
    families -= {"__init__", "imagenet_utils"} | {f for f in families if f.endswith("_test")}
    assert set(named) == families
    for family, network in named.items():
        assert f"def {network}(" in (package / f"{family}.py").read_text(encoding="utf-8")


# The comparison


def test_the_largest_difference_is_relative_to_the_largest_output():
    expected = [np.array([2.0, -4.0]), np.array([100.0])]
    assert compare(expected, [np.array([2.0, -3.0]), np.array([90.0])]).value == 0.25


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "0 outputs instead of 1"),
        ([np.zeros((1, 2))], "the shape (1, 2) instead of (2,)"),
        ([np.array([np.nan, 0])], "NaN or infinity in other places"),
    ],
)
def test_outputs_that_have_no_difference(given, said):
    difference = compare([np.array([1.0, 2.0])], given)
    assert difference.value == np.inf
    assert str(difference) == said


def test_infinity_in_the_same_places_is_equal():
    values = [np.array([np.inf, -np.inf, np.nan, 1])]
    assert compare(values, values).value == 0


# A run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run the coverage of the specimens, half of it after an interruption."""
    folder = tmp_path_factory.mktemp("coverage")
    library = Library(specimens.__name__, ("torch",))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(LIBRARIES, "specimens", library)
        patch.setattr(coverage, "call_apart", lambda function: specimens.list_cases())
        versions = coverage.find_versions([library])
        known = Result("specimens", "family", "padded", "exact", float32=0.125, stem="from before")
        lines = [json.dumps(versions), json.dumps(known._asdict())]
        (folder / "coverage.progress.jsonl").write_text("\n".join(lines) + "\n")
        arguments = ["--resume", "--seconds", "2", "--memory", "4", "--output", str(folder)]
        arguments += ["--jobs", "1"]
        done = CliRunner().invoke(coverage.main, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert not (folder / "coverage.progress.jsonl").exists()
    return folder


@pytest.mark.slow
def test_whatever_happens_is_reported(run):
    document = json.loads((run / "coverage.json").read_text())
    found = {row["network"]: Result(**row) for row in document["networks"]}
    assert list(found) == list(specimens.NETWORKS)
    assert {name: result.verdict for name, result in found.items()} == {
        "padded": "exact",
        "unpadded": "exact",
        "sorting": "refused",
        "unbuildable": "not run",
        "blind": "unproven",
        "changing": "differs",
        "failing": "refused",
        "hanging": "timeout",
        "crashing": "crashed",
        "hungry": "crashed",
    }
    assert found["padded"].stem == "from before"  # the run went on
    assert found["unpadded"].stem == "1 channel + bias"
    assert found["unpadded"].float32 <= results.SINGLE
    assert found["sorting"].expand == "yes"
    assert "sort" in found["sorting"].reason
    assert "another library" in found["unbuildable"].reason
    assert "the weights have changed" in found["failing"].reason
    assert "SIGABRT" in found["crashing"].reason


@pytest.mark.slow
def test_the_table_has_a_line_for_each_network(run):
    text = (run / "coverage.md").read_text()
    rows = text.partition("**All networks**")[2].strip().splitlines()
    assert len(rows) == 2 + len(specimens.NETWORKS)
    assert all(row.count(" | ") == len(HEADS) - 1 for row in rows)
    assert "| specimens | 10 | 2 |" in text


def test_a_cell_is_one_cell():
    result = Result("timm", "family", "a", "error", "a | b", expand="<lambda>")
    assert "a \\| b" in make_row(result)[3]
    assert "&lt;lambda>" in make_row(result)[-1]


def test_results_of_a_part_do_not_replace_those_of_all():
    result = CliRunner().invoke(coverage.main, ["--only", "timm"])
    assert result.exit_code == 2
    assert "--name or an --output" in " ".join(result.output.split())


def test_other_versions_do_not_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr(coverage, "call_apart", lambda function: [Case("timm", "a", "b")])
    for text, said in ((None, "there is no"), ('{"timm": "0.1"}\n', "other versions")):
        if text:
            (tmp_path / "coverage.progress.jsonl").write_text(text)
        result = CliRunner().invoke(coverage.main, ["--resume", "--output", str(tmp_path)])
        assert result.exit_code == 2
        assert said in " ".join(result.output.split())
