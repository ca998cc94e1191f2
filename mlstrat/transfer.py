"""The model file that a run's models start from (`models.transfer`), in the columns of the run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mlstrat.capsule import Capsule, load
from mlstrat.config import RunConfig
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import ModelError
from mlstrat.files import sha256_of
from mlstrat.models.lstm import Lstm
from mlstrat.models.transfer import Start


def load_start(config: RunConfig, names: Sequence[str], timeframe: Timeframe) -> Start | None:
    """Read the model that a run starts from.

    Parameters
    ----------
    config : RunConfig
        `models.transfer` names the file.
    names : sequence of str
        The run's features, in order: what the two models share is found by name.
    timeframe : Timeframe
        Of the run's bars.

    Returns
    -------
    Start or None
        None where the run names no file.

    Raises
    ------
    ModelError
        The file cannot be read, or its model does not fit: other bars, no feature in common, more bins, or
        an LSTM of another size.
    """
    capsule = read_capsule(config)
    if capsule is None:
        return None
    return start_from(capsule, sha256_of(Path(config.models.transfer)), config, names, timeframe)


def read_capsule(config: RunConfig) -> Capsule | None:
    """Read the file that `models.transfer` names; None where it names none.

    Raises
    ------
    ModelError
        It cannot be read.
    """
    models = config.models
    return load(models.transfer, models.trusted) if models.transfer else None


def start_from(
    capsule: Capsule, sha256: str, config: RunConfig, names: Sequence[str], timeframe: Timeframe
) -> Start:
    """Return a capsule as what a run starts from; `sha256` is that of its file, the rest as `load_start`."""
    _check(capsule, config, names, timeframe)
    about = capsule.about
    place = {name: column for column, name in enumerate(names)}
    there = np.array([column for column, name in enumerate(about.features) if name in place], np.int64)
    here = np.array([place[about.features[column]] for column in there], np.int64)
    edges = capsule.ensemble.models.edges
    aligned = np.full((len(names), edges.shape[1]), np.inf)
    aligned[here] = edges[there]
    return Start(
        edges=aligned,
        lstm=_in_columns(capsule.ensemble.models.lstm, there, here),
        known_at=known_at(capsule),
        symbol=about.symbol,
        model_sha256=capsule.window.model_sha256,
        sha256=sha256,
    )


def known_at(capsule: Capsule) -> np.datetime64:
    """Return when the last bar that a model learnt from, or that its state has seen, had closed."""
    about = capsule.about
    opened = np.datetime64(about.seen_until, "ns")
    return max(capsule.window.cut, np.datetime64(opened + Timeframe(about.timeframe).delta))


def _in_columns(lstm: Lstm, there: np.ndarray, here: np.ndarray) -> Lstm:
    """Return the LSTM with those of its inputs that stand at `there`, which are at `here` in this run."""
    _, kept, found = np.intersect1d(lstm.inputs, there, return_indices=True)
    return lstm._replace(inputs=here[found], half=lstm.half[kept], w_x=lstm.w_x[kept])


def _check(capsule: Capsule, config: RunConfig, names: Sequence[str], timeframe: Timeframe) -> None:
    about, edges = capsule.about, capsule.ensemble.models.edges.shape[1]
    given = f"models.transfer ({about.symbol})"
    if about.timeframe != str(timeframe):
        raise ModelError(
            f"{given} was fitted on bars of {about.timeframe} and these are of {timeframe}, so that its "
            f"features mean other things: give a model of {timeframe}."
        )
    if not set(about.features) & set(names):
        raise ModelError(
            f"{given} and this run have no feature in common: give a model of the same features."
        )
    if edges > config.models.bins:
        raise ModelError(
            f"{given} has {edges} edges a feature and models.bins is {config.models.bins}: "
            f"set models.bins to {edges}, or give a model of as many."
        )
    if "lstm" not in config.models.silent:
        _check_lstm(capsule.ensemble.models.lstm, config, given)


def _check_lstm(lstm: Lstm, config: RunConfig, given: str) -> None:
    units = len(lstm.w_out)
    if not lstm.w_out.any():
        raise ModelError(f"{given} has no LSTM, because it was left out or replaced: give one that has.")
    if config.tune.trials and "lstm_units" in config.tune.params:
        raise ModelError(
            f"tune.params searches lstm_units, and the LSTM of {given} has {units}: take lstm_units out of "
            "tune.params."
        )
    if units != config.models.lstm_units:
        raise ModelError(
            f"the LSTM of {given} has {units} units and models.lstm_units is {config.models.lstm_units}: "
            f"set models.lstm_units to {units}, or give a model of as many."
        )
