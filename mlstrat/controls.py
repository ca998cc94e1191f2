"""Honesty checks of a run: models that learn permuted labels, and the same run under other seeds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from mlstrat.arrays import FloatArray, IntArray
from mlstrat.bootstrap import Interval, bootstrap_block
from mlstrat.config import RunConfig
from mlstrat.execution import metrics
from mlstrat.foldcache import FoldCache
from mlstrat.models.ensemble import PROB_UP, advance_block
from mlstrat.models.guests import predict_with
from mlstrat.models.scores import base_rate_log_loss, log_loss, log_loss_skill
from mlstrat.panel import Panel
from mlstrat.pipeline import Run, Watcher, run_panel
from mlstrat.reports.controls import Controls, SeedRow
from mlstrat.reports.story import Story, Strict
from mlstrat.splits import Fold, Schedule
from mlstrat.walkforward import Fits, fit_here


def controls_of(
    made: Run,
    watcher: Watcher | None = None,
    cache: FoldCache | None = None,
    fits: Fits | None = None,
) -> Controls | None:
    """Make the checks that a run's settings ask for; None where they ask for none.

    Parameters
    ----------
    made : Run
        The run.
    watcher : Watcher, optional
        Told what goes on.
    cache, fits
        As for `mlstrat.pipeline.run`; permuted models are not cached.
    """
    asked, watcher = made.config.report, watcher or Watcher()
    if not asked.controls and asked.seeds == 1:
        return None
    permuted = None
    if asked.controls:
        watcher.stage("learning permuted labels")
        permuted = permuted_skill(made.panel, made.schedule, made.config, fits or fit_here)
    seeds: tuple[SeedRow, ...] = ()
    if asked.seeds > 1:
        seeds = tuple(_seed_rows(made, watcher, cache, fits))
    return Controls(permuted, seeds)


def permuted_skill(panel: Panel, schedule: Schedule, config: RunConfig, fits: Fits = fit_here) -> Interval:
    """Return the log loss gained over the base rate by models whose training labels were permuted.

    The labels of each window's training rows are permuted in blocks longer than a horizon, so that labels
    keep their overlap and lose their tie to the features; the forecasts are judged on the true labels.

    Returns
    -------
    Interval
        In nats, with its 95 % interval; NaN where nothing is scored.
    """
    close_time, ready, labels = panel.bars.close_time, panel.features.ready, panel.labels
    prob, base = np.full(len(panel.bars), np.nan), np.full(len(panel.bars), np.nan)
    for index in range(len(schedule)):
        fold = schedule.fold(index, close_time, labels.resolved_at, ready)
        if len(fold.test):
            prob[fold.test] = _forecast(permuted_panel(panel, fold, config), fold, config, fits)
            base[fold.test] = labels.up[fold.train].mean()
    scored = np.isfinite(prob) & np.isfinite(labels.up)
    block = bootstrap_block(int(np.isfinite(base).sum()), config.labels.target_periods)
    return log_loss_skill(prob[scored], base[scored], labels.up[scored], block, config.seed)


def permuted_panel(panel: Panel, fold: Fold, config: RunConfig) -> Panel:
    """Return the panel with the labels of a window's training rows permuted in blocks.

    Its models start from no other: one that was taught true labels knows what these are to have lost.
    """
    rows = fold.train
    taken = rows[_blocks_permuted(len(rows), panel, fold, config)]
    ret, up = panel.labels.ret.copy(), panel.labels.up.copy()
    ret[rows], up[rows] = panel.labels.ret[taken], panel.labels.up[taken]
    return replace(panel, labels=replace(panel.labels, ret=ret, up=up), start=None)


def _blocks_permuted(n: int, panel: Panel, fold: Fold, config: RunConfig) -> IntArray:
    day = int(fold.cut.astype("datetime64[D]").astype(np.int64))
    random = np.random.default_rng([config.seed, day])
    length = int(bootstrap_block(n, config.labels.target_periods))
    blocks = np.split(np.arange(n), np.arange(length, n, length))
    return np.concatenate([blocks[k] for k in random.permutation(len(blocks))])


def _forecast(panel: Panel, fold: Fold, config: RunConfig, fits: Fits) -> FloatArray:
    ((_, models),) = fits(panel, [fold], config)
    x, begin, state = panel.features.values, int(fold.test[0]), models.state.copy()
    advance_block(x[int(fold.train[-1]) + 1 : begin], state, models.ensemble)
    block = predict_with(x[begin : int(fold.test[-1]) + 1], state, models.ensemble, models.guests)
    return block[:, PROB_UP]


def _seed_rows(made: Run, watcher: Watcher, cache: FoldCache | None, fits: Fits | None) -> Iterator[SeedRow]:
    config = made.config
    yield seed_row(made)
    for seed in range(config.seed + 1, config.seed + config.report.seeds):
        watcher.stage(f"running with seed {seed}")
        other = config.model_copy(update={"seed": seed})
        yield seed_row(run_panel(made.panel, other, cache=cache, fits=fits))


def seed_row(made: Run) -> SeedRow:
    """Return what a run came to, from its first predicted bar on."""
    nothing = Strict(0, 0.0, made.funnel)
    told = made.predictions, made.panel.labels.up, made.decisions, made.result, made.funnel, nothing
    judged = Story(made.config, made.panel.bars, *told, manifest={}).judged
    said = judged.predictions
    scored = np.isfinite(said.prob_up) & np.isfinite(judged.up)
    prob, up, fold = said.prob_up[scored], judged.up[scored], said.fold[scored]
    rates = {window.fold: window.base_rate for window in said.windows}
    loss = log_loss(prob, up)
    base = base_rate_log_loss(np.array([rates[int(index)] for index in fold]), up)
    money = metrics.summary(judged.result, judged.bars)
    return SeedRow(
        seed=made.config.seed,
        log_loss=loss,
        skill=base - loss,
        sharpe=money["sharpe"],
        total_return=money["total_return"],
        trades=int(money["trades"]),
    )
