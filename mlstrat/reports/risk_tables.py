"""The tables of breakers on data and of the risk of trades."""

from __future__ import annotations

from mlstrat.reports.risk_numbers import QUANTILES, flag_counts, risk_at_entry
from mlstrat.reports.story import Story
from mlstrat.reports.tables import Table
from mlstrat.reports.wording import count, number, percent


def flags(story: Story) -> Table:
    """Return what each breaker on data flagged; no row where no bar is flagged."""
    predicted = int(story.predictions.known.sum())
    rows = [
        (
            name.capitalize(),
            count(found["bars"]),
            percent(found["bars"] / predicted, 2),
            count(found["signals"]),
        )
        for name, found in flag_counts(story).items()
        if found["bars"]
    ]
    return Table(("Breaker", "Predicted bars", "Share", "Signals among them"), rows)


def at_entry(story: Story) -> Table | None:
    """Return how each measure of risk is spread over the trades; None without trades or measures."""
    measured = risk_at_entry(story)
    if not measured or not len(story.result.trades):
        return None
    nothing = float("nan")
    head = ("Measure", "Trades", "Lowest", "Lower quarter", "Median", "Upper quarter", "Highest")
    rows = [
        (name.capitalize(), count(found["trades"]), *(number(found.get(key, nothing)) for key in QUANTILES))
        for name, found in measured.items()
    ]
    return Table(head, rows)
