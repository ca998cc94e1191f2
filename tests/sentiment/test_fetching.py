"""Fetching into a store: what is asked again, what fails, and what a kill leaves."""

import multiprocessing
import random
import re
import signal
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from mlstrat.errors import DataError, MissingExtraError
from mlstrat.sentiment.items import Item, SourceError

pytest.importorskip("sqlalchemy")

from mlstrat.sentiment.fetching import OVERLAP, OVERLAPS, FetchWatcher, fetch_into
from mlstrat.sentiment.sources.web import Unfinished
from mlstrat.sentiment.store import Added, SentimentStore

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


class Fake:
    """A source with a text an hour, each visible from `delay` after its publication."""

    def __init__(self, name="newsapi", delay=timedelta(0), error=None):
        self.name, self.delay, self.error, self.clock, self.asked = name, delay, error, None, []

    def fetch(self, symbol, since, until):
        self.asked.append((since, until))
        if self.error:
            raise self.error
        hours = range(-(-(since - START) // timedelta(hours=1)) if since >= START else 0, 24 * 60)
        items = [Item(self.name, str(k), f"Bitcoin text {k}", START + timedelta(hours=k)) for k in hours]
        seen = self.clock() if self.clock else until
        return [
            one
            for one in items
            if since <= one.published_at < until and one.published_at + self.delay <= seen
        ]


class Clock:
    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now


@pytest.fixture
def store(tmp_path):
    with SentimentStore(str(tmp_path / "texts.db")) as opened:
        yield opened


def test_the_second_fetch_asks_from_the_overlap_on(store):
    source, clock = Fake(), Clock(START + 5 * DAY)
    first = fetch_into(store, [source], "BTCUSDT", START, clock)
    assert first.added == Added(new=120)
    assert first.worked == ("newsapi",)
    clock.now += DAY
    second = fetch_into(store, [source], "BTC-USD", START, clock)
    assert second.added == Added(new=24, known=26)
    assert source.asked == [(START, START + 5 * DAY), (START + 5 * DAY - OVERLAP, START + 6 * DAY)]
    assert store.fetched("newsapi", "BTC") == (START, START + 6 * DAY)


def test_a_day_that_a_source_holds_texts_back_loses_none(store):
    source, clock = Fake(delay=DAY), Clock(START + 5 * DAY)
    source.clock = clock
    for _ in range(4):
        fetch_into(store, [source], "BTCUSDT", START, clock)
        clock.now += timedelta(hours=31)
    assert len(store) == (5 * 24 + 3 * 31) - 24 + 1


def test_an_earlier_beginning_is_fetched_and_a_later_one_leaves_no_gap(store):
    source, clock = Fake(), Clock(START + 10 * DAY)
    fetch_into(store, [source], "BTC", START + 5 * DAY, clock)
    fetch_into(store, [source], "BTC", START + 2 * DAY, clock)
    assert source.asked[-1] == (START + 2 * DAY, clock.now)
    clock.now += 20 * DAY
    fetch_into(store, [source], "BTC", START + 28 * DAY, clock)
    assert source.asked[-1][0] == START + 10 * DAY - OVERLAP
    assert store.fetched("newsapi", "BTC") == (START + 2 * DAY, clock.now)
    assert len(store) == 28 * 24


def test_until_bounds_what_is_asked_and_marked(store):
    source, clock = Fake(), Clock(START + 10 * DAY)
    fetch_into(store, [source], "BTC", START, clock, until=START + 3 * DAY)
    assert store.fetched("newsapi", "BTC") == (START, START + 3 * DAY)
    report = fetch_into(store, [source], "BTC", START, clock, until=START + DAY)
    assert report.worked == ("newsapi",)
    assert store.fetched("newsapi", "BTC") == (START, START + 3 * DAY)
    fetch_into(store, [source], "BTC", START, clock, until=START + 99 * DAY)
    assert source.asked[-1] == (START + 3 * DAY - OVERLAP, clock.now)


def test_symbols_and_sources_have_their_own_spans(store):
    clock = Clock(START + 3 * DAY)
    one, other = Fake("newsapi"), Fake("x")
    fetch_into(store, [one, other], "BTC", START, clock)
    fetch_into(store, [one], "ETH", START + DAY, clock)
    assert one.asked[-1][0] == START + DAY
    clock.now += DAY
    fetch_into(store, [other], "BTC", START, clock)
    assert other.asked[-1][0] == START + 3 * DAY - timedelta(hours=2)


def test_files_are_read_whole_each_time(store):
    source, clock = Fake("file"), Clock(START + 3 * DAY)
    for _ in range(2):
        fetch_into(store, [source], "BTC", START, clock)
    assert source.asked == [(START, clock.now)] * 2
    assert store.fetched("file", "BTC") is None


def test_a_text_counts_as_seen_when_its_source_has_answered(store):
    clock = Clock(START + DAY)

    class Slow(Fake):
        def fetch(self, symbol, since, until):
            clock.now += timedelta(minutes=10)
            return super().fetch(symbol, since, until)

    fetch_into(store, [Slow()], "BTC", START, clock)
    seen = store.headlines().seen_at.astype("datetime64[m]").astype(datetime)
    assert {moment.replace(tzinfo=UTC) for moment in seen} == {START + DAY + timedelta(minutes=10)}
    assert store.fetched("newsapi", "BTC") == (START, START + DAY)


@pytest.mark.parametrize(
    "error",
    [SourceError("it answers 500: try later."), MissingExtraError("sentiment", "praw", "Reddit")],
)
def test_a_failing_source_is_told_and_asked_again(store, error):
    broken, fine, clock = Fake("x", error=error), Fake(), Clock(START + DAY)
    told = []

    class Watch(FetchWatcher):
        def begins(self, source, since, until):
            told.append(source)

        def ends(self, fetched):
            told.append(bool(fetched.warning))

    report = fetch_into(store, [broken, fine], "BTC", START, clock, Watch())
    assert told == ["x", True, "newsapi", False]
    assert report.warnings == (str(error),)
    assert report.worked == ("newsapi",)
    assert store.fetched("x", "BTC") is None
    broken.error = None
    clock.now += DAY
    fetch_into(store, [broken], "BTC", START, clock)
    assert broken.asked[-1] == (START, clock.now)


def test_what_a_source_never_gives_is_told_and_not_asked_for_again(store):
    """The newest 1,000 posts of a span are all there is of it: the next fetch goes on behind them."""
    came, why = Item("x", "1", "Bitcoin text", START), "x gave the newest 1,000 and no older ones."
    source, clock = Fake("x", error=Unfinished(why, (came,), final=True)), Clock(START + DAY)
    report = fetch_into(store, [source], "BTC", START, clock)
    assert (report.added, report.warnings) == (Added(new=1), (why,))
    assert store.fetched("x", "BTC") == (START, START + DAY)
    clock.now += DAY
    fetch_into(store, [source], "BTC", START, clock)
    assert source.asked[-1] == (START + DAY - OVERLAPS["x"], clock.now)


def test_what_came_before_a_source_broke_off_is_kept_and_asked_again(store):
    came = Item("newsapi", "1", "Bitcoin text", START)
    broken, clock = Fake(error=Unfinished("page 2 is missing: ask again.", (came,))), Clock(START + DAY)
    report = fetch_into(store, [broken], "BTC", START, clock)
    assert (report.added, report.worked) == (Added(new=1), ("newsapi",))
    assert report.warnings == ("page 2 is missing: ask again.",)
    assert store.fetched("newsapi", "BTC") is None


def test_a_failing_store_is_no_failing_source(store, monkeypatch):
    def full(*_, **__):
        raise DataError("the disk is full: free space.")

    monkeypatch.setattr(store, "add", full)
    with pytest.raises(DataError, match="disk is full"):
        fetch_into(store, [Fake()], "BTC", START, Clock(START + DAY))
    assert store.fetched("newsapi", "BTC") is None


def test_what_was_never_asked_is_not_marked(store):
    """A span long before the known one leaves a gap between them, which is asked for later."""
    source, clock = Fake(), Clock(START + 30 * DAY)
    fetch_into(store, [source], "BTC", START + 20 * DAY, clock)
    fetch_into(store, [source], "BTC", START, clock, until=START + 5 * DAY)
    assert store.fetched("newsapi", "BTC") == (START + 20 * DAY, START + 30 * DAY)
    clock.now += DAY
    fetch_into(store, [source], "BTC", START, clock)
    assert source.asked[-1] == (START, clock.now)
    assert store.fetched("newsapi", "BTC") == (START, clock.now)
    assert len(store) == 31 * 24


def test_two_fetches_at_once_do_not_shrink_the_span(store):
    """Both begin before either has ended; the later end does not undo what the other one marked."""
    inner, clock = Fake(), Clock(START + 30 * DAY)

    class Outer(Fake):
        def fetch(self, symbol, since, until):
            fetch_into(store, [inner], symbol, START, clock)
            return super().fetch(symbol, since, until)

    fetch_into(store, [Outer()], "BTC", START + 20 * DAY, clock)
    assert store.fetched("newsapi", "BTC") == (START, START + 30 * DAY)


def test_a_source_that_was_just_asked_is_left_alone(store):
    source, other, clock = Fake(), Fake("x"), Clock(START + 5 * DAY)
    fetch_into(store, [source], "BTC", START + DAY, clock)
    clock.now += timedelta(minutes=4, seconds=59)
    report = fetch_into(store, [source, other], "BTC", START + DAY, clock)
    assert [one.note for one in report.fetched] == ["asked less than five minutes ago", ""]
    assert report.worked == ("newsapi", "x")
    assert not report.warnings
    assert len(source.asked) == 1
    fetch_into(store, [source], "BTC", START + DAY, clock, pause=timedelta(0))
    assert len(source.asked) == 2
    fetch_into(store, [source], "BTC", START, clock)
    assert source.asked[-1] == (START, clock.now)
    fetch_into(store, [source], "ETH", START, clock)
    assert len(source.asked) == 4
    clock.now += timedelta(minutes=5)
    fetch_into(store, [source], "BTC", START, clock)
    assert len(source.asked) == 5


def test_two_sources_of_one_name_are_both_asked(store):
    one, other, clock = Fake("own"), Fake("own"), Clock(START + DAY)
    fetch_into(store, [one, other], "BTC", START, clock)
    assert one.asked == other.asked == [(START, clock.now)]


class Nameless:
    def fetch(self, symbol, since, until):
        return []


class Broken:
    name = "broken"

    def __init__(self, gives):
        self.gives = gives

    def fetch(self, symbol, since, until):
        if isinstance(self.gives, Exception):
            raise self.gives
        return self.gives


@pytest.mark.parametrize(
    ("source", "what"),
    [
        (Nameless(), r".*Nameless has no name: "),
        (Broken([1, 2]), r"broken "),
        (Broken(None), r"broken broke on an answer"),
        (Broken(5), r"broken broke on an answer"),
        (Broken(KeyError("canary")), r"broken broke on an answer \(KeyError\)"),
        (Broken(Unfinished("it broke off: ask again.", ("text",))), r"broken "),
    ],
)
def test_nothing_that_a_source_does_is_raised(store, source, what):
    report = fetch_into(store, [source, Fake()], "BTC", START, Clock(START + DAY))
    assert re.match(what, report.warnings[0])
    assert "canary" not in report.warnings[0]
    assert report.worked == ("newsapi",)
    assert len(store) == 24
    assert store.fetched("broken", "BTC") is None


STEP = timedelta(minutes=5)
# Steps between two fetches.
ROUND = 48


class Busy:
    """A source with a text each five minutes."""

    def __init__(self, name):
        self.name = name

    def fetch(self, symbol, since, until):
        first, last = ((moment - START) // STEP for moment in (since, until))
        return [Item(self.name, str(k), text_of(self.name, k), START + k * STEP) for k in range(first, last)]


BUSY = ("newsapi", "x", "reddit")


def text_of(name: str, k: int) -> str:
    return f"Bitcoin text {name} {k}"


def fetch_busily(place: str, begins: int, times: int) -> None:
    """Fetch as the hours go by."""
    clock = Clock(START + begins * STEP)
    with SentimentStore(place) as store:
        for _ in range(times):
            fetch_into(store, [Busy(name) for name in BUSY], "BTC", START, clock)
            clock.now += ROUND * STEP


def whole_spans(place: str) -> tuple[int, int]:
    """Check that each text is there once, and all of the marked spans; return the span's steps and texts."""
    steps = []
    with SentimentStore(place) as store:
        texts = store.headlines(language="").texts
        for name in BUSY:
            span = store.fetched(name, "BTC")
            steps.append(span[1] - START if span else timedelta(0))
            assert {text_of(name, k) for k in range(steps[-1] // STEP)} <= set(texts)
    assert len(set(texts)) == len(texts)
    return max(steps) // STEP, len(texts)


@pytest.mark.skipif(sys.platform != "linux", reason="forks and kills a process")
def test_sigkill_loses_nothing_and_doubles_nothing(tmp_path):
    """20 kills at random moments; behind each the marked spans are whole, and at the end all texts once."""
    draw, place, steps, reached = random.Random(3), str(tmp_path / "texts.db"), 100, []
    for _ in range(20):
        process = multiprocessing.get_context("fork").Process(target=fetch_busily, args=(place, steps, 1_000))
        process.start()
        time.sleep(draw.uniform(0.0, 0.4))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        steps, _ = whole_spans(place)
        steps = max(steps, 100)
        reached.append(steps)
    assert len(set(reached)) > 5, "hardly a fetch ended between two kills"
    # What was added and not marked before the last kill lies at most one round behind the last mark.
    end = steps + ROUND
    fetch_busily(place, end, 1)
    assert whole_spans(place) == (end, 3 * end)
