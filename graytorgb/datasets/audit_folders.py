"""How many files of each folder have which mode, depth and size."""

import json
from collections.abc import Iterator
from itertools import groupby
from typing import TypedDict, cast

from .audit_spool import Spool

_LISTED_SIZES = 10  # of each folder


class Folder(TypedDict):
    """How many files of a folder have which mode, depth and size.

    Attributes
    ----------
    folder : str
        The first folder of the paths; empty for files that are in none.
    files, unreadable : int
    modes, depths, sizes : dict of {str: int}
        The number of files of each; of the sizes, WIDTHxHEIGHT, the ten that are most usual.
    different_sizes : int
    """

    folder: str
    files: int
    unreadable: int
    modes: dict[str, int]
    depths: dict[str, int]
    sizes: dict[str, int]
    different_sizes: int


_FOLDERS = """
SELECT folder, 'files' AS kind, '' AS value, COUNT(*) AS count FROM records GROUP BY folder
UNION ALL SELECT folder, 'unreadable', '', COUNT(*) FROM records WHERE depth IS NULL GROUP BY folder
UNION ALL SELECT folder, 'modes', mode, COUNT(*) FROM records WHERE mode IS NOT NULL
    GROUP BY folder, mode
UNION ALL SELECT folder, 'depths', depth, COUNT(*) FROM records WHERE depth IS NOT NULL
    GROUP BY folder, depth
UNION ALL SELECT folder, 'sizes', size, COUNT(*) FROM records WHERE size IS NOT NULL
    GROUP BY folder, size
ORDER BY folder, kind, count DESC, value
"""


def list_folders(spool: Spool) -> Iterator[Folder]:
    """Yield what the files of each folder are, sorted by name; only one is in memory at a time."""
    for name, group in groupby(spool.query(_FOLDERS), key=lambda row: row[0]):
        folder: Folder = {
            "folder": json.loads(name), "files": 0, "unreadable": 0, "modes": {}, "depths": {},
            "sizes": {}, "different_sizes": 0,
        }  # fmt: skip
        for _, kind, value, count in group:
            if kind == "files":
                folder["files"] = count
            elif kind == "unreadable":
                folder["unreadable"] = count
            else:
                folder["different_sizes"] += kind == "sizes"
                if folder["different_sizes"] <= _LISTED_SIZES or kind != "sizes":
                    cast(dict[str, dict[str, int]], folder)[kind][value] = count
        yield folder
