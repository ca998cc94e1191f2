"""The scorer `ensemble`: the weighted mean of others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlstrat.errors import ConfigError
from mlstrat.sentiment.scorers import Classified, Scored, Scorer, labels


class Ensemble:
    """What several scorers say of a text, by weight and by how sure each is.

    With polarity ``p_i``, confidence ``c_i`` and weight ``w_i`` of scorer i,

        polarity = sum(w_i c_i p_i) / sum(w_i c_i), or 0 where no scorer says anything,
        confidence = sum(w_i c_i) / sum(w_i),

    as a bar's score is made of its headlines. A scorer that finds nothing in a text does not pull its
    polarity to 0; it makes the verdict less sure. The class is that of `labels` with the thresholds of
    `VaderScorer`.

    Parameters
    ----------
    scorers : sequence of (Scorer, float)
        Scorers and their weights above 0.

    Raises
    ------
    ConfigError
        There is no scorer, or a weight is not above 0.
    """

    def __init__(self, scorers: Sequence[tuple[Scorer, float]]) -> None:
        if not scorers or not all(np.isfinite(weight) and weight > 0 for _, weight in scorers):
            raise ConfigError("an ensemble needs scorers with weights above 0: give one or more.")
        self._scorers = tuple(scorers)

    def score(self, texts: Sequence[str]) -> Scored:
        """Return the polarity in [-1, 1] and the confidence in [0, 1] of each text; see `Scorer.score`."""
        leaning, sure, total = np.zeros(len(texts)), np.zeros(len(texts)), 0.0
        for scorer, weight in self._scorers:
            polarity, confidence = scorer.score(texts)
            leaning += weight * confidence * polarity
            sure += weight * confidence
            total += weight
        polarity = np.divide(leaning, sure, out=np.zeros(len(texts)), where=sure > 0)
        return np.clip(polarity, -1.0, 1.0), np.clip(sure / total, 0.0, 1.0)

    def classify(self, texts: Sequence[str]) -> Classified:
        """Return polarity, confidence and the class of each text."""
        polarity, confidence = self.score(texts)
        return polarity, confidence, labels(polarity)
