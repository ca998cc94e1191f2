"""The contract of a label: what it says, and when that is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.data.bars import Bars

_CUTS = (0.35, 0.6, 0.8, 0.97)


def check_label(label: Callable[[Bars], Any], *, n_bars: int = 500, seed: int = 7) -> None:
    """Check that labels say honestly when they are known.

    Parameters
    ----------
    label : callable
        From `Bars` to an object with `ret` (n_bars,) float64, NaN where no label is known, `up` (n_bars,)
        1, 0 or NaN likewise, and `resolved_at` (n_bars,) datetime64[ns], NaT likewise; such as
        `mlstrat.labels.horizon_labels` with its horizon bound.
    n_bars : int
        Bars to try it on.
    seed : int
        Of the random walk.

    Raises
    ------
    AssertionError
        The first thing that it does not keep, as a sentence: a label must be known after its own bar's
        close, the same whatever comes after `resolved_at`, absent before it and there from then on.
    """
    from mlstrat.data.synthetic import random_walk

    bars = random_walk(n_bars, seed, step_ticks=4000.0)
    before = bars.matrix.tobytes()
    whole = _called(label, bars)
    if bars.matrix.tobytes() != before:
        raise AssertionError("the label changes the bars: work on a copy.")
    _check_form(whole, bars)
    again = _called(label, bars)
    if _bytes(whole) != _bytes(again):
        raise AssertionError("the label gives other values for the same bars: fix its seed.")
    for cut in (int(share * n_bars) for share in _CUTS):
        _check_cut(label, bars, whole, cut)


def _called(label: Callable[[Bars], Any], bars: Bars) -> Any:
    try:
        return label(bars)
    except Exception as error:
        raise AssertionError(
            f"the label fails on {len(bars):,} bars ({type(error).__name__}: {error}): make it take them."
        ) from error


def _bytes(made: Any) -> tuple[bytes, ...]:
    return tuple(np.asarray(getattr(made, name)).tobytes() for name in ("ret", "up", "resolved_at"))


def _check_form(made: Any, bars: Bars) -> None:
    for name in ("ret", "up", "resolved_at"):
        found = np.shape(getattr(made, name, ()))
        if found != (len(bars),):
            raise AssertionError(f"{name} of the label has shape {found} for {len(bars):,} bars.")
    known = np.isfinite(made.ret)
    if not known.any():
        raise AssertionError(f"none of {len(bars):,} bars has a label: shorten its horizon.")
    if not np.array_equal(np.isfinite(made.up), known):
        raise AssertionError("ret and up of the label are not known together.")
    if not np.array_equal(~np.isnat(made.resolved_at), known):
        raise AssertionError(
            "resolved_at of the label must be NaT where there is no label, and a time where there is one."
        )
    if not np.isin(made.up[known], (0.0, 1.0)).all():
        raise AssertionError("up of the label must be 1 or 0.")
    early = np.flatnonzero(known)[made.resolved_at[known] <= bars.close_time[known]]
    if len(early):
        raise AssertionError(
            f"the label of bar {early[0]} is resolved by the close of its own bar: it "
            "must say what happens after it."
        )


def _check_cut(label: Callable[[Bars], Any], bars: Bars, whole: Any, cut: int) -> None:
    made = _called(label, bars[:cut])
    now = bars.close_time[cut - 1]
    resolved = np.nan_to_num(whole.resolved_at[:cut] <= now)
    for name in ("ret", "up"):
        seen: FloatArray = getattr(made, name)
        early = np.flatnonzero(np.isfinite(seen) & ~resolved)
        if len(early):
            raise AssertionError(
                f"{name} of bar {early[0]} is known when the bars end at {now}, before its "
                "resolved_at: put resolved_at at the close of the last bar that the label needs, no later."
            )
        late = np.flatnonzero(resolved & ~np.isfinite(seen))
        if len(late):
            raise AssertionError(
                f"{name} of bar {late[0]} is not known when the bars end at {now}, though its "
                "resolved_at has passed: resolved_at is too early."
            )
        same = seen[resolved] == getattr(whole, name)[:cut][resolved]
        if not same.all():
            raise AssertionError(
                f"{name} of bar {np.flatnonzero(resolved)[np.argmin(same)]} changes after its resolved_at: "
                "it reads later bars."
            )
    times = made.resolved_at[resolved] == whole.resolved_at[:cut][resolved]
    if not times.all():
        raise AssertionError(
            "resolved_at changes when later bars are added: it must be known once it has passed."
        )
