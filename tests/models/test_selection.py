"""Selection: what it keeps, that it sees training rows only, and that the models then read nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from mlstrat.config import ModelsConfig, parse_config
from mlstrat.data.bars import COLUMNS
from mlstrat.errors import ConfigError, ModelError
from mlstrat.foldstore import FoldStore
from mlstrat.models.binning import bin_block, fit_edges
from mlstrat.models.ensemble import ensemble_sha256, predict_block, start_state
from mlstrat.models.fitting import fit_ensemble
from mlstrat.models.sample import Sample
from mlstrat.models.selection import Selection, cluster_features, rank_correlation, select, widened
from mlstrat.models.trees import LEAF, Trees
from mlstrat.online import OnlineWalkForward
from mlstrat.pipeline import load_panel
from mlstrat.sentiment.align import neutral
from mlstrat.walkforward import schedule_for, walk_forward

HOUR = np.timedelta64(3_600_000_000_000, "ns")
SIZES = ModelsConfig(
    bins=15, rf_n_estimators=8, rf_max_depth=4, gb_n_estimators=8, lstm_units=3, lstm_epochs=1
)
SEEDS = (1, 2, 3)


def sample_of(n=3000, columns=6, seed=0):
    """Column 2 moves the price, the others are noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, columns))
    ret = 0.01 * (0.6 * x[:, 2] + rng.normal(size=n))
    close_time = np.datetime64("2021-01-01", "ns") + np.arange(1, n + 1) * HOUR
    up = (ret > 0).astype(float)
    return Sample(x, ret, up, close_time + 2 * HOUR, close_time, 20, np.arange(20, n - 400), 1.0, 2)


def columns_of(ensemble):
    return np.flatnonzero(np.isfinite(ensemble.models.edges[:, 0]))


def chosen(x, up, selection):
    return select(x, bin_block(x, fit_edges(x, 31)), up, selection, seed=5)


def families(n=2000, seed=1):
    """Three independent quantities, each in several monotone disguises, and a column that never varies."""
    rng = np.random.default_rng(seed)
    a, b, c = rng.normal(size=(3, n))
    near = a + 0.3 * rng.normal(size=n)
    return np.column_stack([a, b, np.exp(a), c, -b, near, a**3, np.full(n, 4.0)])


def test_rank_correlation_is_spearmans():
    x = families()[:, :7]
    np.testing.assert_allclose(rank_correlation(x), spearmanr(x).statistic, atol=1e-12)


def test_a_column_that_never_varies_is_like_no_other():
    rho = rank_correlation(families())
    np.testing.assert_array_equal(rho[7], [0.0] * 7 + [1.0])


def test_disguises_of_one_quantity_form_a_cluster_and_nothing_else_does():
    clusters = cluster_features(families())
    assert [sorted(members.tolist()) for members in clusters] == [[0, 2, 5, 6], [1, 4], [3], [7]]
    assert clusters[0][-1] == 5  # the noisy one is the least typical


def test_one_column_is_one_cluster():
    assert [members.tolist() for members in cluster_features(np.ones((5, 1)))] == [[0]]


@pytest.mark.parametrize("keep", [0, 6, 99])
def test_nothing_is_left_out_where_nothing_has_to_be(keep):
    sample = sample_of()
    np.testing.assert_array_equal(chosen(sample.x, sample.up, Selection(keep)), np.arange(6))


def test_columns_that_do_not_vary_are_not_chosen():
    sample = sample_of()
    x = np.column_stack([np.ones(len(sample.x)), sample.x])
    assert chosen(x, sample.up, Selection(1)).tolist() == [3]
    assert 0 not in chosen(x, sample.up, Selection(5))


def test_by_importance_twins_are_kept_together_and_by_cluster_one_stands_for_them():
    sample = sample_of()
    twins = [sample.x, np.exp(sample.x[:, 2]), -sample.x[:, 2], sample.x[:, 2] ** 3]
    x = np.column_stack(twins)  # columns 2, 6, 7 and 8 say the same
    same = {2, 6, 7, 8}
    assert set(chosen(x, sample.up, Selection(4)).tolist()) == same
    by_cluster = set(chosen(x, sample.up, Selection(4, "cluster")).tolist())
    assert len(by_cluster) == 4
    assert len(by_cluster & same) == 1
    assert len(chosen(x, sample.up, Selection(8, "cluster"))) == 6  # there are no more clusters


def test_the_choice_is_the_same_each_time():
    sample = sample_of(columns=30)
    first, again = (chosen(sample.x, sample.up, Selection(7, "cluster")) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_labels_that_are_all_alike_are_refused():
    sample = sample_of()
    with pytest.raises(ModelError, match="the price never changes direction"):
        chosen(sample.x, np.ones(len(sample.x)), Selection(2))


def test_widened_trees_speak_of_the_whole_row():
    none = np.zeros(3, np.int32)
    trees = Trees(np.array([1, LEAF, 0], np.int32), none, none, none, np.zeros(3), none[:1], 0.0, 1.0)
    assert widened(trees, np.array([4, 9])).feature.tolist() == [9, LEAF, 4]


def test_keeping_every_feature_is_no_selection_bit_for_bit():
    sample = sample_of()
    plain, _ = fit_ensemble(sample, SIZES, 0.3, SEEDS)
    kept, _ = fit_ensemble(sample, SIZES, 0.3, SEEDS, selection=Selection(6))
    assert ensemble_sha256(kept) == ensemble_sha256(plain)


@pytest.mark.parametrize("by", ["importance", "cluster"])
def test_no_model_reads_what_was_not_chosen(by):
    sample = sample_of()
    ensemble, _ = fit_ensemble(sample, SIZES, 0.3, SEEDS, selection=Selection(2, by))
    columns = columns_of(ensemble)
    assert len(columns) == 2
    assert 2 in columns
    assert set(ensemble.models.lstm.inputs.tolist()) == set(columns.tolist())
    other = sample.x.copy()
    unseen = np.setdiff1d(np.arange(6), columns)
    other[:, unseen] = 1e6 * np.random.default_rng(8).normal(size=(len(other), len(unseen)))
    before, after = (predict_block(x, start_state(ensemble.models), ensemble) for x in (sample.x, other))
    np.testing.assert_array_equal(before, after)
    assert np.ptp(before[:, 2]) > 0.05


@pytest.mark.parametrize("by", ["importance", "cluster"])
def test_rows_after_the_window_change_no_choice(by):
    sample = sample_of(columns=20)
    ensemble, _ = fit_ensemble(sample, SIZES, 0.3, SEEDS, selection=Selection(5, by))
    later = int(sample.train[-1]) + 1
    changed = sample_of(columns=20)
    changed.x[later:] = changed.x[later:][::-1] * 7.0
    changed.up[later:] = changed.x[later:, 4] > 0
    other, _ = fit_ensemble(changed, SIZES, 0.3, SEEDS, selection=Selection(5, by))
    assert ensemble_sha256(other) == ensemble_sha256(ensemble)


def test_what_votes_on_the_tail_was_chosen_without_the_tail():
    """Tail labels that another feature decides change the final choice, but no vote on the tail."""
    plain, told = sample_of(), sample_of()
    keep = Selection(1)
    ensemble, inner = fit_ensemble(plain, SIZES, 0.3, SEEDS, selection=keep)
    told.up[inner.rows] = told.x[inner.rows, 4] > 0
    other, other_inner = fit_ensemble(told, SIZES, 0.3, SEEDS, selection=keep)
    assert columns_of(ensemble).tolist() == [2]
    assert columns_of(other).tolist() == [4]
    np.testing.assert_array_equal(inner.block[:, 2:], other_inner.block[:, 2:])


def walked(bars, config):
    panel = load_panel(bars, neutral(bars), config)
    schedule = schedule_for(bars, panel.features.ready, config)
    return walk_forward(panel, schedule, config), panel, schedule


@pytest.fixture(scope="module")
def selecting(tiny_config):
    return parse_config(
        {**tiny_config.model_dump(), "features": {**tiny_config.features.model_dump(), "select": 3}}
    )


@pytest.fixture(scope="module")
def whole(walk, selecting):
    return walked(walk, selecting)


def test_a_window_names_what_it_chose(whole):
    predictions, panel, _ = whole
    for window in predictions.windows:
        assert len(window.selected) == 3
        assert set(window.selected) < set(panel.features.names)


def test_without_selection_a_window_names_nothing(tiny_run):
    assert {window.selected for window in tiny_run.predictions.windows} == {()}


def test_later_bars_change_neither_choice_nor_prediction(walk, selecting, whole):
    cut = 2903
    columns = {name: getattr(walk, name).copy() for name in COLUMNS}
    for values in columns.values():
        values[cut:] = values[cut:][::-1]
    short, *_ = walked(walk[:cut], selecting)
    changed, *_ = walked(replace(walk, **columns), selecting)
    for other in (short, changed):
        assert other.known[:cut].any()
        np.testing.assert_array_equal(other.prob_up[:cut], whole[0].prob_up[:cut])
        spoken = other.fold[:cut].max() + 1
        for mine, theirs in zip(whole[0].windows[:spoken], other.windows[:spoken], strict=True):
            assert mine.selected == theirs.selected
            assert mine.model_sha256 == theirs.model_sha256


def test_bar_by_bar_chooses_what_the_batch_chooses(walk, selecting, whole):
    batch, panel, schedule = whole
    features, upto = panel.features, 2600
    online = OnlineWalkForward(
        features.names, features.lookback, schedule, selecting, walk.timeframe, walk.instrument, neutral(walk)
    )
    for t in range(upto):
        online.update(walk.matrix[t])
    live = online.predictions()
    np.testing.assert_array_equal(live.prob_up, batch.prob_up[:upto])
    assert [w.selected for w in live.windows] == [w.selected for w in batch.windows[: len(live.windows)]]


def test_a_stored_window_names_it_too(walk, selecting, whole, tmp_path):
    _, panel, schedule = whole
    store = FoldStore(tmp_path, "key")
    walk_forward(panel, schedule, selecting, store)
    fitted, _ = store.load(0)
    assert fitted.window == whole[0].windows[0]


@pytest.mark.parametrize(
    ("section", "said"),
    [({"select": -1}, "features.select is -1; give a number"), ({"select_by": "luck"}, '"luck"; give')],
)
def test_settings_that_cannot_be_used(section, said):
    with pytest.raises(ConfigError, match=said):
        parse_config({"features": section})
