"""The weighted mean of scorers, and the choice of one by name."""

import pickle
from collections.abc import Sequence

import numpy as np
import pytest

from mlstrat.config import parse_config
from mlstrat.config_sentiment import SentimentConfig
from mlstrat.errors import ConfigError, MissingExtraError, ModelError
from mlstrat.pipeline import require
from mlstrat.sentiment.choice import READERS, ScorerChoice, scorer
from mlstrat.sentiment.ensemble import Ensemble
from mlstrat.sentiment.learned.scorer import SHIPPED, LearnedScorer
from mlstrat.sentiment.scorers import Scored

BOTH = (("learned", 3.0), ("vader", 1.0))


class Fixed:
    """Says of every text the same."""

    def __init__(self, polarity: float, confidence: float) -> None:
        self.said = polarity, confidence

    def score(self, texts: Sequence[str]) -> Scored:
        polarity, confidence = (np.full(len(texts), value) for value in self.said)
        return polarity, confidence


@pytest.mark.parametrize(
    ("said", "polarity", "confidence", "name"),
    [
        # weight, polarity, confidence; by hand
        ([(1, 0.5, 0.4), (3, -0.5, 0.4)], -0.25, 0.4, "negative"),
        ([(2, 0.8, 0.5), (1, 0.2, 0.2)], 0.7, 0.4, "positive"),
        ([(1, 0.8, 0.6), (1, 0.0, 0.0)], 0.8, 0.3, "positive"),
        ([(1, 0.3, 0.5), (1, 0.1, 0.5)], 0.2, 0.5, "neutral"),
        ([(1, 0.0, 0.0), (1, 0.0, 0.0)], 0.0, 0.0, "neutral"),
        ([(1e-300, 1.0, 1.0), (1e300, -1.0, 1.0)], -1.0, 1.0, "negative"),
        ([(0.1, 1.0, 0.7), (0.2, 1.0, 0.9), (0.7, 1.0, 0.3)], 1.0, 0.46, "positive"),
    ],
)
def test_scorers_count_by_weight_and_by_how_sure_they_are(said, polarity, confidence, name):
    ensemble = Ensemble([(Fixed(p, c), weight) for weight, p, c in said])
    found = ensemble.classify(["a text", "another"])
    np.testing.assert_allclose(found[0], [polarity] * 2, rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(found[1], [confidence] * 2, rtol=1e-14, atol=1e-15)
    assert np.abs(found[0]).max() <= 1
    assert found[2] == (name, name)


@pytest.mark.parametrize("weights", [(), (0.0,), (-1.0, 2.0), (np.nan,), (np.inf,)])
def test_weights_that_weigh_nothing_are_refused(weights):
    with pytest.raises(ConfigError, match="needs scorers with weights above 0: give one or more"):
        Ensemble([(Fixed(0, 0), weight) for weight in weights])


def test_a_run_file_makes_a_choice():
    weights = {"vader": 1.0, "learned": 3.0}
    choice = ScorerChoice.of(SentimentConfig(scorer="ensemble", scorer_weights=weights))
    assert choice == ScorerChoice("ensemble", weights=BOTH)
    assert choice.names == ("learned", "vader")
    assert ScorerChoice.of(SentimentConfig(scorer="learned", model="m")) == ScorerChoice("learned", "m")
    assert ScorerChoice("vader").names == ("vader",)


def test_a_choice_is_the_same_whatever_the_order_and_survives_the_way_to_a_process():
    choice = ScorerChoice("ensemble", weights=BOTH[::-1])
    assert choice == ScorerChoice("ensemble", weights=BOTH)
    assert hash(choice) == hash(ScorerChoice("ensemble", weights=BOTH))
    assert pickle.loads(pickle.dumps(choice)) == choice  # noqa: S301 - made a line above


def test_a_model_goes_to_the_scorer_that_takes_it(tmp_path):
    def members(model, *names):
        weights = tuple((name, 1.0) for name in names)
        made = ScorerChoice("ensemble", str(model), weights, even="learned" in names).members
        return [(member.name, member.model, member.even) for member, _ in made]

    assert members("m", "learned", "vader") == [("learned", "m", True), ("vader", "", False)]
    assert members("m", "finbert", "vader") == [("finbert", "m", False), ("vader", "", False)]
    assert members("m", "finbert", "learned") == [("finbert", "m", False), ("learned", "", True)]
    assert members(SHIPPED, "finbert", "learned")[1] == ("learned", str(SHIPPED), True)


def test_the_model_that_is_named_reads(tmp_path):
    texts = ["Profit rose", "Loss widened"]
    path = tmp_path / "own.model"
    path.write_bytes(SHIPPED.read_bytes())
    for even in (False, True):
        made = scorer(ScorerChoice("learned", str(path), even=even)).score(texts)
        np.testing.assert_array_equal(made[0], LearnedScorer(even=even).score(texts)[0])
    path.write_bytes(b"nothing")
    with pytest.raises(ModelError, match="is no sentiment model"):
        scorer(ScorerChoice("ensemble", str(path), BOTH))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"name": "oracle"}, r"sentiment\.scorer is 'oracle'; give one of ensemble, finbert, learned, vader"),
        ({"name": "ensemble"}, "give the weights of scorers, such as vader=0.5"),
        ({"name": "vader", "weights": BOTH}, "with the scorer ensemble and with no other"),
        (
            {"name": "ensemble", "weights": (("oracle", 1.0),)},
            "a weight for 'oracle'; give weights for finbert",
        ),
        ({"name": "ensemble", "weights": (("ensemble", 1.0),)}, "a weight for 'ensemble'; give weights for"),
        (
            {"name": "ensemble", "weights": (("vader", 1.0), ("vader", 2.0))},
            "two weights for vader: give one",
        ),
        ({"name": "ensemble", "weights": (("vader", 0.0),)}, "weight of vader is 0.0; give a number above 0"),
        ({"name": "ensemble", "weights": (("vader", float("nan")),)}, "is nan; give a number above 0"),
        ({"name": "vader", "model": "m"}, "a model is for the scorers learned and finbert: leave it out"),
        ({"name": "finbert", "even": True}, "even classes are for the scorer learned: leave them out"),
    ],
)
def test_a_choice_that_means_nothing_is_refused(arguments, sentence):
    with pytest.raises(ConfigError, match=sentence):
        ScorerChoice(**arguments)


def test_an_unknown_name_is_refused():
    with pytest.raises(ConfigError, match=r"sentiment\.scorer is 'oracle'; give one of"):
        scorer("oracle")


@pytest.mark.parametrize(
    ("weights", "package", "extra"),
    [
        ({"learned": 1.0, "vader": 1.0}, "vaderSentiment", "sentiment"),
        ({"learned": 1.0, "finbert": 1.0}, "transformers", "transformers"),
        ({"finbert": 1.0, "vader": 1.0}, "nltk", "sentiment"),
    ],
)
def test_a_run_needs_what_each_scorer_of_its_ensemble_needs(monkeypatch, weights, package, extra):
    monkeypatch.setattr("mlstrat.pipeline.find_spec", lambda name: None if name == package else name)
    sentiment = {"source": "sample:headlines", "scorer": "ensemble", "scorer_weights": weights}
    with pytest.raises(MissingExtraError, match=rf"package {package}: run `pip install \"mlstrat\[{extra}\]"):
        require(parse_config({"sentiment": sentiment}), "kernel")
    require(parse_config({"sentiment": sentiment | {"source": "none"}}), "kernel")


def test_every_scorer_that_reads_has_a_list_of_what_it_needs():
    from mlstrat.pipeline import _BY_SCORER

    assert sorted(_BY_SCORER) == sorted(READERS)
