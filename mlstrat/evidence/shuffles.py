"""What luck does to trades: the same trades in another order, and the same holding at other times."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.errors import DataError

_CELLS = 2**21  # trades times draws in memory at a time


@dataclass(frozen=True, eq=False)
class ShuffledTrades:
    """Deepest drawdowns of the same trades in random orders.

    Parameters
    ----------
    drawdown : float
        Of the trades in their own order, as a share of the peak; NaN without trades.
    drawn : (draws,) float64
        Of each random order.
    share_deeper : float
        Share of orders, the own one counted among them, that go at least as deep. Near 1: the order was
        lucky, and one must be ready for more.
    """

    drawdown: float
    drawn: FloatArray
    share_deeper: float


def shuffled_trades(shares: FloatArray, *, draws: int = 1000, seed: int = 7) -> ShuffledTrades:
    """Permute trades and compound them: drawdowns between trades that other orders would have had.

    The total is the same in every order. It holds if trades do not depend on each other; losses that come in
    runs make real drawdowns deeper than these.

    Parameters
    ----------
    shares : (n_trades,) float64
        Profit of each trade after costs, as a share of equity at its entry, in time order.
    draws, seed : int
        Random orders, and the seed.

    Raises
    ------
    DataError
        A share is not finite.
    """
    own = np.asarray(shares, dtype=np.float64)
    _refuse_unknown(own, "profit of trade")
    if not len(own):
        return ShuffledTrades(math.nan, np.full(draws, math.nan), math.nan)
    random, step = np.random.default_rng(seed), max(1, _CELLS // len(own))
    drawn = np.concatenate(
        [
            _deepest(random.permuted(np.tile(own, (min(step, draws - done), 1)), axis=1))
            for done in range(0, draws, step)
        ]
    )
    drawdown = float(_deepest(own[None, :])[0])
    # A sum of the same numbers in another order may differ in its last digits.
    deeper = np.count_nonzero(drawn >= drawdown * (1.0 - 1e-12))
    return ShuffledTrades(drawdown, drawn, float((1 + deeper) / (1 + draws)))


@dataclass(frozen=True, eq=False)
class RandomEntry:
    """Mean profit of a trade beside that of random entries.

    Parameters
    ----------
    mean_profit : float
        Of the strategy's own entries, as a share of entry value, after costs; NaN without trades.
    drawn : (draws,) float64
        The same of each random placing.
    p : float
        Share of placings, the own one counted among them, with at least that mean; NaN without trades.
    """

    mean_profit: float
    drawn: FloatArray
    p: float


def random_entry(
    entry_bar: IntArray,
    bars_held: IntArray,
    side: IntArray,
    opens: FloatArray,
    cost_share: float,
    *,
    draws: int = 1000,
    seed: int = 7,
) -> RandomEntry:
    """Place the same holdings, with their sides, at random and compare the mean profit of a trade.

    A placing keeps every holding time and side, puts them in random order, never two at a time, and cuts the
    bars that are free by uniform points. It says whether the *times* of entry were worth something: a
    long-only strategy in a rising market gets its drift here as in its own trades. Both are filled at opens,
    entry and exit, so that stops are not in it and like is compared with like.

    Parameters
    ----------
    entry_bar : (n_trades,) int64
        Bars at whose open trades are entered.
    bars_held : (n_trades,) int64
        Bars from there to the bar at whose open they end, at least 1.
    side : (n_trades,) int64
        1 long, -1 short.
    opens : (n_bars,) float64
        Open prices of the bars in which trades may lie; begin with the first bar the strategy could trade.
    cost_share : float
        Cost of a whole trade, entry and exit, as a share of its entry value.
    draws, seed : int
        Placings, and the seed.

    Raises
    ------
    DataError
        Trades do not fit the bars, a price is not positive, or they are held longer than there are bars.
    """
    entry, held, signed = (np.asarray(part, dtype=np.int64) for part in (entry_bar, bars_held, side))
    _refuse_unfit(entry, held, signed, opens)
    if not len(entry):
        return RandomEntry(math.nan, np.full(draws, math.nan), math.nan)
    own = float(np.mean(_profits(opens, entry, held, signed))) - cost_share
    random, step = np.random.default_rng(seed), max(1, _CELLS // len(entry))
    drawn = np.concatenate(
        [_placed(random, min(step, draws - done), held, signed, opens) for done in range(0, draws, step)]
    )
    drawn -= cost_share
    return RandomEntry(own, drawn, float((1 + np.count_nonzero(drawn >= own)) / (1 + draws)))


def _placed(
    random: np.random.Generator, draws: int, held: IntArray, side: IntArray, opens: FloatArray
) -> FloatArray:
    """(draws,) mean profit before costs of random placings."""
    order = random.permuted(np.tile(np.arange(len(held)), (draws, 1)), axis=1)
    lasting = held[order]
    free = len(opens) - int(held.sum())
    before = np.sort(random.integers(0, free, order.shape), axis=1)
    entry = before + np.cumsum(lasting, axis=1) - lasting
    return np.asarray(_profits(opens, entry, lasting, side[order]).mean(axis=1))


def _profits(opens: FloatArray, entry: IntArray, held: IntArray, side: IntArray) -> FloatArray:
    return np.asarray(side * (opens[entry + held] / opens[entry] - 1.0))


def _deepest(shares: FloatArray) -> FloatArray:
    """(rows,) deepest drawdown of each row of compounded shares; an account that lost all stays at 0."""
    equity = np.maximum(np.cumprod(np.maximum(1.0 + shares, 0.0), axis=1), 0.0)
    peak = np.maximum(np.maximum.accumulate(equity, axis=1), 1.0)
    return np.asarray((1.0 - equity / peak).max(axis=1))


def _refuse_unknown(values: FloatArray, what: str) -> None:
    if not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values)))
        raise DataError(f"the {what} {row} is {values[row]}: leave out trades that are still open.")


def _refuse_unfit(entry: IntArray, held: IntArray, side: IntArray, opens: FloatArray) -> None:
    if not (entry.shape == held.shape == side.shape):
        raise DataError(
            f"{entry.shape} entries, {held.shape} holding times and {side.shape} sides do not match: "
            "give one of each a trade."
        )
    if not (np.isfinite(opens).all() and np.all(opens > 0.0)):
        raise DataError("an open price is not a positive number: give the opens of validated bars.")
    if np.any(held < 1) or not np.isin(side, (-1, 1)).all():
        raise DataError("a trade is held for less than a bar or has no side: leave such trades out.")
    if np.any(entry < 0) or np.any(entry + held >= len(opens)):
        raise DataError(
            f"a trade lies outside the {len(opens):,} bars: count bars from the first open given."
        )
    if held.sum() >= len(opens):
        raise DataError(
            f"trades are held for {held.sum():,} of {len(opens):,} bars, so there is no room to move them: "
            "test a strategy with one position at a time that is not always held."
        )
