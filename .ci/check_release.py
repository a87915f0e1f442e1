"""Check that a release's tag, such as v1.0.0, names the version in the tree.

The version has to be in graytorgb/__init__.py, in conda/recipe.yaml, and in a dated heading of
CHANGELOG.md.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def find_differences(tag: str, root: Path = ROOT) -> list[str]:
    """Return a sentence for each file of the tree that doesn't have the tag's version."""
    version = tag.removeprefix("v")
    if not re.fullmatch(r"v\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?", tag):
        return [f"the tag is {tag!r}, and not v and a version, such as v1.0.0 or v1.0.0rc1"]
    escaped = re.escape(version)
    expected = {
        "graytorgb/__init__.py": f'__version__ = "{escaped}"',
        "CHANGELOG.md": rf"## \[{escaped}\] - \d{{4}}-\d\d-\d\d",
        "conda/recipe.yaml": f'  version: "{escaped}"',
    }
    return [
        f"{name} has no line {pattern!r}"
        for name, pattern in expected.items()
        if not re.search(f"^{pattern}$", (root / name).read_text(encoding="utf-8"), re.MULTILINE)
    ]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("name the tag: make check-release TAG=v1.0.0")
    differences = find_differences(sys.argv[1])
    sys.exit("\n".join(differences) if differences else 0)
