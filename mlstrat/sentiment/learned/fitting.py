"""Fitting the learned scorer: cross-validated logits, factors for them, then a fit to everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.errors import DataError, MissingExtraError
from mlstrat.sentiment.learned.feed import verdicts, with_feed
from mlstrat.sentiment.learned.linear import Linear, Penalties, added, factors_of, fitted, log_loss
from mlstrat.sentiment.learned.model import CLASSES, HeadlineModel, softmax
from mlstrat.sentiment.learned.text import line_of
from mlstrat.sentiment.learned.vocabulary import Vocabulary, lexicon_entries, vocabulary_of
from mlstrat.sentiment.lexicon import NEUTRAL, PHRASES, WORDS

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

FOLDS = 5
LEAST = 10  # labelled texts of each class, so that each fold has some
# Chosen on the training part of the shipped model's set: three random folds and six left-out topics.
SCALE, UNKNOWN = 1.0, 1.0
# Those that are most often right in the folds are taken: small sets want more ridge.
PENALTIES = (Penalties(0.5, 0.05), Penalties(1.0, 0.1), Penalties(2.0, 0.3))
# Share of the training set's class frequencies, as a power, that is taken back: best mean macro-F1 there.
EVENING = 0.5
# Of the centred embeddings, beside rows of length one of words and of characters.
EMBEDDING_SCALE = 1.5


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


@dataclass(frozen=True, eq=False)
class _Labelled:
    """Lines with their embeddings, if any are read, and their labels."""

    lines: tuple[str, ...]
    vectors: FloatArray | None
    labels: IntArray

    def part(self, rows: IntArray) -> _Labelled:
        vectors = None if self.vectors is None else self.vectors[rows]
        return _Labelled(tuple(self.lines[row] for row in rows), vectors, self.labels[rows])


@dataclass(frozen=True, eq=False)
class _Design:
    """Makes rows of lines: the vocabulary's columns, then the centred embeddings."""

    vocabulary: Vocabulary
    centre: FloatArray | None

    def matrix(self, part: _Labelled) -> csr_matrix:
        from scipy.sparse import csr_matrix, hstack

        counted = self.vocabulary.matrix(part.lines)
        if self.centre is None or part.vectors is None:
            return counted
        return hstack([counted, csr_matrix(EMBEDDING_SCALE * (part.vectors - self.centre))], format="csr")


@dataclass(frozen=True, eq=False)
class _Fit:
    """Both linear parts of a fit, with what they were fitted to."""

    design: _Design
    seen: _Labelled
    parts: tuple[Linear, Linear]


@dataclass(frozen=True, eq=False)
class _Unlabelled:
    """Texts of a feed and the class that `vader` gives to each."""

    texts: tuple[str, ...]
    given: IntArray


def scores_of(labels: IntArray, probabilities: FloatArray) -> Scores:
    """Return the scores of probabilities (n, 3) against labels (n,) from 0 to 2."""
    said = probabilities.argmax(axis=1)
    table = np.zeros((len(CLASSES), len(CLASSES)), np.int64)
    np.add.at(table, (labels, said), 1)
    right = np.diag(table)
    f1 = 2 * right / np.maximum(table.sum(0) + table.sum(1), 1)
    rows = tuple(tuple(int(count) for count in row) for row in table)
    return Scores(float(right.sum() / len(labels)), float(f1.mean()), log_loss(probabilities, labels), rows)


def fit(
    texts: Sequence[str],
    labels: IntArray,
    *,
    seed: int = 7,
    lexicon: Mapping[str, tuple[float, int]] | None = None,
    about: str = "",
    embeddings: bool = False,
    feed: Sequence[str] = (),
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
    embeddings : bool
        Read sentence embeddings too: better on small sets, and a hundred times slower.
    feed : sequence of str
        Headlines without labels of a feed that the model shall read and that is unlike the labelled texts;
        the verdicts of `vader` stand in for labels.

    Returns
    -------
    HeadlineModel, Scores
        Fitted to all texts; the scores are of five folds, each predicted by a fit to the other four.

    Raises
    ------
    DataError
        A class has fewer than ten texts.
    MissingExtraError
        VADER's lexicon is not installed, or with `embeddings` a package of the extra `transformers`.
    """
    counts = np.bincount(labels, minlength=len(CLASSES))
    if counts.min() < LEAST:
        raise DataError(
            f"only {counts.min()} texts are {CLASSES[int(counts.argmin())]}: label at least {LEAST} of each "
            "class."
        )
    entries = default_lexicon() if lexicon is None else lexicon
    known = _Labelled(tuple(map(line_of, texts)), _vectors(texts) if embeddings else None, labels)
    unlabelled = _Unlabelled(tuple(feed), verdicts(feed)) if feed else None
    folds = _folds(labels, seed)
    priors = np.log(counts / counts.sum())
    fits, held_out = _held_out(known, folds, entries)
    penalties, factors = _chosen(held_out, labels, priors)
    found = np.empty((len(labels), len(CLASSES)))
    for (_, unseen), fit_of in zip(folds, fits, strict=True):
        model = _model(fit_of[penalties], factors, priors, unlabelled)
        part = known.part(unseen)
        found[unseen] = softmax(model.logits(part.lines, part.vectors))
    scores = scores_of(labels, found)
    whole = _fits(known, entries, (penalties,))[penalties]
    model = _model(whole, factors, priors, unlabelled)
    model.card.update(_card(counts, scores, seed, penalties, factors, about, len(feed)))
    return model, scores


def default_lexicon() -> dict[str, tuple[float, int]]:
    """Return our lexicon over VADER's as entries of a vocabulary."""
    ours = {**WORDS, **PHRASES}
    general = {word: value for word, value in _vader().items() if word not in NEUTRAL}
    return lexicon_entries(ours, general)


def _vectors(texts: Sequence[str]) -> FloatArray:
    from mlstrat.sentiment.learned.encoder import encoder

    return encoder().embeddings(texts)


def _folds(labels: IntArray, seed: int) -> list[tuple[IntArray, IntArray]]:
    from sklearn.model_selection import StratifiedKFold

    return list(StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(labels, labels))


def _held_out(
    known: _Labelled, folds: Sequence[tuple[IntArray, IntArray]], lexicon: Mapping[str, tuple[float, int]]
) -> tuple[list[dict[Penalties, _Fit]], dict[Penalties, tuple[FloatArray, FloatArray]]]:
    """Return the fits to all but one fold, and the logits of each text by the fits that did not see it."""
    shape = len(known.lines), len(CLASSES)
    found = {penalties: (np.empty(shape), np.empty(shape)) for penalties in PENALTIES}
    fits = []
    for seen, unseen in folds:
        fits.append(_fits(known.part(seen), lexicon, PENALTIES))
        rows = fits[-1][PENALTIES[0]].design.matrix(known.part(unseen))
        for penalties, logits in found.items():
            for part, one in zip(fits[-1][penalties].parts, logits, strict=True):
                one[unseen] = part.logits(rows)
    return fits, found


def _chosen(
    held_out: Mapping[Penalties, tuple[FloatArray, FloatArray]], labels: IntArray, priors: FloatArray
) -> tuple[Penalties, tuple[float, ...]]:
    """Return the penalties and factors, of both parts or of the second alone, that are most often right."""
    tried = []
    for penalties, parts in held_out.items():
        tried += [(penalties, factors_of(parts, labels)), (penalties, (0.0, *factors_of(parts[1:], labels)))]

    def right(one: tuple[Penalties, tuple[float, ...]]) -> float:
        logits = added(held_out[one[0]], one[1]) - EVENING * priors
        scores = scores_of(labels, softmax(logits))
        return scores.accuracy + scores.macro_f1

    return max(tried, key=right)


def _fits(
    seen: _Labelled, lexicon: Mapping[str, tuple[float, int]], tried: Sequence[Penalties]
) -> dict[Penalties, _Fit]:
    vocabulary = vocabulary_of(seen.lines, lexicon, scale=SCALE, unknown=UNKNOWN)
    design = _Design(vocabulary, None if seen.vectors is None else seen.vectors.mean(axis=0))
    matrix = design.matrix(seen)
    counted = len(vocabulary.words) + len(vocabulary.characters)
    return {one: _Fit(design, seen, fitted(matrix, seen.labels, counted, one)) for one in tried}


def _model(
    fit_of: _Fit, factors: Sequence[float], priors: FloatArray, feed: _Unlabelled | None
) -> HeadlineModel:
    design, parts = fit_of.design, fit_of.parts
    weights = added([part.weights for part in parts], factors)
    intercept = added([part.intercept for part in parts], factors) - EVENING * priors
    if design.centre is not None:
        tail = weights[design.vocabulary.columns :]
        tail *= EMBEDDING_SCALE
        intercept -= design.centre @ tail
    stored = weights.astype(np.float32).astype(np.float64)
    model = HeadlineModel(
        design.vocabulary,
        stored,
        intercept,
        -(1.0 - EVENING) * priors,
        embedded=design.centre is not None,
    )
    return model if feed is None else with_feed(model, fit_of.seen.lines, feed.texts, feed.given)


def _vader() -> dict[str, float]:
    spec = find_spec("vaderSentiment")
    if spec is None or spec.origin is None:
        raise MissingExtraError("sentiment", "vaderSentiment", "Fitting the learned scorer")
    rows = (Path(spec.origin).parent / "vader_lexicon.txt").read_text(encoding="utf-8").splitlines()
    cells = (row.split("\t") for row in rows)
    return {cell[0]: float(cell[1]) for cell in cells if len(cell) > 1}


def _card(
    counts: IntArray,
    found: Scores,
    seed: int,
    penalties: Penalties,
    factors: Sequence[float],
    about: str,
    unlabelled: int,
) -> dict[str, Any]:
    return {
        "about": about,
        "texts": {name: int(count) for name, count in zip(CLASSES, counts, strict=True)},
        "unlabelled": unlabelled,
        "cross_validated": {
            "folds": FOLDS,
            "seed": seed,
            "accuracy": round(found.accuracy, 4),
            "macro_f1": round(found.macro_f1, 4),
            "log_loss": round(found.log_loss, 4),
            "confusion": [list(row) for row in found.confusion],
        },
        "settings": {
            "scale": SCALE,
            "unknown": UNKNOWN,
            "evening": EVENING,
            "logistic": penalties.logistic,
            "margin": penalties.margin,
            "factors": list(factors),
        },
    }
