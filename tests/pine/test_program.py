"""The program of a run, evaluated without any Pine: its forecasts and decisions are those of the run."""

import math
from dataclasses import replace

import numpy as np
import pytest

from mlstrat.errors import ConfigError
from mlstrat.features.matrix import build
from mlstrat.inputs import of_bars
from mlstrat.pine.assemble import assemble
from mlstrat.pine.emit import emit
from mlstrat.pine.evaluate import Machine
from mlstrat.pine.moods import DailyMood
from mlstrat.pine.packing import digits
from mlstrat.pine.predict import X
from mlstrat.predictions import SentimentGate
from mlstrat.sentiment.align import daily_code
from mlstrat.signals.confirmation import confirmed_at
from mlstrat.walkforward import ATR_FEATURE

BEFORE, AFTER = 5, 150

CASES = {
    "as the profile has it": (),
    "numbers as they were fitted": ("models.characters=0",),
    "three characters": ("models.characters=3",),
    "without an LSTM": ('models.without=["lstm"]',),
    "without trees": ('models.without=["forest", "boosting"]',),
    "beta maps": ("models.calibration=beta",),
    "isotonic maps": ("models.calibration=isotonic",),
    "long only": ("signals.direction=long",),
    "short only, fixed threshold": ("signals.direction=short", "signals.threshold=0.501"),
    "by risk": ("kelly.basis=risk", "kelly.shrink=standard", "kelly.min_fraction=0.01"),
    "grades and confidence": ("signals.min_grade=C", "signals.min_confidence=0.502"),
    "grades of trees alone": ('models.without=["lstm"]', "signals.min_grade=D"),
    "conditions": (
        'signals.confirm_long="rsi_14 > 50 and close > open"',
        'signals.confirm_short="ret_1 < 0"',
    ),
    "easily stopped by data": ("risk.shock_atr=2", "risk.novelty=0.05"),
    "no breakers on data": ("risk.shock_atr=0", "risk.stale_bars=0", "risk.novelty=0"),
    "selected features": ("features.select=4",),
    "models that see sentiment": ("sentiment.features=true",),
    "models that see sentiment, numbers as they were fitted": (
        "sentiment.features=true",
        "models.characters=0",
    ),
    "coarse tick": ("instrument.tick=2.0",),
    "many bins": ("models.bins=63", "models.characters=0"),
}


def inputs(config, **changed):
    given = {
        "confidenceThreshold": 0.5 if config.signals.threshold == "auto" else config.signals.threshold,
        "useSentiment": True,
        "sentimentWeight": config.signals.sentiment_weight,
        "maxPosition": config.kelly.max_position,
        "kellyMultiplier": config.kelly.multiplier,
        "liveScore": 0.0,
        "liveConfidence": 0.0,
        "liveSince": 0,
        "modelMaxDays": 10_000_000,
    }
    return given | changed


def daily(bars, mood):
    codes = daily_code(mood.score, mood.confidence)
    days = bars.time.astype("datetime64[D]").astype(np.int64)
    first, end = int(days[0]), int(days[-1]) + 1
    by_day = [int(codes[days == day][0]) for day in range(first, end)]
    return DailyMood(first, "".join(digits(code, 1) for code in by_day), end)


def evaluated(walked, rows, given, mood="tested", unknown=frozenset(), **assembled):
    """Run the program on rows of the run's bars, features given; return the globals of each bar."""
    panel = walked.run.panel
    bars, names = panel.bars, walked.capsules[0].about.features
    told = daily(bars, panel.mood) if mood == "tested" else mood
    program = assemble(walked.capsules, walked.timing, told, **assembled).program
    given_names = (*of_bars(names), ATR_FEATURE)  # those of sentiment the program makes itself
    features = build(bars, given_names).values
    confirmed = confirmed_at(bars, walked.run.config)
    machine, seen = Machine(program), []
    for t in rows:
        open_, high, low, close, volume, seconds = bars.matrix[t].tolist()
        bar = {"open": open_, "high": high, "low": low, "close": close, "volume": volume}
        bar |= {"time": int(seconds * 1000), "bar_index": int(t)}
        bar |= {f"{name}_value": float(features[t, k]) for k, name in enumerate(given_names)}
        if int(t) in unknown:
            bar[f"{names[2]}_value"] = math.nan
        if confirmed is not None:
            bar |= {"confirmedLong": bool(confirmed[t, 0]), "confirmedShort": bool(confirmed[t, 1])}
        seen.append(machine.step(given | bar))
    return seen


def around(walked, before=BEFORE, after=AFTER):
    """Bars from before the first window's first one, and around where the second one begins."""
    fold = walked.run.predictions.fold
    first = int(np.flatnonzero(fold == 0)[0])
    return np.arange(first - before, first + after)


@pytest.mark.parametrize("settings", CASES.values(), ids=CASES)
def test_forecasts_and_decisions_are_the_runs(walked, settings):
    made = walked(*settings)
    rows = around(made)
    seen = evaluated(made, rows, inputs(made.run.config))
    predictions, decisions = made.run.predictions, made.run.decisions
    told = np.array([bar["probUp"] for bar in seen])
    np.testing.assert_allclose(told, predictions.prob_up[rows], rtol=0, atol=1e-11)
    scores = np.array([bar["score"] for bar in seen])
    np.testing.assert_allclose(scores, predictions.score[rows], rtol=0, atol=1e-11)
    assert [bar["decidedSide"] for bar in seen] == decisions.side[rows].tolist()
    for name, column in (
        ("decidedFraction", decisions.fraction),
        ("decidedStop", decisions.stop),
        ("decidedTarget", decisions.target),
        ("decidedMaxBars", decisions.max_bars),
    ):
        values = np.array([float(bar[name]) for bar in seen])
        np.testing.assert_allclose(values, column[rows], rtol=0, atol=1e-9, err_msg=name)


def test_some_of_the_cases_trade_and_others_are_stopped(walked):
    sides = [walked(*settings).run.decisions.side for settings in CASES.values()]
    rows = [around(walked(*settings)) for settings in CASES.values()]
    traded = [int((side[row] != 0).sum()) for side, row in zip(sides, rows, strict=True)]
    assert sum(count > 10 for count in traded) >= 12


def test_the_second_window_takes_over_at_its_first_bar(walked):
    made = walked()
    first = int(np.flatnonzero(made.run.predictions.fold == 0)[0])
    begin = int(np.flatnonzero(made.run.predictions.fold == 1)[0])
    rows = np.r_[first : first + 3, begin - 3 : begin + 30]
    # The LSTM of the first window has not seen the bars between, and is replaced by then.
    seen = evaluated(made, rows, inputs(made.run.config))
    told = np.array([bar["probUp"] for bar in seen])[6:]
    np.testing.assert_allclose(told, made.run.predictions.prob_up[begin : begin + 30], rtol=0, atol=1e-12)
    assert [bar["window"] for bar in seen] == [0] * 6 + [1] * 30
    assert seen[-1]["modelHash"] == made.run.predictions.windows[1].model_sha256[:12]


def test_a_window_that_does_not_listen_hears_no_sentiment(walked, monkeypatch):
    """The first window's gate is closed and the second one's open: score and grade follow."""
    monkeypatch.setattr("mlstrat.window.gate_in", lambda _, __, fold, *___: SentimentGate(float(fold.index)))
    made = walked("signals.min_grade=D", "seed=3")
    said = made.run.predictions
    first, begin = (int(np.flatnonzero(said.fold == k)[0]) for k in (0, 1))
    rows = np.r_[first : first + 40, begin : begin + 40]
    seen = evaluated(made, rows, inputs(made.run.config))
    scores = np.array([bar["score"] for bar in seen])
    np.testing.assert_allclose(scores[:40], said.prob_up[rows[:40]], rtol=0, atol=1e-11)
    np.testing.assert_allclose(scores, said.score[rows], rtol=0, atol=1e-11)
    assert np.abs(scores - said.prob_up[rows])[40:].max() > 0.01
    # The bars that were left out look like a feed that was late, which stops entries for a while.
    told = [k for k in range(80) if not 40 <= k < 50]
    assert [seen[k]["decidedSide"] for k in told] == made.run.decisions.side[rows[told]].tolist()


def test_nothing_speaks_after_the_last_tested_bar_and_in_a_chart_that_is_not_warm(walked):
    made = walked()
    known = np.flatnonzero(made.run.predictions.fold >= 0)
    sooner = replace(made.timing, end_slot=made.timing.end_slot - 2)
    ended = evaluated(replace(made, timing=sooner), known[-4:], inputs(made.run.config))
    assert [bar["window"] for bar in ended] == [1, 1, -1, -1]
    assert [math.isnan(bar["probUp"]) for bar in ended] == [False, False, True, True]
    cold = replace(made.timing, data_slot=-1, warmup=10_000, settled=int(known[4]))
    seen = evaluated(replace(made, timing=cold), known[:8], inputs(made.run.config))
    assert [math.isnan(bar["probUp"]) for bar in seen] == [True] * 4 + [False] * 4


def test_an_unknown_feature_keeps_the_window_silent_and_the_state_as_it_was(walked):
    made = walked()
    rows = around(made, 0, 9)
    spoilt = evaluated(made, rows, inputs(made.run.config), unknown={int(rows[4])})
    without = evaluated(made, np.delete(rows, 4), inputs(made.run.config))
    told = [bar["probUp"] for bar in spoilt]
    assert math.isnan(told.pop(4))
    assert spoilt[4]["decidedSide"] == 0
    assert told == [bar["probUp"] for bar in without]


def test_inputs_do_what_the_runs_settings_do(walked):
    """A changed input gives the decisions of a run whose settings say the same."""
    rows = around(walked())
    for changed, settings in (
        ({"kellyMultiplier": 0.25}, ("kelly.multiplier=0.25",)),
        ({"maxPosition": 0.02}, ("kelly.max_position=0.02",)),
        ({"confidenceThreshold": 0.51}, ("signals.threshold=0.51",)),
    ):
        seen = evaluated(walked(), rows, inputs(walked().run.config, **changed))
        wanted = walked(*settings).run.decisions
        assert [bar["decidedSide"] for bar in seen] == wanted.side[rows].tolist()
        fractions = np.array([bar["decidedFraction"] for bar in seen])
        np.testing.assert_allclose(fractions, wanted.fraction[rows], rtol=0, atol=1e-12)


def test_sentiment_switched_off_leaves_the_probability_alone(walked):
    made = walked()
    seen = evaluated(made, around(made), inputs(made.run.config, useSentiment=False))
    spoken = [bar for bar in seen if not math.isnan(bar["probUp"])]
    # (0.6 p + 0) / (0.6 + 0) rounds twice.
    assert all(abs(bar["score"] - bar["probUp"]) < 1e-15 for bar in spoken)


def test_live_sentiment_speaks_only_of_bars_that_were_not_tested_and_since_it_is_known(walked):
    made = walked()
    bars, rows = made.run.panel.bars, around(made, 0, 96)
    days = bars.time[rows].astype("datetime64[D]").astype(np.int64)
    told = daily(bars, made.run.panel.mood)
    ended = DailyMood(told.first_day, told.codes[: days[0] + 1 - told.first_day], int(days[0]) + 2)
    since = int(bars.matrix[rows[80], 5]) * 1000
    live = inputs(made.run.config, liveScore=0.4, liveConfidence=0.9, liveSince=since)
    seen = evaluated(made, rows, live, mood=ended, live=True)
    said = [(bar["moodScore"], bar["moodConfidence"]) for bar in seen]
    assert set(said[80:]) == {(0.4, 0.9)}
    # The tested day without a value and the days after it, before the live value was known, are unknown.
    silent = [one for one, day in zip(said[:80], days[:80], strict=True) if day > days[0]]
    assert silent
    assert set(silent) == {(0.0, 0.0)}
    # A value said to be known since long ago has no say on bars that were tested.
    early = inputs(made.run.config, liveScore=0.4, liveConfidence=0.9, liveSince=0)
    tested = days < ended.end_day
    again = evaluated(made, rows, early, mood=ended, live=True)
    for now, then, old in zip(again, seen, tested, strict=True):
        assert not old or now["moodScore"] == then["moodScore"]
    # A replay has no live value at all.
    assert "liveScore" not in emit(assemble(made.capsules, made.timing, ended).program)


@pytest.mark.parametrize("share", [0.0, 1.0], ids=["muted", "heard"])
def test_what_models_see_of_sentiment_is_neither_muted_nor_switched_off(walked, monkeypatch, share):
    monkeypatch.setattr("mlstrat.window.gate_in", lambda *_: SentimentGate(share))
    made = walked("sentiment.features=true", f"seed={4 + share:.0f}")
    rows = around(made)
    seen = evaluated(made, rows, inputs(made.run.config, useSentiment=False))
    told = np.array([bar["probUp"] for bar in seen])
    np.testing.assert_allclose(told, made.run.predictions.prob_up[rows], rtol=0, atol=1e-11)
    moods = np.array([bar[X][-3:] for bar in seen])
    np.testing.assert_array_equal(moods, made.run.panel.features.values[rows, -3:])
    assert np.unique(moods, axis=0).shape[0] > 3


def test_models_see_the_live_sentiment_too(walked):
    made = walked("sentiment.features=true")
    rows = around(made, 0, 48)
    ended = replace(daily(made.run.panel.bars, made.run.panel.mood), end_day=0, first_day=0, codes="")
    live = inputs(made.run.config, liveScore=0.4, liveConfidence=0.9, liveSince=0)
    seen = evaluated(made, rows, live, mood=ended, live=True)
    assert {tuple(bar[X][-3:]) for bar in seen} == {(0.4, 0.9, 0.4 * 0.9)}


def test_an_old_model_stops_entries(walked):
    made = walked("signals.direction=long")
    rows = around(made)
    cut = int(made.run.panel.bars.matrix[rows[0] + 40, 5]) * 1000
    timing = replace(made.timing, trained_at=(cut - 86_400_000,) * len(made.capsules))
    seen = evaluated(replace(made, timing=timing), rows, inputs(made.run.config, modelMaxDays=1), live=True)
    young = np.arange(len(rows)) <= 40
    wanted = np.where(young, made.run.decisions.side[rows], 0)
    assert [bar["decidedSide"] for bar in seen] == wanted.tolist()
    assert (wanted != 0).any()
    assert (made.run.decisions.side[rows][~young] != 0).any()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (('features.names=["ret_1", "obv_20", "rsi_14_4h"]',), "rsi_14_4h has no Pine form"),
        (("signals.conformal=0.6",), "signals.conformal has no Pine form"),
        (('signals.confirm="rsi_14_1d > 50"',), "rsi_14_1d has no Pine form"),
    ],
)
def test_what_has_no_pine_form_is_refused_by_name(walked, settings, named):
    made = walked(*settings)
    with pytest.raises(ConfigError, match=named):
        assemble(made.capsules, made.timing, None)


def test_the_same_windows_make_the_same_program(walked):
    made = walked()
    one, two = (assemble(made.capsules, made.timing, None).program for _ in range(2))
    assert one == two
