"""What is said where the compiled kernels can't be imported: which case it is, and what to do."""

import shutil
import subprocess
from pathlib import Path

import pytest

from ..support import needs, run_python
from .source_layouts import STATUS, copy_package, installed, python, source_tree

needs("native")

from graytorgb import _kernels  # noqa: E402

KERNELS = Path(_kernels.__file__)
FOREIGN = ("_kernels.cpython-39-x86_64-linux-gnu.so", "_kernels.cp39-win_amd64.pyd")
REINSTALL = "pip install --force-reinstall --no-deps"


@pytest.fixture
def away(tmp_path):
    """A folder without the package, to start Python in."""
    folder = tmp_path / "away"
    folder.mkdir()
    return folder


def test_a_checkout_that_was_never_built(tmp_path):
    root = tmp_path / "my checkout"
    source_tree(root)
    text = python(STATUS, cwd=root)
    assert text.startswith("missing needs graytorgb._kernels")
    assert f"this is the source tree {root}, where it isn't compiled yet" in text
    assert f"pip install -e '{root}'" in text
    assert "python setup.py build_ext --inplace" in text
    assert "compiler" not in text
    assert "another folder" not in text


def test_a_checkout_without_kernels_names_the_usual_command(tmp_path):
    source_tree(tmp_path / "checkout")
    text = python(STATUS, cwd=tmp_path / "checkout")
    assert "in that folder, pip install -e . or python setup.py build_ext --inplace" in text


def test_a_checkout_whose_last_build_failed(tmp_path):
    """The log tells why, unless a compiler is there now: then it says nothing of a compiler."""
    root = tmp_path / "checkout"
    log = source_tree(root) / "_kernels_build.log"
    place = f"this is the source tree {root}, where it isn't compiled yet"
    log.write_text("no C compiler was found: there is no 'absent-cc'\n\nmore\n")
    text = python(STATUS, cwd=root)
    assert f"{place}. The last build there failed: no C compiler was found: there is no" in text
    assert "pip install -e ." in text
    log.write_text("no C compiler was found: there is no 'sh'\n\nmore\n")
    text = python(STATUS, cwd=root)
    assert f"{place}: pip install -e" in text
    assert "compiler" not in text


def test_a_copy_that_pip_installed_says_nothing_of_a_checkout(tmp_path, away):
    copy = installed(tmp_path / "site")
    text = python(STATUS, copy.parent, cwd=away)
    assert f"the copy in {copy} came without it: {REINSTALL}" in text
    assert "source tree" not in text
    assert "pip install -e" not in text


def test_a_checkout_that_hides_an_installed_copy(tmp_path):
    root, site = tmp_path / "checkout", tmp_path / "site"
    source_tree(root)
    copy = installed(site)
    shutil.copy(KERNELS, copy)
    text = python(STATUS, site, cwd=root)
    assert text.startswith("missing needs")
    assert f"this is the source tree {root}" in text
    assert f"Or start Python in another folder: the copy in {copy} has it" in text
    assert python(STATUS, site, cwd=site).startswith("available")


def test_a_checkout_on_pythonpath_that_hides_an_installed_copy(tmp_path, away):
    root, site = tmp_path / "checkout", tmp_path / "site"
    source_tree(root)
    copy = installed(site)
    shutil.copy(KERNELS, copy)
    text = python(STATUS, root, site, cwd=away)
    assert f"Or take {root} off PYTHONPATH: the copy in {copy} has it" in text
    assert python(STATUS, site, cwd=away).startswith("available")


def test_a_checkout_that_a_program_put_on_its_path(tmp_path, away):
    root, site = tmp_path / "checkout", tmp_path / "site"
    source_tree(root)
    shutil.copy(KERNELS, installed(site))
    text = python(f"import sys; sys.path.insert(0, {str(root)!r}); {STATUS}", site, cwd=away)
    assert f"Or take {root} off sys.path: the copy in {site / 'graytorgb'} has it" in text


def test_a_copy_that_hides_an_editable_installation(tmp_path, away):
    """Its record alone is on the path, and tells the folder."""
    other, root, site = tmp_path / "other", tmp_path / "checkout", tmp_path / "site"
    source_tree(root)
    shutil.copy(KERNELS, source_tree(other))
    shutil.rmtree(installed(site, other.as_uri(), dir_info={"editable": True}))
    text = python(STATUS, root, site, cwd=away)
    assert f"the copy in {other / 'graytorgb'} has it" in text


@pytest.mark.parametrize("name", FOREIGN)
def test_a_copy_for_another_python(tmp_path, away, name):
    copy = installed(tmp_path / "site")
    (copy / name).touch()
    text = python(STATUS, copy.parent, cwd=away)
    assert text.startswith("missing needs")
    assert f"{copy / name} was compiled for another Python than this one, which loads" in text
    assert f"{REINSTALL} --no-binary graytorgb graytorgb" in text
    assert "compiler" not in text


@pytest.mark.parametrize("name", FOREIGN)
def test_kernels_for_another_python_are_not_offered(tmp_path, name):
    root, site = tmp_path / "checkout", tmp_path / "site"
    source_tree(root)
    (installed(site) / name).touch()
    assert str(site) not in python(STATUS, site, cwd=root)


def test_a_copy_that_came_without_them(tmp_path, away):
    copy = copy_package(tmp_path / "site")
    text = python(STATUS, copy.parent, cwd=away)
    assert f"the copy in {copy} came without it: {REINSTALL} --no-binary" in text


@pytest.mark.parametrize(
    ("url", "origin", "source"),
    [
        ("file:///home/me/my%20tree", {"dir_info": {}}, "'/home/me/my tree'"),
        (
            "https://example.org/g.git",
            {"vcs_info": {"vcs": "git", "commit_id": "0" * 40}},
            "git+https://example.org/g.git",
        ),
        ("file:///tmp/g.whl", {"archive_info": {}}, "--no-binary graytorgb graytorgb"),
    ],
)
def test_it_is_installed_again_from_where_it_came(tmp_path, away, url, origin, source):
    copy = installed(tmp_path / "site", url, **origin)
    assert f"{REINSTALL} {source};" in python(
        "import graytorgb\ntry: graytorgb.set_cache(0)\nexcept ImportError as error: print(error)",
        copy.parent,
        cwd=away,
    )


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("kernels.c:1:1: error: no", "not compiled: see {log}, kernels.c:1:1: error: no"),
        ("no C compiler was found: there is no 'cc'", "no C compiler was found: there is no 'cc'"),
    ],
)
def test_a_build_that_failed(tmp_path, away, reason, told):
    copy = installed(tmp_path / "site")
    log = copy / "_kernels_build.log"
    log.write_text(f"{reason}\n\nand much more\n")
    text = python(STATUS, copy.parent, cwd=away)
    assert told.format(log=log) in text
    assert str(log) in text
    assert REINSTALL in text
    assert "much more" not in text


def test_kernels_that_fail_to_import_are_broken(tmp_path, away):
    copy = installed(tmp_path / "site")
    (copy / KERNELS.name).write_text("no library")
    text = python(STATUS, copy.parent, cwd=away)
    assert text.startswith("broken can't be used: graytorgb._kernels is installed but failed to")
    assert f"Compile it again: {REINSTALL}" in text


def test_an_import_that_is_blocked(tmp_path, away):
    copy = installed(tmp_path / "site")
    shutil.copy(KERNELS, copy)
    text = python(
        f"import sys; sys.modules['graytorgb._kernels'] = None; {STATUS}", copy.parent, cwd=away
    )
    assert f"{copy / KERNELS.name} is there, but sys.modules['graytorgb._kernels'] keeps" in text
    assert "compiler" not in text


def test_the_command_for_a_checkout_works_in_a_shell(tmp_path):
    """A folder's name may hold blanks and quotes."""
    root = tmp_path / "it's a $HOME"
    source_tree(root)
    text = python(STATUS, cwd=root)
    arguments = text.partition("pip install -e ")[2].partition(" (or")[0]
    printed = subprocess.run(["sh", "-c", f"echo {arguments}"], capture_output=True, text=True)
    assert printed.stdout.strip() == str(root)


def test_nothing_of_it_is_loaded_where_nothing_is_missing():
    text = run_python("""
import sys, numpy as np, graytorgb as g2r
g2r.to_rgb(np.zeros((4, 300, 300), np.uint8), "NHW", backend="native")
print("graytorgb.backends.diagnosis" in sys.modules)
""")
    assert text == "False"
