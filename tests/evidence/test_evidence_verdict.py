"""The verdict: what decides, what is counted, and what is said."""

import math

import numpy as np
import pytest

from mlstrat.errors import ConfigError, DataError, NotEnoughBarsError
from mlstrat.evidence import Others, judge, plain_words
from mlstrat.evidence.sharpe import sharpe_moments
from mlstrat.evidence.spa import superior_ability

BARS = 1000


def noise(columns, seed=1):
    return 0.01 * np.random.default_rng(seed).normal(size=(BARS, columns))


def planted(columns, strength, seed=1):
    """The last column has a mean of so many standard errors."""
    table = noise(columns, seed)
    table[:, -1] += strength * 0.01 / math.sqrt(BARS) - table[:, -1].mean()
    return table


def many(columns):
    return np.full(columns, 100)


def said(evidence):
    return " ".join(plain_words(evidence))


def test_an_edge_is_found_and_described():
    found = judge(planted(40, 6.0), many(40))
    assert (found.conclusion, found.basis, found.best, found.trades) == ("edge", "spa", 39, 100)
    assert found.p == found.spa.p <= 0.05
    assert (found.columns, found.trials) == (40, 40)
    assert found.effective_trials == pytest.approx(40, rel=0.1)
    assert found.probabilistic > found.deflated > 0.95
    assert found.track_record < BARS
    assert found.overfitting.pbo < 0.05
    assert found.intervals.sharpe.low > 0.0
    assert said(found).startswith(
        "There is evidence of an edge: the best of 40 columns earned money beyond what luck explains (SPA p ="
    )
    assert "one in twenty passes this test" in said(found)
    assert plain_words(found)[-1].startswith(
        "The test is against earning nothing: whoever held a market that"
    )
    assert plain_words(found, drift=False) == plain_words(found)[:-1]
    assert len(plain_words(found)) == 3


def test_a_best_that_looks_good_alone_is_told_apart_from_an_edge():
    table = planted(200, 2.5, seed=3)
    found = judge(table, many(200))
    assert found.conclusion == "no evidence"
    assert found.spa.naive_p < 0.05 < found.p
    assert "There is no evidence of an edge: luck alone does as well as the best of 200 columns" in said(
        found
    )
    assert "Tested alone, that column would have looked like an edge (p = 0.0" in said(found)
    # Alone it would have had bars enough, so that a number of bars would mislead.
    assert said(found).endswith("That is no proof that there is none, but these returns do not show it.")


def test_one_column_is_a_bootstrap_test_of_it():
    for strength, conclusion in ((4.0, "edge"), (0.5, "no evidence")):
        table = planted(1, strength)
        found = judge(table[:, 0], np.array([50]))
        assert (found.conclusion, found.basis) == (conclusion, "spa")
        assert found.p == superior_ability(table).p
        assert found.effective_trials == 1.0
        assert found.deflated == found.probabilistic
        assert math.isnan(found.overfitting.pbo)
    assert found.track_record > BARS
    bars = math.ceil(found.track_record)
    assert f"were nothing else tried, it would take {bars:,} bars to tell; there are 1,000." in said(found)


def test_a_run_chosen_from_others_not_at_hand_pays_for_each_of_them():
    weak, strong = judge(planted(1, 3.0), many(1), 500), judge(planted(1, 8.0), many(1), 500)
    assert (weak.conclusion, weak.basis) == ("no evidence", "spa with a bound")
    assert weak.spa.p < 0.05  # what it would have been as the only one
    assert weak.p == min(1.0, 500 * weak.spa.p)
    assert (strong.conclusion, strong.effective_trials) == ("edge", 500.0)
    for found in (weak, strong):
        assert "499 more things were tried whose returns are not part of this test" in said(found)


def test_a_run_chosen_from_others_at_hand_is_tested_with_them():
    table, row = planted(20, 4.0), np.arange(BARS)
    best = int(np.argmax(table.mean(axis=0)))
    rest = Others(np.delete(table, best, axis=1), row, 19)
    found, whole = judge(table[:, best], many(1), 20, others=rest), judge(table, many(20))
    assert found.p == pytest.approx(whole.p, abs=0.01)
    assert (found.basis, found.trials, found.conclusion) == ("spa", 20, whole.conclusion)
    assert "It is judged together with 19 others that were tried on these data" in said(found)
    assert "as if nothing else had been tried, it would have p = " in said(found)
    assert "not part of this test" not in said(found)
    assert "1 more thing was tried" in said(judge(table[:, best], many(1), 21, others=rest))


def test_of_the_best_of_several_columns_beside_others_it_is_said_what_it_would_be_alone():
    table = planted(20, 4.0)
    rest = Others(table[:, :15], np.arange(BARS), 15)
    found = judge(table[:, 15:], many(5), 20, others=rest)
    alone = superior_ability(table[:, [15 + found.best]], block=found.spa.block)
    assert found.spa.naive_p == pytest.approx(alone.p, abs=0.005)
    told = "as if that column had been the only thing tried, it would have p = "
    assert f"15 others that were tried on these data. Tested {told}{found.spa.naive_p:.3f}." in said(found)


def test_what_else_was_tried_over_few_days_is_paid_for_and_that_is_the_reason_given():
    table, row = planted(1, 3.0), np.arange(BARS) // 40  # 25 rows, of which a test asks 32
    few = Others(np.zeros((25, 3)), row, 4)
    found = judge(table, many(1), 5, others=few)
    assert (found.beside, found.apart, found.basis) == (0, 4, "spa with a bound")
    assert found.p == pytest.approx(5.0 * judge(table, many(1)).p)
    assert (
        "4 more things were tried whose returns are not part of this test, because there are too few days to "
        "test them together; the p-value pays for them by a bound"
    ) in said(found)
    assert "not part of this test, 4 of them because there are too few days" in said(
        judge(table, many(1), 9, others=few)
    )
    assert judge(table, many(1), 5).apart == 0


def test_trials_not_at_hand_multiply_the_p_value_of_a_sweep():
    table = planted(30, 5.0)
    found, more = judge(table, many(30)), judge(table, many(30), 34)
    assert (more.basis, more.trials) == ("spa with a bound", 34)
    assert more.p == pytest.approx(5.0 * found.p)
    assert more.effective_trials == found.effective_trials + 4.0
    assert "4 more things were tried" in said(more)
    assert "1 more thing was tried" in said(judge(table, many(30), 31))
    assert judge(noise(30), many(30), 5000).p == 1.0
    assert judge(table, many(30), 3).trials == 30
    assert judge(table, many(30), 400).spa.draws == 14_840


def test_columns_with_few_trades_are_not_tested():
    table = planted(10, 8.0)
    trades = many(10)
    trades[9] = 29
    found = judge(table, trades)
    assert found.best != 9
    assert found.spa.tested == 9
    assert "1 column was left out, with fewer than 30 trades or returns that never move." in said(found)
    assert found.conclusion == "no evidence"
    trades[9] = 30
    assert judge(table, trades).conclusion == "edge"


def test_too_few_trades_say_nothing():
    found = judge(planted(3, 8.0), np.array([3, 29, 0]), 7)
    assert (found.conclusion, found.basis, found.best, found.trades) == ("too few trades", "none", -1, 29)
    assert math.isnan(found.p)
    assert math.isnan(found.deflated)
    assert plain_words(found) == [
        "There are too few trades to say anything: none of 3 columns has 30 trades (the most is 29).",
        "Below that luck decides, whatever the returns look like.",
    ]
    alone = judge(noise(1), np.array([12]))
    assert "the strategy has fewer than 30 trades (it has 12)" in said(alone)
    still = judge(np.zeros((BARS, 2)), many(2))
    assert plain_words(still) == [
        "There is nothing to test: the returns do not differ from the benchmark's at any bar."
    ]


def test_a_benchmark_is_what_has_to_be_beaten():
    market = 0.01 * np.random.default_rng(4).normal(size=BARS) + 0.002
    table = np.column_stack([market, market]) + 0.01 * noise(2)
    assert judge(table, many(2)).conclusion == "edge"
    found = judge(table, many(2), benchmark=market)
    assert found.conclusion == "no evidence"
    assert found.benchmark
    assert found.moments == sharpe_moments(table[:, found.best] - market, round(found.spa.block))
    better = judge(table + 0.0001, many(2), benchmark=market)
    assert "beat the benchmark beyond what luck explains" in said(better)
    assert "a market that rose" not in said(better)


def test_the_same_seed_gives_the_same_evidence():
    table = planted(12, 3.0)
    assert judge(table, many(12), seed=5) == judge(table, many(12), seed=5)
    assert judge(table, many(12), seed=5).spa != judge(table, many(12), seed=6).spa


def test_what_cannot_be_judged_is_refused():
    with pytest.raises(
        DataError, match=r"trades of shape \(2,\) do not go with 3 columns: give each column's"
    ):
        judge(noise(3), many(2))
    with pytest.raises(DataError, match="a number of trades is below 0: give each column's number of closed"):
        judge(noise(3), np.array([1, 2, -3]))
    with pytest.raises(ConfigError, match="0 trials were counted: give at least 1"):
        judge(noise(3), many(3), 0)
    with pytest.raises(NotEnoughBarsError, match="a verdict needs 32 bars but got 31"):
        judge(noise(3)[:31], many(3))
