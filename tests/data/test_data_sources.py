"""Round trips of what exporters write: the values come back exactly, in UTC, with the right facts."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlstrat.data.bars import COLUMNS, Bars
from mlstrat.data.sources import name_facts, read_bars
from mlstrat.errors import DataError

NOW = datetime(2025, 1, 1, tzinfo=UTC)
START = pd.Timestamp("2024-03-01T00:00", tz="UTC")
N = 6


@pytest.fixture
def plain() -> pd.DataFrame:
    """Six hourly bars with an aware `time` column."""
    close = np.array([61_000.1, 61_050.35, 61_020.0, 60_990.7, 61_011.11, 61_100.0])
    before = np.r_[61_005.0, close[:-1]]
    return pd.DataFrame(
        {
            "time": pd.date_range(START, periods=N, freq="1h"),
            "open": before,
            "high": np.maximum(before, close) + 10.25,
            "low": np.minimum(before, close) - 7.5,
            "close": close,
            "volume": [1.5, 2.25, 3.125, 0.0, 5.00001, 6.0],
        }
    )


def same(bars: Bars, plain: pd.DataFrame) -> None:
    assert bars.time.tolist() == [stamp.value for stamp in plain["time"]]
    for name in COLUMNS:
        assert getattr(bars, name).tolist() == plain[name].tolist()
    assert str(bars.timeframe) == "1h"


def epoch(plain: pd.DataFrame, unit: str) -> list[int]:
    return [stamp.value // {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[unit] for stamp in plain["time"]]


def klines(plain: pd.DataFrame, unit: str) -> list[list[object]]:
    """Binance's twelve columns with prices as text."""
    rows = zip(epoch(plain, unit), *(plain[name] for name in COLUMNS), strict=True)
    return [
        [at, *(f"{price:.8f}" for price in values), at + 3_599_999, "1.0", 9, "0.5", "0.5", "0"]
        for at, *values in rows
    ]


def test_our_own_parquet(plain: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT_1h.parquet"
    plain.rename(columns={"time": "timestamp"}).to_parquet(path)
    bars = read_bars(path, now=NOW)
    same(bars, plain)
    assert (bars.symbol, bars.instrument.step, bars.notes) == ("BTCUSDT", 0.00001, ())


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("kind", [int, float, str, "Int64"])
def test_epoch_of_every_unit(plain: pd.DataFrame, unit: str, kind: object) -> None:
    times = pd.Series(epoch(plain, unit)).astype(kind)
    same(read_bars(plain.assign(time=times), symbol="BTCUSDT", now=NOW), plain)


@pytest.mark.parametrize("iso", [False, True])
def test_tradingview_export(plain: pd.DataFrame, tmp_path: Path, iso: bool) -> None:
    times = [stamp.tz_convert("America/New_York").isoformat() for stamp in plain["time"]]
    table = plain.rename(columns={"volume": "Volume"}).assign(time=times if iso else epoch(plain, "s"))
    table["Volume MA"] = np.nan
    table["Plot"] = 1.0
    path = tmp_path / "BINANCE_BTCUSDT, 60.csv"
    table.to_csv(path, index=False)
    bars = read_bars(path, now=NOW)
    same(bars, plain)
    assert bars.symbol == "BTCUSDT"


def test_tradingview_without_volume(plain: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "TVC_GOLD, 60.csv"
    plain.drop(columns="volume").assign(time=epoch(plain, "s")).to_csv(path, index=False)
    bars = read_bars(path, now=NOW)
    assert not bars.volume.any()
    assert any("GOLD has no volume" in note for note in bars.notes)


@pytest.mark.parametrize("unit", ["ms", "us"])
def test_binance_vision_file_has_no_header(plain: pd.DataFrame, tmp_path: Path, unit: str) -> None:
    path = tmp_path / "BTCUSDT-1h-2024-03.csv"
    path.write_text("\n".join(",".join(map(str, row)) for row in klines(plain, unit)) + "\n")
    bars = read_bars(path, now=NOW)
    same(bars, plain)
    assert bars.symbol == "BTCUSDT"


def test_binance_klines_as_a_frame(plain: pd.DataFrame) -> None:
    same(read_bars(pd.DataFrame(klines(plain, "ms")), symbol="BTCUSDT", now=NOW), plain)
    named = pd.DataFrame(klines(plain, "ms")).rename(
        columns=dict(enumerate(["open_time", *COLUMNS, "close_time"]))
    )
    same(read_bars(named, symbol="BTCUSDT", now=NOW), plain)


def test_ccxt_list_of_lists(plain: pd.DataFrame, tmp_path: Path) -> None:
    rows = [
        list(row) for row in zip(epoch(plain, "ms"), *(plain[name].tolist() for name in COLUMNS), strict=True)
    ]
    same(read_bars(pd.DataFrame(rows), symbol="BTCUSDT", now=NOW), plain)
    short = pd.DataFrame(rows, columns=["timestamp", "o", "h", "l", "c", "v"])
    same(read_bars(short, symbol="BTCUSDT", now=NOW), plain)
    path = tmp_path / "BTC_USDT-1h.csv"
    path.write_text("\n".join(json.dumps(row)[1:-1] for row in rows))
    bars = read_bars(path, now=NOW)
    same(bars, plain)
    assert bars.symbol == "BTCUSDT"


def yahoo(plain: pd.DataFrame, zone: str | None) -> pd.DataFrame:
    table = plain.drop(columns="time").rename(columns=str.capitalize)
    table["Adj Close"] = table["Close"] * 0.9
    return table.set_index(pd.DatetimeIndex(plain["time"]).tz_convert(zone).rename("Datetime"))


def test_yfinance_with_its_time_zone(plain: pd.DataFrame) -> None:
    same(read_bars(yahoo(plain, "America/New_York"), symbol="BTCUSDT", now=NOW), plain)


def test_yfinance_with_two_levels(plain: pd.DataFrame, tmp_path: Path) -> None:
    table = yahoo(plain, "UTC")
    table.columns = pd.MultiIndex.from_product([table.columns, ["BTC-USD"]], names=["Price", "Ticker"])
    bars = read_bars(table, now=NOW)
    same(bars, plain)
    assert bars.symbol == "BTC-USD"
    table.to_csv(tmp_path / "BTC-USD.csv")
    same(read_bars(tmp_path / "BTC-USD.csv", now=NOW), plain)


def test_one_of_several_tickers(plain: pd.DataFrame) -> None:
    table = yahoo(plain, "UTC")
    both = pd.concat({"AAA": table * 2, "BBB": table}, axis=1)
    same(read_bars(both, symbol="BBB", now=NOW), plain)
    with pytest.raises(DataError, match=r"several symbols \(AAA, BBB\): pass symbol= with one of them"):
        read_bars(both, now=NOW)


def test_naive_times_are_read_in_the_given_zone(plain: pd.DataFrame) -> None:
    local = yahoo(plain, "America/New_York")
    local.index = local.index.tz_localize(None)
    same(read_bars(local, symbol="BTCUSDT", tz="America/New_York", now=NOW), plain)
    texts = local.reset_index().astype({"Datetime": str})
    same(read_bars(texts, symbol="BTCUSDT", tz="America/New_York", now=NOW), plain)


def test_mixed_offsets_become_utc(plain: pd.DataFrame) -> None:
    zones = ["UTC", "Asia/Tokyo", "America/New_York"] * 2
    texts = [stamp.tz_convert(zone).isoformat() for stamp, zone in zip(plain["time"], zones, strict=True)]
    same(read_bars(plain.assign(time=texts), symbol="BTCUSDT", now=NOW), plain)


@pytest.mark.parametrize("form", ["{}Z", "{}+00:00", "{}+0000", "{}+00", "{} UTC"])
def test_ways_to_write_utc(plain: pd.DataFrame, form: str) -> None:
    texts = [form.format(stamp.strftime("%Y-%m-%d %H:%M:%S")) for stamp in plain["time"]]
    same(read_bars(plain.assign(time=texts), symbol="BTCUSDT", now=NOW), plain)


def test_csv_of_an_index_without_name(plain: pd.DataFrame, tmp_path: Path) -> None:
    plain.set_index(pd.DatetimeIndex(plain.pop("time"), name=None)).to_csv(tmp_path / "BTCUSDT_1h.csv")
    assert len(read_bars(tmp_path / "BTCUSDT_1h.csv", now=NOW)) == N


def test_decimals_come_back_exactly(tmp_path: Path) -> None:
    """The fast CSV parser of pandas is one ulp off on some 17-digit numbers; ours is not."""
    generator = np.random.default_rng(3)
    low = generator.uniform(1, 2, 500)
    table = pd.DataFrame(
        {"time": 1_700_000_000 + 3600 * np.arange(500), "open": low, "low": low, "close": low}
    )
    table["high"] = table["open"] * 1.1
    table.to_csv(tmp_path / "ABC_1h.csv", index=False)
    assert read_bars(tmp_path / "ABC_1h.csv", now=NOW).close.tolist() == low.tolist()


def test_the_frame_is_not_changed(plain: pd.DataFrame) -> None:
    before = plain.copy(deep=True)
    read_bars(plain, symbol="BTCUSDT", now=NOW)
    pd.testing.assert_frame_equal(plain, before)


def test_facts_of_an_unknown_symbol_come_from_the_decimals(plain: pd.DataFrame) -> None:
    bars = read_bars(plain.round(dict.fromkeys(COLUMNS, 1)), symbol="NEWUSDT", now=NOW)
    assert (bars.instrument.tick, bars.instrument.step) == (0.1, 0.1)
    assert any("tick of NEWUSDT is not known: 0.1 was inferred" in note for note in bars.notes)
    given = read_bars(plain, symbol="NEWUSDT", instrument={"tick": 0.05, "fee_share": None}, now=NOW)
    assert given.instrument.tick == 0.05
    assert not any("tick" in note for note in given.notes)


def test_prices_without_fixed_decimals_say_that_the_tick_is_assumed(plain: pd.DataFrame) -> None:
    table = plain.assign(**{name: plain[name] / 3 for name in ("open", "high", "low", "close")})
    bars = read_bars(table, symbol="NEWUSDT", now=NOW)
    assert bars.instrument.tick == 0.01
    assert any("no fixed number of decimals, 0.01 is assumed" in note for note in bars.notes)


def test_an_unclosed_last_bar_is_dropped_and_said(plain: pd.DataFrame) -> None:
    last = plain["time"].iloc[-1].to_pydatetime()
    open_bar = read_bars(plain, symbol="BTCUSDT", now=last.replace(minute=59))
    assert len(open_bar) == N - 1
    assert any("had not closed" in note and "05:00" in note for note in open_bar.notes)
    assert len(read_bars(plain, symbol="BTCUSDT", now=last.replace(hour=6))) == N


def test_start_and_end(plain: pd.DataFrame) -> None:
    part = read_bars(plain, symbol="BTCUSDT", start="2024-03-01T01:00", end="2024-03-01T04:00Z", now=NOW)
    assert part.time.astype("datetime64[h]").astype(str).tolist() == [f"2024-03-01T0{h}" for h in (1, 2, 3)]
    for name in ("start", "end"):
        with pytest.raises(DataError, match=f"{name} is 'soon', which is no date: give one such as"):
            read_bars(plain, symbol="BTCUSDT", now=NOW, **{name: "soon"})


def test_sample_with_dates() -> None:
    bars = read_bars("sample:ETHUSDT_1h", start="2024-01-01", end="2024-02-01")
    assert (bars.symbol, str(bars.timeframe), len(bars)) == ("ETHUSDT", "1h", 31 * 24)


def test_timeframe_is_inferred_and_said(plain: pd.DataFrame) -> None:
    bars = read_bars(plain.drop(index=2), symbol="BTCUSDT", now=NOW)
    assert str(bars.timeframe) == "1h"
    assert any("1h was inferred" in note for note in bars.notes)
    assert not read_bars(plain, symbol="BTCUSDT", timeframe="60m", now=NOW).notes


@pytest.mark.parametrize(
    ("stem", "symbol", "timeframe"),
    [
        ("BTCUSDT_1h", "BTCUSDT", "1h"),
        ("BTC_USDT-4h", "BTCUSDT", "4h"),
        ("BTCUSDT-15m-2024-01", "BTCUSDT", "15m"),
        ("BTCUSDT-1d-2024-01-05", "BTCUSDT", "1d"),
        ("BINANCE_BTCUSDT, 60", "BTCUSDT", "60m"),
        ("BINANCE_BTCUSDT.P, 240_1a2b3", "BTCUSDT.P", "240m"),
        ("NASDAQ_AAPL, 1D", "AAPL", "1d"),
        ("NASDAQ_AAPL, 1W (1)", "AAPL", "1w"),
        ("SPY", "SPY", ""),
        ("BTC-USD_1d", "BTC-USD", "1d"),
        ("prices of last year", "", ""),
    ],
)
def test_names(stem: str, symbol: str, timeframe: str) -> None:
    assert name_facts(stem) == (symbol, timeframe)


@pytest.mark.parametrize("stem", ["BTCUSDT-1M", "NASDAQ_AAPL, 1M", "BINANCE_BTCUSDT, 30S", "AAPL_1mo"])
def test_months_and_seconds_are_refused(stem: str) -> None:
    with pytest.raises(DataError, match="not supported: export minutes, hours, days or weeks"):
        name_facts(stem)
