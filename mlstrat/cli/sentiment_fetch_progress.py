"""What a fetch of texts tells while it works: a line a source, on stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from mlstrat.sentiment.fetching import Fetched, FetchWatcher
from mlstrat.sentiment.store import Added


class _Lines(FetchWatcher):
    """A line for each source that has ended."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def ends(self, fetched: Fetched) -> None:
        self._console.print(_line(fetched), markup=False, highlight=False, soft_wrap=True)


class _Spinner(FetchWatcher):
    """A line with the time for each source."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def begins(self, source: str, since: datetime, until: datetime) -> None:
        about = escape(f"{source}: {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M}")
        self._task = self._progress.add_task(about, total=None)

    def ends(self, fetched: Fetched) -> None:
        line = escape(_line(fetched))
        self._progress.update(self._task, description=line, total=1, completed=1)


@contextmanager
def watching(console: Console | None = None) -> Iterator[FetchWatcher]:
    """Yield a watcher that suits this process's stderr."""
    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        yield _Spinner(progress)


def _line(fetched: Fetched) -> str:
    added = fetched.added
    if fetched.note:
        return f"{fetched.source}: {fetched.note}"
    if fetched.warning and added == Added():
        return f"{fetched.source}: failed"
    revised = f", {added.revised:,} revised" if added.revised else ""
    broken = ", then it broke off" if fetched.warning else ""
    return f"{fetched.source}: {added.new:,} new{revised}, {added.known:,} known{broken}"
