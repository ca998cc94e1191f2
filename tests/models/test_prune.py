"""Smaller capsules: they vote as the large one does, read no label and no later bar, and tell their cost."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from forged import ensemble, with_voter

from mlstrat.capsule import dumps, loads
from mlstrat.errors import ConfigError, DataError
from mlstrat.labels import horizon_labels
from mlstrat.live import Predictor, train
from mlstrat.models.ensemble import FOREST, ensemble_sha256, predict_block, start_state
from mlstrat.models.prune import best_trees, compact, distil, prune, tree_outputs
from mlstrat.pipeline import load_panel
from mlstrat.sentiment.align import neutral
from mlstrat.smaller import compare, distilled, keeping, pruned, size_of, training_rows


@pytest.fixture(scope="module")
def large(walk, tiny_config):
    """A model with enough trees to be made smaller, fitted on the first 2,400 bars."""
    sizes = tiny_config.models.model_copy(update={"rf_n_estimators": 40, "gb_n_estimators": 30})
    config = tiny_config.model_copy(update={"models": sizes})
    known = walk[:2400]
    return train(load_panel(known, neutral(known), config), config)


@pytest.fixture(scope="module")
def x(large, walk):
    return training_rows(large, walk)


def votes(made, x):
    return predict_block(x, start_state(made.models), made)[:, FOREST:]


def test_a_tree_output_is_the_leaf_that_is_reached():
    trees = ensemble().models.forest
    bins = np.array(list(itertools.product(range(5), range(5), range(2))))
    found = tree_outputs(bins, trees)
    stump = np.where(bins[:, 0] <= 1, 0.4, 0.6)
    second = np.where(bins[:, 1] > 0, 0.45, np.where(bins[:, 0] <= 2, 0.5, 0.55))
    np.testing.assert_array_equal(found, np.column_stack([stump, second]))


@pytest.mark.parametrize("keep", [1, 3, 8, 12, 99])
def test_trees_are_taken_by_what_they_add_to_the_correlation(keep):
    """Against a loop that tries every tree and asks numpy for the correlation."""
    draw = np.random.default_rng(4)
    common = draw.normal(size=300)
    outputs = np.column_stack([draw.uniform(0, 1) * common + draw.normal(size=300) for _ in range(12)])
    whole, taken = outputs.sum(axis=1), []
    for _ in range(min(keep, 12)):
        left = [k for k in range(12) if k not in taken]
        sums = [outputs[:, [*taken, k]].sum(axis=1) for k in left]
        taken.append(left[int(np.argmax([np.corrcoef(total, whole)[0, 1] for total in sums]))])
    np.testing.assert_array_equal(best_trees(outputs, keep), sorted(taken))


def test_trees_that_say_the_same_everywhere_do_no_harm():
    outputs = np.column_stack([np.ones(50), np.arange(50.0), np.ones(50)])
    np.testing.assert_array_equal(best_trees(outputs, 1), [1])
    assert len(best_trees(np.ones((50, 4)), 2)) == 2


def test_all_trees_kept_are_the_same_model(large, x):
    made = prune(large.ensemble, x, (40, 30))
    np.testing.assert_allclose(votes(made, x), votes(large.ensemble, x), rtol=0, atol=1e-12)


def test_edges_that_nobody_reads_go_and_no_bit_changes(large, x):
    few = large.ensemble.models
    forest = few.forest._replace(cut=np.where(few.forest.feature < 0, 0, few.forest.cut // 3 * 3))
    given = large.ensemble._replace(
        models=few._replace(forest=forest._replace(cut=forest.cut.astype(np.int32)))
    )
    found = compact(given)
    rows = np.vstack([x, typical_edges(given), 100 * x, -100 * x])
    state, same = (start_state(few) for _ in range(2))
    np.testing.assert_array_equal(predict_block(rows, state, given), predict_block(rows, same, found))
    before, after = (np.isfinite(made.models.edges).sum(axis=1) for made in (given, found))
    np.testing.assert_array_equal(before[few.lstm.inputs], after[few.lstm.inputs])
    hand = compact(with_voter())
    assert np.isfinite(hand.models.edges).sum(axis=1).tolist() == [
        3,
        1,
        1,
    ]  # of the second one only 30 is read
    assert hand.models.edges[1, 0] == 30.0
    rows = np.vstack(
        [typical_edges(ensemble()), np.random.default_rng(0).normal([0, 50, 0], [0.02, 20, 1], (200, 3))]
    )
    state, same = (start_state(hand.models) for _ in range(2))
    np.testing.assert_array_equal(predict_block(rows, state, with_voter()), predict_block(rows, same, hand))


def typical_edges(made):
    """Rows that lie on the edges themselves."""
    return np.where(np.isfinite(made.models.edges), made.models.edges, 0.0).T


@pytest.mark.parametrize("how", [prune, lambda made, x, keep: distil(made, x, keep, 4)])
def test_the_votes_stay_close(large, x, walk, how):
    before = votes(large.ensemble, x)
    made = how(large.ensemble, x, (20, 15))
    after = votes(made, x)
    assert len(made.models.forest.roots) == 20
    assert len(made.models.boosting.roots) == 15
    for k in range(2):
        assert np.corrcoef(before[:, k], after[:, k])[0, 1] > 0.9
        assert after[:, k].mean() == pytest.approx(before[:, k].mean(), abs=1e-9)
    np.testing.assert_array_equal(before[:, 2], after[:, 2])  # the LSTM is the same one


@pytest.mark.parametrize("make", [pruned, distilled])
def test_a_smaller_capsule_is_a_capsule(large, walk, make):
    made = loads(dumps(make(large, walk, keeping(None, 0.5))))
    assert made.window.model_sha256 == ensemble_sha256(made.ensemble) != large.window.model_sha256
    assert large.window.model_sha256 in made.about.made_from
    assert replace(made.window, model_sha256="") == replace(large.window, model_sha256="")
    assert (repr(made.odds), made.threshold) == (repr(large.odds), large.threshold)
    assert size_of(made).n_bytes < size_of(large).n_bytes
    again = make(made, walk, keeping(2, 0.5))
    assert again.about.made_from.count(" from model ") == 2
    assert len(again.ensemble.models.forest.roots) == 2
    assert dumps(make(large, walk, keeping(None, 0.5))) == dumps(made)


@pytest.mark.parametrize("make", [pruned, distilled])
def test_later_bars_have_no_say(large, walk, make):
    known = walk[:2400]
    assert dumps(make(large, walk, keeping(None, 0.3))) == dumps(make(large, known, keeping(None, 0.3)))


def test_the_training_rows_are_those_of_the_window(large, walk):
    rows = training_rows(large, walk)
    window = large.window
    inside = (walk.time >= window.train_from) & (walk.close_time < window.cut)
    assert len(rows) == inside.sum()
    panel = load_panel(walk, neutral(walk), large.about.run_config())
    np.testing.assert_array_equal(rows, panel.features.values[inside])
    with pytest.raises(
        DataError,
        match=r"the bars hold 80 rows of the training window \(2020-02-10T00:00 to .* and 250 are needed",
    ):
        training_rows(large, walk[2300:])


def test_what_it_costs_is_measured_out_of_sample(large, walk):
    small = pruned(large, walk, keeping(None, 0.25))
    found = compare(large, small, walk)
    before, after = (Predictor(made).forecast(walk) for made in (large, small))
    assert found.bars == len(walk) - 2399
    assert found.signals == tuple(int((said.decisions.side != 0).sum()) for said in (before, after))
    same = [a == b for a, b in zip(before.decisions.side, after.decisions.side, strict=True)]
    assert found.equal_signals == pytest.approx(sum(same) / len(same))
    up = horizon_labels(walk[2399:], 5).up
    for said, loss in zip((before, after), found.log_loss, strict=True):
        of = [
            -math.log(p if u else 1 - p) for p, u in zip(said.predictions.prob_up, up, strict=True) if u == u
        ]
        assert loss == pytest.approx(np.mean(of))
    assert compare(large, large, walk).equal_signals == 1.0


def test_the_time_of_a_row_is_the_median_of_the_clock(large):
    ticks = itertools.cycle([0, 5000, 0, 7000, 0, 9000])
    assert size_of(large, lambda: next(ticks)).row_us == 7.0


@pytest.mark.parametrize(
    ("trees", "share", "have", "kept"), [(None, 0.5, 9, 4), (None, 0.01, 9, 1), (5, 0.5, 3, 3)]
)
def test_how_many_are_kept(trees, share, have, kept):
    assert keeping(trees, share)(have) == kept


@pytest.mark.parametrize(("trees", "share"), [(0, 0.5), (None, 0.0), (None, 1.1), (None, math.nan)])
def test_none_is_no_number_of_trees(trees, share):
    with pytest.raises(ConfigError, match=r"keep 1 or more|give one in \(0, 1\]"):
        keeping(trees, share)
