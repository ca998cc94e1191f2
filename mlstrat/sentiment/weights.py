"""What a headline weighs by itself, before its age counts: by its publisher, its reach and its novelty."""

from __future__ import annotations

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.config_sentiment import SentimentConfig
from mlstrat.sentiment.headlines import Headlines
from mlstrat.sentiment.novelty import novelty_of

# Half of the Fear & Greed index of alternative.me is bitcoin's volatility, volume and dominance: as news it
# would tell the models their own inputs, and be known on nearly every bar.
MADE_OF_PRICES = frozenset({"alternative.me"})


def weights_of(headlines: Headlines, cfg: SentimentConfig) -> FloatArray:
    """Return each headline's own weight.

    The product of ``source_weights[publisher]`` (for one that is not named 1, or 0 if it is in
    `MADE_OF_PRICES`), of
    ``1 + log10(1 + reach)`` if `reach` is set, and of its novelty if `novelty` is set (see
    `mlstrat.sentiment.novelty.novelty_of`; the window is that of the headlines). A headline's weight depends
    on itself and on headlines known before it.

    Parameters
    ----------
    headlines : Headlines
        n headlines.
    cfg : SentimentConfig
        Which of the three count.

    Returns
    -------
    (n,) float64
        0 or more; 1 for a new headline of unknown reach and of a publisher that is not named.

    Raises
    ------
    DataError
        `known_by` is "seen", and it is not known when a headline was first seen.
    """
    weight = np.array([_of(name, cfg) for name in headlines.source], np.float64)
    if cfg.reach:
        weight *= 1.0 + np.log10(1.0 + headlines.reach)
    if cfg.novelty:
        known_at = headlines.known_by(cfg.known_by).astype(np.int64)
        weight *= novelty_of(headlines.texts, known_at, cfg.window_hours)
    return weight


def _of(publisher: str, cfg: SentimentConfig) -> float:
    return cfg.source_weights.get(publisher, 0.0 if publisher in MADE_OF_PRICES else 1.0)


def unnamed(headlines: Headlines, cfg: SentimentConfig) -> tuple[str, ...]:
    """Return the publishers of `source_weights` of whom there is no headline."""
    return tuple(sorted(set(cfg.source_weights) - set(headlines.source)))
