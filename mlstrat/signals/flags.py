"""Breakers on data: bars at which no entry is made, whatever the models say.

A bar is flagged for a volatility shock, for stale data (bars are missing before it) or for features beyond
what its window was trained on. `flag_step` is compiled and shared by batch, stream and retraining; the
batch is its loop. Breakers on equity stand in `mlstrat.execution.rule`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray, SideArray, TimeArray, njit
from mlstrat.config import RunConfig
from mlstrat.data.bars import Bars
from mlstrat.data.calendars import sessions_of
from mlstrat.data.instrument import Instrument
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import DataError

# Bits of `Decisions.flags`, and what they are called.
SHOCK, STALE, NOVEL = 1, 2, 4
FLAG_NAMES = {SHOCK: "volatility shock", STALE: "stale data", NOVEL: "novel features"}

# Positions in a state row.
_LAST_CLOSE, _LAST_ATR, _SHOCK_LEFT, _STALE_LEFT, _WEEKENDS = range(5)
_DAY = 86_400
# The longest usual closure of a market that closes, as in `mlstrat.data.gaps`.
USUAL_CLOSURE = 5.0 * _DAY


def flag_names(flags: int) -> str:
    """Return the names of the breakers that are open, empty for none."""
    return ", ".join(name for bit, name in FLAG_NAMES.items() if flags & bit)


class FlagRules(NamedTuple):
    """The section `risk` of a run as numbers, for the compiled step; 0 turns a breaker off.

    `closes` says that the market is known to close; `bar_seconds` is the length of a bar.
    """

    shock_atr: float
    shock_bars: int
    stale_bars: int
    novelty: float
    closes: bool
    bar_seconds: float


def flag_rules(config: RunConfig, timeframe: Timeframe, instrument: Instrument) -> FlagRules:
    """Return the compiled step's settings for a run."""
    risk = config.risk
    return FlagRules(
        shock_atr=risk.shock_atr,
        shock_bars=risk.shock_bars,
        stale_bars=risk.stale_bars,
        novelty=risk.novelty,
        closes=instrument.sessions_per_year > 0,
        bar_seconds=float(timeframe.seconds),
    )


def bar_flags(
    bars: Bars, atr_px: FloatArray, config: RunConfig, novelty: FloatArray | None = None
) -> SideArray:
    """Flag every bar from what was known at its close.

    Parameters
    ----------
    bars : Bars
        The bars.
    atr_px : (n_bars,) float64
        ATR(14) at each close, in price; NaN = not known, which is no shock.
    config : RunConfig
        The section risk.
    novelty : (n_bars,) float64, optional
        As `mlstrat.signals.novelty` gives it; NaN where no model speaks; by default not known.

    Returns
    -------
    (n_bars,) int8
        The sum of `SHOCK`, `STALE` and `NOVEL`.

    Raises
    ------
    DataError
        Columns of another length than the bars.
    """
    known = np.full(len(bars), np.nan) if novelty is None else novelty
    if len(atr_px) != len(bars) or len(known) != len(bars):
        raise DataError(
            f"ATR of {len(atr_px):,} and novelty of {len(known):,} rows do not match {len(bars):,} bars: "
            "give one value a bar."
        )
    missing, told = missing_before(bars.time, bars.timeframe, bars.instrument)
    rules = flag_rules(config, bars.timeframe, bars.instrument)
    return _flag_block(bars.matrix, atr_px, missing, told, known, rules)


def missing_before(
    time: TimeArray, timeframe: Timeframe, instrument: Instrument
) -> tuple[FloatArray, BoolArray]:
    """Count the bars that are missing before each one; a value depends on its bar and the one before.

    Returns
    -------
    (n_bars,) float64
        Bars that would have fitted in between: of trading time where the calendar speaks, else of any.
    (n_bars,) bool
        Whether the calendar speaks. Where it does not, the market may have been closed.
    """
    missing, told = np.zeros(len(time)), np.zeros(len(time), bool)
    missing[1:] = np.rint(np.diff(time) / timeframe.delta) - 1.0
    sessions = sessions_of(instrument.calendar, time, timeframe.delta)
    if sessions is None or timeframe.seconds > _DAY:
        return missing, told
    covered = sessions.covered(time, timeframe.delta)
    told[1:] = covered[1:] & covered[:-1]
    if timeframe.seconds == _DAY:
        trading = np.diff(sessions.index_of(time)) - 1.0
    else:
        idle = sessions.traded(time[1:]) - sessions.traded(time[:-1] + timeframe.delta)
        trading = np.floor(idle / timeframe.seconds)
    missing[1:] = np.where(told[1:], trading, missing[1:])
    return missing, told


def gaps_before(bars: Bars) -> FloatArray:
    """(n_bars,) bars missing before each one as a breaker on stale data counts them (see `flag_step`)."""
    missing, told = missing_before(bars.time, bars.timeframe, bars.instrument)
    rules = FlagRules(0.0, 0, 0, 0.0, bars.instrument.sessions_per_year > 0, float(bars.timeframe.seconds))
    return _gap_block(bars.matrix, missing, told, rules)


class FlagStream:
    """Flags of a live series, one closed bar at a time: those of `bar_flags`, bit for bit.

    Parameters
    ----------
    rules : FlagRules
        From `flag_rules`.
    timeframe, instrument
        Of the bars to come.
    """

    def __init__(self, rules: FlagRules, timeframe: Timeframe, instrument: Instrument) -> None:
        self._rules, self._timeframe, self._instrument = rules, timeframe, instrument
        self._state = flag_start()
        self._last: TimeArray | None = None

    def step(self, row: FloatArray, atr_px: float, novelty: float) -> int:
        """Take a bar at its close.

        Parameters
        ----------
        row : (6,) float64
            Open, high, low, close, volume, open time in epoch seconds: a row of `Bars.matrix`.
        atr_px, novelty : float
            As for `bar_flags`.
        """
        opened = row[5:6].astype("datetime64[s]").astype("datetime64[ns]")
        both = opened if self._last is None else np.concatenate([self._last, opened])
        missing, told = missing_before(both, self._timeframe, self._instrument)
        self._last = opened
        return flag_step(self._state, row, atr_px, missing[-1], told[-1], novelty, self._rules)


@njit
def flag_start() -> FloatArray:
    """Return the state before the first bar."""
    state = np.zeros(5)
    state[_LAST_CLOSE] = state[_LAST_ATR] = np.nan
    return state


@njit
def flag_step(
    state: FloatArray,
    bar: FloatArray,
    atr_px: float,
    missing: float,
    told: bool,
    novelty: float,
    rules: FlagRules,
) -> int:
    """Take one bar at its close and return its flags.

    A shock is a true range above `shock_atr` times the ATR(14) of the bar before; it lasts `shock_bars`
    bars, this one included, and begins anew with each. Data is stale where more than `stale_bars` bars are
    missing before this one; that lasts `stale_bars` bars. Where no calendar speaks, up to five days without
    a bar are a closure, not a gap, until the first bar on a Saturday or Sunday shows that the market stays
    open (never where the instrument closes). Features are novel at this bar alone.

    Parameters
    ----------
    state : (5,) float64
        From `flag_start`; changed in place.
    bar : (6,) float64
        A row of `Bars.matrix`.
    atr_px : float
        ATR(14) at this close, in price, or NaN.
    missing, told
        As `missing_before` gives them.
    novelty : float
        Share of novel features, or NaN.
    rules : FlagRules
        The settings.
    """
    gap = _gap_step(state, bar, missing, told, rules)
    if rules.stale_bars > 0 and gap > rules.stale_bars:
        state[_STALE_LEFT] = rules.stale_bars
    if rules.shock_atr > 0.0 and _true_range(bar, state[_LAST_CLOSE]) > rules.shock_atr * state[_LAST_ATR]:
        state[_SHOCK_LEFT] = rules.shock_bars
    flags = 0
    if state[_SHOCK_LEFT] > 0.0:
        flags += SHOCK
        state[_SHOCK_LEFT] -= 1.0
    if state[_STALE_LEFT] > 0.0:
        flags += STALE
        state[_STALE_LEFT] -= 1.0
    if rules.novelty > 0.0 and novelty > rules.novelty:
        flags += NOVEL
    state[_LAST_CLOSE], state[_LAST_ATR] = bar[3], atr_px
    return flags


@njit
def _gap_step(state: FloatArray, bar: FloatArray, missing: float, told: bool, rules: FlagRules) -> float:
    """Return the bars that are missing before this one; a closure of the market lacks none."""
    # 1970-01-01 was a Thursday, so Saturday and Sunday leave 2 and 3.
    weekday = math.floor(bar[5] / _DAY) % 7
    if (weekday == 2 or weekday == 3) and not rules.closes:
        state[_WEEKENDS] = 1.0
    closed = not told and state[_WEEKENDS] == 0.0 and (missing + 1.0) * rules.bar_seconds <= USUAL_CLOSURE
    return 0.0 if closed else missing


@njit
def _true_range(bar: FloatArray, last_close: float) -> float:
    """Return the true range (Wilder 1978); on the first bar, which has no ATR before it, it is not used."""
    return float(max(bar[1], last_close) - min(bar[2], last_close))


@njit
def _flag_block(
    bars: FloatArray,
    atr_px: FloatArray,
    missing: FloatArray,
    told: BoolArray,
    novelty: FloatArray,
    rules: FlagRules,
) -> SideArray:
    flags = np.zeros(len(bars), np.int8)
    state = flag_start()
    for t in range(len(bars)):
        flags[t] = flag_step(state, bars[t], atr_px[t], missing[t], told[t], novelty[t], rules)
    return flags


@njit
def _gap_block(bars: FloatArray, missing: FloatArray, told: BoolArray, rules: FlagRules) -> FloatArray:
    gaps = np.empty(len(bars))
    state = flag_start()
    for t in range(len(bars)):
        gaps[t] = _gap_step(state, bars[t], missing[t], told[t], rules)
    return gaps
