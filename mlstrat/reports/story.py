"""`Story`: everything the report tells, handed over once and never recomputed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.config import RunConfig
from mlstrat.data.bars import Bars
from mlstrat.errors import DataError
from mlstrat.execution.types import DECISION_COLUMNS, Decisions, Result
from mlstrat.predictions import Predictions
from mlstrat.reports.ablation import Ablation
from mlstrat.reports.controls import Controls
from mlstrat.sentiment.align import SentimentSeries
from mlstrat.signals.funnel import Funnel
from mlstrat.signals.overlap import Overlap
from mlstrat.signals.risk import RiskColumns
from mlstrat.trials.ledger import Tried

if TYPE_CHECKING:
    from mlstrat.evidence import Others

_PER_BAR_DECISIONS = ("time", *DECISION_COLUMNS)


@dataclass(frozen=True)
class Strict:
    """What `kelly.shrink = "strict"` would have done on the same predictions.

    Parameters
    ----------
    trades : int
        Trades it would have made.
    bet_share : float
        Share of the predicted bars on which its fraction is above 0.
    funnel : Funnel
        How far the bars came.
    """

    trades: int
    bet_share: float
    funnel: Funnel


@dataclass(frozen=True, eq=False)
class Story:
    """One run, from bars to result; every array has one row a bar of `bars`.

    Parameters
    ----------
    config : RunConfig
        The settings.
    bars : Bars
        The bars decided and executed on, training bars before the first prediction included.
    predictions : Predictions
        Out of sample only; the bars from the first known one on are what the report judges.
    up : (n_bars,) float64
        Realised direction of the horizon label: 1 up, 0 not up, NaN not resolved.
    decisions : Decisions
        What was decided.
    result : Result
        What execution made of it, after costs.
    funnel : Funnel
        How far the bars came.
    strict : Strict
        What strict sizing would have done.
    manifest : mapping
        Versions, hashes and seed of the run; nested mappings allowed.
    notes : tuple of str
        Sentences on data quality and warnings.
    sentiment_share : float
        Share of the predicted bars with known sentiment; NaN where the run has no headlines.
    stopper : str
        A sentence for a run without trades: which step stopped it and which value would have passed.
    risk : RiskColumns, optional
        What spoke against a trade at each bar.
    overlap : Overlap, optional
        Whether models and headlines said the same.
    mood : SentimentSeries, optional
        The sentiment of each bar, where the run has headlines.
    controls : Controls, optional
        Permuted labels and other seeds, where the settings ask for them.
    ablation : Ablation, optional
        The run with and without sentiment, where it has any.
    tried : Tried, optional
        What was ever tried on these data, this run included; None where it could not be counted.
    others : Others, optional
        What was tried besides, with its returns; one row of `others.row` a judged bar.

    Raises
    ------
    DataError
        Parts that are not aligned with the bars, or predictions that know no bar.
    """

    config: RunConfig
    bars: Bars
    predictions: Predictions
    up: FloatArray
    decisions: Decisions
    result: Result
    funnel: Funnel
    strict: Strict
    manifest: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    sentiment_share: float = float("nan")
    stopper: str = ""
    controls: Controls | None = None
    ablation: Ablation | None = None
    risk: RiskColumns | None = None
    overlap: Overlap | None = None
    mood: SentimentSeries | None = None
    tried: Tried | None = None
    others: Others | None = None

    def __post_init__(self) -> None:
        rows = {
            "predictions": len(self.predictions),
            "up": len(self.up),
            "decisions": len(self.decisions),
            "result": len(self.result.equity),
        }
        if self.mood is not None:
            rows["mood"] = len(self.mood)
        for name, count in rows.items():
            if count != len(self.bars):
                raise DataError(
                    f"the report's {name} has {count:,} rows for {len(self.bars):,} bars: "
                    "hand it parts of one run, one row a bar."
                )
        if not self.predictions.known.any():
            raise DataError(
                "the report has no out-of-sample prediction to judge: "
                "load more bars, or shorten splits.training_days."
            )

    @cached_property
    def first(self) -> int:
        """Index of the first bar that an out-of-sample model speaks for."""
        return int(np.argmax(self.predictions.known))

    @cached_property
    def judged(self) -> Story:
        """The same run from the first predicted bar on: the part on which every number is computed."""
        part = slice(self.first, None)
        decisions = {name: getattr(self.decisions, name)[part] for name in _PER_BAR_DECISIONS}
        return replace(
            self,
            bars=self.bars[part],
            predictions=self.predictions[part],
            up=self.up[part],
            decisions=replace(self.decisions, **decisions),
            result=_from_bar(self.result, self.first),
            mood=self.mood and self.mood[part],
        )


def _from_bar(result: Result, first: int) -> Result:
    t = result.trades
    if len(t) and int(t.signal_bar.min()) < first:
        raise DataError(
            f"a trade was decided at bar {int(t.signal_bar.min())}, before the first prediction at bar "
            f"{first}: hand the report the result of decisions that predictions made."
        )
    trades = replace(
        t, signal_bar=t.signal_bar - first, entry_bar=t.entry_bar - first, exit_bar=t.exit_bar - first
    )
    return replace(result, time=result.time[first:], equity=result.equity[first:], trades=trades)
