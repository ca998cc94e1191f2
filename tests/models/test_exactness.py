"""What predicts is what was trained: every vote against scikit-learn and PyTorch in float64, on every bar."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from mlstrat.config import parse_config
from mlstrat.data import samples
from mlstrat.features.matrix import build
from mlstrat.labels import horizon_labels
from mlstrat.models import own
from mlstrat.models.binning import bin_block
from mlstrat.models.compiled import compile_trees
from mlstrat.models.ensemble import BOOSTING, COLUMNS, FOREST, LSTM, predict_block, start_state
from mlstrat.models.fitting import fit_ensemble
from mlstrat.models.sample import Sample
from mlstrat.models.trees import LEAF

BARS, TRAIN, CARRIED = 6000, 2500, 700
NAMES = ("ret_1", "ret_5", "rsi_14", "bb_position", "atr_14", "volume_ratio", "hour_sin", "vol_ratio_5_20")
SIZES = {"rf_n_estimators": 40, "gb_n_estimators": 40, "lstm_units": 16, "lstm_epochs": 2}
CLASSES = {
    "forest": ("sklearn.ensemble.RandomForestClassifier", {"n_estimators": 20, "max_depth": 8}),
    "boosting": ("sklearn.ensemble.GradientBoostingRegressor", {"n_estimators": 20}),
    "": ("sklearn.ensemble.HistGradientBoostingRegressor", {"max_iter": 20}),
}


class Library(NamedTuple):
    """Predictions (n_bars,) of one vote by ours and by the library."""

    ours: np.ndarray
    theirs: np.ndarray

    @property
    def apart(self):
        return float(np.abs(self.ours - self.theirs).max())


def market(bars, names=(), train=TRAIN):
    """A window of the first usable bars, and the features of every usable bar."""
    matrix, labels = build(bars, names), horizon_labels(bars, 5)
    x = np.ascontiguousarray(matrix.values[matrix.ready :])
    rows = slice(matrix.ready, None)
    known = np.arange(train)
    window = labels.ret[rows], labels.up[rows], labels.resolved_at[rows], bars.close_time[rows]
    return x, Sample(x, *window, first=0, train=known, overlap=5.0, embargo=5)


def nodes_of(trees, tree):
    """One tree of ours as the nodes of scikit-learn's: children counted within the tree."""
    end = trees.roots[tree + 1] if tree + 1 < len(trees.roots) else len(trees.feature)
    part = slice(trees.roots[tree], end)
    feature, inner = trees.feature[part], trees.feature[part] != LEAF
    kind = np.dtype(
        [
            ("left_child", "<i8"),
            ("right_child", "<i8"),
            ("feature", "<i8"),
            ("threshold", "<f8"),
            ("impurity", "<f8"),
            ("n_node_samples", "<i8"),
            ("weighted_n_node_samples", "<f8"),
            ("missing_go_to_left", "u1"),
        ]
    )
    nodes = np.zeros(len(feature), kind)
    nodes["left_child"] = np.where(inner, trees.left[part] - part.start, -1)
    nodes["right_child"] = np.where(inner, trees.right[part] - part.start, -1)
    nodes["feature"] = np.where(inner, feature, -2)
    nodes["threshold"] = np.where(inner, trees.cut[part], -2.0)
    nodes["n_node_samples"], nodes["weighted_n_node_samples"] = 1, 1.0
    return nodes, trees.value[part].reshape(-1, 1, 1)


def as_sklearn(trees, n_features):
    """A forest of scikit-learn with the structure of ours: it predicts the mean of the reached values."""
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.tree import DecisionTreeRegressor
    from sklearn.tree._tree import Tree

    members = []
    for k in range(len(trees.roots)):
        nodes, values = nodes_of(trees, k)
        member = DecisionTreeRegressor()
        member.tree_ = Tree(n_features, np.array([1], np.intp), 1)
        content = {"max_depth": 64, "node_count": len(nodes), "nodes": nodes, "values": values}
        member.tree_.__setstate__(content)
        member.n_features_in_, member.n_outputs_, member.max_features_ = n_features, 1, n_features
        members.append(member)
    forest = RandomForestRegressor(len(members), n_jobs=1)
    forest.estimators_, forest.n_features_in_, forest.n_outputs_ = members, n_features, 1
    return forest


def by_sklearn(bins, trees):
    mean = as_sklearn(trees, bins.shape[1]).predict(bins.astype(np.float64))
    return trees.base + trees.scale * len(trees.roots) * mean


def by_pytorch(bins, lstm):
    """The layer in float64, its state carried from each block of bars to the next."""
    net = torch.nn.LSTM(len(lstm.inputs), len(lstm.w_out)).double()
    head = torch.nn.Linear(len(lstm.w_out), 1).double()
    with torch.no_grad():
        net.weight_ih_l0.copy_(torch.from_numpy(lstm.w_x.T))
        net.weight_hh_l0.copy_(torch.from_numpy(lstm.w_h.T))
        net.bias_ih_l0.copy_(torch.from_numpy(lstm.bias))
        net.bias_hh_l0.zero_()
        head.weight.copy_(torch.from_numpy(lstm.w_out[None]))
        head.bias.fill_(lstm.b_out)
        told, state = [], None
        for begin in range(0, len(bins), CARRIED):
            x = torch.from_numpy(bins[begin : begin + CARRIED, lstm.inputs] / lstm.half - 1.0)
            hidden, state = net(x[:, None], state)
            told.append(head(hidden)[:, 0, 0].numpy())
    return np.concatenate(told)


def three_votes(x, sample, config):
    """Fit the ensemble and compare its three votes on every bar."""
    with threadpool_limits(1):
        ensemble, _ = fit_ensemble(sample, config.models, 0.3, (1, 2, 3))
    block, models = predict_block(x, start_state(ensemble.models), ensemble), ensemble.models
    bins = bin_block(x, models.edges)
    return {
        "forest": Library(block[:, FOREST], by_sklearn(bins, models.forest)),
        "boosting": Library(block[:, BOOSTING], models.unit * by_sklearn(bins, models.boosting)),
        "lstm": Library(block[:, LSTM], models.unit * by_pytorch(bins, models.lstm)),
    }


def own_votes(x, sample, sizes, monkeypatch):
    """The same with estimators of scikit-learn in the places of the trees, and a third that joins."""
    fitted = []
    monkeypatch.setattr(own, "compile_trees", lambda *a: fitted.append(a[0]) or compile_trees(*a))
    tables = {
        f"{replaces or 'joined'}_own": {"class": name, "params": params, "replaces": replaces}
        for replaces, (name, params) in CLASSES.items()
    }
    config = parse_config({"models": {**sizes, **tables}})
    with threadpool_limits(1):
        ensemble, _ = fit_ensemble(sample, config.models, 0.3, (1, 2, 3))
    block, models = predict_block(x, start_state(ensemble.models), ensemble), ensemble.models
    bins = bin_block(x, models.edges).astype(np.float64)
    boosting, forest, joined = fitted[-3:]  # by name; the models before these voted on the tail
    return {
        "RandomForestClassifier": Library(block[:, FOREST], forest.predict_proba(bins)[:, 1]),
        "GradientBoostingRegressor": Library(block[:, BOOSTING], models.unit * boosting.predict(bins)),
        "HistGradientBoostingRegressor": Library(block[:, COLUMNS], models.unit * joined.predict(bins)),
    }


@pytest.fixture(scope="module", params=["BTCUSDT_1h", "ETHUSDT_1h"])
def sample_market(request):
    return market(samples.load_bars(request.param)[:BARS], NAMES)


def test_the_three_predict_what_the_libraries_predict(sample_market):
    found = three_votes(*sample_market, parse_config({"models": SIZES}))
    for name, vote in found.items():
        assert len(vote.ours) > 5000
        assert np.ptp(vote.theirs) > 1e-5, name
        assert vote.apart < 1e-9, name


def test_trees_of_scikit_learn_predict_the_same_from_inside_the_ensemble(sample_market, monkeypatch):
    found = own_votes(*sample_market, SIZES, monkeypatch)
    for name, vote in found.items():
        assert np.ptp(vote.theirs) > 1e-5, name
        assert vote.apart < 1e-9, name
