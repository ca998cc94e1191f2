"""Whether the prices of a list of trades are those of another symbol."""

from __future__ import annotations

import numpy as np

from mlstrat.data.bars import Bars
from mlstrat.parity.tradingview.reading import ListedTrades

# Entry prices beyond these multiples of the run's, at the median, are another symbol's or contract's.
_LEAST, _MOST = 0.5, 2.0
# An entry this near to its bar may be of another exchange, or adjusted for a payment.
_NEAR = 0.1
# Entries of which none may be near before that tells of another symbol.
_ENOUGH = 3


def other_prices(listed: ListedTrades, bars: Bars) -> str:
    """Return what entry prices say against the run's bars at the same times; empty where they fit them."""
    inside = (listed.entry_time >= bars.time[0]) & (listed.entry_time <= bars.time[-1])
    if not inside.any():
        return ""
    price = listed.entry_price[inside]
    bar = np.searchsorted(bars.time, listed.entry_time[inside], side="right") - 1
    ratio = float(np.median(price / bars.open[bar]))
    near = (price >= bars.low[bar] * (1.0 - _NEAR)) & (price <= bars.high[bar] * (1.0 + _NEAR))
    if _LEAST <= ratio <= _MOST and (near.any() or len(price) < _ENOUGH):
        return ""
    return (
        f"the chart is of another symbol or contract, as its entry prices are about {ratio:.3g} times the "
        f"run's: put the script on {bars.symbol} at {bars.timeframe} and export the list anew"
    )
