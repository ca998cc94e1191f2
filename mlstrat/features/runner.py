"""`Runner`: a list of features, taken over bars in pieces of any length. Batch, files and stream all use it.

Steps of the bars themselves run in one compiled program. Array functions are called on the rows of the
piece with as many rows before it as their warm-up. Features of another symbol are computed on its own bars,
by a runner of its own, and a row gets what was known of them at its close.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.data.bars import Bars
from mlstrat.errors import DataError
from mlstrat.features.array_function import ArrayColumn
from mlstrat.features.audit import refuse_unsound
from mlstrat.features.program import Program, compile_program
from mlstrat.features.registry import Feature

ROW = 6


class Runner:
    """Features over bars, piece by piece, with the state carried from one to the next.

    Parameters
    ----------
    features : sequence of Feature
        From `choose`.
    seconds : int
        Length of a bar.
    others : sequence of Bars
        Bars of the other symbols that the features name; more than those closed by a row are not looked at.

    Raises
    ------
    FeatureLeakError
        An array function looks at later bars.
    DataError
        An array function fails, or gives a stream other values than the batch; or a user's step does not
        compile.
    """

    def __init__(self, features: Sequence[Feature], seconds: int, others: Sequence[Bars] = ()) -> None:
        self.names: tuple[str, ...] = tuple(f.name for f in features)
        self._seconds = seconds
        for f in features:
            if f.origin or (f.step is None and not f.symbol):
                refuse_unsound(f, seconds)
        own = [k for k, f in enumerate(features) if not f.symbol and f.step is not None]
        self._own = np.array(own, np.intp)
        self._program = compile_program([features[k] for k in own])
        self._state = self._program.start()
        self._arrays = [
            (k, ArrayColumn(f)) for k, f in enumerate(features) if not f.symbol and f.step is None
        ]
        symbols = list(dict.fromkeys(f.symbol for f in features if f.symbol))
        by_symbol = {bars.symbol: bars for bars in others}
        self._others = [_Other(symbol, features, by_symbol[symbol]) for symbol in symbols]

    def take(self, rows: FloatArray, closes: FloatArray | None = None, threads: int = 1) -> FloatArray:
        """Take the next bars.

        Parameters
        ----------
        rows : (n_bars, 6) float64
            Rows of `Bars.matrix`, in time order after those taken before.
        closes : (n_bars,) float64, optional
            When each was known, in epoch seconds; default one bar's length after its open.
        threads : int
            Threads that share the steps; the bits are the same for any number.

        Returns
        -------
        (n_bars, n_features) float64
            Row t is known at the close of bar t. NaN before each feature's lookback.

        Raises
        ------
        DataError
            An array function returned something else than one finite number a bar.
        """
        values = np.empty((len(rows), len(self.names)))
        if len(self._own) == len(self.names):
            self._program.advance(self._state, rows, values, threads)
            return values
        steps = np.empty((len(rows), len(self._own)))
        self._program.advance(self._state, rows, steps, threads)
        values[:, self._own] = steps
        for k, column in self._arrays:
            values[:, k] = column.take(rows)
        known_at = rows[:, 5] + self._seconds if closes is None else closes
        for other in self._others:
            other.take(rows, known_at, values)
        return values

    def lookbacks(self, features: Sequence[Feature], closes: FloatArray) -> IntArray:
        """Return the bars until each feature's first finite value, for bars known at these moments.

        Features of other symbols depend on how far back those reach; where they never are, it is one more
        than there are bars.
        """
        found = np.array([f.lookback for f in features], np.int64)
        for other in self._others:
            other.lookbacks(features, closes, found)
        return found

    def add(self, symbol: str, row: FloatArray, close: float | None = None) -> None:
        """Add a closed bar of another symbol, before the bars that close after it."""
        for other in self._others:
            if other.symbol == symbol:
                other.add(row, close)
                return
        raise DataError(f"no feature uses bars of {symbol}: leave them out.")


class _Other:
    """Everything that has to do with one other symbol."""

    def __init__(self, symbol: str, features: Sequence[Feature], bars: Bars) -> None:
        self.symbol = symbol
        self._bar_seconds = bars.timeframe.seconds
        self._rows, self._closes = bars.matrix, seconds_of(bars.close_time)
        self._alone = [k for k, f in enumerate(features) if f.symbol == symbol and not f.pair]
        self._pairs = [k for k, f in enumerate(features) if f.symbol == symbol and f.pair]
        plain = [replace(features[k], symbol="") for k in self._alone]
        self._runner = Runner(plain, self._bar_seconds)
        self._program: Program = compile_program([features[k] for k in self._pairs])
        self._state = self._program.start()
        self._done = 0
        # The last bar taken and its features, for the rows that close before the next one does.
        self._last = np.full((1, ROW + len(plain)), np.nan)

    def take(self, rows: FloatArray, known_at: FloatArray, values: FloatArray) -> None:
        """Fill this symbol's columns of `values`."""
        upto = int(np.searchsorted(self._closes, known_at[-1], side="right"))
        new = np.ascontiguousarray(self._rows[self._done : upto])
        known = np.vstack([self._last, np.hstack([new, self._runner.take(new)])])
        at = np.searchsorted(self._closes[self._done : upto], known_at, side="right")
        self._done, self._last = max(upto, self._done), known[-1:]
        values[:, self._alone] = known[at, ROW:]
        if self._pairs:
            values[:, self._pairs] = self._pair(rows, known[at, :ROW])

    def _pair(self, rows: FloatArray, others: FloatArray) -> FloatArray:
        out = np.full((len(rows), len(self._pairs)), np.nan)
        unknown = int(np.isnan(others[:, 0]).sum())  # only ever the first ones
        joined = np.ascontiguousarray(np.hstack([rows, others])[unknown:])
        self._program.advance(self._state, joined, out[unknown:])
        return out

    def lookbacks(self, features: Sequence[Feature], closes: FloatArray, found: IntArray) -> None:
        """Set those of this symbol's features."""
        for k in self._alone:
            # A bar may only be closed once it is there; before that no row knows it.
            need = features[k].lookback
            there = len(self._closes) >= need
            found[k] = 1 + (np.searchsorted(closes, self._closes[need - 1]) if there else len(closes))
        for k in self._pairs:
            first = np.searchsorted(closes, self._closes[0])
            found[k] = min(int(first) + features[k].lookback, len(closes) + 1)

    def add(self, row: FloatArray, close: float | None) -> None:
        """Append a closed bar."""
        moment = float(row[5]) + self._bar_seconds if close is None else close
        self._rows, self._closes = np.vstack([self._rows, row]), np.append(self._closes, moment)


def seconds_of(moments: np.ndarray) -> FloatArray:
    """Return datetime64 as epoch seconds."""
    return np.asarray(moments.astype("datetime64[ns]").astype(np.int64) / 1e9)
