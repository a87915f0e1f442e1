"""Reports that a command writes for programs: ``--json`` into a file, or alone to stdout."""

import contextlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO, TypeVar

import click
from rich.console import Console

from .. import __version__
from ..core.writing import is_same_file, replacing
from ..io.formats import HEAD, find_format, name_format
from .console import make_console
from .files import OutputFile, get_label

STDOUT = Path("-")
SCHEMA_VERSION = 1  # of the documents that NAME.schema.json beside this file describes
_ZARR = ("zarr.json", ".zarray", ".zgroup")
Function = TypeVar("Function", bound=Callable[..., Any])


class ReportFile(OutputFile):
    """A report that a command writes, never over an image; ``-`` is stdout if that is allowed."""

    def __init__(self, suffixes: Iterable[str] = (), *, allow_dash: bool = False) -> None:
        super().__init__(suffixes)
        self.allow_dash = allow_dash

    def convert(self, value: Any, param: Any, ctx: Any) -> Path:
        """Return the path, or raise a usage error."""
        if self.allow_dash and str(value) == "-":
            return STDOUT
        if str(value) == "-":
            label = get_label(param)
            raise click.UsageError(
                f"{label} is a file, and - would be stdout, which is for --json alone: name a "
                f"file, such as {label} ./report{label.replace('--', '.')}", ctx,
            )  # fmt: skip
        path = super().convert(value, param, ctx)
        if path.is_file() and _is_source(path):
            raise click.UsageError(
                f"{get_label(param)} is an image or a part of one, which would be lost: write "
                f"another file, not {str(path)!r}", ctx,
            )  # fmt: skip
        return path

    def files(self, path: Path) -> Iterator[Path]:
        """Yield each file that the command writes."""
        if path != STDOUT:
            yield path


def _is_source(path: Path) -> bool:
    """Return whether a file is an image, by its name or its content, or a part of a Zarr array."""
    if name_format(path.suffix):
        return True
    with path.open("rb") as file:
        if find_format(file.read(HEAD)):
            return True
    return any((folder / name).is_file() for folder in path.absolute().parents for name in _ZARR)


def refuse_sources(sources: Iterable[str], what: str, reports: Mapping[str, Path | None]) -> None:
    """Raise a usage error if a report would be written over a source.

    Parameters
    ----------
    sources : iterable of str
        What the command reads.
    what : str
        The command's word for it.
    reports : mapping of str to Path
        The file that each option names, if there is one.
    """
    for option, path in reports.items():
        for source in sources:
            if path is not None and path != STDOUT and is_same_file(path, source):
                raise click.UsageError(
                    f"{option} is {what}, which would be lost: write another file, not "
                    f"{str(path)!r}"
                )


def json_option(text: str) -> Callable[[Function], Function]:
    """Return a decorator that adds ``--json FILE`` to a command, which gives it `json_path`."""
    return click.option(
        "--json", "json_path", type=ReportFile(allow_dash=True), metavar="FILE",
        help=f"{text}; - is stdout, which then has nothing else.",
    )  # fmt: skip


@contextlib.contextmanager
def json_report(path: Path | None) -> Iterator[tuple[Console, TextIO]]:
    """Give the console for people, and the stream for the JSON if that goes to stdout.

    Stdout then has the JSON alone: all else that is printed in the block, by libraries too, goes to
    stderr.
    """
    if path != STDOUT:
        yield make_console(), sys.stdout
        return
    stdout = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        yield make_console(stderr=True), stdout


def describe_version() -> dict[str, Any]:
    """Return the first fields of every document but those of audit and bench."""
    return {"schema_version": SCHEMA_VERSION, "graytorgb": __version__}


def write_json(document: Mapping[str, Any], path: Path, stdout: TextIO) -> None:
    """Write a document as JSON to a file or to stdout, in ASCII: valid for any name of a file."""
    text = json.dumps(document, indent=1, allow_nan=False) + "\n"
    if path == STDOUT:
        stdout.write(text)
        stdout.flush()
        return
    with replacing(path) as written:
        written.write_text(text, encoding="ascii", newline="\n")
