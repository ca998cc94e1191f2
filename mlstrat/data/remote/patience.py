"""Asking again: a failure that may pass is waited for, longer each time, up to a deadline."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
# Beyond any wait that is chosen: 2**20 s is 12 days.
_MOST_DOUBLINGS = 20


class Hiccup(Exception):
    """A request that failed in a way that may pass.

    Parameters
    ----------
    reason : str
        What happened, to stand in brackets behind a sentence.
    wait : float
        Seconds that the server asks to wait (Retry-After); 0 where it asks for none.
    answered : bool
        Whether a server answered at all.
    """

    def __init__(self, reason: str, wait: float = 0.0, answered: bool = True) -> None:
        self.reason, self.wait, self.answered = reason, wait, answered
        super().__init__(reason)


@dataclass(frozen=True)
class Patience:
    """How long to go on asking.

    Parameters
    ----------
    total : float
        Seconds from the first try of a request to the start of its last.
    longest : float
        Longest wait that is chosen here, in seconds; a server may ask for a longer one.
    unreachable : int
        Tries of the very first request while no server answers, so that no network is told soon.
    sleep, clock : callable
        Wait for seconds; seconds of a clock that never goes back.
    """

    total: float = 120.0
    longest: float = 30.0
    unreachable: int = 3
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


class Retrier:
    """Make requests patiently.

    Parameters
    ----------
    patience : Patience
        How long to go on asking.
    waits : callable
        Told the reason and the seconds before each wait.
    """

    def __init__(self, patience: Patience, waits: Callable[[str, float], None]) -> None:
        self._patience, self._waits = patience, waits
        self._reached = False

    def __call__(self, request: Callable[[], T]) -> T:
        """Return what the request returns once it succeeds; waits double from 1 s.

        Raises
        ------
        Hiccup
            The last one, when patience is at an end.
        """
        began = self._patience.clock()
        for attempt in itertools.count(1):
            try:
                result = request()
            except Hiccup as hiccup:
                wait = max(min(2.0 ** min(attempt - 1, _MOST_DOUBLINGS), self._patience.longest), hiccup.wait)
                spent = self._patience.clock() - began + wait
                if spent > self._patience.total or self._hopeless(attempt, hiccup):
                    raise
                self._waits(hiccup.reason, wait)
                self._patience.sleep(wait)
            else:
                self._reached = True
                return result
        raise AssertionError("itertools.count ends")

    def _hopeless(self, attempt: int, hiccup: Hiccup) -> bool:
        self._reached = self._reached or hiccup.answered
        return not self._reached and attempt >= self._patience.unreachable
