"""Types for options that are files, with checks before the command does anything."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from ..core.writing import find_existing, is_same_file, why_unwritable
from ..errors import GrayToRGBError
from ..extras import require
from .streams import Program

# The suffixes of pictures that matplotlib can write.
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".pdf", ".svg", ".eps", ".ps")


class _Path(click.ParamType[Any]):
    """What is a path, so that the Tab key completes it."""

    def shell_complete(self, ctx: Any, param: Any, incomplete: str) -> list[CompletionItem]:
        """Return what tells the shell to complete the name of a file."""
        return [CompletionItem(incomplete, type="file")]


class SourceName(_Path):
    """A folder, a glob, a URL or a file that a command reads, as a text."""

    name = "source"


class InputPath(click.Path):
    """A file, or a folder of files, that a command reads."""

    def __init__(self, *, exists: bool = False, dir_okay: bool = True) -> None:
        super().__init__(path_type=Path, exists=exists, dir_okay=dir_okay)

    def files(self, path: Path) -> Iterator[Path]:
        """Yield each file that the command reads."""
        if path.is_dir():
            yield from (each for each in path.rglob("*") if each.is_file())
        else:
            yield path


class ModelPath(InputPath):
    """A model that a command reads, with the files of tensors beside an ONNX model."""

    def files(self, path: Path) -> Iterator[Path]:
        """Yield each file that the command reads."""
        yield path
        if path.suffix.lower() == ".onnx":
            try:
                yield from require("graytorgb.models.onnx.files").list_tensor_files(path)
            except GrayToRGBError:
                return  # the command itself will say why the model can't be read


class OutputFile(_Path):
    """A file that a command writes; one that can't be written is a usage error.

    Parameters
    ----------
    suffixes : iterable of str
        The suffixes that the file's name may have; any if there are none.
    """

    name = "file"

    def __init__(self, suffixes: Iterable[str] = ()) -> None:
        self.suffixes = tuple(suffixes)

    def convert(self, value: Any, param: Any, ctx: Any) -> Path:
        """Return the path, or raise a usage error."""
        path = Path(value)
        if not str(value):
            raise click.UsageError(f"{get_label(param)} is the name of a file, not ''", ctx)
        if self.suffixes and path.suffix.lower() not in self.suffixes:
            raise click.UsageError(
                f"{get_label(param)} is a file of {', '.join(self.suffixes)}, not {str(value)!r}",
                ctx,
            )
        reason = why_unwritable(path)
        if reason is not None:
            raise click.UsageError(
                f"{get_label(param)} is a file in a folder that exists and can be written to, not "
                f"{str(value)!r}: {reason}", ctx,
            )  # fmt: skip
        return path

    def files(self, path: Path) -> Iterator[Path]:
        """Yield each file that the command writes."""
        yield path


class OutputFolder(_Path):
    """A folder to write to, which exists or can be made."""

    name = "folder"

    def convert(self, value: Any, param: Any, ctx: Any) -> Path:
        """Return the path, or raise a usage error."""
        path = Path(value)
        reason = why_unwritable(find_existing(path) / "results")
        if reason is not None:
            raise click.UsageError(
                f"{get_label(param)} is a folder that can be made, not {str(path)!r}: {reason}", ctx
            )
        return path


class ModelOutput(OutputFile):
    """A model that a command writes, with the files of tensors beside an ONNX model."""

    def files(self, path: Path) -> Iterator[Path]:
        """Yield each file that the command may write."""
        yield path
        if path.suffix.lower() == ".onnx":
            data = path.with_name(f"{path.name}.data")
            yield data
            yield from (each for each in path.parent.iterdir()
                if each.name.startswith(data.name) and each.name != data.name)  # fmt: skip


class FileCommand(Program):
    """A command that raises a usage error if two of its files are the same file."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments, and check the files that they name."""
        rest = super().parse_args(ctx, args)
        if not ctx.resilient_parsing:
            check_apart(ctx)
        return rest


def check_apart(ctx: click.Context) -> None:
    """Check that no file to write is also a file to read, or another file to write.

    Raises
    ------
    UsageError
        If two arguments name the same file.
    """
    named = [
        (get_label(param), param.type, ctx.params[param.name])
        for param in ctx.command.get_params(ctx)
        if ctx.params.get(param.name or "") is not None
    ]
    outputs = [
        (name, file)
        for name, kind, path in named
        if isinstance(kind, OutputFile)
        for file in kind.files(path)
    ]
    for name, kind, path in named:
        if isinstance(kind, InputPath):
            for output, file in outputs:
                if _is_among(file, kind.files(path)):
                    of = "a file of " if path.is_dir() or not is_same_file(file, path) else ""
                    raise click.UsageError(
                        f"{output} is {of}{name}, which would be lost: write another file, not "
                        f"{str(file)!r}", ctx,
                    )  # fmt: skip
    for place, (name, file) in enumerate(outputs):
        for other, later in outputs[place + 1 :]:
            if other != name and is_same_file(file, later):
                raise click.UsageError(
                    f"{name} and {other} are one file, {str(file)!r}: give each its own", ctx
                )


def _is_among(file: Path, others: Iterable[Path]) -> bool:
    """Whether `file` is one of the others, even under another name."""
    return file.exists() and any(other.exists() and file.samefile(other) for other in others)


def get_label(param: click.Parameter) -> str:
    """Return the name of an option or an argument for a message."""
    return param.opts[-1] if isinstance(param, click.Option) else param.human_readable_name
