"""The test of superior ability: the reference program's p-values, and counts of how often it is wrong."""

import math

import numpy as np
import pytest
from scipy.signal import lfilter

from mlstrat.bootstrap import stationary_blocks
from mlstrat.errors import DataError, NotEnoughBarsError
from mlstrat.evidence.blocks import weights_of
from mlstrat.evidence.spa import KINDS, added_up, bootstrap_variance, compare, superior_ability

LEVEL = 0.05


def autoregressive(random, n, k, phi):
    return lfilter([1.0], [1.0, -phi], random.normal(size=(n + 50, k)), axis=0)[50:]


def reference(table, block, draws, seed):
    arch = pytest.importorskip("arch.bootstrap", reason="arch is the reference for the test")
    wanted = arch.SPA(np.zeros(len(table)), -table, block_size=block, reps=draws, seed=seed)
    wanted.compute()
    same = arch.StationaryBootstrap(block, table, seed=seed)
    weights = [np.bincount(same.index, minlength=len(table)) for _ in same.bootstrap(draws)]
    return wanted, np.array(weights, dtype=np.float64)


def plain(compared):
    """Share of draws beyond the statistic, which is not counted itself."""
    return [round(compared.share_beyond(kind) * (len(compared.drawn) + 1) - 1) for kind in KINDS[:3]]


@pytest.mark.parametrize("seed", range(4))
def test_on_the_same_draws_p_values_are_those_of_the_reference_program(seed):
    random = np.random.default_rng(seed)
    table = 0.01 * autoregressive(random, 300, 9, 0.3) + np.linspace(-0.004, 0.0012, 9)
    wanted, weights = reference(table, 8, 400, seed)
    # The reference prints studentised or not, but compares means that are not.
    found = compare(table, [weights[:150], weights[150:]], 8.0, studentize=False)
    assert plain(found) == [round(400 * p) for p in wanted.pvalues]
    np.testing.assert_allclose(bootstrap_variance(table, 8.0), wanted._loss_diff_var, rtol=1e-9)


def test_on_other_draws_p_values_agree_within_their_error():
    random = np.random.default_rng(5)
    table = 0.01 * autoregressive(random, 300, 6, 0.2) + 0.0004
    theirs, ours = [], []
    for seed in range(12):
        theirs.append(reference(table, 6, 200, seed)[0].pvalues["consistent"])
        starts, lengths = stationary_blocks(300, 6.0, 200, np.random.default_rng(seed))
        found = compare(table, [weights_of(starts, lengths, 300)], 6.0, studentize=False)
        ours.append(found.share_beyond("consistent"))
    share = np.mean(theirs)
    assert np.mean(ours) == pytest.approx(share, abs=4.0 * math.sqrt(2.0 * share * (1.0 - share) / 2400))


def test_the_bootstrap_variance_is_that_of_drawn_means():
    table = autoregressive(np.random.default_rng(6), 400, 3, 0.5)
    starts, lengths = stationary_blocks(400, 10.0, 20_000, np.random.default_rng(7))
    means = weights_of(starts, lengths, 400) @ table / 400
    np.testing.assert_allclose(400.0 * means.var(axis=0), bootstrap_variance(table, 10.0), rtol=0.05)


def rejections(make, series, **more):
    found = [
        superior_ability(make(np.random.default_rng([seed, 9])), draws=199, seed=seed, **more)
        for seed in range(series)
    ]
    return sum(one.p <= LEVEL for one in found), sum(one.naive_p <= LEVEL for one in found)


def most_by_chance(series, level):
    """Count that a test of this true level exceeds once in a thousand times."""
    from scipy.stats import binom

    return int(binom.ppf(0.999, series, level))


@pytest.mark.parametrize(
    ("name", "make", "series"),
    [
        ("independent", lambda random: random.normal(size=(1000, 40)), 300),
        ("few bars", lambda random: random.normal(size=(250, 20)), 400),
        ("fat tails", lambda random: random.standard_t(3, size=(1000, 40)), 300),
        ("one column", lambda random: random.normal(size=(1000, 1)), 400),
        (
            "500 correlated",
            lambda random: random.normal(size=(1000, 1)) + random.normal(size=(1000, 500)),
            60,
        ),
    ],
)
def test_noise_is_called_an_edge_no_more_often_than_stated(name, make, series):
    wrong, naive = rejections(make, series)
    assert wrong <= most_by_chance(series, LEVEL)
    if name not in ("one column",):
        assert naive > 0.5 * series


def test_noise_that_is_autocorrelated_is_called_an_edge_little_more_often():
    # Blocks end, so that a part of the dependence is lost: at most 8 % in place of 5 %.
    wrong, _ = rejections(lambda random: autoregressive(random, 2000, 20, 0.3), 200)
    assert wrong <= most_by_chance(200, 0.08)


def test_a_column_that_is_really_better_is_found():
    def planted(random):
        table = random.normal(size=(1000, 40))
        table[:, 17] += 5.0 / math.sqrt(1000)
        return table

    found = [superior_ability(planted(np.random.default_rng(seed)), draws=199) for seed in range(60)]
    assert sum(one.p <= LEVEL for one in found) >= 54
    assert sum(one.best == 17 for one in found) >= 57


def test_what_else_was_tried_is_paid_for_as_if_it_were_in_the_sweep():
    random = np.random.default_rng(17)
    table = random.normal(size=(1000, 30))
    whole = superior_ability(table, draws=499)
    first = [int(k) for k in np.argsort(-table.mean(axis=0) / table.std(axis=0))]
    found = superior_ability(table[:, first[:4]], beside=table[:, first[4:]], block=whole.block, draws=499)
    assert (found.p, found.p_upper, found.naive_p) == (whole.p, whole.p_upper, whole.naive_p)
    assert (found.best, found.tested, whole.tested) == (0, 4, 30)
    alone = superior_ability(table[:, first[:1]], block=whole.block, draws=499)
    assert alone.p == found.naive_p < found.p
    # One that is not the best of all is judged by the luck of all too.
    second = superior_ability(table[:, first[1:2]], beside=table[:, [whole.best]], draws=499)
    assert second.statistic < whole.statistic
    assert superior_ability(table[:, first[1:2]], draws=499).p < second.p


def test_a_strategy_chosen_from_noise_is_called_an_edge_no_more_often_than_stated():
    wrong, naive = 0, 0
    for seed in range(200):
        table = np.random.default_rng([seed, 12]).normal(size=(600, 20))
        best = int(np.argmax(table.mean(axis=0)))
        rest = np.delete(table, best, axis=1)
        found = superior_ability(table[:, [best]], beside=rest, draws=199, seed=seed)
        wrong += found.p <= LEVEL
        naive += found.naive_p <= LEVEL
    assert wrong <= most_by_chance(200, LEVEL)
    assert naive > 100


def test_others_of_other_bars_are_refused():
    table = np.random.default_rng(1).normal(size=(100, 2))
    with pytest.raises(NotEnoughBarsError, match="a test beside others"):
        superior_ability(table, beside=table[:50])
    with pytest.raises(DataError, match="101 rows of what else was tried do not go with 100 bars"):
        superior_ability(table, beside=np.ones((101, 1)))


def test_bad_columns_do_not_hide_a_good_one():
    random = np.random.default_rng(8)
    table = np.hstack([random.normal(size=(1000, 1)) + 0.1, random.normal(size=(1000, 300)) - 0.5])
    found = superior_ability(table)
    alone = superior_ability(table[:, :1])
    assert found.p == pytest.approx(alone.p, abs=0.005)
    assert found.p_lower <= found.p <= found.p_upper


def test_runs_of_bars_give_the_p_value_of_single_bars():
    table = autoregressive(np.random.default_rng(10), 2000, 30, 0.4) + 0.06
    starts, lengths = stationary_blocks(2000, 40.0, 2000, np.random.default_rng(1))
    by_bar = compare(table, [weights_of(starts, lengths, 2000)], 40.0)
    by_run = superior_ability(table, block=40.0, draws=2000)
    assert by_run.p == pytest.approx(by_bar.share_beyond("consistent"), abs=0.05)
    np.testing.assert_array_equal(added_up(np.arange(7.0)[:, None], 3)[:, 0], [6.0, 15.0])


def test_leverage_changes_nothing_and_a_benchmark_is_subtracted():
    table = np.random.default_rng(11).normal(size=(400, 5))
    held = np.random.default_rng(12).normal(size=400)
    assert superior_ability(table * [1.0, 2.0, 4.0, 8.0, 0.5]) == superior_ability(table)
    assert superior_ability(table, held) == superior_ability(table - held[:, None])


def test_columns_left_out_do_not_count_and_places_stay():
    table = np.random.default_rng(13).normal(size=(400, 5))
    table[:, 4] += 0.3
    table[:, 0] = 0.0
    mask = np.array([True, False, True, True, True])
    found = superior_ability(table, tested=mask)
    assert (found.best, found.tested) == (4, 3)
    assert found.p == superior_ability(table[:, 2:]).p
    none = superior_ability(table, tested=np.zeros(5, bool))
    assert (none.best, none.tested) == (-1, 0)
    assert math.isnan(none.p)
    # 403 bars in runs of two: the only return lies in the bar that is cut.
    early = np.zeros((403, 2))
    early[0, 0] = 1.0
    assert superior_ability(early, block=8.0).tested == 0
    early[:, 1] = np.arange(403.0)
    assert superior_ability(early, block=8.0).best == 1


def test_losers_have_a_p_value_of_one_and_the_same_seed_gives_the_same_bits():
    table = np.random.default_rng(14).normal(size=(300, 4)) - 0.5
    found = superior_ability(table)
    assert (found.p, found.statistic) == (1.0, 0.0)
    better = table + 0.45
    assert superior_ability(better, seed=1) == superior_ability(better, seed=1)


def test_what_cannot_be_tested_is_refused():
    table = np.zeros((20, 2))
    with pytest.raises(NotEnoughBarsError, match="the test of superior ability needs 10 bars but got 9"):
        superior_ability(table[:9])
    with pytest.raises(DataError, match=r"returns of shape \(2, 2, 2\) are no table: give one row a bar"):
        superior_ability(np.zeros((2, 2, 2)))
    with pytest.raises(DataError, match=r"a benchmark of shape \(3,\) does not go with 20 bars"):
        superior_ability(table, np.zeros(3))
    with pytest.raises(DataError, match=r"a mask of shape \(3,\) does not go with 2 columns: give one truth"):
        superior_ability(table, tested=np.ones(3, bool))
    with pytest.raises(DataError, match=r"block length is 0\.5: give a mean length of 1 bar or more"):
        superior_ability(np.random.default_rng(1).normal(size=(20, 2)), block=0.5)
