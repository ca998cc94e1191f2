"""Decisions already made, packed into a Pine strategy that executes them by the one execution rule.

A decision is a record of base-88 digits inside string constants, selected by the bar's time, so that a chart
that begins elsewhere or lacks a bar still trades the others. Every number is exact: prices are counts of
ticks, a share of equity or a quantity is the mantissa and the exponent of its float64.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray, IntArray
from mlstrat.data.bars import Bars
from mlstrat.errors import DataError
from mlstrat.execution.types import FLAT, LONG, Decisions, RiskRules
from mlstrat.pine.execution import DecisionSource, execution_script
from mlstrat.pine.packing import (
    ALPHABET,
    BASE,
    EXPONENT_BIAS,
    EXPONENT_DIGITS,
    MANTISSA_DIGITS,
    amount,
    chunks,
    digits,
    width_of,
)
from mlstrat.pine.text import TOKEN_BUDGET, decimal, estimated_tokens, quoted, string_characters

# Bits of a record's first digit.
_IS_LONG, _HAS_UNITS, _HAS_NEXT_OPEN = 1, 2, 4
# More than any account can pay; an infinite quantity means as much as it can.
_MOST_UNITS = 1e300


@dataclass(frozen=True)
class Replay:
    """A script that replays decisions.

    Parameters
    ----------
    script : str
        The Pine text.
    n_decisions : int
        Candidates packed into it, the ones included that are ignored because a trade is open.
    """

    script: str
    n_decisions: int

    @property
    def string_characters(self) -> int:
        """Characters of its string constants."""
        return string_characters(self.script)

    @property
    def tokens(self) -> int:
        """Estimate of the compiled tokens that TradingView counts."""
        return estimated_tokens(self.script)

    @property
    def fits_tradingview(self) -> bool:
        """Whether TradingView's compiler should take it; offline runtimes take any length."""
        return self.tokens <= TOKEN_BUDGET


def replay_script(bars: Bars, decisions: Decisions, rules: RiskRules, name: str) -> Replay:
    """Return the strategy that replays these decisions.

    Parameters
    ----------
    bars : Bars
        The bars decided on.
    decisions : Decisions
        One candidate a bar, aligned with `bars`.
    rules : RiskRules
        Cash, costs, grids and breakers; `tick` is the tick of the chart's symbol.
    name : str
        Title of the strategy.

    Raises
    ------
    DataError
        A stop or target off the tick grid.
    ConfigError
        Rules that Pine's emulator cannot follow.
    """
    trading = np.flatnonzero(decisions.side != FLAT)
    if len(trading) == 0:
        return Replay(execution_script(rules, name, DecisionSource(_NOTHING, True)), 0)
    slots, first = _slots(bars)
    columns = {
        "slot": slots[trading],
        "stop": _ticks(decisions.stop, trading, rules.tick, decisions, "stop"),
        "target": _ticks(decisions.target, trading, rules.tick, decisions, "target"),
        "bars": np.maximum(decisions.max_bars[trading], 0),
    }
    dear = _may_be_too_dear(bars, decisions, rules)
    opens = np.where(dear, np.r_[bars.open[1:], np.nan], np.nan)
    columns["open"] = np.where(dear[trading], _round_ticks(opens[trading], rules.tick), 0).astype(np.int64)
    widths = {key: width_of(int(column.max())) for key, column in columns.items()}
    widths["price"] = max(widths["stop"], widths["target"], widths["open"])
    records = list(_records(decisions, trading, columns, dear, widths))
    source = _reader(list(chunks(records)), widths, first, bars.timeframe.seconds, rules.tick)
    return Replay(execution_script(rules, name, DecisionSource(source, True)), len(trading))


def _slots(bars: Bars) -> tuple[IntArray, int]:
    """Return each bar's number, counted in bar lengths from the first, and the first one's since 1970.

    No two bars share a number, since bars follow no sooner than one length. Numbers and not times, since
    TradingView stamps a day or a week of a session market at its open.
    """
    seconds = bars.time.astype("datetime64[s]").astype(np.int64)
    slots = seconds // bars.timeframe.seconds
    return slots - slots[0], int(slots[0])


def _ticks(prices: FloatArray, rows: IntArray, tick: float, decisions: Decisions, name: str) -> IntArray:
    wanted = prices[rows]
    ticks = _round_ticks(wanted, tick)
    off = np.abs(wanted / tick - ticks) > np.maximum(1e-6, 1e-13 * ticks)
    if off.any():
        row = int(rows[np.argmax(off)])
        raise DataError(
            f"{name} of decision {row} of {decisions.symbol} ({prices[row]!r}) is no multiple of the tick "
            f"{tick:g}: round stops and targets to the tick."
        )
    return ticks.astype(np.int64)


def _round_ticks(prices: FloatArray, tick: float) -> FloatArray:
    inverse = 1.0 / tick if tick >= 1.0 else float(round(1.0 / tick))
    return np.asarray(np.floor(prices * inverse + 0.5))


def _may_be_too_dear(bars: Bars, decisions: Decisions, rules: RiskRules) -> BoolArray:
    """(n_bars,) bool: whether the next open costs more than the most that sizing may have reserved."""
    dear = np.zeros(len(bars), np.bool_)
    slip = rules.slippage_ticks * rules.tick
    price = bars.open[1:] + decisions.side[:-1] * slip
    reserved = bars.close[:-1] * (1.0 + rules.fee_share + rules.gap_reserve)
    dear[:-1] = (decisions.side[:-1] != FLAT) & (price * (1.0 + rules.fee_share) >= reserved * (1.0 - 1e-9))
    return dear


def _records(
    decisions: Decisions,
    trading: IntArray,
    columns: dict[str, IntArray],
    dear: BoolArray,
    widths: dict[str, int],
) -> Iterator[str]:
    for place, row in enumerate(trading):
        units = float(decisions.units[row])
        given = not math.isnan(units)
        head = (decisions.side[row] == LONG) * _IS_LONG + given * _HAS_UNITS + dear[row] * _HAS_NEXT_OPEN
        yield "".join(
            (
                digits(int(head), 1),
                digits(int(columns["slot"][place]), widths["slot"]),
                amount(min(max(units, 0.0), _MOST_UNITS) if given else float(decisions.fraction[row])),
                digits(int(columns["stop"][place]), widths["price"]),
                digits(int(columns["target"][place]), widths["price"]),
                digits(int(columns["bars"][place]), widths["bars"]),
                digits(int(columns["open"][place]), widths["price"]) if dear[row] else "",
            )
        )


_NOTHING = """int decidedSide = 0
float decidedFraction = 0.0
float decidedUnits = na
float decidedStop = na
float decidedTarget = na
int decidedMaxBars = 0
float decidedNextOpen = na"""


def _reader(packed: list[str], widths: dict[str, int], first: int, bar_seconds: int, tick: float) -> str:
    slot_at, amount_at = 1, 1 + widths["slot"]
    stop_at = amount_at + EXPONENT_DIGITS + MANTISSA_DIGITS
    target_at = stop_at + widths["price"]
    bars_at = target_at + widths["price"]
    open_at = bars_at + widths["bars"]
    scale = f"* {decimal(tick)}" if tick >= 1.0 else f"/ {decimal(round(1.0 / tick))}"
    return _READER.format(
        alphabet=quoted(ALPHABET),
        base=BASE,
        pushes="\n".join(f"    array.push(packed, {quoted(chunk)})" for chunk in packed),
        seconds_ms=decimal(bar_seconds * 1000.0),
        first=first,
        slot_at=slot_at,
        slot_width=widths["slot"],
        amount_at=amount_at,
        mantissa_at=amount_at + EXPONENT_DIGITS,
        exponent_width=EXPONENT_DIGITS,
        mantissa_width=MANTISSA_DIGITS,
        bias=EXPONENT_BIAS + 53,
        stop_at=stop_at,
        target_at=target_at,
        bars_at=bars_at,
        bars_width=widths["bars"],
        open_at=open_at,
        price_width=widths["price"],
        length=open_at,
        longer=open_at + widths["price"],
        scale=scale,
        has_open=_HAS_NEXT_OPEN,
        has_units=_HAS_UNITS,
    )


# The head digit's bits: 1 long, 2 a quantity is given, 4 the next open follows. The reader keeps its place
# and steps over the records of bars that the chart does not show.
_READER = """var array<string> packed = array.new<string>()
if barstate.isfirst
{pushes}
digitsAt(string digits, int start, int width) =>
    float value = 0.0
    for i = start to start + width - 1
        value := value * {base} + str.pos({alphabet}, str.substring(digits, i, i + 1))
    value
var int chunk = 0
var int place = 0
int slot = int(math.floor(time / {seconds_ms})) - {first}
string record = array.get(packed, chunk)
int head = int(digitsAt(record, place, 1))
int upcoming = int(digitsAt(record, place + {slot_at}, {slot_width}))
bool ended = false
while upcoming < slot and not ended
    int following = place + (head >= {has_open} ? {longer} : {length})
    bool full = following >= str.length(record)
    ended := full and chunk == array.size(packed) - 1
    if not ended
        chunk := full ? chunk + 1 : chunk
        place := full ? 0 : following
        record := array.get(packed, chunk)
        head := int(digitsAt(record, place, 1))
        upcoming := int(digitsAt(record, place + {slot_at}, {slot_width}))
int decidedSide = 0
float decidedFraction = 0.0
float decidedUnits = na
float decidedStop = na
float decidedTarget = na
int decidedMaxBars = 0
float decidedNextOpen = na
if upcoming == slot
    float mantissa = digitsAt(record, place + {mantissa_at}, {mantissa_width})
    float exponent = digitsAt(record, place + {amount_at}, {exponent_width}) - {bias}
    float amount = mantissa * math.pow(2.0, exponent)
    bool hasUnits = head % {has_open} >= {has_units}
    decidedSide := head % 2 == 1 ? 1 : -1
    decidedFraction := hasUnits ? 0.0 : amount
    decidedUnits := hasUnits ? amount : na
    decidedStop := digitsAt(record, place + {stop_at}, {price_width}) {scale}
    decidedTarget := digitsAt(record, place + {target_at}, {price_width}) {scale}
    decidedMaxBars := int(digitsAt(record, place + {bars_at}, {bars_width}))
    if head >= {has_open}
        decidedNextOpen := digitsAt(record, place + {open_at}, {price_width}) {scale}"""
