"""The page of an importance: what the features are worth, and whether there is anything but noise in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mlstrat.arrays import IntArray
from mlstrat.errors import ConfigError
from mlstrat.files import write_bytes
from mlstrat.importance_result import Importance
from mlstrat.reports import importance_figures as figures
from mlstrat.reports import wording
from mlstrat.reports.figures import NARROW, WIDE
from mlstrat.reports.importance_figures import SHOWN, UNIT
from mlstrat.reports.tables import Table
from mlstrat.reports.template import fill
from mlstrat.reports.wording import NO_VALUE, count, day, number, percent

_TEMPLATE = "importance.html.j2"
_CLUSTERS_SHOWN = 20
_MEMBERS_SHOWN = 6


def plot_importance(importance: Importance, path: str | Path) -> None:
    """Draw the bar plot as a `.png`, or write the whole page as an `.html`.

    Parameters
    ----------
    importance : Importance
        What to draw.
    path : str or Path
        File to write; it appears whole or not at all.

    Raises
    ------
    ConfigError
        The path ends in neither.
    MissingExtraError
        matplotlib, or for a page jinja2, is not installed.
    RunFolderError
        The file cannot be written.
    """
    path = Path(path)
    check_place(path)
    made = figures.bars_png(importance) if path.suffix == ".png" else render(importance).encode()
    write_bytes(path, made)


def check_place(path: Path) -> None:
    """Refuse a name that `plot_importance` would refuse, before the work of measuring is done."""
    if path.suffix not in (".png", ".html"):
        raise ConfigError(f"{path} is neither a .png nor an .html file: give a name with one of these ends.")


def render(importance: Importance) -> str:
    """Return the page as HTML; it stands alone and asks for nothing on the web."""
    shown, rest = importance.order[:SHOWN], importance.order[SHOWN:]
    context = {
        "importance": importance,
        "since": day(importance.folds[0].cut),
        "headline": _headline(importance),
        "features": features(importance, shown),
        "rest": features(importance, rest),
        "clusters": _clusters(importance),
        "folds": _folds(importance),
        "shown": len(shown),
        "figure": {
            name: [("wide", draw(importance, WIDE)), ("narrow", draw(importance, NARROW))]
            for name, draw in (("bars", figures.bars), ("folds", figures.folds))
        },
        "word": wording,
    }
    return fill(_TEMPLATE, "the page of an importance", **context)


def features(importance: Importance, columns: IntArray) -> Table:
    """Return one row a feature, in the order of `columns` (positions of features)."""
    head = ("Feature", "Above noise", "Share", "Log loss gained", "Standard error", "Noise level")
    alone = importance.permutation
    rows = [
        (
            importance.names[k],
            "yes" if alone.above_noise[k] else "no",
            percent(importance.share[k]),
            number(UNIT * alone.mean[k], signed=True),
            number(UNIT * alone.standard_error[k]),
            number(UNIT * alone.noise_level[k]),
            f"{round(importance.helps_share[k] * len(importance.folds))} of {len(importance.folds)}",
            percent(importance.impurity[k], 2),
        )
        for k in columns
    ]
    return Table((*head, "Folds it helps in", "Impurity share"), rows, texts=2)


def _headline(importance: Importance) -> list[tuple[str, str, str]]:
    alone, together = importance.permutation, importance.cluster_permutation
    gain = np.array([fold.base_log_loss - fold.log_loss for fold in importance.folds])
    tested = sum(fold.n_test for fold in importance.folds)
    return [
        (
            "Features above noise",
            f"{alone.above_noise.sum()} of {len(importance.names)}",
            "each permuted alone",
        ),
        (
            "Clusters above noise",
            f"{together.above_noise.sum()} of {len(importance.clusters)}",
            "members permuted together",
        ),
        (
            "Order from fold to fold",
            number(float(importance.drift.mean())),
            "rank correlation; 1: the same",
        ),
        (
            "Log loss gained",
            number(float(gain.mean()), 5, signed=True),
            f"by the forest over the base rate, on {count(tested)} bars",
        ),
    ]


def _clusters(importance: Importance) -> tuple[Table, int]:
    """Return the most important clusters, and how many are left out."""
    together = importance.cluster_permutation
    order = np.argsort(-together.mean, kind="stable")[:_CLUSTERS_SHOWN]
    rows = [
        (
            _members(importance.clusters[k]),
            count(len(importance.clusters[k])),
            "yes" if together.above_noise[k] else "no",
            number(UNIT * together.mean[k], signed=True),
            number(UNIT * together.standard_error[k]),
            number(UNIT * together.noise_level[k]),
        )
        for k in order
    ]
    head = ("Cluster", "Features", "Above noise", "Log loss gained", "Standard error", "Noise level")
    return Table(head, rows), len(importance.clusters) - len(rows)


def _members(names: tuple[str, ...]) -> str:
    more = len(names) - _MEMBERS_SHOWN
    return ", ".join(names[:_MEMBERS_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _folds(importance: Importance) -> Table:
    head = ("Fold", "Fitted at", "Labels", "Purged", "Tested bars", "Log loss", "Base log loss", "Order kept")
    kept = [NO_VALUE, *(number(float(rho)) for rho in importance.drift)]
    rows = [
        (
            str(k + 1),
            wording.minute(fold.cut),
            count(fold.n_train),
            count(fold.purged),
            count(fold.n_test),
            number(fold.log_loss, 4),
            number(fold.base_log_loss, 4),
            kept[k],
        )
        for k, fold in enumerate(importance.folds)
    ]
    return Table(head, rows, texts=2)
