"""The workflows of GitHub: they run targets that exist, on every Python that setup.cfg names."""

import configparser
import re
import tomllib

import pytest
import yaml

from .support import PROGRAMS, REQUIRED, ROOT

FOLDER = ROOT / ".github" / "workflows"
if not FOLDER.exists() and "all" not in REQUIRED:
    pytest.skip("needs the source tree", allow_module_level=True)

WORKFLOWS = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in FOLDER.glob("*.yml")}
JOBS = {
    f"{name}-{job}": content
    for name, workflow in sorted(WORKFLOWS.items())
    for job, content in workflow["jobs"].items()
}
STEPS = [step for job in JOBS.values() for step in job.get("steps", ())]
RUNS = [step["run"] for step in STEPS if "run" in step]


def read_settings():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return config


def read_pythons():
    """The versions of Python in the classifiers, such as ["3.11", "3.12"]."""
    classifiers = read_settings()["metadata"]["classifiers"]
    return re.findall(r"^Programming Language :: Python :: (3\.\d+)$", classifiers, re.MULTILINE)


def read_targets():
    rules = re.findall(
        r"^([a-z][\w -]*):(?!=)", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE
    )
    return {target for rule in rules for target in rule.split()}


def test_there_are_workflows_for_tests_wheels_docs_and_releases():
    assert WORKFLOWS.keys() >= {"tests", "wheels", "docs", "release"}


def test_the_workflows_test_every_python_of_the_classifiers():
    pythons = read_pythons()
    assert JOBS["tests-core"]["strategy"]["matrix"]["python"] == pythons
    assert JOBS["tests-free-threaded"]["strategy"]["matrix"]["python"] == [f"{pythons[-1]}t"]
    assert read_settings()["options"]["python_requires"] == f">={pythons[0]}"


def test_wheels_are_built_and_tested_for_every_python_of_the_classifiers():
    pythons = [f"cp{python.replace('.', '')}" for python in read_pythons()]
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["cibuildwheel"]
    assert settings["build"] == [f"{python}-*" for python in [*pythons, f"{pythons[-1]}t"]]
    assert all((ROOT / source).exists() for source in settings["test-sources"])
    assert set(settings["test-extras"]) <= read_settings()["options.extras_require"].keys()


def test_the_whole_suite_is_run_with_every_library_and_every_program_but_the_browser():
    required = JOBS["tests-everything"]["env"]["GRAYTORGB_REQUIRE"].split(",")
    assert set(required) == {"all"} | PROGRAMS


def test_the_oldest_numpy_is_tested():
    oldest = re.search(r"numpy>=(\S+)", read_settings()["options"]["install_requires"])[1]
    rows = JOBS["tests-core"]["strategy"]["matrix"]["include"]
    assert [row["numpy"] for row in rows if "numpy" in row] == [f"{oldest}.*"]


@pytest.mark.parametrize("run", RUNS)
def test_a_step_runs_a_target_of_the_makefile(run):
    """Nothing that the Makefile does is written again in a workflow."""
    assert "${{" not in run  # GitHub would paste the value into the script
    if run.startswith("sudo apt-get update && sudo apt-get install --yes "):
        return
    command, *words = run.split()
    targets = [word for word in words if "=" not in word]
    assert command == "make"
    assert targets
    assert set(targets) <= read_targets()


@pytest.mark.parametrize("name", sorted(WORKFLOWS))
def test_a_workflow_has_no_permissions_but_those_of_its_jobs(name):
    assert WORKFLOWS[name]["permissions"] == {}
    assert "group" in WORKFLOWS[name]["concurrency"]


@pytest.mark.parametrize("name", JOBS)
def test_a_job_states_its_permissions_and_its_time(name):
    job = JOBS[name]
    assert job["permissions"]
    assert "uses" in job or job["timeout-minutes"] <= 90


def test_only_jobs_that_publish_may_write():
    writing = {name for name, job in JOBS.items() if "write" in job["permissions"].values()}
    assert writing == {"docs-publish", "release-publish"}
    assert JOBS["release-publish"]["permissions"] == {"id-token": "write"}
    assert {JOBS[name]["environment"]["name"] for name in writing} == {"github-pages", "pypi"}


def test_a_release_is_checked_and_built_before_it_is_published():
    assert JOBS["release-publish"]["needs"] == "wheels"
    assert JOBS["release-wheels"]["needs"] == "check"
    called = JOBS["release-wheels"]["uses"].removeprefix("$/")
    assert (ROOT / called).samefile(FOLDER / "wheels.yml")
    triggers = WORKFLOWS["wheels"][True]  # YAML reads `on` as true
    assert "workflow_call" in triggers


def test_an_action_is_pinned_by_its_commit_and_the_same_everywhere():
    lines = [line for path in FOLDER.glob("*.yml") for line in path.read_text("utf-8").splitlines()]
    used = [line.partition("uses:")[2].strip() for line in lines if "uses:" in line]
    actions = {use for use in used if not use.startswith("$/")}
    assert len(actions) > 4
    for action in actions:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)
    assert len(actions) == len({action.partition("@")[0] for action in actions})


def test_every_artifact_of_the_wheels_is_published():
    pattern = next(
        step["with"]["pattern"]
        for step in JOBS["release-publish"]["steps"]
        if "download-artifact" in step["uses"]
    )
    uploads = [
        step["with"]["name"]
        for name, job in JOBS.items()
        if name.startswith("wheels-")
        for step in job["steps"]
        if "upload-artifact" in step.get("uses", "")
    ]
    assert len(uploads) == 2
    assert all(name.startswith(pattern.removesuffix("*")) for name in uploads)
