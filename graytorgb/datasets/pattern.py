"""Patterns of names such as ``scans/**/*.png``: which files match, and where to look."""

import re
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache


def accept_all(path: str) -> bool:
    """Accept every path."""
    return True


def has_wildcard(text: str) -> bool:
    """Return whether a path is a pattern.

    >>> has_wildcard("scans/*.png"), has_wildcard("scans/a.png")
    (True, False)
    """
    return any(mark in text for mark in "*?[")


def split_pattern(text: str) -> tuple[str, str]:
    """Return the folder before a pattern's first wildcard, and the pattern inside that folder.

    >>> split_pattern("scans/a/**/*.png")
    ('scans/a', '**/*.png')
    """
    parts = text.split("/")
    fixed = next(k for k, part in enumerate(parts) if has_wildcard(part))
    folder = "/".join(parts[:fixed])
    return folder or ("/" if fixed else ""), "/".join(parts[fixed:])


@dataclass(frozen=True)
class Pattern:
    """A pattern for paths below a folder, with the rules of :mod:`glob`.

    ``*``, ``?`` and ``[...]`` match within one name, ``**`` any number of folders. A name that
    begins with a dot is matched by a part that begins with one. The tree of a folder that matches
    belongs to it.

    Examples
    --------
    >>> pattern = Pattern("**/*.png")
    >>> pattern.keeps("a/b/c.png"), pattern.keeps("c.jpg"), pattern.enters("a/.git")
    (True, False, False)
    """

    text: str

    def keeps(self, path: str) -> bool:
        """Return whether a file matches, or is in a folder that matches."""
        return _match(self._parts, path.split("/"), False)

    def enters(self, path: str) -> bool:
        """Return whether files in a folder may match."""
        return _match(self._parts, path.split("/"), True)

    @property
    def _parts(self) -> list[str]:
        return self.text.split("/")


@lru_cache(256)
def _compile(part: str) -> re.Pattern[str]:
    return re.compile(translate(part))


def _match(parts: list[str], names: list[str], is_start: bool) -> bool:
    """Return whether names match the parts of a pattern, or may with more names after them."""
    if not parts:
        return True  # the names left are in a folder that matches
    if parts == ["**"]:
        return not any(name.startswith(".") for name in names)
    if not names:
        return is_start
    if parts[0] == "**":
        return _match(parts[1:], names, is_start) or (
            not names[0].startswith(".") and _match(parts, names[1:], is_start)
        )
    if names[0].startswith(".") and not parts[0].startswith("."):
        return False
    return bool(_compile(parts[0]).match(names[0])) and _match(parts[1:], names[1:], is_start)
