"""Bars on stderr that tell how much of each step is done, how fast, and how long the rest takes."""

from collections.abc import Callable
from threading import Thread

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from .console import make_console


class RateColumn(ProgressColumn):
    """How many files or images are done in a second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        """Return the rate as text, empty while it isn't known."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} {self.unit}/s")


class ProgressBar:
    """A bar for each step of a command.

    Parameters
    ----------
    unit : str or None
        What is counted, for the rate: ``"files"``, ``"images"``. Without one the bar shows how long
        it took until now.
    stays : bool
        Whether the bars are left at the end, and are written where stderr is no terminal.

    Attributes
    ----------
    step : str
        The step that was begun last.
    done : int
        How many units of this step are done.
    """

    def __init__(self, unit: str | None, *, stays: bool) -> None:
        console = make_console(stderr=True)
        rates: list[ProgressColumn] = [TimeElapsedColumn()]
        if unit is not None:
            rates = [RateColumn(unit), TimeRemainingColumn()]
        self._progress = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(),
            *rates, console=console, transient=not stays,
            disable=not (stays or console.is_terminal), refresh_per_second=4,
        )  # fmt: skip
        self.step, self.done = "", 0

    def __enter__(self) -> "ProgressBar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self, step: str, total: int | Callable[[], int] | None) -> None:
        """Begin a step with a bar of its own.

        A function that counts how many units there are runs in a thread, because to list a large
        tree takes a while; the bar shows the time left once it is done.
        """
        self.step, self.done = step, 0
        self._task = self._progress.add_task(step, total=None if callable(total) else total)
        if callable(total) and not self._progress.disable:
            Thread(target=self._find_total, args=(self._task, total), daemon=True).start()

    def advance(self, count: int) -> None:
        """Draw that so many more are done."""
        self.done += count
        self._progress.advance(self._task, count)

    def describe(self, what: str) -> None:
        """Draw what is done now, beside the bar."""
        self._progress.update(self._task, description=what)

    def _find_total(self, task: TaskID, count: Callable[[], int]) -> None:
        try:
            self._progress.update(task, total=count())
        except OSError:
            return  # the command itself meets it, and says so
