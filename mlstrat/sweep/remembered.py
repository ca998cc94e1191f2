"""Fitted models in memory, for the groups of a sweep that share them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mlstrat.foldcache import FoldCache
from mlstrat.splits import Fold
from mlstrat.window import FittedModels


@dataclass(frozen=True)
class Remembered(FoldCache):
    """Fitted models in memory, before those on disk; with guests too, which are not kept there."""

    folder: Path = Path()
    disk: FoldCache | None = None
    kept: dict[str, FittedModels] = field(default_factory=dict)

    def load(self, key: str, fold: Fold, n_features: int) -> FittedModels | None:
        """Return the models of a fold; None where there are none."""
        if key not in self.kept and self.disk is not None:
            there = self.disk.load(key, fold, n_features)
            if there is not None:
                self.kept[key] = there
        return self.kept.get(key)

    def save(self, key: str, fold: Fold, models: FittedModels) -> None:
        """Keep the models of a fold."""
        self.kept[key] = models
        if self.disk is not None:
            self.disk.save(key, fold, models)
