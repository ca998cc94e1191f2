"""Bars without volume, as of currencies: features and a run work, and what is left out is said."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlstrat.backtest import backtest
from mlstrat.config import parse_config
from mlstrat.data.sources import read_bars
from mlstrat.data.synthetic import random_walk
from mlstrat.errors import DataError
from mlstrat.features.matrix import build
from mlstrat.features.registry import REGISTRY
from mlstrat.pipeline import run

NOW = datetime(2025, 1, 1, tzinfo=UTC)
N = 3_000
VOLUMES: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "no column": lambda frame: frame.drop(columns="volume"),
    "empty cells": lambda frame: frame.assign(volume=np.nan),
    "all zero": lambda frame: frame.assign(volume=0.0),
}
TICKS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "always one": lambda frame: frame.assign(volume=1.0),
    "zero or one": lambda frame: frame.assign(volume=np.arange(N) % 7 < 3).astype({"volume": float}),
    "mostly zero": lambda frame: frame.assign(volume=(np.arange(N) % 500 == 0).astype(float)),
}


def currency() -> pd.DataFrame:
    """Hours of a pair with five decimals, closed from Friday to Sunday evening."""
    hours = pd.date_range("2022-01-02 22:00", periods=2 * N, freq="1h", tz="UTC")
    friday = (hours.dayofweek == 4) & (hours.hour >= 22)
    sunday = (hours.dayofweek == 6) & (hours.hour < 22)
    hours = hours[~(friday | (hours.dayofweek == 5) | sunday)][:N]
    frame = random_walk(N, 8, step_ticks=300.0, tick=1e-5, start=1.1).frame().set_index(hours)
    return frame.round(5).rename_axis("time")


@pytest.mark.parametrize("change", VOLUMES.values(), ids=VOLUMES)
def test_volume_features_are_left_out(change: Callable[[pd.DataFrame], pd.DataFrame], tmp_path: Path) -> None:
    change(currency()).to_csv(tmp_path / "EURUSD_1h.csv")
    bars = read_bars(tmp_path / "EURUSD_1h.csv", now=NOW)
    assert not bars.has_volume
    assert "EURUSD has no volume: volume is 0 in every bar." in bars.notes
    matrix = build(bars)
    assert not any(REGISTRY[name].needs_volume for name in matrix.names)
    assert len(matrix.names) > 50
    assert np.isfinite(matrix.values[matrix.ready :]).all()
    with pytest.raises(DataError, match=r"volume_ratio cannot be computed, because EURUSD has no volume"):
        build(bars, ["ret_1", "volume_ratio"])


@pytest.mark.parametrize("change", TICKS.values(), ids=TICKS)
def test_counted_ticks_are_volume_however_dull(change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    bars = read_bars(change(currency()), symbol="EURUSD", now=NOW)
    assert bars.has_volume
    matrix = build(bars)
    assert any(REGISTRY[name].needs_volume for name in matrix.names)
    for name, column, lookback in zip(matrix.names, matrix.values.T, matrix.lookback, strict=True):
        assert np.isfinite(column[lookback - 1 :]).all(), name


SMALL = {
    "jobs": 1,
    "sentiment": {"source": "none"},
    "features": {"families": ["volume", "momentum"]},
    "splits": {"training_days": 60, "retrain": "month", "max_windows": 2},
    "models": {"bins": 8, "rf_n_estimators": 5, "gb_n_estimators": 5, "lstm_units": 2, "lstm_epochs": 1},
}


@pytest.mark.parametrize("change", [VOLUMES["no column"], TICKS["zero or one"]], ids=["none", "ticks"])
def test_a_run_in_the_kernel(change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    config = parse_config({**SMALL, "data": {"symbol": "EURUSD"}})
    made = run(config, bars=change(currency()))
    assert np.isfinite(made.result.equity).all()
    assert int(made.predictions.known.sum()) > 300
    assert (
        any(REGISTRY[name].needs_volume for name in made.panel.features.names) == made.panel.bars.has_volume
    )


def test_a_run_says_that_they_were_left_out(tmp_path: Path) -> None:
    pytest.importorskip("quantstats", reason="the extra report is not installed")
    VOLUMES["all zero"](currency()).to_csv(tmp_path / "EURUSD_1h.csv")
    config = parse_config({**SMALL, "data": {"bars": str(tmp_path / "EURUSD_1h.csv")}})
    backtest(config, tmp_path / "run", engine="kernel")
    page = (tmp_path / "run" / "report.html").read_text()
    assert "The volume features were left out, because the bars have no volume." in page
    assert "EURUSD has no volume: volume is 0 in every bar." in page
