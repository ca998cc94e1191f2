"""Luck of order and luck of timing, against every order and placing there is."""

import itertools
import math

import numpy as np
import pytest

from mlstrat.errors import DataError
from mlstrat.evidence.shuffles import random_entry, shuffled_trades
from mlstrat.execution import metrics


def deepest(shares):
    return metrics.max_drawdown(np.cumprod(1.0 + np.asarray(shares)), 1.0)[0]


def test_drawdowns_of_random_orders_have_the_law_of_all_orders():
    shares = np.array([0.10, -0.05, 0.02, -0.08, 0.04])
    every = np.array([deepest(order) for order in itertools.permutations(shares)])
    found = shuffled_trades(shares, draws=4000)
    assert found.drawdown == pytest.approx(deepest(shares), rel=1e-12)
    assert found.drawn.shape == (4000,)
    assert found.drawn.mean() == pytest.approx(every.mean(), rel=0.01)
    np.testing.assert_allclose(
        np.quantile(found.drawn, [0.25, 0.75]), np.quantile(every, [0.25, 0.75]), rtol=1e-9
    )
    assert found.share_deeper == pytest.approx(np.mean(every >= deepest(shares) - 1e-12), abs=0.03)


def test_an_order_that_no_other_is_milder_than_is_called_lucky():
    lucky = np.tile([0.05, -0.05], 50)
    unlucky = np.sort(lucky)
    assert shuffled_trades(lucky).share_deeper == 1.0
    assert shuffled_trades(unlucky).share_deeper == pytest.approx(1.0 / 1001.0)


def test_no_trades_have_no_drawdown_and_open_ones_are_refused():
    empty = shuffled_trades(np.empty(0), draws=10)
    assert math.isnan(empty.drawdown)
    assert math.isnan(empty.share_deeper)
    assert np.isnan(empty.drawn).all()
    with pytest.raises(DataError, match="profit of trade 1 is nan: leave out trades that are still open"):
        shuffled_trades(np.array([0.1, math.nan]))


def walk(seed, n=2000):
    return 100.0 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0.0, 0.01, n)))


def test_one_trade_is_placed_at_every_bar_alike():
    opens = walk(1, 50)
    found = random_entry(np.array([3]), np.array([5]), np.array([-1]), opens, 0.001, draws=20_000)
    every = -(opens[5:] / opens[:-5] - 1.0) - 0.001
    assert found.mean_profit == pytest.approx(every[3], rel=1e-12)
    assert set(np.round(found.drawn, 12)) == set(np.round(every, 12))
    assert found.drawn.mean() == pytest.approx(every.mean(), abs=4.0 * every.std() / math.sqrt(20_000))
    assert found.p == pytest.approx(np.mean(every >= every[3]), abs=0.02)


def test_placings_keep_holding_times_and_sides_and_never_overlap(monkeypatch):
    seen = []

    def profits(opens, entry, held, side):
        seen.append((entry, held, side))
        return np.zeros(np.shape(entry))

    monkeypatch.setattr("mlstrat.evidence.shuffles._profits", profits)
    held, side = np.array([3, 10, 4, 1]), np.array([1, -1, -1, 1])
    random_entry(np.array([0, 5, 20, 30]), held, side, walk(2, 40), 0.0, draws=500)
    entry, lasting, sides = seen[1]
    assert entry.shape == (500, 4)
    assert entry.min() == 0
    assert (entry + lasting).max() == 39
    assert (entry[:, 1:] >= (entry + lasting)[:, :-1]).all()
    pairs = {tuple(sorted(zip(*row, strict=True))) for row in zip(lasting, sides, strict=True)}
    assert pairs == {tuple(sorted(zip(held, side, strict=True)))}


def test_times_without_skill_give_p_values_that_are_uniform():
    found = []
    for seed in range(300):
        random = np.random.default_rng(seed)
        entry = np.sort(random.choice(np.arange(0, 1980, 20), 40, replace=False))
        found.append(
            random_entry(
                entry, random.integers(1, 15, 40), random.choice([-1, 1], 40), walk(seed), 1e-3, draws=199
            ).p
        )
    assert np.mean(np.array(found) <= 0.05) == pytest.approx(0.05, abs=4.0 * math.sqrt(0.05 * 0.95 / 300))
    assert np.mean(found) == pytest.approx(0.5, abs=4.0 * math.sqrt(1.0 / 12.0 / 300))


def test_times_that_foresee_are_found():
    opens = walk(3)
    ahead = opens[10:] / opens[:-10] - 1.0
    entry = np.array([k + int(np.argmax(ahead[k : k + 20])) for k in range(0, 1900, 40)])
    found = random_entry(entry, np.full(len(entry), 10), np.ones(len(entry), int), opens, 0.001)
    assert found.p == pytest.approx(1.0 / 1001.0)


@pytest.mark.parametrize(
    ("entry", "held", "side", "message"),
    [
        ([1, 2], [1], [1], "entries, .* do not match: give one of each a trade"),
        ([1], [0], [1], "held for less than a bar or has no side: leave such trades out"),
        ([1], [2], [0], "held for less than a bar or has no side"),
        ([8], [2], [1], "outside the 10 bars: count bars from the first open given"),
        ([-1], [2], [1], "outside the 10 bars"),
        ([0, 1], [5, 5], [1, 1], "10 of 10 bars, so there is no room to move them"),
    ],
)
def test_trades_that_do_not_fit_are_refused(entry, held, side, message):
    with pytest.raises(DataError, match=message):
        random_entry(np.array(entry), np.array(held), np.array(side), walk(1, 10), 0.0)


def test_prices_are_positive_and_no_trades_have_no_p_value():
    with pytest.raises(DataError, match="an open price is not a positive number"):
        random_entry(np.array([1]), np.array([1]), np.array([1]), np.zeros(10), 0.0)
    none = np.empty(0, np.int64)
    assert math.isnan(random_entry(none, none, none, walk(1), 0.0, draws=5).p)
