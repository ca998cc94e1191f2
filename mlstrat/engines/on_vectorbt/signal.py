"""`MLSignal`: the sides that predictions choose, for many thresholds at once, as a vectorbt indicator."""

from typing import Any

import numpy as np
import vectorbt as vbt

from mlstrat.arrays import BoolArray, FloatArray, SideArray, njit
from mlstrat.config import RunConfig
from mlstrat.errors import ConfigError
from mlstrat.signals.rule import SignalRules, chosen_side, signal_rules

# No threshold for all bars: those of each bar count.
OWN = float("nan")


@njit
def _sides(score: FloatArray, long_at: FloatArray, short_at: FloatArray, rules: SignalRules) -> SideArray:
    sides = np.zeros(score.shape, np.int8)
    thresholds = np.empty(2)
    for t in range(score.shape[0]):
        for column in range(score.shape[1]):
            thresholds[0], thresholds[1] = long_at[t, column], short_at[t, column]
            sides[t, column] = chosen_side(score[t, column], thresholds, rules)
    return sides


def _entries(
    score: FloatArray, long_at: FloatArray, short_at: FloatArray, threshold: float
) -> tuple[BoolArray, BoolArray]:
    # Of the settings only these three choose the side; the tick is not among them.
    rules = signal_rules(RunConfig(), tick=1.0)._replace(threshold=float(threshold), long=True, short=True)
    sides = _sides(_plain(score), _plain(long_at), _plain(short_at), rules)
    return sides > 0, sides < 0


def _plain(column: FloatArray) -> FloatArray:
    """Return a column that was broadcast as one of its own, so that the loop is compiled for one layout."""
    return np.ascontiguousarray(column, np.float64)


_Indicator: Any = vbt.IndicatorFactory(
    class_name="MLSignal",
    short_name="ml",
    input_names=["score", "long_at", "short_at"],
    param_names=["threshold"],
    output_names=["long_entries", "short_entries"],
    attr_settings={"long_entries": {"dtype": np.bool_}, "short_entries": {"dtype": np.bool_}},
).from_apply_func(_entries)


class MLSignal(_Indicator):  # type: ignore[misc]
    """Entries that a score passes: `MLSignal.run(score, threshold=[0.52, 0.54])`.

    The side at the close of bar t is the one that `mlstrat.signals.decide` chooses there before Kelly,
    quality and flags are asked. It is a signal at the close, known only then.

    Attributes
    ----------
    long_entries, short_entries : Series or DataFrame of bool
        One column a threshold (and a column of the score); never both true at a bar.
    """

    @classmethod
    def run(
        cls, score: Any, long_at: Any = OWN, short_at: Any = OWN, threshold: Any = OWN, **options: Any
    ) -> "MLSignal":
        """Choose the side of each bar.

        Parameters
        ----------
        score : array_like
            Scores in [0, 1], such as `predictions.frame()["score"]`, whose index and columns the entries
            get. NaN is no entry.
        long_at, short_at : array_like, optional
            Each bar's own thresholds, such as `threshold_long` and `threshold_short` of the same frame: a
            long needs score >= the first, a short score <= the second; NaN = never.
        threshold : float or sequence of float, optional
            Thresholds in [0.5, 1) for all bars, in place of their own: a long needs score >= threshold, a
            short score <= 1 - threshold. NaN = each bar's own.
        **options
            Those of vectorbt's indicators, such as `param_product`.

        Raises
        ------
        ConfigError
            A threshold outside [0.5, 1), or none at all.
        """
        asked = np.atleast_1d(np.asarray(threshold, np.float64))
        own = np.isnan(asked)
        if not np.all(own | ((asked >= 0.5) & (asked < 1.0))):
            raise ConfigError(f"MLSignal's threshold is {threshold}; give numbers in [0.5, 1), such as 0.55.")
        given = (np.asarray(column, np.float64) for column in (long_at, short_at))
        if own.any() and all(np.isnan(column).all() for column in given):
            raise ConfigError(
                "MLSignal has no threshold: give threshold=0.55, or long_at and short_at of the predictions."
            )
        if own.all():
            options.setdefault("hide_params", ["threshold"])
        entries: MLSignal = super().run(score, long_at, short_at, threshold, **options)
        return entries
