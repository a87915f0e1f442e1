"""The files of models: whether one can be opened, and the error for one that can't be read."""

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
    refused : str
        The message for a ``{path}`` that isn't of this format.
    perhaps : str
        Why that may be.
    beginnings : tuple of bytes
        What such files begin with, where they have a signature.
    """

    refused: str
    perhaps: str = "it may be damaged"
    beginnings: tuple[bytes, ...] = ()


ONNX = Format("{path} can't be read as ONNX")
SAFETENSORS = Format("{path} can't be read as safetensors")
KERAS = Format(
    "Keras can't load {path}",
    "it may be damaged, or have layers that aren't registered with Keras",
    (_ZIP,),
)
TORCH = Format(
    "{path} can't be read as a torch file",
    beginnings=(_ZIP, b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"),
)

# How files begin that are taken for models, and what they are.
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
# What is in the ZIP archives of others.
_MEMBERS = (
    ("constants.pkl", "a scripted network of torch (TorchScript)"),
    ("data.pkl", "a torch file (.pt)"),
    ("model.weights.h5", "a Keras model (.keras)"),
    (".npy", "NumPy arrays (.npz)"),
)


def check_file(path: Path) -> None:
    """Raise unless `path` is a file that can be opened.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, PermissionError
        As ``open`` raises them.
    ModelError
        If it is a pipe, a socket or a device, whose reading may never end.
    """
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        kind = "a pipe" if stat.S_ISFIFO(mode) else "a device or a socket"
        raise ModelError(f"{path} is {kind}, not a file: copy what it gives into a file first")
    path.open("rb").close()


@contextmanager
def explain_read_errors(path: Path, form: Format) -> Iterator[None]:
    """Turn whatever a library raises while it reads a file into a ModelError that names it.

    Raises
    ------
    ModelError
        With the library's exception as its cause.
    """
    try:
        yield
    except GrayToRGBError:
        raise
    except Exception as error:  # readers raise errors of any class for a file that is damaged
        raise make_read_error(path, form, error) from error


def make_read_error(path: Path, form: Format, error: Exception | None = None) -> ModelError:
    """Return the error for a file that can't be read: what it is, if that can be told."""
    refused = form.refused.format(path=path)
    found = _recognize_file(path, form)
    if found is not None:
        return ModelError(f"{refused}: it is {found}")
    if error is None:
        return ModelError(f"{refused}: {form.perhaps}")
    # torch's own words begin with advice to run what the file says
    said = " ".join(str(error).rpartition("WeightsUnpickler error:")[2].split())
    said = said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"
    return ModelError(f"{refused}: {form.perhaps} ({type(error).__name__}: {said})")


def _recognize_file(path: Path, form: Format) -> str | None:
    """Return what a file is by its first bytes; None if they don't tell, or it is of the form."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        head = file.read(64)
    if not head:
        return "empty"
    if head.startswith(_ZIP) and (found := _recognize_archive(path, form)) is not None:
        return found
    if head.startswith(form.beginnings):
        return None
    text = head.lstrip().lower() if head.lstrip().startswith(b"<") else head
    return next((what for first, what in _SIGNATURES if text.startswith(first)), None)


def _recognize_archive(path: Path, form: Format) -> str | None:
    """Return whose archive a ZIP file is, if it isn't one of the form's own."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return None  # its table of contents is damaged too
    found = next((what for end, what in _MEMBERS if any(n.endswith(end) for n in names)), None)
    own = (form is TORCH and found == _MEMBERS[1][1]) or (form is KERAS and found == _MEMBERS[2][1])
    return None if own else found
