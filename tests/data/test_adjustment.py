"""Splits that were not adjusted for, and prices that were, are told from what markets do."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from mlstrat.data import samples
from mlstrat.data.adjustment import SPLIT_RATIOS, looks_adjusted, splits
from mlstrat.data.bars import Bars
from mlstrat.data.quality import check
from mlstrat.data.sources import read_bars
from mlstrat.data.synthetic import gapping, random_walk

NOW = datetime(2025, 1, 1, tzinfo=UTC)
PRICES = ["open", "high", "low", "close"]
DAYS = pd.bdate_range("2020-01-06", periods=500, tz="UTC")


def traded(seed: int = 1, symbol: str = "XYZ") -> pd.DataFrame:
    """Daily bars of a stock on its tick, 1.6 % a day."""
    return (
        gapping(random_walk(500, seed, start=300.0, step_ticks=480.0), seed, gap=1.0).frame().set_index(DAYS)
    )


def stock(frame: pd.DataFrame, **facts: object) -> Bars:
    facts = {"sessions_per_year": 252.0, "tick": 0.01, **facts}
    return read_bars(frame, symbol="XYZ", now=NOW, instrument=facts)


def at_ratio(frame: pd.DataFrame, row: int, ratio: float) -> pd.DataFrame:
    """Prices from a row on as after so many new shares for one, on the tick."""
    after = frame.copy()
    after.iloc[row:, :4] = (after.iloc[row:, :4] / ratio).round(2)
    return after


@pytest.mark.parametrize("ratio", SPLIT_RATIOS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_split_either_way_is_found_at_its_row(ratio: float, seed: int) -> None:
    for share in (ratio, 1 / ratio):
        report = check(stock(at_ratio(traded(seed), 333, share)))
        assert report.split_rows == (333,)
    assert "1 bars look like an unadjusted split (row 333): use adjusted prices." in report.lines()


@pytest.mark.parametrize("seed", range(8))
def test_a_stock_that_did_not_split_raises_no_alarm(seed: int) -> None:
    bars = stock(traded(seed))
    assert not splits(bars).any()
    assert not looks_adjusted(bars)


def test_a_crash_is_no_split() -> None:
    """Half the price is gone at the open, and the day is ten times as wide as others."""
    frame = at_ratio(traded(), 333, 2.0)
    frame.iloc[333, 1] *= 1.2
    assert check(stock(frame)).split_rows == ()


def test_a_move_over_missing_bars_is_no_split() -> None:
    frame = at_ratio(traded(), 333, 2.0)
    assert check(stock(frame.drop(frame.index[325:333]))).split_rows == ()


@pytest.mark.parametrize("name", samples.names())
def test_coins_raise_no_alarm(name: str) -> None:
    bars = samples.load_bars(name)
    assert not splits(bars).any()
    assert not looks_adjusted(bars)


@pytest.mark.parametrize("tick", [0.01, None])
def test_prices_less_their_dividends_look_adjusted(tick: float | None) -> None:
    frame = traded()
    frame[PRICES] = frame[PRICES].mul(np.linspace(0.8, 0.99, 500), axis=0)
    lines = check(stock(frame, tick=tick)).lines()
    assert any(line.startswith("The prices of XYZ look adjusted for splits or dividends") for line in lines)
    rounded = stock(frame.round(6), tick=tick)
    assert looks_adjusted(rounded)


def test_prices_stored_in_four_bytes_do_not_look_adjusted() -> None:
    assert not looks_adjusted(stock(traded().astype("float32").astype("float64")))


def test_currencies_with_fine_ticks_do_not_look_adjusted() -> None:
    frame = traded()
    euro = frame.assign(**{name: (frame[name] / 300).round(5) for name in PRICES})
    bars = read_bars(euro, symbol="EURUSD", now=NOW)
    assert bars.closes
    assert not looks_adjusted(bars)
    assert not splits(bars).any()
