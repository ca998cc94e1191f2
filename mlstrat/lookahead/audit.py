"""The look-ahead audit of a finished run: replays at cuts, planted leaks, and labels without a meaning."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlstrat.bootstrap import Interval, bootstrap_block
from mlstrat.controls import permuted_skill
from mlstrat.lookahead.alone import Alone, cut_alone
from mlstrat.lookahead.compare import Compared, Unlike, unlike_bits
from mlstrat.lookahead.cuts import Cut, choose_cuts
from mlstrat.lookahead.past import Past, read_run
from mlstrat.lookahead.planted import Planted, plant
from mlstrat.lookahead.replay import STAGES, replay
from mlstrat.lookahead.texts import seen_later
from mlstrat.lookahead.windows import fold_of, one_of
from mlstrat.models.scores import log_loss_skill
from mlstrat.pipeline import Watcher
from mlstrat.splits import Fold, Schedule


@dataclass(frozen=True)
class Audited:
    """What an audit found.

    Parameters
    ----------
    cuts : tuple of Cut
        Where the run was cut.
    stages : tuple of Compared
        What came of each stage of it, over all cuts.
    alone : Alone
        What came of cutting the features that are functions of whole arrays at many more bars.
    planted : tuple of Planted
        The leaks that were planted.
    permuted, own : Interval
        Log loss gained over the base rate in the windows of the cuts, in nats with its 95 % interval: by
        models that learned permuted labels, and by those of the run. NaN where nothing could be scored.
    notes : tuple of str
        What the reader should know.
    seconds : float
        How long it took.
    """

    cuts: tuple[Cut, ...]
    stages: tuple[Compared, ...]
    alone: Alone
    planted: tuple[Planted, ...]
    permuted: Interval
    own: Interval
    notes: tuple[str, ...]
    seconds: float

    @property
    def sound(self) -> bool:
        """Whether every planted leak was caught; else nothing here means anything."""
        return all(leak.caught for leak in self.planted)

    @property
    def same(self) -> bool:
        """Whether the run says the same without later data."""
        return not any(stage.different for stage in (*self.stages, self.alone.found))

    @property
    def edge_lost(self) -> bool:
        """Whether permuted labels taught nothing."""
        return not self.permuted.low > 0

    @property
    def permuted_tell(self) -> bool:
        """Whether permuted labels had something to lose: the run's own taught something in these windows."""
        return self.own.low > 0

    @property
    def passed(self) -> bool:
        """Whether the audit is sound and found no look-ahead."""
        return self.sound and self.same and self.edge_lost

    @property
    def conclusion(self) -> str:
        """One sentence."""
        if not self.sound:
            missed = "; ".join(leak.leak for leak in self.planted if not leak.caught)
            return (
                f"The audit itself failed: it did not see what it planted ({missed}), so that it says "
                "nothing about the run."
            )
        if not self.same:
            stage = next(stage for stage in (*self.stages, self.alone.found) if stage.different)
            return f"The run looks ahead, first in its {stage.stage}: {stage.first}."
        if not self.edge_lost:
            return (
                "The run may look ahead: models that learned permuted labels still beat the base rate by "
                f"{self.permuted.estimate:.5f} nats (95 % interval from {self.permuted.low:.5f})."
            )
        return f"No look-ahead was found {self._tried()}; a leak at other bars would not show."

    def _tried(self) -> str:
        values, rounded = (sum(getattr(stage, n) for stage in self.stages) for n in ("values", "rounded"))
        same = f"the same but for rounding of {rounded:,}" if rounded else "the same bits"
        cuts = "this cut" if len(self.cuts) == 1 else f"these {len(self.cuts)} cuts"
        told = [f"at {cuts}: {values:,} values are {same} without later data"]
        if self.alone.functions:
            told.append(f"array functions alone say the same at {self.alone.bars:,} bars each")
        told.append(f"all {len(self.planted)} planted leaks were caught")
        if self.permuted_tell:
            return f"{', '.join(told)}, and permuted labels teach nothing"
        return (
            f"{', '.join(told[:-1])}, and {told[-1]}; permuted labels tell nothing here: the run's own "
            "labels teach no more at these windows"
        )


def audit_run(
    folder: Path,
    *,
    cuts: int = 3,
    seed: int = 0,
    bars: str | None = None,
    watcher: Watcher | None = None,
    clock: Callable[[], float] = time.perf_counter,
    unlike: Unlike = unlike_bits,
) -> Audited:
    """Cut a finished run off from later data at some bars, make it again, and compare; nothing is written.

    It fits `cuts` windows, those again with permuted labels, and one with a planted leak. Features that are
    functions of whole arrays are cut alone at 2,000 more bars.

    Parameters
    ----------
    folder : Path
        The run's folder.
    cuts : int
        How many bars to cut at.
    seed : int
        Of the draw of these bars.
    bars : str, optional
        Where its bars lie now; by default where they lay then.
    watcher : Watcher, optional
        Told what goes on.
    clock : callable
        Seconds of a clock that never goes back.
    unlike : callable
        What tells values apart; by default their bits.

    Raises
    ------
    RunFolderError
        The folder holds no finished run, or a table of it was changed.
    ReproductionError
        Its data, settings, code or libraries are other ones, or it does not come out the same with all data.
    DataError, ConfigError, MissingExtraError
        A file, a plugin or a package is not there, or there is nothing to cut.
    """
    began, watcher = clock(), watcher or Watcher()
    past = read_run(folder, bars, watcher)
    chosen = choose_cuts(
        past.predictions["fold"],
        past.decisions["side"],
        past.schedule,
        past.bars.close_time,
        count=cuts,
        seed=seed,
        soon=past.config.labels.target_periods,
    )
    watcher.stage("making the run again at its cuts")
    watcher.windows(0, len(chosen))
    stages, replays = [Compared(name) for name in STAGES], []
    for cut in chosen:
        replays.append(replay(past, cut, unlike))
        stages = [told + more for told, more in zip(stages, replays[-1].stages, strict=True)]
        watcher.windows(len(replays), len(chosen))
    watcher.stage("cutting array functions alone")
    alone = cut_alone(past, seed, unlike)
    watcher.stage("planting leaks")
    planted = tuple(plant(past, replays[0], unlike))
    watcher.stage("learning permuted labels")
    windows = tuple(dict.fromkeys(cut.window for cut in chosen))
    permuted = permuted_skill(past.panel, SomeWindows.of(past.schedule, windows), past.config)
    own, notes = _own_skill(past, windows), tuple(_notes(past, stages))
    return Audited(chosen, tuple(stages), alone, planted, permuted, own, notes, clock() - began)


@dataclass(frozen=True)
class SomeWindows(Schedule):
    """Some windows of a schedule, each ending where it ends there."""

    parts: tuple[Schedule, ...] = ()

    @classmethod
    def of(cls, schedule: Schedule, windows: Sequence[int]) -> SomeWindows:
        """Take the windows of these numbers."""
        parts = tuple(one_of(schedule, window, window) for window in windows)
        facts = schedule.training, schedule.expanding, schedule.embargo
        return cls(schedule.boundaries[list(windows)], schedule.end, *facts, parts)

    def fold(self, index: int, close_time: np.ndarray, resolved_at: np.ndarray, ready: int) -> Fold:
        """Return one window's bars."""
        return self.parts[index].fold(0, close_time, resolved_at, ready)


def _own_skill(past: Past, windows: Sequence[int]) -> Interval:
    """Judge what the run said in some windows as `permuted_skill` judges what permuted labels taught."""
    panel, prob = past.panel, np.full(len(past.bars), np.nan)
    base, up = prob.copy(), panel.labels.up
    for window in windows:
        fold = fold_of(one_of(past.schedule, window, window), panel)
        prob[fold.test], base[fold.test] = past.predictions["prob_up"][fold.test], up[fold.train].mean()
    scored = np.isfinite(prob) & np.isfinite(up)
    block = bootstrap_block(int(np.isfinite(base).sum()), past.config.labels.target_periods)
    return log_loss_skill(prob[scored], base[scored], up[scored], block, past.config.seed)


def _notes(past: Past, stages: Sequence[Compared]) -> list[str]:
    notes, texts = [], past.texts
    rounded = sum(stage.rounded for stage in stages)
    if rounded:
        notes.append(
            f"{rounded:,} values of features that are functions of whole arrays differ by rounding alone, "
            "less than 1e-11 of their size and 1e-10 of their spread, or in their last bits. They count "
            "as the same, and models were fitted on the run's own: what hides in these digits does not show."
        )
    later = seen_later(texts, past.config.sentiment) if texts is not None else 0
    if later and texts is not None:
        notes.append(
            f"{later:,} of {len(texts.headlines):,} headlines count from their publication, as "
            'sentiment.known_by = "published" says, though they were first seen later: what was really at '
            'hand then is told by "seen" alone.'
        )
    return notes
