"""The results of the coverage in Markdown."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from graytorgb.measure.machine import summarize_machine

from ...tables import table
from .results import VERDICTS, Result

# What tells two refusals for one reason apart: names of layers and numbers
_PARTICULARS = re.compile(r"'[^']*'|\d+(\.\d+)?(e-?\d+)?")


def make_markdown(document: dict[str, Any]) -> str:
    """Return the totals, the networks that aren't exact, by reason, and all networks."""
    results = [Result(**row) for row in document["networks"]]
    packages = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    lines = [
        f"{len(results)} of the {document['listed']} networks of the list, with random weights, "
        'adapted by `how="collapse"`, and beside it by `how="expand"`.',
        *([f"Only those in which `{document['only']}` is found."] if document["only"] else []),
        "",
        *_count_verdicts(results),
        "",
        *(f"- **{verdict}**: {VERDICTS[verdict]}" for verdict in _find_verdicts(results)),
        "",
        f"Versions: {packages}. {summarize_machine(document['machine'])}.",
    ]
    for verdict in _find_verdicts(results):
        if verdict != "exact":
            lines += ["", f"**{verdict}, by reason**", "", *_list_reasons(results, verdict)]
    lines += ["", "**All networks**", "", *table(HEADS, map(make_row, results), len(HEADS))]
    return "\n".join(lines) + "\n"


def _find_verdicts(results: Iterable[Result]) -> list[str]:
    found = {result.verdict for result in results}
    return [verdict for verdict in VERDICTS if verdict in found]


def _count_verdicts(results: list[Result]) -> list[str]:
    """Return the lines of a table: how many networks of each library have each verdict."""
    verdicts = _find_verdicts(results)
    counts = Counter((result.library, result.verdict) for result in results)
    libraries = list(dict.fromkeys(result.library for result in results))
    expands = Counter(result.library for result in results if result.expand == "yes")
    rows = []
    for library in [*libraries, "all"]:
        chosen = libraries if library == "all" else [library]
        numbers = [sum(counts[name, verdict] for name in chosen) for verdict in verdicts]
        cells = [sum(numbers), *numbers, sum(expands[name] for name in chosen)]
        rows.append([library, *map(str, cells)])
    return table(["library", "networks", *verdicts, "`expand` exact"], rows)


def _list_reasons(results: list[Result], verdict: str) -> list[str]:
    """Return a line for each reason, with the networks that it is of; the commonest is first."""
    groups = defaultdict(list)
    for result in results:
        if result.verdict == verdict:
            groups[_PARTICULARS.sub("_", result.reason)].append(result)
    ordered = sorted(groups.values(), key=len, reverse=True)
    return [f"- {len(group)}: {group[0].reason} ({_name_all(group)})" for group in ordered]


def _name_all(group: list[Result]) -> str:
    return "; ".join(f"{each.library} {each.family}" for each in group)


HEADS = (
    "library", "family", "network", "result", "largest difference", "stem", "`expand`",
)  # fmt: skip


def make_row(result: Result) -> list[str]:
    """Return the cells of a network's line in a table, under `HEADS`."""
    verdict = result.verdict + (f": {result.reason}" if result.reason else "")
    cells = [result.library, result.family, result.network, verdict]
    cells += [_tell_difference(result), result.stem, result.expand]
    return [cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells]


def _tell_difference(result: Result) -> str:
    """Return the difference that decided, and its precision if that isn't float32."""
    if result.float64 is not None:
        return f"{result.float64:.1e} (float64; {result.float32:.1e} in float32)"
    return "" if result.float32 is None else f"{result.float32:.1e}"
