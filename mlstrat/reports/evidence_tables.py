"""The evidence as tables and sentences: what stands beside the Sharpe ratio."""

from __future__ import annotations

import math

from mlstrat.reports.evidence_numbers import RunEvidence
from mlstrat.reports.tables import Table
from mlstrat.reports.wording import NO_VALUE, bounds, chance, count, number, percent, plural


def beside_sharpe(evidence: RunEvidence) -> str:
    """Return one line to stand under any other table with Sharpe ratios."""
    judged = evidence.judged
    p, deflated = (judged.p, judged.deflated) if judged else (math.nan, math.nan)
    counted = plural(evidence.tried.distinct, "trial") if evidence.tried else "trials not"
    return (
        f"The Sharpe ratio of this run is {number(evidence.sharpe.estimate)}, 95\u00a0% interval "
        f"{bounds(evidence.sharpe)}; SPA p {chance(p)}, deflated {chance(deflated)}, PBO {NO_VALUE}, "
        f"{counted} counted."
    )


def rule(evidence: RunEvidence) -> str:
    """Return what decides, in one or two sentences."""
    judged, luck = evidence.judged, ""
    if judged is not None and judged.beside:
        tried = count(judged.columns + judged.beside)
        luck = f" Luck is that of the best of all {tried} tried whose returns the trial ledger holds."
    return (
        "One test decides: Hansen's SPA at 5\u00a0% on the returns of all bars, after costs, from 30 trades "
        f"on.{luck} Everything else stands beside it and has no vote."
    )


def ranges(evidence: RunEvidence) -> Table:
    """Return the run's numbers with their intervals."""
    rows = (
        ("Sharpe ratio", evidence.sharpe, number),
        ("Return", evidence.total_return, _signed),
        ("Deepest drawdown", evidence.max_drawdown, percent),
    )
    return Table(
        ("Number", "This run", "Low", "High"),
        [(name, say(v.estimate), say(v.low), say(v.high)) for name, v, say in rows],
    )


def fill_words(evidence: RunEvidence) -> tuple[str, ...]:
    """Return what worse fills do, and how that goes with the verdict where more was tried."""
    from mlstrat.stress import sentences

    judged, base = evidence.judged, evidence.fills.base
    said = sentences(evidence.fills, evidence.break_even)
    if not base.edge or judged is None or judged.conclusion == "edge":
        return said
    return (
        f"The verdict, which knows of {plural(judged.trials, 'trial')}, finds no evidence of an edge; what "
        "follows forgets the others.",
        *said,
    )


def _signed(share: float) -> str:
    return percent(share, 2, signed=True)


def _part(share: float) -> str:
    return percent(share, 0) if share >= 0.01 else "less than 1\u00a0%"


def order_words(evidence: RunEvidence) -> str:
    """Return where the drawdown between trades stands among other orders of the same trades."""
    order = evidence.order
    share = order.share_deeper
    luck = ""
    if share >= 0.9:
        luck = " This order was a lucky one: be ready for more."
    elif share <= 0.1:
        luck = " Losses came in runs: other orders were kinder."
    return (
        f"Between trades the deepest drawdown was {percent(order.drawdown, 2)}; "
        f"{_part(share)} of random orders of the same trades go at least as deep.{luck}"
    )


def entry_words(evidence: RunEvidence) -> str:
    """Return where the mean profit of a trade stands among random times of the same holdings."""
    entry = evidence.entry
    if entry is None:
        return "The trades fill the whole record, so there is no room to move them."
    earned = percent(entry.mean_profit, 3, signed=True)
    return (
        f"From open to open, without stops, a trade earned {earned} in the mean; {_part(entry.p)} of "
        "random times did as well. Sides, holding times and costs are the same."
    )


def decay_words(evidence: RunEvidence, ahead: int) -> str:
    """Return what the rank correlations say; `ahead` is the horizon of the labels in bars."""
    decay = evidence.decay
    if decay.peak is None:
        return "There are too few bars with a score and an outcome."
    sure = (decay.low > 0.0) | (decay.high < 0.0)
    top = int(decay.horizons.tolist().index(decay.peak))
    peak = f"{number(float(decay.ic[top]), 3, signed=True)} at {plural(decay.peak, 'bar')}"
    learned = f"The models learn {plural(ahead, 'bar')} ahead."
    if not sure[top]:
        return f"It cannot be told apart from 0 where it is largest ({peak}). {learned}"
    left = (
        f"half of it is gone at {count(decay.half_life)} bars"
        if decay.half_life
        else "more than half of it is left to the end"
    )
    return f"It is largest with {peak}; {left}. {learned}"
