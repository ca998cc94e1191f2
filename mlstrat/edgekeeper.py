"""The bin edges of a run's windows, which predictions do not carry: what novelty is measured by."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mlstrat.arrays import FloatArray
from mlstrat.capsule import Capsule
from mlstrat.foldstore import FoldStore
from mlstrat.models.stacking import Inner
from mlstrat.tune import Tuning
from mlstrat.window import FittedWindow


@dataclass(frozen=True)
class EdgeKeeper(FoldStore):
    """Stands before a run's store and keeps the bin edges of every window that is made or read.

    Parameters
    ----------
    behind : FoldStore, optional
        Where the windows are stored; None = nowhere.
    edges : dict of int to (n_features, n_edges) float64
        Filled while the run walks forward, by window.
    """

    folder: Path = Path()
    key: str = ""
    behind: FoldStore | None = None
    edges: dict[int, FloatArray] = field(default_factory=dict)

    def save(self, capsule: Capsule, inner: Inner, block: FloatArray, tuning: Tuning | None = None) -> None:
        """Keep the edges, and hand the window on."""
        self.edges[capsule.window.fold] = capsule.ensemble.models.edges
        if self.behind is not None:
            self.behind.save(capsule, inner, block, tuning)

    def load(self, index: int) -> tuple[FittedWindow, FloatArray] | None:
        """Return a stored window, and keep its edges."""
        kept = None if self.behind is None else self.behind.load(index)
        if kept is not None:
            self.edges[index] = kept[0].ensemble.models.edges
        return kept
