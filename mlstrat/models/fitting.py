"""Fitting one window's ensemble: three models vote on a purged tail, are stacked there, and are refitted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlstrat.arrays import FloatArray, IntArray, TimeArray
from mlstrat.config import ModelsConfig
from mlstrat.errors import ModelError, NotEnoughBarsError
from mlstrat.logistic import fit_slopes, logit
from mlstrat.models.binning import bin_block, fit_edges
from mlstrat.models.boosting import fit_boosting
from mlstrat.models.ensemble import (
    BOOSTING,
    COLUMNS,
    FOREST,
    LSTM,
    PROB_UP,
    EnsembleArrays,
    Models,
    Stack,
    advance_block,
    stack_row,
    start_state,
)
from mlstrat.models.forest import fit_forest
from mlstrat.models.guests import Guest, predict_with
from mlstrat.models.lstm import fit_lstm, lstm_inputs, silent_lstm
from mlstrat.models.own import FittedOwn, Lesson, fit_own
from mlstrat.models.selection import RANKER, Selection, select, widened
from mlstrat.models.voters import silent_trees
from mlstrat.models.weights import label_weights
from mlstrat.splits import purge

CLIP_SD = 4.0  # returns are clipped at so many standard deviations before they are learned
MIN_ROWS = 250  # fewest labels for either part of a training window
ALL_FEATURES = Selection()


@dataclass(frozen=True, eq=False)
class Inner:
    """Out-of-sample predictions on the calibration tail of a training window.

    Parameters
    ----------
    rows : (n_tail,) int64
        Bars of the tail whose label was known at the cut.
    block : (n_tail, 2 + n_votes) float64
        Their predictions by the models fitted before the tail; each half of the tail is stacked by the
        stack of the other half, so that nothing here was fitted on the row it speaks about.
    stacked : (n_tail,) float64
        Their probability by the stack of the whole tail: how the scores to come will be spread.
    half : (n_tail,) int64
        Which half a row lies in, 0 or 1; -1 for rows purged between the halves.
    purged : int
        Bars removed between the inner training part and the tail.
    """

    rows: IntArray
    block: FloatArray
    stacked: FloatArray
    half: IntArray
    purged: int


@dataclass(frozen=True, eq=False)
class Sample:
    """What one window's models learn from: whole-series arrays, and which rows may be used.

    Parameters
    ----------
    x : (n_bars, n_features) float64
        Features; finite from `first` on.
    ret, up : (n_bars,) float64
        Horizon labels.
    resolved_at, close_time : (n_bars,) datetime64[ns]
        When each label and each bar is known.
    first : int
        First bar of the window: the LSTM's state starts at zero here.
    train : (n_train,) int64
        Bars whose labels may be used.
    overlap : float
        Bars that one label spans.
    embargo : int
        Bars kept between the labels of the inner training part and the tail.
    """

    x: FloatArray
    ret: FloatArray
    up: FloatArray
    resolved_at: TimeArray
    close_time: TimeArray
    first: int
    train: IntArray
    overlap: float
    embargo: int


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
        The labels are all alike.
    MissingExtraError
        PyTorch is not installed.
    """
    early, tail = _split(sample, calibration_share, min_rows)
    inner_models, own = _fit_models(sample, early, config, seeds, selection)
    votes, returns = _votes(sample, tail, inner_models, own.guests), _returns(config, own)
    stack = _fit_stack(votes, returns, sample, tail)
    inner = _inner(votes, returns, stack, sample, tail, purged=int(tail[0]) - int(early[-1]) - 1)
    models, own = _fit_models(sample, sample.train, config, seeds, selection)
    return EnsembleArrays(models, stack), inner, own.guests


def _inner(
    votes: FloatArray, returns: IntArray, stack: Stack, sample: Sample, tail: IntArray, purged: int
) -> Inner:
    """Stack each half of the tail by what was fitted on the other half."""
    kept, second = halves(tail, sample.resolved_at, sample.close_time, sample.embargo)
    half = np.where(np.isin(tail, kept), 0, np.where(np.isin(tail, second), 1, -1))
    whole = _apply_stack(votes, stack)
    block = whole.copy()
    for own, other in ((0, 1), (1, 0)):
        if (half == other).any():
            fitted = _fit_stack(votes[half == other], returns, sample, tail[half == other])
            block[half == own] = _apply_stack(votes[half == own], fitted)
    return Inner(tail, block, whole[:, PROB_UP].copy(), half, purged)


def halves(
    tail: IntArray, resolved_at: TimeArray, close_time: TimeArray, embargo: int
) -> tuple[IntArray, IntArray]:
    """Split the calibration tail into its first half, purged, and its second half."""
    first, second = tail[: len(tail) // 2], tail[len(tail) // 2 :]
    return purge(first, resolved_at, close_time[max(int(second[0]) - embargo, 0)]), second


def fit_rows(
    train: IntArray,
    resolved_at: TimeArray,
    close_time: TimeArray,
    embargo: int,
    calibration_share: float,
) -> tuple[IntArray, IntArray]:
    """Split training rows into those before the calibration tail, purged, and the tail."""
    begin = len(train) - int(len(train) * calibration_share)
    early, tail = train[:begin], train[begin:]
    if len(tail):
        early = purge(early, resolved_at, close_time[max(int(tail[0]) - embargo, 0)])
    return early, tail


def _split(sample: Sample, calibration_share: float, min_rows: int) -> tuple[IntArray, IntArray]:
    train = sample.train
    early, tail = fit_rows(train, sample.resolved_at, sample.close_time, sample.embargo, calibration_share)
    if min(len(early), len(tail)) < min_rows:
        need = rows_needed(len(train) - len(tail) - len(early), calibration_share, min_rows)
        raise NotEnoughBarsError(len(train), need, "A training window")
    return early, tail


def rows_needed(purged: int, calibration_share: float, min_rows: int = MIN_ROWS) -> int:
    """Return how many training rows give both parts `min_rows`, with so many purged between them."""
    return int(max(min_rows / calibration_share, (min_rows + purged) / (1 - calibration_share))) + 1


def _fit_models(
    sample: Sample,
    rows: IntArray,
    config: ModelsConfig,
    seeds: tuple[int, int, int],
    selection: Selection,
) -> tuple[Models, FittedOwn]:
    place = rows - sample.first
    edges = fit_edges(sample.x[rows], config.bins)
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
    replaced = {model.replaces for model in config.own.values()}
    ranker = RANKER if "forest" in replaced else config
    forest, gains = fit_forest(seen, sample.up[rows], ranker, seeds[0], weight)
    boosting = silent_trees()
    if "boosting" not in replaced:
        boosting = fit_boosting(seen, target, config, seeds[1], weight)
    importances = np.zeros(len(edges))
    importances[columns] = gains
    sequence_target, sequence_weight = np.full(len(bins), np.nan), np.zeros(len(bins))
    sequence_target[place], sequence_weight[place] = target, weight
    inputs, half = lstm_inputs(importances, edges, config)
    if "lstm" in replaced:
        lstm = silent_lstm(inputs, half)
    else:
        lstm = fit_lstm(bins, sequence_target, inputs, half, config, seeds[2], sequence_weight)
    own = fit_own(config.own, Lesson(seen, columns, edges, sample.up[rows], target, weight, unit), seeds[0])
    forest = silent_trees() if "forest" in replaced else widened(forest, columns)
    models = Models(edges, forest, widened(boosting, columns), lstm, unit, own.voters)
    return models, own


def _returns(config: ModelsConfig, own: FittedOwn) -> IntArray:
    """Return which votes, counted from 0, are returns and not probabilities."""
    replaced = {model.replaces for model in config.own.values()}
    kept = [place for name, place in (("boosting", BOOSTING), ("lstm", LSTM)) if name not in replaced]
    return np.sort(np.array([*kept, *own.returns], np.int64)) - FOREST


def _fit_stack(votes: FloatArray, returns: IntArray, sample: Sample, tail: IntArray) -> Stack:
    """Fit the stack on tail votes (n_tail, n_votes); the base rate of the whole window is the offset."""
    from scipy.optimize import nnls

    centre, spread = votes.mean(axis=0), votes.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    offset = float(logit(sample.up[sample.train].mean()))
    slope = fit_slopes((votes - centre) / spread, sample.up[tail], offset, sample.overlap)
    weights = np.zeros(votes.shape[1])
    weights[returns] = np.minimum(nnls(votes[:, returns], sample.ret[tail])[0], 1.0)
    return Stack(offset, slope, centre, spread, weights)


def _votes(sample: Sample, tail: IntArray, models: Models, guests: tuple[Guest, ...]) -> FloatArray:
    """Return the votes (n_tail, n_votes) on the tail; the LSTM ran from zero through all bars before."""
    n = COLUMNS - FOREST + int((models.voters.place >= COLUMNS).sum())
    silent = EnsembleArrays(models, Stack(0.0, np.zeros(n), np.zeros(n), np.ones(n), np.zeros(n)))
    begin, end = int(tail[0]), int(tail[-1]) + 1
    state = start_state(models)
    advance_block(sample.x[sample.first : begin], state, silent)
    block = predict_with(sample.x[begin:end], state, silent, guests)
    return np.ascontiguousarray(block[tail - begin, FOREST:])


def _apply_stack(votes: FloatArray, stack: Stack) -> FloatArray:
    block = np.empty((len(votes), FOREST + votes.shape[1]))
    block[:, FOREST:] = votes
    for row in block:
        stack_row(row, stack)
    return block
