"""Every source against every fault: items or a counted failure, within the rate and the deadline."""

import math
import re
import time
import tracemalloc

import pytest
from news_server import (
    HOURS,
    NOW,
    START,
    TestClock,
    answers,
    bomb,
    breaks_off,
    clock_of,
    drips,
    fifty_megabytes,
    gather,
    gzip_bomb,
    once,
    redirects,
    resets,
    sends,
    serving,
    sources_at,
    truncated_gzip,
    waits,
)

from mlstrat.sentiment.items import Item, SourceError
from mlstrat.sentiment.sources.gathering import Guarded
from mlstrat.sentiment.sources.pace import Limits
from mlstrat.sentiment.sources.registry import SOURCES
from mlstrat.sentiment.sources.web import Access, Unfinished, Web

NAMES = tuple(SOURCES)
# Requests a second, and at once, that each source may be asked at most.
RATES = dict.fromkeys(NAMES, (1.0, 1)) | {"cryptopanic": (0.5, 1), "x": (50 / 900, 10)}
HASTY = Limits(deadline=12, attempts=2, silence=0.1, first_wait=0.5)
# How far a fetch may overrun: the look-up and the reading after the last byte.
SLACK = 1.0

PASSING = {
    "429": answers(429),
    "429 with Retry-After": answers(429, Retry_After="3"),
    "429 with a date": answers(429, Retry_After="Sun, 10 Mar 2024 07:30:04 GMT"),
    "500": answers(500),
    "503 in HTML": sends(b"<html>busy</html>", "text/html", 503),
    "408": answers(408),
    "silence": waits(0.2),
    "reset": resets,
    "fewer bytes than announced": breaks_off,
    "truncated gzip": truncated_gzip,
    "damaged gzip": sends(b"\x1f\x8b\x08\x00junkjunkjunk", Content_Encoding="gzip"),
    "no gzip": sends(b"plain", Content_Encoding="gzip"),
}
LASTING = {
    "HTML for JSON": sends(b"<!doctype html><html><body>Checking your browser</body></html>", "text/html"),
    "HTML said to be JSON": sends(b"\n <html></html>"),
    "50 MB": fifty_megabytes,
    "50 MB in a gzip of 50 kB": gzip_bomb,
    "an unknown encoding": sends(b"\x00\x01", Content_Encoding="br"),
    "drip": drips(0.1),
    "400": answers(400),
    "401": answers(401),
    "404": answers(404),
    "451 with a list": sends(b"[1]", status=451),
    "204": answers(204),
    "redirect elsewhere": redirects("https://example.org/"),
    "429 for an hour": answers(429, Retry_After="3600"),
}
ODD = {
    "nothing": sends(b""),
    "truncated JSON": sends(b'{"articles": [{"title": "Bitc'),
    "no UTF-8": sends(b'{"articles": ["\xff\xfe"]}'),
    "NaN": sends(b'{"articles": NaN, "data": NaN, "results": NaN}'),
    "nested": sends(b"[" * 200_000),
    "a digit number": sends(b'{"data": ' + b"9" * 6_000 + b"}"),
    "null": sends(b"null"),
    "a list": sends(b"[[], {}, 1]"),
    "lists elsewhere": sends(b'{"articles": {}, "data": "x", "results": 7, "meta": [], "kind": 3}'),
    "rows of other types": sends(
        b'{"articles": [1, null, []], "data": [2], "results": ["x", {}], "meta": 1}'
    ),
}


@pytest.fixture
def server():
    with serving(TestClock()) as one:
        yield one


def check_pace(server, name):
    rate, burst = RATES[name]
    times = server.times
    for first, start in enumerate(times):
        for last in range(first, len(times)):
            # As many as are in the bucket, and those that dropped in meanwhile.
            assert last - first + 1 <= burst + (times[last] - start) * rate + 0.05


def gathered(server, name, limits=HASTY, cache=None):
    sources = sources_at(server, limits, (name,), cache)
    began = server.clock.now()
    found = gather(sources, "BTCUSDT", START, NOW)
    assert server.clock.now() - began < limits.deadline + SLACK
    check_pace(server, name)
    assert all(isinstance(item, Item) for item in found.items)
    return found


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_costs_a_try(server, fault):
    for name in NAMES:
        server.times.clear()
        server.fault = once(PASSING[fault])
        found = gathered(server, name, Limits(deadline=100, attempts=3, silence=0.15))
        assert found.failures == {}, name
        assert found.counts == {name: 6 if name == "fear_greed" else HOURS}


@pytest.mark.parametrize("fault", [*PASSING, *LASTING, *ODD])
def test_a_fault_that_stays_ends_in_a_counted_sentence(server, fault):
    server.fault = {**PASSING, **LASTING, **ODD}[fault]
    for name in NAMES:
        server.times.clear()
        found = gathered(server, name)
        # An empty list of days, or rows that are none, is an answer without texts.
        if found.failures:
            sentence = found.failures[name]
            assert sentence.endswith(".")
            assert ": " in sentence
            assert "\n" not in sentence
        else:
            assert fault == "rows of other types", (name, fault)
        assert found.items == ()
        assert found.counts == {name: 0}


WRONG = [
    None,
    True,
    -1,
    0,
    1e308,
    10**400,
    3.7,
    "",
    "x" * 100_000,
    "\x00\ud800\u202e",
    [],
    {},
    [[]],
    {"a": {}},
]


def replaced(content, depth, value):
    """Yield a document for each place of its tree: there stands the value."""
    if depth and isinstance(content, dict):
        for key, part in content.items():
            yield {**content, key: value}
            yield from ({**content, key: other} for other in replaced(part, depth - 1, value))
    if depth and isinstance(content, list) and content:
        yield [value, *content[1:]]
        yield from ([other, *content[1:]] for other in replaced(content[0], depth - 1, value))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "rss"])
def test_a_wrong_value_in_any_place_harms_nothing_else(server, name):
    fast = Limits(deadline=10_000, attempts=1, failures=10**9, pages=9)
    (source,) = sources_at(server, fast, (name,))
    told: list[dict] = []
    server.change = lambda answer: told.append(answer) or answer
    gather([source], "BTCUSDT", START, NOW)
    answer = small(told[-1])
    tried = failed = 0
    for value in WRONG:
        for changed in list(replaced(answer, 4, value))[:: 1 if value in (None, 10**400) else 5]:
            server.change = lambda _, changed=changed: changed
            found = gather([source], "BTCUSDT", START, NOW)
            tried, failed = tried + 1, failed + len(found.failures)
            assert all(math.isfinite(item.reach) and len(item.text) <= 2_000 for item in found.items)
            assert "broke on an answer" not in found.failures.get(name, "")
    print(f"{name}: {tried} answers with a wrong value, {failed} told as failures, none raised")  # noqa: T201


def small(answer):
    """The answer with lists of two."""
    if isinstance(answer, dict):
        return {key: small(part) for key, part in answer.items()}
    return [small(part) for part in answer[:2]] if isinstance(answer, list) else answer


@pytest.mark.parametrize("name", ["newsapi", "cryptopanic", "reddit"])
def test_pages_without_an_end_are_cut_off_and_what_came_is_kept(server, name):
    server.endless = True
    found = gathered(server, name, Limits(deadline=1000, pages=3))
    # NewsAPI's pages overlap by the article at whose time they end.
    assert found.counts[name] == {"newsapi": 297, "cryptopanic": 3, "reddit": 300}[name]
    assert found.failures[name] == (
        f"{name} has more than 3 pages for this span: fetch a shorter one, from --since to --until."
    )
    assert not found.final


@pytest.mark.parametrize(("name", "n"), [("x", 10), ("reddit", 1_000)])
def test_the_newest_thousand_of_pages_without_an_end_are_told_as_such(server, name, n):
    server.endless = True
    found = gathered(server, name, Limits(deadline=1000))
    assert found.counts == {name: n}
    assert found.final == {name}
    assert found.failures == {
        name: f"{name} gave the newest 1,000 of the span and no older ones: fetch more often, or a shorter "
        "span, from --since to --until."
    }
    assert sum(path.startswith(("/2/", "/r/")) for _, path, _ in server.asked) == 10


@pytest.mark.parametrize("name", ["cryptopanic", "x"])
def test_pages_in_a_circle_are_noticed(server, name):
    def circle(answer):
        if "next" in answer:
            return {**answer, "next": f"{server.url}/api/developer/v2/posts/?page=2"}
        return {**answer, "meta": {"result_count": 100, "next_token": "page2"}}

    server.change = circle
    found = gathered(server, name, Limits(deadline=1000))
    assert found.failures[name] == f"{name} leads from page to page in a circle: ask again later."
    assert len(server.times) == 2
    assert found.counts[name] > 0


def test_the_next_page_of_another_host_is_not_asked_for(server):
    server.change = lambda answer: {**answer, "next": "https://example.org/api/developer/v2/posts/?page=2"}
    found = gathered(server, "cryptopanic", Limits(deadline=1000))
    assert (found.counts, found.failures, len(server.times)) == ({"cryptopanic": 20}, {}, 1)


def test_a_failure_on_the_way_keeps_what_came_before(server):
    server.fault = lambda handler: len(server.times) > 1 and answers(500)(handler)
    found = gathered(server, "newsapi", Limits(deadline=1000, attempts=2))
    assert found.counts == {"newsapi": 100}
    assert found.failures["newsapi"] == (
        "newsapi goes on failing (HTTP 500): ask again later, or check the network."
    )


@pytest.mark.parametrize("fault", [fifty_megabytes, gzip_bomb])
@pytest.mark.parametrize("name", ["newsapi", "rss"])
def test_a_body_of_50_megabytes_is_never_held(server, name, fault):
    (source,) = sources_at(server, Limits(), (name,))
    gather([source], "BTC", START, NOW)
    bomb()
    server.fault = fault
    tracemalloc.start()
    try:
        found = gather([source], "BTC", START, NOW)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "bytes, which was cut off: look at the address in a browser." in found.failures[name]
    print(f"{name}: {peak / 1e6:.1f} MB at most")  # noqa: T201
    # The limit of 10 MB, once as it grows and once as it is copied.
    assert peak < 25e6


def test_a_server_that_drips_for_ever_is_left_at_the_deadline():
    for what in (b"X-Drip: 1\r\n", b"x"):
        # Real time: a deadline of bytes, not of sleeps.
        with serving(TestClock()) as server:
            server.fault = drips(10, what)
            (source,) = sources_at(server, Limits(deadline=0.4, silence=0.3), ("newsapi",))
            began = time.monotonic()
            found = gather([source], "BTC", START, NOW)
            assert time.monotonic() - began < 0.4 + SLACK
            assert "no answer in time" in found.failures["newsapi"]


def test_retry_after_is_waited_for_and_no_longer_one_is_asked_against(server):
    server.fault = once(answers(429, Retry_After="7"))
    (source,) = sources_at(server, Limits(deadline=60), ("newsapi",))
    assert len(gather([source], "BTC", START, NOW).items) == HOURS
    assert server.times[1] - server.times[0] == pytest.approx(7, abs=0.2)

    server.times.clear()
    server.fault = answers(429, Retry_After="600")
    sentence = gather([source], "BTC", START, NOW).failures["newsapi"]
    assert sentence.startswith("newsapi goes on failing (HTTP 429; it asks to wait 600 s): ask again later")
    server.fault = None
    server.clock.sleep(100)
    sentence = gather([source], "BTC", START, NOW).failures["newsapi"]
    assert sentence.startswith("newsapi may not be asked for 500 s, by its rate limit, which is longer")
    assert len(server.times) == 1
    server.clock.sleep(500)
    assert len(gather([source], "BTC", START, NOW).items) == HOURS


def test_a_source_that_fails_again_and_again_is_left_alone_and_tried_again(server):
    (source,) = sources_at(server, Limits(attempts=1, failures=3, pause=300), ("fear_greed",))
    server.fault = answers(500)

    def sentence():
        server.clock.sleep(1)
        return gather([source], "BTC", START, NOW).failures.get("fear_greed", "")

    assert ["HTTP 500" in sentence() for _ in range(3)] == [True] * 3
    assert "failed 3 times in a row and is left alone for 299 s more: ask again then." in sentence()
    assert len(server.times) == 3
    server.clock.sleep(300)
    # One request is let through; it fails, and the pause begins anew.
    assert "HTTP 500" in sentence()
    assert "failed 4 times in a row" in sentence()
    assert len(server.times) == 4
    server.clock.sleep(300)
    server.fault = None
    assert [sentence() for _ in range(3)] == [""] * 3


def test_no_network_is_a_sentence():
    with serving(TestClock()) as server:
        pass
    found = gather(sources_at(server, HASTY), "BTC", START, NOW)
    assert set(found.failures) == set(NAMES)
    for name, sentence in found.failures.items():
        assert "cannot be reached (no connection: " in sentence, name
        assert "Connection refused" in sentence


def test_what_any_library_raises_is_told_without_its_words(server):
    class Broken:
        name = "broken"

        def fetch(self, symbol, since, until):
            raise ZeroDivisionError("with a CANARY key")

    found = gather([Broken(), *sources_at(server, HASTY, ("fear_greed",))], "BTC", START, NOW)
    assert found.failures == {
        "broken": "broken broke on an answer (ZeroDivisionError): ask again later, and report it."
    }
    assert found.counts == {"broken": 0, "fear_greed": 6}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([1, 2], "odd gives a int for a text: return Items."),
        ("words", "odd gives a str for a text: return Items."),
        (None, "odd broke on an answer (TypeError): ask again later, and report it."),
    ],
)
def test_a_source_that_gives_no_items_is_a_failure(given, sentence):
    class Odd:
        name = "odd"

        def fetch(self, symbol, since, until):
            return given

    class Broken(Odd):
        def fetch(self, symbol, since, until):
            raise Unfinished("page 2 is missing: ask again.", given)

    for kind in (Odd, Broken):
        with pytest.raises(SourceError, match=re.escape(sentence)):
            Guarded(kind()).fetch("BTC", START, NOW)


@pytest.mark.parametrize("name", [None, "", " ", 3])
def test_a_source_without_a_name_is_a_failure_by_the_name_of_its_class(name):
    class Nameless:
        def fetch(self, symbol, since, until):
            return ()

    source = Nameless()
    if name is not None:
        source.name = name
    assert Guarded(source).name == "Nameless"
    with pytest.raises(SourceError, match="of the class Nameless has no name: give it one, a text"):
        Guarded(source).fetch("BTC", START, NOW)


def test_headers_of_any_kind_harm_nothing(server):
    web = Web("test", (server.url,), Access(None, clock_of(server.clock), HASTY), 1.0)
    odd = {"Retry-After": "-1", "Set-Cookie": "a=b", "Location": "\x80", "Content-Type": "text/\xe9"}
    server.fault = sends(b"{}", "x", 200, **odd)
    with web.visit() as visit:
        assert visit.json(f"{server.url}/x", {}) == {}
