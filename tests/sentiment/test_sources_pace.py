"""Rate limit and breaker against their definitions."""

import random

import pytest

from mlstrat.sentiment.sources.pace import Breaker, Clock, TokenBucket


class Hands:
    """A clock that is set by hand."""

    def __init__(self):
        self.time = 0.0
        self.clock = Clock(lambda: self.time, self.pass_by)

    def pass_by(self, seconds):
        self.time += seconds


@pytest.mark.parametrize(("rate", "burst"), [(1.0, 1), (0.5, 1), (10.0, 4), (50 / 900, 10)])
def test_no_span_of_time_holds_more_requests_than_the_rate_and_the_burst(rate, burst):
    hands, dice, times = Hands(), random.Random(7), []
    bucket = TokenBucket(rate, hands.clock, burst)
    for _ in range(300):
        hands.pass_by(dice.choice([0, 0, 0, 0.3, 2.0, 30.0]) / rate)
        hands.pass_by(bucket.wait())
        assert bucket.wait() == 0
        bucket.take()
        times.append(hands.time)
    for first, start in enumerate(times):
        for last in range(first, len(times)):
            assert last - first + 1 <= burst + (times[last] - start) * rate + 1e-4


def test_requests_that_are_due_wait_no_longer_than_they_must():
    hands = Hands()
    bucket = TokenBucket(2.0, hands.clock, 3)
    waits = []
    for _ in range(6):
        waits.append(bucket.wait())
        hands.pass_by(waits[-1])
        bucket.take()
    assert waits == pytest.approx([0, 0, 0, 0.5, 0.5, 0.5])


def test_a_server_that_asks_to_wait_is_obeyed():
    hands = Hands()
    bucket = TokenBucket(1.0, hands.clock)
    bucket.hold(30)
    bucket.hold(10)
    assert bucket.wait() == 30
    hands.pass_by(30)
    assert bucket.wait() == 0


def test_the_breaker_opens_after_failures_in_a_row_and_lets_one_through_after_the_pause():
    hands = Hands()
    breaker = Breaker(3, 60.0, hands.clock)
    for succeeded in (False, False, True, False, False):
        breaker.record(succeeded)
        assert breaker.rest() == 0
    breaker.record(False)
    assert breaker.rest() == 60
    hands.pass_by(45)
    assert breaker.rest() == 15
    hands.pass_by(15)
    assert breaker.rest() == 0
    breaker.record(False)
    assert breaker.rest() == 60
    hands.pass_by(60)
    breaker.record(True)
    breaker.record(False)
    assert breaker.rest() == 0
