"""The verdict on a sweep, told again: as it was stored, or tested once more beside what was tried since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlstrat.errors import NotEnoughBarsError
from mlstrat.evidence import Evidence, judge, plain_words, with_trials
from mlstrat.evidence.stored import from_plain
from mlstrat.judging.days import days_of_sweep
from mlstrat.judging.held import COLUMNS, EVIDENCE, own_file, read_json, trials_note, tried_on
from mlstrat.judging.verdict import Verdict
from mlstrat.runfolder import own_manifest
from mlstrat.trials.ledger import Ledger
from mlstrat.trials.returns import MOST, others_of

_DAYS_PER_YEAR = 365.25


def judge_sweep(folder: Path, trials: int | None = None) -> Verdict:
    """Say again what is said of a sweep, given what was tried by now.

    Where the ledger counts more than the stored verdict knew of, the columns are tested again together with
    the rest, on days, from the returns that the ledger keeps. Where it keeps none of the columns, the
    stored p-value pays for what was tried since by a bound.

    Parameters
    ----------
    folder : Path
        That `mlstrat sweep` wrote; the ledger lies beside it.
    trials : int, optional
        All that was tried on these data, in place of what the ledger counts; the test is not made again.

    Raises
    ------
    RunFolderError
        A file is missing or was changed, or the ledger cannot be read.
    ConfigError
        `trials` is below 1.
    """
    manifest = own_manifest(folder)
    stored = read_json(own_file(folder, manifest, EVIDENCE))
    every, year = int(stored["bars_per_period"]), stored["periods_per_year"] or None
    tried = None if trials is not None else tried_on(folder, manifest)
    row = "bar" if every == 1 else "period"
    if stored["evidence"] is None:
        return Verdict(None, "", year, row, tried, tuple(stored["sentences"]))
    then = from_plain(stored["evidence"])
    # Where the ledger was lost or left behind, what was counted then holds.
    known = max(tried.distinct if tried else 0, then.trials)
    again = _tested_again(folder, manifest, then, known) if known > then.trials else None
    now = again or with_trials(then, known if trials is None else trials)
    notes = [trials_note(trials, tried, "what was counted when it was made")]
    if known > then.trials:
        notes.append(_since(then, now, again is not None))
    if again is not None and again.best != then.best:
        row, year = "day", _DAYS_PER_YEAR
        notes.append("Another column is the best on days; its numbers are those of days.")
    elif every > 1:
        notes.append(f"The returns of {every:,} bars at a time were added up to one period.")
    best = _settings(folder, manifest, now.best)
    return Verdict(now, best, year, row, tried, tuple(plain_words(now, row)), tuple(notes))


def _tested_again(folder: Path, manifest: Mapping[str, Any], then: Evidence, trials: int) -> Evidence | None:
    """Test the columns beside all that was tried by now; None where their returns, or days, do not do.

    What does not depend on the others stays as it was found on bars, where the same column is the best.
    """
    if then.best < 0 or then.columns > MOST:
        return None
    ledger, inputs = Ledger.beside(folder), manifest["inputs"]
    own = days_of_sweep(ledger, inputs, own_file(folder, manifest, COLUMNS))
    if own is None:
        return None
    others = others_of(ledger, inputs["data_sha256"], set(own.same), own.day)
    seed = int(inputs["config"]["seed"])
    try:
        found = judge(own.table, own.trades, trials, others=others, seed=seed)
    except NotEnoughBarsError:
        return None
    if found.best != then.best:
        return found
    bars = then.moments.n_bars / found.moments.n_bars
    kept = replace(
        then,
        spa=replace(found.spa, block=found.spa.block * bars),
        beside=found.beside,
        trials=found.trials,
        effective_trials=found.effective_trials,
        apart=found.apart,
    )
    return with_trials(kept, found.trials)


def _since(then: Evidence, now: Evidence, again: bool) -> str:
    were = "1 trial was" if then.trials == 1 else f"{then.trials:,} trials were"
    counted = (
        f"When the sweep was made {were} counted; {now.trials:,} are counted now, and the verdict is the one "
        "for these"
    )
    if again:
        return f"{counted}: all columns were tested again, on days, together with what the ledger keeps."
    return f"{counted}." if then.best < 0 else f"{counted}. {_bound(then.columns, now.trials - then.trials)}"


def _bound(columns: int, since: int) -> str:
    were, are = ("was", "is") if since == 1 else ("were", "are")
    sweep = "sweep again, with another --out," if columns <= MOST else f"sweep {MOST:,} columns at most"
    return f"{since:,} {were} tried since and {are} paid for by a bound: {sweep} for the sharper test."


def _settings(folder: Path, manifest: Mapping[str, Any], best: int) -> str:
    """Return the settings of a column; empty for none."""
    if best < 0:
        return ""
    import pandas as pd

    keys = manifest["inputs"]["config"]["grid_keys"]
    row = pd.read_parquet(own_file(folder, manifest, COLUMNS), columns=keys).iloc[best]
    return ", ".join(f"{key} = {row[key]}" for key in keys)
