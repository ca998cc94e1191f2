"""Models that are left out: silent as replaced ones, in every form that a model takes."""

import sys

import numpy as np
import pytest
from test_ensemble import SIZES, sample_of

from mlstrat.capsule import dumps, loads
from mlstrat.config import parse_config
from mlstrat.errors import ConfigError, MissingExtraError
from mlstrat.live import train
from mlstrat.models.contributions import contributions
from mlstrat.models.ensemble import (
    BOOSTING,
    FOREST,
    LSTM,
    MAGNITUDE,
    PROB_UP,
    ensemble_sha256,
    predict_block,
    start_state,
)
from mlstrat.models.fitting import fit_ensemble
from mlstrat.models.prune import compact, distil, prune
from mlstrat.online import OnlineWalkForward
from mlstrat.pipeline import load_panel, require, run
from mlstrat.sentiment.align import neutral
from mlstrat.walkforward import schedule_for

SEEDS = (1, 2, 3)
PLACES = {"forest": FOREST, "boosting": BOOSTING, "lstm": LSTM}
SETS = [
    ("forest",),
    ("boosting",),
    ("lstm",),
    ("boosting", "lstm"),
    ("forest", "lstm"),
    ("forest", "boosting"),
]


def fitted(without):
    return fit_ensemble(sample_of(0.5), SIZES.model_copy(update={"without": without}), 0.3, SEEDS)


@pytest.fixture(scope="module")
def made():
    return {without: fitted(without) for without in [(), *SETS]}


def said(ensemble, seed=9):
    return predict_block(sample_of(0.5, seed=seed).x, start_state(ensemble.models), ensemble)


@pytest.mark.parametrize("without", SETS, ids="+".join)
def test_what_is_left_out_votes_0_and_has_no_weight_and_the_others_stay(made, without):
    ensemble, inner = made[without]
    block, whole = said(ensemble), said(made[()][0])
    for name, column in PLACES.items():
        if name in without:
            assert (block[:, column] == 0.0).all()
            assert (inner.block[:, column] == 0.0).all()
            assert ensemble.stack.slope[column - FOREST] == 0.0
            assert ensemble.stack.weights[column - FOREST] == 0.0
        elif name != "lstm" or "forest" not in without:
            # The forest ranks the inputs of the LSTM; without it a small one does.
            np.testing.assert_array_equal(block[:, column], whole[:, column])
    assert np.isfinite(block).all()


@pytest.mark.parametrize("without", SETS[:-1], ids="+".join)
def test_trees_that_are_left_find_the_planted_signal_alone(made, without):
    block, fresh = said(made[without][0]), sample_of(0.5, seed=9)
    assert np.corrcoef(block[:, PROB_UP], fresh.x[:, 2])[0, 1] > 0.8


def test_without_a_model_of_returns_there_is_no_magnitude(made):
    block = said(made["boosting", "lstm"][0])
    assert (block[:, MAGNITUDE] == 0.0).all()
    assert np.std(said(made["lstm",][0])[:, MAGNITUDE]) > 0.0


def test_the_magnitude_is_that_of_the_model_that_speaks(made):
    """Least squares without a constant on the votes of one model have a closed form."""
    ensemble, inner = made["lstm",]
    vote, moved = inner.block[:, BOOSTING], sample_of(0.5).ret[inner.rows]
    weight = max(0.0, min(1.0, float(vote @ moved / (vote @ vote))))
    np.testing.assert_allclose(ensemble.stack.weights, [0.0, weight, 0.0], rtol=1e-9)


def test_leaving_out_is_what_replacing_leaves_of_a_model(made):
    """An own model in the place of the forest leaves the same silent arrays behind."""
    own = {"mine": {"class": "sklearn.tree.DecisionTreeClassifier", "replaces": "forest"}}
    config = parse_config({"models": {**SIZES.model_dump(mode="json"), **own}}).models
    replaced, _ = fit_ensemble(sample_of(0.5), config, 0.3, SEEDS)
    left_out, _ = made["forest",]
    for part in ("forest", "boosting", "lstm"):
        for one, two in zip(getattr(replaced.models, part), getattr(left_out.models, part), strict=True):
            np.testing.assert_array_equal(one, two)


def test_it_is_its_own_model_and_the_same_every_time(made):
    hashes = {without: ensemble_sha256(ensemble) for without, (ensemble, _) in made.items()}
    assert len(set(hashes.values())) == len(hashes)
    assert ensemble_sha256(fitted(("lstm",))[0]) == hashes["lstm",]


@pytest.mark.parametrize("without", SETS, ids="+".join)
def test_smaller_models_stay_silent(made, without):
    ensemble, _ = made[without]
    x = sample_of(0.5).x
    for small in (prune(ensemble, x, (4, 3)), distil(ensemble, x, (4, 3), leaves=6)):
        block = said(small)
        assert all((block[:, PLACES[name]] == 0.0).all() for name in without)
        assert np.isfinite(block).all()
    assert said(compact(ensemble)).tobytes() == said(ensemble).tobytes()


def test_contributions_add_up_without_a_model(made):
    ensemble, _ = made["boosting", "lstm"]
    credit = contributions(sample_of(0.5).x[50], start_state(ensemble.models), ensemble)
    assert np.abs(credit).max() > 0.0


@pytest.mark.parametrize(
    ("models", "words"),
    [
        ({"without": ["forest", "boosting", "lstm"]}, r"models\.without is .*give at most two of the three"),
        ({"without": ["trees"]}, "give 'forest', 'boosting' or 'lstm'"),
        ({"without": "lstm"}, "give a list"),
        (
            {"without": ["lstm"], "mine": {"class": "a.b", "replaces": "lstm"}},
            "give 'lstm' in without or as what mine replaces, not as both",
        ),
    ],
)
def test_what_cannot_be_left_out_is_refused_in_a_sentence(models, words):
    with pytest.raises(ConfigError, match=words):
        parse_config({"models": models})


def test_the_order_in_which_they_are_named_does_not_matter():
    one = parse_config({"models": {"without": ["lstm", "forest", "lstm"]}})
    assert one.models.without == ("forest", "lstm")
    assert one == parse_config({"models": {"without": ["forest", "lstm"]}})
    assert parse_config(one.result_content() | {"name": "run"}) == one


@pytest.fixture(scope="module", params=[("lstm",), ("forest", "boosting")], ids="+".join)
def config(request, tiny_config):
    models = tiny_config.models.model_copy(update={"without": request.param, "characters": 2})
    return tiny_config.model_copy(update={"models": models})


def test_bar_by_bar_gives_the_bits_of_the_batch(walk, config):
    bars = walk[:2700]
    batch = run(config, bars=bars, mood=neutral(bars)).predictions
    panel = load_panel(bars, neutral(bars), config)
    schedule = schedule_for(bars, panel.features.ready, config)
    names, lookback = panel.features.names, panel.features.lookback
    online = OnlineWalkForward(
        names, lookback, schedule, config, bars.timeframe, bars.instrument, neutral(bars)
    )
    for row in bars.matrix:
        online.update(row)
    live = online.predictions()
    assert batch.known.sum() > 500
    for name in ("votes", "prob_up", "magnitude", "score", "win_prob"):
        assert getattr(live, name).tobytes() == getattr(batch, name).tobytes()


def test_a_capsule_holds_it(walk, config):
    bars = walk[:2400]
    capsule = train(load_panel(bars, neutral(bars), config), config)
    content = dumps(capsule)
    again = loads(content)
    assert dumps(again) == content
    assert again.about.run_config().models.without == config.models.without
    assert again.about.run_config().models.characters == 2
    x = np.random.default_rng(0).normal(size=(200, len(capsule.about.features)))
    before, after = (predict_block(x, model.state.copy(), model.ensemble) for model in (capsule, again))
    assert before.tobytes() == after.tobytes()


def test_onnx_says_the_same(walk, config):
    pytest.importorskip("onnx", reason="the extra models is not installed")
    pytest.importorskip("onnxruntime", reason="the extra models is not installed")
    from mlstrat.onnx_export import check_onnx, to_onnx

    bars = walk[:2400]
    capsule = train(load_panel(bars, neutral(bars), config), config)
    assert check_onnx(to_onnx(capsule), capsule, np.random.default_rng(0)) < 1e-12


def test_without_the_lstm_pytorch_is_not_needed(walk, tiny_config, monkeypatch):
    """Neither asked for nor imported: here it cannot be."""
    models = tiny_config.models.model_copy(update={"without": ("lstm",)})
    config = tiny_config.model_copy(update={"models": models})
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr("mlstrat.pipeline.find_spec", lambda name: None if name == "torch" else True)
    assert run(config, bars=walk[:2400], mood=neutral(walk[:2400])).predictions.known.any()
    with pytest.raises(MissingExtraError, match="The LSTM needs the package torch"):
        require(tiny_config, "kernel")
    with pytest.raises(MissingExtraError, match="The LSTM needs the package torch"):
        fit_ensemble(sample_of(0.5), SIZES, 0.3, SEEDS)
