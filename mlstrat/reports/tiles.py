"""The tiles at the top of the page and of the evidence: one number each, and what it says."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mlstrat.reports.evidence_numbers import RunEvidence
from mlstrat.reports.numbers import Numbers
from mlstrat.reports.wording import NO_VALUE, bounds, chance, count, number, percent, plural

if TYPE_CHECKING:
    from mlstrat.evidence import Evidence
    from mlstrat.stress import BreakEven
    from mlstrat.trials.ledger import Tried

Tile = tuple[str, str, str]

_NO_TEST = "needs 30 trades"
_ONE_COLUMN = "overfitting by choice: needs two columns or more, see mlstrat sweep"


def headline(numbers: Numbers, bars_per_year: float) -> list[Tile]:
    """Return (name, value, explanation) of what the run came to; the Sharpe ratio is with the evidence."""
    p, matched = numbers.performance, numbers.baselines[0].summary
    bears = numbers.evidence.break_even
    under_days = p["max_drawdown_bars"] / bars_per_year * 365.25
    return [
        (
            "Return",
            percent(p["total_return"], 2, signed=True),
            f"{percent(p['annual_return'], 2, signed=True)} a year, after costs",
        ),
        (
            "Holding, same exposure",
            percent(matched["total_return"], 2, signed=True),
            f"{percent(matched['annual_return'], 2, signed=True)} a year, after costs",
        ),
        (
            "Deepest drawdown",
            percent(p["max_drawdown"]),
            f"{count(under_days)} days from peak to recovery or end" if under_days else "equity never fell",
        ),
        (
            "Trades completed",
            count(p["trades"]),
            f"{percent(p['win_rate'])} of them won" if p["trades"] else "nothing to judge",
        ),
        (
            "Average trade",
            percent(p["average_trade_share"], 3, signed=True),
            "of the money in it, after costs",
        ),
        (
            "Time in the market",
            percent(p["exposure"]),
            f"mean position {percent(p['average_weight'], 2)} of equity",
        ),
        (
            "Log loss gained",
            number(numbers.forecast.skill.estimate, 5, signed=True),
            "over the base rate; above 0 is better",
        ),
        (
            "Break-even commission",
            percent(bears.fee_share, 3),
            f"{_bears(bears)}; {percent(bears.charged, 3)} charged",
        ),
    ]


def _bears(found: BreakEven) -> str:
    if not found.trades:
        return "nothing to judge"
    return (
        "of a fill at which nothing is left" if found.without_commission > 0.0 else "a loss even without any"
    )


def of_evidence(evidence: RunEvidence, baseline_sharpe: float) -> list[Tile]:
    """Return (name, value, explanation) of the Sharpe ratio and of what it is shown beside.

    Parameters
    ----------
    evidence : RunEvidence
        The run's.
    baseline_sharpe : float
        Annual ratio of holding the market at the same exposure.
    """
    judged = evidence.judged
    tested = judged is not None and judged.best >= 0
    return [
        (
            "Sharpe ratio",
            number(evidence.sharpe.estimate),
            f"95\u00a0% interval {bounds(evidence.sharpe)}; holding: {number(baseline_sharpe)}",
        ),
        ("SPA p-value", *(_spa(judged) if judged and tested else (NO_VALUE, _NO_TEST))),
        ("Deflated Sharpe", *(_deflated(judged) if judged and tested else (NO_VALUE, _NO_TEST))),
        ("PBO", NO_VALUE, _ONE_COLUMN),
        ("Trials counted", *_trials(evidence.tried)),
        (
            "Probabilistic Sharpe",
            chance(judged.probabilistic) if judged else NO_VALUE,
            "chance that the true ratio is above 0, if nothing was chosen" if tested else _NO_TEST,
        ),
        ("Record needed", *_record(evidence)),
        (
            "Random entry",
            chance(evidence.entry.p) if evidence.entry else NO_VALUE,
            "share of random times of entry that did as well",
        ),
    ]


def _spa(judged: Evidence) -> tuple[str, str]:
    best = "such a mean return"
    if judged.trials > 1:
        best = f"one such mean return among {count(judged.trials)} tried"
    kind = "bound on the chance" if judged.basis == "spa with a bound" else "chance"
    return chance(judged.p), f"{kind} of {best} without an edge; decides: up to 0.05 is evidence"


def _deflated(judged: Evidence) -> tuple[str, str]:
    says = "chance that the true ratio is above 0, if nothing was chosen"
    effective = judged.effective_trials
    if effective > 1.0:
        many = number(effective, 0 if effective >= 10.0 else 1)
        says = f"chance that it beats the luckiest of {many} independent trials without skill"
    return chance(judged.deflated), says


def _trials(tried: Tried | None) -> tuple[str, str]:
    if tried is None:
        return NO_VALUE, "the ledger could not be read: taken as 1"
    parts = [plural(tried.runs, "run")]
    if tried.columns:
        parts.append(f"{plural(tried.columns, 'column')} of sweeps")
    if tried.tuned:
        parts.append(f"{count(tried.tuned)} sizes tuned in training, which do not count")
    return count(tried.distinct), f"on these data: {', '.join(parts)}"


def _record(evidence: RunEvidence) -> tuple[str, str]:
    has = f"there are {number(evidence.years, 1)}"
    needed = evidence.track_record
    if math.isfinite(needed):
        return f"{number(needed, 1 if needed >= 1.0 else 2)} years", f"to tell such a ratio from 0; {has}"
    if evidence.sharpe.estimate <= 0.0:
        return NO_VALUE, f"years do not help a ratio that is not above 0; {has}"
    return NO_VALUE, f"years to tell such a ratio from 0; {has}"
