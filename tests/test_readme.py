"""README.md: what it prints, quotes and links to is true, on PyPI too. Its code runs by sybil."""

import configparser
import json
import re
import subprocess
import sys

import pytest

from .support import REQUIRED, ROOT, needs, needs_package, run_python

README = ROOT / "README.md"
if not (ROOT / "benchmarks").exists() and "all" not in REQUIRED:
    pytest.skip("needs the source tree", allow_module_level=True)

TEXT = README.read_text("utf-8")
LINK = re.compile(r"\[[^\[\]]+\]\(([^()\s]+)\)")
# Where the project will be: nothing may link there before the first release.
HOMES = re.compile(
    r"https?://(?:(?:www\.)?github\.com/[\w.-]+/graytorgb|pypi\.org/project/graytorgb"
    r"|graytorgb\.readthedocs|[\w-]+\.github\.io/graytorgb|anaconda\.org/[\w-]+/graytorgb"
    r"|(?:img\.shields|badge)[\w.]*\.\w+)"
)


def read_results(name):
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text("utf-8"))


def find_anchors(text):
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall("^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_audit_prints_what_the_readme_shows(tmp_path):
    needs("skimage", "pillow")
    needs_package("click", "rich", "loky", "xxhash", "imagecodecs")
    shown = re.search(r"^graytorgb audit scans/\n```\n\n```text\n(.*?)^```$", TEXT, re.M | re.S)[1]
    run_python(f"""
import pathlib
from examples.textures import write_textures
write_textures(pathlib.Path({str(tmp_path / "scans")!r}))
""")
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from graytorgb.cli import main; main()"
    command = [sys.executable, "-c", code, "audit", "scans/", "--workers", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    printed = "\n".join(line.rstrip() for line in done.stdout.splitlines()) + "\n"
    assert printed.strip() == shown.strip()


def test_the_table_of_costs_has_the_measured_figures():
    rows = {row["call"]: row for row in read_results("verbs")["rows"]}
    quoted = re.findall(r"^\|[^|]+\|([^|]+)\| ([\d,]+) \| ([\d.]+) \|$", TEXT, re.M)
    assert len(quoted) == 5
    for call, (take, nbytes, milliseconds) in zip(rows, quoted, strict=True):
        assert take.split("`")[1] in {call, "adapt"}
        assert nbytes == f"{rows[call]['bytes']:,}"
        assert milliseconds == f"{1e3 * rows[call]['ours'][0]:.3g}"


def test_the_cost_of_adapted_networks_is_the_measured_one():
    text = (ROOT / "benchmarks" / "results" / "adapted.md").read_text("utf-8")
    for row, (gray, color) in {
        "resnet50, whole": re.search(r"([\d.]+) ms beside ([\d.]+) ms for 8 images", TEXT).groups(),
        "vit_small_patch16_224, stem": re.search(
            r"([\d.]+) ms beside ([\d.]+) ms in ViT-S/16", TEXT
        ).groups(),
    }.items():
        (cells,) = re.findall(
            rf"^\| {row}, batch of 8 \|.*\| ([\d.]+) \[.*\| ([\d.]+) \[.*$", text, re.M
        )
        assert cells == (color, gray)
    assert "in CPU time with 1 thread" in text


@pytest.mark.parametrize("target", sorted(set(LINK.findall(TEXT))))
def test_a_link_leads_to_a_file_and_a_heading(target):
    assert not target.startswith("http")
    path, _, anchor = target.partition("#")
    assert (ROOT / path).is_file()
    assert not anchor or anchor in find_anchors((ROOT / path).read_text("utf-8"))


def test_the_text_for_pypi_has_no_link_to_a_file():
    """The text of each link stays, and nothing else changes. `make wheel` renders it."""
    needs_package("setuptools")
    command = [sys.executable, "setup.py", "--quiet", "--long-description"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    fences = re.compile(r"^```.*?^```$", re.M | re.S)
    assert fences.findall(done.stdout) == fences.findall(TEXT)
    assert not re.search(r"\]\((?!https?:)", fences.sub("", done.stdout))
    words = re.sub(r"!?\[([^\[\]]+)\]\([^()\s]+\)", r"\1", fences.sub("", TEXT))
    assert fences.sub("", done.stdout).split() == words.split()


def test_the_description_for_pypi_is_not_stated_twice():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert "long_description" not in config["metadata"]
    assert config["metadata"]["long_description_content_type"] == "text/markdown"


def list_texts():
    """Yield what a reader or a package index sees."""
    yield from (README, ROOT / "setup.cfg", ROOT / "pyproject.toml", ROOT / "CONTRIBUTING.md")
    yield from (ROOT / "conda").glob("*.yaml")
    yield from (ROOT / "graytorgb").rglob("*.py")
    yield from (path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts)
    yield from (ROOT / ".github").rglob("*.md")


def test_nothing_links_to_a_home_that_the_project_does_not_have():
    texts = list(list_texts())
    assert len(texts) > 100
    found = {path: HOMES.findall(path.read_text("utf-8")) for path in texts}
    assert not {path: links for path, links in found.items() if links}
    assert HOMES.search("https://github.com/someone/graytorgb/issues")
    assert HOMES.search("https://pypi.org/project/graytorgb/")
