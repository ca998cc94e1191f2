"""The conditions of a run: which bars they confirm for a long and for a short, in batch and bar by bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray
from mlstrat.config import RunConfig, SignalsConfig
from mlstrat.data.bars import Bars
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import DataError
from mlstrat.features.lookup import find
from mlstrat.features.matrix import build
from mlstrat.features.stream import FeatureStream
from mlstrat.signals.confirm import Condition, holds, parse

# Settings by the side that they speak for; the first one speaks for both.
SETTINGS = ("confirm", "confirm_long", "confirm_short")


@dataclass(frozen=True)
class Confirmation:
    """The conditions of a run, by side.

    Parameters
    ----------
    long, short : Condition
        What must hold for an entry of that side.
    """

    long: Condition
    short: Condition

    @property
    def asked(self) -> bool:
        """Whether there is anything that must hold."""
        return bool(self.long.comparisons or self.short.comparisons)

    @cached_property
    def features(self) -> tuple[str, ...]:
        """Names of the features that either reads."""
        return tuple(dict.fromkeys((*self.long.features, *self.short.features)))

    @cached_property
    def _places(self) -> tuple[list[int], list[int]]:
        """Columns of `features` that each side reads."""
        long, short = ([self.features.index(name) for name in c.features] for c in (self.long, self.short))
        return long, short

    def ask(self, rows: FloatArray, columns: FloatArray) -> BoolArray:
        """Return whether they hold at each bar.

        Parameters
        ----------
        rows : (n_bars, 6) float64
            Rows of `Bars.matrix`.
        columns : (n_bars, n_features) float64
            `features` at the same bars.

        Returns
        -------
        (n_bars, 2) bool
            For a long, for a short.
        """
        both = zip((self.long, self.short), self._places, strict=True)
        return np.column_stack([holds(side, rows, columns[:, at]) for side, at in both])


def confirmation_of(signals: SignalsConfig) -> Confirmation:
    """Read the conditions of a run; raises ConfigError, by the setting's name, as `parse` does."""
    both, long, short = (parse(getattr(signals, name), f"signals.{name}") for name in SETTINGS)
    joined = (Condition((*both.comparisons, *own.comparisons)) for own in (long, short))
    return Confirmation(*joined)


def told(signals: SignalsConfig) -> str:
    """Return the conditions of a run as its file has them, empty for none."""
    texts = {name: getattr(signals, name) for name in SETTINGS}
    return " and ".join(f'signals.{name} = "{text}"' for name, text in texts.items() if text)


def confirmed_at(bars: Bars, config: RunConfig, others: Sequence[Bars] = ()) -> BoolArray | None:
    """Return where a run's conditions hold; None where it has none.

    Parameters
    ----------
    bars : Bars
        The bars, with those before the first one of interest that the features' warm-up needs.
    config : RunConfig
        The section signals.
    others : sequence of Bars
        Bars of the other symbols that the conditions name.

    Returns
    -------
    (n_bars, 2) bool or None
        Row t is known at the close of bar t: for a long, for a short. False where a value is not known.

    Raises
    ------
    ConfigError
        The conditions cannot be read.
    DataError
        They ask for volume or another symbol's bars that are not there.
    """
    asked = confirmation_of(config.signals)
    if not asked.asked:
        return None
    _refuse_no_volume(asked, bars)
    names = asked.features
    columns = build(bars, names, others=others).values if names else np.empty((len(bars), 0))
    return asked.ask(bars.matrix, columns)


def of_side(confirmed: BoolArray, side: FloatArray) -> BoolArray:
    """Return (n_bars,) whether the conditions of each bar's side hold; of the long where it has none."""
    if confirmed.shape != (len(side), 2):
        raise DataError(
            f"confirmations of shape {confirmed.shape} do not match {len(side):,} bars: give one for a long "
            "and one for a short at each bar."
        )
    return np.asarray(np.where(side < 0, confirmed[:, 1], confirmed[:, 0]))


def _refuse_no_volume(asked: Confirmation, bars: Bars) -> None:
    sides = (*asked.long.operands, *asked.short.operands)
    needs = [s.text for s in sides if s.text == "volume" or (s.is_feature and _own_volume(s.text))]
    if needs and not bars.has_volume:
        raise DataError(
            f"signals.confirm asks for {needs[0]}, and {bars.symbol} has no volume: take it out, or load "
            "bars with volume."
        )


def _own_volume(name: str) -> bool:
    f = find(name)
    return f.needs_volume and not f.symbol


class ConfirmStream:
    """The conditions of a live series, one closed bar at a time: the rows of `confirmed_at`, bit for bit.

    Parameters
    ----------
    asked : Confirmation
        From `confirmation_of`.
    timeframe : Timeframe
        Of the bars to come.
    others : sequence of Bars
        Bars of the other symbols that the conditions name.
    """

    def __init__(self, asked: Confirmation, timeframe: Timeframe, others: Sequence[Bars] = ()) -> None:
        self._asked, names = asked, asked.features
        self._stream = FeatureStream(names, timeframe=timeframe, others=others) if names else None

    def step(self, row: FloatArray, close: float | None = None) -> tuple[bool, bool]:
        """Take a bar at its close; parameters as for `FeatureStream.update`.

        Returns
        -------
        tuple of bool
            Whether the conditions hold, for a long and for a short.
        """
        if not self._asked.asked:
            return True, True
        values = np.empty(0) if self._stream is None else self._stream.update(row, close)
        long, short = self._asked.ask(row.reshape(1, -1), values.reshape(1, -1))[0]
        return bool(long), bool(short)
