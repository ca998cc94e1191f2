"""The fitted model: what it knows, what each of it weighs, and the probabilities of the three classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.sentiment.learned.text import line_of
from mlstrat.sentiment.learned.vocabulary import Vocabulary

CLASSES = ("negative", "neutral", "positive")
# Texts whose numbers are held at a time: about 15 MB.
CHUNK = 4_096


@dataclass(frozen=True, eq=False)
class HeadlineModel:
    """Multinomial logistic regression on what a vocabulary counts.

    Parameters
    ----------
    vocabulary : Vocabulary
        What makes numbers of a text.
    weights : (columns, 3) float64
        Logits a unit of each column, for negative, neutral and positive.
    intercept : (3,) float64
        Logits of a text that holds nothing known.
    even : (3,) float64
        Added to the logits, it makes the three classes equally frequent beforehand.
    card : dict
        Where it comes from and what it reaches; JSON.
    """

    vocabulary: Vocabulary
    weights: FloatArray
    intercept: FloatArray
    even: FloatArray
    card: dict[str, Any] = field(default_factory=dict)

    def probabilities(self, texts: Sequence[str], *, even: bool = False) -> FloatArray:
        """Return the probability of each class (n_texts, 3); that of a text does not depend on the others.

        Parameters
        ----------
        texts : sequence of str
            Headlines; the first 1,000 characters of each are read.
        even : bool
            Take the classes as equally frequent beforehand, not as in the training set.
        """
        parts = [self._chunk(texts[start : start + CHUNK], even) for start in range(0, len(texts), CHUNK)]
        return np.concatenate(parts) if parts else np.empty((0, len(CLASSES)))

    def _chunk(self, texts: Sequence[str], even: bool) -> FloatArray:
        logits = self.vocabulary.logits([line_of(text) for text in texts], self.weights) + self.intercept
        return softmax(logits + self.even if even else logits)


def softmax(logits: FloatArray) -> FloatArray:
    """Return exp(logits) divided by its sum over the last axis."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))
