"""What the run's returns, trades and score say about an edge, computed once from the judged part."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.bootstrap import Interval
from mlstrat.execution.types import TIME
from mlstrat.reports.story import Story

if TYPE_CHECKING:
    from mlstrat.evidence import (
        Evidence,
        InformationCoefficient,
        PathIntervals,
        RandomEntry,
        ShuffledTrades,
    )
    from mlstrat.stress import BreakEven, FillMatrix
    from mlstrat.trials.ledger import Tried

HORIZONS = (1, 2, 4, 8, 12, 24, 48, 96)
LEAST_BARS = 32  # below this no verdict can be computed
_DRAWN = (0.05, 0.5, 0.95)  # quantiles of random draws that are stored


@dataclass(frozen=True, eq=False)
class RunEvidence:
    """What stands beside the run's Sharpe ratio; ratios are annual, returns are after costs.

    Parameters
    ----------
    judged : Evidence, optional
        The verdict and its tests, per bar; None with fewer than 32 bars.
    tried : Tried, optional
        What the trial ledger counts; None where it could not be read.
    sharpe, total_return, max_drawdown : Interval
        With 95 % bounds of the stationary bootstrap; NaN where returns do not vary.
    block : float
        Mean block length of it in bars.
    years : float
        Length of the record.
    track_record : float
        Years after which a ratio like this one is told from 0; NaN where no length is enough.
    order : ShuffledTrades
        The trades in random orders.
    entry : RandomEntry, optional
        The same holdings at random times; None where they leave no room to move.
    decay : InformationCoefficient
        Rank correlation of the score with what comes after it.
    fills : FillMatrix
        The same decisions under worse fills, each tested as if it were the only trial.
    break_even : BreakEven
        The commission that they can bear.
    """

    judged: Evidence | None
    tried: Tried | None
    sharpe: Interval
    total_return: Interval
    max_drawdown: Interval
    block: float
    years: float
    track_record: float
    order: ShuffledTrades
    entry: RandomEntry | None
    decay: InformationCoefficient
    fills: FillMatrix
    break_even: BreakEven


def evidence_of(story: Story) -> RunEvidence:
    """Compute the evidence of the part of the run that is out of sample; every draw by the run's seed."""
    from mlstrat.evidence import judge, rank_ic
    from mlstrat.stress import break_even, pessimistic_fills

    judged, seed = story.judged, story.config.seed
    returns, per_year = judged.result.returns, judged.bars.bars_per_year
    trades = np.array([int(np.sum(judged.result.trades.closed))])
    counted = story.tried.distinct if story.tried else 1
    found = None
    if len(returns) >= LEAST_BARS:
        found = judge(returns, trades, trials=max(1, counted), others=story.others, seed=seed)
    path = _intervals(found, returns, seed)
    executed = judged.bars, judged.decisions, judged.result.rules
    score, price = judged.predictions.score, np.r_[judged.bars.open[1:], math.nan]
    return RunEvidence(
        judged=found,
        tried=story.tried,
        sharpe=Interval(*(math.sqrt(per_year) * ratio for ratio in vars(path.sharpe).values())),
        total_return=path.total_return,
        max_drawdown=path.max_drawdown,
        block=path.block,
        years=len(returns) / per_year,
        track_record=found.track_record / per_year if found else math.nan,
        order=_shuffled(judged, seed),
        entry=_moved(judged, seed),
        decay=rank_ic(score, price, HORIZONS),
        fills=pessimistic_fills(*executed, seed=seed),
        break_even=break_even(*executed),
    )


def evidence_json(evidence: RunEvidence) -> dict[str, Any]:
    """Return the evidence as nested mappings; of random draws only their quantiles."""
    from mlstrat.evidence import plain_words

    judged, order, entry, decay = evidence.judged, evidence.order, evidence.entry, evidence.decay
    names = ("block", "years", "track_record")
    return {
        "judged": asdict(judged) if judged else None,
        "sentences": plain_words(judged) if judged else [],
        "tried": asdict(evidence.tried) if evidence.tried else None,
        **{name: asdict(getattr(evidence, name)) for name in ("sharpe", "total_return", "max_drawdown")},
        **{name: getattr(evidence, name) for name in names},
        "trade_order": {
            "drawdown": order.drawdown,
            "share_deeper": order.share_deeper,
            "drawn": _quantiles(order.drawn),
        },
        "random_entry": entry
        and {"mean_profit": entry.mean_profit, "p": entry.p, "drawn": _quantiles(entry.drawn)},
        "fills": asdict(evidence.fills),
        "break_even": asdict(evidence.break_even),
        "rank_ic": {**vars(decay), "peak": decay.peak, "half_life": decay.half_life},
    }


def _quantiles(drawn: FloatArray) -> dict[str, float]:
    return {f"q{share:.2f}": float(np.quantile(drawn, share)) for share in _DRAWN}


def _intervals(found: Evidence | None, returns: FloatArray, seed: int) -> PathIntervals:
    """Those of the verdict, or made here where there was nothing to test; NaN with hardly any bars."""
    from mlstrat.evidence import PathIntervals, path_intervals

    if found and found.best >= 0:
        return found.intervals
    if len(returns) >= LEAST_BARS:
        return path_intervals(returns, seed=seed)
    nothing = Interval(math.nan, math.nan, math.nan)
    return PathIntervals(nothing, nothing, nothing, math.nan)


def _shuffled(judged: Story, seed: int) -> ShuffledTrades:
    from mlstrat.evidence import shuffled_trades

    t = judged.result.trades
    equity = np.r_[judged.result.rules.cash, judged.result.equity]
    return shuffled_trades((t.profit / equity[t.entry_bar])[t.closed], seed=seed)


def _moved(judged: Story, seed: int) -> RandomEntry | None:
    """Place the holdings at random: to the open of a time exit, else to the first open after the exit.

    A trade whose end has no open behind it is left out. Bars count from the second, the first at whose open
    a decision can be filled.
    """
    from mlstrat.evidence import random_entry

    t, rules, opens = judged.result.trades, judged.result.rules, judged.bars.open[1:]
    entry, end = t.entry_bar - 1, t.exit_bar - 1 + (t.reason != TIME)
    fits = t.closed & (end < len(opens))
    held = (end - entry)[fits]
    if held.sum() >= len(opens) - 1:
        return None
    slip = rules.slippage_ticks * rules.tick / np.mean(opens) if len(opens) else 0.0
    cost = 2.0 * (rules.fee_share + float(slip))
    return random_entry(entry[fits], held, t.side[fits], opens, cost, seed=seed)
