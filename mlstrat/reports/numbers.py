"""Every number of the report, computed once from the story; the page and metrics.json only show them."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray
from mlstrat.bootstrap import Interval, bootstrap_block, bootstrap_mean
from mlstrat.execution import metrics
from mlstrat.execution.types import REASON_NAMES, Result, returns_of
from mlstrat.models import scores
from mlstrat.models.scores import Reliability
from mlstrat.reports.baselines import Baseline, fair_baselines
from mlstrat.reports.evidence_numbers import RunEvidence, evidence_json, evidence_of
from mlstrat.reports.risk_numbers import flag_counts, risk_at_entry
from mlstrat.reports.story import Story
from mlstrat.reports.verdict import StoryNumbers, verdict
from mlstrat.signals.decide import conformal_of

RELIABILITY_BINS = 10


@dataclass(frozen=True, eq=False)
class Forecast:
    """How good the probabilities were, over the scored bars (predicted and resolved).

    `skill` is base-rate log loss less the model's; `block` the bootstrap's mean block length in bars.
    Losses in nats; NaN where nothing is scored.
    """

    scored: int
    up_share: float
    log_loss: float
    base_log_loss: float
    skill: Interval
    block: float
    brier: float
    base_brier: float
    accuracy: float
    base_accuracy: float
    calibration_error: float
    curve: Reliability


@dataclass(frozen=True)
class FoldRow:
    """One walk-forward window and what came of it; profit in quote currency, by the bar of decision."""

    fold: int
    train_from: np.datetime64
    cut: np.datetime64
    valid_from: np.datetime64
    valid_to: np.datetime64
    n_train: int
    purged: int
    base_rate: float
    scored: int
    log_loss: float
    base_log_loss: float
    accuracy: float
    trades: int
    profit: float


@dataclass(frozen=True)
class ExitRow:
    """Trades that ended for one reason; profit in quote currency."""

    reason: str
    trades: int
    share: float
    average_profit: float
    profit: float


@dataclass(frozen=True, eq=False)
class Numbers:
    """What the page shows and metrics.json stores; out of sample and after costs."""

    performance: dict[str, float]
    evidence: RunEvidence
    baselines: tuple[Baseline, ...]
    excess: Interval
    forecast: Forecast
    folds: tuple[FoldRow, ...]
    exits: tuple[ExitRow, ...]
    verdict: list[str]


def measure(story: Story) -> Numbers:
    """Compute every number of the report from the part of the run that is out of sample."""
    judged = story.judged
    performance = metrics.summary(judged.result, judged.bars)
    baselines = fair_baselines(judged.result, judged.bars, story.bars.close[: story.first])
    forecast = _forecast(judged)
    excess = _excess(judged, baselines[0], forecast.block)
    evidence = evidence_of(story)
    said = StoryNumbers(
        judged=evidence.judged,
        bars=len(judged.bars),
        trades=int(performance["trades"]),
        total_return=performance["total_return"],
        matched_return=baselines[0].summary["total_return"],
        excess=excess,
        skill=forecast.skill,
        shrink=story.config.kelly.shrink,
        strict_trades=story.strict.trades,
        stopper=story.stopper,
    )
    return Numbers(
        performance=performance,
        evidence=evidence,
        baselines=baselines,
        excess=excess,
        forecast=forecast,
        folds=tuple(_fold_rows(judged)),
        exits=tuple(_exit_rows(judged.result)),
        verdict=verdict(said),
    )


def as_json(numbers: Numbers, story: Story) -> dict[str, Any]:
    """Return the numbers as plain values for JSON: NaN and infinity become None, times ISO text (UTC)."""
    judged = story.judged
    forecast = {name: value for name, value in vars(numbers.forecast).items() if name != "curve"}
    curve = numbers.forecast.curve
    content = {
        "symbol": judged.bars.symbol,
        "timeframe": str(judged.bars.timeframe),
        "from": judged.bars.close_time[0],
        "to": judged.bars.close_time[-1],
        "bars": len(judged.bars),
        "verdict": numbers.verdict,
        "performance": numbers.performance,
        "evidence": evidence_json(numbers.evidence),
        "excess_over_matched_hold": asdict(numbers.excess),
        "baselines": {base.key: {"mean_weight": base.weight, **base.summary} for base in numbers.baselines},
        "forecast": {**forecast, "skill": asdict(numbers.forecast.skill)},
        "reliability": {"prob": curve.prob, "share": curve.share, "count": curve.count},
        "funnel": dict(story.funnel.steps()),
        "strict": asdict(story.strict),
        "stopper": story.stopper,
        "conformal": _conformal(story),
        "flags": flag_counts(story),
        "risk_at_entry": risk_at_entry(story),
        "sentiment_overlap": _overlap(story),
        "controls": asdict(story.controls) if story.controls else None,
        "sentiment_share": story.sentiment_share,
        "ablation": asdict(story.ablation) if story.ablation else None,
        "folds": [asdict(row) for row in numbers.folds],
        "exits": [asdict(row) for row in numbers.exits],
        "notes": story.notes,
    }
    return {name: _plain(value) for name, value in content.items()}


def _conformal(story: Story) -> dict[str, Any] | None:
    """Return what the conformal sets came to; None where the run asks for none."""
    if not story.config.signals.conformal:
        return None
    said = conformal_of(story.bars, story.predictions, story.config)
    return {
        "asked": story.config.signals.conformal,
        "coverage": said.coverage,
        "resolved": said.resolved,
        "alone": float(np.mean(said.direction[story.predictions.known] != 0)),
    }


def _overlap(story: Story) -> dict[str, float] | None:
    """Return how models and sentiment correlate; None where no bar has both."""
    found = story.overlap
    if found is None or not found.bars:
        return None
    return {"bars": found.bars, "whole": found.whole, "highest": found.highest}


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {str(name): _plain(part) for name, part in value.items()}
        case list() | tuple():
            return [_plain(part) for part in value]
        case np.ndarray():
            return [_plain(part) for part in value.tolist()]
        case np.datetime64():
            return f"{value.astype('datetime64[s]')}Z"
        case float() | np.floating():
            return float(value) if math.isfinite(value) else None
        case np.integer():
            return int(value)
        case _:
            return value


def _scored(judged: Story) -> BoolArray:
    known = judged.predictions.known & np.isfinite(judged.predictions.prob_up)
    return np.asarray(known & np.isfinite(judged.up))


def _base_rates(judged: Story) -> FloatArray:
    """(n_bars,) base rate of the window that speaks for the bar; NaN where none does."""
    by_fold = {window.fold: window.base_rate for window in judged.predictions.windows}
    return np.array([by_fold.get(int(fold), math.nan) for fold in judged.predictions.fold])


def _forecast(judged: Story) -> Forecast:
    rows = _scored(judged)
    prob, up, base = judged.predictions.prob_up[rows], judged.up[rows], _base_rates(judged)[rows]
    block = bootstrap_block(len(prob), judged.config.labels.target_periods)
    curve = scores.reliability(prob, up, RELIABILITY_BINS)
    return Forecast(
        scored=len(prob),
        up_share=float(np.mean(up)) if len(up) else math.nan,
        log_loss=scores.log_loss(prob, up),
        base_log_loss=scores.base_rate_log_loss(base, up),
        skill=scores.log_loss_skill(prob, base, up, block, judged.config.seed),
        block=block,
        brier=scores.brier(prob, up),
        base_brier=scores.brier(base, up),
        accuracy=scores.directional_accuracy(prob, up),
        base_accuracy=scores.directional_accuracy(base, up),
        calibration_error=scores.expected_calibration_error(curve),
        curve=curve,
    )


def _excess(judged: Story, matched: Baseline, block: float) -> Interval:
    """Annualised mean difference of bar returns, with its interval."""
    cash, per_year = judged.result.rules.cash, judged.bars.bars_per_year
    other = returns_of(matched.equity, cash)
    longest_trade = max(block, float(judged.config.stops.max_bars))
    return bootstrap_mean((judged.result.returns - other) * per_year, longest_trade, judged.config.seed)


def _fold_rows(judged: Story) -> list[FoldRow]:
    rows, fold, t = _scored(judged), judged.predictions.fold, judged.result.trades
    prob, up, base = judged.predictions.prob_up, judged.up, _base_rates(judged)
    made_by = fold[t.signal_bar]
    table = []
    for window in judged.predictions.windows:
        here = rows & (fold == window.fold)
        table.append(
            FoldRow(
                fold=window.fold,
                train_from=window.train_from,
                cut=window.cut,
                valid_from=window.valid_from,
                valid_to=window.valid_to,
                n_train=window.n_train,
                purged=window.purged + window.purged_inner,
                base_rate=window.base_rate,
                scored=int(here.sum()),
                log_loss=scores.log_loss(prob[here], up[here]),
                base_log_loss=scores.base_rate_log_loss(base[here], up[here]),
                accuracy=scores.directional_accuracy(prob[here], up[here]),
                trades=int(np.sum(made_by == window.fold)),
                profit=float(np.sum(t.profit[made_by == window.fold])),
            )
        )
    return table


def _exit_rows(result: Result) -> list[ExitRow]:
    t = result.trades
    table = []
    for code, name in REASON_NAMES.items():
        profit = t.profit[t.reason == code]
        if len(profit):
            table.append(
                ExitRow(name, len(profit), len(profit) / len(t), float(profit.mean()), float(profit.sum()))
            )
    return table
