"""The evidence on the page of a sweep: the one test, and what is told beside it and never votes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mlstrat.bootstrap import Interval
from mlstrat.reports.tables import Table
from mlstrat.reports.wording import NO_VALUE, count, number, percent
from mlstrat.sweep.judged import Judged
from mlstrat.sweep.result import Sweep

if TYPE_CHECKING:
    from mlstrat.evidence import Evidence


def evidence_table(judged: Judged) -> Table | None:
    """Return the test and its neighbours, a row each; None where nothing was tested."""
    evidence = judged.evidence
    if evidence is None or evidence.best < 0:
        return None
    year, bars = math.sqrt(judged.periods_per_year), judged.bars_per_period
    ratio = Interval(*(year * value for value in vars(evidence.intervals.sharpe).values()))
    needed = evidence.track_record / judged.periods_per_year
    rows = [
        ("SPA p-value", number(evidence.p, 3), _spa(evidence)),
        (
            "The same, were the best the only one",
            number(evidence.spa.naive_p, 3),
            "What a test says that forgets the other columns: the usual way to be fooled.",
        ),
        (
            "Sharpe ratio of the best",
            _interval(ratio),
            "Annual, with its 95 % interval, which forgets the choice and so lies too high.",
        ),
        (
            "Deflated Sharpe ratio",
            number(evidence.deflated, 3),
            "Probability that it is above what the best of so many has by luck; asks for more than the test.",
        ),
        (
            "Probabilistic Sharpe ratio",
            number(evidence.probabilistic, 3),
            "Probability that it is above 0, had nothing been chosen.",
        ),
        (
            "Probability of overfitting",
            percent(evidence.overfitting.pbo),
            "How often the best of one half of time is below the median in the other; 50 % is chance.",
        ),
        ("Trials counted", count(evidence.trials), _trials(judged)),
        (
            "Worth as independent trials",
            count(evidence.effective_trials),
            "Alike columns count as few.",
        ),
        (
            "Record needed",
            f"{number(needed, 1)} years" if math.isfinite(needed) else NO_VALUE,
            f"To tell this ratio from 0, were it the only one; there are "
            f"{number(evidence.moments.n_bars / judged.periods_per_year, 1)}.",
        ),
        ("Return of the best", _interval(evidence.intervals.total_return, share=True), "95 % interval."),
        (
            "Deepest drawdown of the best",
            _interval(evidence.intervals.max_drawdown, share=True),
            "95 % interval: other orders of the same bars.",
        ),
    ]
    if bars > 1:
        rows.append(("Returns added up", f"{bars} bars", "So many at a time, to bound memory."))
    return Table(("", "Value", "What it says"), rows, texts=1)


def tested_best(sweep: Sweep, judged: Judged) -> str:
    """Return the settings of the column that the test found best; empty without one."""
    if judged.evidence is None or judged.evidence.best < 0:
        return ""
    settings = sweep.grid.settings(judged.evidence.best)
    return ", ".join(f"{key} = {value}" for key, value in settings.items())


def _spa(evidence: Evidence) -> str:
    others = f", and of {count(evidence.beside)} others tried before," if evidence.beside else ""
    said = (
        f"Decides, at 0.05: how often luck alone makes the best of {count(evidence.spa.tested)} columns with "
        f"30 trades or more{others} as good as it is."
    )
    if evidence.basis == "spa with a bound":
        said += f" It is {number(evidence.spa.p, 3)} before trials that are not in the test are paid for."
    return said


def _trials(judged: Judged) -> str:
    if judged.tried is None:
        return "The columns of this sweep; there is no trial ledger."
    return judged.tried.sentence()


def _interval(interval: Interval, share: bool = False) -> str:
    def told(value: float) -> str:
        return percent(value, 2, signed=False) if share else number(value)

    return f"{told(interval.estimate)} ({told(interval.low)} to {told(interval.high)})"
