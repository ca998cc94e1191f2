"""What a sweep tells while it works: windows as a run does, and the columns done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mlstrat.cli.progress import BarWatcher, PlainWatcher, minutes, watching
from mlstrat.sweep.run import Watching

_SECONDS = 5.0  # between two lines where there is no terminal


class PlainColumns(PlainWatcher, Watching):
    """A line for each stage and window, and now and then one for the columns."""

    _said = 0.0

    def columns(self, done: int, total: int) -> None:
        """Print the columns done, the time taken and the time left."""
        self._pace.windows(done, total)
        now = time.monotonic()
        if done < total and now - self._said < _SECONDS:
            return
        self._said, left = now, self._pace.left
        remaining = f", about {minutes(left)} left" if left and done < total else ""
        self._say(f"  {done:,} of {total:,} columns, {minutes(self._pace.elapsed)} elapsed{remaining}")

    def windows(self, done: int, total: int, cached: int = 0) -> None:
        """Print the windows done; the time left is told of columns."""
        self._say(f"  models of {done} of {total} windows ({cached} from the cache)")


class BarColumns(BarWatcher, Watching):
    """A line with a bar for each stage; that of the columns tells of windows while these are fitted."""

    def columns(self, done: int, total: int) -> None:
        """Move the bar."""
        self._pace.windows(done, total)
        note = f"{done:,} of {total:,} columns"
        self._progress.update(self._task, completed=done, total=total, note=note)

    def windows(self, done: int, total: int, cached: int = 0) -> None:
        """Tell of the windows."""
        self._progress.update(self._task, note=f"models of {done} of {total} windows")


@contextmanager
def watching_columns() -> Iterator[Any]:
    """Yield a `Watching` that suits this process's stderr."""
    with watching(PlainColumns, BarColumns) as watcher:
        yield watcher
