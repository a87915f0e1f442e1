"""``Known``: the images that earlier shards already hold, so that the source isn't read again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .rows import Row
from .targets import PlannedImage

_NEAR = 2  # an image moves up by as many places as images before it are missing

Identity = tuple[Any, ...]
Read = Callable[[Path, int], Callable[[int], Any]]


class Known:
    """The images of earlier shards at the place of a shard, and right after it.

    Parameters
    ----------
    shard : Path
        The shard that is about to be written, in the folder that its number names.
    read : callable
        Returns a function that gives an image of a shard, from the shard's path and its number of
        images.
    """

    def __init__(self, shard: Path, read: Read) -> None:
        self._read = read
        self._places: dict[Identity, tuple[Path, int, Row]] = {}
        self._counts: dict[Path, int] = {}
        self._opened: Path | None = None
        for number in range(int(shard.parent.name), int(shard.parent.name) + _NEAR):
            for record in sorted((shard.parent.parent / str(number)).glob("*.json")):
                earlier = record.with_suffix("")
                if earlier != shard and earlier.exists() and earlier.stat().st_size:
                    self._add(earlier, json.loads(record.read_bytes()))

    def _add(self, shard: Path, rows: list[list[Any]]) -> None:
        self._counts[shard] = len(rows)
        for place, values in enumerate(rows):
            row = Row(*values)
            self._places.setdefault(row.identity, (shard, place, row))

    def find(self, image: PlannedImage) -> Row | None:
        """Return what is recorded of an image; None if no shard here has it."""
        found = self._places.get(tuple(image.identify()))
        return found[2] if found else None

    def read(self, image: PlannedImage) -> Any:
        """Return an image that was found, as its shard holds it. One shard is in memory at most."""
        shard, place, _ = self._places[tuple(image.identify())]
        if shard != self._opened:
            self._entry = None
            self._entry = self._read(shard, self._counts[shard])
            self._opened = shard
        assert self._entry is not None
        return self._entry(place)
