"""Several sources as one: the images of each, one source after the other."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from ..errors import ImageFileError
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
        If a source is given twice.
    """

    sources: Sequence[Source]
    name: str = field(init=False)
    is_array: bool = False
    count: int | None = field(init=False)
    base: str = field(init=False)

    def __post_init__(self) -> None:
        names = [source.name for source in self.sources]
        twice = next((name for k, name in enumerate(names) if name in names[:k]), None)
        if twice is not None:
            raise ImageFileError(f"{twice} is given twice, so each image would be there twice")
        self.name = ", ".join(names)
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
