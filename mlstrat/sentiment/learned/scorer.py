"""The scorer `learned`: a fitted model reads texts, without a network and without scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.sentiment.learned.model import CLASSES, HeadlineModel
from mlstrat.sentiment.learned.modelfile import load
from mlstrat.sentiment.scorers import says_something

SHIPPED = Path(__file__).parent.parent / "models" / "headlines.model"


class LearnedScorer:
    """Polarity and confidence from the probabilities of three classes.

    Polarity is ``P(positive) - P(negative)``. Confidence is the greater of the two: how probable the side is
    to which the text leans, so that a text which is surely neutral has little of it and moves no average.
    Both are 0 for a text without a letter or digit.

    Parameters
    ----------
    model : HeadlineModel, optional
        The shipped one by default.
    even : bool
        Take the three classes as equally frequent beforehand: better on feeds that are unlike the training
        set, where fewer headlines are neutral.

    Raises
    ------
    ModelError
        The shipped file cannot be read.
    """

    def __init__(self, model: HeadlineModel | None = None, *, even: bool = False) -> None:
        self._model, self._even = model or shipped(), even

    def score(self, texts: Sequence[str]) -> tuple[FloatArray, FloatArray]:
        """Return the polarity in [-1, 1] and the confidence in [0, 1] of each text."""
        polarity, confidence, _ = self.classify(texts)
        return polarity, confidence

    def classify(self, texts: Sequence[str]) -> tuple[FloatArray, FloatArray, tuple[str, ...]]:
        """Return polarity, confidence and the likeliest class of each text; neutral if nothing is said."""
        found = self._model.probabilities(texts, even=self._even)
        found[[not says_something(text) for text in texts]] = (0.0, 1.0, 0.0)
        negative, _, positive = found.T
        names = tuple(CLASSES[which] for which in np.argmax(found, axis=1))
        return positive - negative, np.maximum(positive, negative), names


@cache
def shipped() -> HeadlineModel:
    """Return the model that this package carries."""
    return load(SHIPPED)
