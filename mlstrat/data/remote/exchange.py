"""Bars and facts of a symbol from any exchange that ccxt speaks to."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, TypeVar

from mlstrat.data.instrument import Instrument
from mlstrat.data.remote.pages import WIDTH, Listing, Page, rows_of
from mlstrat.data.remote.patience import Hiccup
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import ConfigError, DataError, DownloadError, MissingExtraError

T = TypeVar("T")

MARKETS = {"spot": ("spot",), "swap": ("linear", "swap")}
# HTTP answers that asking again does not change: no access, no such page, not served where the user is.
_FINAL = {401, 404, 451}
# Binance sends 418 to those who went on after a 429.
_SLOWER = {418, 429}
_TIMEOUT_MS = 30_000
# Bars of a page where the exchange does not say; no exchange is known to give fewer.
_USUAL_PAGE = 100
_SHOWN = 200


class CcxtSource:
    """Bars of one symbol of one exchange, page by page; see `Source` for the attributes.

    Parameters
    ----------
    exchange : str
        ccxt's name of the exchange, such as binance.
    symbol : str
        As the exchange or ccxt writes it: BTC/USDT or BTCUSDT.
    timeframe : Timeframe
        Length of a bar.
    market : str
        spot, or swap for perpetual contracts margined in the quote currency.
    base_url : str
        Scheme and host to ask instead of the exchange's own; empty = the exchange's.

    Raises
    ------
    ConfigError
        There is no such exchange or market.
    MissingExtraError
        ccxt is not installed.
    """

    prices = "as traded"
    compared = WIDTH
    earliest: int | None = None

    def __init__(
        self, exchange: str, symbol: str, timeframe: Timeframe, market: str = "spot", base_url: str = ""
    ) -> None:
        if market not in MARKETS:
            raise ConfigError(f"there is no market {market!r}: use one of {', '.join(MARKETS)}.")
        self._ccxt = _library()
        _check_exchange(exchange, self._ccxt.exchanges)
        self.exchange, self.market, self.timeframe = exchange, market, timeframe
        self._symbol = symbol
        self._client = _client(getattr(self._ccxt, exchange), market, base_url)
        self._client.session.hooks["response"].append(_judge)

    def listing(self) -> Listing:
        """Return the symbol's names and the facts that the exchange publishes; see `Source.listing`."""
        self._check_timeframe()
        self._ask(self._client.load_markets)
        found = self._market()
        if found.get("inverse"):
            raise DataError(
                f"{found['symbol']} of {self.exchange} is margined in its base currency, which is not "
                "supported: choose a contract margined in the quote currency."
            )
        facts, notes = _facts(found["symbol"], self._told(found))
        self._listed = found["symbol"]
        return Listing(found["symbol"], f"{found['base']}{found['quote']}", facts, notes)

    def page(self, first: int, end: int) -> Page:
        """Return one answer to `fetch_ohlcv`; an empty one covers the length of a page."""
        limit = self._client.feature_value(self._listed, "fetchOHLCV", "limit")
        raw = self._ask(
            lambda: self._client.fetch_ohlcv(self._listed, str(self.timeframe), since=first, limit=limit)
        )
        rows = rows_of(raw)
        rows = rows[rows[:, 0] >= first]
        bar = self.timeframe.seconds * 1000
        reached = int(rows[-1, 0]) + bar if len(rows) else first + (limit or _USUAL_PAGE) * bar
        return Page(rows, reached)

    def _check_timeframe(self) -> None:
        offered = self._client.timeframes or {}
        if not self._client.has.get("fetchOHLCV") or str(self.timeframe) not in offered:
            listed = ", ".join(offered) or "none"
            raise DataError(
                f"{self.exchange} has no bars of {self.timeframe} (it has {listed}): choose one that it has."
            )

    def _market(self) -> Mapping[str, Any]:
        wanted = [self._symbol, f"{self._symbol}:{self._symbol.partition('/')[2]}"]
        fitting = {name: m for name, m in self._client.markets.items() if m.get(self.market)}
        for found in fitting.values():
            names = wanted if self.market == "swap" else wanted[:1]
            if found["symbol"] in names or found["id"] == self._symbol:
                return dict(found)
        close = difflib.get_close_matches(self._symbol.upper(), fitting, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else "write it as BASE/QUOTE, such as BTC/USDT."
        raise DataError(f"{self.exchange} has no {self.market} symbol {self._symbol!r}: {hint}")

    def _told(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """Return the facts as the exchange gives them; a contract's step is in units of the base."""
        precision = found.get("precision") or {}
        step = self._grid(precision.get("amount"))
        return {
            "tick": self._grid(precision.get("price")),
            "step": None if step is None else step * (found.get("contractSize") or 1.0),
            "min_notional": ((found.get("limits") or {}).get("cost") or {}).get("min"),
            "fee_share": found.get("taker"),
            "currency": found.get("quote"),
        }

    def _grid(self, precision: float | None) -> float | None:
        """Return a precision as a grid; None where there is none, or it counts significant digits."""
        if precision is None:
            return None
        if self._client.precisionMode == self._ccxt.TICK_SIZE:
            return precision
        if self._client.precisionMode == self._ccxt.DECIMAL_PLACES:
            return float(f"1e{-int(precision)}")
        return None

    def _ask(self, call: Callable[[], T]) -> T:
        """Make one call of ccxt; what may pass becomes a `Hiccup`, what may not a sentence."""
        import requests

        try:
            return call()
        except self._ccxt.BadSymbol as error:
            raise DataError(
                f"{self.exchange} refuses {self._symbol!r} ({_short(error)}): check it."
            ) from error
        except self._ccxt.OperationFailed as error:
            answered = not isinstance(error.__cause__, requests.ConnectionError | requests.Timeout)
            raise Hiccup(_cause(error), answered=answered) from error
        except self._ccxt.BaseError as error:
            if isinstance(error.__cause__, requests.RequestException):
                raise Hiccup(_cause(error)) from error
            raise DownloadError(
                f"{self.exchange} refuses ({_short(error)}): check the exchange, symbol and dates."
            ) from error
        except (TypeError, KeyError, IndexError, AttributeError, ValueError) as error:
            raise Hiccup("an answer of another form than documented") from error


def _library() -> Any:
    try:
        return import_module("ccxt")
    except ImportError as error:
        raise MissingExtraError("data", "ccxt", "Downloading from an exchange") from error


def _check_exchange(name: str, known: list[str]) -> None:
    if name in known:
        return
    close = difflib.get_close_matches(name, [*known, "yahoo"], n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else "use binance, yahoo or another name of ccxt."
    raise ConfigError(f"there is no exchange {name!r}: {hint}")


def _client(kind: Callable[[dict[str, Any]], Any], market: str, base_url: str) -> Any:
    """Return ccxt's client, told to load this kind of market only and to keep the exchange's rate limit."""
    client = kind(
        {"enableRateLimit": True, "timeout": _TIMEOUT_MS, "options": {"defaultType": market}},
    )
    # The list of currencies needs a key on most exchanges, and no fact is taken from it.
    client.has["fetchCurrencies"] = False
    loaded = client.options.get("fetchMarkets")
    if isinstance(loaded, dict) and "types" in loaded:
        fitting = [kind for kind in loaded["types"] if kind in MARKETS[market]]
        client.options["fetchMarkets"] = {**loaded, "types": fitting or loaded["types"]}
    client.parse_ohlcv = _whole(client.parse_ohlcv)
    client.session.trust_env = not base_url
    if base_url:
        client.urls["api"] = _moved(client.urls["api"], base_url.rstrip("/"))
    return client


def _whole(parse: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    """Refuse a bar that lacks a value: ccxt would leave it out, and the file would have a hole."""

    def parsed(*args: Any, **options: Any) -> list[Any]:
        row = parse(*args, **options)
        if len(row) < WIDTH or None in row[:WIDTH]:
            raise Hiccup("a bar with a missing value")
        return row

    return parsed


def _moved(urls: Any, base_url: str) -> Any:
    if isinstance(urls, dict):
        return {name: _moved(url, base_url) for name, url in urls.items()}
    return re.sub(r"^https?://[^/]+", base_url, urls) if isinstance(urls, str) else urls


def _judge(response: Any, *args: Any, **options: Any) -> None:
    """Judge each HTTP answer by its status and form, which ccxt's errors no longer tell."""
    status = response.status_code
    if status in _SLOWER or status >= 500:
        raise Hiccup(f"HTTP {status}", _retry_after(response.headers.get("Retry-After", "")))
    if status in _FINAL:
        raise DownloadError(
            f"{response.url.partition('?')[0]} answers HTTP {status}: check the exchange and --base-url; 451 "
            "means that it does not serve your country."
        )
    if status == 200:
        try:
            content = json.loads(response.content)
        except ValueError as error:
            raise Hiccup("an answer that is not whole JSON") from error
        if not isinstance(content, list | dict):
            raise Hiccup("an answer of another form than documented")


def _retry_after(text: str) -> float:
    return float(text) if re.fullmatch(r"\d{1,6}", text.strip()) else 0.0


def _facts(symbol: str, told: Mapping[str, Any]) -> tuple[dict[str, float | str], tuple[str, ...]]:
    """Return the facts that `Instrument` accepts one by one, and a sentence for each that is left out."""
    facts: dict[str, float | str] = {}
    notes = []
    for name, value in told.items():
        if _usable(name, value):
            facts[name] = value if name == "currency" else float(value)
        else:
            given = "none" if value is None else f"{value!r}"
            notes.append(f"{name} of {symbol} is left out: the exchange gives {given}.")
    return facts, tuple(notes)


def _usable(name: str, value: object) -> bool:
    if name == "currency":
        return isinstance(value, str) and bool(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return False
    try:
        Instrument("", **{name: float(value)})  # type: ignore[arg-type]
    except DataError:
        return False
    return True


def _cause(error: BaseException) -> str:
    """Return the root of a failed request in few words, without its address."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = str(error)
    for mark, words in (
        ("NameResolution", "the name of the server cannot be resolved"),
        ("refused", "connection refused"),
        ("reset", "connection reset"),
        ("timed out", "no answer in time"),
        ("IncompleteRead", "the answer broke off"),
        ("RemoteDisconnected", "the server closed the connection"),
    ):
        if mark in text:
            return words
    return _short(error)


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:_SHOWN]
