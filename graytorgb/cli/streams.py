"""Output for terminals, pipes and files that can't encode every character."""

import codecs
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

import click

from .faults import (
    errors_for_terminal,
    interrupts_for_terminal,
    keep_interrupts,
    silence_libraries,
    tell_error,
)

# Replacements for the characters that rich draws with, and for signs in this package's messages.
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("█▉▊▋▌▐▇▆▅▄", "#"),
        **dict.fromkeys("▍▎▏▕▃▂▁", "-"),
        **dict.fromkeys("─━╸╺═—\u2013\u2212", "-"),
        **dict.fromkeys("│┃║", "|"),
        **dict.fromkeys("┌┐└┘├┤┬┴┼┏┓┗┛┡┩╇╭╮╰╯", "+"),
        **dict.fromkeys("\u2018\u2019", "'"),
        **dict.fromkeys("“”", '"'),
        "\u00d7": "x",
        "…": "~",
        "→": ">",
        "•": "*",
        "µ": "u",
    }
)
_ERROR_HANDLER = "graytorgb.plain"


def _replace_characters(error: UnicodeError) -> tuple[str, int]:
    r"""Handle a codec's error: replace the characters that the stream's encoding doesn't have.

    A byte of a file's name that isn't text becomes an escape, ``\xff``, in UTF-8 too.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_PLAIN)
    parts = []
    for character in text:
        code = ord(character)
        if 0xDC80 <= code <= 0xDCFF:  # surrogateescape, PEP 383
            parts.append(f"\\x{code - 0xDC00:02x}")
        else:
            # the table's replacements are ASCII, which every encoding here has
            parts.append(character.encode("ascii", "backslashreplace").decode())
    return "".join(parts), error.end


codecs.register_error(_ERROR_HANDLER, _replace_characters)


class Program(click.Command):
    """A command that prints on any stream, whatever its encoding, and no traceback."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the command; stdout and stderr replace the characters that they can't encode."""
        with interrupts_for_terminal(), keep_interrupts():
            _open_closed_streams()
            for stream in (sys.stdout, sys.stderr):
                if hasattr(stream, "reconfigure"):
                    stream.reconfigure(errors=_ERROR_HANDLER)
            with silence_libraries():
                if not options.get("standalone_mode", True):
                    return super().main(*args, **options)
                with _ended_by_full_disk():
                    return super().main(*args, **options)

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        """Read the arguments; at Ctrl-C click would say that it was aborted, and exit with 1."""
        with interrupts_for_terminal():
            return super().make_context(*args, **options)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; Ctrl-C and every error end it with a message."""
        options = {name for each in self.params for name in each.opts}
        with interrupts_for_terminal(), errors_for_terminal(options):
            return super().invoke(ctx)


def escape_controls(name: str) -> str:
    r"""Return a file's name without characters that move the cursor or color the terminal.

    >>> print(escape_controls("a\x1b[31m\nb.png"))
    a\x1b[31m\nb.png
    """
    return "".join(
        each if each.isprintable() or "\udc80" <= each <= "\udcff" else ascii(each)[1:-1]
        for each in name
    )


@contextmanager
def _ended_by_full_disk() -> Iterator[None]:
    """End the program with a line where help, versions or completions can't be written.

    Nothing is told to a pipe whose reader has gone, as for ``| head``.
    """
    try:
        try:
            yield
        except BrokenPipeError:
            sys.exit(1)
        except OSError as error:
            with suppress(OSError):
                click.echo(f"Error: {tell_error(error)}", err=True)
            sys.exit(1)
    finally:
        for stream in (sys.stdout, sys.stderr):
            _drop_unwritten(stream)


def _drop_unwritten(stream: TextIO) -> None:
    """Drop what a stream still holds and can't write, which Python would try again at its end."""
    try:
        if not stream.closed:
            stream.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _open_closed_streams() -> None:
    """Discard what goes to a stream that the caller has closed, as a daemon does.

    Else the next file that is opened would take the stream's number, and get what is printed.
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            number = os.open(os.devnull, os.O_RDWR)  # the lowest that is free
            os.set_inheritable(number, True)  # workers have it too
            setattr(sys, name, os.fdopen(number, "r" if name == "stdin" else "w"))
