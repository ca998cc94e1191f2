"""The verdict: a few plain sentences from rules on the numbers. It never promises anything."""

from __future__ import annotations

from dataclasses import dataclass

from mlstrat.bootstrap import Interval
from mlstrat.reports.wording import count, number, percent, plural

NO_EVIDENCE = "There is no evidence of an edge"

# Below this many trades the mean of trade profits is mostly noise (the usual small-sample bound).
FEW_TRADES = 30


@dataclass(frozen=True)
class StoryNumbers:
    """What the verdict looks at; everything out of sample and after costs.

    Parameters
    ----------
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

    trades: int
    total_return: float
    matched_return: float
    excess: Interval
    skill: Interval
    shrink: str
    strict_trades: int
    stopper: str = ""


def verdict(numbers: StoryNumbers) -> list[str]:
    """Return 3 to 5 sentences: the conclusion first, then what it rests on."""
    return [
        _conclusion(numbers),
        _forecast(numbers.skill),
        *_trading(numbers),
        *_strict(numbers),
    ]


def has_evidence(numbers: StoryNumbers) -> bool:
    """Whether forecasts and trading agree: both better than their baseline beyond chance, and a profit."""
    return (
        numbers.skill.low > 0.0
        and numbers.excess.low > 0.0
        and numbers.total_return > 0.0
        and numbers.trades >= FEW_TRADES
    )


def _conclusion(numbers: StoryNumbers) -> str:
    if has_evidence(numbers):
        return (
            "Forecasts and trading both did better than their baselines by more than chance explains; one "
            "stretch of history is not proof, and nothing here says that it will last."
        )
    if numbers.skill.low > 0.0:
        return (
            f"{NO_EVIDENCE} that can be traded: the forecasts hold some information, "
            "but the trades do not show it."
        )
    return f"{NO_EVIDENCE} in this run."


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


def _trading(numbers: StoryNumbers) -> list[str]:
    if numbers.trades == 0:
        return [f"No trade was completed. {numbers.stopper}".strip()]
    made = "earned" if numbers.total_return > 0.0 else "lost"
    beat = numbers.total_return > numbers.matched_return
    sentence = (
        f"After costs, {plural(numbers.trades, 'trade')} {made} {percent(abs(numbers.total_return), 2)}; "
        "holding the market all the time at the same average exposure would have returned "
        f"{percent(numbers.matched_return, 2, signed=True)}, so the strategy "
        f"{'did better' if beat else 'did not do better'}{_by_chance(numbers, beat)}."
    )
    few = (
        f"{plural(numbers.trades, 'trade').capitalize()} are too few to judge: "
        f"below {FEW_TRADES}, luck decides."
        if numbers.trades != 1
        else "One trade is too few to judge: luck decides."
    )
    return [sentence, few] if numbers.trades < FEW_TRADES else [sentence]


def _by_chance(numbers: StoryNumbers, beat: bool) -> str:
    return ", but by no more than chance explains" if beat and not numbers.excess.low > 0.0 else ""


def _strict(numbers: StoryNumbers) -> list[str]:
    if numbers.shrink == "strict":
        return ["Sizing was strict: a bet is made only where the estimate exceeds its own uncertainty."]
    done = (
        "would have made no trade"
        if numbers.strict_trades == 0
        else f"would have made {plural(numbers.strict_trades, 'trade')} instead of {count(numbers.trades)}"
    )
    return [f"Strict sizing, which bets only where the estimate exceeds its own uncertainty, {done}."]
