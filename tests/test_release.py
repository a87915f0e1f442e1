"""Releases: the check of a tag, and the conda recipe, which agrees with setup.cfg."""

import configparser
import re
import runpy
import subprocess
import sys

import pytest
import yaml

import graytorgb as g2r

from .support import REQUIRED, ROOT, needs_package

RECIPE = ROOT / "conda" / "recipe.yaml"
if not RECIPE.exists() and "all" not in REQUIRED:
    pytest.skip("needs the source tree", allow_module_level=True)

SCRIPT = ROOT / ".ci" / "check_release.py"
find_differences = runpy.run_path(str(SCRIPT))["find_differences"]

# The packages of conda-forge that have other names than on PyPI
CONDA_NAMES = {
    "dask[array]": "dask-core",
    "dask": "dask-core",
    "torch": "pytorch",
    "xxhash": "python-xxhash",
}


@pytest.fixture
def tree(tmp_path):
    """A tree that is ready to be released as 1.2.3."""
    for name, text in {
        "graytorgb/__init__.py": '"""A package."""\n\n__version__ = "1.2.3"\n',
        "CHANGELOG.md": "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-11-30\n",
        "conda/recipe.yaml": 'context:\n  version: "1.2.3"\n',
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_a_tag_of_the_version_in_the_tree_is_ready(tree):
    assert find_differences("v1.2.3", tree) == []


@pytest.mark.parametrize("tag", ["1.2.3", "v1.2", "v1.2.3-final", "v1.2.3 ", "release", "v1x2x3"])
def test_a_tag_that_is_no_version_is_refused(tree, tag):
    (difference,) = find_differences(tag, tree)
    assert repr(tag) in difference
    assert "such as v1.0.0" in difference


def test_each_file_with_another_version_is_named(tree):
    names = [difference.split()[0] for difference in find_differences("v1.2.4", tree)]
    assert names == ["graytorgb/__init__.py", "CHANGELOG.md", "conda/recipe.yaml"]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("graytorgb/__init__.py", "1.2.3", "1x2x3"),
        ("CHANGELOG.md", " - 2026-11-30", ""),
        ("conda/recipe.yaml", "1.2.3", "1.2.3rc1"),
    ],
)
def test_one_file_that_is_not_ready_is_named(tree, name, old, new):
    path = tree / name
    path.write_text(path.read_text("utf-8").replace(old, new), encoding="utf-8")
    (difference,) = find_differences("v1.2.3", tree)
    assert difference.startswith(f"{name} has no line ")


def test_the_script_fails_for_a_tag_of_another_version():
    command = [sys.executable, str(SCRIPT), "v999.0.0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "graytorgb/__init__.py has no line" in done.stderr


def render_recipe(python, is_abi3, **changes):
    """The recipe as rattler-build renders it for a Python of conda-forge."""
    needs_package("rattler_build")
    from rattler_build import Stage0Recipe, VariantConfig

    recipe = yaml.safe_load(RECIPE.read_text("utf-8"))
    recipe["about"] |= changes
    versions = {"python": [python], "is_abi3": [is_abi3], "c_compiler": ["gcc"], "c_stdlib": ["c"]}
    (rendered,) = Stage0Recipe.from_dict(recipe).render(VariantConfig(versions))
    return rendered.recipe.to_dict()


def read_settings():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return config


@pytest.mark.parametrize(
    ("python", "is_abi3"), [("3.11.* *_cpython", True), ("3.14.* *_cp314t", False)]
)
def test_the_recipe_has_the_version_and_the_requirements_of_the_package(python, is_abi3):
    recipe = render_recipe(python, is_abi3)
    settings = read_settings()
    assert recipe["package"] == {"name": "graytorgb", "version": g2r.__version__}
    (numpy,) = settings["options"]["install_requires"].split()
    assert recipe["requirements"]["run"] == ["python", numpy.replace(">=", " >=")]
    assert ("python-abi3" in recipe["requirements"]["host"]) == is_abi3
    assert recipe["about"]["license"] == settings["metadata"]["license"]


def test_the_recipe_constrains_the_libraries_of_the_extras():
    extras = read_settings()["options.extras_require"]
    users = [name for name in extras if not re.match("test|demo|peers|lint|docs", name)]
    lines = {line for name in users for line in extras[name].split("\n") if ">=" in line}
    oldest = dict(line.split(">=") for line in lines if not line.startswith("graytorgb"))
    expected = {f"{CONDA_NAMES.get(name, name)} >={version}" for name, version in oldest.items()}
    recipe = yaml.safe_load(RECIPE.read_text("utf-8"))
    assert set(recipe["requirements"]["run_constraints"]) == expected


@pytest.mark.parametrize(
    ("python", "is_abi3", "skipped"),
    [
        ("3.11.* *_cpython", True, False),  # the package for every Python with a limited API
        ("3.12.* *_cpython", True, True),
        ("3.14.* *_cp314", True, True),
        ("3.14.* *_cp314t", False, False),  # the package for free-threaded Python
    ],
)
def test_the_recipe_is_built_once_for_all_pythons_with_a_limited_api(python, is_abi3, skipped):
    condition = yaml.safe_load(RECIPE.read_text("utf-8"))["build"]["skip"]
    recipe = render_recipe(python, is_abi3, summary=f"${{{{ {condition} }}}}")
    assert recipe["about"]["summary"] == str(skipped).lower()
