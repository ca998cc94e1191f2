"""What a column of a sweep adds up on its way: cash, equity, trades, and what became of candidates.

These are tuples of numbers, and the functions on them are put into their callers: a compiled function counts
every array that is handed to it, and at this speed the counting would take longer than the work.
"""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

from mlstrat.arrays import FloatArray, njit
from mlstrat.execution.rule import breaker_step, entry_price, payable, profit_of, units_for
from mlstrat.execution.types import FEE, OPEN
from mlstrat.sweep.charges import Charges

within = partial(njit, inline=True)

# Columns of a recorded trade.
LOGGED = (
    "signal_bar",
    "entry_bar",
    "exit_bar",
    "side",
    "units",
    "entry_price",
    "exit_price",
    "commission",
    "profit",
    "reason",
    "funding",
)


class Path(NamedTuple):
    """What the equity of a column has done so far: the last close, the peak, the lowest close since, the
    deepest drawdown, and sums over bars of returns, their squares, and the squares of those below zero."""

    equity: float
    peak: float
    trough: float
    deepest: float
    total: float
    squares: float
    down: float


class Tally(NamedTuple):
    """What the trades of a column came to: how many ended, how many won, sums of profits and losses, of
    profits as shares of entry value, of commission, of closes at which a position was held; and whether one
    is still open."""

    trades: float
    won: float
    gained: float
    lost: float
    shares: float
    fees: float
    held: float
    opened: float


class Counts(NamedTuple):
    """Candidates seen while flat, and what became of those that are no trades."""

    sent: float
    blocked: float
    zero: float
    cancelled: float


class Gains(NamedTuple):
    """Where a column's returns go: bar t is added to `row[t // every]`; `every` 0 = they are not wanted."""

    row: FloatArray
    every: int


class Account(NamedTuple):
    """A column on its way: cash, the bar at which the breakers were last asked, what they said, and sums."""

    cash: float
    asked: int
    allowed: bool
    path: Path
    tally: Tally
    counts: Counts


# Columns of a finished account.
MEASURED = (*Path._fields, *Tally._fields, *Counts._fields)


@within
def rules_row(row: FloatArray) -> FloatArray:
    """Return the row of `RiskRules` as a tuple, which the compiled functions of the rule read as well."""
    return (row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8], row[9], row[10])  # type: ignore[return-value]


@within
def opened(cash: float) -> Account:
    """Return an account before the first bar."""
    return Account(
        cash,
        -1,
        True,
        Path(cash, cash, cash, 0.0, 0.0, 0.0, 0.0),
        Tally(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        Counts(0.0, 0.0, 0.0, 0.0),
    )


@within
def asked(account: Account, bar: int, allowed: bool) -> Account:
    """Note what the breakers said."""
    return Account(account.cash, bar, allowed, account.path, account.tally, account.counts)


@within
def counted(account: Account, blocked: bool, zero: bool, cancelled: bool) -> Account:
    """Count a candidate that was seen while flat, and what became of it."""
    c = account.counts
    counts = Counts(c.sent + 1.0, c.blocked + blocked, c.zero + zero, c.cancelled + cancelled)
    return Account(account.cash, account.asked, account.allowed, account.path, account.tally, counts)


@within
def gained_on(before: float, equity: float) -> float:
    """Return the return of a bar, as `mlstrat.execution.types.returns_of` does."""
    if before <= 0.0:
        return 0.0
    return equity / before - 1.0 if equity > 0.0 else -1.0


@within
def walked(
    path: Path, close: FloatArray, first: int, held: int, signed: float, cash: float, gains: Gains
) -> Path:
    """Add the closes of a trade; its own sums first, so that little is lost to rounding."""
    before, peak, trough, deepest = path.equity, path.peak, path.trough, path.deepest
    total, squares, down = 0.0, 0.0, 0.0
    for t in range(first, first + held):
        equity = cash + signed * close[t]
        gained = gained_on(before, equity)
        if gains.every > 0:
            gains.row[t // gains.every] += gained
        total += gained
        squares += gained * gained
        down += min(gained, 0.0) ** 2
        if equity > peak:
            peak = trough = equity
        elif equity < trough:
            trough = equity
            deepest = max(deepest, 1.0 - trough / peak)
        before = equity
    return Path(before, peak, trough, deepest, path.total + total, path.squares + squares, path.down + down)


@within
def stepped(path: Path, bar: int, equity: float, gains: Gains) -> Path:
    """Add one close, such as that of the bar on which a trade ended."""
    peak, trough, deepest = path.peak, path.trough, path.deepest
    gained = gained_on(path.equity, equity)
    if gains.every > 0:
        gains.row[bar // gains.every] += gained
    if equity > peak:
        peak = trough = equity
    elif equity < trough:
        trough = equity
        deepest = max(deepest, 1.0 - trough / peak)
    total, squares = path.total + gained, path.squares + gained * gained
    return Path(equity, peak, trough, deepest, total, squares, path.down + min(gained, 0.0) ** 2)


@njit
def charged(
    path: Path,
    close: FloatArray,
    dues: FloatArray,
    first: int,
    end: int,
    side: int,
    units: float,
    cash: float,
    last_due: float,
    gains: Gains,
) -> tuple[Path, float, float]:
    """Add the closes before `end` of a trade that pays for being held; return its cash and what it paid too.

    `last_due` is what a unit pays where the trade ends; NaN where it has not ended.
    """
    funding, place = 0.0, 0 if side > 0 else 2
    closed = not math.isnan(last_due)
    for t in range(first, end + closed):
        over = units * dues[t, place] if t > first else 0.0
        due = units * (dues[t, place + 1] if t < end else last_due)
        cash, funding = cash - over - due, funding + over + due
        if t < end:
            path = stepped(path, t, cash + side * units * close[t], gains)
    return path, cash, funding


@within
def tallied(tally: Tally, profit: float, value: float, fees: float, held: float, closed: bool) -> Tally:
    """Add a trade: its profit, what its entry was worth, its commission and the closes it was held at."""
    if not closed:
        opened = Tally(
            tally.trades,
            tally.won,
            tally.gained,
            tally.lost,
            tally.shares,
            tally.fees + fees,
            tally.held + held,
            1.0,
        )
        return opened
    return Tally(
        tally.trades + 1.0,
        tally.won + (profit > 0.0),
        tally.gained + max(profit, 0.0),
        tally.lost - min(profit, 0.0),
        tally.shares + profit / value,
        tally.fees + fees,
        tally.held + held,
        0.0,
    )


@within
def ordered(
    account: Account,
    bar: int,
    close_seconds: float,
    close: float,
    next_open: float,
    side: int,
    fraction: float,
    units: float,
    rules: FloatArray,
    state: FloatArray,
) -> tuple[Account, float]:
    """Take a candidate at a flat close, and return the quantity that the next open fills; 0 = none.

    `next_open` is NaN at the last bar, after which nothing fills.
    """
    if account.asked != bar:
        account = asked(account, bar, breaker_step(state, bar, close_seconds, account.cash, rules))
    if not account.allowed:
        return counted(account, True, False, False), 0.0
    order = units_for(account.cash, close, fraction, units, rules)
    if order == 0.0:
        return counted(account, False, True, False), 0.0
    if math.isnan(next_open):
        return counted(account, False, False, False), 0.0
    if not payable(side, order, entry_price(side, next_open, rules), account.cash, rules):
        return counted(account, False, False, True), 0.0
    return counted(account, False, False, False), order


@within
def booked(
    account: Account,
    close: FloatArray,
    signal: int,
    side: int,
    units: float,
    paid: float,
    end: int,
    reason: int,
    price: float,
    rules: FloatArray,
    gains: Gains,
    charges: Charges | None,
    last_due: float,
) -> tuple[Account, float, float, float]:
    """Carry the trade decided at `signal` to its end; return its commission, funding and profit too.

    `last_due` is what a unit is charged where the trade ends.
    """
    fee, closed = rules[FEE], reason != OPEN
    cash = account.cash - units * paid * (side + fee)
    held = end - signal - 1 if closed else end - signal
    funding, first = 0.0, signal + 1
    if charges is None:
        path = walked(account.path, close, first, held, side * units, cash, gains)
    else:
        due, until = last_due if closed else math.nan, first + held
        path, cash, funding = charged(
            account.path, close, charges.dues, first, until, side, units, cash, due, gains
        )
    fees = units * (paid + price) * fee if closed else units * paid * fee
    if closed:
        cash += units * price * (side - fee)
        path = stepped(path, end, cash, gains)
    profit = profit_of(side, units, paid, price, fees + funding)
    tally = tallied(account.tally, profit, units * paid, fees, held, closed)
    account = Account(cash, account.asked, account.allowed, path, tally, account.counts)
    return account, fees, funding, profit


@njit
def logged(
    log: FloatArray,
    row: int,
    signal: int,
    end: int,
    side: int,
    units: float,
    paid: float,
    price: float,
    fees: float,
    funding: float,
    profit: float,
    reason: int,
) -> None:
    """Write a trade down in the order of `LOGGED`."""
    log[row, 0], log[row, 1], log[row, 2], log[row, 3], log[row, 4] = signal, signal + 1, end, side, units
    log[row, 5], log[row, 6], log[row, 7], log[row, 8], log[row, 9] = paid, price, fees, profit, reason
    log[row, 10] = funding


@njit
def gains_of(gains: FloatArray, column: int, every: int) -> Gains:
    """Return where the returns of a column go; all share the first row where none are wanted."""
    return Gains(gains[column if every > 0 else 0], every)


@within
def written(account: Account, out: FloatArray) -> None:
    """Write an account down in the order of `MEASURED`."""
    p, t, c = account.path, account.tally, account.counts
    out[0], out[1], out[2], out[3], out[4], out[5], out[6] = p
    out[7], out[8], out[9], out[10], out[11], out[12], out[13], out[14] = t
    out[15], out[16], out[17], out[18] = c
