"""Smaller capsules, and what they cost: bytes and time won, log loss and signals lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray
from mlstrat.capsule import Capsule, dumps
from mlstrat.data.bars import Bars
from mlstrat.errors import ConfigError, DataError
from mlstrat.inputs import build_inputs, sees_mood
from mlstrat.labels import horizon_labels
from mlstrat.live import LiveForecast, Predictor
from mlstrat.models import prune as fewer
from mlstrat.models.contributions import typical_row
from mlstrat.models.ensemble import FOREST, EnsembleArrays, ensemble_sha256, predict_row
from mlstrat.models.sample import MIN_ROWS
from mlstrat.models.scores import log_loss
from mlstrat.sentiment.align import SentimentSeries, neutral

_TIMED_ROWS = 2000


@dataclass(frozen=True)
class Size:
    """How large a capsule is.

    Parameters
    ----------
    n_bytes : int
        Of its file.
    trees, nodes : int
        Of forest and booster together.
    edges : int
        Bin edges of all features.
    row_us : float
        Median time of one row through `predict_row`, called from Python, in microseconds.
    """

    n_bytes: int
    trees: int
    nodes: int
    edges: int
    row_us: float


@dataclass(frozen=True)
class Comparison:
    """A capsule and its smaller twin on the bars after those they have seen.

    Parameters
    ----------
    sizes : (Size, Size)
        Before and after.
    log_loss : (float, float)
        Of the direction, in nats; NaN where no label is known.
    signals : (int, int)
        Bars with a side.
    equal_signals : float
        Share of bars on which both decide the same side, none included.
    bars : int
        Bars compared.
    """

    sizes: tuple[Size, Size]
    log_loss: tuple[float, float]
    signals: tuple[int, int]
    equal_signals: float
    bars: int


def size_of(capsule: Capsule, clock: Callable[[], int] = time.perf_counter_ns) -> Size:
    """Measure a capsule; `clock` gives nanoseconds."""
    models = capsule.ensemble.models
    return Size(
        n_bytes=len(dumps(capsule)),
        trees=len(models.forest.roots) + len(models.boosting.roots),
        nodes=len(models.forest.feature) + len(models.boosting.feature),
        edges=int(np.isfinite(models.edges).sum()),
        row_us=_row_ns(capsule, clock) / 1000.0,
    )


def pruned(
    capsule: Capsule,
    bars: Bars,
    keep: Callable[[int], int],
    others: Sequence[Bars] = (),
    mood: SentimentSeries | None = None,
) -> Capsule:
    """Keep the trees that follow the whole best (see `mlstrat.models.prune.prune`).

    Parameters
    ----------
    capsule : Capsule
        The large one; its odds and thresholds are kept.
    bars : Bars
        Bars of its training window; no later one is looked at.
    keep : callable
        From the trees of a model to those that are kept.
    others : sequence of Bars
        Bars of the other symbols that its features name.
    mood : SentimentSeries, optional
        Aligned with the bars; a model that sees sentiment needs it.

    Raises
    ------
    DataError
        The bars hold too few rows of the training window, or the sentiment that it saw is missing.
    """
    counts = _counts(capsule, keep)
    made = fewer.prune(capsule.ensemble, training_rows(capsule, bars, others, mood), counts)
    return _renamed(capsule, made, f"pruned to {counts[0]} and {counts[1]} trees")


def distilled(
    capsule: Capsule,
    bars: Bars,
    keep: Callable[[int], int],
    others: Sequence[Bars] = (),
    mood: SentimentSeries | None = None,
) -> Capsule:
    """Fit fewer and smaller trees to the votes (`mlstrat.models.prune.distil`); parameters as `pruned`."""
    counts, leaves = _counts(capsule, keep), capsule.about.run_config().models.gb_max_leaves
    made = fewer.distil(capsule.ensemble, training_rows(capsule, bars, others, mood), counts, leaves)
    return _renamed(capsule, made, f"distilled to {counts[0]} and {counts[1]} trees of {leaves} leaves")


def training_rows(
    capsule: Capsule, bars: Bars, others: Sequence[Bars] = (), mood: SentimentSeries | None = None
) -> FloatArray:
    """Return the rows (n_rows, n_features) of the capsule's training window; parameters as for `pruned`."""
    about, window = capsule.about, capsule.window
    if sees_mood(about.features) and (mood is None or not mood.known.any()):
        raise DataError(
            "the model sees sentiment, and none is known of its training window: give the headlines that it "
            "was fitted on."
        )
    x = build_inputs(bars, about.features, neutral(bars) if mood is None else mood, others).values
    inside = (bars.time >= window.train_from) & (bars.close_time < window.cut) & np.isfinite(x).all(axis=1)
    if inside.sum() < MIN_ROWS:
        span = f"{_minute(window.train_from)} to {_minute(window.cut)}"
        raise DataError(
            f"the bars hold {int(inside.sum()):,} rows of the training window ({span}), and {MIN_ROWS} are "
            "needed: load the bars that the model was fitted on."
        )
    return np.ascontiguousarray(x[inside])


def compare(
    before: Capsule,
    after: Capsule,
    bars: Bars,
    mood: SentimentSeries | None = None,
    others: Sequence[Bars] = (),
    clock: Callable[[], int] = time.perf_counter_ns,
) -> Comparison:
    """Measure both capsules on the bars after those they have seen, out of sample.

    Raises
    ------
    DataError
        As `Predictor.forecast`.
    """
    said = [Predictor(capsule, others).forecast(bars, mood) for capsule in (before, after)]
    sides = [forecast.decisions.side for forecast in said]
    ahead = before.about.run_config().labels.target_periods
    first, second = (_log_loss(forecast, ahead) for forecast in said)
    return Comparison(
        sizes=(size_of(before, clock), size_of(after, clock)),
        log_loss=(first, second),
        signals=(int(np.count_nonzero(sides[0])), int(np.count_nonzero(sides[1]))),
        equal_signals=float(np.mean(sides[0] == sides[1])),
        bars=len(sides[0]),
    )


def keeping(trees: int | None, share: float) -> Callable[[int], int]:
    """Return how many trees of so many are kept: a fixed number where it is given, else a share.

    Raises
    ------
    ConfigError
        The number is not positive, or the share is not in (0, 1].
    """
    if trees is not None:
        if trees < 1:
            raise ConfigError(f"{trees} trees cannot vote: keep 1 or more.")
        return lambda have: min(trees, have)
    if not 0.0 < share <= 1.0:
        raise ConfigError(f"the share of trees to keep is {share}: give one in (0, 1], such as 0.5.")
    return lambda have: max(round(share * have), 1)


def _counts(capsule: Capsule, keep: Callable[[int], int]) -> tuple[int, int]:
    models = capsule.ensemble.models
    return keep(len(models.forest.roots)), keep(len(models.boosting.roots))


def _renamed(capsule: Capsule, ensemble: EnsembleArrays, how: str) -> Capsule:
    old = capsule.window.model_sha256
    earlier = f"; {capsule.about.made_from}" if capsule.about.made_from else ""
    return replace(
        capsule,
        ensemble=ensemble,
        window=replace(capsule.window, model_sha256=ensemble_sha256(ensemble)),
        about=replace(capsule.about, made_from=f"{how} from model {old}{earlier}"),
    )


def _minute(moment: np.datetime64) -> str:
    return str(np.datetime_as_string(moment, "m"))


def _log_loss(forecast: LiveForecast, ahead: int) -> float:
    up, prob_up = horizon_labels(forecast.bars, ahead).up, forecast.predictions.prob_up
    known: BoolArray = np.isfinite(up) & np.isfinite(prob_up)
    return log_loss(prob_up[known], up[known])


def _row_ns(capsule: Capsule, clock: Callable[[], int]) -> float:
    row = typical_row(capsule.ensemble.models.edges)
    out = np.full(FOREST + len(capsule.ensemble.stack.slope), np.nan)
    state, taken = capsule.state.copy(), np.empty(_TIMED_ROWS)
    predict_row(row, state, capsule.ensemble, out)  # compiled by now
    for k in range(_TIMED_ROWS):
        begun = clock()
        predict_row(row, state, capsule.ensemble, out)
        taken[k] = clock() - begun
    return float(np.median(taken))
