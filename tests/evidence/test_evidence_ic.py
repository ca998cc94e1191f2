"""Rank information coefficients: scipy's number, intervals that hold, decay that was planted."""

import math

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import spearmanr

from mlstrat.errors import ConfigError, DataError
from mlstrat.evidence.ic import rank_ic


def prices(random, n):
    return 100.0 * np.exp(np.cumsum(random.normal(0.0, 0.01, n)))


def test_it_is_spearmans_correlation_with_the_return_ahead():
    random = np.random.default_rng(1)
    price = prices(random, 400)
    score = np.round(random.normal(size=400), 1)
    score[::7] = math.nan
    price[100] = math.nan
    found = rank_ic(score, price, [1, 5, 24])
    for row, h in enumerate((1, 5, 24)):
        ahead = price[h:] / price[:-h] - 1.0
        known = np.isfinite(score[:-h]) & np.isfinite(ahead)
        assert found.ic[row] == pytest.approx(spearmanr(score[:-h][known], ahead[known])[0], rel=1e-9)
        assert found.pairs[row] == known.sum()
    assert (found.low < found.ic).all()
    assert (found.ic < found.high).all()


@pytest.mark.parametrize(("phi", "horizon"), [(0.0, 1), (0.9, 12)])
def test_an_interval_holds_zero_as_often_as_it_says_where_there_is_nothing(phi, horizon):
    held = 0
    for seed in range(400):
        random = np.random.default_rng(seed)
        score = lfilter([1.0], [1.0, -phi], random.normal(size=3000))
        found = rank_ic(score, prices(random, 3000), [horizon])
        held += bool(found.low[0] <= 0.0 <= found.high[0])
    assert held / 400 == pytest.approx(0.95, abs=0.035)


def test_a_planted_decay_is_read_off():
    random = np.random.default_rng(3)
    score = random.normal(size=30_000)
    # The score tells the next return only, so that the coefficient falls as 1 / sqrt(h).
    returns = 0.01 * (0.2 * np.r_[0.0, score[:-1]] + random.normal(size=30_000))
    found = rank_ic(score, 100.0 * np.exp(np.cumsum(returns)), range(1, 11))
    assert found.peak == 1
    assert found.half_life in (4, 5)
    assert found.low[0] > 0.15
    np.testing.assert_allclose(found.ic, found.ic[0] / np.sqrt(found.horizons), atol=0.025)


def test_what_comes_after_is_not_in_the_coefficient():
    random = np.random.default_rng(4)
    price = prices(random, 500)
    score = random.normal(size=500)
    cut = rank_ic(score[:300], price[:300], [3])
    later = price.copy()
    later[300:] *= 5.0
    again = rank_ic(np.r_[score[:297], np.full(203, math.nan)], later, [3])
    assert again.ic[0] == cut.ic[0]


def test_what_does_not_vary_or_is_too_short_has_no_coefficient():
    price = prices(np.random.default_rng(5), 40)
    found = rank_ic(np.ones(40), price, [1, 35, 60])
    assert np.isnan(found.ic).all()
    assert found.pairs.tolist() == [39, 5, 0]
    assert found.peak is None
    assert found.half_life is None


def test_what_cannot_be_used_is_refused():
    price = np.ones(20)
    with pytest.raises(ConfigError, match=r"horizons are \[2, 1\]: give bars ahead from 1 on, in ascending"):
        rank_ic(price, price, [2, 1])
    with pytest.raises(ConfigError, match="horizons are"):
        rank_ic(price, price, [0, 1])
    with pytest.raises(
        DataError, match=r"\(19,\) scores do not match \(20,\) prices: give one of each a bar"
    ):
        rank_ic(price[:-1], price, [1])
    with pytest.raises(DataError, match="a price is not positive"):
        rank_ic(price, -price, [1])
