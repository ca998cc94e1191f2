"""Two results of the same decisions, trade by trade: how many are identical, and why the others are not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray
from mlstrat.data.bars import Bars
from mlstrat.errors import DataError
from mlstrat.execution.types import Result, Trades
from mlstrat.parity.causes import COUNTERS, SAME, Difference, of_counters, of_equity, of_one_alone, of_pair
from mlstrat.parity.pairing import Pairs, pair


@dataclass(frozen=True)
class Comparison:
    """What an engine made of decisions, beside the reference.

    Parameters
    ----------
    engine : str
        The engine compared.
    identical, total : int
        Trades alike in bars, side and reason, and within `SAME` in quantity, prices, commission,
        funding and profit; and trades in the longer of the two lists.
    price, units, profit, equity : float
        Largest absolute differences, of the trades that both made and of the equity at the closes that both
        have.
    counters : dict
        By name, how often the reference and the other did it: candidates sent, blocked by a breaker, rounded
        to zero units, and entries cancelled.
    differences : tuple of Difference
        In order of time; empty where nothing differs.
    """

    engine: str
    identical: int
    total: int
    price: float
    units: float
    profit: float
    equity: float
    counters: dict[str, tuple[int, int]]
    differences: tuple[Difference, ...]

    @property
    def same(self) -> bool:
        """Whether trades, equity and counters are all alike."""
        return not self.differences

    @property
    def causes(self) -> dict[str, int]:
        """How many differences have which cause, the most frequent first."""
        return dict(Counter(difference.cause for difference in self.differences).most_common())


def compare(reference: Result, other: Result, bars: Bars) -> Comparison:
    """Compare what two engines made of the same decisions on the same bars.

    Trades are paired by their entry bar, then by their signal bar, then by side and a neighbouring entry
    bar; what is left was made by one engine alone.

    Parameters
    ----------
    reference : Result
        On all bars, such as the kernel's.
    other : Result
        On the same bars, or on the last of them where an engine has to warm up.
    bars : Bars
        The bars.

    Raises
    ------
    DataError
        A result is of other bars.
    """
    if _first_bar(reference, bars) != 0:
        raise DataError("the reference begins after the first bar: compare with a result on all bars.")
    first = _first_bar(other, bars)
    other = _on(first, other)
    gap = other.equity - reference.equity[first:]
    pairs = pair(reference.trades, other.trades)
    unlike = _unlike(reference.trades, other.trades, pairs)
    differences = _of_trades(reference, other, bars, pairs, unlike, first)
    scale = np.maximum(np.abs(reference.equity[first:]), reference.rules.cash)
    if not differences:
        differences = of_equity(bars, gap, np.abs(gap) <= SAME * scale, first) + of_counters(reference, other)
    return Comparison(
        engine=other.engine,
        identical=len(unlike) - int(unlike.sum()),
        total=max(len(reference.trades), len(other.trades)),
        price=max(_largest(reference, other, pairs, name) for name in ("entry_price", "exit_price")),
        units=_largest(reference, other, pairs, "units"),
        profit=_largest(reference, other, pairs, "profit"),
        equity=float(np.max(np.abs(gap), initial=0.0, where=np.isfinite(gap))),
        counters={name: (getattr(reference, name), getattr(other, name)) for name in COUNTERS},
        differences=tuple(differences),
    )


def _first_bar(result: Result, bars: Bars) -> int:
    """Return the bar with which a result begins."""
    first = len(bars) - len(result.time)
    if first < 0 or not np.array_equal(bars.time[first:], result.time):
        raise DataError(
            f"the result of {result.engine} ({len(result.time):,} bars) is not of the last of these "
            f"{len(bars):,} bars of {bars.symbol}: compare results on the same bars."
        )
    return first


def _on(first: int, result: Result) -> Result:
    """Return a result whose trades count all bars, and not from its own first."""
    if first == 0:
        return result
    trades = result.trades
    moved = {name: getattr(trades, name) + first for name in ("signal_bar", "entry_bar", "exit_bar")}
    return replace(result, trades=replace(trades, **moved))


def _unlike(ours: Trades, theirs: Trades, pairs: Pairs) -> BoolArray:
    """(n_pairs,) bool: whether a pair differs in anything."""

    def both(name: str) -> tuple[FloatArray, FloatArray]:
        return getattr(ours, name)[pairs.ours], getattr(theirs, name)[pairs.theirs]

    unlike = np.zeros(len(pairs.ours), bool)
    for name in ("entry_bar", "exit_bar", "side", "reason"):
        unlike |= np.not_equal(*both(name))
    for name in ("units", "entry_price", "exit_price"):
        one, other = both(name)
        unlike |= ~(np.abs(one - other) <= SAME * np.abs(one))
    traded = (ours.units * (ours.entry_price + ours.exit_price))[pairs.ours]
    for name in ("commission", "funding", "profit"):
        one, other = both(name)
        unlike |= ~(np.abs(one - other) <= SAME * traded)
    return unlike


def _of_trades(
    reference: Result, other: Result, bars: Bars, pairs: Pairs, unlike: BoolArray, first: int
) -> list[Difference]:
    found = [
        *(
            of_pair(reference, other, bars, int(pairs.ours[k]), int(pairs.theirs[k]), first)
            for k in np.flatnonzero(unlike)
        ),
        *(of_one_alone(reference, other, bars, int(k), first) for k in pairs.only_ours),
        *(of_one_alone(other, reference, bars, int(k), first, extra=True) for k in pairs.only_theirs),
    ]
    return sorted(found, key=lambda difference: difference.time)


def _largest(reference: Result, other: Result, pairs: Pairs, name: str) -> float:
    ours, theirs = getattr(reference.trades, name)[pairs.ours], getattr(other.trades, name)[pairs.theirs]
    gap = np.abs(ours - theirs)
    return float(np.max(gap, initial=0.0, where=np.isfinite(gap)))
