"""Bars of a symbol from Yahoo Finance, through yfinance."""

from __future__ import annotations

import contextlib
import logging
import re
import warnings
from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.data.bars import COLUMNS, PRICES
from mlstrat.data.remote.pages import Listing, Page, rows_of
from mlstrat.data.remote.patience import Hiccup
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import DataError, DownloadError, MissingExtraError

if TYPE_CHECKING:
    import pandas as pd

_INTERVALS = {length: length for length in ("1m", "2m", "5m", "15m", "30m", "1h", "90m", "1d")} | {
    "60m": "1h",
    "1w": "1wk",
}
_DAY_MS = 86_400_000
# Yahoo gives bars of a minute for at most 8 days an answer.
_MINUTES_MS = 7 * _DAY_MS
_TIMEOUT_S = 30
_CHART = "/v8/finance/chart/"
_SHOWN = 200


class YahooSource:
    """Bars of one symbol of Yahoo Finance; see `Source` for the attributes.

    Prices are as Yahoo gives them without yfinance's `auto_adjust`: adjusted for splits, because Yahoo has no
    others, but not for dividends. Volume is not compared when a bar is fetched again: Yahoo goes on counting
    after the close.

    Parameters
    ----------
    symbol : str
        Yahoo's name, such as SPY, ^GSPC or BTC-USD.
    timeframe : Timeframe
        Length of a bar.
    base_url : str
        Scheme and host to ask instead of Yahoo's; empty = Yahoo's.

    Raises
    ------
    DataError
        Yahoo has no bars of this length.
    MissingExtraError
        yfinance is not installed.
    """

    exchange, market = "yahoo", "stocks"
    prices = "adjusted for splits, not for dividends"
    compared = 1 + len(PRICES)

    def __init__(self, symbol: str, timeframe: Timeframe, base_url: str = "") -> None:
        if str(timeframe) not in _INTERVALS:
            raise DataError(
                f"yahoo has no bars of {timeframe}: choose one of {', '.join(_INTERVALS)} as the timeframe."
            )
        self.timeframe = timeframe
        # 1900: Yahoo's oldest series begin in 1927.
        self.earliest = None if timeframe.seconds * 1000 < _DAY_MS else -2_208_988_800_000
        self._symbol = symbol.upper()
        self._yfinance = _library()
        session = _session(base_url)
        self._ticker = self._yfinance.Ticker(self._symbol, session=session)

    def listing(self) -> Listing:
        """Return the currency, the one fact that Yahoo tells; see `Source.listing`."""
        with _speaking(self._yfinance, self._symbol):
            # Asked for by itself, the metadata would come with failures swallowed.
            self._ticker.history(period="5d", interval="1d", timeout=_TIMEOUT_S)
            told = self._ticker.get_history_metadata()
        currency = told.get("currency")
        facts: dict[str, float | str] = {"currency": currency} if isinstance(currency, str) else {}
        note = f"yahoo tells no tick, step, smallest order and fee of {self._symbol}."
        return Listing(self._symbol, self._symbol, facts, (note,))

    def page(self, first: int, end: int) -> Page:
        """Return all bars from `first` to `end` in one answer, bars of a minute a week at a time."""
        reached = min(end, first + _MINUTES_MS) if str(self.timeframe) == "1m" else end
        # A day of an exchange east of Greenwich begins on the day before in UTC; a week may be cut.
        lead = 0 if self.timeframe.seconds * 1000 < _DAY_MS else 7 * _DAY_MS
        with _speaking(self._yfinance, self._symbol):
            frame = self._ticker.history(
                start=_utc(first - lead),
                end=_utc(reached),
                interval=_INTERVALS[str(self.timeframe)],
                auto_adjust=False,
                actions=False,
                timeout=_TIMEOUT_S,
            )
        rows = rows_of_frame(frame, daily=lead > 0)
        return Page(rows[rows[:, 0] >= first], max(reached, first + 1))


def rows_of_frame(frame: pd.DataFrame, daily: bool) -> FloatArray:
    """Return the (n, 6) float64 rows of a frame as `yfinance.Ticker.history` gives it.

    Parameters
    ----------
    frame : DataFrame
        Open, High, Low, Close, Volume over a DatetimeIndex with the zone of the exchange. Rows without any
        price (days on which nothing was traded) are left out.
    daily : bool
        Whether bars last days: they are stamped 00:00 UTC of their date, because midnight at the exchange
        moves with summer time. Every market that Yahoo carries closes before that day ends in UTC.

    Raises
    ------
    Hiccup
        A bar has some of its prices but not all.
    """
    priced = frame.dropna(how="all", subset=[name.capitalize() for name in PRICES])
    index = priced.index.tz_localize(None) if daily else priced.index.tz_convert("UTC").tz_localize(None)
    stamps = index.to_numpy().astype("datetime64[ms]")
    time = (stamps.astype("datetime64[D]").astype("datetime64[ms]") if daily else stamps).astype(np.int64)
    columns = [priced[name.capitalize()].to_numpy(np.float64) for name in COLUMNS]
    columns[: len(PRICES)] = [_shortest(prices) for prices in columns[: len(PRICES)]]
    return rows_of(np.column_stack([time.astype(np.float64), *columns]))


def _shortest(prices: FloatArray) -> FloatArray:
    """Return 476.35 where Yahoo sends 476.3500061035156: it keeps prices in single precision."""
    single = prices.astype(np.float32)
    exact = single.astype(np.float64) == prices
    return np.where(exact, single.astype(str).astype(np.float64), prices)


def _utc(milliseconds: int) -> pd.Timestamp:
    import pandas as pd

    return pd.Timestamp(milliseconds, unit="ms", tz="UTC")


def _library() -> Any:
    try:
        return import_module("yfinance")
    except ImportError as error:
        raise MissingExtraError("data", "yfinance", "Downloading from Yahoo") from error


@contextlib.contextmanager
def _speaking(yfinance: Any, symbol: str) -> Iterator[None]:
    """Make yfinance raise what it would only log, and turn it into a `Hiccup` or a sentence."""
    # Its warnings are about its own use of pandas, and about cookies that charts do not need.
    log = logging.getLogger("yfinance")
    level = log.level
    transport = import_module("curl_cffi.requests.exceptions")
    debug = yfinance.config.debug
    hidden, debug.hide_exceptions = debug.hide_exceptions, False
    known = yfinance.exceptions
    # It keeps answers about the past, so that a second download would not see a revised one.
    import_module("yfinance.data").YfData.cache_get.cache_clear()
    try:
        log.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except known.YFRateLimitError as error:
        raise Hiccup("too many requests") from error
    except known.YFException as error:
        what = " ".join(str(error).split())[:_SHOWN]
        raise DownloadError(
            f"yahoo gives no bars of {symbol} ({what}): check the symbol and the dates; it keeps bars of "
            "minutes for 60 days and of hours for 730."
        ) from error
    except transport.RequestException as error:
        raise Hiccup(_cause(error), answered=False) from error
    except (TypeError, KeyError, IndexError, AttributeError, ValueError) as error:
        raise Hiccup("an answer of another form than documented") from error
    finally:
        debug.hide_exceptions = hidden
        log.setLevel(level)


def _cause(error: Exception) -> str:
    """Return curl's own words without its codes and links."""
    text = re.sub(r"Failed to perform, |curl: \(\d+\) |\. See http.*$", "", " ".join(str(error).split()))
    return text[:_SHOWN]


def _session(base_url: str) -> Any:
    """Return the HTTP session that yfinance uses, with each chart judged by its status and form."""
    try:
        transport = import_module("curl_cffi.requests")
    except ImportError as error:
        raise MissingExtraError("data", "curl_cffi", "Downloading from Yahoo") from error

    class Session(transport.Session):  # type: ignore[misc, name-defined]
        def request(self, method: str, url: str, **options: Any) -> Any:
            if base_url:
                url = re.sub(r"^https?://[^/]+", base_url.rstrip("/"), url)
            response = super().request(method, url, **options)
            if _CHART in url:
                _judge(response)
            return response

    return Session(impersonate="chrome", trust_env=not base_url)


def _judge(response: Any) -> None:
    """Refuse failures before yfinance sees them: it would keep them and give them again."""
    status = response.status_code
    if status == 429 or status >= 500:
        asked = response.headers.get("Retry-After") or ""
        raise Hiccup(f"HTTP {status}", float(asked) if re.fullmatch(r"\d{1,6}", asked) else 0.0)
    try:
        response.json()
    except ValueError as error:
        raise Hiccup("an answer that is not whole JSON") from error
    if status == 404:
        symbol = response.url.partition(_CHART)[2].partition("?")[0]
        raise DownloadError(f"yahoo has no symbol {symbol}: check it on finance.yahoo.com.")
