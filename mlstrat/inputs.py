"""What the models of a run see at each bar: features of its bars, and of the headlines known at its close."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.config import RunConfig
from mlstrat.config_sentiment import MOOD_FEATURES
from mlstrat.data.bars import Bars
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import ConfigError
from mlstrat.features.choose import Market, choose
from mlstrat.features.lookup import resolve
from mlstrat.features.matrix import FeatureMatrix, build
from mlstrat.features.registry import Feature
from mlstrat.features.stream import FeatureStream
from mlstrat.sentiment.align import SentimentSeries, check_mood
from mlstrat.sentiment.inputs import mood_columns


def asked_names(config: RunConfig) -> tuple[str, ...]:
    """Return the names of the inputs that settings ask for, as far as they tell before any bars are read.

    Raises
    ------
    ConfigError
        A name or family is not registered.
    """
    return _named(resolve(config.features.names, config.features.families), config)


def input_names(market: Market, config: RunConfig) -> tuple[str, ...]:
    """Return the names of the inputs of a run on some bars, in order: sentiment stands last.

    Raises
    ------
    ConfigError, DataError
        As `mlstrat.features.choose.choose`.
    """
    return _named(choose(market, config.features.names, config.features.families), config)


def _named(features: Sequence[Feature], config: RunConfig) -> tuple[str, ...]:
    return (*(f.name for f in features), *(MOOD_FEATURES if config.sentiment.features else ()))


def of_bars(names: Sequence[str]) -> tuple[str, ...]:
    """Return those of the names that are features of bars, in their order."""
    return tuple(name for name in names if name not in MOOD_FEATURES)


def sees_mood(names: Sequence[str]) -> bool:
    """Whether one of the names is of sentiment."""
    return len(of_bars(names)) < len(names)


def check_headlines(config: RunConfig, mood: SentimentSeries | None = None) -> None:
    """Refuse models that shall see sentiment where there is none.

    Parameters
    ----------
    config : RunConfig
        The run.
    mood : SentimentSeries, optional
        Sentiment that was given, whatever `sentiment.source` names.

    Raises
    ------
    ConfigError
        There are neither headlines nor a known mood.
    """
    given = mood is not None and bool(mood.known.any())
    if config.sentiment.features and config.sentiment.source == "none" and not given:
        raise ConfigError(
            "sentiment.features needs headlines: set sentiment.source, or sentiment.features = false."
        )


def build_inputs(
    bars: Bars, names: Sequence[str], mood: SentimentSeries, others: Sequence[Bars] = ()
) -> FeatureMatrix:
    """Compute the inputs of every bar.

    Parameters
    ----------
    bars : Bars
        The bars.
    names : sequence of str
        Features of bars, as for `mlstrat.features.matrix.build`, and of sentiment, in the order wanted.
    mood : SentimentSeries
        Aligned with the bars. Row t of the result uses bars and mood up to t; of the mood, t alone.
    others : sequence of Bars
        Bars of other symbols.

    Returns
    -------
    FeatureMatrix
        Columns of sentiment have a lookback of 1 and are never NaN.

    Raises
    ------
    ConfigError, DataError, NotEnoughBarsError
        As `mlstrat.features.matrix.build`; or the mood is that of other bars.
    """
    check_mood(mood, bars)
    if names and not sees_mood(names):
        return build(bars, names, others=others)
    values, lookback = np.empty((len(bars), len(names))), np.ones(len(names), np.int64)
    market, at_market, at_mood = _places(names)
    if market:
        built = build(bars, market, others=others)
        values[:, at_market], lookback[at_market] = built.values, built.lookback
    which = [MOOD_FEATURES.index(names[k]) for k in at_mood]
    values[:, at_mood] = mood_columns(mood.score, mood.confidence)[:, which]
    values.setflags(write=False)
    return FeatureMatrix(tuple(names), values, lookback)


def without_mood(features: FeatureMatrix) -> FeatureMatrix:
    """Return a matrix without its columns of sentiment."""
    names, kept, _ = _places(features.names)
    values = np.ascontiguousarray(features.values[:, kept])
    values.setflags(write=False)
    return FeatureMatrix(names, values, features.lookback[kept])


def _places(names: Sequence[str]) -> tuple[tuple[str, ...], list[int], list[int]]:
    """Return the features of bars, then where these stand among all names, then where the others do."""
    at_market = [k for k, name in enumerate(names) if name not in MOOD_FEATURES]
    at_mood = [k for k, name in enumerate(names) if name in MOOD_FEATURES]
    return of_bars(names), at_market, at_mood


class InputStream:
    """The same inputs, one bar at a time: the bits of `build_inputs`, as far as `FeatureStream` has them.

    Parameters
    ----------
    names : sequence of str
        As for `build_inputs`, at least one feature of bars among them.
    mood : SentimentSeries
        Aligned with the bars to come; only the value of the current bar is read.
    timeframe, others
        As for `FeatureStream`.
    """

    def __init__(
        self, names: Sequence[str], mood: SentimentSeries, timeframe: Timeframe, others: Sequence[Bars] = ()
    ) -> None:
        market, self._at_market, self._at_mood = _places(names)
        self._which = [MOOD_FEATURES.index(names[k]) for k in self._at_mood]
        self._stream = FeatureStream(market, timeframe=timeframe, others=others)
        self._mood, self._width, self._taken = mood, len(names), 0

    def update(self, row: FloatArray, close: float | None = None) -> FloatArray:
        """Take the next closed bar; parameters and result as for `FeatureStream.update`."""
        now = slice(self._taken, self._taken + 1)
        values = np.empty(self._width)
        values[self._at_market] = self._stream.update(row, close)
        moods = mood_columns(self._mood.score[now], self._mood.confidence[now])
        values[self._at_mood] = moods[0, self._which]
        self._taken += 1
        return values
