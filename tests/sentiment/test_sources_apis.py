"""Each source against a server that speaks its documented form."""

import base64
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlparse

import pytest
from news_server import (
    END,
    HOURS,
    NOW,
    SECRETS,
    START,
    TestClock,
    answers,
    at,
    clock_of,
    fear_greed,
    gather,
    once,
    redirects,
    sends,
    serving,
    sources_at,
)

from mlstrat.errors import ConfigError
from mlstrat.sentiment.items import SourceError
from mlstrat.sentiment.sources.fear_greed import FearGreed
from mlstrat.sentiment.sources.newsapi import NewsApi
from mlstrat.sentiment.sources.pace import Limits
from mlstrat.sentiment.sources.registry import SOURCES
from mlstrat.sentiment.sources.rss import Rss
from mlstrat.sentiment.sources.web import Access

PATIENT = Limits(deadline=1000, silence=5)
NAMES = tuple(SOURCES)


@pytest.fixture
def server():
    with serving(TestClock()) as one:
        yield one


def only(server, name, limits=PATIENT, cache=None):
    return sources_at(server, limits, (name,), cache)[0]


def asked(server, number=-1):
    return {key: value[0] for key, value in parse_qs(urlparse(server.asked[number][1]).query).items()}


@pytest.mark.parametrize("name", [name for name in NAMES if name != "fear_greed"])
def test_every_text_of_the_span_comes_once_and_oldest_first(server, name):
    items = only(server, name).fetch("BTCUSDT", at(10), at(140))
    assert [item.published_at for item in items] == [at(hour) for hour in range(10, 140)]
    assert [item.text.removesuffix(" $BTC") for item in items] == [
        f"Bitcoin headline {h}" for h in range(10, 140)
    ]
    assert {item.source for item in items} == {name}
    assert len({item.key for item in items}) == len(items)
    assert all(item.time_known for item in items)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_text_has_the_same_key_when_fetched_again(server, name):
    source = only(server, name)
    assert source.fetch("BTCUSDT", START, NOW) == source.fetch("BTCUSDT", START, NOW)


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("newsapi", {"publisher": "CoinDesk", "language": "en", "reach": 0, "subjects": ()}),
        ("cryptopanic", {"publisher": "decrypt.co", "language": "en", "reach": 10, "subjects": ("BTC",)}),
        ("x", {"publisher": "@someone", "language": "en", "reach": 50, "subjects": ()}),
        ("reddit", {"publisher": "r/CryptoCurrency", "language": "", "reach": 20, "subjects": ()}),
        ("rss", {"publisher": "127.0.0.1", "language": "en", "reach": 0, "subjects": ()}),
    ],
)
def test_what_a_source_tells_of_a_text_is_kept(server, name, facts):
    item = only(server, name).fetch("BTCUSDT", at(149), NOW)[0]
    assert {key: getattr(item, key) for key in facts} == facts | (
        {"publisher": item.publisher} if name == "rss" else {}
    )
    assert item.polarity is None
    assert item.url.startswith("https://")


def test_fear_and_greed_is_a_polarity_a_day_whose_time_is_not_known(server):
    items = only(server, "fear_greed").fetch("BTCUSDT", START, NOW)
    # The first of seven days is stamped before START; values are 14, 24, ... 74.
    assert [item.polarity for item in items] == pytest.approx([-0.52, -0.32, -0.12, 0.08, 0.28, 0.48])
    assert [item.published_at for item in items] == [
        datetime(2024, 3, day, tzinfo=UTC) for day in range(5, 11)
    ]
    assert not any(item.time_known for item in items)
    assert items[-1].text == "Fear & Greed index 74: Fear"
    assert only(server, "fear_greed").fetch("SPY", START, NOW) == ()


@pytest.mark.parametrize("value", ["101", "-1", "", None, 3.5, "seven", "1e2", [50], True, "٥٠"])
def test_a_fear_and_greed_value_out_of_range_is_no_value(server, value):
    stamp = fear_greed()["data"][0]["timestamp"]
    server.change = lambda answer: {"data": [{"value": value, "timestamp": stamp}]}
    assert only(server, "fear_greed").fetch("BTC", START, NOW) == ()


@pytest.mark.parametrize(
    ("name", "symbol", "parameter", "query"),
    [
        ("newsapi", "BTCUSDT", "q", '"bitcoin" OR "bitcoins" OR "BTC"'),
        ("newsapi", "LINKUSDT", "q", '"chainlink"'),
        ("newsapi", "AAPL", "q", '"AAPL" AND (stock OR shares OR ETF OR crypto OR token)'),
        ("x", "ETH-USD", "query", "(ethereum OR ether OR $ETH OR #ETH) -is:retweet lang:en"),
        ("x", "BNBUSDT", "query", '("binance coin" OR "bnb chain" OR $BNB OR #BNB) -is:retweet lang:en'),
        ("x", "SPY", "query", "($SPY OR #SPY) -is:retweet lang:en"),
        ("cryptopanic", "BINANCE:BTCUSDT.P", "currencies", "BTC"),
        ("reddit", "SPY", "q", '"SPY"'),
    ],
)
def test_a_symbol_is_asked_for_by_its_names(server, name, symbol, parameter, query):
    only(server, name).fetch(symbol, START, NOW)
    assert asked(server)[parameter] == query


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_symbol_is_refused_before_anything_is_asked(server, name):
    with pytest.raises(SourceError, match="cannot be asked about '/': give a symbol such as BTCUSDT"):
        only(server, name).fetch("/", START, NOW)
    assert server.asked == []


def test_keys_travel_as_each_source_wants_them(server):
    gather(sources_at(server, PATIENT), "BTCUSDT", at(140), NOW)
    headers = {urlparse(path).path: {**sent, "path": path} for _, path, sent in server.asked}
    assert headers["/v2/everything"]["x-api-key"] == SECRETS["newsapi_key"]
    assert headers["/2/tweets/search/recent"]["authorization"] == f"Bearer {SECRETS['x_bearer']}"
    pair = f"{SECRETS['reddit_client_id']}:{SECRETS['reddit_client_secret']}"
    basic = base64.b64encode(pair.encode()).decode()
    assert headers["/api/v1/access_token"]["authorization"] == f"Basic {basic}"
    panic = parse_qs(urlparse(headers["/api/developer/v2/posts/"]["path"]).query)
    assert panic["auth_token"] == [SECRETS["cryptopanic_key"]]
    for path, sent in headers.items():
        assert ("CANARY" in sent["path"]) == ("cryptopanic" in path or "/v2/posts" in path)


def test_newsapi_pages_by_time_so_that_100_results_of_a_plan_are_no_limit(server):
    assert len(only(server, "newsapi").fetch("BTCUSDT", START, NOW)) == HOURS
    assert [asked(server, n)["to"] for n in (0, 1)] == ["2024-03-10T07:30:00", "2024-03-06T02:30:00"]
    assert {asked(server, n)["pageSize"] for n in (0, 1)} == {"100"}


def test_x_is_asked_for_seven_days_and_not_for_the_last_seconds(server):
    only(server, "x").fetch("BTCUSDT", START - timedelta(days=30), NOW)
    assert asked(server, 0)["start_time"] == "2024-03-03T07:35:00Z"
    assert asked(server, 0)["end_time"] == "2024-03-10T07:25:00Z"
    with pytest.raises(SourceError, match="x finds posts of the last seven days only: ask for later times"):
        only(server, "x").fetch("BTCUSDT", START - timedelta(days=30), START - timedelta(days=8))


def test_a_feed_is_asked_only_whether_it_has_changed(server, tmp_path):
    source = only(server, "rss", cache=tmp_path)
    first, again = (source.fetch("BTCUSDT", START, NOW) for _ in range(2))
    assert first == again
    assert len(first) == HOURS
    assert [sent.get("if-none-match") for _, _, sent in server.asked] == [None, '"v1"']


@pytest.mark.parametrize("name", ["newsapi", "cryptopanic", "x", "fear_greed"])
def test_a_question_asked_again_soon_is_answered_from_the_cache(server, tmp_path, name):
    source = only(server, name, cache=tmp_path)
    first = source.fetch("BTCUSDT", START, END)
    questions = len(server.asked)
    # The cache is the same for a new process.
    assert only(server, name, cache=tmp_path).fetch("BTCUSDT", START, END) == first
    assert len(server.asked) == questions


@pytest.mark.parametrize("name", ["newsapi", "x"])
def test_a_span_that_goes_along_with_the_clock_is_answered_from_the_cache_too(server, tmp_path, name):
    source, server.clock.at_start = only(server, name, cache=tmp_path), NOW + timedelta(minutes=1)
    first = source.fetch("BTCUSDT", at(50) + timedelta(seconds=7), NOW + timedelta(seconds=60))
    questions = len(server.asked)
    server.clock.sleep(100)
    again = source.fetch("BTCUSDT", at(50) + timedelta(seconds=107), NOW + timedelta(seconds=160))
    assert first == again
    assert [item.published_at for item in first] == [at(hour) for hour in range(51, HOURS)]
    assert len(server.asked) == questions
    server.clock.sleep(300)
    source.fetch("BTCUSDT", at(50) + timedelta(seconds=407), NOW + timedelta(seconds=460))
    assert len(server.asked) > questions


@pytest.mark.parametrize("name", ["newsapi", "x"])
def test_nothing_is_asked_beyond_what_is_wanted(server, name):
    until = at(100) + timedelta(minutes=7, seconds=3)
    items = only(server, name).fetch("BTCUSDT", at(90), until)
    assert [item.published_at for item in items] == [at(hour) for hour in range(90, 101)]
    end = asked(server, 0)["to" if name == "newsapi" else "end_time"].removesuffix("Z")
    assert end == until.strftime("%Y-%m-%dT%H:%M:%S")
    server.asked.clear()
    assert only(server, name).fetch("BTCUSDT", NOW, NOW + timedelta(seconds=30)) == ()
    assert server.asked == []


def too_far(status, code):
    """A plan that goes back 30 days before NOW."""

    def fault(handler):
        first = parse_qs(urlparse(handler.path).query)["from"][0]
        if datetime.fromisoformat(first + "+00:00") >= NOW - timedelta(days=30):
            return False
        body = {"status": "error", "code": code, "message": "You are trying to request results too far back."}
        return sends(json.dumps(body).encode(), status=status)(handler)

    return fault


@pytest.mark.parametrize(
    ("status", "code"), [(426, "parameterInvalid"), (400, "parameterInvalid"), (426, "maximumResultsReached")]
)
def test_newsapi_is_asked_for_four_weeks_where_a_plan_does_not_go_further_back(server, status, code):
    server.fault = too_far(status, code)
    assert len(only(server, "newsapi").fetch("BTCUSDT", NOW - timedelta(days=60), NOW)) == HOURS
    assert [asked(server, n)["from"] for n in (0, 1)] == ["2024-01-10T07:30:00", "2024-02-11T07:30:00"]
    with pytest.raises(SourceError, match=rf"newsapi refuses \(HTTP {status}: You are trying"):
        only(server, "newsapi").fetch("BTCUSDT", NOW - timedelta(days=60), NOW - timedelta(days=40))


def test_newsapi_is_asked_again_once_only_and_for_no_other_refusal(server):
    server.fault = answers(426)
    with pytest.raises(SourceError, match="HTTP 426"):
        only(server, "newsapi").fetch("BTCUSDT", NOW - timedelta(days=60), NOW)
    assert len(server.asked) == 2
    server.fault = answers(400)
    with pytest.raises(SourceError, match="HTTP 400"):
        only(server, "newsapi").fetch("BTCUSDT", NOW - timedelta(days=60), NOW)
    assert len(server.asked) == 3


def test_a_cache_that_cannot_be_used_is_gone_without(server, tmp_path):
    (tmp_path / "web.db").write_bytes(b"no database" * 1000)
    (tmp_path / "file").write_text("")
    for folder in (tmp_path, tmp_path / "file"):
        for name in ("fear_greed", "rss"):
            assert len(only(server, name, cache=folder).fetch("BTC", START, NOW)) in (6, HOURS)
    assert len(server.asked) == 4


def test_a_failure_is_not_cached(server, tmp_path):
    source = only(server, "fear_greed", Limits(attempts=1, deadline=1000), tmp_path)
    for fault in (sends(b"<html>later</html>", "text/html"), answers(500), sends(b'{"dat')):
        server.fault = once(fault)
        with pytest.raises(SourceError, match="fear_greed"):
            source.fetch("BTC", START, NOW)
        server.clock.sleep(1000)
    assert len(source.fetch("BTC", START, NOW)) == 6


def test_texts_about_other_coins_and_entries_without_a_time_are_left_out_of_feeds(server):
    server.titles = lambda hour: f"Ethereum headline {hour}" if hour % 2 else f"Market headline {hour}"
    source = only(server, "rss")
    # A feed's tag counts too: here every article is filed under Bitcoin.
    assert len(source.fetch("BTCUSDT", START, NOW)) == HOURS
    assert len(source.fetch("SOLUSDT", START, NOW)) == 0
    assert len(source.fetch("ETHUSDT", START, NOW)) == HOURS / 2


@pytest.mark.parametrize(
    ("title", "named"),
    [("Inflows to $SPY", 1), ("SPY falls", 1), ("SPY, QQQ up", 1), ("Up: (SPY).", 1), ("Spying on SPYX", 0)],
)
def test_what_is_no_coin_has_to_be_named_in_a_feed(server, title, named):
    server.titles = lambda hour: title
    assert len(only(server, "rss").fetch("SPY", START, NOW)) == named * HOURS


def test_one_feed_that_fails_leaves_the_others(server):
    access = Access(None, clock_of(server.clock), PATIENT)
    found = gather([Rss(access, [f"{server.url}/none", f"{server.url}/feed.xml"])], "BTC", START, NOW)
    assert found.counts == {"rss": HOURS}
    assert "1 of 2 feeds failed; rss feed 127.0.0.1" in found.failures["rss"]
    assert "refuses (HTTP 404): check its address." in found.failures["rss"]


@pytest.mark.parametrize("content", [b"", b"no feed", b"<html><body>x</body></html>", b"\xff\xfe\x00", b"{}"])
def test_what_is_no_feed_is_told(server, content):
    server.fault = sends(content, "application/xml")
    with pytest.raises(SourceError, match="is no feed: look at its address in a browser"):
        only(server, "rss").fetch("BTC", START, NOW)


def test_a_stamp_at_midnight_counts_as_a_day_without_a_time(server):
    server.titles = lambda hour: "Bitcoin"
    server.fault = sends(
        b"<feed xmlns='http://www.w3.org/2005/Atom'><title>n</title><entry><id>1</id><title>Bitcoin</title>"
        b"<published>2024-03-05</published></entry></feed>",
        "application/atom+xml",
    )
    (item,) = only(server, "rss").fetch("BTC", START, NOW)
    assert (item.published_at, item.time_known) == (datetime(2024, 3, 5, tzinfo=UTC), False)


def atom(stamp, title="Bitcoin"):
    return (
        "<feed xmlns='http://www.w3.org/2005/Atom'><title>n</title>"
        f"<entry><id>1</id><title>{title}</title><published>{stamp}</published></entry></feed>"
    ).encode()


@pytest.mark.parametrize(
    ("stamp", "published", "known"),
    [
        ("Tue, 05 Mar 2024 10:00:00 -0500", "2024-03-05T15:00", True),
        ("Tue, 05 Mar 2024 10:00:00 GMT", "2024-03-05T10:00", True),
        ("Tue, 05 Mar 2024 10:00:00 EST", "2024-03-05T15:00", True),
        ("Tue, 05 Mar 2024 9:05 -0330", "2024-03-05T12:35", True),
        ("Tue, 05 Mar 2024 10:00:00 GMT-05:00", "2024-03-05T15:00", True),
        ("2024-03-05T10:00:00+01:00", "2024-03-05T09:00", True),
        ("2024-03-05T10:00:00.5Z", "2024-03-05T10:00", True),
        # Midnight where it was written; its day ends at 05:00 UTC of the 6th, or at 15:00 UTC of the 5th.
        ("Tue, 05 Mar 2024 00:00:00 -0500", "2024-03-06", False),
        ("Tue, 05 Mar 2024 00:00:00 EST", "2024-03-06", False),
        ("2024-03-05T00:00:00+09:00", "2024-03-05", False),
        ("2024-03-04T19:00:00-05:00", "2024-03-05", False),
        # The hour may be that of Hawaii, where the day ends at 10:00 UTC of the 6th.
        ("Tue, 05 Mar 2024 20:00:00 HST", "2024-03-06", False),
        ("Tue, 05 Mar 2024 20:00:00 AKST", "2024-03-06", False),
        ("Tue, 05 Mar 2024 20:00:00 BRT", "2024-03-06", False),
        ("2024-03-05T20:00:00EST", "2024-03-06", False),
        ("Tue, 05 Mar 2024 20:00:00 UTC-10:00", "2024-03-06", False),
        ("2024-03-05T20:00:00", "2024-03-06", False),
    ],
)
def test_the_stamp_of_a_feed_is_known_as_far_as_its_zone_is(server, stamp, published, known):
    server.fault = sends(atom(stamp), "application/atom+xml")
    (item,) = only(server, "rss").fetch("BTC", START, NOW)
    assert item.published_at == datetime.fromisoformat(published).replace(tzinfo=UTC)
    assert item.time_known is known


@pytest.mark.parametrize(
    ("written", "title"),
    [
        ("Bitcoin &amp;amp; gold", "Bitcoin & gold"),
        ("Bitcoin &lt;b&gt;soars&lt;/b&gt; again", "Bitcoin soars again"),
        ("Bitcoin&amp;lt;br /&amp;gt;falls", "Bitcoin falls"),
        ("Bitcoin &amp;lt; 50k and &amp;gt; 3k", "Bitcoin < 50k and > 3k"),
        ("Bitcoin&amp;#8217;s fall", "Bitcoin\u2019s fall"),
    ],
)
def test_titles_of_feeds_lose_their_markup(server, written, title):
    server.fault = sends(atom("2024-03-05T10:00:00Z", written), "application/atom+xml")
    (item,) = only(server, "rss").fetch("BTC", START, NOW)
    assert item.text == title


def test_redirects_on_the_same_host_are_followed_and_the_key_goes_along(server):
    server.fault = once(
        redirects("/v2/everything?" + "from=2024-03-09T00:00:00&to=2024-03-10T00:00:00&pageSize=9")
    )
    assert len(only(server, "newsapi").fetch("BTC", START, NOW)) == 9
    assert [sent["x-api-key"] for _, _, sent in server.asked] == [SECRETS["newsapi_key"]] * 2


@pytest.mark.parametrize(
    "where", ["https://example.org/v2", "//localhost/x", "http://127.0.0.1:9/x", "ftp://a/b"]
)
def test_redirects_elsewhere_are_not_followed(server, where):
    server.fault = redirects(where)
    with pytest.raises(SourceError, match="newsapi leads to another host: nothing is sent there"):
        only(server, "newsapi").fetch("BTC", START, NOW)
    assert len(server.asked) == 1


@pytest.mark.parametrize("where", ["http://[", "http://a:b/", "https://exa mple.org:99999/", "//[::1"])
def test_a_redirect_to_no_address_is_told(server, where):
    server.fault = redirects(where)
    with pytest.raises(
        SourceError, match=r"newsapi (sends to an address that is none|leads to another host)"
    ):
        only(server, "newsapi").fetch("BTC", START, NOW)
    server.fault = None
    server.change = lambda answer: {**answer, "next": where}
    assert len(only(server, "cryptopanic").fetch("BTC", START, NOW)) == 20


def test_redirects_in_a_circle_end(server):
    server.fault = redirects("/v2/everything?again=1")
    with pytest.raises(SourceError, match=r"HTTP 302\): it sends elsewhere too often"):
        only(server, "newsapi").fetch("BTC", START, NOW)
    assert len(server.asked) == 4


def test_a_refusal_is_told_in_the_words_of_the_source(server):
    server.fault = answers(426)
    sentence = r"newsapi refuses \(HTTP 426: Something is wrong\): ask for later times"
    with pytest.raises(SourceError, match=sentence):
        only(server, "newsapi").fetch("BTC", START, NOW)


@pytest.mark.parametrize(
    "url", ["http://newsapi.org", "ftp://newsapi.org", "newsapi.org", "http://127.0.0.1.evil.org"]
)
def test_keys_are_sent_over_https_only(url):
    with pytest.raises(ConfigError, match="is not https: give one that begins with https://"):
        NewsApi(SECRETS["newsapi_key"], Access(), url)
    with pytest.raises(ConfigError, match="is not https"):
        FearGreed(Access(), url)
