"""The headlines of a store with their scores: those that it keeps, the others made anew."""

from __future__ import annotations

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.sentiment.choice import ScorerChoice, scorer
from mlstrat.sentiment.headlines import Headlines
from mlstrat.sentiment.store.database import SentimentStore
from mlstrat.sentiment.store.moments import EARLIEST
from mlstrat.sentiment.store.versions import version_of


def newest_seen(source: str) -> np.datetime64:
    """Return up to when a store has seen texts; for one that holds none, a moment before all that it can."""
    with SentimentStore(source, create=False) as store:
        newest = store.newest_seen()
    return np.datetime64(EARLIEST.replace(tzinfo=None), "ns") if newest is None else newest


def read_store(
    source: str, symbol: str, choice: ScorerChoice, seen_until: np.datetime64 | None = None
) -> tuple[Headlines, FloatArray, FloatArray]:
    """Return what a store has of a symbol for a back-test; the store is not written to.

    Parameters
    ----------
    source : str
        Address of the store, which must be there.
    symbol : str
        Chooses the headlines that count.
    choice : ScorerChoice
        Who scores what this very version has not scored before.
    seen_until : datetime64, optional
        Only what had been seen by then, so that a run reads again what it read before; default: all.

    Returns
    -------
    headlines : Headlines
        In the wording seen first: a later edit would tell of the future.
    polarity, confidence : (n_headlines,) float64
        As from `Scorer.score`.
    """
    with SentimentStore(source, create=False) as store:
        headlines = store.headlines(symbol, as_of=seen_until, first_wording=True)
        polarity, confidence = store.scores(headlines.texts, version_of(choice))
    missing = np.flatnonzero(np.isnan(polarity))
    if len(missing):
        found = scorer(choice).score([headlines.texts[row] for row in missing])
        polarity[missing], confidence[missing] = found
    return headlines, polarity, confidence
