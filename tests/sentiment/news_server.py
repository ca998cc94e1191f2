"""A server on 127.0.0.1 that speaks NewsAPI, CryptoPanic, X, Reddit, Fear & Greed and RSS, with faults."""

import contextlib
import functools
import gzip
import json
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote, urlparse

from mlstrat.errors import MlstratError
from mlstrat.sentiment.items import Item, Source
from mlstrat.sentiment.sources.gathering import Guarded
from mlstrat.sentiment.sources.keys import Keys
from mlstrat.sentiment.sources.pace import Clock, Limits
from mlstrat.sentiment.sources.registry import SOURCES, sources_from
from mlstrat.sentiment.sources.web import Unfinished

START = datetime(2024, 3, 4, 0, 30, tzinfo=UTC)
HOURS = 150
END = START + timedelta(hours=HOURS)
# The moment that the sources take for now.
NOW = END + timedelta(hours=1)
TOKEN = "token-CANARY/of+reddit="
# With the characters that addresses and JSON write in another way.
SECRETS = {
    "newsapi_key": "CANARY-newsapi/4f+8=",
    "cryptopanic_key": "CANARY-panic/5a+7=",
    "x_bearer": "CANARY-x%2Fbearer/6b+6=",
    "reddit_client_id": "CANARY-reddit-id/7c",
    "reddit_client_secret": "CANARY-reddit-secret/8d",
}
KEYS = Keys(**SECRETS)


class TestClock:
    """Real time, but sleeping takes none of it."""

    __test__ = False

    def __init__(self, utc: datetime = NOW) -> None:
        self.skipped, self.began, self.at_start = 0.0, time.monotonic(), utc
        self.naps: list[float] = []

    def now(self) -> float:
        return time.monotonic() + self.skipped

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.skipped += seconds

    def utc(self) -> datetime:
        return self.at_start + timedelta(seconds=self.now() - self.began)


class NewsServer(ThreadingHTTPServer):
    """One text an hour from START on, HOURS of them; `fault` takes each request first."""

    daemon_threads = True

    def __init__(self, clock: TestClock) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.clock = clock
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.times: list[float] = []
        self.fault: Callable[[Handler], bool] | None = None
        self.change: Callable[[dict], dict] = lambda answer: answer
        self.endless = False
        self.connected: list[tuple[str, str]] = []
        self.titles = title_of

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def title_of(hour: int) -> str:
    return f"Bitcoin headline {hour}"


def at(hour: int) -> datetime:
    return START + timedelta(hours=hour)


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are sent apart; without this each answer takes 40 ms.
    disable_nagle_algorithm = True
    server: NewsServer

    def do_GET(self) -> None:
        self.answer("GET", b"")

    def do_POST(self) -> None:
        self.answer("POST", self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def do_CONNECT(self) -> None:
        self.server.connected.append((self.path, self.headers.get("Proxy-Authorization", "")))
        self.send_error(501)

    def answer(self, method: str, body: bytes) -> None:
        self.server.times.append(self.server.clock.now())
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((method, self.path, headers))
        if self.server.fault and self.server.fault(self):
            return
        url = urlparse(self.path)
        asked = {key: value[0] for key, value in parse_qs(url.query).items()}
        if url.path == "/api/v1/access_token":
            self.send_json(200, token(self.headers.get("Authorization", "")))
        elif url.path == "/v2/everything":
            self.send_json(*newsapi(self.server, asked, self.headers.get("X-Api-Key", "")))
        elif url.path == "/api/developer/v2/posts/":
            self.send_json(200, self.server.change(cryptopanic(self.server, asked)))
        elif url.path == "/2/tweets/search/recent":
            self.send_json(200, self.server.change(x(self.server, asked)))
        elif url.path.startswith("/r/") and url.path.rstrip("/").endswith("/search"):
            self.send_json(200, self.server.change(reddit(self.server, asked)))
        elif url.path == "/fng/":
            self.send_json(200, self.server.change(fear_greed()))
        elif url.path == "/feed.xml":
            self.send_feed(feed(self.server))
        else:
            self.send_json(404, {"path": url.path})

    def send_feed(self, text: str) -> None:
        if self.headers.get("If-None-Match") == '"v1"':
            self.send_response(304)
            self.send_header("ETag", '"v1"')
            self.end_headers()
            return
        self.send_body(200, text.encode(), "application/rss+xml", ETag='"v1"')

    def send_json(self, status: int, content: object) -> None:
        self.send_body(status, json.dumps(content).encode(), "application/json; charset=utf-8")

    def send_body(self, status: int, body: bytes, kind: str, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


def token(authorization: str) -> dict:
    if not authorization.startswith("Basic "):
        return {"error": "invalid_client"}
    return {"access_token": TOKEN, "token_type": "bearer", "expires_in": 86_400, "scope": "*"}


def newsapi(server: NewsServer, asked: dict[str, str], key: str) -> tuple[int, dict]:
    """Articles, newest first, of which a free plan gives the first 100 only."""
    if not key:
        return 401, {"status": "error", "code": "apiKeyMissing", "message": "Your API key is missing."}
    if "CANARY" in key and "refused" in key:
        return 401, {"status": "error", "code": "apiKeyInvalid", "message": f"Your API key {key} is invalid."}
    hours = [hour for hour in range(HOURS) if asked["from"] <= iso(at(hour)) <= asked["to"] + "Z"]
    if server.endless:
        first = datetime.fromisoformat(asked["to"] + "+00:00")
        pages = [first - timedelta(seconds=second) for second in range(100)]
    else:
        pages = [at(hour) for hour in reversed(hours)][: int(asked["pageSize"])]
    articles = [
        {
            "source": {"id": None, "name": "CoinDesk"},
            "author": "A. Writer",
            "title": server.titles(round((time - START).total_seconds() / 3600)),
            "description": "What it is about",
            "url": f"https://www.coindesk.com/{int(time.timestamp())}",
            "urlToImage": None,
            "publishedAt": iso(time),
            "content": "What it is about… [+2000 chars]",
        }
        for time in pages
    ]
    return 200, server.change({"status": "ok", "totalResults": len(hours), "articles": articles})


def cryptopanic(server: NewsServer, asked: dict[str, str]) -> dict:
    page = int(asked.get("page", 1))
    hours = list(reversed(range(HOURS)))[(page - 1) * 20 : page * 20]
    if server.endless:
        hours = [HOURS - 1]
    more = server.endless or page * 20 < HOURS
    results = [
        {
            "id": 21_000_000 + (page if server.endless else hour),
            "kind": "news",
            "domain": "decrypt.co",
            "source": {"title": "Decrypt", "region": "en", "domain": "decrypt.co", "type": "feed"},
            "title": server.titles(hour),
            "published_at": iso(at(hour)),
            "created_at": iso(at(hour)),
            "url": f"https://cryptopanic.com/news/{hour}/click",
            "currencies": [{"code": "BTC", "title": "Bitcoin", "slug": "bitcoin"}],
            "votes": {"negative": 1, "positive": 4, "important": 2, "liked": 3, "comments": 0},
        }
        for hour in hours
    ]
    following = (
        f"{server.url}/api/developer/v2/posts/?auth_token={quote(asked.get('auth_token', ''), safe='')}"
    )
    rest = f"&currencies={asked.get('currencies')}&public=true&page={page + 1}"
    return {"next": following + rest if more else None, "previous": None, "results": results}


def x(server: NewsServer, asked: dict[str, str]) -> dict:
    page = int(asked.get("next_token", "page1").removeprefix("page"))
    known = [hour for hour in range(HOURS) if asked["start_time"] <= iso(at(hour)) < asked["end_time"]]
    size = int(asked["max_results"])
    hours = list(reversed(known))[(page - 1) * size : page * size]
    if server.endless:
        hours = [HOURS - 1]
    posts = [
        {
            "id": str(1_764_000_000_000_000_000 + (page if server.endless else hour)),
            "text": f"{server.titles(hour)} $BTC",
            "author_id": "12",
            "created_at": at(hour).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "lang": "en",
            "public_metrics": {"retweet_count": 5, "reply_count": 2, "like_count": 42, "quote_count": 1},
            "edit_history_tweet_ids": ["1"],
        }
        for hour in hours
    ]
    meta: dict = {"newest_id": "2", "oldest_id": "1", "result_count": len(posts)}
    if server.endless or page * size < len(known):
        meta["next_token"] = f"page{page + 1}"
    if not posts:
        return {"meta": meta}
    return {"data": posts, "includes": {"users": [{"id": "12", "username": "someone"}]}, "meta": meta}


def reddit(server: NewsServer, asked: dict[str, str]) -> dict:
    page = int(asked.get("after", "t3_1").removeprefix("t3_"))
    hours = list(reversed(range(HOURS)))[(page - 1) * 100 : page * 100]
    if server.endless:
        hours = [HOURS - 1] * 100
    posts = [
        {
            "kind": "t3",
            "data": {
                "id": f"p{page}x{place}",
                "name": f"t3_p{hour}",
                "title": server.titles(hour),
                "subreddit": "CryptoCurrency",
                "created_utc": at(hour).timestamp(),
                "score": 17,
                "num_comments": 3,
                "permalink": f"/r/CryptoCurrency/comments/p{hour}/headline/",
                "author": "someone",
            },
        }
        for place, hour in enumerate(hours)
    ]
    more = server.endless or page * 100 < HOURS
    after = f"t3_{page + 1}" if more else None
    return {
        "kind": "Listing",
        "data": {"after": after, "dist": len(posts), "children": posts, "before": None},
    }


def fear_greed() -> dict:
    """Newest first, as texts."""
    days = [START.replace(hour=0, minute=0) + timedelta(days=day) for day in range(7)]
    data = [
        {"value": str(10 * n + 14), "value_classification": "Fear", "timestamp": str(int(day.timestamp()))}
        for n, day in enumerate(days)
    ]
    data[-1]["time_until_update"] = "25675"
    return {"name": "Fear and Greed Index", "data": data[::-1], "metadata": {"error": None}}


def feed(server: NewsServer) -> str:
    entries = "".join(
        f"<item><title><![CDATA[{server.titles(hour)}]]></title><link>https://cointelegraph.com/{hour}</link>"
        f"<guid>https://cointelegraph.com/{hour}</guid><category>Bitcoin</category>"
        f"<pubDate>{at(hour).strftime('%a, %d %b %Y %H:%M:%S +0000')}</pubDate></item>"
        for hour in reversed(range(HOURS))
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"><channel><title>News</title>'
        "<link>https://cointelegraph.com</link><language>en-us</language>"
        f"{entries}<item><title>Bitcoin without a time</title></item></channel></rss>"
    )


Fault = Callable[[Handler], bool]


def answers(status: int, **headers: str) -> Fault:
    """This status, with an error in NewsAPI's form."""

    def fault(handler: Handler) -> bool:
        body = json.dumps({"status": "error", "code": "oops", "message": "Something is wrong."}).encode()
        handler.send_body(status, body, "application/json", **headers)
        return True

    return fault


def sends(body: bytes, kind: str = "application/json", status: int = 200, **headers: str) -> Fault:
    """This body."""

    def fault(handler: Handler) -> bool:
        handler.send_body(status, body, kind, **headers)
        return True

    return fault


def waits(seconds: float) -> Fault:
    """Nothing for some seconds, and then the end."""

    def fault(handler: Handler) -> bool:
        time.sleep(seconds)
        handler.close_connection = True
        return True

    return fault


def drips(seconds: float, what: bytes = b"X-Drip: 1\r\n") -> Fault:
    """A header line every twentieth of a second, and no end of the headers."""

    def fault(handler: Handler) -> bool:
        handler.close_connection = True
        with contextlib.suppress(OSError):
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
            for _ in range(round(seconds * 20)):
                handler.wfile.write(what)
                time.sleep(0.05)
        return True

    return fault


def resets(handler: Handler) -> bool:
    """The connection is reset."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True
    handler.connection.close()
    return True


def breaks_off(handler: Handler) -> bool:
    """Fewer bytes than announced."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.wfile.write(b'{"articles": [{"title": "Bitc')
    handler.close_connection = True
    return True


def truncated_gzip(handler: Handler) -> bool:
    """The first half of a gzip stream, announced as a whole."""
    packed = gzip.compress(json.dumps({"articles": [], "data": [], "results": list(range(5000))}).encode())
    handler.send_body(200, packed[: len(packed) // 2], "application/json", Content_Encoding="gzip")
    return True


def gzip_bomb(handler: Handler) -> bool:
    """50 MB of blanks in 50 kB."""
    handler.send_body(200, bomb(), "application/json", Content_Encoding="gzip")
    return True


@functools.cache
def bomb() -> bytes:
    return gzip.compress(b" " * 50_000_000, 9)


def fifty_megabytes(handler: Handler) -> bool:
    """A body of 50 MB."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(50_000_000))
    handler.end_headers()
    handler.close_connection = True
    piece = b"[" + b"1," * 32_767 + b"1"
    with contextlib.suppress(OSError):
        for _ in range(50_000_000 // len(piece) + 1):
            handler.wfile.write(piece)
    return True


def redirects(where: str) -> Fault:
    """To another address."""
    return sends(b"", "text/plain", 302, Location=where)


def once(fault: Fault) -> Fault:
    """The fault for the first request only."""
    left = [fault]

    def first(handler: Handler) -> bool:
        return left.pop()(handler) if left else False

    return first


@contextlib.contextmanager
def serving(clock: TestClock) -> Iterator[NewsServer]:
    server = NewsServer(clock)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@dataclass(frozen=True)
class Gathered:
    """What sources gave: items in the order of the sources, sentences of those that failed, and counts."""

    items: tuple[Item, ...]
    failures: dict[str, str]
    counts: dict[str, int]
    final: frozenset[str] = frozenset()


def gather(sources: Iterable[Source], symbol: str, since: datetime, until: datetime) -> Gathered:
    """Ask sources of different names, each behind its guard."""
    items: list[Item] = []
    failures: dict[str, str] = {}
    counts: dict[str, int] = {}
    final: set[str] = set()
    for source in map(Guarded, sources):
        found: Sequence[Item] = ()
        try:
            found = source.fetch(symbol, since, until)
        except Unfinished as error:
            found, failures[source.name] = error.items, str(error)
            final |= {source.name} if error.final else set()
        except MlstratError as error:
            failures[source.name] = str(error)
        counts[source.name] = len(found)
        items += found
    return Gathered(tuple(items), failures, counts, frozenset(final))


def clock_of(clock: TestClock) -> Clock:
    return Clock(clock.now, clock.sleep, clock.utc)


def sources_at(server: NewsServer, limits: Limits, names: tuple[str, ...] = (), cache: Path | None = None):
    """The sources, asked at the server instead of their own addresses."""
    urls = dict.fromkeys(SOURCES, server.url)
    urls["cryptopanic"] += "/api/developer/v2"
    sources, left_out = sources_from(
        KEYS,
        names or None,
        feeds=(f"{server.url}/feed.xml",),
        cache=cache,
        clock=clock_of(server.clock),
        limits=limits,
        base_urls=urls,
    )
    assert left_out == []
    return sources
