"""Parameter sweeps: many settings of a run on the same bars, and what came of each."""

from mlstrat.sweep.entries import Entries, returns_of_entries, sweep_entries
from mlstrat.sweep.measures import MEASURES
from mlstrat.sweep.result import Sweep
from mlstrat.sweep.run import sweep, sweep_run

__all__ = ["MEASURES", "Entries", "Sweep", "returns_of_entries", "sweep", "sweep_entries", "sweep_run"]
