"""Servers on 127.0.0.1 that speak the formats of Binance (spot REST) and of Yahoo (chart v8), with faults."""

import contextlib
import json
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

import numpy as np

HOUR = 3_600_000
# 2024-01-01 00:00 UTC, a Monday.
START = 1_704_067_200_000
FILTERS = [
    {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.00", "tickSize": "0.01"},
    {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000.0", "stepSize": "0.00001"},
    {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True},
]


def walk(n: int, first: int = START, seed: int = 1, step: int = HOUR) -> list[list[float]]:
    """Bars as [open time in ms, open, high, low, close, volume], prices in cents."""
    moves = np.random.default_rng(seed).integers(-50, 51, n + 1).cumsum() + 4_000_000
    rows = []
    for i in range(n):
        before, after = int(moves[i]), int(moves[i + 1])
        cents = (before, max(before, after) + 7, min(before, after) - 5, after)
        rows.append([first + i * step, *(cent / 100 for cent in cents), (1000 + i * 37 % 1000) / 1000])
    return rows


class Server(ThreadingHTTPServer):
    """Answers with `routes`; each request for data first takes a fault from `faults`, if there is one."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.rows: list[list[float]] = []
        self.cap = 1000
        self.delay = 0.0
        self.faults: list[Callable[[Handler], bool]] = []
        self.filters = FILTERS
        self.asked: list[str] = []
        self.zone, self.offset = "America/New_York", -18_000
        self.raw: dict | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def data_requests(self) -> list[dict[str, str]]:
        found = [urlparse(path) for path in self.asked if "/klines" in path or "/chart/" in path]
        return [{name: value[0] for name, value in parse_qs(url.query).items()} for url in found]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        url = urlparse(self.path)
        self.server.asked.append(self.path)
        asked = {name: value[0] for name, value in parse_qs(url.query).items()}
        if url.path == "/api/v3/exchangeInfo":
            self.send_json(200, exchange_info(self.server.filters))
        elif url.path == "/fapi/v1/exchangeInfo":
            self.send_json(200, perpetual_info())
        elif url.path in ("/api/v3/klines", "/fapi/v1/klines"):
            self.send_data(lambda: klines(self.server, asked))
        elif url.path.startswith("/v8/finance/chart/"):
            self.send_data(lambda: chart(self.server, url.path.rpartition("/")[2], asked))
        else:
            self.send_json(404, {"path": url.path})

    def send_data(self, content: Callable[[], object]) -> None:
        time.sleep(self.server.delay)
        if self.server.faults and self.server.faults.pop(0)(self):
            return
        answer = content()
        self.send_json(404 if answer is None else 200, NOT_FOUND if answer is None else answer)

    def send_json(self, status: int, content: object) -> None:
        self.send_text(status, json.dumps(content), "application/json")

    def send_text(self, status: int, text: str, kind: str, cut: int = 0, **headers: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) - cut))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body[: len(body) - cut])

    def log_message(self, *args: object) -> None:
        pass


def exchange_info(filters: list[dict]) -> dict:
    symbol = {
        "symbol": "BTCUSDT",
        "status": "TRADING",
        "baseAsset": "BTC",
        "baseAssetPrecision": 8,
        "quoteAsset": "USDT",
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "MARKET"],
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": True,
        "filters": filters,
        "permissions": [],
        "permissionSets": [["SPOT"]],
    }
    return {"timezone": "UTC", "serverTime": START, "rateLimits": [], "symbols": [symbol]}


def perpetual_info() -> dict:
    symbol = {
        "symbol": "BTCUSDT",
        "pair": "BTCUSDT",
        "contractType": "PERPETUAL",
        "deliveryDate": 4_133_404_800_000,
        "onboardDate": 1_569_398_400_000,
        "status": "TRADING",
        "baseAsset": "BTC",
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "pricePrecision": 2,
        "quantityPrecision": 3,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "556.80", "maxPrice": "4529764", "tickSize": "0.10"},
            {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
            {"filterType": "MIN_NOTIONAL", "notional": "50"},
        ],
    }
    return {"timezone": "UTC", "serverTime": START, "rateLimits": [], "symbols": [symbol]}


def klines(server: Server, asked: dict[str, str]) -> list[list]:
    first = int(asked.get("startTime", 0))
    rows = [row for row in server.rows if row[0] >= first][: min(int(asked["limit"]), server.cap)]
    return [kline(row) for row in rows]


def kline(row: list[float]) -> list:
    prices = [f"{value:.8f}" for value in row[1:]]
    return [int(row[0]), *prices, int(row[0]) + HOUR - 1, "0.0", 1, "0.0", "0.0", "0"]


NOT_FOUND = {
    "chart": {
        "result": None,
        "error": {"code": "Not Found", "description": "No data found, symbol may be delisted"},
    }
}


def chart(server: Server, symbol: str, asked: dict[str, str]) -> dict | None:
    """Prices in single precision, as Yahoo sends them; `server.rows` are stamped at the session's open."""
    if symbol != "SPY":
        return None
    first, last = int(asked.get("period1", 0)), int(asked.get("period2", 1 << 40))
    rows = [row for row in server.rows if first <= row[0] // 1000 < last]
    columns = np.array(rows).reshape(-1, 6).T
    quote = {
        name: [None if value is None else float(np.float32(value)) for value in column]
        for name, column in zip(("open", "high", "low", "close"), columns[1:5].tolist(), strict=True)
    }
    quote["volume"] = [int(value * 1000) for value in columns[5]]
    regular = {
        "timezone": "EST",
        "start": START // 1000,
        "end": START // 1000 + 1,
        "gmtoffset": server.offset,
    }
    meta = {
        "currency": "USD",
        "symbol": symbol,
        "exchangeName": "PCX",
        "instrumentType": "ETF",
        "firstTradeDate": 728_317_800,
        "regularMarketTime": START // 1000,
        "gmtoffset": server.offset,
        "timezone": "EST",
        "exchangeTimezoneName": server.zone,
        "priceHint": 2,
        "currentTradingPeriod": {"pre": regular, "regular": regular, "post": regular},
        "dataGranularity": asked.get("interval", "1d"),
        "range": "",
        "tradingPeriods": [
            [{**regular, "start": day * 86_400 + 52_200, "end": day * 86_400 + 75_600}]
            for day in sorted({int(row[0]) // 86_400_000 for row in rows})
        ],
        "validRanges": ["1d", "5d", "1mo", "max"],
    }
    result = {
        "meta": meta,
        "timestamp": [int(row[0]) // 1000 for row in rows],
        "indicators": {
            "quote": [quote],
            "adjclose": [{"adjclose": [price * 0.9 for price in quote["close"]]}],
        },
    }
    return {"chart": {"result": [result], "error": None}}


def answers(status: int, **headers: str) -> Callable[[Handler], bool]:
    """A fault: this status, with an error in Binance's form."""

    def fault(handler: Handler) -> bool:
        text = json.dumps({"code": -1003, "msg": "Too many requests."})
        handler.send_text(status, text, "application/json", **headers)
        return True

    return fault


def resets(handler: Handler) -> bool:
    """A fault: the connection is reset."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True
    handler.connection.close()
    return True


def sends(text: str, kind: str = "application/json", status: int = 200) -> Callable[[Handler], bool]:
    """A fault: this text."""

    def fault(handler: Handler) -> bool:
        handler.send_text(status, text, kind)
        return True

    return fault


def breaks_off(handler: Handler) -> bool:
    """A fault: fewer bytes than the header says."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.wfile.write(b'[[1704067200000,"1.0"')
    handler.close_connection = True
    return True


def fine(handler: Handler) -> bool:
    """No fault."""
    return False


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
