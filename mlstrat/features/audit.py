"""Audit of one feature: does its value depend on later bars, and does a stream give the same one?"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.errors import DataError, FeatureLeakError
from mlstrat.features.array_function import call, frame_of
from mlstrat.features.audit_bars import COARSE, HOUR, REAL, SMOOTH, WILD, coarse, real, smooth, wild
from mlstrat.features.causality import (
    SHARE,
    Leak,
    Rounding,
    at_cuts,
    at_every_cut,
    leak_sentence,
    values_of,
    when_tampered,
)
from mlstrat.features.memory_span import LONGEST, bars_for, least_warmup, stream_difference
from mlstrat.features.registry import Feature
from mlstrat.features.step_values import rows_for, step_values

STEP, FUNCTION = "step", "function"
_QUICK_CUTS, _QUICK_PLACES, _PLACES = 12, 6, 25
_TAMPERED = (0.31, 0.52, 0.83)

Rows = tuple[str, FloatArray]


@dataclass(frozen=True)
class Verdict:
    """What an audit found.

    Parameters
    ----------
    name : str
        The feature.
    kind : str
        `STEP` (takes one bar after another, so it has no later bar to look at) or `FUNCTION`.
    causal : bool
        Whether it was proved that no value depends on a later bar, on the bars that were tried.
    leak : Leak or None
        The first value that does.
    stream_agrees : bool
        Whether beginning with the last `warmup` bars gives what all bars give, within 1e-9 of its size.
    stream_difference : float
        The largest difference between the two, as a share of the value.
    warmup : int
        As declared.
    warmup_needed : int or None
        The shortest one found that is enough; None = the memory has no bound.
    lookback, lookback_found : int
        As declared, and bars until the first finite value on a smooth walk (0 = there is none).
    problem : str
        What else a run would refuse, or an empty text.
    note : str
        What a run refuses only on bars that stand still or have no volume, or an empty text.
    n_bars : int
        Bars on which it was tried, in all.
    seconds : float
        How long the audit took.
    """

    name: str
    kind: str
    causal: bool
    leak: Leak | None
    stream_agrees: bool
    stream_difference: float
    warmup: int
    warmup_needed: int | None
    lookback: int
    lookback_found: int
    problem: str
    note: str
    n_bars: int
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether a run takes it."""
        return self.causal and self.stream_agrees and not self.problem


def audit(
    f: Feature,
    own: Sequence[Rows] = (),
    n_bars: int = 400,
    clock: Callable[[], float] = time.perf_counter,
) -> Verdict:
    """Try a feature on four series and on bars of the user's own, cut at every bar.

    Parameters
    ----------
    f : Feature
        Not of another symbol.
    own : sequence of (name, (n_bars, 6) float64)
        More bars to try it on, as rows of `Bars.matrix`; the last `n_bars`.
    n_bars : int
        Bars of each series, or half as many beyond twice the lookback where that is more.
    clock : callable
        Seconds, to tell how long it took.
    """
    begun = clock()
    n = max(n_bars, 2 * f.lookback + n_bars // 2)
    series = [(SMOOTH, smooth(n)), (COARSE, coarse(n)), (WILD, wild(n)), (REAL, real(n))]
    series += [(name, rows[-n:]) for name, rows in own]
    start = Verdict(
        name=f.name,
        kind=STEP if f.function is None else FUNCTION,
        causal=False,
        leak=None,
        stream_agrees=False,
        stream_difference=float("nan"),
        warmup=f.warmup,
        warmup_needed=f.warmup,
        lookback=f.lookback,
        lookback_found=0,
        problem="",
        note="",
        n_bars=sum(len(rows) for _, rows in series),
        seconds=0.0,
    )
    try:
        verdict = (_of_step if f.function is None else _of_function)(f, start, series)
    except DataError as error:
        verdict = replace(start, problem=str(error))
    return replace(verdict, seconds=clock() - begun)


def _of_step(f: Feature, start: Verdict, series: Sequence[Rows]) -> Verdict:
    found = {name: step_values(f, rows_for(f, rows)) for name, rows in series}
    lookback = _first_finite(found[SMOOTH])
    return _streamed(f, replace(_with_gaps(f, start, found), causal=True, lookback_found=lookback))


def _with_gaps(f: Feature, verdict: Verdict, found: Mapping[str, FloatArray]) -> Verdict:
    """Say where values are missing; where a market stands still it is no more than a note."""
    gaps = {name: text for name, values in found.items() if (text := _unfit(f, values))}
    note = gaps.pop(COARSE, "")
    return replace(
        verdict,
        problem=next((f"on {name}: {text}" for name, text in gaps.items()), ""),
        note=f"on {COARSE}: {note}" if note else "",
    )


def _of_function(f: Feature, start: Verdict, series: Sequence[Rows]) -> Verdict:
    plain = call(f, frame_of(series[0][1], f.inputs))
    found = replace(start, lookback_found=_first_finite(plain), problem=_unsteady(f, series[0][1], plain))
    if found.problem:
        return found
    leak = next((leak for name, rows in series if (leak := _leak(f, rows, name))), None)
    if leak:
        return replace(found, leak=leak)
    found = _with_gaps(f, found, {name: values_of(f, rows) for name, rows in series})
    return _streamed(f, replace(found, causal=True))


def _streamed(f: Feature, verdict: Verdict) -> Verdict:
    """Say whether the declared warm-up is enough, and which would be."""
    rows = smooth(bars_for(f.warmup, _PLACES))
    difference = stream_difference(f, rows, f.warmup, _PLACES)
    agrees = difference <= SHARE
    return replace(
        verdict,
        stream_agrees=agrees,
        stream_difference=difference,
        warmup_needed=f.warmup if agrees else _least(f),
    )


def _leak(f: Feature, rows: FloatArray, name: str) -> Leak | None:
    cuts = [max(int(share * len(rows)), f.lookback) for share in _TAMPERED]
    return at_every_cut(f, rows, name) or when_tampered(f, rows, values_of(f, rows), cuts, name)


def _least(f: Feature) -> int | None:
    return least_warmup(replace(f, warmup=f.lookback), smooth(3 * LONGEST), _PLACES)


def _unsteady(f: Feature, rows: FloatArray, values: FloatArray) -> str:
    again = call(f, frame_of(rows, f.inputs))
    if not Rounding.of(values).apart(again, values).any():
        return ""
    return f"{f.name} gives other values for the same bars: draw its random numbers from a fixed seed."


def _unfit(f: Feature, values: FloatArray) -> str:
    """Return where a value is missing after the lookback, which a run refuses."""
    bad = np.flatnonzero(~np.isfinite(values[f.lookback - 1 :])) + f.lookback - 1
    if not len(bad):
        return ""
    if bad[-1] == f.lookback - 1 + len(bad) - 1 and bad[-1] + 1 < len(values):
        return f"no finite value before bar {bad[-1] + 1}: declare lookback={bad[-1] + 2}."
    return f"the value {values[bad[0]]} at bar {bad[0]}: give a finite number from the lookback on."


def _first_finite(values: FloatArray) -> int:
    finite = np.isfinite(values)
    return int(np.argmax(finite)) + 1 if finite.any() else 0


@cache
def refuse_unsound(f: Feature, seconds: int = HOUR) -> None:
    """Refuse what a quick form of the audit refutes: a user's step, or an array function.

    Done once for each feature in a process.

    Raises
    ------
    FeatureLeakError
        A value depends on later bars.
    DataError
        A value is missing, a stream would give other values than the batch, the function fails, or the step
        cannot be compiled.
    """
    if f.function is not None:
        _refuse_function(f, seconds)
    whole = smooth(bars_for(f.warmup, _QUICK_PLACES), seconds or HOUR)
    if stream_difference(f, whole, f.warmup, _QUICK_PLACES) > SHARE:
        raise DataError(
            f"feature {f.name} recomputed from its last {f.warmup:,} bars, as a stream does, is not what all "
            f"bars give: {_longer(_least(f))}"
        )


def _refuse_function(f: Feature, seconds: int) -> None:
    n = max(400, 2 * f.lookback + 200)
    rows = smooth(n, seconds or HOUR)
    leak = _quick_leak(f, rows, SMOOTH) or _quick_leak(f, wild(n, seconds or HOUR), WILD)
    if leak:
        raise FeatureLeakError(leak_sentence(f, leak))
    problem = _unfit(f, values_of(f, rows))
    if problem:
        raise DataError(f"feature {f.name} has {problem}")


def _longer(needed: int | None) -> str:
    if needed is None:
        return "its memory has no bound; compute it over a window of bars."
    return f"declare warmup={needed}."


def _quick_leak(f: Feature, rows: FloatArray, series: str) -> Leak | None:
    n = len(rows)
    # Closer at the beginning, where what fills a warm-up shows, than where what spans all bars does.
    cuts = np.unique((f.lookback + np.geomspace(1, n - f.lookback - 3, _QUICK_CUTS)).astype(int))
    whole = values_of(f, rows)
    found = at_cuts(f, rows, whole, cuts.tolist(), series)
    if found:
        return at_every_cut(f, rows, series) or found
    return when_tampered(f, rows, whole, [(f.lookback + n) // 2], series)
