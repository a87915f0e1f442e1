"""The forms for issues ask for what a bug report needs, and name commands that exist."""

import re

import pytest
import yaml

from .support import REQUIRED, ROOT

FOLDER = ROOT / ".github" / "ISSUE_TEMPLATE"
if not FOLDER.exists() and "all" not in REQUIRED:
    pytest.skip("needs the source tree", allow_module_level=True)

FORMS = {
    path.stem: yaml.safe_load(path.read_text("utf-8"))
    for path in sorted(FOLDER.glob("*.yml"))
    if path.stem != "config"
}


def read_fields(form):
    return {each["id"]: each for each in FORMS[form]["body"] if each["type"] != "markdown"}


def is_required(field):
    return field.get("validations", {}).get("required", False)


def test_there_is_a_form_for_each_kind_of_issue():
    assert set(FORMS) == {"bug", "wrong_pixels", "feature"}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_asks_for_versions_and_for_the_file(form):
    fields = read_fields(form)
    assert "`graytorgb --version`" in fields["versions"]["attributes"]["label"]
    assert "`graytorgb inspect FILE`" in fields["inspect"]["attributes"]["label"]
    assert is_required(fields["versions"]) == (form != "feature")
    assert is_required(fields["inspect"]) == (form == "wrong_pixels")


@pytest.mark.parametrize("form", FORMS)
def test_a_form_links_to_no_page(form):
    """The project has no home yet, so a link would lead nowhere."""
    for path in FOLDER.glob("*.yml"):
        assert not re.search(r"https?://|\]\(", path.read_text("utf-8"))


@pytest.mark.parametrize("form", FORMS)
def test_the_examples_of_a_form_are_calls_that_exist(form):
    """They compile, and the names in them are there."""
    import graytorgb as g2r

    for field in read_fields(form).values():
        code = field["attributes"].get("placeholder", "")
        compile(code, form, "exec")
        for dotted in re.findall(r"g2r\.([\w.]+)", code):
            found = g2r
            for name in dotted.split("."):
                found = getattr(found, name)
            assert callable(found)
