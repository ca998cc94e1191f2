"""The signal rule against a plain reading of it, row by row."""

import re
from dataclasses import replace

import numpy as np
import pytest

from mlstrat.config import parse_config
from mlstrat.errors import ConfigError, DataError
from mlstrat.execution.kernel import simulate
from mlstrat.sentiment.align import neutral
from mlstrat.signals.blend import blend
from mlstrat.signals.decide import decide
from mlstrat.signals.funnel import BAR, KELLY, PREDICTED, QUALITY, THRESHOLD, funnel_of
from mlstrat.signals.kelly import STANDARD_ERRORS
from mlstrat.signals.quality import grade_of, quality_score
from mlstrat.signals.rule import (
    FRACTION,
    GRADE,
    SIDE,
    STAGE,
    STOP_PX,
    TARGET_PX,
    Forecast,
    decide_row,
    decide_side,
    signal_rules,
)
from mlstrat.signals.stopper import stopper
from mlstrat.signals.terms import risk_rules


def rules_of(**sections):
    return signal_rules(parse_config(sections), tick=0.01)


def forecast_of(score=0.6, prob_up=0.58, win=(0.6, 0.3), se=(0.0, 0.0), payoff=(1.0, 1.0), at=(0.55, 0.45)):
    votes = np.array([0.6, 0.001, -0.001])
    return Forecast(prob_up, votes, score, *(np.array(pair) for pair in (win, se, payoff, at)))


def decided(forecast, rules, close=100.0, atr=2.0, mood=(0.0, 0.0)):
    out = np.empty(6)
    decide_row(forecast, *mood, close, atr, rules, out)
    return out


def test_a_long_by_hand():
    out = decided(forecast_of(), rules_of(kelly={"shrink": "off", "multiplier": 0.25, "max_position": 0.2}))
    assert (out[SIDE], out[STAGE]) == (1, QUALITY)
    assert out[FRACTION] == pytest.approx(0.25 * (0.6 - 0.4))
    assert (out[STOP_PX], out[TARGET_PX]) == (95.0, 107.0)


def test_a_short_by_hand():
    forecast = forecast_of(score=0.4, prob_up=0.4, win=(0.3, 0.65), payoff=(1.0, 0.8), at=(0.55, 0.45))
    out = decided(forecast, rules_of(kelly={"shrink": "off", "multiplier": 1.0, "max_position": 0.05}))
    assert (out[SIDE], out[FRACTION]) == (-1, 0.05)  # 0.65 - 0.35 / 0.8 is far above the cap
    assert (out[STOP_PX], out[TARGET_PX]) == (105.0, 93.0)


def test_risk_basis_divides_by_the_distance_to_the_stop():
    kelly = {"shrink": "off", "multiplier": 0.1, "max_position": 1.0, "basis": "risk"}
    assert decided(forecast_of(), rules_of(kelly=kelly))[FRACTION] == pytest.approx(0.1 * 0.2 / 0.05)


@pytest.mark.parametrize(
    ("forecast", "sections", "stage"),
    [
        (forecast_of(prob_up=np.nan), {}, BAR),
        (forecast_of(score=0.54), {}, PREDICTED),
        (forecast_of(at=(np.nan, np.nan)), {}, PREDICTED),
        (forecast_of(score=0.56), {"signals": {"threshold": 0.57}}, PREDICTED),
        (forecast_of(), {"signals": {"direction": "short"}}, PREDICTED),
        (forecast_of(win=(0.5, 0.9)), {}, THRESHOLD),
        (forecast_of(win=(0.51, 0.9), se=(1.0, 0.0)), {"kelly": {"shrink": "strict"}}, THRESHOLD),
        (forecast_of(win=(0.501, 0.9)), {"kelly": {"shrink": "off", "min_fraction": 0.01}}, THRESHOLD),
        (forecast_of(), {"signals": {"min_confidence": 0.59}}, KELLY),
        (forecast_of(), {"signals": {"min_grade": "A"}}, KELLY),
        (forecast_of(), {}, QUALITY),
    ],
)
def test_each_step_stops_what_it_should(forecast, sections, stage):
    out = decided(forecast, rules_of(**sections))
    assert out[STAGE] == stage
    assert (out[SIDE] != 0) == (stage == QUALITY)
    assert (out[FRACTION] > 0) == (stage == QUALITY)
    assert np.isnan(out[STOP_PX]) == (stage != QUALITY)
    assert np.isnan(out[GRADE]) == (stage < KELLY)


def test_no_atr_and_no_distance_give_no_trade():
    rules = rules_of()
    assert decided(forecast_of(), rules, atr=np.nan)[STAGE] == BAR
    assert decided(forecast_of(), rules, atr=0.0)[SIDE] == 0


def test_a_fixed_threshold_replaces_the_windows_own():
    rules = rules_of(signals={"threshold": 0.52})
    assert decided(forecast_of(score=0.53), rules)[SIDE] == 1
    assert decided(forecast_of(score=0.47, win=(0.3, 0.6)), rules)[SIDE] == -1


def test_blend_by_hand():
    assert blend(0.6, 0.5, 0.5, 0.6, 0.4) == pytest.approx((0.6 * 0.6 + 0.2 * 0.75) / 0.8)
    assert blend(0.6, -1.0, 0.0, 0.6, 0.4) == pytest.approx(0.6)  # unknown sentiment has no vote
    assert np.isnan(blend(np.nan, 0.5, 0.5, 0.6, 0.4))


def test_quality_lies_between_0_and_100_and_grades_follow():
    best = quality_score(1, 0.61, 0.7, 0.01, 0.01, 0.9, 0.01, 2.0, 1.0, 1.0)
    worst = quality_score(1, 0.4, 0.3, -0.01, -0.01, 0.4, 0.5, 1.0, -1.0, 1.0)
    assert (best, worst) == (pytest.approx(100.0), pytest.approx(0.0))
    assert [grade_of(score) for score in (100, 80, 79.9, 65, 50, 35, 0)] == list("AABBCDF")


def test_batch_is_the_loop_over_rows_and_never_both_sides(tiny_run):
    run = tiny_run
    p, mood, bars = run.predictions, run.panel.mood, run.panel.bars
    rules = signal_rules(run.config, bars.instrument.tick)
    for t in range(len(bars)):
        forecast = Forecast(
            p.prob_up[t], p.votes[t], p.score[t], p.win_prob[t], p.win_se[t], p.payoff[t], p.threshold[t]
        )
        out = decided(
            forecast, rules, bars.close[t], run.panel.atr_px[t], (mood.score[t], mood.confidence[t])
        )
        assert out[SIDE] == run.decisions.side[t]
        assert out[FRACTION] == run.decisions.fraction[t]
        np.testing.assert_array_equal(out[STOP_PX], run.decisions.stop[t])
        assert out[STAGE] == run.decisions.stage[t]
    assert funnel_of(run.decisions, run.result).predicted == int(p.known.sum())


def test_the_funnel_only_narrows(tiny_run):
    counts = [count for _, count in tiny_run.funnel.steps()]
    assert counts == sorted(counts, reverse=True)
    assert tiny_run.funnel.trades == len(tiny_run.result.trades)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (
            {"signals": {"threshold": 0.99}},
            r"No score passed signals\.threshold = 0\.99: .* would have passed",
        ),
        (
            {"kelly": {"min_fraction": 0.9}},
            r"kelly\.min_fraction = 0\.9: kelly\.multiplier x Kelly was at most 0\.[0-9]+ with",
        ),
        ({"signals": {"min_confidence": 0.99}}, r"min_confidence = 0\.99 .* the best confidence was 0\.[56]"),
        (
            {"execution": {"cash": 0.01}},
            r"Every quantity rounded to zero: execution\.cash = 0\.01 is too little",
        ),
    ],
)
def test_a_run_without_trades_names_the_step_and_the_value_that_would_pass(tiny_run, overrides, says):
    sections = tiny_run.config.model_dump()
    for name, values in overrides.items():
        sections[name] = {**sections[name], **values}
    config = parse_config(sections)
    panel = tiny_run.panel
    decisions = decide(panel.bars, tiny_run.predictions, panel.mood, panel.atr_px, config)
    result = simulate(panel.bars, decisions, risk_rules(config, panel.bars))
    sentence = stopper(funnel_of(decisions, result), tiny_run.predictions, decisions, config)
    assert re.search(says, sentence), sentence


def test_a_run_with_trades_has_no_stopper(tiny_run):
    assert tiny_run.funnel.trades > 10
    assert stopper(tiny_run.funnel, tiny_run.predictions, tiny_run.decisions, tiny_run.config) == ""


def test_settings_become_numbers():
    rules = rules_of(kelly={"shrink": "strict"}, signals={"min_grade": "B", "direction": "long"})
    assert rules.standard_errors == STANDARD_ERRORS["strict"]
    assert (rules.min_quality, rules.long, rules.short) == (65.0, True, False)
    assert np.isnan(rules.threshold)
    with pytest.raises(ConfigError, match=r"signals\.min_grade is \"E\"; give 'A', 'B', 'C', 'D' or 'F'"):
        rules_of(signals={"min_grade": "E"})


def test_confidence_is_that_of_the_side_and_not_of_the_model_alone():
    """The models say down with 0.65, sentiment turns the score up: the long is right with 0.35 only."""
    forecast = forecast_of(score=0.61, prob_up=0.35)
    assert decided(forecast, rules_of(signals={"min_confidence": 0.6}))[STAGE] == KELLY
    assert decided(forecast, rules_of(signals={"min_confidence": 0.35}))[SIDE] == 1


def test_a_given_side_is_judged_by_its_own_odds():
    """The score says long; the short that is given is taken or left by the odds of a short."""
    rules = rules_of(kelly={"shrink": "off", "multiplier": 1.0, "max_position": 1.0})
    for win_short, fraction in ((0.7, 0.7 - 0.3), (0.4, 0.0)):
        out = np.empty(6)
        decide_side(-1, forecast_of(win=(0.9, win_short)), (0.0, 0.0), 100.0, 2.0, rules, out)
        assert out[FRACTION] == pytest.approx(fraction)
        assert (out[SIDE], out[STAGE]) == ((-1, QUALITY) if fraction else (0, THRESHOLD))
    for side, direction in ((0, "both"), (-1, "long"), (1, "short")):
        out = np.empty(6)
        rules = rules_of(signals={"direction": direction})
        decide_side(side, forecast_of(win=(0.9, 0.9)), (0.0, 0.0), 100.0, 2.0, rules, out)
        assert (out[SIDE], out[STAGE]) == (0, PREDICTED)


def test_the_sides_that_the_score_chooses_give_the_decisions_without_sides(tiny_run):
    p, panel, config = tiny_run.predictions, tiny_run.panel, tiny_run.config
    chosen = np.where(p.score >= p.threshold[:, 0], 1, np.where(p.score <= p.threshold[:, 1], -1, 0))
    chosen = np.where((p.score - 0.5) * chosen > 0, chosen, 0).astype(np.int8)
    made = decide(panel.bars, p, panel.mood, panel.atr_px, config, sides=chosen)
    for name in ("side", "fraction", "stop", "target", "stage", "quality"):
        np.testing.assert_array_equal(getattr(made, name), getattr(tiny_run.decisions, name), err_msg=name)


@pytest.mark.parametrize("sides", [np.zeros(5, np.int8), np.full(3600, 2, np.int8)])
def test_sides_that_do_not_fit_are_refused(tiny_run, sides):
    panel = tiny_run.panel
    with pytest.raises(DataError, match=r"sides of shape .* do not fit 3,600 bars: give 1, -1 or 0 for each"):
        decide(panel.bars, tiny_run.predictions, panel.mood, panel.atr_px, tiny_run.config, sides=sides)


def test_a_stop_or_target_that_is_no_price_is_no_trade():
    assert decided(forecast_of(), rules_of(), close=100.0, atr=40.0)[SIDE] == 0  # the stop lies at 0
    forecast = forecast_of(score=0.4, prob_up=0.4, win=(0.3, 0.65))
    assert decided(forecast, rules_of(), close=100.0, atr=30.0)[SIDE] == 0  # the target lies below 0


@pytest.mark.parametrize(
    ("direction", "says"), [("long", "allow another"), ("both", r"threshold of 0\.[0-9]{4}")]
)
def test_the_stopper_names_a_threshold_that_the_allowed_side_would_pass(tiny_run, direction, says):
    base = tiny_run.config.model_dump()
    base["signals"] |= {"threshold": 0.9, "direction": direction}
    low = replace(tiny_run.predictions, score=np.minimum(tiny_run.predictions.score, 0.49))
    panel, config = tiny_run.panel, parse_config(base)
    decisions = decide(panel.bars, low, panel.mood, panel.atr_px, config)
    result = simulate(panel.bars, decisions, risk_rules(config, panel.bars))
    assert re.search(says, stopper(funnel_of(decisions, result), low, decisions, config))


def test_predictions_of_other_bars_are_refused(tiny_run):
    panel = tiny_run.panel
    with pytest.raises(
        DataError, match=r"predictions of 3,600 bars do not match the 3,599 bars of WALK: decide on"
    ):
        decide(panel.bars[1:], tiny_run.predictions, neutral(panel.bars[1:]), panel.atr_px, tiny_run.config)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("stops", "atr", 1.0),
        ("stops", "max_bars", 5),
        ("execution", "slippage_ticks", 2.0),
        ("signals", "ml_weight", 0.5),
    ],
)
def test_odds_of_another_trade_are_refused_by_name(tiny_run, section, key, value):
    sections = tiny_run.config.model_dump()
    sections[section][key] = value
    panel = tiny_run.panel
    name = "stop_atr" if key == "atr" else key
    with pytest.raises(
        ConfigError, match=rf"were calibrated for {name} = .* says {value:g}: run the walk-forward with it"
    ):
        decide(panel.bars, tiny_run.predictions, panel.mood, panel.atr_px, parse_config(sections))
