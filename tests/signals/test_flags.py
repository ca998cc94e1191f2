"""Breakers on data against plain loops; nothing from later bars; the same in every path that decides."""

import math
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from mlstrat.config import parse_config
from mlstrat.data.bars import COLUMNS, Bars
from mlstrat.data.instrument import Instrument
from mlstrat.data.synthetic import random_walk
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import DataError
from mlstrat.execution.kernel import simulate
from mlstrat.features.matrix import build
from mlstrat.live import Predictor, train
from mlstrat.models.binning import fit_edges
from mlstrat.pipeline import load_panel, run_panel
from mlstrat.sentiment.align import neutral
from mlstrat.signals.decide import decide
from mlstrat.signals.flags import NOVEL, SHOCK, STALE, FlagStream, bar_flags, flag_rules, gaps_before
from mlstrat.signals.funnel import QUALITY, funnel_of
from mlstrat.signals.novelty import MARGIN, novelty_block, novelty_row
from mlstrat.signals.stopper import stopper
from mlstrat.signals.terms import risk_rules

RISK = {"shock_atr": 4.0, "shock_bars": 5, "stale_bars": 3, "novelty": 0.3}
DECIDED = ("side", "fraction", "stop", "target", "max_bars", "stage", "quality", "flags")


def config_of(**risk):
    return parse_config({"risk": risk})


def picked(bars, keep):
    return replace(bars, **{name: getattr(bars, name)[keep] for name in ("time", *COLUMNS)})


def atr_of(bars):
    return build(bars, ("atr_px",)).column("atr_px").copy()


def stock(hours, **facts):
    """Hourly bars that open at the given hours after 2024-01-01 00:00 UTC, a Monday."""
    time = np.datetime64("2024-01-01T00", "ns") + np.asarray(hours) * np.timedelta64(1, "h")
    px = np.full(len(time), 100.0)
    return Bars(time, px, px, px, px, px, "X", Timeframe("1h"), Instrument("X", **facts))


def by_hand(bars, atr_px, novelty, risk):
    """The section `risk`, as a reader of docs/risk.md would write it, for a market without a calendar."""
    shocks, stales, novel, weekend_seen = set(), set(), set(), False
    for t in range(len(bars)):
        opened = datetime.fromtimestamp(int(bars.time[t].astype("datetime64[s]").astype(int)), UTC)
        weekend_seen = weekend_seen or opened.strftime("%a") in ("Sat", "Sun")
        if t and risk["shock_atr"]:
            high, low, before = bars.high[t], bars.low[t], bars.close[t - 1]
            moved = max(high - low, abs(high - before), abs(low - before))
            if moved > risk["shock_atr"] * atr_px[t - 1]:
                shocks |= set(range(t, t + risk["shock_bars"]))
        if t and risk["stale_bars"]:
            hours = (bars.time[t] - bars.time[t - 1]) / np.timedelta64(1, "h")
            if hours - 1 > risk["stale_bars"] and (weekend_seen or hours > 5 * 24):
                stales |= set(range(t, t + risk["stale_bars"]))
        if risk["novelty"] and not math.isnan(novelty[t]) and novelty[t] > risk["novelty"]:
            novel.add(t)
    return [1 * (t in shocks) + 2 * (t in stales) + 4 * (t in novel) for t in range(len(bars))]


def gappy(seed):
    draw = np.random.default_rng(seed)
    keep = draw.random(1500) < 0.8
    keep[20:60], keep[700 : 702 + 4 * seed] = False, False
    bars = picked(random_walk(1500, seed=seed, step_ticks=10_000.0), keep)
    novelty = np.where(draw.random(len(bars)) < 0.2, np.nan, draw.random(len(bars)))
    return bars, atr_of(bars), novelty


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("off", [None, "shock_atr", "stale_bars", "novelty"])
def test_they_are_what_a_plain_loop_says(seed, off):
    bars, atr_px, novelty = gappy(seed)
    risk = {"shock_atr": 2.5, "shock_bars": 2 + seed, "stale_bars": 1 + seed % 2, "novelty": 0.9}
    if off:
        risk[off] = type(risk[off])(0)
    made = bar_flags(bars, atr_px, config_of(**risk), novelty)
    assert made.tolist() == by_hand(bars, atr_px, novelty, risk)
    bits = {"shock_atr": SHOCK, "stale_bars": STALE, "novelty": NOVEL}
    for name, bit in bits.items():
        assert (made & bit).any() == (name != off)


def test_later_bars_change_no_earlier_flag():
    bars, atr_px, novelty = gappy(1)
    config = config_of(shock_atr=2.5, stale_bars=1, novelty=0.9)
    whole = bar_flags(bars, atr_px, config, novelty)
    for n in range(1, len(bars)):
        np.testing.assert_array_equal(bar_flags(bars[:n], atr_px[:n], config, novelty[:n]), whole[:n])


def test_one_bar_at_a_time_gives_the_same_flags():
    bars, atr_px, novelty = gappy(2)
    config = config_of(shock_atr=2.5, stale_bars=1, novelty=0.9)
    stream = FlagStream(flag_rules(config, bars.timeframe, bars.instrument), bars.timeframe, bars.instrument)
    alone = [stream.step(row, *pair) for row, *pair in zip(bars.matrix, atr_px, novelty, strict=True)]
    assert alone == bar_flags(bars, atr_px, config, novelty).tolist()


def test_a_week_of_stock_hours_is_not_stale_and_a_lost_day_is():
    pytest.importorskip("exchange_calendars", reason="the extra data is not installed")
    # Eight days of 14:30 to 21:00 UTC; the 15th is Martin Luther King's day; the 10th is lost.
    days = (2, 3, 4, 5, 8, 9, 11, 12, 16, 17)
    hours = [24 * (day - 1) + 14.5 + hour for day in days for hour in range(7)]
    time = np.datetime64("2024-01-01T00", "ns") + (np.array(hours) * 60).astype(int) * np.timedelta64(1, "m")
    px = np.full(len(time), 100.0)
    facts = Instrument("X", calendar="XNYS")
    bars = Bars(time, px, px, px, px, px, "X", Timeframe("1h"), facts)
    gaps = gaps_before(bars)
    assert {int(t): gaps[t] for t in np.flatnonzero(gaps)} == {42: 6.0}  # six and a half hours of trading
    config = config_of(shock_atr=0.0)
    flags = bar_flags(bars, np.ones(len(bars)), config)
    assert np.flatnonzero(flags == STALE).tolist() == [42, 43, 44]
    stream = FlagStream(flag_rules(config, bars.timeframe, facts), bars.timeframe, facts)
    assert [stream.step(row, 1.0, np.nan) for row in bars.matrix] == flags.tolist()


def test_without_a_calendar_closures_of_up_to_five_days_are_none():
    nights = [day * 24 + hour for day in (0, 1, 2, 3, 4, 7, 8, 16) for hour in range(14, 20)]
    assert np.flatnonzero(gaps_before(stock(nights))).tolist() == [42]  # eight days
    with_saturday = sorted([*nights, 5 * 24 + 14])
    assert gaps_before(stock(with_saturday)).astype(bool).sum() == 4  # from the Saturday on, nothing closes
    assert gaps_before(stock(with_saturday, sessions_per_year=252.0)).astype(bool).sum() == 1


def test_a_gap_is_stale_beyond_the_setting_only():
    hours = np.r_[0:140, 143:160, 164:200]  # three missing, then four
    bars = stock(hours, sessions_per_year=0.0)
    for most, begins in ((1, [140, 157]), (2, [140, 157]), (3, [157]), (4, [])):
        flags = bar_flags(bars, np.ones(len(bars)), config_of(stale_bars=most))
        expected = {t for begin in begins for t in range(begin, begin + most)}
        assert set(np.flatnonzero(flags).tolist()) == expected


def test_a_shock_is_measured_by_the_bar_before_and_lasts():
    bars = random_walk(200, seed=3, step_ticks=10_000.0)
    atr_px = np.full(200, 1e9)
    atr_px[99] = (bars.high[100] - bars.low[100]) / 6.5
    for factor, flagged in ((6.0, [100, 101, 102]), (7.0, [])):
        flags = bar_flags(bars, atr_px, config_of(shock_atr=factor, shock_bars=3))
        assert np.flatnonzero(flags == SHOCK).tolist() == flagged
    atr_px[99] = np.nan
    assert not bar_flags(bars, atr_px, config_of(shock_atr=6.0)).any()


def test_novelty_is_the_share_of_features_far_beyond_the_edges():
    edges = np.array([[0.0, 1.0, 2.0], [10.0, 20.0, np.inf], [5.0, np.inf, np.inf], [np.inf] * 3])
    inside, out_of_first, out_of_both = (0.0, 15.0), (-2.1, 15.0), (4.1, -0.1)
    for (a, b), share in ((inside, 0.0), (out_of_first, 0.5), (out_of_both, 1.0)):
        assert novelty_row(np.array([a, b, 1e9, -1e9]), edges) == share
    assert novelty_row(np.array([2.0 + 2.0 * MARGIN, 10.0 - 10.0 * MARGIN, 0.0, 0.0]), edges) == 0.0
    assert math.isnan(novelty_row(np.array([np.nan, 15.0, 0.0, 0.0]), edges))
    assert math.isnan(novelty_row(np.zeros(4), np.full((4, 3), np.inf)))


def test_novelty_of_real_edges_against_a_plain_loop():
    draw = np.random.default_rng(0)
    x = draw.standard_t(2, (400, 6)) * np.r_[np.ones(200), np.full(200, 3.0)][:, None]
    edges = fit_edges(x[:200], 15)
    made = novelty_block(x[200:], edges)
    for row, novelty in zip(x[200:], made, strict=True):
        beyond = 0
        for value, own in zip(row, edges, strict=True):
            first, last = min(own), max(own)
            beyond += value < first - (last - first) or value > last + (last - first)
        assert novelty == beyond / 6
    assert len(np.unique(made)) > 2


@pytest.mark.parametrize("bins", [15, 63])
def test_it_fires_on_few_usual_bars_and_on_a_planted_shift(bins):
    """With the threshold that docs/risk.md names; the shift is a unit mistaken in half of the features."""
    bars = random_walk(9000, seed=4, step_ticks=10_000.0)
    names = ("ret_1", "ret_5", "ret_20", "rsi_14", "atr_14", "volume_ratio", "bb_width", "ret_std_20")
    x = build(bars, names).values[100:]
    edges = fit_edges(x[:6000], bins)
    usual = novelty_block(x[6000:], edges) > 0.15
    shifted = novelty_block(x[6000:] * np.where(np.arange(len(names)) % 2, 100.0, 1.0), edges) > 0.15
    assert usual.mean() < 0.01
    assert shifted.mean() > 0.99


def test_novelty_of_other_bars_is_refused():
    bars, atr_px, _ = gappy(0)
    with pytest.raises(DataError, match=r"novelty of 3 rows do not match .* give one value a bar\."):
        bar_flags(bars, atr_px, config_of(), np.zeros(3))


@pytest.fixture(scope="module")
def rough(walk):
    """The walk with a jump, an outage and a wild end, all out of sample."""
    n = len(walk)
    columns = {}
    for name in ("open", "high", "low", "close"):
        px = getattr(walk, name).copy()
        px[2500:] *= 1.1
        base = px[n - 301]
        px[n - 300 :] = base * np.exp(4.0 * np.log(px[n - 300 :] / base))
        columns[name] = px
    columns["high"] = np.maximum(columns["high"], np.maximum(columns["open"], columns["close"]))
    columns["low"] = np.minimum(columns["low"], np.minimum(columns["open"], columns["close"]))
    return picked(replace(walk, **columns), np.r_[0:3000, 3008:n])


@pytest.fixture(scope="module")
def risky(tiny_config):
    return tiny_config.model_copy(update={"risk": config_of(**RISK).risk})


@pytest.fixture(scope="module")
def panel(rough, risky):
    return load_panel(rough, neutral(rough), risky)


@pytest.fixture(scope="module")
def batch(panel, risky):
    return run_panel(panel, risky)


def test_a_flagged_bar_keeps_its_signal_and_has_no_trade(batch, panel, risky):
    made = batch.decisions
    off = risky.model_copy(update={"risk": config_of(shock_atr=0.0, stale_bars=0, novelty=0.0).risk})
    free = decide(panel.bars, batch.predictions, panel.mood, panel.atr_px, off)
    flagged = made.flags != 0
    for bit in (SHOCK, STALE, NOVEL):
        assert (flagged & (made.flags & bit != 0) & (free.side != 0)).any()
    assert not free.flags.any()
    for name in DECIDED[:-1]:
        np.testing.assert_array_equal(getattr(made, name)[~flagged], getattr(free, name)[~flagged], name)
    assert not made.side[flagged].any()
    assert not made.fraction[flagged].any()
    assert np.isnan(made.stop[flagged]).all()
    np.testing.assert_array_equal(made.stage, free.stage)
    np.testing.assert_array_equal(made.quality, free.quality)
    assert batch.funnel.quality - batch.funnel.unflagged == np.sum(flagged & (made.stage == QUALITY))
    assert batch.funnel.unflagged == np.count_nonzero(made.side)
    assert "no data flag" in dict(batch.funnel.steps())


def test_the_frame_holds_the_flags(batch):
    assert batch.decisions.frame()["flags"].tolist() == batch.decisions.flags.tolist()
    with pytest.raises(DataError, match="has a side and a flag: a flagged bar has side 0"):
        replace(batch.decisions, flags=np.ones(len(batch.decisions), np.int8))


def test_a_model_that_goes_on_flags_as_the_run_does(batch, panel, rough, risky):
    """Live: from the first window's cut on, the shock and the outage lie behind it."""
    cut = batch.schedule.boundaries[0]
    known = rough[: int(np.searchsorted(rough.close_time, cut, side="right"))]
    predictor = Predictor(train(load_panel(known, neutral(known), risky), risky))
    said = predictor.forecast(rough)
    rows = np.flatnonzero(batch.predictions.fold == 0)
    for name in DECIDED:
        made = getattr(said.decisions, name)[: len(rows)]
        np.testing.assert_array_equal(made, getattr(batch.decisions, name)[rows], err_msg=name)
    for name in ("volatility", "liquidity", "disagreement", "novelty", "staleness"):
        made = getattr(said.risk, name)[: len(rows)]
        np.testing.assert_array_equal(made, getattr(batch.risk, name)[rows], err_msg=name)
    assert (said.decisions.flags & STALE).any()
    later = said.bars.time[said.decisions.flags & NOVEL != 0]
    last = int(np.searchsorted(rough.time, later[-1]))
    ended = predictor.forecast(rough[: last + 1])
    assert "The last bar makes no entry, because of: " in ended.notes[-1]
    assert "novel features" in ended.notes[-1]


def test_retraining_bar_by_bar_flags_as_the_batch_does(batch, rough, risky):
    pytest.importorskip("backtrader")
    from mlstrat.engines.on_backtrader.retraining import retraining_advisor

    advisor = retraining_advisor(rough, neutral(rough), risky)
    advice = [advisor.advise(t, row.copy()) for t, row in enumerate(rough.matrix)]
    assert [given.side for given in advice] == batch.decisions.side.tolist()
    assert [given.fraction for given in advice] == batch.decisions.fraction.tolist()


def test_predictions_in_backtrader_take_the_flags_of_the_run(batch, rough, risky):
    pytest.importorskip("backtrader")
    from mlstrat.engines.on_backtrader import MLStrategy, cerebro_for

    rules = risk_rules(risky, rough)
    told = {"config": risky, "predictions": batch.predictions}
    cerebro = cerebro_for(rough, rules, stdstats=False)
    cerebro.addstrategy(MLStrategy, **told)
    (strategy,) = cerebro.run()
    kernel = simulate(rough, batch.decisions, rules)
    assert len(kernel.trades) > 10
    for name in ("entry_bar", "exit_bar", "side", "units", "entry_price", "exit_price", "reason"):
        inside = getattr(strategy.result.trades, name)
        np.testing.assert_array_equal(inside, getattr(kernel.trades, name), err_msg=name)


def test_flags_of_other_bars_are_refused(batch, panel, risky):
    with pytest.raises(DataError, match=r"flags of 3 rows do not match .* bars: give one a bar\."):
        decide(
            panel.bars, batch.predictions, panel.mood, panel.atr_px, risky, flags=batch.decisions.flags[:3]
        )


def test_a_run_whose_signals_are_all_flagged_says_so(batch, panel, risky):
    flags = np.full(len(panel.bars), SHOCK, np.int8)
    made = decide(panel.bars, batch.predictions, panel.mood, panel.atr_px, risky, flags=flags)
    result = simulate(panel.bars, made, risk_rules(risky, panel.bars))
    said = stopper(funnel_of(made, result), batch.predictions, made, risky)
    assert f"stopped every one of {batch.funnel.quality:,} signals (volatility shock at" in said
    assert "raise risk.shock_atr" in said
