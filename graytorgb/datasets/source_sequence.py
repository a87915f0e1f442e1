"""Several sources as one: the images of each, one source after the other."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import ImageFileError
from .items import Item, Skipped, Source
from .source_folder import is_whole


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
        names = [source.name for source in self.sources]
        _check_apart(self.sources)
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        self.name = ", ".join(names[:3]) + more
        counts = [source.count for source in self.sources]
        self.count = None if None in counts else sum(count or 0 for count in counts)
        local = [source.base for source in self.sources if "://" not in source.base]
        self.base = os.path.commonpath(local) if local else ""

    def items(self) -> Iterator[Item | Skipped]:
        """Yield the images of each source."""
        for source in self.sources:
            folder = self._find_folder(source.base)
            for found in source.items():
                yield replace(found, path=f"{folder}/{found.path}") if folder else found

    def _find_folder(self, base: str) -> str:
        """Return what the paths of a source begin with."""
        if "://" in base:
            return base.partition("://")[2].partition("::")[0].strip("/")
        folder = os.path.relpath(base, self.base)
        return "" if folder == "." else folder.replace(os.sep, "/")


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
