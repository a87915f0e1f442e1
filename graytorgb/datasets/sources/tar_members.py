"""The members of a tar file, grouped into samples as the library webdataset does."""

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

from ...errors import ImageFileError
from ...io.formats import name_format
from .items import is_safe
from .tar_names import refuse_packed

_LARGEST_NOTE = 16 << 20  # bytes of a label or of a record that are read
_PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18")
_OURS = {"path", "class", "bits", "value_range"}  # what a record of this package has
_KINDS = {
    tarfile.SYMTYPE: "a link", tarfile.LNKTYPE: "a hard link", tarfile.FIFOTYPE: "a pipe",
    tarfile.CHRTYPE: "a device", tarfile.BLKTYPE: "a device",
}  # fmt: skip


class Member(NamedTuple):
    """A file in a tar: its name, and where its bytes are."""

    name: str
    start: int
    size: int

    @property
    def suffix(self) -> str:
        """The ending of the name, in lower case, with the dot."""
        return Path(self.name).suffix.lower()

    @property
    def is_named_image(self) -> bool:
        """Whether the ending is that of an image."""
        return name_format(self.suffix) is not None


class Refused(NamedTuple):
    """A member that isn't read, and why; without a name the rest of the tar isn't."""

    name: str
    reason: str


@dataclass
class Sample:
    """The files of a tar that have the same name up to the first dot.

    Attributes
    ----------
    key : str
        That name, with the folders before it.
    members : list of Member
        Its files but the label and the record.
    label : int or str or None
        The number or the name of its class, as ``.cls`` or ``.json`` says.
    record : dict
        What this package's ``.json`` tells of the image; empty for another program's.
    """

    key: str
    members: list[Member] = field(default_factory=list)
    label: int | str | None = None
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def images(self) -> list[Member]:
        """The files that are images by their names; all files if none is."""
        return [each for each in self.members if each.is_named_image] or self.members

    def add(self, member: Member, ending: str, file: IO[bytes]) -> None:
        """Add a file; a label or a record is read."""
        if ending not in ("cls", "cls.txt", "json") or member.size > _LARGEST_NOTE:
            self.members.append(member)
            return
        file.seek(member.start)
        data = file.read(member.size)
        if ending == "json":
            told = _parse_json(data)
            if told.keys() >= _OURS:
                self.record = told
            if self.label is None:
                self.label = _parse_label(told.get("label", told.get("class")))
        else:
            self.label = _parse_label(data.decode("utf-8", "replace").strip())


def list_samples(path: Path) -> Iterator[Sample | Refused]:
    """Yield the samples of a tar file, and what isn't read of it.

    The headers are read once, in order, with the labels and the records between them. Only one
    sample is in memory.

    Raises
    ------
    ImageFileError
        If it is no tar file.
    FileNotFoundError, PermissionError
        If ``open`` raises them.
    """
    sample: Sample | None = None
    with path.open("rb") as file:
        for found in _list_members(path, file):
            if isinstance(found, Refused):
                if not found.name and sample is not None:
                    yield sample
                    sample = None
                yield found
                continue
            folder, slash, base = found.name.rpartition("/")
            stem, _, ending = base.partition(".")
            key = f"{folder}{slash}{stem}"
            if sample is None or sample.key != key:
                if sample is not None:
                    yield sample
                sample = Sample(key)
            sample.add(found, ending.lower(), file)
    if sample is not None:
        yield sample


def _list_members(path: Path, file: IO[bytes]) -> Iterator[Member | Refused]:
    """Yield the files of a tar, and what isn't read of it."""
    size = path.stat().st_size
    try:
        tar = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115  # its file is closed
    except tarfile.TarError as error:
        file.seek(0)
        if file.read(6).startswith(_PACKED):
            raise refuse_packed(str(path)) from error
        raise ImageFileError(f"{path}: no tar file, or a damaged one: {error}") from error
    while True:
        try:
            member = tar.next()
        except (tarfile.TarError, ValueError, OverflowError) as error:
            yield Refused("", f"truncated, or damaged at byte {tar.offset:,}: {error}")
            return
        if member is None:
            break
        tar.members.clear()  # type: ignore[attr-defined]  # which would all stay in memory
        if member.size < 0:
            yield Refused("", f"damaged at byte {member.offset:,}: a size below 0")
            return
        if not member.isdir():
            yield _check_member(member)
        if member.isreg() and not member.issparse() and member.offset_data + member.size > size:
            yield Refused("", f"truncated: {member.name!r} ends beyond the end of the file")
            return
    yield from _check_end(tar, file)


def _check_member(member: tarfile.TarInfo) -> Member | Refused:
    """Return a file, or why it isn't read."""
    name = member.name.removeprefix("./")
    if not is_safe(name):
        return Refused(name, "its name leads out of the tar, or has an empty part: never read")
    if not member.isreg():
        return Refused(name, f"{_KINDS.get(member.type, 'no file')} in a tar, never followed")
    if member.issparse():
        return Refused(name, "a sparse file in a tar, which isn't in one piece")
    return Member(name, member.offset_data, member.size)


def _check_end(tar: tarfile.TarFile, file: IO[bytes]) -> Iterator[Refused]:
    """Yield what comes after the last member that was found, if it isn't the end of the tar."""
    file.seek(tar.offset)
    block = file.read(tarfile.BLOCKSIZE)
    if block.strip(b"\0"):
        yield Refused("", f"damaged at byte {tar.offset:,}: no header of a member")
        return
    while block := file.read(1 << 16):
        if block.strip(b"\0"):
            reason = "more comes after its end, as after 'cat a.tar b.tar': join them by 'tar -A'"
            yield Refused("", reason)
            return


def _parse_label(value: Any) -> int | str | None:
    """Return a label as a number if it is one; None for what is neither a number nor a name."""
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdecimal() else value or None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _parse_json(data: bytes) -> dict[str, Any]:
    """Return a record; empty if it isn't one."""
    try:
        told = json.loads(data)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
