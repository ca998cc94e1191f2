"""How many headlines are scored: a counting line on a terminal, a line now and then elsewhere; on stderr."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

Clock = Callable[[], float]
# Seconds between two lines where stderr is no terminal.
_PAUSE = 10.0


@contextmanager
def counting(
    console: Console | None = None, clock: Clock = time.monotonic
) -> Iterator[Callable[[int], None]]:
    """Yield what is told the number of headlines scored so far.

    Parameters
    ----------
    console : Console, optional
        By default this process's stderr.
    clock : callable
        Seconds of a clock that never goes back.
    """
    console = console or Console(stderr=True)
    began = clock()

    def line(done: int) -> str:
        return f"{done:,} headlines scored, {done / max(clock() - began, 1e-9):,.0f} a second"

    if not console.is_terminal:
        yield _now_and_then(lambda done: console.print(line(done), markup=False, highlight=False), clock)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("scoring headlines", total=None)
        yield lambda done: progress.update(task, description=line(done))


def _now_and_then(say: Callable[[int], None], clock: Clock) -> Callable[[int], None]:
    last = clock()

    def told(done: int) -> None:
        nonlocal last
        now = clock()
        if now - last >= _PAUSE:
            last = now
            say(done)

    return told
