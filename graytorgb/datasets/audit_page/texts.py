"""Texts of a page about an audited set: names of files, numbers, and facts of a record."""

import re
from collections.abc import Callable, Mapping
from itertools import islice

from markupsafe import Markup

from ...core.wording import format_number
from ..audits.files import escape
from ..audits.record import Record

_CAPTION = 64  # characters of a path under a thumbnail

_FACTS: dict[str, Callable[[Record], str]] = {
    "shallow": lambda r: f"{r['effective_bits']} of {r['bits']} bits in use",
    "left-shifted": lambda r: f"multiples of {format_number(r['step'] or 0)}",
    "orientation": lambda r: f"orientation {r['orientation']}",
    "constant": lambda r: f"every value is {format_number(r['min'] or 0)}",
    "not finite": lambda r: f"{r['not_finite']:,} values",
    "several images": lambda r: f"{r['frames']:,} images",
    "copy": lambda r: f"as {shorten(r['copy_of'] or '')}",
}


def tell_facts(name: str, record: Record) -> str:
    """Return what matters of a file under a finding."""
    if name in _FACTS:
        return _FACTS[name](record)
    return f"{'x'.join(map(str, record['shape'] or ()))}, {record['dtype']}"


def show_path(path: str) -> str:
    r"""Return the name of a file so that every character of it can be seen.

    >>> show_path("a\nb\u202e\udcff.png")
    'a\\nb\\u202e\\xff.png'
    """
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in escape(path)
    )


def shorten(path: str) -> str:
    """Return the name of a file with its middle left out if it is long."""
    text = show_path(path)
    return text if len(text) <= _CAPTION else f"{text[:20]}…{text[21 - _CAPTION :]}"


def format_share(share: float) -> str:
    """Return a share as percent; a small one isn't rounded to nothing, nor a large one to all.

    >>> format_share(0.0001), format_share(0.5), format_share(0.99999), format_share(1)
    ('< 0.1%', '50%', '99.9%', '100%')
    """
    if 0 < share < 0.001:
        return "< 0.1%"
    return "99.9%" if 0.999 < share < 1 else f"{100 * share:.3g}%"


def format_bytes(count: int) -> str:
    """Return a number of bytes as text.

    >>> format_bytes(999), format_bytes(25_600_000)
    ('999 bytes', '25.6 MB')
    """
    for unit, name in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count:,} bytes"


def join_counts(counts: Mapping[str, int], most: int = 4) -> str:
    """Return counts as text: the name alone if there is only one.

    >>> join_counts({"PNG": 7}), join_counts({"PNG": 7, "JPEG": 2}), join_counts({})
    ('PNG', 'PNG (7), JPEG (2)', 'none')
    >>> join_counts({"gray, 8 bits": 7, "RGB, 8 bits": 2, "binary": 1}, most=2)
    'gray, 8 bits (7); RGB, 8 bits (2) and 1 more'
    """
    if len(counts) < 2:
        return "".join(counts) or "none"
    told = [f"{name} ({count:,})" for name, count in islice(counts.items(), most)]
    rest = len(counts) - most
    separator = "; " if any("," in name for name in counts) else ", "
    return separator.join(told) + (f" and {rest:,} more" if rest > 0 else "")


def break_code(code: str) -> Markup:
    """Return code or a path as HTML that may be broken after its marks, on a narrow screen.

    >>> break_code("a.b(<c>)"), break_code("a/b_c.png")
    (Markup('a.<wbr>b(<wbr>&lt;c&gt;)'), Markup('a/<wbr>b_<wbr>c.<wbr>png'))
    """
    parts = str(Markup.escape(code))
    return Markup(re.sub(r"(?<=[./_(])(?=[^./_(])", "<wbr>", parts))  # they are escaped


def keep_words(code: str) -> Markup:
    """Return code as HTML whose words are broken only if one alone is too long for a line.

    >>> keep_words("convert --to gray")
    Markup('<span>convert</span> <span>--to</span> <span>gray</span>')
    """
    words = (Markup("<span>{}</span>").format(break_code(word)) for word in code.split(" "))
    return Markup(" ").join(words)
