"""``Watch``: what is told of a conversion while it goes on."""

from typing import Protocol


class Watch(Protocol):
    """What is told of a run while it goes on."""

    def begin(self, step: str, total: int | None) -> None:
        """Begin a step, with the number of its images if that is known."""
        ...

    def advance(self, images: int) -> None:
        """So many images more are done."""
        ...


class Silence:
    """A watch that tells nothing."""

    def begin(self, step: str, total: int | None) -> None:
        """Do nothing."""

    def advance(self, images: int) -> None:
        """Do nothing."""
