"""One way in which real fills may be worse than the execution rule has them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.errors import ConfigError

# Positions in the row that compiled code takes; slippage is added to the rules' own before.
HALF_SPREAD, DELAY, WORST, SHARE = range(4)


@dataclass(frozen=True)
class Assumption:
    """What is assumed on top of the execution rule and its costs; the default adds nothing.

    Parameters
    ----------
    slippage_ticks : float
        Ticks lost on market and stop fills, beyond those of the rules.
    half_spread : float
        Half the distance of ask and bid, as a share of price; prices of bars are taken as the middle. Market
        and stop fills are worse by it. A target fills where the quote of its side reaches it.
    delay_bars : int
        Market orders, entry and time exit, fill so many opens late. Quantity, stop and target stay as
        decided.
    worst_order : bool
        Of stop and target touched inside one bar, the stop came first.
    volume_share : float
        An entry is at most this share of the volume of the deciding bar, and again of the filling bar.

    Raises
    ------
    ConfigError
        A value is outside what it can be.
    """

    slippage_ticks: float = 0.0
    half_spread: float = 0.0
    delay_bars: int = 0
    worst_order: bool = False
    volume_share: float = math.inf

    def __post_init__(self) -> None:
        self._allow(0 <= self.slippage_ticks < math.inf, "slippage_ticks", "a finite number from 0")
        self._allow(0 <= self.half_spread < 1, "half_spread", "a share of price from 0 to below 1")
        whole = self.delay_bars == int(self.delay_bars) if math.isfinite(self.delay_bars) else False
        self._allow(whole and self.delay_bars >= 0, "delay_bars", "a whole number of bars from 0")
        self._allow(
            self.volume_share > 0, "volume_share", "a share of volume above 0, or infinity for no cap"
        )

    def _allow(self, holds: bool, name: str, allowed: str) -> None:
        if not holds:
            raise ConfigError(f"the assumption's {name} is {getattr(self, name)}: give {allowed}.")

    @property
    def name(self) -> str:
        """A few words, such as `delay of 1 bar`."""
        parts = [words for words, _ in self._parts()]
        return ", ".join(parts) if parts else "as assumed"

    @property
    def sentence(self) -> str:
        """What it means for fills."""
        parts = [meaning for _, meaning in self._parts()]
        return "; ".join(parts) if parts else "fills are those of the execution rule, at the costs of the run"

    def _parts(self) -> list[tuple[str, str]]:
        ticks, bars = f"{self.slippage_ticks:g}", f"{self.delay_bars}"
        points, share = f"{self.half_spread * 1e4:.6g}", f"{self.volume_share * 100.0:.6g}"
        every = (
            (
                self.slippage_ticks > 0,
                f"{_several(ticks, 'tick')} more slippage",
                f"market and stop fills are worse by {_several(ticks, 'tick')}",
            ),
            (
                self.half_spread > 0,
                f"half spread of {points}\u00a0bp",
                f"market and stop fills are worse by {points}\u00a0bp of price, and a target fills only "
                "where prices go beyond it by as much",
            ),
            (
                self.delay_bars > 0,
                f"delay of {_several(bars, 'bar')}",
                f"entries and time exits fill {_several(bars, 'bar')} late, with quantity, stop and target "
                "as decided",
            ),
            (
                self.worst_order,
                "stop before target",
                "where a bar touches stop and target, the stop came first",
            ),
            (
                self.volume_share < math.inf,
                f"at most {share}\u00a0% of volume",
                f"an entry is at most {share}\u00a0% of the volume of the deciding and of the filling bar",
            ),
        )
        return [(words, meaning) for applies, words, meaning in every if applies]

    def as_row(self) -> FloatArray:
        """Return half spread, delay, worst order and volume share as numbers."""
        return np.array([self.half_spread, self.delay_bars, self.worst_order, self.volume_share], np.float64)


def _several(amount: str, noun: str) -> str:
    return f"{amount} {noun}{'' if amount == '1' else 's'}"
