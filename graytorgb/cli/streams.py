"""What a terminal, pipe or file can't hold is written in characters that it can."""

import codecs
import sys
from typing import Any

import click

# What rich draws with, and the signs in our own sentences
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
_ERRORS = "graytorgb.plain"


def _plainer(error: UnicodeError) -> tuple[str, int]:
    r"""Replace what a stream's encoding doesn't have, as a codec's error handler.

    A byte of a file's name that isn't text is an escape, ``\xff``, in UTF-8 too.
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
            # a sign in the table is of ASCII, which every encoding here has
            parts.append(character.encode("ascii", "backslashreplace").decode())
    return "".join(parts), error.end


codecs.register_error(_ERRORS, _plainer)


class Program(click.Command):
    """A command that prints on any stream."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Run it, with streams that write what they can't encode in other characters."""
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors=_ERRORS)
        return super().main(*args, **options)


class ProgramGroup(Program, click.Group):
    """A group of commands that print on any stream."""
