"""How fast, how long and how often a source is asked: clock, limits, token bucket, circuit breaker."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

# Waits below this are rounding of the clock.
_ROUNDING = 1e-6


def utc_now() -> datetime:
    """Return the system's time."""
    return datetime.now(UTC)


# Times that move with the clock are asked about in steps of this length, so that a question asked again soon
# is word for word the same and the cache can answer it.
STEP = timedelta(minutes=5)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def stepped(moment: datetime) -> datetime:
    """Return a moment rounded down to five minutes."""
    return moment - (moment - _EPOCH) % STEP


@dataclass(frozen=True)
class Clock:
    """The world's time.

    Parameters
    ----------
    now : callable
        Seconds of a clock that never goes back.
    sleep : callable
        Wait for seconds.
    utc : callable
        The moment, with time zone.
    """

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    utc: Callable[[], datetime] = utc_now


@dataclass(frozen=True)
class Limits:
    """What a source may cost.

    Parameters
    ----------
    deadline : float
        Seconds of one fetch, with all its pages, tries and waits. The look-up of a host's name is the
        system's own and not counted.
    attempts : int
        Tries of one request.
    first_wait, longest_wait : float
        Seconds before the second try, doubled for each further one up to the longest.
    silence : float
        Longest wait for a connection or for the next bytes, in seconds.
    body : int
        Longest answer in bytes, unpacked.
    pages : int
        Most pages of one fetch.
    failures : int
        Failed requests in a row after which a source is left alone.
    pause : float
        For how many seconds it is.
    kept : float
        Seconds for which a cached answer stands for a new one.
    """

    deadline: float = 60.0
    attempts: int = 4
    first_wait: float = 1.0
    longest_wait: float = 20.0
    silence: float = 15.0
    body: int = 10_000_000
    pages: int = 50
    failures: int = 3
    pause: float = 300.0
    kept: float = 300.0


class TokenBucket:
    """A rate limit: tokens drop in at a rate, and each request takes one.

    Parameters
    ----------
    per_second : float
        The rate.
    clock : Clock
        The time.
    burst : int
        Tokens that the bucket holds. It is full at first.
    """

    def __init__(self, per_second: float, clock: Clock, burst: int = 1) -> None:
        self._per_second, self._clock, self._burst = per_second, clock, burst
        self._tokens, self._at = float(burst), clock.now()
        self._held_until = self._at

    def wait(self) -> float:
        """Return the seconds until the next request is allowed."""
        now = self._clock.now()
        self._tokens = min(float(self._burst), self._tokens + (now - self._at) * self._per_second)
        self._at = now
        wait = max((1.0 - self._tokens) / self._per_second, self._held_until - now)
        return wait if wait > _ROUNDING else 0.0

    def take(self) -> None:
        """Take a token, after the wait."""
        self._tokens -= 1.0

    def hold(self, seconds: float) -> None:
        """Allow nothing for some seconds, because the server asks for it."""
        self._held_until = max(self._held_until, self._clock.now() + seconds)


class Breaker:
    """Leaves a source alone that fails again and again, then tries it with single requests.

    Parameters
    ----------
    failures : int
        Failures in a row that open it.
    pause : float
        Seconds that it stays open; then one request is let through, and its failure opens it again.
    clock : Clock
        The time.
    """

    def __init__(self, failures: int, pause: float, clock: Clock) -> None:
        self._limit, self._pause, self._clock = failures, pause, clock
        self._open_until = clock.now()
        self.failed_in_a_row = 0

    def rest(self) -> float:
        """Return the seconds for which no request is let through; 0 = ask."""
        return max(self._open_until - self._clock.now(), 0.0)

    def record(self, succeeded: bool) -> None:
        """Hear how a request ended."""
        self.failed_in_a_row = 0 if succeeded else self.failed_in_a_row + 1
        if self.failed_in_a_row >= self._limit:
            self._open_until = self._clock.now() + self._pause
