"""The pages of docs: every public name has a place in the reference, every page one in a menu."""

import re
from importlib import import_module

import pytest

import graytorgb as g2r
from graytorgb import errors

from ..support import REQUIRED, ROOT

DOCS = ROOT / "docs"
if not DOCS.exists() and "all" not in REQUIRED:
    pytest.skip("needs the source tree", allow_module_level=True)

PAGES = {path.stem: path.read_text("utf-8") for path in (DOCS / "reference").glob("*.md")}
DIRECTIVE = re.compile(r"^\.\. (?:auto\w+|py:data|click):: ([\w.]+)", re.MULTILINE)


def list_documented():
    """Return the names that the reference describes, without the package's and the modules'."""
    return [name.rpartition(".")[2] for page in PAGES.values() for name in DIRECTIVE.findall(page)]


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(set(g2r.__all__) - {"io"}, id="graytorgb"),
        pytest.param(
            {name for name, value in vars(errors).items() if isinstance(value, type)}, id="errors"
        ),
        *(
            pytest.param(set(import_module(f"graytorgb.{name}").__all__), id=name)
            for name in ("datasets", "io", "models", "testing")
        ),
    ],
)
def test_every_public_name_is_in_the_reference(names):
    assert names - set(list_documented()) == set()


def test_a_name_is_described_once():
    described = [name for page in PAGES.values() for name in DIRECTIVE.findall(page)]
    assert len(described) == len(set(described))


@pytest.mark.parametrize("name", sorted(PAGES.keys() - {"index", "errors", "command_line"}))
def test_a_page_names_its_guide_and_what_else_to_see(name):
    start = PAGES[name].partition("```")[0]
    assert "**Guide:** [" in start
    assert "**See also:** [" in start


def test_every_page_is_in_a_menu():
    listed = set()
    for path in (DOCS / "index.md", DOCS / "reference" / "index.md"):
        for menu in re.findall(r"```\{toctree\}(.*?)```", path.read_text("utf-8"), re.DOTALL):
            lines = [line for line in menu.splitlines() if line and not line.startswith(":")]
            listed |= {(path.parent / line).resolve() for line in lines}
    pages = {
        path.with_suffix("").resolve()
        for folder in (DOCS / "guide", DOCS / "reference")
        for path in folder.glob("[a-z]*.md")
    }
    assert pages <= listed


def find_anchors(text):
    """Return the anchors of a page's headings, as GitHub and MyST make them."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_into_the_documentation(name):
    """Sphinx checks the links between its own pages, and not those of these files."""
    text = (ROOT / name).read_text("utf-8")
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        target, _, anchor = link.partition("#")
        if "://" in link:
            continue
        path = ROOT / target if target else ROOT / name
        if not path.exists() or (anchor and anchor not in find_anchors(path.read_text("utf-8"))):
            broken.append(link)
    assert broken == []
