"""The rows of a list of signals: side, size, stop and target, each checked and named by its line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray, SideArray
from mlstrat.data import stamps
from mlstrat.data.bars import Bars
from mlstrat.errors import DataError
from mlstrat.execution.rule import round_to_tick
from mlstrat.execution.types import LONG, SHORT

if TYPE_CHECKING:
    import pandas as pd

_SIDES = {"long": LONG, "short": SHORT}
# A price that bars never reach lies this far above their highest one; every engine can hold and round it.
_UNREACHED = 10.0


@dataclass(frozen=True, eq=False)
class SignalRows:
    """The decisions of a file, one element a row.

    `units` and `fraction` are as in `Decisions`; `stop` and `target` are as written, NaN where empty.
    `first_line` is the line of row 0 in the file `origin`.
    """

    side: SideArray
    units: FloatArray
    fraction: FloatArray
    stop: FloatArray
    target: FloatArray
    first_line: int
    origin: str

    def check_against(self, close: FloatArray) -> None:
        """Refuse a stop or a target on the wrong side of the deciding bar's close, (n_rows,) float64.

        Raises
        ------
        DataError
            There is one; the message names its line.
        """
        for name, sign, long_side, short_side in (
            ("stop", -1, "below", "above"),
            ("target", 1, "above", "below"),
        ):
            price = getattr(self, name)
            wrong = np.isfinite(price) & (sign * self.side * (price - close) <= 0)
            if wrong.any():
                k = int(np.argmax(wrong))
                side, where = ("long", long_side) if self.side[k] > 0 else ("short", short_side)
                raise DataError(
                    f"{self._line(k)} has the {name} {price[k]:.12g} of a {side} on the wrong side of its "
                    f"bar's close {close[k]:.12g}: the {name} of a {side} lies {where} the close."
                )

    def prices(self, bars: Bars, tick: float) -> tuple[FloatArray, FloatArray, tuple[str, ...]]:
        """Return stops and targets on the tick grid, and sentences on what was rounded or left open.

        Raises
        ------
        DataError
            Stop and target are one price on the grid, or zero, or a price that is never reached cannot be
            given.
        """
        notes: list[str] = []
        made = {}
        for name, sign in (("stop", -1), ("target", 1)):
            price = getattr(self, name)
            rounded, said = on_the_grid(price, name, tick)
            notes += said
            open_ = np.isnan(price)
            if open_.any():
                notes.append(f"{int(open_.sum()):,} of {len(price):,} {name}s are empty: never reached.")
                rounded = np.where(open_, self._unreached(sign, open_, bars, tick), rounded)
            made[name] = rounded
        stop, target = made["stop"], made["target"]
        low = np.minimum(stop, target)
        self._refuse(~(low > 0), "has a stop or target that is 0 on the grid", f"ticks are {tick:g} wide")
        same = ~((target - stop) * self.side > 0)
        self._refuse(same, "has stop and target within one tick", f"set them further apart than {tick:g}")
        return stop, target, tuple(notes)

    def _unreached(self, sign: int, open_: BoolArray, bars: Bars, tick: float) -> FloatArray:
        """(n_rows,) prices beyond all bars: above them where sign and side agree, else one tick."""
        above = self.side == sign
        if np.any(open_ & ~above) and float(bars.low.min()) <= tick:
            k = int(np.argmax(open_ & ~above))
            raise DataError(
                f"{self._line(k)} leaves open a price below the market, and the low "
                f"{bars.low.min():g} of {bars.symbol} is within one tick of zero, so that no price is out of "
                "reach: give one."
            )
        highest = round_to_tick(_UNREACHED * float(bars.high.max()), tick)
        return np.where(above, highest, round_to_tick(tick, tick))

    def _line(self, row: int) -> str:
        return f"line {row + self.first_line} of {self.origin}"

    def _refuse(self, bad: BoolArray, what: str, remedy: str) -> None:
        if bad.any():
            raise DataError(f"{self._line(int(np.argmax(bad)))} {what}: {remedy}.")


def on_the_grid(price: FloatArray, name: str, tick: float) -> tuple[FloatArray, list[str]]:
    """Return prices rounded to the tick, NaN kept, and a sentence where one had to move."""
    given = np.isfinite(price)
    rounded = np.full(len(price), np.nan)
    rounded[given] = [round_to_tick(float(value), tick) for value in price[given]]
    off = int(np.sum(given & ~(np.abs(rounded - price) <= 1e-9 * np.abs(price))))
    said = f"{off:,} of {int(given.sum()):,} {name}s were off the tick of {tick:g} and are rounded."
    return rounded, [said] if off else []


def parse(frame: pd.DataFrame, first_line: int, origin: str) -> SignalRows:
    """Read side, size, stop and target of every row.

    Parameters
    ----------
    frame : DataFrame
        Columns side, quantity or fraction or both, stop, target.
    first_line : int
        Line of row 0 in the file.
    origin : str
        Name of the file.

    Raises
    ------
    DataError
        A column or a value is missing or cannot be used; the message names the line.
    """
    for name in ("side", "stop", "target"):
        if name not in frame.columns:
            raise DataError(f"{origin} has no column {name}: add it; a stop or target may be empty.")
    if not {"quantity", "fraction"} & set(frame.columns):
        raise DataError(f"{origin} has neither quantity nor fraction: give the units, or a share of equity.")
    texts = [stamps.as_text(value).lower() for value in frame["side"]]
    numbers = {
        name: _numbers(frame, name, first_line, origin) for name in ("quantity", "fraction", "stop", "target")
    }
    rows = SignalRows(
        side=np.array([_SIDES.get(text, 0) for text in texts], np.int8),
        units=numbers["quantity"],
        fraction=np.nan_to_num(numbers["fraction"]),
        stop=numbers["stop"],
        target=numbers["target"],
        first_line=first_line,
        origin=origin,
    )
    _check(rows, numbers["fraction"])
    return rows


def _check(rows: SignalRows, fraction: FloatArray) -> None:
    rows._refuse(rows.side == 0, "has a side that is neither long nor short", "write long or short")
    given = np.isfinite(rows.units), np.isfinite(fraction)
    rows._refuse(given[0] & given[1], "gives both quantity and fraction", "leave one of them empty")
    rows._refuse(~(given[0] | given[1]), "gives neither quantity nor fraction", "give one of them")
    rows._refuse(rows.units <= 0, "has a quantity of zero or less", "give units, and the side by its name")
    outside = given[1] & ~((fraction > 0) & (fraction <= 1))
    rows._refuse(outside, "has a fraction outside (0, 1]", "give a share of equity, such as 0.5")
    for name in ("stop", "target"):
        rows._refuse(
            getattr(rows, name) <= 0, f"has a {name} of zero or less", "give a price, or leave it empty"
        )


def _numbers(frame: pd.DataFrame, name: str, first_line: int, origin: str) -> FloatArray:
    """(n_rows,) numbers of a column, NaN where a cell is empty or the column is not there."""
    if name not in frame.columns:
        return np.full(len(frame), np.nan)
    numbers = np.empty(len(frame))
    for row, value in enumerate(frame[name]):
        text = stamps.as_text(value)
        try:
            numbers[row] = float(text) if text else np.nan
        except ValueError:
            numbers[row] = np.inf
        if np.isinf(numbers[row]) or (text and np.isnan(numbers[row])):
            raise DataError(
                f"line {row + first_line} of {origin} has the {name} {text[:40]!r}: give a number, or leave "
                "it empty."
            )
    return numbers
