"""Blocks of the stationary bootstrap: their law, their counts and their length."""

import numpy as np
import pytest
from scipy.signal import lfilter

from mlstrat.bootstrap import stationary_blocks
from mlstrat.errors import DataError
from mlstrat.evidence.blocks import common_block, optimal_block, weights_of


def autoregressive(seed, n, phi):
    return lfilter([1.0], [1.0, -phi], np.random.default_rng(seed).normal(size=n))


@pytest.mark.parametrize(("n", "block"), [(50, 1.0), (50, 7.5), (1000, 20.0), (10, 500.0)])
def test_a_draw_has_as_many_values_as_the_series(n, block):
    starts, lengths = stationary_blocks(n, block, 200, np.random.default_rng(1))
    assert (lengths.sum(axis=1) == n).all()
    assert lengths.min() >= 0
    assert starts.min() >= 0
    assert starts.max() < n


def test_lengths_are_geometric_and_starts_uniform():
    starts, lengths = stationary_blocks(5000, 10.0, 200, np.random.default_rng(2))
    first = np.concatenate([row[row > 0][:-1] for row in lengths])
    assert first.mean() == pytest.approx(10.0, rel=0.02)
    assert first.std() == pytest.approx(np.sqrt(0.9) * 10.0, rel=0.02)
    assert starts.mean() == pytest.approx(2499.5, rel=0.01)


def test_weights_count_the_values_of_the_blocks():
    n = 37
    starts, lengths = stationary_blocks(n, 4.0, 25, np.random.default_rng(3))
    weights = weights_of(starts, lengths, n)
    for row in range(25):
        counted = np.zeros(n)
        for start, length in zip(starts[row], lengths[row], strict=True):
            for step in range(length):
                counted[(start + step) % n] += 1
        np.testing.assert_array_equal(weights[row], counted)


@pytest.mark.parametrize("phi", [-0.5, 0.0, 0.2, 0.5, 0.9, 0.99])
def test_the_block_length_is_that_of_the_reference_program(phi):
    arch = pytest.importorskip("arch.bootstrap", reason="arch is the reference for block lengths")
    for seed, n in [(1, 200), (2, 500), (3, 4000)]:
        values = autoregressive(seed, n, phi)
        wanted = float(arch.optimal_block_length(values)["stationary"].iloc[0])
        assert optimal_block(values) == pytest.approx(max(1.0, wanted), rel=1e-9)


def test_dependence_makes_blocks_longer_and_columns_share_one_length():
    still = np.zeros((400, 2))
    assert optimal_block(still[:, 0]) == 1.0
    assert common_block(still) == 7.0
    quick = np.column_stack([autoregressive(seed, 4000, 0.0) for seed in range(3)])
    slow = np.column_stack([autoregressive(seed, 4000, 0.95) for seed in range(3)])
    assert common_block(quick) == 16.0
    assert common_block(slow) == pytest.approx(
        2.0 * np.median([optimal_block(column) for column in slow.T]), rel=1e-12
    )
    assert common_block(np.tile(slow, 40)) == pytest.approx(common_block(slow), rel=0.5)


def test_a_block_shorter_than_a_bar_is_refused():
    with pytest.raises(DataError, match=r"block length is 0\.5: give a mean length of 1 bar or more"):
        stationary_blocks(10, 0.5, 5, np.random.default_rng(1))
    with pytest.raises(DataError, match="block length is nan"):
        stationary_blocks(10, float("nan"), 5, np.random.default_rng(1))
