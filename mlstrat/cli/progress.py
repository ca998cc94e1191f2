"""What a run tells while it works: a progress bar on a terminal, plain lines elsewhere; on stderr."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from mlstrat.pipeline import Watcher

Clock = Callable[[], float]


class Pace:
    """How long the windows that are left will take, from those fitted so far in this run.

    Parameters
    ----------
    clock : callable
        Seconds of a clock that never goes back.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._began: float | None = None
        self._kept = 0
        self.due: float | None = None

    def windows(self, done: int, total: int, cached: int = 0) -> None:
        """Take note of the windows done; the first call gives those kept from an earlier run.

        Windows whose models came from a cache take next to no time and say nothing of those to come.
        """
        now = self._clock()
        if self._began is None:
            self._began, self._kept = now, done
        fitted = done - self._kept - cached
        if fitted:
            self.due = now + (now - self._began) / fitted * (total - done)

    @property
    def elapsed(self) -> float:
        """Seconds since the first window began."""
        return 0.0 if self._began is None else self._clock() - self._began

    @property
    def left(self) -> float | None:
        """Seconds until the last window is due; None before the first one is fitted."""
        return None if self.due is None else max(self.due - self._clock(), 0.0)


def minutes(seconds: float) -> str:
    """Return seconds as minutes and seconds, such as 1:05."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def _count(done: int, total: int, cached: int) -> str:
    from_cache = f" ({cached} from the cache)" if cached else ""
    return f"{done} of {total} windows{from_cache}"


class PlainWatcher(Watcher):
    """A line for each stage and each window."""

    def __init__(self, say: Callable[[str], None], pace: Pace | None = None) -> None:
        self._say, self._pace = say, pace or Pace()

    def stage(self, text: str) -> None:
        """Print the stage."""
        self._say(f"{text} ...")

    def note(self, text: str) -> None:
        """Print the note."""
        self._say(f"note: {text}")

    def windows(self, done: int, total: int, cached: int = 0) -> None:
        """Print the windows done, the time taken and the time left."""
        self._pace.windows(done, total, cached)
        left = self._pace.left
        remaining = "" if not left else f", about {minutes(left)} left"
        self._say(f"  {_count(done, total, cached)}, {minutes(self._pace.elapsed)} elapsed{remaining}")


class BarWatcher(Watcher):
    """A line with a bar for each stage."""

    def __init__(self, progress: Progress, pace: Pace) -> None:
        self._progress, self._pace = progress, pace
        self._finish: Callable[[], None] = lambda: None

    def stage(self, text: str) -> None:
        """Begin a line."""
        self._finish()
        task = self._progress.add_task(text, total=None, note="")

        def finish() -> None:
            total = self._progress.tasks[self._progress.task_ids.index(task)].total or 1
            self._progress.update(task, total=total, completed=total)

        self._task, self._finish = task, finish

    def note(self, text: str) -> None:
        """Print the note above the bars."""
        self._progress.console.print(f"note: {text}", markup=False, highlight=False)

    def windows(self, done: int, total: int, cached: int = 0) -> None:
        """Move the bar."""
        self._pace.windows(done, total, cached)
        note = _count(done, total, cached)
        self._progress.update(self._task, completed=done, total=total, note=note)

    def close(self) -> None:
        """Finish the last line."""
        self._finish()


class _LeftColumn(ProgressColumn):
    def __init__(self, pace: Pace) -> None:
        super().__init__()
        self._pace = pace

    def render(self, task: Task) -> Text:
        left = self._pace.left
        if not task.fields["note"] or task.finished or left is None:
            return Text("")
        return Text(f"about {minutes(left)} left")


@contextmanager
def watching(
    plain: type[PlainWatcher] = PlainWatcher, bar: type[BarWatcher] = BarWatcher
) -> Iterator[Watcher]:
    """Yield a watcher that suits this process's stderr: of the one kind, or on a terminal of the other."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield plain(lambda line: console.print(line, markup=False, highlight=False))
        return
    pace = Pace()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        _LeftColumn(pace),
    )
    with Progress(*columns, console=console) as progress:
        watcher = bar(progress, pace)
        yield watcher
        watcher.close()
