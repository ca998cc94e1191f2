"""What a download tells while it works: a progress bar on a terminal, plain lines elsewhere; on stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from mlstrat.data.remote.fetching import Watch

# Off a terminal, a line for each tenth of the span.
_LINES = 10


class _Lines(Watch):
    """A line for each tenth of the span, and for each wait."""

    def __init__(self, console: Console) -> None:
        self._console, self._told = console, 0

    def page(self, bars: int, reached: str, share: float) -> None:
        if int(share * _LINES) > self._told:
            self._told = int(share * _LINES)
            self._say(f"  {bars:,} new bars, up to {reached} ({share:.0%})")

    def waits(self, reason: str, seconds: float) -> None:
        self._say(f"note: {reason}: asking again in {seconds:g} s")

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class _Bar(_Lines):
    """A line with a bar; waits are told above it."""

    def __init__(self, progress: Progress, title: str) -> None:
        super().__init__(progress.console)
        self._progress = progress
        self._task = progress.add_task(title, total=1.0, note="")

    def page(self, bars: int, reached: str, share: float) -> None:
        self._progress.update(self._task, completed=share, note=f"{bars:,} new bars, up to {reached}")


@contextmanager
def watching(title: str) -> Iterator[Watch]:
    """Yield a watch that suits this process's stderr."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield _Bar(progress, title)
