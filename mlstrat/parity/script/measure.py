"""What an exported script plotted and traded on a chart, beside what Python says on the same bars."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray, IntArray
from mlstrat.execution.kernel import simulate
from mlstrat.execution.types import OPEN, Decisions, Result
from mlstrat.features.matrix import FeatureMatrix
from mlstrat.parity.compare import Comparison, compare
from mlstrat.parity.frozen import Frozen

# Largest difference of a probability, of a sentiment or of a share of equity that is none: sums in another
# order part in the last bits.
TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class Plotted:
    """What a script left behind on a chart; every array has one row a bar, NaN for na.

    Parameters
    ----------
    prob_up, mood, fraction, position : (n_bars,) float64
        Its plots.
    features : dict
        Its features by name, (n_bars,) float64 each.
    result : Result
        Its trades.
    """

    prob_up: FloatArray
    mood: FloatArray
    fraction: FloatArray
    position: FloatArray
    features: dict[str, FloatArray]
    result: Result


@dataclass(frozen=True)
class FromRun:
    """A script on a later part of the run, beside the run's own probabilities.

    Parameters
    ----------
    bars : int
        Bars compared.
    prob_up : float
        Largest difference.
    unlike : int
        Bars that differ by more than `TOLERANCE`.
    """

    bars: int
    prob_up: float
    unlike: int


@dataclass(frozen=True, eq=False)
class Measured:
    """How far a script is from Python on one chart.

    Parameters
    ----------
    bars : int
        Bars of the chart.
    spoken : int
        Bars on which the script has a probability.
    loose : int
        Of them, those on which Python has none.
    mute : int
        Bars on which it should have one, and has none.
    prob_up, mood, fraction : float
        Largest differences on the bars where both speak; of the fraction on all bars.
    features : dict
        By name, the largest difference as a share of the value, or of the feature's usual size where that
        is larger; infinite where the script has no value.
    signals : int
        Bars with the same fraction and the same side of the position.
    comparison : Comparison
        Of the trades, with the kernel's.
    from_run : FromRun or None
        Where the chart is a later part of the run.
    """

    bars: int
    spoken: int
    loose: int
    mute: int
    prob_up: float
    mood: float
    fraction: float
    features: dict[str, float]
    signals: int
    comparison: Comparison
    from_run: FromRun | None = None

    @property
    def identical(self) -> bool:
        """Whether the script says and trades what Python does, and says what the run said."""
        said = self.prob_up <= TOLERANCE and self.mood <= TOLERANCE and not self.loose and not self.mute
        as_run = self.from_run is None or not self.from_run.unlike
        return said and as_run and self.signals == self.bars and self.comparison.same

    @property
    def feature(self) -> tuple[str, float]:
        """The feature that differs most, and by how much."""
        return max(self.features.items(), key=lambda item: item[1], default=("", 0.0))


def measure(plotted: Plotted, expected: Frozen, warmup: int, settled: int) -> Measured:
    """Compare a script with Python on the same bars.

    Parameters
    ----------
    plotted : Plotted
        From the script.
    expected : Frozen
        From the run's stored windows.
    warmup, settled : int
        Bars of the chart on which a script may keep silent: in any window, and in one that began before its
        features were warm.
    """
    bars, predictions = expected.bars, expected.predictions
    speaks, known = np.isfinite(plotted.prob_up), np.isfinite(predictions.prob_up)
    both = speaks & known
    decisions = blanked(expected.decisions, ~speaks)
    reference = simulate(bars, decisions, plotted.result.rules)
    fraction = np.abs(plotted.fraction - decisions.fraction)
    same_side = np.sign(plotted.position) == held(reference)
    return Measured(
        bars=len(bars),
        spoken=int(speaks.sum()),
        loose=int((speaks & ~known).sum()),
        mute=int((due(predictions.fold, warmup, settled) & ~speaks).sum()),
        prob_up=largest(plotted.prob_up, predictions.prob_up, both),
        mood=largest(plotted.mood, expected.mood.score, both),
        fraction=largest(plotted.fraction, decisions.fraction, np.ones(len(bars), bool)),
        features=_features(plotted.features, expected.features, warmup),
        signals=int(((fraction <= TOLERANCE) & same_side).sum()),
        comparison=compare(reference, plotted.result, bars),
    )


def due(fold: IntArray, warmup: int, settled: int) -> BoolArray:
    """Return where a script has to speak.

    Parameters
    ----------
    fold : (n_bars,) int64
        The window that speaks in Python, -1 for none.
    warmup, settled : int
        As for `measure`.
    """
    place = np.arange(len(fold))
    begins = np.r_[True, fold[1:] != fold[:-1]]
    began = np.maximum.accumulate(np.where(begins, place, 0))
    return np.asarray((fold >= 0) & ((began >= warmup) | (place >= settled)))


def blanked(decisions: Decisions, silent: BoolArray) -> Decisions:
    """Return decisions without those of the silent bars."""
    return replace(
        decisions,
        side=np.where(silent, 0, decisions.side).astype(np.int8),
        fraction=np.where(silent, 0.0, decisions.fraction),
        stop=np.where(silent, np.nan, decisions.stop),
        target=np.where(silent, np.nan, decisions.target),
        max_bars=np.where(silent, 0, decisions.max_bars),
    )


def held(result: Result) -> FloatArray:
    """(n_bars,) the side of the position at each close: 1, -1 or 0."""
    side, trades = np.zeros(len(result.time)), result.trades
    ends = np.where(trades.reason == OPEN, len(side), trades.exit_bar)
    for entry, end, way in zip(trades.entry_bar, ends, trades.side, strict=True):
        side[entry:end] = way
    return side


def largest(one: FloatArray, other: FloatArray, where: BoolArray) -> float:
    """Return the largest absolute difference on some bars; infinite where only one has a value."""
    gap = np.abs(one[where] - other[where])
    return float(np.max(np.where(np.isnan(gap), np.inf, gap), initial=0.0))


def from_run(prob_up: FloatArray, own: FloatArray) -> FromRun:
    """Compare a script on a later part of a run with the run's own probabilities on the same bars."""
    both = np.isfinite(prob_up) & np.isfinite(own)
    unlike = both & (np.abs(prob_up - own) > TOLERANCE)
    return FromRun(int(both.sum()), largest(prob_up, own, both), int(unlike.sum()))


def _features(plotted: dict[str, FloatArray], matrix: FeatureMatrix, warmup: int) -> dict[str, float]:
    first = max(warmup, matrix.ready)
    return {name: _share(column[first:], matrix.column(name)[first:]) for name, column in plotted.items()}


def _share(plotted: FloatArray, expected: FloatArray) -> float:
    if not len(expected):
        return 0.0
    size = np.maximum(np.abs(expected), np.mean(np.abs(expected)))
    gap = np.abs(plotted - expected) / np.where(size > 0.0, size, 1.0)
    return float(np.max(np.where(np.isnan(gap), np.inf, gap)))
