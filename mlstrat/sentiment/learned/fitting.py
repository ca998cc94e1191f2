"""Fitting the learned scorer: cross-validated logits, one temperature for them, then a fit to everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.errors import DataError, MissingExtraError
from mlstrat.sentiment.learned.model import CLASSES, HeadlineModel, softmax
from mlstrat.sentiment.learned.text import line_of
from mlstrat.sentiment.learned.vocabulary import Vocabulary, lexicon_entries, vocabulary_of
from mlstrat.sentiment.lexicon import NEUTRAL, PHRASES, WORDS

FOLDS = 5
LEAST = 10  # labelled texts of each class, so that each fold has some
# Chosen on the training part of the shipped model's set: three random folds and six left-out topics.
SCALE, UNKNOWN = 1.0, 1.0
# The one with the least log loss in the folds is taken: small sets want more ridge.
INVERSE_RIDGES = (1.0, 4.0)
# Share of the training set's class frequencies, as a power, that is taken back: best mean macro-F1 there.
EVENING = 0.5


@dataclass(frozen=True)
class Scores:
    """How often a model was right.

    Parameters
    ----------
    accuracy, macro_f1, log_loss : float
        Log loss in nats.
    confusion : tuple of tuple of int
        Texts of each class (rows) by what was said of them (columns), in the order of `CLASSES`.
    """

    accuracy: float
    macro_f1: float
    log_loss: float
    confusion: tuple[tuple[int, ...], ...]


def scores_of(labels: IntArray, probabilities: FloatArray) -> Scores:
    """Return the scores of probabilities (n, 3) against labels (n,) from 0 to 2."""
    said = probabilities.argmax(axis=1)
    table = np.zeros((len(CLASSES), len(CLASSES)), np.int64)
    np.add.at(table, (labels, said), 1)
    right = np.diag(table)
    f1 = 2 * right / np.maximum(table.sum(0) + table.sum(1), 1)
    own = np.clip(probabilities[np.arange(len(labels)), labels], 1e-15, 1.0)
    rows = tuple(tuple(int(count) for count in row) for row in table)
    return Scores(float(right.sum() / len(labels)), float(f1.mean()), float(-np.log(own).mean()), rows)


def fit(
    texts: Sequence[str],
    labels: IntArray,
    *,
    seed: int = 7,
    lexicon: Mapping[str, tuple[float, int]] | None = None,
    about: str = "",
) -> tuple[HeadlineModel, Scores]:
    """Fit a model, and score it on texts that the fit did not see.

    Parameters
    ----------
    texts : sequence of str
        Labelled headlines.
    labels : (n,) int64
        0 negative, 1 neutral, 2 positive.
    seed : int
        Of the folds.
    lexicon : mapping, optional
        Entries as `lexicon_entries` returns them; by default ours over VADER's.
    about : str
        Where the texts come from and under which licence, for the card.

    Returns
    -------
    HeadlineModel, Scores
        Fitted to all texts; the scores are of five folds, each predicted by a fit to the other four.

    Raises
    ------
    DataError
        A class has fewer than ten texts.
    MissingExtraError
        VADER's lexicon is not installed.
    """
    from sklearn.model_selection import StratifiedKFold

    counts = np.bincount(labels, minlength=len(CLASSES))
    if counts.min() < LEAST:
        raise DataError(
            f"only {counts.min()} texts are {CLASSES[int(counts.argmin())]}: label at least {LEAST} of each "
            "class."
        )
    entries = default_lexicon() if lexicon is None else lexicon
    lines = [line_of(text) for text in texts]
    folds = list(StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(lines, labels))
    tried = {ridge: _held_out(lines, labels, folds, entries, ridge) for ridge in INVERSE_RIDGES}
    factors = {ridge: _sharpness(logits, labels) for ridge, logits in tried.items()}
    losses = {
        ridge: scores_of(labels, softmax(factors[ridge] * logits)).log_loss for ridge, logits in tried.items()
    }
    ridge = min(losses, key=lambda one: losses[one])
    held_out, sharpness = tried[ridge], factors[ridge]
    evening = -EVENING * np.log(counts / counts.sum())
    found = scores_of(labels, softmax(sharpness * held_out + evening))
    vocabulary, weights, intercept = _fitted(lines, labels, entries, ridge)
    card = _card(counts, found, seed, {"inverse_ridge": ridge, "sharpness": sharpness}, about)
    stored = (sharpness * weights).astype(np.float32).astype(np.float64)
    even = -(1.0 - EVENING) * np.log(counts / counts.sum())
    return HeadlineModel(vocabulary, stored, sharpness * intercept + evening, even, card), found


def default_lexicon() -> dict[str, tuple[float, int]]:
    """Return our lexicon over VADER's as entries of a vocabulary."""
    ours = {**WORDS, **PHRASES}
    general = {word: value for word, value in _vader().items() if word not in NEUTRAL}
    return lexicon_entries(ours, general)


def _held_out(
    lines: Sequence[str],
    labels: IntArray,
    folds: Sequence[tuple[IntArray, IntArray]],
    lexicon: Mapping[str, tuple[float, int]],
    ridge: float,
) -> FloatArray:
    """Return the logits of each line (n, 3) by a fit to the folds that it is not in."""
    found = np.empty((len(lines), len(CLASSES)))
    for seen, unseen in folds:
        chosen = [lines[row] for row in seen]
        vocabulary, weights, intercept = _fitted(chosen, labels[seen], lexicon, ridge)
        found[unseen] = vocabulary.logits([lines[row] for row in unseen], weights) + intercept
    return found


def _fitted(
    lines: Sequence[str], labels: IntArray, lexicon: Mapping[str, tuple[float, int]], ridge: float
) -> tuple[Vocabulary, FloatArray, FloatArray]:
    from sklearn.linear_model import LogisticRegression

    vocabulary = vocabulary_of(lines, lexicon, scale=SCALE, unknown=UNKNOWN)
    fitted = LogisticRegression(C=ridge, max_iter=1_000, tol=1e-3)
    fitted.fit(vocabulary.matrix(lines), labels)
    return vocabulary, np.ascontiguousarray(fitted.coef_.T), fitted.intercept_


def _sharpness(logits: FloatArray, labels: IntArray) -> float:
    """Return the factor of the logits of least log loss, one over the temperature of Guo et al. (2017)."""
    from scipy.optimize import minimize_scalar

    def loss(factor: float) -> float:
        return scores_of(labels, softmax(factor * logits)).log_loss

    return float(minimize_scalar(loss, bounds=(0.1, 10.0), method="bounded").x)


def _vader() -> dict[str, float]:
    spec = find_spec("vaderSentiment")
    if spec is None or spec.origin is None:
        raise MissingExtraError("sentiment", "vaderSentiment", "Fitting the learned scorer")
    rows = (Path(spec.origin).parent / "vader_lexicon.txt").read_text(encoding="utf-8").splitlines()
    cells = (row.split("\t") for row in rows)
    return {cell[0]: float(cell[1]) for cell in cells if len(cell) > 1}


def _card(
    counts: IntArray, found: Scores, seed: int, chosen: Mapping[str, float], about: str
) -> dict[str, Any]:
    return {
        "about": about,
        "texts": {name: int(count) for name, count in zip(CLASSES, counts, strict=True)},
        "cross_validated": {
            "folds": FOLDS,
            "seed": seed,
            "accuracy": round(found.accuracy, 4),
            "macro_f1": round(found.macro_f1, 4),
            "log_loss": round(found.log_loss, 4),
            "confusion": [list(row) for row in found.confusion],
        },
        "settings": {"scale": SCALE, "unknown": UNKNOWN, "evening": EVENING, **chosen},
    }
