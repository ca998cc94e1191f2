"""What speaks against a trade at a bar, as numbers from 0 to 1, and what is done about it.

The numbers are told, not traded on: what keeps a bar from its trade are the rules that every engine follows
(threshold, Kelly, quality, breakers), and `action` says what these made of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from mlstrat.arrays import FloatArray, TimeArray, njit
from mlstrat.data.bars import Bars
from mlstrat.errors import DataError
from mlstrat.execution.metrics import drawdown
from mlstrat.execution.types import Decisions, Result, RiskRules
from mlstrat.predictions import Predictions
from mlstrat.signals.flags import flag_names, gaps_before
from mlstrat.signals.funnel import BAR, KELLY, PREDICTED, THRESHOLD

if TYPE_CHECKING:
    import pandas as pd

MEASURES = ("volatility", "liquidity", "drawdown", "disagreement", "novelty", "staleness")
MEMORY = 500  # bars among which volatility and liquidity are ranked
SMOOTHING = 14  # bars over which traded value is averaged, as long as the ATR
SLOTS = 24  # bars, had there been one in each slot, of which the missing ones are counted
_STOPPED = {
    BAR: "a feature or the ATR is not known",
    PREDICTED: "the score passes no threshold of a side that may be traded, or both directions may come true",
    THRESHOLD: "Kelly's fraction is too small",
    KELLY: "the quality or the confidence is too low",
}


@dataclass(frozen=True, eq=False)
class RiskColumns:
    """What speaks against a trade at each bar, as known at its close; NaN = not known.

    Parameters
    ----------
    time : (n_bars,) datetime64[ns]
        Open time of the bars, UTC.
    volatility : (n_bars,) float64
        Share of the last `MEMORY` bars before this one whose ATR(14) / close was lower.
    liquidity : (n_bars,) float64
        Share of them whose traded value (close x volume, mean of `SMOOTHING` bars) was higher: 1 = never so
        little. NaN without volume.
    drawdown : (n_bars,) float64
        Equity's distance below its peak, as a share of `breakers.max_drawdown` (as it is where that is
        off), at most 1. NaN where there is no account.
    disagreement : (n_bars,) float64
        Share of the three models (forest, booster, LSTM) that do not vote for the side of the score.
    novelty : (n_bars,) float64
        Share of features beyond what the model was trained on (see `mlstrat.signals.novelty`).
    staleness : (n_bars,) float64
        Share of the last `SLOTS` times at which a bar was due without one; this bar is one of them.

    Raises
    ------
    DataError
        Columns of unlike length.
    """

    time: TimeArray
    volatility: FloatArray
    liquidity: FloatArray
    drawdown: FloatArray
    disagreement: FloatArray
    novelty: FloatArray
    staleness: FloatArray

    def __post_init__(self) -> None:
        for name in MEASURES:
            column = getattr(self, name)
            if column.shape != (len(self.time),):
                raise DataError(
                    f"risk.{name} has shape {column.shape} for {len(self.time):,} bars: give one value a bar."
                )
            column.setflags(write=False)

    def __len__(self) -> int:
        return len(self.time)

    def with_account(self, result: Result) -> RiskColumns:
        """Return them with the drawdown of the account that executed these bars."""
        return replace(self, drawdown=_drawdown(result.equity, result.rules))

    def frame(self) -> pd.DataFrame:
        """Return one row a bar."""
        import pandas as pd

        columns = {name: getattr(self, name) for name in MEASURES}
        return pd.DataFrame(columns, index=pd.DatetimeIndex(self.time, tz="UTC", name="time"))


@dataclass(frozen=True)
class RiskAssessment:
    """One bar's risk; the measures are those of `RiskColumns`.

    `action` is what the decision says, as if flat: `enter` or `skip`, and `reason` why it is skipped, empty
    where it is not. A breaker on equity, an open position, or a quantity that rounds to 0 can still keep an
    engine from sending it.
    """

    volatility: float
    liquidity: float
    drawdown: float
    disagreement: float
    novelty: float
    staleness: float
    action: Literal["enter", "skip"]
    reason: str


def risk_columns(bars: Bars, atr_px: FloatArray, predictions: Predictions) -> RiskColumns:
    """Measure the risk of the bars that predictions are about.

    Parameters
    ----------
    bars : Bars
        The bars predicted, with those before them, which the last ones are compared with.
    atr_px : (n_bars,) float64
        ATR(14) at each close, in price.
    predictions : Predictions
        Aligned with the last bars.

    Returns
    -------
    RiskColumns
        Aligned with the predictions; without an account.

    Raises
    ------
    DataError
        The predictions are not about the last bars, or columns of unlike length.
    """
    n = len(predictions)
    if n > len(bars) or not np.array_equal(bars.time[len(bars) - n :], predictions.time):
        raise DataError(
            f"the predictions of {n:,} bars are not about the last of {len(bars):,} bars: give the bars that "
            "were predicted."
        )
    part = slice(len(bars) - n, None)
    value = bars.close * bars.volume
    return RiskColumns(
        time=predictions.time,
        volatility=_share_below(atr_px / bars.close, MEMORY)[part],
        liquidity=_share_below(-_traded_value(value), MEMORY)[part],
        drawdown=np.full(n, np.nan),
        disagreement=_disagreement(predictions),
        novelty=predictions.novelty.copy(),
        staleness=_staleness(gaps_before(bars))[part],
    )


def assess_risk(decisions: Decisions, risk: RiskColumns, t: int = -1) -> RiskAssessment:
    """Say what speaks against a trade at bar t, and what is done.

    Parameters
    ----------
    decisions : Decisions
        What was decided.
    risk : RiskColumns
        Aligned with the decisions.
    t : int
        Index of the bar; by default the last one.

    Raises
    ------
    DataError
        Not of the same bars.
    """
    if not np.array_equal(decisions.time, risk.time):
        raise DataError(
            f"the risk of {len(risk):,} bars is not that of the {len(decisions):,} bars decided on: measure "
            "it on those."
        )
    enters = decisions.side[t] != 0
    return RiskAssessment(
        **{name: float(getattr(risk, name)[t]) for name in MEASURES},
        action="enter" if enters else "skip",
        reason="" if enters else why_skipped(decisions, t),
    )


def why_skipped(decisions: Decisions, t: int) -> str:
    """Say which rule kept bar t from a trade."""
    stopped = _STOPPED.get(int(decisions.stage[t]), "")
    return stopped or flag_names(int(decisions.flags[t])) or "what is to confirm it does not hold"


def risk_of_trades(result: Result, decisions: Decisions, risk: RiskColumns) -> pd.DataFrame:
    """Return one row a trade, in the order of trades.csv: its risk at the close that decided it.

    Parameters
    ----------
    result, decisions, risk
        Of the same bars; `risk` with the account.
    """
    import pandas as pd

    trades = result.trades
    rows = [assess_risk(decisions, risk, int(t)) for t in trades.signal_bar]
    columns = {name: [getattr(row, name) for row in rows] for name in (*MEASURES, "action")}
    at = pd.DatetimeIndex(result.time[trades.signal_bar], tz="UTC")
    entry = pd.DatetimeIndex(result.time[trades.entry_bar], tz="UTC")
    return pd.DataFrame({"decided_at": at, "entry_time": entry, **columns})


@njit
def _share_below(values: FloatArray, memory: int) -> FloatArray:
    """Share of up to `memory` values before each one that are below it; NaN unknown, or nothing before."""
    out = np.full(len(values), np.nan)
    for t in range(1, len(values)):
        below, known = 0, 0
        for s in range(max(t - memory, 0), t):
            known += not np.isnan(values[s])
            below += values[s] < values[t]
        if known > 0 and not np.isnan(values[t]):
            out[t] = below / known
    return out


@njit
def _traded_value(value: FloatArray) -> FloatArray:
    """Mean traded value of the last bars; NaN where nothing was traded in them."""
    out = np.full(len(value), np.nan)
    for t in range(len(value)):
        mean = value[max(t + 1 - SMOOTHING, 0) : t + 1].mean()
        if mean > 0.0:
            out[t] = mean
    return out


def _drawdown(equity: FloatArray, rules: RiskRules) -> FloatArray:
    return np.minimum(drawdown(equity, rules.cash) / (rules.max_drawdown or 1.0), 1.0)


def _disagreement(predictions: Predictions) -> FloatArray:
    side = np.where(predictions.score > 0.5, 1.0, -1.0)[:, None]
    votes = predictions.votes[:, :3] - np.array([0.5, 0.0, 0.0])
    against = np.mean(side * votes <= 0.0, axis=1)
    known = np.isfinite(votes).all(axis=1) & np.isfinite(predictions.score)
    return np.where(known, against, np.nan)


def _staleness(gaps: FloatArray) -> FloatArray:
    slot = np.arange(len(gaps)) + np.cumsum(gaps)
    present = np.arange(len(gaps)) + 1 - np.searchsorted(slot, slot - SLOTS, side="right")
    return np.asarray(1.0 - present / np.minimum(slot + 1.0, SLOTS))
