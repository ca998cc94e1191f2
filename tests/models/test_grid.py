"""Numbers on grids: what a script can carry is what votes, and what it costs is next to nothing."""

import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from test_ensemble import SIZES, sample_of

from mlstrat.models.binning import bin_block, fit_edges
from mlstrat.models.ensemble import (
    BOOSTING,
    FOREST,
    LSTM,
    PROB_UP,
    ensemble_sha256,
    predict_block,
    start_state,
)
from mlstrat.models.fitting import fit_ensemble
from mlstrat.models.grid import BASE, LEVELS, lstm_on_grid, on_grid, trees_on_grid
from mlstrat.models.sample import split_rows
from mlstrat.models.scores import log_loss
from mlstrat.models.transfer import Start
from mlstrat.models.trees import LEAF, join_trees
from mlstrat.pine.packing import BASE as ALPHABET

SEEDS = (1, 2, 3)
CODED = {characters: SIZES.model_copy(update={"characters": characters}) for characters in (0, 2, 3)}


@pytest.fixture(scope="module")
def fitted():
    return {
        characters: fit_ensemble(sample_of(0.5), config, 0.3, SEEDS) for characters, config in CODED.items()
    }


def leaves(trees):
    return trees.value[trees.feature == LEAF]


def numbers(models):
    """Every group of numbers that has a grid of its own."""
    lstm = models.lstm
    return {
        "forest": leaves(models.forest),
        "boosting": leaves(models.boosting),
        "w_x": lstm.w_x,
        "w_h": lstm.w_h,
        "bias": lstm.bias,
        "out": np.append(lstm.w_out, lstm.b_out),
    }


def test_a_script_has_as_many_codes_as_there_are_levels():
    assert BASE == ALPHABET
    assert all(levels < BASE**characters for characters, levels in LEVELS.items())


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    values=arrays(np.float64, st.integers(1, 30), elements=st.floats(-1e3, 1e3)),
    levels=st.sampled_from([2, 17, 5_000, 440_000]),
)
def test_a_number_goes_to_the_nearest_of_evenly_spaced_ones(values, levels):
    found = on_grid(values, levels)
    low, high = Fraction(values.min()), Fraction(values.max())
    step = (high - low) / (levels - 1)
    assert found.min() == values.min()
    rounding = Fraction(1e-12)
    for value, near in zip(values, found, strict=True):
        place = (Fraction(near) - low) / step if step else Fraction(0)
        assert abs(place - round(place)) <= Fraction(1e-6) or abs(value - near) <= rounding
        assert abs(Fraction(value) - Fraction(near)) <= step / 2 + rounding


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    values=arrays(np.float64, st.integers(1, 30), elements=st.floats(-1e300, 1e300)),
    levels=st.sampled_from([2, 17, 5_000, 440_000]),
)
def test_a_reader_finds_the_grid_from_its_points(values, levels):
    """To round again changes no bit, whatever the numbers: so low, step and count say every one of them."""
    found = on_grid(values, levels)
    assert on_grid(found, levels).tobytes() == found.tobytes()


def test_numbers_without_a_span_or_a_bound_stay_as_they_are():
    for values in ([0.3], [0.3, 0.3], [0.0, 5e-324], [1.0, np.nan], [-np.inf, 1.0], [-1e308, 1e308, 0.0]):
        np.testing.assert_array_equal(on_grid(np.array(values), 5_000), values)


@pytest.mark.parametrize("characters", [2, 3])
def test_a_fitted_model_has_numbers_of_its_grids_only(fitted, characters):
    for name, group in numbers(fitted[characters][0].models).items():
        low, high = group.min(), group.max()
        place = (group - low) / (high - low) * (LEVELS[characters] - 1)
        np.testing.assert_allclose(place, np.round(place), rtol=0, atol=1e-6, err_msg=name)
        again = low + np.round(place) * ((high - low) / (LEVELS[characters] - 1))
        assert again.tobytes() == group.tobytes(), name


def test_exact_numbers_lie_on_no_grid(fitted):
    for name, group in numbers(fitted[0][0].models).items():
        place = (group - group.min()) / (group.max() - group.min()) * (LEVELS[2] - 1)
        assert np.abs(place - np.round(place)).max() > 0.1, name


def test_few_characters_leave_few_leaves():
    trees, _ = leaf_forest()
    coarse = leaves(trees_on_grid(trees, 2))
    assert len(np.unique(leaves(trees))) == 20_000
    assert len(np.unique(coarse)) <= LEVELS[2]
    spacing = np.diff(np.unique(coarse))
    step = (coarse.max() - coarse.min()) / (LEVELS[2] - 1)
    np.testing.assert_allclose(spacing / step, np.round(spacing / step), rtol=0, atol=1e-6)
    assert trees_on_grid(trees, 0) is trees


def leaf_forest():
    """Stumps of 20,000 leaves beside inner nodes whose 0 lies far off their grid."""
    values = np.random.default_rng(5).uniform(0.3, 0.7, 20_000)
    stumps = [
        {
            "feature": np.array([0, LEAF, LEAF]),
            "cut": np.array([1, 0, 0]),
            "left": np.array([1, 0, 0]),
            "right": np.array([2, 0, 0]),
            "value": np.array([0.0, *pair]),
        }
        for pair in values.reshape(-1, 2)
    ]
    return join_trees(stumps, 0.0, 1.0), values


def test_the_zeros_of_inner_nodes_do_not_stretch_the_grid():
    trees, values = leaf_forest()
    found = trees_on_grid(trees, 2)
    np.testing.assert_array_equal(found.value[trees.feature != LEAF], 0.0)
    assert leaves(found).min() == values.min()
    assert np.abs(leaves(found) - values).max() < 0.4 / LEVELS[2]


def test_each_group_of_weights_has_a_grid_of_its_own():
    lstm = fit_ensemble(sample_of(0.5), CODED[0], 0.3, SEEDS)[0].models.lstm
    small = lstm._replace(w_h=lstm.w_h * 1e-6)
    found = lstm_on_grid(small, 2)
    for part in ("w_x", "w_h", "bias", "w_out"):
        given_weights = getattr(small, part)
        step = np.ptp(np.append(given_weights, small.b_out if part == "w_out" else [])) / (LEVELS[2] - 1)
        assert np.abs(getattr(found, part) - given_weights).max() <= step * 0.51
        assert getattr(found, part).shape == given_weights.shape
    assert abs(found.b_out - small.b_out) <= step * 0.51
    assert lstm_on_grid(lstm, 0) is lstm


# Columns of many sizes: returns, ratios, counts, prices, a level and its noise.
SCALES = {
    "returns": (0.0, 0.01),
    "index": (50.0, 15.0),
    "volume": (1e6, 3e5),
    "far": (1e9, 1e-3),
    "tiny": (0.0, 1e-14),
}


def columns():
    draw = np.random.default_rng(2)
    return np.column_stack([draw.normal(mean, spread, 4000) for mean, spread in SCALES.values()])


def decimals_of(edges, characters):
    """The most decimals whose counts fit, by exact arithmetic."""
    for decimals in range(15, -30, -1):
        counts = [round(Fraction(edge) * Fraction(10) ** decimals) for edge in edges]
        if counts[-1] - counts[0] <= 88**characters - 1 and max(map(abs, counts)) < 2**53:
            return decimals, counts
    raise AssertionError(edges)


@pytest.mark.parametrize(("column", "characters"), itertools.product(range(len(SCALES)), (2, 3)))
def test_an_edge_is_the_double_of_a_decimal_that_a_script_can_count(column, characters):
    x = columns()[:, [column]]
    edges = fit_edges(x, 15, characters)[0]
    edges = edges[np.isfinite(edges)]
    decimals, counts = decimals_of(edges, characters)
    exact = [float(Fraction(count) / Fraction(10) ** decimals) for count in counts]
    assert edges.tolist() == exact  # the double next to each decimal
    plain = fit_edges(x, 15)[0]
    finest = max(10.0**-decimals, 1e-15)
    if list(SCALES)[column] != "far":  # five digits say nothing there
        np.testing.assert_allclose(edges, plain[: len(edges)], rtol=5e-5, atol=finest)
    wanted = np.quantile(x, np.arange(1, 16) / 16)
    assert np.abs(edges - wanted).max() <= 2e-2 * np.ptp(wanted) + finest
    # One more decimal would not fit, unless there are 15, or doubles do not hold it.
    span = Fraction(edges[-1]) - Fraction(edges[0])
    one_more = span * Fraction(10) ** (decimals + 1) > 88**characters - 2
    assert one_more or decimals == 15 or abs(edges[-1]) * 10.0 ** (decimals + 1) >= 2**53


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    x=arrays(np.float64, st.tuples(st.integers(1, 60), st.just(1)), elements=st.floats(-1e9, 1e9)),
    count=st.integers(2, 31),
    characters=st.sampled_from([2, 3]),
)
def test_coded_edges_ascend_whatever_the_feature(x, count, characters):
    edges = fit_edges(x, count, characters)[0]
    real = edges[np.isfinite(edges)]
    assert np.all(np.diff(real) > 0)
    assert not np.signbit(real[real == 0.0]).any()
    if len(real) > 1:
        _, counts = decimals_of(real, characters)
        assert counts[-1] - counts[0] <= 88**characters - 1
    assert bin_block(x, edges[None]).max() <= len(real)


def test_one_edge_keeps_five_digits():
    x = np.array([[0.0], [2 / 3], [2 / 3]])
    assert fit_edges(x, 15, 2)[0, 0] == fit_edges(x, 15)[0, 0] == 0.33333


def test_no_edge_parts_what_only_rounding_parts():
    """Half a day apart the sine of the hour is 0 twice, once with 1e-16: other engines see it otherwise."""
    hours = np.tile(np.arange(24), 50)
    sines = np.sin(2.0 * np.pi * hours / 24.0)[:, None]
    assert len(np.unique(sines)) > len(np.unique(sines.round(12)))
    edges = fit_edges(sines, 30, 2)[0]
    edges = edges[np.isfinite(edges)]
    assert np.abs(sines - edges).min() > 1e-3
    assert len(edges) == len(np.unique(sines.round(12))) - 1


@pytest.mark.parametrize("characters", [2, 3])
def test_the_models_that_vote_on_the_tail_are_rounded_as_well(fitted, characters):
    """A window that ends before the tail has them as its last models: the stack learnt from their votes."""
    sample, (_, inner) = sample_of(0.5), fitted[characters]
    early, tail = split_rows(sample, 0.3, 250)
    before, _ = fit_ensemble(replace(sample, train=early), CODED[characters], 0.3, SEEDS)
    block = predict_block(sample.x[sample.first :], start_state(before.models), before)
    votes = block[tail - sample.first, FOREST:]
    assert votes.tobytes() == np.ascontiguousarray(inner.block[:, FOREST:]).tobytes()
    for name, group in numbers(before.models).items():
        assert on_grid(group, LEVELS[characters]).tobytes() == group.tobytes(), name


def test_votes_are_those_of_the_exact_models_but_for_the_rounding(fitted):
    """Leaves, weights and edges differ in their fourth digit, which moves a bin here and there."""
    x = sample_of(0.5, seed=9).x
    exact, coarse = (
        predict_block(x, start_state(made.models), made) for made in (fitted[0][0], fitted[2][0])
    )
    for vote in (FOREST, BOOSTING, LSTM):
        assert np.corrcoef(exact[:, vote], coarse[:, vote])[0, 1] > 0.97


def test_a_planted_signal_is_found_as_well(fitted):
    fresh = sample_of(0.5, n=6000, seed=77)
    losses = {}
    for characters, (ensemble, _) in fitted.items():
        block = predict_block(fresh.x, start_state(ensemble.models), ensemble)
        losses[characters] = log_loss(block[:, PROB_UP], fresh.up)
    assert losses[0] < np.log(2) - 0.05
    assert losses[2] == pytest.approx(losses[0], abs=0.003)
    assert losses[3] == pytest.approx(losses[0], abs=0.003)


@pytest.mark.parametrize("characters", [0, 2, 3])
def test_the_same_seeds_give_the_same_bits(fitted, characters):
    again, inner = fit_ensemble(sample_of(0.5), CODED[characters], 0.3, SEEDS)
    assert ensemble_sha256(again) == ensemble_sha256(fitted[characters][0])
    assert inner.block.tobytes() == fitted[characters][1].block.tobytes()
    assert len({ensemble_sha256(made) for made, _ in fitted.values()}) == 3


def test_edges_of_a_start_are_taken_as_they_are(fitted):
    """A short window takes the edges of its start, whatever decimals its own would have."""
    own = fitted[0][0].models
    known_at, none = np.datetime64("2021-01-02", "ns"), "0" * 64
    short = sample_of(0.5, n=1200)
    begun = replace(short, start=Start(own.edges, own.lstm, known_at, "OTHER", none, none))
    config = CODED[2].model_copy(update={"bins": 63})
    edges = fit_ensemble(begun, config, 0.3, SEEDS)[0].models.edges
    np.testing.assert_array_equal(edges[:, : own.edges.shape[1]], own.edges)
    assert np.isinf(edges[:, own.edges.shape[1] :]).all()
