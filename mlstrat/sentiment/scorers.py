"""Scorers: texts -> polarity and confidence. They read nothing but the text and never touch the network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.errors import MissingExtraError
from mlstrat.sentiment.lexicon import EVERYDAY_WEIGHT, NEGATIONS, NEUTRAL, PHRASES, SILENT, WORDS
from mlstrat.sentiment.numbers import FIGURES
from mlstrat.sentiment.reading import EMOJI, Phrases, cleaned, joined
from mlstrat.sentiment.rules import rules_of

# No headline is longer than this.
MAX_CHARACTERS = 1_000
# Polarities from which a text has a class of its own: chosen for the best mean of accuracy and macro-F1 on
# the training parts of two sets of labelled headlines, and rounded.
NEGATIVE_TO, POSITIVE_FROM = -0.25, 0.25

Scored = tuple[FloatArray, FloatArray]
Classified = tuple[FloatArray, FloatArray, tuple[str, ...]]


class Scorer(Protocol):
    """Anything that reads the mood of texts."""

    def score(self, texts: Sequence[str]) -> Scored:
        """Return the polarity and the confidence of each text.

        Parameters
        ----------
        texts : sequence of str
            Headlines, in any order; each is scored on its own.

        Returns
        -------
        polarity : (n_texts,) float64
            In [-1, 1]; 0 where the text is empty or says nothing. Never NaN.
        confidence : (n_texts,) float64
            In [0, 1]; 0 where the text is empty or says nothing. Never NaN.
        """
        ...


class Classifier(Scorer, Protocol):
    """A scorer that also names the class of each text; all of mlstrat's own do."""

    def classify(self, texts: Sequence[str]) -> Classified:
        """Return polarity and confidence as `score` does, and "negative", "neutral" or "positive"."""
        ...


class VaderScorer:
    """VADER's rules on the lexicon of `vaderSentiment`, under our finance and crypto vocabulary.

    The first 1,000 characters are cleaned of addresses and tickers, their figures are compared, and phrases
    and figures become single words; then VADER's rules read them, with negations of ours ("avoids", "fails
    to", "no longer"). Polarity is the compound score, rounded to 4 decimals as by VADER. Words that only
    VADER knows weigh `EVERYDAY_WEIGHT` of what they do there.
    Confidence is ``sqrt(|compound| * (1 - neutral))``: the geometric mean of how strong the verdict is and of
    how much of the text, by VADER's own weights, speaks to it. It ranks, and is not a probability.

    Raises
    ------
    MissingExtraError
        nltk or vaderSentiment is not installed.

    References
    ----------
    Hutto and Gilbert (2014), VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media
    Text, ICWSM-14.
    """

    def __init__(self) -> None:
        analyser = plain_analyser()
        analyser.lexicon = vocabulary(analyser.lexicon)
        self._rules = rules_of(analyser, negations=NEGATIONS)
        self._phrases = Phrases((*PHRASES, *SILENT))

    def score(self, texts: Sequence[str]) -> Scored:
        """Return the polarity in [-1, 1] and the confidence in [0, 1] of each text; see `Scorer.score`."""
        scored = np.array([self._one(text) for text in texts], np.float64).reshape(-1, 2)
        return scored[:, 0].copy(), scored[:, 1].copy()

    def classify(self, texts: Sequence[str]) -> Classified:
        """Return polarity, confidence and the class of each text; see `labels` for the thresholds."""
        polarity, confidence = self.score(texts)
        return polarity, confidence, labels(polarity)

    def _one(self, text: str) -> tuple[float, float]:
        compound, neutral = self._rules.scores(self._phrases.join(cleaned(text[:MAX_CHARACTERS])))
        return compound, math.sqrt(abs(compound) * (1.0 - neutral))


def vocabulary(everyday: Mapping[str, float]) -> dict[str, float]:
    """Return the valence of every word that `VaderScorer` knows, from VADER's own lexicon and ours."""
    known = {word: EVERYDAY_WEIGHT * valence for word, valence in everyday.items() if word not in NEUTRAL}
    for turning in NEGATIONS:  # a word of the lexicon turns nothing
        known.pop(turning, None)
    return {**known, **WORDS, **FIGURES, **EMOJI, **{joined(said): v for said, v in PHRASES.items()}}


def labels(
    polarity: FloatArray, *, negative_to: float = NEGATIVE_TO, positive_from: float = POSITIVE_FROM
) -> tuple[str, ...]:
    """Return "negative", "neutral" or "positive" for each polarity.

    Parameters
    ----------
    polarity : (n,) float64
        In [-1, 1], as from `Scorer.score`.
    negative_to, positive_from : float
        The highest polarity of a negative text and the lowest of a positive one; the defaults are those of
        `VaderScorer`.
    """
    low, high = polarity <= negative_to, polarity >= positive_from
    return tuple(np.where(low, "negative", np.where(high, "positive", "neutral")).tolist())


def says_something(text: str) -> bool:
    """Tell whether there is a letter or a digit among the characters that are read."""
    return any(map(str.isalnum, text[:MAX_CHARACTERS]))


def plain_analyser() -> Any:
    """Load NLTK's analyser with the lexicon file that `vaderSentiment` carries: nothing is downloaded."""
    lexicon = find_spec("vaderSentiment")
    if lexicon is None or lexicon.origin is None:
        raise MissingExtraError("sentiment", "vaderSentiment", "The vader scorer")
    try:
        import nltk.data
        from nltk.sentiment.vader import SentimentIntensityAnalyzer
    except ImportError as error:
        raise MissingExtraError("sentiment", error.name or "nltk", "The vader scorer") from error
    folder = str(Path(lexicon.origin).parent)
    if folder not in nltk.data.path:
        # NLTK refuses absolute lexicon paths, so the folder has to be on its search path.
        nltk.data.path.insert(0, folder)
    return SentimentIntensityAnalyzer(lexicon_file="vader_lexicon.txt")
