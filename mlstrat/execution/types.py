"""Value types of execution: what is decided, under which rules, and what came of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mlstrat.arrays import FloatArray, IntArray, SideArray, TimeArray
from mlstrat.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd

LONG, FLAT, SHORT = 1, 0, -1
SIDE_NAMES = {LONG: "long", SHORT: "short", FLAT: "flat"}

# Why a trade ended, as stored in orders and trades.
OPEN, STOP, TARGET, TIME = 0, 1, 2, 3
REASON_NAMES = {OPEN: "open", STOP: "stop", TARGET: "target", TIME: "time"}

TRADE_COLUMNS = (
    "symbol",
    "side",
    "units",
    "entry_time",
    "exit_time",
    "entry_price",
    "exit_price",
    "commission",
    "profit",
    "reason",
)
# Of a run that charged funding or borrow.
CHARGED_COLUMNS = (*TRADE_COLUMNS[:-2], "funding", *TRADE_COLUMNS[-2:])

# Quantities and prices are counted in 64-bit integers of their grid, which a finer one would overflow.
_FINEST = 1e-12
_GRID = "a number from 1e-12 to 1e12 that is whole from 1 on, and whose inverse is whole below, such as 0.01"


@dataclass(frozen=True)
class RiskRules:
    """Everything besides the decisions that execution needs. Immutable for a run.

    Parameters
    ----------
    cash : float
        Starting equity, in quote currency.
    fee_share : float
        Commission of one fill as a share of its value; charged on entry and on exit.
    tick, step : float
        Price and quantity grids of the instrument.
    min_notional : float
        Orders worth less than this at the deciding close are not sent, in quote currency.
    slippage_ticks : float
        Ticks lost on market and stop fills; none on targets.
    gap_reserve : float
        Share of an order's value kept in cash, so that the open of the next bar can be paid.
    max_drawdown : float
        Entries pause when cash falls this share below its peak, which is then measured afresh, so that a
        long decline pauses them again and again; 0 = never.
    max_daily_loss : float
        Entries pause when cash falls this share below what it was at the last flat close of the days
        before (UTC); 0 = never.
    max_losing_streak : int
        Entries pause after so many losing trades in a row; 0 = never.
    cooldown_bars : int
        Bars for which entries pause once a breaker opens.
    """

    cash: float = 10_000.0
    fee_share: float = 0.0
    tick: float = 0.01
    step: float = 0.00001
    min_notional: float = 0.0
    slippage_ticks: float = 0.0
    gap_reserve: float = 0.01
    max_drawdown: float = 0.0
    max_daily_loss: float = 0.0
    max_losing_streak: int = 0
    cooldown_bars: int = 24

    def __post_init__(self) -> None:
        self._allow(0 < self.cash < math.inf, "cash", "a finite amount above 0")
        for name in ("fee_share", "gap_reserve", "max_drawdown", "max_daily_loss"):
            self._allow(0 <= getattr(self, name) < 1, name, "a share from 0 to below 1, such as 0.001")
        for name in ("tick", "step"):
            self._allow(_is_grid(getattr(self, name)), name, _GRID)
        for name in ("min_notional", "slippage_ticks", "max_losing_streak", "cooldown_bars"):
            self._allow(0 <= getattr(self, name) < math.inf, name, "a finite number from 0")

    def _allow(self, holds: bool, name: str, allowed: str) -> None:
        if not holds:
            raise ConfigError(f"the risk rules' {name} is {getattr(self, name)}: give {allowed}.")

    def as_row(self) -> FloatArray:
        """Return the rules as the flat row of numbers that the compiled functions take."""
        return np.array(
            [
                self.cash,
                self.fee_share,
                self.tick,
                self.step,
                self.min_notional,
                self.slippage_ticks,
                self.gap_reserve,
                self.max_drawdown,
                self.max_daily_loss,
                self.max_losing_streak,
                self.cooldown_bars,
            ],
            np.float64,
        )


def _is_grid(size: float) -> bool:
    if not _FINEST <= size <= 1 / _FINEST:
        return False
    whole = size if size >= 1 else 1 / size
    return abs(whole - round(whole)) <= 1e-6 * whole


# Positions in the row above.
CASH, FEE, TICK, STEP, MIN_NOTIONAL, SLIP, RESERVE, MAX_DD, MAX_DAY, MAX_STREAK, COOLDOWN = range(11)


# Stand for zeros where no flags or no funding are given: how many are needed is not known before.
_NO_FLAGS: SideArray = np.zeros(0, np.int8)
_NO_FUNDING: FloatArray = np.zeros(0)

DECISION_COLUMNS = ("side", "fraction", "units", "stop", "target", "max_bars", "stage", "quality", "flags")


@dataclass(frozen=True, eq=False)
class Decisions:
    """One candidate trade a bar, made at its close *as if flat* from what was known at that close.

    Parameters
    ----------
    symbol : str
        Name of the instrument.
    time : (n_bars,) datetime64[ns]
        Open time of the deciding bar, UTC.
    side : (n_bars,) int8
        1 long, -1 short, 0 no trade.
    fraction : (n_bars,) float64
        Share of equity to hold, in [0, 1].
    units : (n_bars,) float64
        Quantity, where the decision gives it itself; NaN = from `fraction`.
    stop, target : (n_bars,) float64
        Prices on the tick grid; NaN where there is no trade.
    max_bars : (n_bars,) int64
        N of the time exit: requested at the close of bar (deciding bar + N); 0 = none.
    stage : (n_bars,) int8
        How far each bar came through the funnel (see `mlstrat.signals.funnel`).
    quality : (n_bars,) float64
        Signal quality, 0 to 100; NaN where there is no signal.
    flags : (n_bars,) int8, optional
        Breakers on data that are open at the bar, as bits (see `mlstrat.signals.flags`); by default none. A
        flagged bar has no trade.

    Raises
    ------
    DataError
        Columns of different lengths, a fraction outside [0, 1], a stop on the wrong side, or a trade at a
        flagged bar.
    """

    symbol: str
    time: TimeArray
    side: SideArray
    fraction: FloatArray
    units: FloatArray
    stop: FloatArray
    target: FloatArray
    max_bars: IntArray
    stage: SideArray
    quality: FloatArray
    flags: SideArray = field(default_factory=lambda: _NO_FLAGS)

    def __post_init__(self) -> None:
        n = len(self.time)
        if self.flags is _NO_FLAGS:
            object.__setattr__(self, "flags", np.zeros(n, np.int8))
        for name in DECISION_COLUMNS:
            column = getattr(self, name)
            if column.shape != (n,):
                raise DataError(
                    f"decisions.{name} has shape {column.shape}, time has ({n},): give equal lengths."
                )
            column.setflags(write=False)
        known = np.isin(self.side, (LONG, FLAT, SHORT))
        self._refuse(
            ~known, "has a side that is none of 1, 0, -1", "give 1 for long, -1 for short, 0 for none"
        )
        trading = self.side != FLAT
        bad = trading & ~((self.fraction >= 0) & (self.fraction <= 1))
        self._refuse(bad, "has a fraction outside [0, 1]", "give a share of equity")
        crossed = trading & ~((self.target - self.stop) * self.side > 0)
        self._refuse(crossed, "has no stop short of its target", "a long's stop lies below its target")
        below = trading & ~(np.minimum(self.stop, self.target) > 0)
        self._refuse(below, "has a stop or target of zero or less", "give prices above zero")
        flagged = trading & (self.flags != 0)
        self._refuse(flagged, "has a side and a flag", "a flagged bar has side 0")

    def _refuse(self, bad: np.ndarray, what: str, remedy: str) -> None:
        if bad.any():
            row = int(np.argmax(bad))
            raise DataError(f"decision {row} of {self.symbol} ({self.time[row]}) {what}: {remedy}.")

    def __len__(self) -> int:
        return len(self.time)

    def frame(self) -> pd.DataFrame:
        """Return the decisions as a DataFrame, one row a bar."""
        import pandas as pd

        columns = {name: getattr(self, name) for name in DECISION_COLUMNS}
        frame = pd.DataFrame(columns, index=pd.DatetimeIndex(self.time, tz="UTC", name="time"))
        frame.insert(0, "symbol", self.symbol)
        return frame


@dataclass(frozen=True, eq=False)
class Trades:
    """Closed and open trades, in order of entry; one entry an array element.

    `entry_bar` and `exit_bar` index the bars; `exit_bar` is the last bar where `reason` is OPEN, and
    `exit_price` is then its close (marked, not filled). `commission`, `funding` (with borrow; positive =
    paid) and `profit` (after both) are in quote currency; an open trade has paid its entry commission only.
    """

    signal_bar: IntArray
    entry_bar: IntArray
    exit_bar: IntArray
    side: SideArray
    units: FloatArray
    entry_price: FloatArray
    exit_price: FloatArray
    commission: FloatArray
    profit: FloatArray
    reason: SideArray
    funding: FloatArray = field(default_factory=lambda: _NO_FUNDING)

    def __post_init__(self) -> None:
        if self.funding is _NO_FUNDING:
            object.__setattr__(self, "funding", np.zeros(len(self)))

    def __len__(self) -> int:
        return len(self.side)

    @property
    def closed(self) -> np.ndarray:
        """(n_trades,) bool: whether each trade has ended."""
        return np.asarray(self.reason != OPEN)


def returns_of(equity: FloatArray, cash: float) -> FloatArray:
    """Return the simple return of equity over each bar; the first is from starting cash.

    A bar that ends with nothing left, or with debts, has -1: all was lost and no more than that. One that
    begins so has 0, since nothing can be earned on nothing.

    Parameters
    ----------
    equity : (n_bars,) float64
        At each close.
    cash : float
        Before the first bar.
    """
    before = np.r_[cash, equity[:-1]]
    alive = before > 0.0
    ratio = equity / np.where(alive, before, 1.0) - 1.0
    return np.asarray(np.where(alive, np.where(equity > 0.0, ratio, -1.0), 0.0))


@dataclass(frozen=True, eq=False)
class Result:
    """What execution made of the decisions: the same in every engine.

    Parameters
    ----------
    symbol : str
        Name of the instrument.
    time : (n_bars,) datetime64[ns]
        Open time of each bar, UTC.
    equity : (n_bars,) float64
        Cash plus the open position at the close, after all commissions and funding, in quote currency.
    trades : Trades
        Every trade, the open one included.
    cancelled : int
        Entries that the next open made too dear to pay, so that they were cancelled.
    sent, blocked, zero_units : int
        Candidates seen while flat, those a breaker stopped, and those whose quantity rounded to 0.
    rules : RiskRules
        The rules it ran under.
    engine : str
        Which engine ran it.
    charged : bool
        Whether funding or borrow was charged.
    """

    symbol: str
    time: TimeArray
    equity: FloatArray
    trades: Trades
    cancelled: int
    sent: int
    blocked: int
    zero_units: int
    rules: RiskRules
    engine: str = "kernel"
    charged: bool = False

    @cached_property
    def returns(self) -> FloatArray:
        """(n_bars,) float64: simple return of equity over each bar, see `returns_of`."""
        return returns_of(self.equity, self.rules.cash)

    @property
    def trade_columns(self) -> tuple[str, ...]:
        """The columns of its `trades.csv`."""
        return CHARGED_COLUMNS if self.charged else TRADE_COLUMNS

    def trades_frame(self) -> pd.DataFrame:
        """Return the trades with the columns of `trades.csv`, times as UTC open times of the filling bars.

        `funding` is among them where it was charged.
        """
        import pandas as pd

        t = self.trades
        return pd.DataFrame(
            {
                "symbol": self.symbol,
                "side": [SIDE_NAMES[int(side)] for side in t.side],
                "units": t.units,
                "entry_time": pd.DatetimeIndex(self.time[t.entry_bar], tz="UTC"),
                "exit_time": pd.DatetimeIndex(self.time[t.exit_bar], tz="UTC"),
                "entry_price": t.entry_price,
                "exit_price": t.exit_price,
                "commission": t.commission,
                "funding": t.funding,
                "profit": t.profit,
                "reason": [REASON_NAMES[int(reason)] for reason in t.reason],
            },
            columns=list(self.trade_columns),
        )
