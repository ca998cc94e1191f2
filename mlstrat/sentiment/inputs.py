"""What a model sees of sentiment: three columns, each a function of the mood of that very bar."""

from __future__ import annotations

import numpy as np

from mlstrat.arrays import FloatArray


def mood_columns(score: FloatArray, confidence: FloatArray) -> FloatArray:
    """Return the columns `MOOD_FEATURES` of some bars.

    Parameters
    ----------
    score, confidence : (n_bars,) float64
        Of a `SentimentSeries`: in [-1, 1] and in [0, 1], both 0 where nothing is known.

    Returns
    -------
    (n_bars, 3) float64
        Score, confidence, and their product, the lean. Row t depends on the mood of bar t alone, so that
        nothing is carried from bar to bar. Never NaN; 0, 0, 0 where nothing is known.
    """
    return np.column_stack([score, confidence, score * confidence]).astype(np.float64, copy=False)
