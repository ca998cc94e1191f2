"""Label weights against their definition."""

import numpy as np
import pytest

from mlstrat.models.weights import decay, label_weights, uniqueness


def slow_uniqueness(rows, span):
    made_of = {int(t): set(range(t + 1, t + span + 1)) for t in rows}
    share = {
        bar: 1.0 / sum(bar in bars for bars in made_of.values()) for bars in made_of.values() for bar in bars
    }
    return [np.mean([share[bar] for bar in made_of[int(t)]]) for t in rows]


@pytest.mark.parametrize("span", [1, 2, 5])
def test_uniqueness_is_its_definition(span):
    rng = np.random.default_rng(span)
    rows = np.sort(rng.choice(np.arange(50, 200), 60, replace=False))
    np.testing.assert_allclose(uniqueness(rows, span), slow_uniqueness(rows, span), rtol=1e-12)


def test_labels_apart_are_unique_and_neighbours_share():
    np.testing.assert_array_equal(uniqueness(np.array([0, 10, 20]), 5), np.ones(3))
    np.testing.assert_allclose(uniqueness(np.arange(100), 5)[10:-10], 0.2)


def test_a_half_life_halves():
    days = np.datetime64("2024-01-01", "ns") + np.arange(11) * np.timedelta64(1, "D")
    np.testing.assert_allclose(decay(days, 5.0)[[0, 5, 10]], [0.25, 0.5, 1.0])
    np.testing.assert_array_equal(decay(days, 0.0), np.ones(11))


def test_weights_average_to_one():
    days = np.datetime64("2024-01-01", "ns") + np.arange(400) * np.timedelta64(1, "h")
    weight = label_weights(np.arange(20, 380), 5, days, 3.0)
    assert weight.mean() == pytest.approx(1.0)
    assert weight[300] > weight[100]
