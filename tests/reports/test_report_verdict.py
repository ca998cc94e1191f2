"""The verdict's sentences, case by case."""

from dataclasses import replace

import pytest

from mlstrat.bootstrap import Interval
from mlstrat.reports.verdict import NO_EVIDENCE, StoryNumbers, has_evidence, verdict

BETTER, WORSE, UNSURE = (
    Interval(0.002, 0.001, 0.003),
    Interval(-0.002, -0.003, -0.001),
    Interval(0.0001, -0.001, 0.0012),
)
NOTHING = Interval(float("nan"), float("nan"), float("nan"))
EDGE = StoryNumbers(
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
    assert has_evidence(EDGE)
    assert NO_EVIDENCE not in " ".join(said)
    assert "not proof" in said[0]
    assert "better than always stating the training base rate" in said[1]
    assert "earned 25.00\u00a0%" in said[2]
    assert "+4.00\u00a0%, so the strategy did better." in said[2]
    assert "would have made 12 trades instead of 400" in said[3]


@pytest.mark.parametrize(
    "change",
    [
        {"skill": UNSURE},
        {"skill": WORSE},
        {"skill": NOTHING},
        {"excess": Interval(0.1, -0.02, 0.2)},
        {"excess": NOTHING},
        {"total_return": -0.01, "matched_return": -0.2},
        {"trades": 29},
        {"trades": 0, "total_return": 0.0},
    ],
)
def test_one_missing_condition_is_enough_for_no_evidence(change: dict[str, object]) -> None:
    assert verdict(replace(EDGE, **change))[0].startswith(NO_EVIDENCE)


def test_skill_that_does_not_pay_is_said_so() -> None:
    lost = replace(EDGE, total_return=-0.08, excess=Interval(-0.1, -0.2, 0.01))
    said = verdict(lost)
    assert said[0].startswith(f"{NO_EVIDENCE} that can be traded")
    assert "400 trades lost 8.00\u00a0%" in said[2]
    assert "did not do better." in said[2]


def test_forecasts_worse_than_the_base_rate_are_said_so() -> None:
    said = verdict(replace(EDGE, skill=WORSE))
    assert said[0] == f"{NO_EVIDENCE} in this run."
    assert "worse than always" in said[1]
    assert "higher by 0.00200 (95\u00a0% interval 0.00100 to 0.00300)" in said[1]


def test_forecasts_that_cannot_be_told_apart_show_their_interval() -> None:
    said = verdict(replace(EDGE, skill=UNSURE))
    assert "cannot be told apart" in said[1]
    assert "−0.00100 to +0.00120" in said[1]


def test_a_lead_within_chance_is_called_that() -> None:
    said = verdict(replace(EDGE, excess=Interval(0.1, -0.05, 0.2)))
    assert "did better, but by no more than chance explains." in said[2]


def test_no_trades_name_what_stopped_them() -> None:
    none = replace(EDGE, trades=0, total_return=0.0, strict_trades=0, stopper="Kelly stopped every bar.")
    said = verdict(none)
    assert "No trade was completed. Kelly stopped every bar." in said
    assert said[-1].endswith("would have made no trade.")


@pytest.mark.parametrize(("trades", "words"), [(7, "7 trades are too few"), (1, "One trade is too few")])
def test_few_trades_are_called_few(trades: int, words: str) -> None:
    assert any(words in sentence for sentence in verdict(replace(EDGE, trades=trades)))


def test_a_strict_run_says_so() -> None:
    assert verdict(replace(EDGE, shrink="strict"))[-1].startswith("Sizing was strict")


def test_the_verdict_is_two_to_five_entries_that_are_sentences() -> None:
    for numbers in (EDGE, replace(EDGE, trades=3), replace(EDGE, trades=0, skill=NOTHING)):
        said = verdict(numbers)
        assert 2 <= len(said) <= 5
        assert all(sentence.endswith(".") and "nan" not in sentence for sentence in said)
