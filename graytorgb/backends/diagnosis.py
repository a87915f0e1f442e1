"""Why the compiled kernels can't be imported here, and the command that mends it.

The registry asks when their import has failed, so nothing of this is loaded before.
"""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path
from shlex import quote
from urllib.parse import urlsplit
from urllib.request import url2pathname

KERNELS = "graytorgb._kernels"
_HOME = Path(__file__).resolve().parents[1]
_LOG = "_kernels_build.log"  # setup.py writes it where the compiler fails
_BINARIES = (".so", ".pyd", ".dylib")


def explain_absence(suffixes: Sequence[str], home: Path = _HOME) -> str:
    """Return why the kernels are missing from a copy of the package, and what to do.

    Parameters
    ----------
    suffixes : sequence of str
        The endings of the extension modules that this Python loads.
    home : Path
        The copy's folder.
    """
    told = f"it is compiled when graytorgb is installed, and {_cause(suffixes, home)}"
    others = [folder for folder in _copies() if folder != home and _kernels(folder, suffixes)]
    if others:
        told += f". Or {_leave(home.parent)}: the copy in {others[0]} has it"
    return told


def _cause(suffixes: Sequence[str], home: Path) -> str:
    command, log = install_command(home), home / _LOG
    if _kernels(home, suffixes):
        return (
            f"{_kernels(home, suffixes)[0]} is there, but sys.modules[{KERNELS!r}] keeps Python "
            f"from importing it: delete that entry. To compile it again: {command}"
        )
    if log.is_file():
        reason = log.read_text(encoding="utf-8", errors="replace").partition("\n")[0]
        if reason.startswith("no C compiler"):
            return f"{reason} (see {log}). With one: {command}"
        return f"here it is not compiled: see {log}, {reason}. When that is mended: {command}"
    if foreign := _binaries(home):
        return (
            f"{foreign[0]} was compiled for another Python than this one, which loads "
            f"{', '.join(suffixes)}: {command}"
        )
    if _is_source(home):
        return f"this is the source tree {home.parent}, where it isn't compiled yet: {command}"
    return f"the copy in {home} came without it: {command}"


def install_command(home: Path = _HOME) -> str:
    """Return the command that compiles the kernels of a copy of the package."""
    if _is_source(home):
        root = quote(str(home.parent))
        return f"pip install -e {root} (or, in that folder, python setup.py build_ext --inplace)"
    source = "--no-binary graytorgb graytorgb"
    for found in distributions(name="graytorgb"):
        if Path(str(found.locate_file("graytorgb"))).resolve() == home:
            source = _origin(found) or source
    return f"pip install --force-reinstall --no-deps {source}"


def _origin(found: Distribution) -> str | None:
    """Return what pip installed a distribution from, if it was a folder or a repository."""
    url = json.loads(found.read_text("direct_url.json") or "{}")
    if "vcs_info" in url:
        return quote(f"{url['vcs_info']['vcs']}+{url['url']}")
    return quote(_path(url["url"])) if "dir_info" in url else None


def _path(url: str) -> str:
    return url2pathname(urlsplit(url).path)


def _copies() -> Iterator[Path]:
    """Yield the folders of the package that a Python here could import."""
    for entry in sys.path:
        yield Path(entry, "graytorgb").resolve()
    for found in distributions(name="graytorgb"):
        url = json.loads(found.read_text("direct_url.json") or "{}")
        if url.get("dir_info", {}).get("editable"):
            yield Path(_path(url["url"]), "graytorgb").resolve()


def _binaries(home: Path) -> list[Path]:
    return sorted(path for path in home.glob("_kernels.*") if path.suffix in _BINARIES)


def _kernels(home: Path, suffixes: Sequence[str]) -> list[Path]:
    """Return the compiled kernels of a copy that this Python would load."""
    return [path for path in _binaries(home) if path.name.removeprefix("_kernels") in suffixes]


def _is_source(home: Path) -> bool:
    return (home / "_native").is_dir() and (home.parent / "setup.py").is_file()


def _leave(root: Path) -> str:
    """Return how Python is started so that it doesn't import the package from `root`."""
    stated = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if root in (Path(entry).resolve() for entry in stated if entry):
        return f"take {root} off PYTHONPATH"
    if root == Path.cwd():
        return "start Python in another folder"
    return f"take {root} off sys.path"
