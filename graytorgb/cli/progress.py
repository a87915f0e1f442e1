"""A bar on stderr that tells how many files are done, how fast, and how long the rest takes."""

from collections.abc import Callable
from threading import Thread

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TimeRemainingColumn,
)
from rich.text import Text


class RateColumn(ProgressColumn):
    """How many files are done in a second."""

    def render(self, task: Task) -> Text:
        """Return the rate as text, empty while it isn't known."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s", style="progress.data.speed")


class FileProgress:
    """A bar that is drawn only if stderr is a terminal.

    Parameters
    ----------
    count : callable
        Returns how many files there are. It runs in a thread of its own, because to list a large
        tree takes a while; the bar shows the time left once it is done.
    """

    def __init__(self, count: Callable[[], int]) -> None:
        console = Console(stderr=True)
        columns = (BarColumn(), MofNCompleteColumn(), RateColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=console, transient=True,
            disable=not console.is_terminal, refresh_per_second=4)  # fmt: skip
        self._task = self._progress.add_task("", total=None)
        self._count = count
        self.done = 0

    def __enter__(self) -> "FileProgress":
        self._progress.start()
        if not self._progress.disable:
            Thread(target=self._find_total, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def advance(self, files: int) -> None:
        """Tell that so many more files are done."""
        self.done += files
        self._progress.advance(self._task, files)

    def _find_total(self) -> None:
        try:
            self._progress.update(self._task, total=self._count())
        except OSError:
            return  # the audit itself meets it, and says so
