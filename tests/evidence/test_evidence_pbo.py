"""Cross-validation by halves, against a loop that follows the paper's words."""

import math
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import linregress, rankdata

from mlstrat.errors import ConfigError, NotEnoughBarsError
from mlstrat.evidence.pbo import overfitting


def noise(n_bars, n_columns, seed=1):
    return np.random.default_rng(seed).normal(0.0, 0.01, (n_bars, n_columns))


def ratio(values):
    return 0.0 if np.ptp(values) == 0.0 else values.mean() / values.std(ddof=1)


def by_the_book(table, blocks):
    parts = np.split(table, blocks)
    logits, here, there = [], [], []
    for pick in combinations(range(blocks), blocks // 2):
        seen = np.concatenate([parts[k] for k in pick])
        unseen = np.concatenate([parts[k] for k in range(blocks) if k not in pick])
        first = np.array([ratio(column) for column in seen.T])
        second = np.array([ratio(column) for column in unseen.T])
        best = int(np.argmax(first))
        share = rankdata(second)[best] / (table.shape[1] + 1)
        logits.append(math.log(share / (1.0 - share)))
        here.append(first[best])
        there.append(second[best])
    logits = np.array(logits)
    pbo = np.mean(logits < -1e-9) + 0.5 * np.mean(np.abs(logits) <= 1e-9)
    return pbo, linregress(here, there).slope, np.mean(np.array(there) < 0.0)


@pytest.mark.parametrize(("columns", "blocks"), [(2, 4), (5, 6), (6, 8), (21, 8)])
def test_it_is_the_loop_of_the_paper(columns, blocks):
    table = noise(blocks * 12, columns, seed=columns) + np.linspace(-1e-3, 1e-3, columns)
    found = overfitting(table, blocks)
    pbo, slope, loss = by_the_book(table, blocks)
    assert (found.pbo, found.loss) == (pbo, loss)
    assert found.slope == pytest.approx(slope, rel=1e-9)
    assert (found.splits, found.columns) == (math.comb(blocks, blocks // 2), columns)


def test_columns_that_rest_for_long_are_as_in_the_loop():
    table = noise(96, 6, seed=9) - 0.004
    table[:48, 2] = 0.0
    table[24:, 4] = 0.0
    found = overfitting(table, 8)
    assert (found.pbo, found.loss) == pytest.approx(by_the_book(table, 8)[::2], abs=1e-12)


def test_choosing_among_equals_is_even_odds_in_the_mean():
    found = [overfitting(noise(320, 20, seed), 8).pbo for seed in range(150)]
    assert np.mean(found) == pytest.approx(0.5, abs=4.0 * np.std(found) / math.sqrt(len(found)))
    assert 0.4 < np.mean(found) < 0.6


def test_a_column_that_is_really_better_is_no_overfit():
    table = noise(640, 20)
    table[:, 7] += 0.004
    found = overfitting(table)
    assert found.pbo == 0.0
    assert found.loss == 0.0
    assert found.splits == 12_870


def test_copies_are_neither_better_nor_worse():
    assert overfitting(np.repeat(noise(64, 1), 40, axis=1), 8).pbo == 0.5


def test_blocks_of_unequal_length_lose_no_bar():
    table = noise(103, 4, seed=3)
    shifted = overfitting(table, 4)
    assert shifted != overfitting(table[:-3], 4)
    assert 0.0 <= shifted.pbo <= 1.0


def test_columns_left_out_do_not_count():
    table = noise(128, 5, seed=2)
    table[:, 3] = 0.0
    mask = np.array([True, True, False, True, True])
    assert overfitting(table, 8, mask) == overfitting(table[:, [0, 1, 4]], 8)
    lone = overfitting(table[:, :1], 8)
    assert math.isnan(lone.pbo)
    assert lone.columns == 1


def test_chunks_of_splits_change_nothing(monkeypatch):
    table = noise(128, 7, seed=5)
    whole = overfitting(table, 8)
    monkeypatch.setattr("mlstrat.evidence.pbo._CELLS", 50)
    assert overfitting(table, 8).pbo == whole.pbo


def test_what_cannot_be_cut_is_refused():
    with pytest.raises(
        ConfigError, match="cannot be cut into 7 blocks here: give an even number from 2 to 20"
    ):
        overfitting(noise(100, 3), 7)
    with pytest.raises(NotEnoughBarsError, match="overfitting needs 32 bars but got 31"):
        overfitting(noise(31, 3))
