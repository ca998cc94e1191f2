"""How much each label counts: neighbours share bars, and old ones may count less."""

from __future__ import annotations

import numpy as np

from mlstrat.arrays import FloatArray, IntArray, TimeArray


def uniqueness(rows: IntArray, span: int) -> FloatArray:
    """Return each label's average uniqueness among these labels.

    A label of row t is made of bars t + 1 to t + span. On each of them it shares with the other labels made
    of that bar; its uniqueness is the mean over its bars of one over how many share.

    Parameters
    ----------
    rows : (n_rows,) int64
        Ascending.
    span : int
        Bars of a label.

    Returns
    -------
    (n_rows,) float64
        In (0, 1]; 1 / span in the middle of consecutive rows.

    References
    ----------
    Lopez de Prado, Advances in Financial Machine Learning, 2018, sections 4.3 and 4.4.
    """
    begin = rows - rows[0] + 1
    shared = np.zeros(int(begin[-1]) + span + 1)
    np.add.at(shared, begin, 1.0)
    np.add.at(shared, begin + span, -1.0)
    sharing = np.cumsum(shared)
    share = np.divide(1.0, sharing, out=np.zeros_like(sharing), where=sharing > 0)
    total = np.concatenate([[0.0], np.cumsum(share)])
    return np.asarray((total[begin + span] - total[begin]) / span)


def decay(close_time: TimeArray, half_life_days: float) -> FloatArray:
    """Return weights that halve with every `half_life_days` before the last moment; 1 each where it is 0."""
    if half_life_days == 0:
        return np.ones(len(close_time))
    age = (close_time[-1] - close_time) / np.timedelta64(86_400, "s")
    return np.asarray(0.5 ** (age / half_life_days))


def label_weights(rows: IntArray, span: int, close_time: TimeArray, half_life_days: float) -> FloatArray:
    """Return the product of both, 1 on average.

    Parameters
    ----------
    rows : (n_rows,) int64
        Bars whose labels are learnt, ascending.
    span : int
        Bars of a label.
    close_time : (n_bars,) datetime64[ns]
        Of all bars.
    half_life_days : float
        For `decay`; 0 = no decay.
    """
    weight = uniqueness(rows, span) * decay(close_time[rows], half_life_days)
    return np.asarray(weight / weight.mean())
