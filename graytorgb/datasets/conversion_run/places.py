"""Where a conversion reads and writes: the target's kind, and both places apart from each other."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from ...errors import TargetError
from ...extras import require
from ...io.formats import name_format
from ..sources.opening import Place
from ..targets.protocol import Target

# What a target is, by the suffix of its name: the module and its class. Any other is a folder.
TARGETS = {
    ".zarr": ("graytorgb.datasets.targets.zarr", "ZarrTarget"),
    ".npy": ("graytorgb.datasets.targets.npy", "NpyTarget"),
    ".tar": ("graytorgb.datasets.targets.tar", "TarTarget"),
    "": ("graytorgb.datasets.targets.folder", "FolderTarget"),
}


def choose_target(dst: Place) -> Target:
    """Return the target of a name, whose suffix tells its kind.

    Raises
    ------
    TargetError
        If the name is a file's.
    """
    path = Path(dst).absolute()  # workers of a cluster may run in another folder
    module, name = TARGETS.get(path.suffix.lower(), TARGETS[""])
    if (module, name) == TARGETS[""] and not path.is_dir():
        if path.exists():
            raise TargetError(f"{path} is a file, and a conversion writes a folder")
        if name_format(path.suffix):
            kinds = ", ".join(filter(None, TARGETS))  # not the folder's
            raise TargetError(
                f"{path} is the name of one image, and a conversion writes a folder: leave "
                f"{path.suffix} away, or name a target of {kinds}"
            )
    target = getattr(require(module), name)(path)
    assert isinstance(target, Target)
    return target


def check_apart(src: Place | Iterable[Place], dst: Path) -> None:
    """Check that neither of source and target lies in the other.

    Raises
    ------
    TargetError
        If one of them does, under any name.
    """
    target = Path(os.path.realpath(dst))
    for each in [src] if isinstance(src, str | os.PathLike) else src:
        name = os.fsdecode(each)
        if "://" in name:
            continue
        if Path(name).absolute() == target:  # the name of tar shards may be no file
            raise TargetError(f"SRC and DST are the same, {name!r}: name another target")
        if not os.path.lexists(name):  # a glob
            continue
        source = Path(os.path.realpath(name))
        if source == target or (source.exists() and target.exists() and source.samefile(target)):
            raise TargetError(f"SRC and DST are the same, {name!r}: name another target")
        if target in source.parents:
            raise TargetError(
                f"SRC lies in DST, {os.fspath(dst)!r}, where it could be written over: name "
                "another target"
            )
        if source in target.parents and source.is_dir():
            raise TargetError(
                f"DST lies in SRC, {name!r}, so the next run would convert what this one writes: "
                "name a target outside of it"
            )


def check_item_apart(location: str, dst: Path) -> None:
    """Check that a file of the source isn't in the target, an absolute path, nor a shard of it.

    Raises
    ------
    TargetError
        If it does.
    """
    is_shard = dst.suffix.lower() == ".tar" and re.fullmatch(
        re.escape(str(dst.with_suffix(""))) + r"-\d+\.tar", location
    )
    if is_shard or location.startswith(f"{dst}{os.sep}"):
        raise TargetError(f"{location} is to be read, and lies in DST: name another target")
