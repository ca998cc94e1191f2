"""The fitted model: what it knows, what each of it weighs, and the probabilities of the three classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.sentiment.learned.kernels import DENSE
from mlstrat.sentiment.learned.text import line_of
from mlstrat.sentiment.learned.vocabulary import Vocabulary

CLASSES = ("negative", "neutral", "positive")
# Texts whose numbers are held at a time: about 15 MB.
CHUNK = 4_096


@dataclass(frozen=True, eq=False)
class Feed:
    """A gate that tells a feed's texts from the labelled ones, and what it adds to the logits of the former.

    Parameters
    ----------
    gate : (n_strings,) float64
        Logits a unit of each word and character run that the text is of the feed.
    bias : float
        Logit of a text that holds nothing known.
    shift : (14, 3) float64
        Added to the logits of a text of the feed, a unit of each column of the lexicon.
    constant : (3,) float64
        Added to the logits of every text of the feed.
    """

    gate: FloatArray
    bias: float
    shift: FloatArray
    constant: FloatArray


@dataclass(frozen=True, eq=False)
class HeadlineModel:
    """A linear model of three classes on what a vocabulary counts.

    Parameters
    ----------
    vocabulary : Vocabulary
        What makes numbers of a text.
    weights : (columns, 3) float64
        Logits a unit of each column, for negative, neutral and positive: of the vocabulary's columns, then,
        where the model is `embedded`, of those of the embedding.
    intercept : (3,) float64
        Logits of a text that holds nothing known.
    even : (3,) float64
        Added to the logits, it makes the three classes equally frequent beforehand.
    card : dict
        Where it comes from and what it reaches; JSON.
    feed : Feed, optional
        What was learned of a feed without labels.
    embedded : bool
        Sentence embeddings are read too; they need the extra `transformers`.
    """

    vocabulary: Vocabulary
    weights: FloatArray
    intercept: FloatArray
    even: FloatArray
    card: dict[str, Any] = field(default_factory=dict)
    feed: Feed | None = None
    embedded: bool = False

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

    def vectors(self, texts: Sequence[str]) -> FloatArray | None:
        """Return the embeddings of texts (n_texts, 384), or None where the model reads none.

        Raises
        ------
        MissingExtraError
            The model reads embeddings, and a package of the extra `transformers` is not installed.
        """
        if not self.embedded:
            return None
        from mlstrat.sentiment.learned.encoder import encoder

        return encoder().embeddings(texts)

    def logits(self, lines: Sequence[str], vectors: FloatArray | None, *, even: bool = False) -> FloatArray:
        """Return the logits (n, 3) of lines with their embeddings, as `vectors` returns them."""
        classes = len(CLASSES)
        found = self.vocabulary.logits(lines, self._columns)
        logits = found[:, :classes] + self.intercept
        if vectors is not None:
            # One text at a time: a product of matrices sums in an order that depends on their shape.
            logits += np.reshape([vector @ self._tail for vector in vectors], (-1, classes))
        kept = np.ones(len(lines))
        if self.feed is not None:
            kept = 1.0 / (1.0 + np.exp(found[:, classes] + self.feed.bias))
            logits += (1.0 - kept)[:, None] * (found[:, classes + 1 :] + self.feed.constant)
        return logits + kept[:, None] * self.even if even else logits

    @cached_property
    def _columns(self) -> FloatArray:
        """Weights of the vocabulary's columns: of the classes, the feed's gate and the feed's shift."""
        own = self.weights[: self.vocabulary.columns]
        if self.feed is None:
            return own
        more = np.zeros((len(own), 1 + len(CLASSES)))
        more[:-DENSE, 0], more[-DENSE:, 1:] = self.feed.gate, self.feed.shift
        return np.concatenate([own, more], axis=1)

    @cached_property
    def _tail(self) -> FloatArray:
        return np.ascontiguousarray(self.weights[self.vocabulary.columns :])

    def _chunk(self, texts: Sequence[str], even: bool) -> FloatArray:
        return softmax(self.logits([line_of(text) for text in texts], self.vectors(texts), even=even))


def softmax(logits: FloatArray) -> FloatArray:
    """Return exp(logits) divided by its sum over the last axis."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))
