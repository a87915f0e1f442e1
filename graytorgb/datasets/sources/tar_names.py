"""Names of tar shards: patterns, numbered braces, and the list that a conversion writes of them."""

import errno
import os
import re
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

from ...errors import ImageFileError
from .folder import Folder
from .items import Item
from .notes import Notes, load_notes
from .pattern import Pattern, has_wildcard, split_pattern

_BRACES = re.compile(r"\{([^{}]*)\}")
_NUMBERS = re.compile(r"(\d+)\.\.(\d+)")
_PACKED = re.compile(r"\.(tgz|tbz2?|txz|tzst|tar\.\w+)$", re.IGNORECASE)
_INDEX = ".tar.json"
_MOST = 1_000_000  # names that braces may stand for


def names_tars(name: str) -> bool:
    """Return whether a path, a pattern or an index names tar files.

    >>> names_tars("a/train-{000000..000003}.tar"), names_tars("train.tar.json"), names_tars("a/*")
    (True, True, False)
    """
    return name.lower().endswith((".tar", _INDEX))


def is_packed_tar(name: str) -> bool:
    """Return whether a name is that of a compressed tar file.

    >>> is_packed_tar("a.tar.gz"), is_packed_tar("a.tgz"), is_packed_tar("a.tar")
    (True, True, False)
    """
    return bool(_PACKED.search(name)) and not names_tars(name)


def refuse_packed(name: str) -> ImageFileError:
    """Return the error for a compressed tar file."""
    return ImageFileError(
        f"{name}: a compressed tar, of which no image can be read without all before it: unpack it "
        "to a plain .tar first, as by 'gunzip FILE.tar.gz' or 'zstd -d FILE.tar.zst', and give that"
    )


def find_shards(name: str) -> list[Path]:
    """Return the tar files that a name stands for, as absolute paths.

    Parameters
    ----------
    name : str
        - A tar file.
        - The name of a target of a conversion, ``train.tar``, whose shards ``train.tar.json``
          lists; or that list itself.
        - A glob, ``train-*.tar``; the files are in the order of their names.
        - Names with braces as users of WebDataset write them: ``train-{000000..000003}.tar``,
          ``{train,val}.tar``.

    Raises
    ------
    FileNotFoundError
        If a file isn't there.
    ImageFileError
        If a list of shards isn't one that a conversion has written.
    """
    if ".." in Path(name).parts:
        name = str(Path(name).resolve())
    if os.path.lexists(name):
        return _list_index(Path(name)) if name.lower().endswith(_INDEX) else [Path(name).absolute()]
    found: list[Path] = []
    for each in _expand_braces(name):
        if os.path.lexists(each):
            found.append(Path(each).absolute())
        elif has_wildcard(each):
            found += _list_matches(each)
        elif os.path.lexists(f"{each}.json"):
            found += _list_index(Path(f"{each}.json"))
        else:
            reason = "there is no such tar, and no list of its shards"
            raise FileNotFoundError(errno.ENOENT, reason, each)
    return found


def _list_matches(pattern: str) -> Iterator[Path]:
    """Yield the files that match a pattern, in the order of their names."""
    root, text = split_pattern(str(Path(pattern).absolute()).replace(os.sep, "/"))
    if not Path(root).is_dir():
        return
    keeps, enters = Pattern(text).keeps, Pattern(text).enters
    for found in Folder(Path(root), pattern, keeps, enters).items():
        if isinstance(found, Item):
            yield Path(found.location)
        elif found.may_hide_images:
            raise ImageFileError(f"{pattern}: {found.path}: {found.reason}")


def find_notes(shards: Sequence[Path]) -> dict[Path, Notes]:
    """Return what the conversion that wrote a shard has recorded, for each shard that has a list.

    The list of ``train-000000.tar`` is ``train.tar.json``, if the shard is in it.
    """
    loaded: dict[Path, tuple[Notes | None, set[str]]] = {}
    found = {}
    for shard in shards:
        stem = re.sub(r"-\d+$", "", shard.stem)
        index = shard.with_name(f"{stem}{_INDEX}")
        if index not in loaded:
            notes = load_notes(index)
            loaded[index] = notes, set(_list_names(notes))
        notes, names = loaded[index]
        if notes is not None and shard.name in names:
            found[shard] = notes
    return found


def count_images(shard: Path, notes: Notes) -> int:
    """Return how many images a shard has by its list."""
    for entry in notes.attributes["shards"]:
        if entry["name"] == shard.name:
            return int(entry["images"])
    raise KeyError(shard.name)


def _list_index(path: Path) -> list[Path]:
    """Return the shards that a list names."""
    names = _list_names(load_notes(path))
    if not names:
        raise ImageFileError(
            f"{path}: no list of tar shards that a conversion of graytorgb has written; expected: "
            "the .tar.json beside the shards, or the shards themselves, such as 'train-*.tar'"
        )
    shards = [path.absolute().with_name(name) for name in names]
    for shard in shards:
        if not shard.exists():
            raise FileNotFoundError(
                errno.ENOENT, f"there is no such shard, and {path.name} lists it", str(shard)
            )
    return shards


def _list_names(notes: Notes | None) -> list[str]:
    """Return the names of the shards in a list; none if it isn't a whole list of shards."""
    shards = notes.attributes.get("shards") if notes else None
    try:
        names = [entry["name"] for entry in shards or () if int(entry["images"]) >= 0]
    except (TypeError, KeyError, ValueError):
        return []
    is_plain = all(isinstance(name, str) and name == Path(name).name for name in names)
    return names if is_plain else []


def _expand_braces(name: str) -> Iterator[str]:
    """Yield the names that a name with braces stands for.

    >>> list(_expand_braces("{train,val}-{08..10}.tar"))[:4]
    ['train-08.tar', 'train-09.tar', 'train-10.tar', 'val-08.tar']
    """
    parts = _BRACES.split(name)  # text and the inside of braces in turns
    choices: list[Sequence[str]] = []
    count = 1
    for number, part in enumerate(parts):
        choices.append(_list_choices(name, part) if number % 2 else [part])
        count *= len(choices[-1])
    if count > _MOST:
        raise ImageFileError(f"{name}: braces that stand for {count:,} names; at most {_MOST:,}")
    yield from map("".join, product(*choices))


def _list_choices(name: str, inside: str) -> list[str]:
    """Return what the inside of braces stands for."""
    numbers = _NUMBERS.fullmatch(inside)
    if numbers is None:
        return inside.split(",")
    first, last = numbers.groups()
    if not 0 <= int(last) - int(first) < _MOST:
        raise ImageFileError(
            f"{name}: {{{inside}}} are no numbers from a smaller to a larger one, such as "
            "{000000..000127}"
        )
    width = max(len(first), len(last)) if "0" in (first[0], last[0]) and len(first) > 1 else 0
    return [f"{number:0{width}d}" for number in range(int(first), int(last) + 1)]
