"""Hyper-parameters chosen inside one training window: no row that the window may not learn from has a say.

A study fits the whole ensemble on expanding parts of the window's own training rows, each purged, and
scores it on the rows behind them (nested walk-forward). Its first trial is what the run file says, so that
the choice is never worse than that on the inner rows. The same window and seed give the same choice, unless
a timeout ends the search.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlstrat.arrays import IntArray
from mlstrat.config import ModelsConfig
from mlstrat.config_tune import TUNABLE, Bound, TuneConfig
from mlstrat.errors import MissingExtraError, ModelError, NotEnoughBarsError
from mlstrat.models.ensemble import PROB_UP, advance_block, start_state
from mlstrat.models.fitting import ALL_FEATURES, fit_with_guests
from mlstrat.models.guests import predict_with
from mlstrat.models.sample import Sample, fit_rows
from mlstrat.models.scores import log_loss
from mlstrat.models.selection import Selection
from mlstrat.splits import purge
from mlstrat.trials.ledger import Trial

if TYPE_CHECKING:
    import optuna

INNER_FOLDS = 3  # over the second half of the training rows
MIN_ROWS = 50  # fewest labels for either part of an inner fold
UNTRIED = 5  # trials before the sampler has a view and the pruner may stop one
_PREFIX = {"forest": "rf_", "boosting": "gb_", "lstm": "lstm_"}


class Tried(NamedTuple):
    """One trial.

    Parameters
    ----------
    key : str
        Hash of the window's rows, the seeds and every setting of the models.
    params : dict
        What was tried.
    state : {"complete", "pruned", "fail"}
        Whether it was scored on every inner fold, stopped before, or could not be fitted.
    loss : float
        Mean log loss over the inner folds, in nats; NaN unless complete.
    """

    key: str
    params: dict[str, Bound]
    state: str
    loss: float

    def content(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return self._asdict() | {"loss": None if math.isnan(self.loss) else self.loss}


@dataclass(frozen=True)
class Tuning:
    """What was chosen for a window, and everything that was tried for it.

    Parameters
    ----------
    chosen : dict
        The settings of [models] that are replaced; empty where no trial could be fitted.
    trials : tuple of Tried
        In the order in which they were tried.
    """

    chosen: dict[str, Bound]
    trials: tuple[Tried, ...]

    def models(self, config: ModelsConfig) -> ModelsConfig:
        """Return the settings with what was chosen."""
        return config.model_copy(update=self.chosen)

    def content(self) -> dict[str, Any]:
        """Return it as JSON can hold it; `tuning_of` reads it."""
        return {"chosen": self.chosen, "trials": [trial.content() for trial in self.trials]}

    def ledger_rows(self, cut: str) -> list[Trial]:
        """Return the trials as the ledger keeps them; `cut` is when the window's models were fitted."""
        rows = []
        for trial in self.trials:
            told = trial.content()
            content = {"cut": cut, "params": told["params"], "state": told["state"], "log_loss": told["loss"]}
            rows.append(Trial("tune", trial.key, content))
        return rows


def tuning_of(content: Mapping[str, Any]) -> Tuning:
    """Return what `Tuning.content` told."""
    trials = (
        Tried(**{**trial, "loss": math.nan if trial["loss"] is None else trial["loss"]})
        for trial in content["trials"]
    )
    return Tuning(dict(content["chosen"]), tuple(trials))


def tune(
    sample: Sample,
    models: ModelsConfig,
    settings: TuneConfig,
    calibration_share: float,
    seeds: tuple[int, int, int],
    selection: Selection = ALL_FEATURES,
) -> Tuning:
    """Choose the sizes of one window's models.

    Parameters
    ----------
    sample : Sample
        The window; no row behind its last training row is read.
    models : ModelsConfig
        What the run file says, which is tried first.
    settings : TuneConfig
        Trials, timeout and bounds.
    calibration_share, seeds, selection
        As for `mlstrat.models.fitting.fit_with_guests`; every trial has the same.

    Raises
    ------
    MissingExtraError
        Optuna is not installed.
    ModelError
        The window's start knows bars on which a trial is judged.

    Notes
    -----
    Tree-structured Parzen estimator (Bergstra et al. 2011), and the median rule for trials that are worse
    after a fold than half of those before (Golovin et al. 2017).
    """
    try:
        import optuna
    except ImportError as error:
        raise MissingExtraError("tune", "optuna", "The search for hyper-parameters") from error

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = search_space(models, settings)
    folds = list(inner_folds(sample))
    if sample.start is not None:
        first = fit_rows(
            folds[0][0], sample.resolved_at, sample.close_time, sample.embargo, calibration_share
        )
        sample.start.refuse_after(sample.close_time[first[1][0]])

    def objective(trial: optuna.Trial) -> float:
        tried = models.model_copy(update=_suggested(trial, space))
        losses: list[float] = []
        for number, (train, test) in enumerate(folds):
            part = replace(sample, train=train)
            losses.append(_loss(part, test, tried, calibration_share, seeds, selection))
            trial.report(float(np.mean(losses)), number)
            if trial.should_prune():
                raise optuna.TrialPruned
        return float(np.mean(losses))

    drawn = int(np.random.SeedSequence(seeds).generate_state(1)[0])
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=drawn, n_startup_trials=UNTRIED),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=UNTRIED, n_warmup_steps=0),
    )
    study.enqueue_trial({name: getattr(models, name) for name in space if _within(models, name, space[name])})
    unfit = (ModelError, NotEnoughBarsError)
    study.optimize(objective, settings.trials, 60.0 * settings.timeout_minutes or None, catch=unfit)
    studied = _digest(sample, calibration_share, seeds, selection)
    trials = tuple(_tried(trial, models, studied) for trial in study.trials)
    scored = [trial for trial in trials if trial.state == "complete"]
    return Tuning(dict(min(scored, key=lambda trial: trial.loss).params) if scored else {}, trials)


def search_space(models: ModelsConfig, settings: TuneConfig) -> dict[str, tuple[Bound, Bound]]:
    """Return the bounds of what is searched: what the run file names, and a default for the rest.

    Models that are left out, or that one of the user's own replaces, have none. The profile `pine` keeps its
    sizes unless they are named, so that its models still fit a script.
    """
    silent = tuple(_PREFIX[name] for name in models.silent)
    space: dict[str, tuple[Bound, Bound]] = {}
    for name, known in TUNABLE.items():
        usual = known.searched and not (known.size and models.profile == "pine")
        if not name.startswith(silent) and (usual or name in settings.params):
            space[name] = settings.params.get(name, (known.low, known.high))
    return space


def inner_folds(sample: Sample) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield (training rows, rows to score) of expanding parts of a window's training rows, purged."""
    train = sample.train
    edges = np.linspace(len(train) // 2, len(train), INNER_FOLDS + 1).astype(np.int64)
    for begin, end in pairwise(edges):
        if end > begin:
            limit = sample.close_time[max(int(train[begin]) - sample.embargo, 0)]
            yield purge(train[:begin], sample.resolved_at, limit), train[begin:end]


def _loss(
    part: Sample,
    test: IntArray,
    models: ModelsConfig,
    calibration_share: float,
    seeds: tuple[int, int, int],
    selection: Selection,
) -> float:
    ensemble, _, guests = fit_with_guests(part, models, calibration_share, seeds, MIN_ROWS, selection)
    begin, end = int(test[0]), int(test[-1]) + 1
    state = start_state(ensemble.models)
    advance_block(part.x[part.first : begin], state, ensemble)
    block = predict_with(part.x[begin:end], state, ensemble, guests)
    return log_loss(block[test - begin, PROB_UP], part.up[test])


def _suggested(trial: optuna.Trial, space: Mapping[str, tuple[Bound, Bound]]) -> dict[str, Bound]:
    params: dict[str, Bound] = {}
    for name, (low, high) in space.items():
        known = TUNABLE[name]
        if known.whole:
            params[name] = trial.suggest_int(name, int(low), int(high), log=known.log)
        else:
            params[name] = trial.suggest_float(name, low, high, log=known.log)
    return params


def _within(models: ModelsConfig, name: str, bounds: tuple[Bound, Bound]) -> bool:
    return bool(bounds[0] <= getattr(models, name) <= bounds[1])


def _tried(trial: optuna.trial.FrozenTrial, models: ModelsConfig, studied: str) -> Tried:
    config = models.model_copy(update=trial.params)
    settings = config.model_dump(mode="json", exclude={"profile", "transfer"})
    key = hashlib.sha256(json.dumps([studied, settings], sort_keys=True).encode()).hexdigest()
    state = trial.state.name.lower()
    loss = float(trial.value) if state == "complete" and trial.value is not None else math.nan
    return Tried(key, dict(trial.params), state, loss)


def _digest(
    sample: Sample, calibration_share: float, seeds: tuple[int, int, int], selection: Selection
) -> str:
    """Hash what a trial learns from, apart from the settings of the models."""
    rows = slice(sample.first, int(sample.train[-1]) + 1)
    told = [calibration_share, list(seeds), selection.keep, selection.by, sample.embargo, sample.overlap]
    begun = [sample.start.sha256] if sample.start else []
    digest = hashlib.sha256(json.dumps(told + begun).encode())
    for array in (
        sample.x[rows],
        sample.close_time[rows],
        sample.train - sample.first,
        sample.ret[sample.train],
        sample.up[sample.train],
        sample.resolved_at[sample.train],
    ):
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
