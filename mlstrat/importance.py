"""What each feature is worth out of sample: permutation importance on purged folds, against noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.config import ModelsConfig
from mlstrat.data.bars import Bars
from mlstrat.data.sources import read_bars
from mlstrat.errors import ConfigError, NotEnoughBarsError
from mlstrat.features.choose import refuse_unfit_inputs
from mlstrat.features.lookup import resolve
from mlstrat.features.matrix import FeatureMatrix, build
from mlstrat.importance_result import FoldScore, Importance, Permutation, as_dict
from mlstrat.labels import HorizonLabels, horizon_labels
from mlstrat.models.binning import bin_block, fit_edges
from mlstrat.models.forest import fit_forest
from mlstrat.models.permutation import Contrast, contrast
from mlstrat.models.sample import MIN_ROWS
from mlstrat.models.scores import log_loss
from mlstrat.models.selection import cluster_features
from mlstrat.splits import Fold, block_schedule

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[int, int], None]

# Wider leaves and fewer trees than a run's forest: its probabilities are scored as they are, uncalibrated.
SIZES = ModelsConfig(rf_n_estimators=100, rf_max_depth=6, rf_min_samples_leaf=100)
SHIFTS = 999  # trials with outcomes of another time
NOISE_SHARE = 0.05  # of such trials, those in which some feature may reach the noise level
_UNNAMED = "OHLCV"


def feature_importance(
    bars: Bars,
    target_periods: int = 5,
    names: Sequence[str] = (),
    families: Sequence[str] = (),
    folds: int = 5,
    repeats: int = 5,
    seed: int = 7,
    *,
    others: Sequence[Bars] = (),
    embargo: int = 5,
    sizes: ModelsConfig = SIZES,
    progress: Progress = lambda done, total: None,
) -> Importance:
    """Measure what each feature is worth out of sample.

    The bars are cut into `folds + 1` blocks. On each block but the first, a forest fitted on all earlier
    bars, purged of labels not yet known, forecasts direction; then it forecasts again with the rows of a
    column permuted. Clusters are those of the first training window, before every row that is tested.

    Parameters
    ----------
    bars : Bars
        The bars.
    target_periods : int
        Bars ahead whose direction is forecast.
    names, families : sequence of str
        Features, as for `mlstrat.features.matrix.build`; both empty = every model input.
    folds : int
        Test blocks, at least 2.
    repeats : int
        Permutations of each block, averaged.
    seed : int
        Of forests and permutations; the same seed gives the same bits.
    others : sequence of Bars
        Bars of other symbols, for features that name one.
    embargo : int
        Labels must be resolved so many bars before the last bar known when a forest is fitted.
    sizes : ModelsConfig
        Sizes of the forest, and bins.
    progress : callable
        Told (folds done, folds in all) at the start and after each fold.

    Raises
    ------
    ConfigError
        A count is too small, or a name is not registered or no model input.
    NotEnoughBarsError
        A block would hold too few bars.
    ModelError
        The price never changes direction in a training window.
    """
    from threadpoolctl import threadpool_limits

    _check(target_periods, folds, repeats)
    refuse_unfit_inputs(resolve(names, families))
    matrix = build(bars, names, families, others=others)
    labels = horizon_labels(bars, target_periods)
    least = max(MIN_ROWS + embargo, 10) + 10 * (target_periods + 1)
    need = matrix.ready + (folds + 1) * least
    if len(bars) < need:
        raise NotEnoughBarsError(len(bars), need, f"The importance of features over {folds} folds")
    schedule = block_schedule(bars.close_time, matrix.ready, folds, embargo)
    windows = [schedule.fold(k, bars.close_time, labels.resolved_at, matrix.ready) for k in range(folds)]
    with threadpool_limits(1):  # sums over several threads are not reproducible
        clusters = cluster_features(matrix.values[windows[0].train])
        groups = [*np.arange(len(matrix.names))[:, None], *clusters]
        parts = []
        for fold in windows:
            progress(fold.index, folds)
            parts.append(_measure(fold, matrix, labels, groups, repeats, seed, sizes))
        progress(folds, folds)
        alone, together = (
            _permutation([part.only(columns) for part in parts], target_periods, seed)
            for columns in (slice(0, len(matrix.names)), slice(len(matrix.names), None))
        )
    return Importance(
        symbol=bars.symbol,
        timeframe=str(bars.timeframe),
        target_periods=target_periods,
        names=matrix.names,
        permutation=alone,
        impurity_by_fold=np.array([part.impurity for part in parts]),
        clusters=tuple(tuple(matrix.names[k] for k in members) for members in clusters),
        cluster_permutation=together,
        folds=tuple(part.score for part in parts),
    )


def _check(target_periods: int, folds: int, repeats: int) -> None:
    given = {"target_periods": (target_periods, 1), "folds": (folds, 2), "repeats": (repeats, 1)}
    for name, (value, least) in given.items():
        if value < least:
            raise ConfigError(f"{name} is {value}: give {least} or more.")


@dataclass(frozen=True, eq=False)
class _Part:
    """What one fold gives: its forecasts against those with permuted columns, and the outcomes (n_test,)."""

    contrast: Contrast
    up: FloatArray
    impurity: FloatArray
    score: FoldScore

    def only(self, groups: slice) -> tuple[Contrast, FloatArray]:
        whole = self.contrast
        return Contrast(whole.prob, whole.level[groups], whole.tilt[groups]), self.up


def _measure(
    fold: Fold,
    matrix: FeatureMatrix,
    labels: HorizonLabels,
    groups: list[IntArray],
    repeats: int,
    seed: int,
    sizes: ModelsConfig,
) -> _Part:
    fit_seed, permute_seed = (np.random.SeedSequence([seed, fold.index]).generate_state(2) >> 1).tolist()
    train, test = fold.train, fold.test[~np.isnan(labels.up[fold.test])]
    x, up = matrix.values, labels.up
    edges = fit_edges(x[train], sizes.bins)
    forest, impurity = fit_forest(bin_block(x[train], edges), up[train], sizes, fit_seed)
    found = contrast(bin_block(x[test], edges), forest, groups, repeats, permute_seed)
    base = np.full(len(test), up[train].mean())
    score = FoldScore(
        cut=fold.cut,
        n_train=len(train),
        n_test=len(test),
        purged=fold.purged,
        log_loss=log_loss(found.prob, up[test]),
        base_log_loss=log_loss(base, up[test]),
    )
    return _Part(found, up[test], impurity, score)


def _permutation(parts: list[tuple[Contrast, FloatArray]], target_periods: int, seed: int) -> Permutation:
    by_fold = np.array([found.importance(up) for found, up in parts])
    generator = np.random.default_rng([seed, len(parts)])
    chance = np.zeros((SHIFTS, by_fold.shape[1]))
    for found, up in parts:
        apart = max(len(up) // 20, target_periods + 1)  # nearer outcomes share bars, or the same slow state
        shifts = generator.integers(apart, len(up) - apart, SHIFTS)
        chance += found.shifted(up, shifts) / len(parts)
    return Permutation(by_fold, _noise_level(chance))


def _noise_level(chance: FloatArray) -> FloatArray:
    """Return levels (n,) of which any is exceeded in at most `NOISE_SHARE` of trials (n_trials, n).

    Each column counts in its own standard deviations, and the largest of all is what the level must bound
    (Westfall and Young 1993, max-T). Where outcomes are noise, a feature that forecasts lean on costs log
    loss, so its level would lie below 0; but what costs log loss is no help.
    """
    centre, spread = chance.mean(axis=0), chance.std(axis=0)
    score = (chance - centre) / np.where(spread > 0, spread, 1.0)
    bound = float(np.quantile(score.max(axis=1), 1.0 - NOISE_SHARE))
    return np.asarray(np.maximum(centre + bound * spread, 0.0))


def as_bars(source: Bars | pd.DataFrame | str | Path, **reading: Any) -> Bars:
    """Return bars as they are, and read anything else by `read_bars`; a table needs no symbol here."""
    if isinstance(source, Bars):
        return source
    if not isinstance(source, str | Path) and not reading.get("symbol"):
        reading["symbol"] = _UNNAMED
    return read_bars(source, **reading)


def get_feature_importance_analysis(
    bars: Bars | pd.DataFrame | str | Path, target_periods: int = 5, **settings: Any
) -> dict[str, Any]:
    """Measure what each feature is worth, as plain data.

    Parameters
    ----------
    bars : Bars, DataFrame or path
        The bars, or what `read_bars` understands.
    target_periods : int
        Bars ahead whose direction is forecast.
    **settings
        As for `feature_importance`.

    Returns
    -------
    dict
        `top_features`: (name, share) pairs, the most important first. `permutation`, `permutation_se`,
        `noise_level`, `impurity`: value of each feature. `above_noise`: names. `clusters`: lists of names;
        `cluster_permutation`: value of each cluster's first name. `by_fold`: values of each feature, one a
        fold. `drift`: rank correlations between folds. `folds`: one dict each. `notes`: sentences.
    """
    return as_dict(feature_importance(as_bars(bars), target_periods, **settings))
