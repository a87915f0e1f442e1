"""How many items a task gets, by the time that the tasks before it took."""

from dataclasses import dataclass

_GROWTH = 8  # a first item may be quick by chance
_MOST = 4096  # items whose names are in memory, and that are lost at once with a worker
_WEIGHT = 0.5  # of the last task, against all before it


@dataclass
class BatchSize:
    """The number of items of the next task, so that a task takes about `target` seconds.

    Attributes
    ----------
    target : float
        Seconds that a task should take. Each task costs a fixed time on its way to a worker and
        back, about a millisecond, so it should take 0.2 or more.
    count : int
        Items of the next task.

    Examples
    --------
    >>> size = BatchSize()
    >>> size.learn(1, seconds=0.01)
    >>> size.count
    8
    >>> size.learn(8, seconds=0.08)
    >>> size.count
    40
    """

    target: float = 0.4
    count: int = 1
    _seconds: float | None = None  # for one item

    def learn(self, items: int, seconds: float) -> None:
        """Take in that a task of so many items took so many seconds in its worker."""
        last = max(seconds, 1e-9) / items
        mean = last if self._seconds is None else _WEIGHT * last + (1 - _WEIGHT) * self._seconds
        self._seconds = mean
        wanted = round(self.target / mean)
        self.count = max(1, min(wanted, self.count * _GROWTH, _MOST))
