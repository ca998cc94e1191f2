"""Fitting one window's ensemble: three models vote on a purged tail, are stacked there, and are refitted."""

from __future__ import annotations

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.config import ModelsConfig
from mlstrat.errors import ModelError
from mlstrat.models.binning import bin_block, fit_edges
from mlstrat.models.boosting import fit_boosting
from mlstrat.models.ensemble import (
    BOOSTING,
    COLUMNS,
    FOREST,
    LSTM,
    EnsembleArrays,
    Models,
    Stack,
    advance_block,
    start_state,
)
from mlstrat.models.forest import fit_forest
from mlstrat.models.grid import lstm_on_grid, trees_on_grid
from mlstrat.models.guests import Guest, predict_with
from mlstrat.models.lstm import fit_lstm, lstm_inputs, silent_lstm
from mlstrat.models.own import FittedOwn, Lesson, fit_own
from mlstrat.models.sample import MIN_ROWS, Sample, split_rows
from mlstrat.models.selection import RANKER, Selection, select, widened
from mlstrat.models.stacking import Inner, stack_votes
from mlstrat.models.transfer import start_edges, start_first
from mlstrat.models.voters import silent_trees
from mlstrat.models.weights import label_weights

CLIP_SD = 4.0  # returns are clipped at so many standard deviations before they are learned
ALL_FEATURES = Selection()


def fit_ensemble(
    sample: Sample,
    config: ModelsConfig,
    calibration_share: float,
    seeds: tuple[int, int, int],
    min_rows: int = MIN_ROWS,
    selection: Selection = ALL_FEATURES,
) -> tuple[EnsembleArrays, Inner]:
    """Fit the ensemble of one window whose models are all arrays; see `fit_with_guests`.

    Raises
    ------
    ModelError
        A model of the user's own is no set of trees; and as `fit_with_guests`.
    """
    ensemble, inner, guests = fit_with_guests(sample, config, calibration_share, seeds, min_rows, selection)
    if guests:
        raise ModelError(f"models.{guests[0].name} is no set of trees: call fit_with_guests.")
    return ensemble, inner


def fit_with_guests(
    sample: Sample,
    config: ModelsConfig,
    calibration_share: float,
    seeds: tuple[int, int, int],
    min_rows: int = MIN_ROWS,
    selection: Selection = ALL_FEATURES,
) -> tuple[EnsembleArrays, Inner, tuple[Guest, ...]]:
    """Fit the ensemble of one window.

    The models are fitted on the first part of the window and vote on its purged tail, where the stack is
    fitted; then they are refitted on the whole window. Features are chosen anew before each fit, on its own
    rows: the models that vote on the tail see none that the tail had a say in.

    Parameters
    ----------
    sample : Sample
        The window.
    config : ModelsConfig
        Sizes, and models of the user's own.
    calibration_share : float
        Share of the training rows in the tail.
    seeds : tuple of three int
        For forest, booster and LSTM.
    min_rows : int
        Fewest labels for either part, at least 1.
    selection : Selection
        Which features the models may see; the others have no bin edges and are read by no model.

    Raises
    ------
    NotEnoughBarsError
        Either part has fewer than `min_rows` labels, the first one after its purge.
    ModelError
        The labels are all alike, or the window's start knows bars of its tail.
    MissingExtraError
        PyTorch is not installed, and the LSTM is fitted.
    """
    early, tail = split_rows(sample, calibration_share, min_rows)
    if sample.start is not None:
        sample.start.refuse_after(sample.close_time[tail[0]])
    inner_models, own = _fit_models(sample, early, config, seeds, selection)
    votes, returns = _votes(sample, tail, inner_models, own.guests), _returns(config, own)
    stack, inner = stack_votes(
        votes, returns, sample, tail, config.calibration, purged=int(tail[0]) - int(early[-1]) - 1
    )
    models, own = _fit_models(sample, sample.train, config, seeds, selection)
    return EnsembleArrays(models, stack), inner, own.guests


def _fit_models(
    sample: Sample,
    rows: IntArray,
    config: ModelsConfig,
    seeds: tuple[int, int, int],
    selection: Selection,
) -> tuple[Models, FittedOwn]:
    place, start, characters = rows - sample.first, sample.start, config.characters
    own_edges = fit_edges(sample.x[rows], config.bins, characters)
    edges = start_edges(own_edges, start, len(sample.train))
    bins = bin_block(sample.x[sample.first : int(rows[-1]) + 1], edges)
    columns = select(sample.x[rows], bins[place], sample.up[rows], selection, seeds[0])
    unseen = np.setdiff1d(np.arange(len(edges)), columns)
    edges[unseen], bins[:, unseen] = np.inf, 0
    ret = sample.ret[rows]
    unit = float(np.std(ret)) or 1.0
    target = np.clip(ret / unit, -CLIP_SD, CLIP_SD)
    # Trees are fitted on the chosen columns alone: a tree that draws constant columns tries fewer splits.
    seen = np.take(bins[place], columns, axis=1)
    weight = label_weights(rows, round(sample.overlap), sample.close_time, config.half_life_days)
    ranker = RANKER if "forest" in config.silent else config
    forest, gains = fit_forest(seen, sample.up[rows], ranker, seeds[0], weight)
    boosting = silent_trees()
    if "boosting" not in config.silent:
        boosting = trees_on_grid(fit_boosting(seen, target, config, seeds[1], weight), characters)
    importances = np.zeros(len(edges))
    importances[columns] = gains
    sequence_target, sequence_weight = np.full(len(bins), np.nan), np.zeros(len(bins))
    sequence_target[place], sequence_weight[place] = target, weight
    inputs, half = lstm_inputs(start_first(importances, start), edges, config)
    if "lstm" in config.silent:
        lstm = silent_lstm(inputs, half)
    else:
        begun = None if start is None else start.lstm
        lstm = fit_lstm(bins, sequence_target, inputs, half, config, seeds[2], sequence_weight, begun)
        lstm = lstm_on_grid(lstm, characters)
    own = fit_own(config.own, Lesson(seen, columns, edges, sample.up[rows], target, weight, unit), seeds[0])
    forest = silent_trees() if "forest" in config.silent else trees_on_grid(forest, characters)
    trees = widened(forest, columns), widened(boosting, columns)
    models = Models(edges, *trees, lstm, unit, own.voters)
    return models, own


def _returns(config: ModelsConfig, own: FittedOwn) -> IntArray:
    """Return which votes, counted from 0, are returns and not probabilities.

    Where no model votes a return the silent booster stands for them, and its weight is 0: the least squares
    of the stack need a column.
    """
    spoken = [place for name, place in (("boosting", BOOSTING), ("lstm", LSTM)) if name not in config.silent]
    return np.sort(np.array([*spoken, *own.returns] or [BOOSTING], np.int64)) - FOREST


def _votes(sample: Sample, tail: IntArray, models: Models, guests: tuple[Guest, ...]) -> FloatArray:
    """Return the votes (n_tail, n_votes) on the tail; the LSTM ran from zero through all bars before."""
    n = COLUMNS - FOREST + int((models.voters.place >= COLUMNS).sum())
    silent = EnsembleArrays(models, Stack(0.0, np.zeros(n), np.zeros(n), np.ones(n), np.zeros(n)))
    begin, end = int(tail[0]), int(tail[-1]) + 1
    state = start_state(models)
    advance_block(sample.x[sample.first : begin], state, silent)
    block = predict_with(sample.x[begin:end], state, silent, guests)
    return np.ascontiguousarray(block[tail - begin, FOREST:])
