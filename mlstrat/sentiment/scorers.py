"""Scorers: texts -> polarity and confidence. They read nothing but the text and never touch the network."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.errors import ConfigError, MissingExtraError
from mlstrat.sentiment.lexicon import NEUTRAL, PHRASES, WORDS

# VADER is quadratic in the number of emoji; no headline is longer than this.
MAX_CHARACTERS = 1_000


class Scorer(Protocol):
    """Anything that reads the mood of texts."""

    def score(self, texts: Sequence[str]) -> tuple[FloatArray, FloatArray]:
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


class VaderScorer:
    """NLTK's VADER with the lexicon of `vaderSentiment`, under our finance and crypto vocabulary.

    Polarity is VADER's compound score of the first 1,000 characters, rounded by VADER to 4 decimals.
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
        self._analyser = _plain_analyser()
        for word in NEUTRAL:
            self._analyser.lexicon.pop(word, None)
        self._analyser.lexicon |= {**WORDS, **{_joined(phrase): PHRASES[phrase] for phrase in PHRASES}}
        self._phrases = _phrase_pattern(PHRASES)

    def score(self, texts: Sequence[str]) -> tuple[FloatArray, FloatArray]:
        """Return the polarity in [-1, 1] and the confidence in [0, 1] of each text; see `Scorer.score`."""
        scored = np.array([self._one(text) for text in texts], np.float64).reshape(-1, 2)
        return scored[:, 0].copy(), scored[:, 1].copy()

    def _one(self, text: str) -> tuple[float, float]:
        clipped = self._phrases.sub(lambda match: _joined(match[0]), text[:MAX_CHARACTERS])
        marks = self._analyser.polarity_scores(clipped)
        return marks["compound"], math.sqrt(abs(marks["compound"]) * (1.0 - marks["neu"]))


def scorer(name: str) -> Scorer:
    """Return the scorer of that name.

    Raises
    ------
    ConfigError
        There is no scorer of that name.
    MissingExtraError
        A package that the scorer needs is not installed.
    """
    if name not in _SCORERS:
        raise ConfigError(f"sentiment.scorer is {name!r}; give one of {', '.join(sorted(_SCORERS))}.")
    return _SCORERS[name]()


_SCORERS: Mapping[str, Callable[[], Scorer]] = {"vader": VaderScorer}


def _plain_analyser() -> Any:
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


def _phrase_pattern(phrases: Mapping[str, float]) -> re.Pattern[str]:
    longest_first = sorted(phrases, key=lambda phrase: (-len(phrase), phrase))
    bodies = (r"[\s-]+".join(map(re.escape, phrase.split())) for phrase in longest_first)
    return re.compile(rf"(?<!\w)(?:{'|'.join(bodies)})(?!\w)", re.IGNORECASE)


def _joined(phrase: str) -> str:
    """Return a phrase as the one word under which the lexicon knows it; capitals stay."""
    return re.sub(r"[\s-]+", "", phrase)
