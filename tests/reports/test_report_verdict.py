"""The verdict's sentences, case by case: one test decides, the rest supports."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from mlstrat.bootstrap import Interval
from mlstrat.evidence import Evidence, judge
from mlstrat.reports.verdict import StoryNumbers, verdict

NO_EVIDENCE = "There is no evidence of an edge"
AN_EDGE = "There is evidence of an edge"
BETTER, WORSE, UNSURE = (
    Interval(0.002, 0.001, 0.003),
    Interval(-0.002, -0.003, -0.001),
    Interval(0.0001, -0.001, 0.0012),
)
NOTHING = Interval(float("nan"), float("nan"), float("nan"))


@cache
def judged(drift: float, trades: int = 400, trials: int = 1) -> Evidence:
    """Evidence on 2,000 normal returns whose mean is `drift` standard errors."""
    noise = np.random.default_rng(4).normal(0.0, 0.01, 2000)
    returns = noise - noise.mean() + drift * noise.std() / np.sqrt(2000)
    return judge(returns, np.array([trades]), trials)


EDGE = StoryNumbers(
    judged=judged(4.0),
    bars=2000,
    trades=400,
    total_return=0.25,
    matched_return=0.04,
    excess=Interval(0.1, 0.02, 0.18),
    skill=BETTER,
    shrink="standard",
    strict_trades=12,
)


def test_an_edge_is_said_without_a_promise() -> None:
    said = verdict(EDGE)
    assert said[0].startswith(AN_EDGE)
    assert "But" not in said[0]
    assert "earned 25.00\u00a0%" in said[-3]
    assert "+4.00\u00a0%, so the strategy did better." in said[-3]
    assert "better than always stating the training base rate" in said[-2]
    assert any("does not say that an edge lasts" in sentence for sentence in said)
    assert "would have made 12 trades instead of 400" in said[-1]


@pytest.mark.parametrize(
    "change",
    [
        {"skill": UNSURE},
        {"skill": WORSE},
        {"skill": NOTHING},
        {"excess": Interval(0.1, -0.02, 0.2)},
        {"excess": NOTHING},
        {"matched_return": 0.4},
        {"strict_trades": 0},
    ],
)
@pytest.mark.parametrize("drift", [4.0, 1.0])
def test_only_the_test_decides(change: dict[str, object], drift: float) -> None:
    said = verdict(replace(EDGE, judged=judged(drift), **change))
    assert said[0].startswith(AN_EDGE if drift == 4.0 else NO_EVIDENCE)


def test_what_else_was_tried_can_take_the_edge_away() -> None:
    assert verdict(replace(EDGE, judged=judged(3.0)))[0].startswith(AN_EDGE)
    said = verdict(replace(EDGE, judged=judged(3.0, trials=500)))
    assert said[0].startswith(NO_EVIDENCE)
    assert "499 more things were tried whose returns are not part of this test" in said[1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"matched_return": 0.4, "excess": Interval(-0.1, -0.2, 0.01)}, "at the same exposure did no worse"),
        ({"excess": Interval(0.1, -0.02, 0.2)}, "its lead over holding the market is within what chance"),
        ({"excess": NOTHING}, "its lead over holding the market is within what chance"),
    ],
)
def test_an_edge_that_the_market_gave_too_is_said_so_in_one_breath(
    change: dict[str, object], words: str
) -> None:
    said = verdict(replace(EDGE, **change))
    assert said[0].startswith(AN_EDGE)
    assert words in said[0]
    assert said[0].endswith("does not take out the market's own drift.")


@pytest.mark.parametrize("skill", [UNSURE, WORSE, NOTHING])
def test_an_edge_without_skill_of_the_forecasts_is_said_so(skill: Interval) -> None:
    assert "is not explained by skill of the forecasts" in verdict(replace(EDGE, skill=skill))[-2]


def test_skill_that_does_not_pay_is_said_so() -> None:
    lost = replace(EDGE, judged=judged(-1.0), total_return=-0.08, excess=Interval(-0.1, -0.2, 0.01))
    said = verdict(lost)
    assert said[0].startswith(NO_EVIDENCE)
    assert "400 trades lost 8.00\u00a0%" in said[-3]
    assert "did not do better." in said[-3]
    assert said[-2].endswith("They hold some information, but the trades do not show it.")


def test_forecasts_worse_than_the_base_rate_are_said_so() -> None:
    said = verdict(replace(EDGE, judged=judged(0.0), skill=WORSE))
    assert "worse than always" in said[-2]
    assert "higher by 0.00200 (95\u00a0% interval 0.00100 to 0.00300)" in said[-2]
    assert "information" not in said[-2]


def test_forecasts_that_cannot_be_told_apart_show_their_interval() -> None:
    said = verdict(replace(EDGE, skill=UNSURE))
    assert "cannot be told apart" in said[-2]
    assert "−0.00100 to +0.00120" in said[-2]


def test_a_lead_within_chance_is_called_that() -> None:
    said = verdict(replace(EDGE, excess=Interval(0.1, -0.05, 0.2)))
    assert "did better, but by no more than chance explains." in said[-3]


def test_no_trades_name_what_stopped_them() -> None:
    none = replace(
        EDGE,
        judged=judged(0.0, trades=0),
        trades=0,
        total_return=0.0,
        strict_trades=0,
        stopper="Kelly stopped every bar.",
    )
    said = verdict(none)
    assert "No trade was completed. Kelly stopped every bar." in said
    assert "the trades do not show it" not in " ".join(said)
    assert said[-1].endswith("would have made no trade.")


@pytest.mark.parametrize("trades", [29, 7, 1])
def test_few_trades_are_called_few_whatever_they_earned(trades: int) -> None:
    said = verdict(replace(EDGE, judged=judged(4.0, trades=trades), trades=trades))
    assert said[0].startswith("There are too few trades to say anything")
    assert f"(it has {trades})" in said[0]


def test_too_few_bars_for_any_test_are_said_so() -> None:
    said = verdict(replace(EDGE, judged=None, bars=20, trades=3))
    assert said[0] == "There are too few bars to say anything: 20 bars out of sample."


def test_a_strict_run_says_so() -> None:
    assert verdict(replace(EDGE, shrink="strict"))[-1].startswith("Sizing was strict")


def test_the_verdict_is_three_to_six_entries_that_are_sentences() -> None:
    cases = (
        EDGE,
        replace(EDGE, judged=judged(1.0, trials=9), excess=NOTHING),
        replace(EDGE, judged=replace(judged(1.0, trials=9), beside=3), excess=NOTHING),
        replace(EDGE, judged=judged(4.0, trades=3), trades=3),
        replace(EDGE, judged=judged(0.0, trades=0), trades=0, skill=NOTHING),
        replace(EDGE, judged=None, trades=0, skill=NOTHING),
    )
    for numbers in cases:
        said = verdict(numbers)
        assert 3 <= len(said) <= 6
        assert all(sentence.endswith(".") and "nan" not in sentence for sentence in said)
