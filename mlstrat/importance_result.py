"""What measuring features gave: figures, and in plain words whether there is anything in them but noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray, IntArray
from mlstrat.models.selection import rank_correlation

_TOP = 10
_NAMED = 10
_LASTS, _PARTLY = 0.6, 0.3  # rank correlations from which an order lasts, and lasts in part


@dataclass(frozen=True)
class FoldScore:
    """One fold: times in UTC, counts of bars, and log losses in nats a bar.

    `cut` is when the forest was fitted; `purged` counts the labels not yet resolved then. `base_log_loss` is
    that of the base rate of the training bars.
    """

    cut: np.datetime64
    n_train: int
    n_test: int
    purged: int
    log_loss: float
    base_log_loss: float


@dataclass(frozen=True, eq=False)
class Permutation:
    """Log loss gained by permuting columns out of sample, in nats a bar; above 0 they help.

    Parameters
    ----------
    by_fold : (n_folds, n) float64
        In each fold.
    noise_level : (n,) float64
        What the mean over folds must exceed, at least 0. With outcomes shifted to another time of the fold,
        any of the n exceeds its level in at most 1 of 20 trials.
    """

    by_fold: FloatArray
    noise_level: FloatArray

    @property
    def mean(self) -> FloatArray:
        """(n,) mean over folds."""
        return np.asarray(self.by_fold.mean(axis=0))

    @property
    def standard_error(self) -> FloatArray:
        """(n,) standard error of the mean over folds."""
        return np.asarray(self.by_fold.std(axis=0, ddof=1) / np.sqrt(len(self.by_fold)))

    @property
    def above_noise(self) -> BoolArray:
        """(n,) whether the mean exceeds the noise level and two of its standard errors.

        The first says that the columns met the outcomes better than chance, the second that they did so in
        more than one fold.
        """
        return np.asarray(self.mean > np.maximum(self.noise_level, 2.0 * self.standard_error))


@dataclass(frozen=True, eq=False)
class Importance:
    """The worth of each feature to a forest that forecasts direction.

    Parameters
    ----------
    symbol, timeframe : str
        Of the bars.
    target_periods : int
        Horizon of the labels, in bars.
    names : tuple of str
        The features.
    permutation : Permutation
        Of each feature alone: features that say the same hide one another.
    impurity_by_fold : (n_folds, n_features) float64
        Mean decrease of impurity in the same forests, in sample; each row sums to 1.
    clusters : tuple of tuple of str
        Features that say nearly the same in the first training window, the most typical one first.
    cluster_permutation : Permutation
        Of each cluster, its members permuted together.
    folds : tuple of FoldScore
        In order of time.
    """

    symbol: str
    timeframe: str
    target_periods: int
    names: tuple[str, ...]
    permutation: Permutation
    impurity_by_fold: FloatArray
    clusters: tuple[tuple[str, ...], ...]
    cluster_permutation: Permutation
    folds: tuple[FoldScore, ...]

    @property
    def impurity(self) -> FloatArray:
        """(n_features,) impurity importance, mean over folds, sums to 1."""
        return np.asarray(self.impurity_by_fold.mean(axis=0))

    @property
    def order(self) -> IntArray:
        """(n_features,) positions of the features, the most important one first."""
        return np.argsort(-self.permutation.mean, kind="stable")

    @property
    def share(self) -> FloatArray:
        """(n_features,) share of the permutation importance above 0; all 0 where none is."""
        helping = np.maximum(self.permutation.mean, 0.0)
        total = float(helping.sum())
        return np.asarray(helping / total if total else helping)

    @property
    def helps_share(self) -> FloatArray:
        """(n_features,) share of folds in which the feature helps."""
        return np.asarray((self.permutation.by_fold > 0).mean(axis=0))

    @cached_property
    def drift(self) -> FloatArray:
        """(n_folds - 1,) rank correlation of the features' importance between a fold and the next."""
        return np.diag(rank_correlation(self.permutation.by_fold.T), 1).copy()

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What the figures say, in plain words."""
        return notes_of(self)

    def top_features(self, count: int = _TOP) -> list[tuple[str, float]]:
        """Return (name, share) of the most important features; those that do not help are left out."""
        best = (int(k) for k in self.order[:count])
        return [(self.names[k], float(self.share[k])) for k in best if self.share[k] > 0]


def notes_of(importance: Importance) -> tuple[str, ...]:
    """Return sentences on noise, standard errors, the forest's own skill, clusters and drift."""
    return tuple(say(importance) for say in (_noise, _twice, _skill, _clusters, _drift))


def _noise(importance: Importance) -> str:
    found = [importance.names[k] for k in importance.order if importance.permutation.above_noise[k]]
    if not found:
        return f"None of the {len(importance.names)} features stands above noise: treat the order as noise."
    return (
        f"{len(found)} of {len(importance.names)} features {_stand(found)} above noise: {_listed(found)}. "
        "Treat the order of the others as noise."
    )


def _twice(importance: Importance) -> str:
    from scipy.stats import t

    alone, folds = importance.permutation, len(importance.folds)
    above = int((alone.mean > 2.0 * alone.standard_error).sum())
    if not above:
        return "No feature's importance is above its own standard error twice over: treat the order as noise."
    lucky = float(t.sf(2.0, folds - 1)) * len(importance.names)
    return (
        "To stand above noise is to exceed two of one's own standard errors over the folds, and what the "
        "best of all features reaches by chance when outcomes are shifted to another time. By the standard "
        f"errors alone it would be {above}; over {folds} folds about {lucky:.1f} would by luck."
    )


def _skill(importance: Importance) -> str:
    gain = np.array([fold.base_log_loss - fold.log_loss for fold in importance.folds])
    mean, better = float(gain.mean()), int((gain > 0).sum())
    verdict = (
        "importance says what it leans on, not that this can be traded"
        if mean > 0
        else "it knows nothing that lasts, and importance says only what it leans on"
    )
    return (
        f"The forest forecast better than the base rate in {better} of {len(gain)} folds, by {mean:+.5f} "
        f"nats a bar on average: {verdict}."
    )


def _clusters(importance: Importance) -> str:
    together = importance.cluster_permutation
    order = np.argsort(-together.mean, kind="stable")
    found = [importance.clusters[k][0] for k in order if together.above_noise[k]]
    told = f"none of the {len(importance.clusters)} clusters of alike features stands above noise."
    if found:
        told = (
            f"{len(found)} of the {len(importance.clusters)} clusters of alike features {_stand(found)} "
            f"above noise: {_listed(found)}."
        )
    return f"With all members permuted together, so that none stands in for another, {told}"


def _drift(importance: Importance) -> str:
    mean = float(importance.drift.mean())
    told = "the order lasts" if mean >= _LASTS else "the order lasts in part"
    if mean < _PARTLY:
        told = "what helped in one fold says little about the next"
    return f"From each fold to the next the order of features has a rank correlation of {mean:.2f}: {told}."


def _stand(found: list[str]) -> str:
    return "stands" if len(found) == 1 else "stand"


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def as_dict(importance: Importance) -> dict[str, Any]:
    """Return an importance as plain data; the keys are those of `get_feature_importance_analysis`."""
    names, alone, together = importance.names, importance.permutation, importance.cluster_permutation
    leaders = [members[0] for members in importance.clusters]
    return {
        "top_features": importance.top_features(),
        "permutation": _by_name(names, alone.mean),
        "permutation_se": _by_name(names, alone.standard_error),
        "noise_level": _by_name(names, alone.noise_level),
        "above_noise": [names[k] for k in importance.order if alone.above_noise[k]],
        "impurity": _by_name(names, importance.impurity),
        "clusters": [list(members) for members in importance.clusters],
        "cluster_permutation": _by_name(leaders, together.mean),
        "cluster_permutation_se": _by_name(leaders, together.standard_error),
        "by_fold": _by_name(names, alone.by_fold.T),
        "drift": importance.drift.tolist(),
        "folds": [{**vars(fold), "cut": f"{fold.cut.astype('datetime64[s]')}Z"} for fold in importance.folds],
        "notes": list(importance.notes),
    }


def _by_name(names: Sequence[str], values: FloatArray) -> dict[str, Any]:
    return dict(zip(names, values.tolist(), strict=True))
