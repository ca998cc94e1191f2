"""The contract of a feature that a user registers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.data.bars import Bars

_SHARE = 1e-9


def check_feature(name: str, *, n_bars: int = 400, seed: int = 7) -> None:
    """Check that a registered feature can be an input of the models.

    It must not look ahead (no value changes when later bars are added or changed), give the same value bar by
    bar as all at once, be finite from its declared lookback on, need no more bars than its declared warm-up,
    not change the bars, and be free of the unit of price and volume (where it is a model input).

    Parameters
    ----------
    name : str
        As registered with `mlstrat.feature`.
    n_bars : int
        Bars of each series that it is tried on, more where its lookback asks for them.
    seed : int
        Of the random walk.

    Raises
    ------
    AssertionError
        The first thing that it does not keep, as a sentence.
    """
    from mlstrat.data.synthetic import random_walk
    from mlstrat.errors import MlstratError
    from mlstrat.features.audit import audit
    from mlstrat.features.causality import leak_sentence
    from mlstrat.features.lookup import find

    try:
        f = find(name)
    except MlstratError as error:
        raise AssertionError(f"{error}") from error
    if f.pair:
        raise AssertionError(
            f"{name} is of another symbol: only features of the bars' own symbol can be checked."
        )
    found = audit(f, n_bars=n_bars)
    if found.leak is not None:
        raise AssertionError(leak_sentence(f, found.leak))
    if found.problem:
        raise AssertionError(f"feature {name}: {found.problem}")
    if not found.causal:
        raise AssertionError(f"feature {name} is not proved to look at past bars only.")
    needed = "it has no bound" if found.warmup_needed is None else f"declare warmup={found.warmup_needed}"
    if not found.stream_agrees:
        raise AssertionError(
            f"feature {name} recomputed from its last {f.warmup:,} bars is not what all bars give: {needed}."
        )
    bars = random_walk(max(n_bars, 2 * f.warmup + 100), seed, step_ticks=4000.0)
    try:
        _check_values(name, bars, f.model_input)
    except MlstratError as error:
        raise AssertionError(f"{error}") from error


def _check_values(name: str, bars: Bars, scale_free: bool) -> None:
    from mlstrat.features.stream import FeatureStream

    before = bars.matrix.tobytes()
    whole = _values(name, bars)
    if bars.matrix.tobytes() != before:
        raise AssertionError(f"feature {name} changes the bars: work on a copy.")
    stream = FeatureStream((name,), timeframe=bars.timeframe)
    live = np.array([stream.update(row)[0] for row in bars.matrix])
    if not _agree(live, whole):
        raise AssertionError(f"feature {name} gives other values bar by bar than all at once.")
    if not scale_free:
        return
    dear = replace(bars, **{part: 8.0 * getattr(bars, part) for part in ("open", "high", "low", "close")})
    if not _agree(_values(name, dear), whole):
        raise AssertionError(
            f"feature {name} depends on the unit of price: divide by a price, or register it with "
            "model_input=False."
        )
    busy = replace(bars, volume=8.0 * bars.volume)
    if not _agree(_values(name, busy), whole):
        raise AssertionError(
            f"feature {name} depends on the unit of volume: divide by a volume, or register it with "
            "model_input=False."
        )


def _values(name: str, bars: Bars) -> FloatArray:
    from mlstrat.features.matrix import build

    return build(bars, (name,)).values[:, 0].copy()


def _agree(actual: FloatArray, expected: FloatArray) -> bool:
    known = np.isfinite(expected)
    if not np.array_equal(np.isfinite(actual), known):
        return False
    size = np.abs(expected[known])
    usual = float(size.mean()) if len(size) else 0.0
    return bool((np.abs(actual[known] - expected[known]) <= _SHARE * np.maximum(size, usual)).all())
