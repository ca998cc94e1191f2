"""The story refuses parts that do not fit, and judges only what is out of sample."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from mlstrat.bootstrap import bootstrap_block
from mlstrat.errors import DataError
from mlstrat.execution.metrics import summary
from mlstrat.reports.numbers import as_json, measure
from mlstrat.reports.story import Story
from mlstrat.reports.wording import count, number, percent, plural, price


def test_parts_of_other_length_are_refused(story: Story) -> None:
    with pytest.raises(DataError, match=r"report's up has 3 rows for 900 bars: hand it parts of one run"):
        replace(story, up=np.zeros(3))


def test_no_prediction_is_refused(story: Story) -> None:
    silent = replace(story.predictions, fold=np.full(len(story.bars), -1))
    with pytest.raises(DataError, match="no out-of-sample prediction to judge"):
        replace(story, predictions=silent)


def test_trades_before_the_first_prediction_are_refused(story: Story) -> None:
    late = np.where(np.arange(len(story.bars)) < 600, -1, story.predictions.fold)
    changed = replace(story, predictions=replace(story.predictions, fold=late))
    with pytest.raises(DataError, match="before the first prediction at bar 600"):
        _ = changed.judged


def test_the_judged_part_begins_with_the_first_prediction_and_keeps_every_trade(story: Story) -> None:
    judged = story.judged
    assert story.first == 300
    assert len(judged.bars) == len(judged.predictions) == len(judged.result.equity) == 600
    assert judged.result.trades_frame().equals(story.result.trades_frame())
    full = summary(story.result, story.bars)
    part = summary(judged.result, judged.bars)
    assert part["total_return"] == full["total_return"]
    assert part["exposure"] == pytest.approx(full["exposure"] * 900 / 600)


def test_folds_add_up_to_the_whole(story: Story) -> None:
    numbers = measure(story)
    assert sum(row.scored for row in numbers.folds) == numbers.forecast.scored == 594
    assert sum(row.trades for row in numbers.folds) == len(story.result.trades)
    assert sum(row.trades for row in numbers.exits) == len(story.result.trades)
    gained = story.result.equity[-1] - story.result.rules.cash
    assert sum(row.profit for row in numbers.folds) == pytest.approx(gained)
    losses = [row.log_loss * row.scored for row in numbers.folds]
    assert sum(losses) / numbers.forecast.scored == pytest.approx(numbers.forecast.log_loss)
    base = [row.base_log_loss * row.scored for row in numbers.folds]
    assert sum(base) / numbers.forecast.scored == pytest.approx(numbers.forecast.base_log_loss)


def test_numbers_repeat_and_skill_is_seen(make_story: Callable[..., Story]) -> None:
    knowing = make_story(skill=0.2)
    assert measure(knowing).forecast.skill.low > 0.0
    assert as_json(measure(knowing), knowing) == as_json(measure(knowing), knowing)


def test_without_outcomes_nothing_is_scored(story: Story) -> None:
    numbers = measure(replace(story, up=np.full(len(story.bars), np.nan)))
    assert numbers.forecast.scored == 0
    assert any("No forecast could be scored" in sentence for sentence in numbers.verdict)


def test_blocks_span_five_horizons_at_least() -> None:
    assert bootstrap_block(27_000, 1) == 30.0
    assert bootstrap_block(27_000, 24) == 120.0
    assert bootstrap_block(0, 5) == 25.0


def test_wording() -> None:
    assert number(float("nan")) == number(float("inf")) == "–"
    assert number(-1234.567, 1) == "−1,234.6"
    assert number(-0.0001, 2, signed=True) == "0.00"
    assert percent(0.0312, signed=True) == "+3.1\u00a0%"
    assert percent(float("nan")) == "–"
    assert [plural(n, "trade") for n in (0, 1, 2000)] == ["no trades", "1 trade", "2,000 trades"]
    assert count(12.0) == "12"
    assert [price(p) for p in (64123.456, 12.5, 0.0345)] == ["64,123.46", "12.5000", "0.034500"]
