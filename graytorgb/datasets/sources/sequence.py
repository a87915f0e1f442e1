"""Several sources as one: the images of each, one source after the other."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from ...errors import ImageFileError
from .folder import is_whole
from .items import Item, Skipped, Source


@dataclass
class Several:
    """The images of several sources, each below the folder that tells its source from the others.

    Attributes
    ----------
    sources : sequence of Source

    Raises
    ------
    ImageFileError
        If a source is given twice, or is in a folder that is given too.
    """

    sources: Sequence[Source]
    name: str = field(init=False)
    is_array: bool = False
    count: int | None = field(init=False)
    base: str = field(init=False)

    def __post_init__(self) -> None:
        _check_apart(self.sources)
        self.name = name_sources([source.name for source in self.sources])
        counts = [source.count for source in self.sources]
        self.count = None if None in counts else sum(count or 0 for count in counts)
        local = [source.base for source in self.sources if "://" not in source.base]
        self.base = os.path.commonpath(local) if local else ""

    @cached_property
    def classes(self) -> list[str] | None:
        """The names of all classes of the sources, sorted unless all have the same.

        Raises
        ------
        ImageFileError
            If some sources number their classes, and others have folders as classes.
        """
        told = [source.classes for source in self.sources]
        listed = [classes for classes in told if classes]
        if not listed:
            return None if None in told else []
        if None in told:
            numbered = next(s.name for s, c in zip(self.sources, told, strict=True) if c)
            other = next(s.name for s, c in zip(self.sources, told, strict=True) if c is None)
            raise ImageFileError(
                f"{numbered} numbers its classes, and the classes of {other} are its folders: "
                "convert them into one set, or give them one at a time"
            )
        if all(classes == listed[0] for classes in listed):
            return listed[0]
        return sorted({name for classes in listed for name in classes})

    def items(self) -> Iterator[Item | Skipped]:
        """Yield the images of each source."""
        for source in self.sources:
            folder = self._find_folder(source.base)
            labels: dict[int, int] | None = None
            for found in source.items():
                if isinstance(found, Item) and found.label is not None:
                    labels = self._find_labels(source) if labels is None else labels
                    found = replace(found, label=labels.get(found.label))
                yield replace(found, path=f"{folder}/{found.path}") if folder else found

    def _find_labels(self, source: Source) -> dict[int, int]:
        """Return the label among all classes for each label of a source.

        There is none where the sources don't fit together, as `classes` tells who needs them.
        """
        try:
            places = {name: label for label, name in enumerate(self.classes or ())}
        except ImageFileError:
            return {}
        return {label: places[name] for label, name in enumerate(source.classes or ())}

    def _find_folder(self, base: str) -> str:
        """Return what the paths of a source begin with."""
        if "://" in base:
            return base.partition("://")[2].partition("::")[0].strip("/")
        folder = os.path.relpath(base, self.base)
        return "" if folder == "." else folder.replace(os.sep, "/")


def name_sources(names: Sequence[str]) -> str:
    """Return the names of several sources, for people.

    >>> name_sources(["a.png", "b.png", "c.png", "d.png", "e.png"])
    'a.png, b.png, c.png and 2 more'
    """
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _check_apart(sources: Sequence[Source]) -> None:
    """Raise ImageFileError if two sources have the same images."""
    seen: set[str] = set()
    folders = {Path(source.base): source.name for source in sources if is_whole(source)}
    for source in sources:
        if source.name in seen:
            raise ImageFileError(
                f"{source.name} is given twice, so its images would be there twice"
            )
        seen.add(source.name)
        place = Path(source.base)
        around = place.parents if is_whole(source) else (place, *place.parents)
        outer = next((folders[folder] for folder in around if folder in folders), None)
        if outer is not None:
            raise ImageFileError(
                f"{source.name} is in the folder {outer}, which is given too, so its images would "
                "be there twice"
            )
