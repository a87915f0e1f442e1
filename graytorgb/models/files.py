"""Checks of model files, and error messages for files that can't be read."""

import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ..errors import GrayToRGBError, ModelError

_LONGEST = 300  # characters of a library's own message
_ZIP = b"PK\x03\x04"


class Format(NamedTuple):
    """A format of model files, for messages.

    Attributes
    ----------
    problem : str
        The message for a file that can't be read in this format. It contains ``{path}``.
    guess : str
        A likely reason.
    signatures : tuple of bytes
        The first bytes of such files: each file begins with one of these, if any are known.
    member : str
        The file that a ZIP archive of this format holds.
    """

    problem: str
    guess: str = "it may be damaged"
    signatures: tuple[bytes, ...] = ()
    member: str = ""


ONNX = Format("{path} can't be read as ONNX")
SAFETENSORS = Format("{path} can't be read as safetensors")
KERAS = Format(
    "Keras can't load {path}",
    "it may be damaged, or have layers that aren't registered with Keras",
    (_ZIP,),
    "model.weights.h5",
)
TORCH = Format(
    "{path} can't be read as a torch file",
    signatures=(_ZIP, b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"),
    member="data.pkl",
)

# The first bytes of files that users mistake for models, and what the files are.
_SIGNATURES = (
    (b"version https://git-lfs", "a pointer of Git LFS, and `git lfs pull` fetches the file"),
    (b"<!doctype html", "a page of HTML, as a failed download leaves it"),
    (b"<html", "a page of HTML, as a failed download leaves it"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file (.h5)"),
    (_ZIP, "a ZIP archive"),
    (b"\x93NUMPY", "a NumPy array (.npy)"),
    (b"GGUF", "a GGUF file"),
    (b"\x1f\x8b", "compressed by gzip"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"%PDF", "a PDF document"),
    *((bytes([0x80, version]), "a Python pickle") for version in range(2, 6)),
    (b"{", "JSON text"),
    (b"[", "JSON text"),
)
# Files in a ZIP archive that tell its format. The first one that is found counts.
_MEMBERS = {
    "constants.pkl": "a scripted network of torch (TorchScript)",
    "data.pkl": "a torch file (.pt)",
    "model.weights.h5": "a Keras model (.keras)",
    ".npy": "NumPy arrays (.npz)",
}


def check_file(path: Path) -> None:
    """Raise unless `path` is a file that can be opened.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, PermissionError
        If ``open`` raises one of these.
    ModelError
        If it is a pipe, a socket or a device, which might be read forever.
    """
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        kind = "a pipe" if stat.S_ISFIFO(mode) else "a device or a socket"
        raise ModelError(f"{path} is {kind}, not a file: copy what it gives into a file first")
    path.open("rb").close()


@contextmanager
def explain_read_errors(path: Path, form: Format) -> Iterator[None]:
    """Turn any error that a library raises while it reads a file into a ModelError.

    Raises
    ------
    ModelError
        With the library's exception as its cause.
    """
    try:
        yield
    except GrayToRGBError:
        raise
    except Exception as error:  # readers raise errors of any class for a damaged file
        raise make_read_error(path, form, error) from error


def make_read_error(path: Path, form: Format, error: Exception | None = None) -> ModelError:
    """Return the error for a file that can't be read. It says what the file is, if known."""
    problem = form.problem.format(path=path)
    found = _recognize_file(path, form)
    if found is not None:
        return ModelError(f"{problem}: it is {found}")
    if error is None:
        return ModelError(f"{problem}: {form.guess}")
    # torch's own words begin with the advice to run the code in the file
    message = " ".join(str(error).rpartition("WeightsUnpickler error:")[2].split())
    message = message if len(message) <= _LONGEST else f"{message[:_LONGEST]}…"
    return ModelError(f"{problem}: {form.guess} ({type(error).__name__}: {message})")


def _recognize_file(path: Path, form: Format) -> str | None:
    """Return what a file is by its first bytes, or None if it has the format or is unknown."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        head = file.read(64)
    if not head:
        return "empty"
    if head.startswith(_ZIP) and (found := _recognize_archive(path, form)) is not None:
        return found
    if head.startswith(form.signatures):
        return None
    text = head.lstrip().lower() if head.lstrip().startswith(b"<") else head
    return next((what for first, what in _SIGNATURES if text.startswith(first)), None)


def _recognize_archive(path: Path, form: Format) -> str | None:
    """Return what a ZIP archive is, or None if it has the format or is unknown."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return None  # its table of contents is damaged too
    found = next((end for end in _MEMBERS if any(name.endswith(end) for name in names)), "")
    return None if found == form.member else _MEMBERS.get(found)
