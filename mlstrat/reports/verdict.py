"""The verdict: one test decides, and plain sentences support it. It never promises anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlstrat.bootstrap import Interval
from mlstrat.reports.wording import count, number, percent, plural

if TYPE_CHECKING:
    from mlstrat.evidence import Evidence

_DRIFT = "the test is against zero and does not take out the market's own drift."


@dataclass(frozen=True)
class StoryNumbers:
    """What the verdict looks at; everything out of sample and after costs.

    Parameters
    ----------
    judged : Evidence, optional
        What the one test says, which alone decides; None with too few bars for it.
    bars : int
        Bars out of sample.
    trades : int
        Closed trades.
    total_return : float
        Of the strategy, as a share of starting cash.
    matched_return : float
        Of holding the market at the strategy's average exposure.
    excess : Interval
        Annualised mean bar return of the strategy less that of the matched holding.
    skill : Interval
        Log loss of the base rate less that of the forecasts, in nats; above 0 = the forecasts are better.
    shrink : str
        `kelly.shrink` of the run.
    strict_trades : int
        Trades that strict sizing would have made.
    stopper : str
        For a run without trades: what stopped it.
    """

    judged: Evidence | None
    bars: int
    trades: int
    total_return: float
    matched_return: float
    excess: Interval
    skill: Interval
    shrink: str
    strict_trades: int
    stopper: str = ""

    @property
    def edge(self) -> bool:
        """Whether the test passed."""
        return self.judged is not None and self.judged.conclusion == "edge"


def verdict(numbers: StoryNumbers) -> list[str]:
    """Return 3 to 6 entries: the conclusion first, then what stands beside it and decides nothing."""
    conclusion, *explained = _tested(numbers)
    tried, limits = explained[:-1], explained[-1:]
    return [
        conclusion + _drift(numbers),
        *([" ".join(tried)] if tried else []),
        *limits,
        _trading(numbers),
        _forecast(numbers.skill) + _of_no_use(numbers),
        _strict(numbers),
    ]


def _tested(numbers: StoryNumbers) -> list[str]:
    from mlstrat.evidence import plain_words

    if numbers.judged is None:
        few = f"There are too few bars to say anything: {plural(numbers.bars, 'bar')} out of sample."
        return [few, "Below 32 no test is made."]
    # What holding the market brought is told here in numbers.
    return plain_words(numbers.judged, drift=False)


def _drift(numbers: StoryNumbers) -> str:
    """Return, beside an edge, that holding the market did as well, where it did."""
    if not numbers.edge or numbers.excess.low > 0.0:
        return ""
    if numbers.total_return > numbers.matched_return:
        return f" But its lead over holding the market is within what chance explains: {_DRIFT}"
    return f" But holding the market at the same exposure did no worse: {_DRIFT}"


def _of_no_use(numbers: StoryNumbers) -> str:
    """Return where forecasts and trades disagree."""
    if numbers.edge and not numbers.skill.low > 0.0:
        return " So what the trades earned is not explained by skill of the forecasts."
    if numbers.skill.low > 0.0 and not numbers.edge and numbers.trades:
        return " They hold some information, but the trades do not show it."
    return ""


def _forecast(skill: Interval) -> str:
    if skill.low > 0.0:
        return (
            "Out of sample the forecasts were better than always stating the training base rate: their log "
            f"loss was lower by {number(skill.estimate, 5)} ({_bounds(skill.low, skill.high)})."
        )
    if skill.high < 0.0:
        return (
            "Out of sample the forecasts were worse than always stating the training base rate: their log "
            f"loss was higher by {number(-skill.estimate, 5)} ({_bounds(-skill.high, -skill.low)})."
        )
    if skill.low <= 0.0 <= skill.high:
        return (
            "Out of sample the forecasts cannot be told apart from always stating the training base rate: "
            f"their gain in log loss is {number(skill.estimate, 5, signed=True)} "
            f"({_bounds(skill.low, skill.high, signed=True)})."
        )
    return "No forecast could be scored, because no outcome is known yet."


def _bounds(low: float, high: float, *, signed: bool = False) -> str:
    return f"95\u00a0% interval {number(low, 5, signed=signed)} to {number(high, 5, signed=signed)}"


def _trading(numbers: StoryNumbers) -> str:
    if numbers.trades == 0:
        return f"No trade was completed. {numbers.stopper}".strip()
    made = "earned" if numbers.total_return > 0.0 else "lost"
    beat = numbers.total_return > numbers.matched_return
    return (
        f"After costs, {plural(numbers.trades, 'trade')} {made} {percent(abs(numbers.total_return), 2)}; "
        "holding the market all the time at the same average exposure would have returned "
        f"{percent(numbers.matched_return, 2, signed=True)}, so the strategy "
        f"{'did better' if beat else 'did not do better'}{_by_chance(numbers, beat)}."
    )


def _by_chance(numbers: StoryNumbers, beat: bool) -> str:
    return ", but by no more than chance explains" if beat and not numbers.excess.low > 0.0 else ""


def _strict(numbers: StoryNumbers) -> str:
    if numbers.shrink == "strict":
        return "Sizing was strict: a bet is made only where the estimate exceeds its own uncertainty."
    done = (
        "would have made no trade"
        if numbers.strict_trades == 0
        else f"would have made {plural(numbers.strict_trades, 'trade')} instead of {count(numbers.trades)}"
    )
    return f"Strict sizing, which bets only where the estimate exceeds its own uncertainty, {done}."
