"""What a terminal shows of errors and warnings: a message, and no traceback or path of Python's."""

import _thread
import logging
import os
import re
import signal
import sys
import sysconfig
import threading
import traceback
import warnings
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click

from ..errors import GrayToRGBError
from .remedies import tell_remedies

INTERRUPTED = 130  # the exit code of a program that Ctrl-C ended
TRACEBACK = "GRAYTORGB_TRACEBACK"  # an environment variable: whoever mends this package sets it

# How libraries and worker processes are told to be quiet; what the user has set stays.
_QUIET = {
    "PYTHONWARNINGS": "ignore",
    "OPENCV_LOG_LEVEL": "SILENT",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
_PACKAGE = __name__.partition(".")[0]
# The folders of Python's libraries and of this package, which are nothing to a user
_FOLDERS = sorted(
    {*map(sysconfig.get_path, ("stdlib", "platstdlib", "purelib", "platlib")),
     str(Path(__file__).parents[2])}, key=len, reverse=True,
)  # fmt: skip


@contextmanager
def silence_libraries() -> Iterator[None]:
    """Keep the warnings and logs of libraries from the terminal; this package's become notes.

    Nothing is changed where the user asks Python for warnings, by ``-W`` or ``PYTHONWARNINGS``.
    """
    if sys.warnoptions or warnings.showwarning is _show_note:
        yield
        return
    with ExitStack() as stack:
        for name, value in _QUIET.items():
            if name not in os.environ:
                os.environ[name] = value
                stack.callback(os.environ.pop, name, None)
        stack.enter_context(_replaced(logging, "lastResort", logging.NullHandler()))
        stack.enter_context(_replaced(warnings, "showwarning", _show_note))
        yield


@contextmanager
def keep_interrupts() -> Iterator[None]:
    """Let Ctrl-C end the block also where it meets a finalizer, such as those of imports.

    Python prints an exception of a finalizer and goes on as if nothing had happened. Here the
    interrupt comes again as soon as the finalizer has ended, and other exceptions, about which a
    user can do nothing, are printed only for who mends this package.
    """
    with _replaced(sys, "unraisablehook", _take_unraisable):
        yield


def _take_unraisable(unraisable: Any) -> None:
    """Repeat an interrupt a moment later, when Python has left the finalizer and this function."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        again = threading.Timer(0.01, _interrupt_main)
        again.daemon = True
        again.start()
    elif os.environ.get(TRACEBACK):
        sys.__unraisablehook__(unraisable)


def _interrupt_main() -> None:
    """Interrupt the main thread, also where it waits for something."""
    if sys.platform == "win32":
        _thread.interrupt_main()
    else:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


@contextmanager
def discard_native_stderr() -> Iterator[None]:
    """Discard what C code writes to stderr in the block, as TensorFlow does when it is imported.

    TensorFlow's first lines come before it reads the level of its log. Errors of Python are raised
    as ever.
    """
    try:
        kept = os.dup(2)
    except OSError:  # the caller has closed it
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextmanager
def _replaced(module: Any, name: str, value: Any) -> Iterator[None]:
    """Give a module's name another value in the block."""
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


def _show_note(message: Warning | str, *_: Any) -> None:
    """Print a warning of this package as a note, and nothing of one that a library raises."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__") in ("warnings", "_py_warnings"):
        frame = frame.f_back
    if str(frame.f_globals.get("__name__")).partition(".")[0] == _PACKAGE:
        text = getattr(message, "problem", message)
        click.echo(f"note: {hide_folders(str(text))}", err=True)


@contextmanager
def errors_for_terminal(options: Collection[str]) -> Iterator[None]:
    """Turn every error into one of click, whose message names the command's own options."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
        raise  # click ends the program; as for `| head`, without a word
    except GrayToRGBError as error:
        raise click.ClickException(tell_remedies(error, options)) from error
    except OSError as error:
        raise click.ClickException(tell_error(error)) from error
    except MemoryError as error:
        raise click.ClickException(f"there is not enough memory: {error}".rstrip(": ")) from error
    except Exception as error:
        if os.environ.get(TRACEBACK):
            traceback.print_exc()
        raise click.ClickException(
            f"{type(error).__name__}: {_shorten(error)}\nThis is a fault of graytorgb or of a "
            f"library that it uses. With {TRACEBACK}=1 in the environment the command prints "
            "where it happened: please report that."
        ) from error


@contextmanager
def interrupts_for_terminal() -> Iterator[None]:
    """End the program at Ctrl-C, with a word in place of a traceback."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)


def tell_error(error: OSError) -> str:
    """Return what the system says, after the name of the file if it names one."""
    name = f"{error.filename}: " if error.filename else ""
    return f"{name}{error.strerror or hide_folders(str(error))}"


def hide_folders(text: str) -> str:
    """Return a text without the folders of Python's libraries and of this package.

    >>> hide_folders(f"in {_FOLDERS[0]}/cv2/gapi.py")
    'in cv2/gapi.py'
    """
    for folder in _FOLDERS:
        text = re.sub(rf"{re.escape(folder)}[\\/]?", "", text)
    return text


def _shorten(error: Exception) -> str:
    """Return the first line of an error's message, without the folders of Python's libraries."""
    lines = hide_folders(str(error)).strip().splitlines()
    return lines[0] if lines else "it has no message"
