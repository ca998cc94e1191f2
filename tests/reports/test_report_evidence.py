"""The evidence beside the Sharpe ratio: its numbers by plain loops, and never a ratio without it."""

import csv
import itertools
import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from mlstrat.evidence import judge
from mlstrat.execution.types import TIME, Trades
from mlstrat.reports import evidence_tables, page, returns_file, tiles
from mlstrat.reports.evidence_numbers import HORIZONS, RunEvidence, evidence_of
from mlstrat.reports.numbers import Numbers, measure
from mlstrat.reports.story import Story
from mlstrat.reports.wording import bounds, chance
from mlstrat.trials.ledger import Tried

ONE = Tried(distinct=1, runs=1, columns=0, tuned=0)
MANY = Tried(distinct=40, runs=4, columns=37, tuned=12)


@pytest.fixture(scope="module")
def found(story: Story) -> RunEvidence:
    return evidence_of(replace(story, tried=ONE))


@pytest.fixture(scope="module")
def numbers(story: Story) -> Numbers:
    return measure(replace(story, tried=ONE))


def winning(story: Story) -> Story:
    """The same story with an equity that grows a little at each bar, in the mean."""
    n, first = len(story.bars), story.first
    steps = np.random.default_rng(3).normal(0.0006, 0.003, n)
    steps[:first] = 0.0
    equity = story.result.rules.cash * np.cumprod(1.0 + steps)
    return replace(story, result=replace(story.result, equity=equity))


def test_one_test_on_the_judged_returns_decides_by_the_seed_of_the_run(
    story: Story, found: RunEvidence
) -> None:
    closed = np.array([int(np.sum(story.result.trades.reason != 0))])
    equity = story.result.equity[story.first :]
    returns = equity / np.r_[story.result.rules.cash, equity[:-1]] - 1.0
    expected = judge(returns, closed, 1, seed=story.config.seed)
    assert found.judged == expected
    assert found.judged is not None
    assert found.judged.basis == "spa"
    assert found.sharpe.estimate == pytest.approx(measure(story).performance["sharpe"])
    assert found.sharpe.low < found.sharpe.estimate < found.sharpe.high
    assert found.years == pytest.approx(600 / story.bars.bars_per_year)


def test_trials_that_were_counted_change_what_decides(story: Story) -> None:
    alone, chosen = (evidence_of(replace(winning(story), tried=tried)).judged for tried in (ONE, MANY))
    assert alone is not None
    assert chosen is not None
    assert (alone.conclusion, alone.basis) == ("edge", "spa")
    assert (chosen.trials, chosen.basis) == (40, "spa with a bound")
    assert chosen.deflated < alone.deflated == alone.probabilistic


def test_the_drawdown_between_trades_is_that_of_the_trades_one_after_the_other(
    story: Story, found: RunEvidence
) -> None:
    t, account, peak, deepest = story.result.trades, 1.0, 1.0, 0.0
    for entry, profit, reason in zip(t.entry_bar, t.profit, t.reason, strict=True):
        if reason:
            account *= 1.0 + profit / story.result.equity[entry - 1]
            peak = max(peak, account)
            deepest = max(deepest, 1.0 - account / peak)
    assert found.order.drawdown == pytest.approx(deepest)
    assert 0.0 < found.order.share_deeper <= 1.0


def test_the_mean_profit_beside_random_entries_is_from_open_to_open(story: Story, found: RunEvidence) -> None:
    t, opens, profits = story.result.trades, story.bars.open, []
    for entry, end, side, reason in zip(t.entry_bar, t.exit_bar, t.side, t.reason, strict=True):
        end = end if reason == TIME else end + 1
        if reason and end < len(opens):
            profits.append(side * (opens[end] / opens[entry] - 1.0) - 2.0 * story.result.rules.fee_share)
    assert found.entry is not None
    assert found.entry.mean_profit == pytest.approx(np.mean(profits))


def test_a_strategy_that_is_always_held_cannot_be_moved(story: Story) -> None:
    n = len(story.bars)
    whole = np.array([n - story.first - 1])
    one, price = np.array([1.0]), np.array([100.0])
    trade = Trades(
        whole * 0 + story.first,
        whole * 0 + story.first + 1,
        whole * 0 + n - 2,
        np.array([1], np.int8),
        one,
        price,
        price,
        one,
        one,
        np.array([1], np.int8),
    )
    result = replace(story.result, trades=trade)
    always = evidence_of(replace(story, result=result))
    assert always.entry is None
    assert "no room to move them" in evidence_tables.entry_words(always)


def test_rank_correlations_are_spearmans_from_the_next_open(story: Story, found: RunEvidence) -> None:
    score, opens = story.predictions.score[story.first :], story.bars.open[story.first :]
    for place, h in enumerate(HORIZONS):
        later = opens[1 + h :] / opens[1:-h] - 1.0
        expected = spearmanr(score[: len(later)], later).statistic
        assert found.decay.ic[place] == pytest.approx(expected)


def test_a_score_that_knows_the_next_bars_is_seen_where_it_does(make_story: Callable[..., Story]) -> None:
    decay = evidence_of(make_story(skill=0.3)).decay
    assert decay.peak in (4, 8)  # the label looks 5 bars ahead
    assert decay.low[HORIZONS.index(decay.peak)] > 0.2


def test_returns_are_written_so_that_the_same_numbers_are_read(story: Story) -> None:
    rows = list(csv.DictReader(returns_file.returns_bytes(story).decode().splitlines()))
    assert [float(row["return"]) for row in rows] == story.judged.result.returns.tolist()
    assert rows[0]["time"] == "2023-01-13T13:00:00Z"
    assert rows[-1]["time"] == f"{story.bars.close_time[-1].astype('datetime64[s]')}Z"
    grown = story.result.rules.cash * math.prod(1.0 + float(row["return"]) for row in rows)
    assert grown == pytest.approx(story.result.equity[-1])


def test_an_account_that_lost_everything_returns_nothing_more(story: Story) -> None:
    equity = story.result.equity.copy()
    equity[700:] = 0.0
    before = story.result.trades.entry_bar < 700
    trades = replace(story.result.trades, **{k: v[before] for k, v in vars(story.result.trades).items()})
    lost = replace(story, result=replace(story.result, equity=equity, trades=trades))
    returns = lost.judged.result.returns
    assert returns[400] == -1.0
    assert not returns[401:].any()
    assert evidence_of(lost).max_drawdown.estimate == pytest.approx(1.0)


@pytest.mark.parametrize("bars", [20, 40])
def test_a_short_record_has_no_verdict_or_one_without_intervals_that_lie(story: Story, bars: int) -> None:
    last = story.first + bars
    short = replace(
        story,
        bars=story.bars[:last],
        predictions=story.predictions[:last],
        up=story.up[:last],
        decisions=replace(
            story.decisions,
            **{
                name: getattr(story.decisions, name)[:last]
                for name in ("time", "side", "fraction", "units", "stop", "target", "max_bars", "stage")
            },
            quality=story.decisions.quality[:last],
            flags=story.decisions.flags[:last],
        ),
        result=replace(
            story.result,
            time=story.result.time[:last],
            equity=story.result.equity[:last],
            trades=replace(
                story.result.trades,
                **{name: values[:1] for name, values in vars(story.result.trades).items()},
            ),
        ),
    )
    told = measure(short)
    if bars < 32:
        assert told.evidence.judged is None
        assert told.verdict[0].startswith("There are too few bars to say anything: 20 bars")
        assert math.isnan(told.evidence.sharpe.low)
    else:
        assert told.verdict[0].startswith("There are too few trades to say anything")
        assert told.evidence.sharpe.low <= told.evidence.sharpe.high


def test_every_table_with_sharpe_ratios_stands_beside_the_evidence(story: Story, numbers: Numbers) -> None:
    html = page.render(replace(story, tried=ONE), numbers, links=[])
    line = evidence_tables.beside_sharpe(numbers.evidence)
    parts = re.split(r"</table>", html)
    for table, after in itertools.pairwise(parts):
        if re.search(r'<th scope="col"[^>]*>Sharpe</th>', table) and "Cost of a market fill" not in table:
            assert after.index(line) < 80
    assert bounds(numbers.evidence.sharpe) in line
    assert "1 trial counted" in line


def test_the_tiles_tell_the_ratio_with_all_that_belongs_to_it(story: Story) -> None:
    found = evidence_of(replace(story, tried=MANY))
    told = {name: (value, more) for name, value, more in tiles.of_evidence(found, 0.5)}
    assert list(told) == [
        "Sharpe ratio",
        "SPA p-value",
        "Deflated Sharpe",
        "PBO",
        "Trials counted",
        "Probabilistic Sharpe",
        "Record needed",
        "Random entry",
    ]
    assert bounds(found.sharpe) in told["Sharpe ratio"][1]
    assert told["Trials counted"] == (
        "40",
        "on these data: 4 runs, 37 columns of sweeps, 12 sizes tuned in training, which do not count",
    )
    assert "needs two columns or more" in told["PBO"][1]
    assert "luckiest of 40 independent trials" in told["Deflated Sharpe"][1]
    assert told["SPA p-value"][1].startswith("bound on the chance of one such mean return among 40 tried")
    assert [name for name, (_, more) in told.items() if "decides" in more] == ["SPA p-value"]
    assert evidence_tables.rule(found).startswith("One test decides")


def test_trials_that_nobody_could_count_are_not_called_one(story: Story) -> None:
    found = evidence_of(story)
    told = {name: (value, more) for name, value, more in tiles.of_evidence(found, 0.5)}
    assert told["Trials counted"] == ("–", "the ledger could not be read: taken as 1")
    assert "trials not counted" in evidence_tables.beside_sharpe(found)


def test_few_trades_leave_dashes_that_say_why(make_story: Callable[..., Story]) -> None:
    found = evidence_of(make_story(trading=False))
    told = {name: (value, more) for name, value, more in tiles.of_evidence(found, 0.5)}
    for name in ("SPA p-value", "Deflated Sharpe", "Probabilistic Sharpe"):
        assert told[name] == ("–", "needs 30 trades")


def test_fills_that_pass_alone_do_not_speak_against_the_verdict(story: Story) -> None:
    found = evidence_of(replace(story, tried=MANY))
    base = replace(found.fills.base, edge=True)
    passing = replace(found, fills=replace(found.fills, rows=(base, *found.fills.rows[1:])))
    assert found.judged is not None
    assert found.judged.conclusion == "no evidence"
    assert "which knows of 40 trials, finds no evidence of an edge" in evidence_tables.fill_words(passing)[0]
    assert "which knows" not in " ".join(evidence_tables.fill_words(found))


def test_the_stored_evidence_is_plain_and_tells_the_same(story: Story, tmp_path: Path) -> None:
    told = replace(story, tried=ONE)
    page.write(tmp_path, told)
    stored = json.loads((tmp_path / "metrics.json").read_text())
    evidence = stored["evidence"]
    assert evidence["sentences"][0] in stored["verdict"][0]
    assert evidence["judged"]["spa"]["p"] == evidence["judged"]["p"]
    assert evidence["tried"] == {"distinct": 1, "runs": 1, "columns": 0, "tuned": 0, "looks": 1}
    assert evidence["sharpe"]["estimate"] == pytest.approx(stored["performance"]["sharpe"])
    assert evidence["rank_ic"]["horizons"] == list(HORIZONS)
    assert evidence["fills"]["rows"][0]["name"] == "as assumed"
    assert evidence["break_even"]["charged"] == 0.001
    drawn = evidence["trade_order"]["drawn"]
    assert drawn["q0.05"] <= drawn["q0.50"] <= drawn["q0.95"]


def test_probabilities_are_never_rounded_to_certainty() -> None:
    assert [chance(p) for p in (0.0004, 0.05, 0.9996, 1.0, math.nan)] == [
        "below 0.001",
        "0.050",
        "above 0.999",
        "1.000",
        "–",
    ]


def test_importing_the_report_does_not_import_the_tests_of_evidence() -> None:
    code = (
        "import sys, mlstrat.reports.page; "
        "print([name for name in sys.modules if name.startswith(('mlstrat.evidence', 'mlstrat.stress'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
