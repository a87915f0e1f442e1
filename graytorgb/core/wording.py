"""Numbers and counts as text for people."""


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
