"""Text for people: numbers, counts, the name that was probably meant, the call that works here."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..errors import GrayToRGBError

_HERE = ". Here: "


def format_number(value: float) -> str:
    """Return a number as text, short.

    >>> format_number(4095), format_number(47969.52), format_number(0.123456)
    ('4,095', '47,970', '0.1235')
    """
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e12 else f"{value:.4g}"


def tell_count(count: int, noun: str) -> str:
    """Return a number of things as text.

    >>> tell_count(1, "image"), tell_count(1200, "image")
    ('1 image', '1,200 images')
    """
    return f"{count:,} {noun}{'s' * (count != 1)}"


def suggest(
    name: Any,
    known: Iterable[str],
    *,
    show: Callable[[str], str] = '"{}"'.format,
    cutoff: float = 0.7,
    most: int = 1,
) -> str:
    """Return a question for a message, which asks for the known names that are like a wrong one.

    Parameters
    ----------
    name : object
        What was given. Upper and lower case are the same.
    known : iterable of str
        The names that there are.
    show : callable
        Returns the text that shows a name. By default it is the name in quotes.
    cutoff : float
        How similar the names have to be, from 0 to 1, as :func:`difflib.get_close_matches` has it.
    most : int
        How many names the question has at most.

    Returns
    -------
    str
        ``""`` where no name is similar.

    Examples
    --------
    >>> suggest("lume", ("luma", "equal", "any"))
    '; did you mean "luma"?'
    >>> suggest(3, ("luma", "equal", "any"))
    ''
    """
    if not isinstance(name, str):
        return ""
    from difflib import get_close_matches  # takes a while to import, and few calls fail

    lower = {each.lower(): each for each in known}
    near = get_close_matches(name.strip().lower(), lower, n=most, cutoff=cutoff)
    return f"; did you mean {' or '.join(show(lower[each]) for each in near)}?" if near else ""


def add_call(error: GrayToRGBError, calls: Mapping[str, str]) -> None:
    """Add the call that works where the user is, to an error that names another function's.

    Parameters
    ----------
    error : GrayToRGBError
        An error that a verb raised. Its `remedies` say which argument would help.
    calls : mapping of str to str
        The call for each argument.

    Examples
    --------
    >>> error = GrayToRGBError("uint16 doesn't tell how deep the image is")
    >>> error.remedies = ("value_range",)
    >>> add_call(error, {"value_range": "ToUint8((lo, hi))"})
    >>> print(error)
    uint16 doesn't tell how deep the image is. Here: ToUint8((lo, hi))
    """
    told = [calls[remedy] for remedy in error.remedies if remedy in calls]
    if told:
        first, *more = error.args
        problem = str(first).partition(_HERE)[0]  # a function inside may have added its own call
        error.args = (f"{problem}{_HERE}{', or '.join(told)}", *more)
