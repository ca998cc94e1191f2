"""Texts of a feed that nobody has labelled, and what the rules of `vader` teach about them.

A labelled set may know nothing of a feed: to it, partnerships and listings are neutral. So a gate tells which
texts look like the feed rather than like the labelled ones, and for those the lexicon is weighed anew,
until the classes are those that `vader` gives. Other texts keep their logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.sentiment.learned.kernels import DENSE
from mlstrat.sentiment.learned.model import CLASSES, Feed, HeadlineModel, softmax
from mlstrat.sentiment.learned.text import line_of

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# Chosen on the training part of the shipped model's set: what costs the labelled texts least in its folds,
# among the gates by which nine in ten unseen titles of a feed get the class that `vader` gives.
GATE_PENALTY = 10.0
GATE_STEEPNESS = 4.0
GATE_BIAS = -1.0
RIDGE = 1.0


def verdicts(texts: Sequence[str]) -> IntArray:
    """Return the class, 0 to 2, that the scorer `vader` gives to each text.

    Raises
    ------
    MissingExtraError
        nltk or vaderSentiment is not installed.
    """
    from mlstrat.sentiment.scorers import VaderScorer, labels

    names = labels(VaderScorer().score(texts)[0])
    return np.array([CLASSES.index(name) for name in names], np.int64)


def with_feed(
    model: HeadlineModel, labelled: Sequence[str], feed: Sequence[str], given: IntArray
) -> HeadlineModel:
    """Return the model with a gate and a correction for texts that look like a feed.

    Parameters
    ----------
    model : HeadlineModel
        Without a feed.
    labelled : sequence of str
        Lines (`text.line_of`) that it was fitted to.
    feed : sequence of str
        Texts of the feed.
    given : (n_feed,) int64
        The class of each of these, from 0 to 2.
    """
    known = model.vocabulary
    counted = len(known.words) + len(known.characters)
    lines = [line_of(text) for text in feed]
    matrix = known.matrix(lines)
    gate, bias = _gate(known.matrix(labelled)[:, :counted], matrix[:, :counted])
    share = 1.0 / (1.0 + np.exp(-(matrix[:, :counted] @ gate + bias)))
    lexicon = matrix[:, counted:].toarray()
    shift = _correction(model.logits(lines, model.vectors(feed)), share, lexicon, given)
    return replace(model, feed=Feed(gate.astype(np.float32).astype(np.float64), bias, shift[:-1], shift[-1]))


def _gate(labelled: csr_matrix, feed: csr_matrix) -> tuple[FloatArray, float]:
    from scipy.sparse import vstack
    from sklearn.linear_model import LogisticRegression

    rows = vstack([labelled, feed], format="csr")
    inside = np.arange(rows.shape[0]) >= rows.shape[0] - feed.shape[0]
    found = LogisticRegression(C=GATE_PENALTY, max_iter=1_000, tol=1e-5).fit(rows, inside)
    return GATE_STEEPNESS * found.coef_[0], GATE_STEEPNESS * float(found.intercept_[0] + GATE_BIAS)


def _correction(logits: FloatArray, share: FloatArray, lexicon: FloatArray, given: IntArray) -> FloatArray:
    """Return what each column of the lexicon adds to the logits, and as last row what every text gets."""
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    columns = share[:, None] * np.column_stack([lexicon, np.ones(len(lexicon))])
    truth = np.eye(len(CLASSES))[given]

    def loss(flat: FloatArray) -> tuple[float, FloatArray]:
        shift = flat.reshape(DENSE + 1, len(CLASSES))
        found = softmax(logits + columns @ shift)
        own = np.log(np.maximum((found * truth).sum(axis=1), 1e-15))
        slope = columns.T @ (found - truth) + RIDGE * shift
        return float(0.5 * RIDGE * (flat**2).sum() - own.sum()), slope.ravel()

    start = np.zeros((DENSE + 1) * len(CLASSES))
    with threadpool_limits(1):  # the same bits on any machine of one kind
        found: FloatArray = minimize(loss, start, jac=True, method="L-BFGS-B").x
    return found.reshape(DENSE + 1, len(CLASSES))
