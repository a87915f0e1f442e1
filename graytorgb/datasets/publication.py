"""``Publication``: the files of a target get their names, and those of an earlier one go.

They are put together in a folder, under the names that they will have. The last file that is moved
makes the target whole. Each step can be interrupted, and goes on when it is called again.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .staging import Staging, remove

_LIST = "whole"  # the file in the folder that lists the others, once all of them are there


@dataclass(frozen=True)
class Publication:
    """How files get their names.

    Attributes
    ----------
    partial : Path
        The folder of what is unfinished.
    mark : Path
        The file that gets its name last; the others are beside it.
    """

    partial: Path
    mark: Path

    def is_ready(self, folder: Path) -> bool:
        """Return whether all files of a folder are there, or were moved to their places."""
        return (folder / _LIST).exists()

    def make_ready(self, folder: Path, names: Iterable[str], staging: Staging) -> None:
        """Record that all files of a folder are there."""
        order = [*sorted(set(names) - {self.mark.name}), self.mark.name]
        staging.write(folder / _LIST, json.dumps(order).encode())

    def publish(self, folder: Path, earlier: Iterable[Path]) -> None:
        """Move the files of a folder to their places, and remove an earlier target's files before.

        Parameters
        ----------
        folder : Path
            A folder that is ready.
        earlier : iterable of Path
            The files and folders of the target that is there.
        """
        if not (folder / self.mark.name).exists():
            return  # it was the last
        self._remove_earlier(earlier)
        for name in self._list_names(folder):
            if (folder / name).exists():
                remove(self.mark.with_name(name))
                (folder / name).replace(self.mark.with_name(name))

    def discard(self, folder: Path) -> None:
        """Remove a folder that isn't to be published any more, and what was moved out of it."""
        for name in self._list_names(folder) if self.is_ready(folder) else []:
            if not (folder / name).exists():
                remove(self.mark.with_name(name))
            remove(folder / name)
        remove(folder)

    def _remove_earlier(self, earlier: Iterable[Path]) -> None:
        """Remove the target that is there: from the first moment on it isn't whole."""
        old, listing = self.partial / "old", self.partial / "old.json"
        if self.mark.exists():
            names = [path.name for path in earlier if path != self.mark]
            listing.write_text(json.dumps(names))
            self.mark.replace(old)
        if old.exists():
            for name in json.loads(listing.read_bytes()):
                remove(self.mark.with_name(name))
            remove(old)

    def _list_names(self, folder: Path) -> list[str]:
        """Return the names of a folder's files, in the order in which they are moved."""
        names: list[str] = json.loads((folder / _LIST).read_bytes())
        return names
