"""What a reader of a run has to know besides its numbers, as sentences."""

from __future__ import annotations

from collections import Counter

import numpy as np

from mlstrat.arrays import BoolArray
from mlstrat.config import RunConfig
from mlstrat.data import quality
from mlstrat.data.bars import Bars
from mlstrat.data.carry import BORROW, FUNDING
from mlstrat.execution.kernel import simulate
from mlstrat.execution.types import Result
from mlstrat.parity.compare import compare
from mlstrat.pipeline import Run
from mlstrat.signals.confirmation import told
from mlstrat.signals.decide import conformal_of

_MOST_CHOSEN = 12  # features named in the note on selection


def _data_notes(bars: Bars, config: RunConfig) -> tuple[str, ...]:
    """Return what there is to know about the bars: a short training window, gaps, flat bars, spikes."""
    report = quality.check(bars)
    warning = report.training_warning(config.splits.training_days)
    return ((warning,) if warning else ()) + tuple(report.lines())


def notes_of(made: Run) -> tuple[str, ...]:
    """Return sentences on data, sentiment, costs, choices and parity of a run."""
    bars = made.panel.bars
    notes = [*_data_notes(bars, made.config), *made.panel.mood.notes, _costs(made), *_silent(made)]
    notes += _unspoken(made)
    if made.config.tune.trials:
        notes.append(
            f"The sizes of each window's models were chosen by {made.config.tune.trials} trials on its own "
            "training rows; tuning.json in the window's folder lists them."
        )
    notes.append(_calibration(made))
    if made.config.signals.conformal:
        notes.append(_conformal(made))
    if made.confirmed is not None:
        notes.append(_confirmed(made.confirmed[made.predictions.known], made.config))
    if made.config.features.select:
        notes.append(_selection(made))
    if not bars.has_volume and not made.config.features.names:
        notes.append("The volume features were left out, because the bars have no volume.")
    if made.result.engine != "kernel":
        notes.append(_parity(made, simulate(bars, made.decisions, made.result.rules)))
    if made.result.cancelled:
        notes.append(f"{made.result.cancelled} entries were cancelled: the next open could not be paid.")
    return tuple(notes)


def _selection(made: Run) -> str:
    windows, names = made.predictions.windows, made.panel.features.names
    if made.config.features.select >= len(names):
        return f"features.select is {made.config.features.select} and there are {len(names)}: all are used."
    times = Counter(name for window in windows for name in window.selected)
    most = ", ".join(f"{name} ({count})" for name, count in times.most_common(_MOST_CHOSEN))
    kept = sorted({len(window.selected) for window in windows})
    return (
        f"Each window chose {' to '.join(map(str, dict.fromkeys((kept[0], kept[-1]))))} of {len(names)} "
        f"features on its own training rows; most often, of {len(windows)} windows: {most}."
    )


def _calibration(made: Run) -> str:
    """Say which calibration maps the windows chose."""
    windows = made.predictions.windows
    parts = []
    for place, what in enumerate(("a rise", "a long that wins", "a short that wins")):
        times = Counter(window.calibration[place] for window in windows)
        parts.append(f"of {what} " + ", ".join(f"{name} {count}" for name, count in times.most_common()))
    how = "chosen by" if made.config.models.calibration == "auto" else "set by the run file, not by"
    return (
        f"Calibration maps in {len(windows)} windows, {how} the log loss on data that they were not fitted "
        f"on: for the probability {'; '.join(parts)}."
    )


def _conformal(made: Run) -> str:
    said = conformal_of(made.panel.bars, made.predictions, made.config)
    known = made.predictions.known
    return (
        f"The conformal set held the realised direction of {said.coverage:.1%} of {said.resolved:,} bars "
        f"(asked: {made.config.signals.conformal:.1%}), and one direction alone at "
        f"{np.mean(said.direction[known] != 0):.1%} of the predicted bars; at the others there is no trade."
    )


def _confirmed(confirmed: BoolArray, config: RunConfig) -> str:
    long, short = confirmed.mean(axis=0)
    return (
        f"An entry needs a condition to hold at its deciding close ({told(config.signals)}); of the "
        f"predicted bars it holds at {long:.1%} for a long and at {short:.1%} for a short."
    )


def _costs(made: Run) -> str:
    rules = made.result.rules
    fills = (
        f"Each fill pays {rules.fee_share:.4%} of its value, and market and stop fills slip by "
        f"{rules.slippage_ticks:g} ticks"
    )
    carry = made.panel.bars.carry
    if carry is None:
        return f"{fills}; funding and borrowing of shorts are not charged."
    charged, paid = [one.name for one in carry.series], float(np.sum(made.result.trades.funding))
    others = [f"no {name} is charged" for name in (FUNDING, BORROW) if name not in charged]
    return (
        f"{fills}. {' and '.join(charged).capitalize()} {'are' if others == [] else 'is'} charged at each "
        f"stamp while a position is held, {paid:,.2f} {made.panel.bars.instrument.currency} in all"
        f"{''.join(f'; {other}' for other in others)}."
    )


def _unspoken(made: Run) -> list[str]:
    """Say that bars after the last window count as record, though no model speaks of them."""
    after = int(np.argmax(made.predictions.known[::-1]))
    if not after:
        return []
    return [
        f"The last {after:,} bars have no forecast (splits.max_windows) and count as bars without position: "
        "ratios, intervals and what holding made are those of a longer record than the forecasts have."
    ]


def _silent(made: Run) -> tuple[str, ...]:
    """Say where a series of funding or borrow does not cover the predicted bars."""
    bars, known = made.panel.bars, made.predictions.known
    if bars.carry is None or not known.any():
        return ()
    return bars.carry.told(bars.time[known][0], bars.close_time[known][-1])


def _parity(made: Run, kernel: Result) -> str:
    """Say how many trades the engine and the kernel made alike; `mlstrat verify` tells of the others."""
    found = compare(kernel, made.result, made.panel.bars)
    return f"Trades identical in {found.engine} and the kernel: {found.identical:,} of {found.total:,}."
