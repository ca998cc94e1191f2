"""The columns of a sweep in the trial ledger."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.runfolder import Inputs
from mlstrat.sweep.grid import Grid, plain, put
from mlstrat.sweep.measures import MEASURES
from mlstrat.trials.keys import trial_key
from mlstrat.trials.ledger import Trial


class Trials:
    """The columns of a sweep as trials: the key is the hash of all that determines a column.

    A column and a run with the same settings share `same`.

    Parameters
    ----------
    name : str
        Of the run.
    inputs : Inputs
        Of the sweep.
    """

    def __init__(self, name: str, inputs: Inputs) -> None:
        self._name = name
        # That of the inputs, in which files stand by their hashes.
        self._content = {k: v for k, v in inputs.config.items() if k not in ("grid", "grid_keys")}
        self._basis, self._span = inputs.basis_sha256, inputs.span
        rest = {name: value for name, value in inputs.determining.items() if name != "config"}
        self._start = hashlib.sha256(json.dumps(rest, sort_keys=True).encode())

    def of(self, grid: Grid, columns: slice, table: FloatArray) -> Iterator[Trial]:
        """Yield the trials of some columns, with the Sharpe ratio and the number of trades of each."""
        content = json.loads(json.dumps(self._content))
        sharpe, trades = (table[:, MEASURES.index(name)] for name in ("sharpe", "trades"))
        for place, column in enumerate(range(columns.start, columns.stop)):
            settings = grid.settings(column)
            for key, value in settings.items():
                put(content, key, plain(value))
            digest = self._start.copy()
            digest.update(json.dumps(content, sort_keys=True).encode())
            told = None if np.isnan(sharpe[place]) else float(sharpe[place])
            made: dict[str, Any] = {
                "name": self._name,
                "settings": {key: plain(v) for key, v in settings.items()},
            }
            made |= {"sharpe": told, "trades": int(trades[place])}
            same = trial_key(content, self._basis)
            yield Trial("sweep", digest.hexdigest(), made, same, self._span)
