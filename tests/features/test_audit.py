"""The audit: planted leaks are found where they are, honest twins pass, and runs refuse what it refuses."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from numba import njit
from planted_leaks import PAIRS, array_feature

from mlstrat.data.synthetic import random_walk
from mlstrat.errors import DataError, FeatureLeakError
from mlstrat.features import audit as audits
from mlstrat.features.audit import FUNCTION, STEP, audit, refuse_unsound
from mlstrat.features.audit_bars import SMOOTH, smooth
from mlstrat.features.causality import ADDED, Rounding, values_of
from mlstrat.features.lookup import registered
from mlstrat.features.runner import Runner

BY_NAME = {pair.name: pair for pair in PAIRS}
SHORT = 80


def honest(name):
    return BY_NAME[name].twin


def test_there_are_thirty_of_each():
    assert len(BY_NAME) == len(PAIRS) == 30


@pytest.mark.filterwarnings("ignore:One of the clusters is empty")
@pytest.mark.parametrize("name", BY_NAME)
def test_a_planted_leak_is_found(name):
    verdict = audit(BY_NAME[name].leak, n_bars=SHORT)
    assert verdict.leak is not None, verdict
    assert not verdict.causal
    assert not verdict.passed
    assert verdict.leak.bar < verdict.leak.saw < max(SHORT, 2 * verdict.lookback + 200)
    assert verdict.leak.size > 0


@pytest.mark.parametrize("name", BY_NAME)
def test_its_honest_twin_passes(name):
    verdict = audit(honest(name), n_bars=SHORT)
    assert verdict.leak is None
    assert verdict.causal
    assert verdict.stream_agrees, verdict
    assert verdict.passed, verdict
    assert verdict.lookback_found <= verdict.lookback


@pytest.mark.filterwarnings("ignore:One of the clusters is empty")
@pytest.mark.parametrize("name", BY_NAME)
def test_a_run_refuses_the_leak_and_takes_the_twin(name):
    with pytest.raises(
        FeatureLeakError, match=rf"feature {name} sees the future: on a smooth walk its value"
    ):
        refuse_unsound(BY_NAME[name].leak)
    refuse_unsound(honest(name))


@pytest.mark.parametrize(
    ("name", "bar", "saw"),
    [
        ("next_return", 0, 1),  # bar 0 needs bar 1
        ("label", 0, 5),
        ("centred", 5, 10),  # eleven bars around bar 5 end at bar 10
        ("back_fill", 0, 19),  # the first mean of twenty
        ("shifted_mean", 4, 7),  # bars 3 to 7 hold the first five
        ("daily", 0, 1),  # the walk begins at midnight
        ("headline", 0, 15),
        ("interpolated", 1, 4),  # without bar 4 the value of bar 0 is carried on
        ("merged", 4, 6),  # 06:00 is nearer to 04:00 than midnight is; 03:00 takes the earlier of two
    ],
)
def test_the_first_offending_bar_is_named(name, bar, saw):
    leak = audit(BY_NAME[name].leak, n_bars=60).leak
    assert (leak.bar, leak.saw) == (bar, saw)
    assert (leak.test, leak.series) == (ADDED, SMOOTH)


def test_the_size_is_what_the_later_bars_change():
    rows = smooth(60)
    leak = audit(BY_NAME["daily"].leak, n_bars=60).leak
    assert leak.before == 1.0
    assert leak.after == pytest.approx(rows[23, 3] / rows[0, 3], rel=1e-12)
    assert leak.size == pytest.approx(abs(leak.after - 1.0))
    assert leak.relative == pytest.approx(leak.size / max(1.0, leak.after))


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_the_future_in_the_last_digits_is_found(level):
    """Of a constant that is all that it says; of two levels it is what a tree would part."""

    def bits(f):
        level_of = np.where(f.index.hour > 12, level, 1.0)
        return level_of + 4e-10 * np.sign(f.close.shift(-5) - f.close).fillna(0.0)

    f = array_feature("bits", bits)
    leak = audit(f, n_bars=60).leak
    # The last bar has no fifth one behind it, until there is one.
    assert (leak.bar, leak.saw) == (0, 5)
    assert leak.size == pytest.approx(4e-10, rel=1e-5)
    with pytest.raises(FeatureLeakError, match=r"bar \d+ changes from 1\.0 to (0\.9|1\.0)\d{9} with bar"):
        refuse_unsound(f)


@pytest.mark.parametrize("by", ["level", "distance", "share of rises"])
def test_the_rounding_of_a_convolution_by_fft_is_no_leak(by):
    signal = pytest.importorskip("scipy.signal")

    def smoothed(f):
        values = np.sign(f.close.diff().fillna(0.0)) if by == "share of rises" else f.close
        mean = signal.fftconvolve(values.to_numpy(), np.full(24, 1 / 24))[: len(f)]
        return {"level": mean / f.close, "distance": f.close - mean, "share of rises": mean}[by]

    verdict = audit(array_feature("smoothed", smoothed, lookback=24, warmup=25), n_bars=150)
    assert verdict.leak is None
    assert verdict.causal


def test_rounding_is_measured_by_size_spread_and_last_bits():
    column = np.array([1.0, -1.0, 3.0, 0.0, np.nan])
    rounding = Rounding.of(column)
    assert (rounding.usual, rounding.spread) == (1.0, np.std([1.0, -1.0, 3.0, 0.0]))
    change = np.array([9e-12, 1.1e-11, 2.9e-11, 9e-12, 0.0])
    assert rounding.apart(column + change, column).tolist() == [False, True, False, False, False]
    assert rounding.apart(np.zeros(5), column).tolist() == [True, True, True, False, True]
    flat = Rounding.of(np.full(3, 5.0))
    assert flat.apart(np.array([5.0, 5.0 + 4e-15, 5.0 + 1e-13]), np.full(3, 5.0)).tolist() == [
        False,
        False,
        True,
    ]
    outlier = Rounding.of(np.r_[1e15, np.ones(9)])
    assert outlier.apart(np.array([1.0 + 4e-10]), np.ones(1))[0]


def test_a_leak_that_only_large_values_show_is_found_by_tampering():
    def alarmed(f):
        return np.full(len(f), float(f.close.max() > 5 * f.close.iloc[0]))

    leak = audit(array_feature("alarmed", alarmed), n_bars=60).leak
    assert leak.test == "later bars times 10"
    assert (leak.before, leak.after) == (0.0, 1.0)


def test_a_leak_in_the_users_own_bars_is_found():
    def trap(f):
        return np.full(len(f), float(f.close.iloc[-1] > 1e6))

    dear = random_walk(500, 3, start=1e6).matrix
    assert audit(array_feature("trap", trap), n_bars=60).causal
    leak = audit(array_feature("trap", trap), own=[("mine.csv", dear)]).leak
    assert leak.series == "mine.csv"


def test_steps_are_causal_and_stream_bit_by_bit():
    verdict = audit(registered()["rsi_14"])
    assert (verdict.kind, verdict.causal, verdict.stream_agrees) == (STEP, True, True)
    assert verdict.lookback_found == verdict.lookback == 15
    assert audit(registered()["corr_20"]).passed  # of two symbols
    assert audit(honest("daily"), n_bars=60).kind == FUNCTION


def test_a_warm_up_that_is_too_short_is_told_with_one_that_is_enough():
    short = replace(honest("reversed_ewm"), warmup=16)
    verdict = audit(short, n_bars=60)
    assert verdict.causal
    assert not verdict.stream_agrees
    assert 1e-9 < verdict.stream_difference < 1e-2
    # (9 / 11) ** n of some per cent is below 1e-9 from about n = 90 on.
    assert verdict.warmup_needed == 128
    with pytest.raises(DataError, match=r"its last 16 bars, as a stream does.*: declare warmup=128"):
        refuse_unsound(short)


def test_a_memory_without_bound_is_refused():
    total = array_feature("total", lambda f: f.volume.cumsum())
    verdict = audit(total, n_bars=60)
    assert verdict.causal
    assert verdict.warmup_needed is None
    assert not verdict.passed
    with pytest.raises(
        DataError, match=r"feature total recomputed .* its memory has no bound; compute it over"
    ):
        refuse_unsound(total)


def test_the_warm_up_of_a_step_is_proved_too():
    short = replace(registered()["ema_50"], warmup=50)
    verdict = audit(short, n_bars=60)
    assert verdict.causal
    assert not verdict.passed
    # (49 / 51) ** n falls below 1e-9 at n = 519, and 50 doubled four times is 800.
    assert verdict.warmup_needed == 800
    with pytest.raises(DataError, match=r"ema_50 recomputed from its last 50 bars.*: declare warmup=800"):
        refuse_unsound(short)


def test_a_step_without_bound_is_refused():
    @njit
    def total(state, bar, params):
        state[0] += bar[4]
        return state[0]

    f = replace(
        registered()["ret_1"], name="step_total", step=total, state_size=1, local=1, lookback=1, warmup=1
    )
    assert audit(f, n_bars=60).warmup_needed is None
    with pytest.raises(DataError, match=r"step_total recomputed .* its memory has no bound"):
        refuse_unsound(f)


def test_a_missing_value_is_a_problem_and_one_at_rest_a_note():
    late = audit(replace(honest("z_score"), lookback=10), n_bars=60)
    assert late.problem == f"on {SMOOTH}: no finite value before bar 49: declare lookback=50."
    assert late.lookback_found == 50
    still = audit(array_feature("place", lambda f: (f.close - f.low) / (f.high - f.low)), n_bars=200)
    assert still.passed
    assert still.note.startswith("on coarse bars: the value nan at bar ")


def test_a_function_that_fails_or_draws_lots_is_not_proved():
    fails = audit(array_feature("fails", lambda f: f.colour), n_bars=60)
    assert not fails.causal
    assert "feature fails failed on 60 bars (AttributeError" in fails.problem
    dice = np.random.default_rng(1)
    drawn = audit(array_feature("drawn", lambda f: dice.random(len(f))), n_bars=60)
    assert not drawn.causal
    assert "other values for the same bars: draw its random numbers from a fixed seed" in drawn.problem


def test_a_runner_refuses_a_leak_before_it_takes_a_bar():
    with pytest.raises(FeatureLeakError, match="feature z_score sees the future"):
        Runner([BY_NAME["z_score"].leak], 3600)


def test_a_feature_is_tried_once_a_process(monkeypatch):
    calls = SimpleNamespace(count=0)

    def counted(f):
        calls.count += 1
        return f.close / f.open

    f = array_feature("counted", counted)
    Runner([f], 3600)
    tried = calls.count
    Runner([f], 3600)
    assert 0 < calls.count == tried


def test_a_day_of_daily_bars_is_no_leak():
    """What sees the rest of an hourly bar's day sees nothing on daily bars."""
    refuse_unsound(BY_NAME["day_high"].leak, 86_400)


def test_seconds_come_from_the_clock_given():
    ticks = iter((10.0, 12.5))
    assert audit(honest("next_return"), n_bars=60, clock=lambda: next(ticks)).seconds == 2.5


def test_values_before_the_lookback_are_those_a_run_sees():
    f = replace(BY_NAME["back_fill"].leak, lookback=20, warmup=20)
    assert np.isnan(values_of(f, smooth(60))[:19]).all()
    assert audits.audit(f, n_bars=60).causal


def test_a_leak_on_rare_bars_only_is_found():
    def rare(frame):
        change = frame.close.pct_change().fillna(0.0)
        return np.where(change > 0.05, change.shift(-1).fillna(0.0), change)

    def twin(frame):
        change = frame.close.pct_change().fillna(0.0)
        return np.where(change > 0.05, change.shift(1).fillna(0.0), change)

    leak = array_feature("rare_leak", rare, lookback=1, warmup=3)
    found = audit(leak, n_bars=SHORT).leak
    assert found.series == "bars with jumps"
    assert found.saw == found.bar + 1
    with pytest.raises(FeatureLeakError, match="feature rare_leak sees the future: on bars with jumps"):
        refuse_unsound(leak)
    assert audit(array_feature("rare_twin", twin, lookback=1, warmup=3), n_bars=SHORT).passed
