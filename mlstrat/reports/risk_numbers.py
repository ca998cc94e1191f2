"""What breakers on data stopped, and how risky the trades were when they were decided."""

from __future__ import annotations

import numpy as np

from mlstrat.reports.story import Story
from mlstrat.signals.flags import FLAG_NAMES
from mlstrat.signals.funnel import QUALITY
from mlstrat.signals.risk import MEASURES

QUANTILES = {"lowest": 0.0, "lower_quarter": 0.25, "median": 0.5, "upper_quarter": 0.75, "highest": 1.0}


def flag_counts(story: Story) -> dict[str, dict[str, int]]:
    """Return for each breaker on data the predicted bars that it flags, and the signals among them."""
    decisions, known = story.decisions, story.predictions.known
    signal = decisions.stage >= QUALITY
    counts = {}
    for bit, name in FLAG_NAMES.items():
        flagged = known & (decisions.flags & bit != 0)
        counts[name] = {"bars": int(flagged.sum()), "signals": int((flagged & signal).sum())}
    return counts


def risk_at_entry(story: Story) -> dict[str, dict[str, float]]:
    """Return for each measure the number of trades for which it is known, and its `QUANTILES` over them."""
    if story.risk is None:
        return {}
    measured = {}
    for name in MEASURES:
        at = getattr(story.risk, name)[story.result.trades.signal_bar]
        known = at[np.isfinite(at)]
        spread = {key: float(np.quantile(known, q)) for key, q in QUANTILES.items()} if len(known) else {}
        measured[name] = {"trades": len(known), **spread}
    return measured
