"""What the bars are like: outages, flat and strange bars, inferred facts, and what a repair changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.data.adjustment import looks_adjusted, splits
from mlstrat.data.bars import Bars, RowError, defects
from mlstrat.data.gaps import Gap, gaps_of, long_days
from mlstrat.data.mending.repair import repair
from mlstrat.data.mending.rules import Change
from mlstrat.data.plausible import implausible
from mlstrat.data.sources import take
from mlstrat.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

Level = Literal["ok", "note", "repaired", "defect"]

# A move beyond both neighbouring closes of more than so many usual bar ranges.
SPIKE_RANGES = 10.0
_YEAR_DAYS = 365
_SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """One line of `mlstrat data check`: how bad (ok, note, repaired or defect), what, where, what to do."""

    level: Level
    what: str
    where: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class QualityReport:
    """What `check` found. Rows are 0-based; times are open times in UTC.

    Parameters
    ----------
    symbol, timeframe : str
        Whose bars.
    bars : int
        Number of bars.
    first, last : datetime64[ns]
        Open times of the first and the last bar.
    gaps : tuple of Gap
        Runs of missing bars, in order. By the instrument's calendar where it has one; else, in a market
        that closes (no bar on Saturday and Sunday, or with `instrument.sessions_per_year`), only what
        exceeds five days.
    closes : bool
        Whether the market closes, as just defined.
    flat_rows, zero_volume_rows, spike_rows : tuple of int
        Bars with high = low; bars without volume (where other bars have some); bars that leave both
        neighbouring closes by more than ten median bar ranges and come back.
    idle_rows, long_day_rows, split_rows : tuple of int
        Bars in which the calendar has no trading; bars that follow a day of 25 hours; bars that open at a
        split's ratio of the close before.
    constant : bool
        Whether every close is the same.
    notes : tuple of str
        What reading inferred or dropped.
    remarks : tuple of str
        What the data lets expect but the instrument's facts do not say.
    """

    symbol: str
    timeframe: str
    bars: int
    first: np.datetime64
    last: np.datetime64
    gaps: tuple[Gap, ...]
    closes: bool
    flat_rows: tuple[int, ...]
    zero_volume_rows: tuple[int, ...]
    spike_rows: tuple[int, ...]
    idle_rows: tuple[int, ...]
    long_day_rows: tuple[int, ...]
    split_rows: tuple[int, ...]
    constant: bool
    notes: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def missing_bars(self) -> int:
        """Bars missing in all gaps together."""
        return sum(gap.missing for gap in self.gaps)

    @property
    def longest_gap(self) -> Gap | None:
        """The gap with the most missing bars, the first of equals; None without gaps."""
        return max(self.gaps, key=lambda gap: gap.missing, default=None)

    def lines(self) -> tuple[str, ...]:
        """Return the findings as sentences."""
        return tuple(_line(finding) for finding in self.findings())

    def findings(self) -> tuple[Finding, ...]:
        """Return everything worth a line, the span first."""
        span = f"{_minute(self.first)} to {_minute(self.last)} UTC"
        found = [Finding("ok", f"{self.bars:,} bars of {self.symbol} {self.timeframe}", span)]
        found.append(self._gap_finding())
        if self.constant:
            found.append(Finding("defect", "every close is the same", "all rows", "check what was exported"))
        for rows, what, remedy in (
            (self.flat_rows, "bars have high = low", ""),
            (self.zero_volume_rows, "bars have no volume", ""),
            (self.spike_rows, "bars spike and come back", "compare them with another source"),
            (self.idle_rows, "bars lie outside the sessions of the calendar", "check it and the time zone"),
            (self.long_day_rows, "bars follow a day of 25 hours", "stamp daily bars at 00:00 UTC"),
            (self.split_rows, "bars look like an unadjusted split", "use adjusted prices"),
        ):
            if rows:
                found.append(Finding("note", f"{len(rows):,} {what}", _rows(rows), remedy))
        found += [Finding("note", sentence.rstrip(".")) for sentence in (*self.notes, *self.remarks)]
        return tuple(found)

    def training_warning(self, training_days: int) -> str | None:
        """Return a sentence if models would be fitted on less than a year, else None."""
        if training_days >= _YEAR_DAYS:
            return None
        return (
            f"splits.training_days is {training_days}: each model sees less than a year of {self.symbol}, so "
            f"its estimates are noisy; use at least {_YEAR_DAYS} where the data allows it."
        )

    def _gap_finding(self) -> Finding:
        longest = self.longest_gap
        if longest is None:
            return Finding("ok", "no bars are missing" + (" beyond usual closures" if self.closes else ""))
        where = f"longest: {longest.missing:,} after {_minute(longest.after)}, row {longest.row}"
        what = f"{len(self.gaps):,} gaps, {self.missing_bars:,} bars missing"
        return Finding("note", what, where, "nothing to do, gaps are never filled")


def check(bars: Bars) -> QualityReport:
    """Describe validated bars; nothing is changed or refused."""
    has_volume, sessions = bars.has_volume, bars.sessions
    return QualityReport(
        symbol=bars.symbol,
        timeframe=str(bars.timeframe),
        bars=len(bars),
        first=bars.time[0],
        last=bars.time[-1],
        gaps=gaps_of(bars),
        closes=bars.closes,
        flat_rows=_where(bars.high == bars.low),
        zero_volume_rows=_where(bars.volume == 0) if has_volume else (),
        spike_rows=_where(_excursion(bars) > SPIKE_RANGES),
        idle_rows=_where(sessions.idle(bars.time, bars.timeframe.delta)) if sessions else (),
        long_day_rows=_where(long_days(bars)),
        split_rows=_where(splits(bars)),
        constant=len(bars) > 1 and bool(np.all(bars.close == bars.close[0])),
        notes=bars.notes,
        remarks=_remarks(bars),
    )


def inspect(
    source: str | Path | pd.DataFrame,
    *,
    symbol: str = "",
    timeframe: str = "",
    tz: str = "",
    instrument: Mapping[str, Any] | None = None,
    now: datetime | None = None,
) -> tuple[Bars | None, list[Finding]]:
    """Read a source as `read_bars` does and list everything found, instead of raising the first error.

    Bars whose symbol is not known are looked at under the file's name.

    Returns
    -------
    (Bars or None, list of Finding)
        None where `read_bars` would refuse; then the findings hold one defect for each law that is broken.
    """
    try:
        reading = take(source, symbol, timeframe, tz, instrument, now, _stem(source))
    except DataError as error:
        return None, [_finding(error)]
    broken = [_finding(error) for error in defects(reading)]
    broken = broken or [_finding(error) for error in implausible(reading)]
    if broken:
        return None, broken + [Finding("note", sentence.rstrip(".")) for sentence in reading.notes]
    bars = reading.bars()
    return bars, list(check(bars).findings())


def repaired(
    source: str | Path | pd.DataFrame,
    *,
    symbol: str = "",
    timeframe: str = "",
    tz: str = "",
    instrument: Mapping[str, Any] | None = None,
    now: datetime | None = None,
) -> tuple[Bars, list[Finding]]:
    """Repair a source (see `repair`) and list what was changed, then what is to be known of the result.

    Raises
    ------
    DataError
        What no repair can mend.
    """
    bars, changes = repair(
        source,
        symbol=symbol,
        timeframe=timeframe,
        tz=tz,
        instrument=instrument,
        now=now,
        unnamed=_stem(source),
    )
    found = [Finding("repaired", _counted(change), _rows(change.rows), change.done) for change in changes]
    if not found:
        found.append(Finding("ok", "nothing had to be repaired"))
    return bars, [*found, *check(bars).findings()]


def _counted(change: Change) -> str:
    n = len(change.rows)
    return f"{n:,} row{'s' if n > 1 else ''}: {change.what}"


def _stem(source: object) -> str:
    """Return what bars are called whose symbol nobody knows."""
    return Path(source).name.split(".")[0] if isinstance(source, str | Path) else "bars"


def _finding(error: DataError) -> Finding:
    if isinstance(error, RowError):
        return Finding("defect", error.what, f"row {error.row} of {error.where}", error.remedy)
    what, _, remedy = str(error).rpartition(": ")
    return Finding("defect", what, "", remedy.rstrip("."))


def _line(finding: Finding) -> str:
    where = f" ({finding.where})" if finding.where else ""
    remedy = f": {finding.remedy}" if finding.remedy else ""
    sentence = f"{finding.what}{where}{remedy}."
    return sentence[0].upper() + sentence[1:]


def _excursion(bars: Bars) -> FloatArray:
    """(n_bars,) how far each bar leaves both neighbouring closes, in median bar ranges; 0 at both ends."""
    away = np.zeros(len(bars))
    usual = float(np.median(np.log(bars.high / bars.low)))
    if len(bars) < 3 or usual == 0:
        return away
    before, after = bars.close[:-2], bars.close[2:]
    above = np.log(bars.high[1:-1] / np.maximum(before, after))
    below = np.log(np.minimum(before, after) / bars.low[1:-1])
    away[1:-1] = np.maximum(above, below) / usual
    return away


def _remarks(bars: Bars) -> tuple[str, ...]:
    remarks = []
    if bars.closes and not bars.instrument.calendar and not bars.instrument.sessions_per_year:
        remarks.append(
            f"{bars.symbol} has no bars on Saturdays and Sundays, but its facts say that it never closes: "
            "give instrument.calendar (XNYS for US stocks), or instrument.sessions_per_year (252 for them) "
            "and session_hours, so that ratios are not annualised by the bars that happen to be in the file."
        )
    if looks_adjusted(bars):
        remarks.append(
            f"The prices of {bars.symbol} look adjusted for splits or dividends: absolute levels, ticks and "
            "position sizes in the past are not what was traded."
        )
    return tuple(remarks)


def _where(mask: np.ndarray) -> tuple[int, ...]:
    return tuple(int(row) for row in np.flatnonzero(mask))


def _rows(rows: tuple[int, ...]) -> str:
    listed = ", ".join(str(row) for row in rows[:_SHOWN])
    return f"row{'s' if len(rows) > 1 else ''} {listed}{', ...' if len(rows) > _SHOWN else ''}"


def _minute(moment: np.datetime64) -> str:
    return np.datetime_as_string(moment, "m").replace("T", " ")
