"""What a window's calibration tail says: whether sentiment counts, and the odds of a long and a short."""

from __future__ import annotations

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray
from mlstrat.config import RunConfig
from mlstrat.labels import SIDES
from mlstrat.models.ensemble import PROB_UP
from mlstrat.models.stacking import Inner
from mlstrat.panel import Panel
from mlstrat.predictions import SentimentGate
from mlstrat.signals.blend import blend
from mlstrat.signals.gate import Side, gate_of
from mlstrat.signals.odds import Odds, Tail, fit_odds, logit_rate, overlap_of
from mlstrat.splits import Fold, purge


def gate_in(inner: Inner, panel: Panel, fold: Fold, config: RunConfig) -> SentimentGate:
    """Judge on a window's calibration tail whether sentiment counts in it (`mlstrat.signals.gate`).

    Parameters are those of `odds_in`.
    """
    known = panel.mood.known[inner.rows]
    if not config.signals.sentiment_gate:
        return SentimentGate(1.0, int(known.sum()))
    if config.signals.sentiment_weight == 0.0 or not known.any():
        return SentimentGate(0.0)
    alone, blended = (_scores(inner.block[:, PROB_UP], inner, panel, config, share) for share in (0.0, 1.0))
    sides = []
    for column, side in enumerate(SIDES):
        used, net, held = _ended(column, inner, panel, fold)
        tail = np.where(used, panel.outcomes.net[inner.rows, column], np.nan)
        sides.append(Side(side, alone, blended, tail, logit_rate(net), overlap_of(held)))
    return gate_of(sides, inner.half, known, sentiment_memory(panel, config))


def sentiment_memory(panel: Panel, config: RunConfig) -> float:
    """Return how many bars a headline can count for."""
    return config.sentiment.window_hours * 3_600.0 / panel.bars.timeframe.seconds


def odds_in(inner: Inner, panel: Panel, fold: Fold, config: RunConfig, share: float) -> tuple[Odds, Odds]:
    """Estimate the odds of a long and of a short.

    Parameters
    ----------
    inner : Inner
        What the window's models said on its calibration tail.
    panel : Panel
        The bars and what came of their trades.
    fold : Fold
        The window's bars.
    config : RunConfig
        The run.
    share : float
        What the confidence of sentiment is multiplied by.
    """
    scores = (
        _scores(inner.block[:, PROB_UP], inner, panel, config, share),
        _scores(inner.stacked, inner, panel, config, share),
    )
    long, short = (_fit_side(column, scores, inner, panel, fold, config) for column in range(2))
    return long, short


def _scores(prob_up: FloatArray, inner: Inner, panel: Panel, config: RunConfig, share: float) -> FloatArray:
    weights, mood = (config.signals.ml_weight, config.signals.sentiment_weight * share), panel.mood
    rows = zip(prob_up, mood.score[inner.rows], mood.confidence[inner.rows], strict=True)
    return np.array([blend(prob, score, sure, *weights) for prob, score, sure in rows])


def _ended(column: int, inner: Inner, panel: Panel, fold: Fold) -> tuple[BoolArray, FloatArray, FloatArray]:
    """Return which rows of the tail have a trade of this side that must have ended by the cut, and the net
    return and the bars held of such trades of the whole training window."""
    outcomes, limit = panel.outcomes, fold.limit
    used = (inner.half >= 0) & np.isin(inner.rows, purge(inner.rows, outcomes.latest_at, limit))
    used &= ~np.isnan(outcomes.net[inner.rows, column])
    train = purge(fold.train, outcomes.latest_at, limit)
    train = train[~np.isnan(outcomes.net[train, column])]
    return used, outcomes.net[train, column], outcomes.held[train, column]


def _fit_side(
    column: int,
    scores: tuple[FloatArray, FloatArray],
    inner: Inner,
    panel: Panel,
    fold: Fold,
    config: RunConfig,
) -> Odds:
    used, net, held = _ended(column, inner, panel, fold)
    score, live_score = scores
    of_tail = panel.outcomes.net[inner.rows[used], column]
    tail = Tail(score[used], inner.half[used], live_score[used], of_tail)
    return fit_odds(SIDES[column], tail, net, held, config.models.calibration)
