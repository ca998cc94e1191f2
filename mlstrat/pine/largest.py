"""Windows of the largest size that a run's settings allow, made up: what a script may weigh before training.

Every tree is full, every feature has all its edges, and every number that may be negative is, since a sign
counts. Trees cut at as many different edges as they can, because edges that nothing asks for are left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.calibration import Curve, Kind
from mlstrat.capsule import Capsule
from mlstrat.capsule_manifest import About
from mlstrat.config import ModelsConfig, RunConfig
from mlstrat.data.instrument import Instrument
from mlstrat.models.boosting import MIN_LEAF
from mlstrat.models.ensemble import EnsembleArrays, Models, Stack
from mlstrat.models.grid import BASE, LEVELS, lstm_on_grid, on_grid
from mlstrat.models.lstm import Lstm, silent_lstm
from mlstrat.models.trees import LEAF, Trees, join_trees
from mlstrat.models.voters import silent_trees
from mlstrat.pine.moods import DailyMood
from mlstrat.pine.source import Source
from mlstrat.pine.timing import Timing
from mlstrat.predictions import Window
from mlstrat.signals.odds import Odds

# Edges that are not made for scripts have 5 digits each; how far apart they lie shows only in training. So
# many digits of the alphabet hold edges between 0.0000001 and 10,000.
_FREE_EDGE_DIGITS = 6
_MOMENT = np.datetime64("2024-01-01T00:00:00", "ns")


@dataclass(frozen=True)
class Asked:
    """What is known of a run before it is trained.

    Parameters
    ----------
    config : RunConfig
        Its settings.
    features : tuple of str
        Its features, in order.
    symbol, timeframe : str
        Of its bars.
    instrument : Instrument
        Facts of the symbol.
    rows : int
        Labels of its largest training window, at most.
    days : int
        Days from the first to the last whose sentiment may be known, at most.
    """

    config: RunConfig
    features: tuple[str, ...]
    symbol: str
    timeframe: str
    instrument: Instrument
    rows: int
    days: int


def largest_source(asked: Asked, windows: int, kind: Kind, steps: int) -> Source:
    """Return what a script of so many largest windows is made of.

    Parameters
    ----------
    asked : Asked
        The run.
    windows : int
        How many.
    kind : {"platt", "beta", "isotonic"}
        Their calibration maps. Where the run leaves the choice to each window, the first one has all three,
        so that the script has the functions of all; its isotonic map has one step.
    steps : int
        Steps of an isotonic map.
    """
    chosen = asked.config.models.calibration == "auto"
    capsules = tuple(
        _capsule(asked, k, ("beta", "platt", "isotonic"), 1)
        if chosen and k == 0
        else _capsule(asked, k, (kind, kind, kind), steps)
        for k in range(windows)
    )
    timing = Timing(tuple(range(windows)), windows, 0, 1_000, 2_000, tuple(range(windows)))
    has_sentiment = asked.config.sentiment.source != "none"
    mood = DailyMood(0, "!" * asked.days, asked.days) if has_sentiment else None
    return Source(capsules, timing, mood, (), asked.config.name)


def leaves_of(config: ModelsConfig, rows: int) -> tuple[int, int]:
    """Return how many leaves a tree of the forest and of the booster may have, with so many labels."""
    most = 2**config.rf_max_depth
    forest = min(most, config.rf_max_leaves or most, rows // config.rf_min_samples_leaf)
    boosting = min(config.gb_max_leaves, rows // max(MIN_LEAF, config.rf_min_samples_leaf))
    return max(forest, 1), max(boosting, 1)


def _capsule(asked: Asked, k: int, kinds: tuple[Kind, Kind, Kind], steps: int) -> Capsule:
    random = np.random.default_rng(k)
    config = asked.config.models
    models = _models(asked, random)
    stack = Stack(
        -_positive(random, 1)[0],
        *(-_positive(random, 3), -_positive(random, 3), _positive(random, 3)),
        weights=np.zeros(3),
        curve=_curve(kinds[0], steps, random)[0],
    )
    units = 1 if "lstm" in config.silent else config.lstm_units
    about = About(
        symbol=asked.symbol,
        timeframe=asked.timeframe,
        features=asked.features,
        lookback=(1,) * len(asked.features),
        instrument=asdict(asked.instrument),
        config=asked.config.result_content(),
        seen_until=str(_MOMENT),
        data_sha256="",
        code_sha256="",
        versions={},
    )
    return Capsule(
        ensemble=EnsembleArrays(models, stack),
        state=-_positive(random, 2 * units).reshape(2, units),
        odds=(_odds(1.0, kinds[1], steps, random), _odds(-1.0, kinds[2], steps, random)),
        threshold=(0.5 + random.random() / 4, 0.5 - random.random() / 4),
        window=_window(k),
        about=about,
    )


def _window(k: int) -> Window:
    sha = hashlib.sha256(str(k).encode()).hexdigest()
    return Window(k, _MOMENT, _MOMENT, _MOMENT, _MOMENT, 0, 0, 0, 0, 0.5, sha)


def _positive(random: np.random.Generator, count: int) -> FloatArray:
    """Return numbers of as many digits as fitted ones have."""
    return random.uniform(0.01, 1.0, count)


def _models(asked: Asked, random: np.random.Generator) -> Models:
    config, n = asked.config.models, len(asked.features)
    seen = min(asked.config.features.select or n, n)
    edges = np.full((n, config.bins), np.inf)
    edges[:seen] = _edges(config)
    inputs = np.arange(min(config.lstm_inputs, seen))
    half = np.full(len(inputs), config.bins / 2)
    unit = float(_positive(random, 1)[0])
    forest, boosting, lstm = silent_trees(), silent_trees(), silent_lstm(inputs, half)
    cuts = _cuts(seen, len(inputs) if "lstm" not in config.silent else 0, config.bins)
    leaves = leaves_of(config, asked.rows)
    if "forest" not in config.silent:
        count = config.rf_n_estimators
        forest = _full_trees(count, leaves[0], cuts, config.characters, random)._replace(scale=1.0 / count)
    if "boosting" not in config.silent:
        boosting = _full_trees(config.gb_n_estimators, leaves[1], cuts, config.characters, random)
        boosting = boosting._replace(base=-float(_positive(random, 1)[0]), scale=config.gb_learning_rate)
    if "lstm" not in config.silent:
        lstm = lstm_on_grid(_lstm(inputs, half, config.lstm_units, random), config.characters)
    return Models(edges, forest, boosting, lstm, unit)


def _edges(config: ModelsConfig) -> FloatArray:
    """Return edges as far apart as the digits of an edge reach, and the first one below zero."""
    digits = config.characters or _FREE_EDGE_DIGITS
    wholes = np.rint(np.linspace(0, BASE**digits - 1, config.bins)) - BASE ** (digits - 1)
    return np.asarray(wholes / 1_000)


def _cuts(seen: int, inputs: int, bins: int) -> Iterator[tuple[int, int]]:
    """Yield features and cuts, first those whose edge nothing else asks for."""
    inner = range(1, bins - 1) if bins > 2 else range(bins)
    features = [*range(inputs, seen), *range(inputs)]
    return cycle([(feature, cut) for feature in features for cut in inner])


def _full_trees(
    count: int,
    leaves: int,
    cuts: Iterator[tuple[int, int]],
    characters: int,
    random: np.random.Generator,
) -> Trees:
    trees = join_trees([_full_tree(leaves, cuts) for _ in range(count)], 0.0, 1.0)
    at = trees.feature == LEAF
    value = np.zeros(len(at))
    value[at] = -_positive(random, int(at.sum()))
    if characters:
        value[at] = on_grid(value[at], LEVELS[characters])
    return trees._replace(value=value)


def _full_tree(leaves: int, cuts: Iterator[tuple[int, int]]) -> dict[str, NDArray[Any]]:
    """Return a tree in preorder whose leaves are halved until each stands alone."""
    nodes: dict[str, list[int]] = {name: [] for name in ("feature", "cut", "left", "right")}

    def grow(below: int) -> int:
        at = len(nodes["feature"])
        feature, cut = next(cuts) if below > 1 else (LEAF, 0)
        for name, value in (("feature", feature), ("cut", cut), ("left", at + 1), ("right", 0)):
            nodes[name].append(value)
        if below > 1:
            grow(below - below // 2)
            nodes["right"][at] = grow(below // 2)
        return at

    grow(leaves)
    return {name: np.array(part, np.int32) for name, part in nodes.items()} | {
        "value": np.zeros(len(nodes["cut"]))
    }


def _lstm(inputs: IntArray, half: FloatArray, units: int, random: np.random.Generator) -> Lstm:
    gates = 4 * units
    return Lstm(
        inputs,
        half,
        w_x=-_positive(random, len(inputs) * gates).reshape(-1, gates),
        w_h=-_positive(random, units * gates).reshape(-1, gates),
        bias=-_positive(random, gates),
        w_out=-_positive(random, units),
        b_out=-float(_positive(random, 1)[0]),
    )


def _curve(kind: Kind, steps: int, random: np.random.Generator) -> tuple[Curve, FloatArray]:
    """Return a map and its variances."""
    if kind == "isotonic":
        knots, levels = -np.sort(-_positive(random, steps)), -_positive(random, steps)
        return Curve(levels, -knots, 0.0, float(_positive(random, 1)[0])), _positive(random, steps)
    if kind == "beta":
        shift, scale = (float(number) for number in _positive(random, 2))
        variance = _positive(random, 5) * [1, 1, -1, 1, 1]
        return Curve(_positive(random, 2), np.empty(0), -shift, scale), variance
    return Curve(_positive(random, 1), np.empty(0), 0.0, 1.0), _positive(random, 1)


def _odds(side: float, kind: Kind, steps: int, random: np.random.Generator) -> Odds:
    base, base_var, drift, centre, spread, payoff = (float(number) for number in _positive(random, 6))
    curve, variance = _curve(kind, steps, random)
    return Odds(side, -base, base_var, drift, curve, variance, -centre, spread, payoff, 0.01, 0.01)
