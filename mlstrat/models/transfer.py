"""A start from another symbol's model: its bins where data is short, and its LSTM instead of random weights.

What a symbol's own trees learn is not carried over: they are fitted on its own rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.errors import ModelError
from mlstrat.models.lstm import Lstm

# A window with fewer rows an edge takes the edges of its start. Between two of its own would lie a handful of
# independent values, because features move slowly. Measured on the calibration tails of ETHUSDT from a model
# of BTCUSDT: the LSTM's vote follows the move better on its start's bins at 23 rows an edge (60 days of
# hours; correlation 0.033 against 0.028), and worse at 46 (120 days; 0.010 against 0.018).
ROWS_PER_EDGE = 30


@dataclass(frozen=True, eq=False)
class Start:
    """Another symbol's model, in the columns of this run.

    Parameters
    ----------
    edges : (n_features, n_edges) float64
        Its bin edges; a row of +inf where it does not know the feature.
    lstm : Lstm
        Its LSTM; `inputs` are columns of this run, those features that both know.
    known_at : datetime64[ns]
        When the last of what it was made from was known.
    symbol : str
        Whose model it is.
    model_sha256, sha256 : str
        Hashes of its arrays and of its file.
    """

    edges: FloatArray
    lstm: Lstm
    known_at: np.datetime64
    symbol: str
    model_sha256: str
    sha256: str

    def refuse_after(self, judged_from: np.datetime64) -> None:
        """Refuse a model that knows more than what its heirs are first judged on.

        Symbols move together: a model that saw another one's bars of a time has seen something of that time.

        Parameters
        ----------
        judged_from : datetime64[ns]
            Close of the first bar on which models that start from it vote: the first of the calibration tail.

        Raises
        ------
        ModelError
            It knows what was not known then.
        """
        if self.known_at > judged_from:
            raise ModelError(
                f"models.transfer is a model of {self.symbol} that knows the bars until "
                f"{_minute(self.known_at)}, and a window calibrates what starts from it on bars from "
                f"{_minute(judged_from)}: give a model fitted until then, or set splits.start later."
            )


def start_edges(own: FloatArray, start: Start | None, n_rows: int) -> FloatArray:
    """Return the edges of a window: those of the start where the window is short and both have some.

    Parameters
    ----------
    own : (n_features, max_edges) float64
        Learnt from the window.
    start : Start, optional
        Without it, or with `ROWS_PER_EDGE` rows an edge, the window's own.
    n_rows : int
        Rows of the whole window: the models that vote on its tail have the same kind of edges as the last.
    """
    if start is None or n_rows >= ROWS_PER_EDGE * own.shape[1]:
        return own
    edges = own.copy()
    taken = np.isfinite(own[:, 0]) & np.isfinite(start.edges[:, 0])
    edges[taken] = np.inf
    edges[taken, : start.edges.shape[1]] = start.edges[taken]
    return edges


def start_first(importances: FloatArray, start: Start | None) -> FloatArray:
    """Return importances (n_features,) by which the inputs of the start come before all others."""
    if start is None:
        return importances
    known = np.zeros(len(importances))
    known[start.lstm.inputs] = 1.0
    return importances + known


def _minute(moment: np.datetime64) -> str:
    return f"{np.datetime_as_string(moment, 'm')}Z"
