"""The measures of risk against plain readings of their definitions, and what is stored of them."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from mlstrat.backtest import backtest
from mlstrat.data.synthetic import random_walk
from mlstrat.errors import DataError
from mlstrat.guide import assess_risk as guide_assess_risk
from mlstrat.live import Predictor, train
from mlstrat.pipeline import load_panel
from mlstrat.sentiment.align import neutral
from mlstrat.signals.flags import SHOCK, gaps_before
from mlstrat.signals.funnel import QUALITY
from mlstrat.signals.risk import MEASURES, assess_risk, risk_columns, risk_of_trades


def told(values):
    return [None if math.isnan(value) else round(float(value), 12) for value in values]


def lower_before(values):
    """Share of the 500 values before each one that are lower; None where unknown."""
    shares = [None]
    for t in range(1, len(values)):
        before = [value for value in values[max(0, t - 500) : t] if value is not None]
        if values[t] is None or not before:
            shares.append(None)
        else:
            shares.append(round(sum(value < values[t] for value in before) / len(before), 12))
    return shares


def test_each_measure_is_what_its_definition_says(tiny_run):
    run = tiny_run
    bars, said, risk = run.panel.bars, run.predictions, run.risk
    atr = [None if math.isnan(a) else a / c for a, c in zip(run.panel.atr_px, bars.close, strict=True)]
    assert told(risk.volatility) == lower_before(atr)
    value = (bars.close * bars.volume).tolist()
    thin = [-np.mean(value[max(0, t - 13) : t + 1]) for t in range(len(value))]
    assert told(risk.liquidity) == lower_before(thin)
    peak, depth = run.result.rules.cash, []
    for equity in run.result.equity:
        peak = max(peak, equity)
        depth.append(min((1 - equity / peak) / 0.25, 1.0))
    np.testing.assert_allclose(risk.drawdown, depth, atol=1e-12)
    for t in np.flatnonzero(said.known):
        up = [said.votes[t, 0] > 0.5, said.votes[t, 1] > 0, said.votes[t, 2] > 0]
        down = [said.votes[t, 0] < 0.5, said.votes[t, 1] < 0, said.votes[t, 2] < 0]
        agree = up if said.score[t] > 0.5 else down
        assert risk.disagreement[t] == pytest.approx(agree.count(False) / 3)
    assert np.isnan(risk.disagreement[~said.known]).all()
    for name in MEASURES:
        column = getattr(risk, name)
        known = column[np.isfinite(column)]
        assert len(known) > 500, name
        assert ((known >= 0) & (known <= 1)).all(), name


def test_staleness_counts_the_slots_that_hold_no_bar(tiny_run):
    bars, keep = tiny_run.panel.bars, np.ones(400, bool)
    keep[[200, 300, 301, 302, 303]], keep[350:390] = False, False
    names = ("time", "open", "high", "low", "close", "volume")
    bars = replace(bars, **{name: getattr(bars, name)[:400][keep] for name in names})
    part = tiny_run.predictions[:400][keep]
    nothing = np.full(len(bars), np.nan)
    made = risk_columns(bars, nothing, part)
    present = set(np.flatnonzero(keep).tolist())
    for t, slot in enumerate(np.flatnonzero(keep)):
        due = range(max(0, slot - 23), slot + 1)
        assert made.staleness[t] == pytest.approx(1 - sum(s in present for s in due) / len(due))
    assert gaps_before(bars).sum() == 45
    assert made.staleness.max() == pytest.approx(23 / 24)


def test_later_bars_change_no_earlier_measure(tiny_run):
    run = tiny_run
    whole = risk_columns(run.panel.bars, run.panel.atr_px, run.predictions)
    for n in (1, 2, 700, 2001, 3000):
        part = run.predictions[:n]
        made = risk_columns(run.panel.bars[:n], run.panel.atr_px[:n], part)
        for name in MEASURES:
            np.testing.assert_array_equal(getattr(made, name), getattr(whole, name)[:n], err_msg=name)


def test_bars_without_volume_have_no_liquidity(tiny_run):
    bars = tiny_run.panel.bars
    silent = replace(bars, volume=np.zeros(len(bars)))
    nothing = np.full(len(bars), np.nan)
    assert np.isnan(risk_columns(silent, nothing, tiny_run.predictions).liquidity).all()


def test_the_action_is_what_the_decision_says(tiny_run):
    made, risk = tiny_run.decisions, tiny_run.risk
    for t in range(len(made)):
        said = assess_risk(made, risk, t)
        assert said.action == ("enter" if made.side[t] else "skip")
        assert bool(said.reason) == (said.action == "skip")
        np.testing.assert_array_equal([getattr(said, name) for name in MEASURES], row_of(risk, t))
    entered = int(np.flatnonzero(made.side)[0])
    flags = np.zeros(len(made), np.int8)
    flags[entered] = SHOCK
    flagged = replace(made, side=np.where(flags, 0, made.side).astype(np.int8), flags=flags)
    assert flagged.stage[entered] == QUALITY
    assert assess_risk(flagged, risk, entered).reason == "volatility shock"
    assert assess_risk(made, risk, 0).reason == "a feature or the ATR is not known"


def row_of(risk, t):
    return [getattr(risk, name)[t] for name in MEASURES]


def test_each_trade_has_its_risk(tiny_run):
    frame = risk_of_trades(tiny_run.result, tiny_run.decisions, tiny_run.risk)
    trades = tiny_run.result.trades
    assert len(frame) == len(trades) > 10
    assert set(frame["action"]) == {"enter"}
    for row, t in zip(frame.itertuples(), trades.signal_bar, strict=True):
        np.testing.assert_array_equal([getattr(row, name) for name in MEASURES], row_of(tiny_run.risk, t))
        assert row.decided_at.to_datetime64() == tiny_run.result.time[t]
        assert row.entry_time > row.decided_at


def test_a_forecast_is_assessed_by_the_guides_name(walk, tiny_run, tiny_config):
    cut = tiny_run.schedule.boundaries[0]
    known = walk[: int(np.searchsorted(walk.close_time, cut, side="right"))]
    forecast = Predictor(train(load_panel(known, neutral(known), tiny_config), tiny_config)).forecast(walk)
    said = guide_assess_risk(forecast)
    assert tuple(said) == (*MEASURES, "action", "reason")
    assert said["drawdown"] is None  # no account
    assert said["volatility"] == tiny_run.risk.volatility[-1]
    assert json.loads(json.dumps(said)) == said


def test_parts_of_other_bars_are_refused(tiny_run):
    run, other = tiny_run, random_walk(3600, seed=1, step_ticks=10_000.0)
    moved = replace(other, time=other.time + np.timedelta64(1, "h"))
    with pytest.raises(DataError, match=r"not about the last of 3,600 bars: give the bars that were"):
        risk_columns(moved, run.panel.atr_px, run.predictions)
    with pytest.raises(DataError, match=r"risk\.novelty has shape \(3,\) for 3,600 bars: give one value"):
        replace(run.risk, novelty=np.zeros(3))
    part = replace(run.risk, **{name: getattr(run.risk, name)[:9] for name in ("time", *MEASURES)})
    with pytest.raises(DataError, match=r"the risk of 9 bars is not that of the 3,600 bars decided on"):
        assess_risk(run.decisions, part)


def test_a_run_folder_holds_the_risk_of_its_trades(walk, tiny_config, tmp_path):
    pd = pytest.importorskip("pandas")
    for package in ("jinja2", "matplotlib", "quantstats"):
        pytest.importorskip(package)
    path = tmp_path / "bars.parquet"
    walk.frame().to_parquet(path)
    data = tiny_config.data.model_copy(update={"bars": str(path), "symbol": "WALK", "timeframe": "1h"})
    backtest(tiny_config.model_copy(update={"data": data}), tmp_path / "run", engine="kernel")
    trades, risk = (pd.read_csv(tmp_path / "run" / name) for name in ("trades.csv", "risk.csv"))
    assert len(trades) == len(risk) > 10
    assert list(risk.columns) == ["decided_at", "entry_time", *MEASURES, "action"]
    assert (risk["entry_time"] == trades["entry_time"]).all()
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["risk_at_entry"]["volatility"]["trades"] == len(trades)
    assert metrics["risk_at_entry"]["volatility"]["median"] == pytest.approx(risk["volatility"].median())
    assert set(metrics["flags"]) == {"volatility shock", "stale data", "novel features"}
    assert metrics["sentiment_overlap"] is None
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Risk at the deciding close" in page
    assert "no data flag" in page
    assert 'href="risk.csv"' in page
