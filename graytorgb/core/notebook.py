"""Cards for notebooks: a small piece of HTML with a title, rows, and perhaps a picture or a table.

The colors are the notebook's own, so that a card is readable on light and on dark ground. Nothing
is written to the disk, and nothing is fetched.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from html import escape
from typing import Any

Rows = Iterable[tuple[str, str]]

_LONGEST = 300  # characters of a text: a card is small
# Notebooks have styles of their own for tables, which these replace
_CELL = (
    "padding:1px 12px 1px 0;border:0;background:none;text-align:{align};vertical-align:top;"
    "font-weight:400;overflow-wrap:anywhere;max-width:36em;white-space:normal"
)
_MARKS = {True: ("#1b9e77", "✓"), False: ("#d95f02", "✗")}  # told apart by their signs too


def make_card(
    title: str,
    rows: Rows,
    *,
    picture: str = "",
    notes: Sequence[str] = (),
    table: str = "",
    passed: bool | None = None,
) -> str:
    """Return a card as HTML.

    Parameters
    ----------
    title : str
        The first line. This text and all others are escaped here.
    rows : iterable of (str, str)
        Names and values. A row without a value is left out.
    picture, table : str
        HTML that :func:`make_picture` or :func:`make_table` returned.
    notes : sequence of str
        Sentences below the rows; the first three are shown.
    passed : bool, optional
        What a mark before the title says, if there is one.

    Examples
    --------
    >>> "&lt;b&gt;" in make_card("<b>", [("shape", "4 x 5")])
    True
    """
    line, sign = ("rgba(128,128,128,.5)", "") if passed is None else _MARKS[passed]
    mark = f'<span style="color:{line}">{sign}</span> ' if sign else ""
    body = "".join(_make_row((name, value), texts=2) for name, value in rows if value)
    grid = f'<table style="{_TABLE}">{body}</table>' if body else ""
    told = "".join(
        f'<div style="margin-top:4px;opacity:.8;max-width:48em;overflow-wrap:anywhere">'
        f"{_shorten(note)}</div>"
        for note in notes[:3]
    )
    if len(notes) > 3:
        told += f'<div style="opacity:.8">and {len(notes) - 3} more notes</div>'
    text = (
        f'<div style="min-width:0"><div style="font-weight:600;overflow-wrap:anywhere">'
        f"{mark}{_shorten(title)}</div>{grid}{table}{told}</div>"
    )
    return (
        '<div style="display:inline-flex;flex-wrap:wrap;gap:14px;align-items:flex-start;'
        f"max-width:100%;box-sizing:border-box;border:1px solid rgba(128,128,128,.4);"
        f"border-left:4px solid {line};border-radius:6px;padding:10px 14px;margin:2px 0;"
        f'font-size:13px;line-height:1.45;color:inherit">{picture}{text}</div>'
    )


def make_table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, texts: int = 1) -> str:
    """Return a table as HTML: the first `texts` columns are text, and the others are figures."""
    head = _make_row(heads, tag="th", texts=texts)
    body = "".join(_make_row(row, texts=texts) for row in rows)
    return (
        f'<div style="overflow-x:auto"><table style="{_TABLE}"><thead style="border:0">{head}'
        f"</thead><tbody>{body}</tbody></table></div>"
    )


def make_picture(png: str, width: int, caption: str, description: str, *, pixelated: bool) -> str:
    """Return a picture as HTML, of a PNG file in base64."""
    rendering = "image-rendering:pixelated;" if pixelated else ""
    return (
        '<figure style="margin:0;max-width:100%">'
        f'<img src="data:image/png;base64,{png}" width="{width}" alt="{_shorten(description)}" '
        f'style="{rendering}display:block;max-width:100%;height:auto;margin:0;'
        'border:1px solid rgba(128,128,128,.4)">'
        f'<figcaption style="font-size:11px;opacity:.75;max-width:{max(width, 120)}px">'
        f"{_shorten(caption)}</figcaption></figure>"
    )


def call_safely(make: Callable[[], str], instead: Any) -> str:
    """Return what `make` returns, or a text in its place if it fails: to look must never raise."""
    for text in (make, lambda: f"<pre>{escape(repr(instead))}</pre>"):
        with suppress(Exception):  # whatever an object that someone made by hand holds
            return text()
    return f"<pre>{escape(object.__repr__(instead))}</pre>"


_TABLE = "border-collapse:collapse;border:0;margin:4px 0 0;font-size:inherit;width:auto"


def _make_row(cells: Sequence[str], *, tag: str = "td", texts: int = 1) -> str:
    """Return a row of a table."""
    parts = []
    for place, cell in enumerate(cells):
        style = _CELL.format(align="left" if place < texts else "right")
        style += ";opacity:.75" if place == 0 or tag == "th" else ""
        parts.append(f'<{tag} style="{style}">{_shorten(cell)}</{tag}>')
    return f'<tr style="background:none;border:0">{"".join(parts)}</tr>'


def _shorten(text: str) -> str:
    """Return a text, escaped, without the end of a long one and without broken characters."""
    text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    # a byte of a file's name that isn't text, which no encoding has
    return escape(text.encode("utf-8", "backslashreplace").decode("utf-8"))
