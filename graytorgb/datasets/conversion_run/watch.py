"""``Watch``: an object that is told how far a conversion is."""

from typing import Protocol


class Watch(Protocol):
    """An object that is told how far a run is, such as a progress bar."""

    def begin(self, step: str, total: int | None) -> None:
        """Begin a step, with the number of its images if that is known."""
        ...

    def advance(self, images: int) -> None:
        """Learn that so many images more are done."""
        ...


class Silence:
    """A watch that tells nothing."""

    def begin(self, step: str, total: int | None) -> None:
        """Do nothing."""

    def advance(self, images: int) -> None:
        """Do nothing."""
