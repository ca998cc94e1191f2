"""The charts that an exported script is run on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlstrat.data.bars import Bars
from mlstrat.data.sources import take
from mlstrat.parity.frozen import FrozenRun
from mlstrat.pine.exported import NEVER, Exported
from mlstrat.runfolder import read_manifest

OWN = "the run's own bars"


@dataclass(frozen=True, eq=False)
class Chart:
    """Bars that a script runs on.

    Parameters
    ----------
    name : str
        What they are, as the object of a sentence.
    bars : Bars
        The bars.
    first : int or None
        The bar of the run with which they begin; None where they are other bars.
    """

    name: str
    bars: Bars
    first: int | None = None


def read_chart(folder: Path, source: str) -> Chart:
    """Read a file of bars as a chart for a run's script.

    What the bars do not say of themselves, the run does: symbol, length and time zone.

    Raises
    ------
    RunFolderError
        The folder holds no run.
    DataError
        The file cannot be used.
    """
    manifest = read_manifest(folder)
    data, about = manifest["config"]["data"], manifest["instrument"]
    read = take(source, data["symbol"], data["timeframe"], data["tz"], unnamed=about["symbol"]).bars()
    return Chart(f"the bars of {Path(source).name}", read)


def later_charts(run: FrozenRun, script: Exported) -> Iterator[Chart]:
    """Yield charts that begin a fifth and two fifths through the predicted bars, and amid a window.

    Where less than twice the bars that the script needs before it speaks were left, they begin earlier.
    """
    silent = script.warmup if script.settled >= NEVER else script.settled
    bars, windows = run.past.bars, [stored.fitted.window for stored in run.windows]
    first = int(np.searchsorted(bars.close_time, windows[0].valid_from))
    amid = windows[len(windows) // 2]
    end = min(amid.valid_to, bars.close_time[-1])
    middle = int(np.searchsorted(bars.close_time, amid.valid_from + (end - amid.valid_from) // 2))
    fifth, latest = (len(bars) - first) // 5, len(bars) - 2 * silent
    for start in sorted({min(place, latest) for place in (first + fifth, first + 2 * fifth, middle)}):
        if start > 0:
            stamp = str(np.datetime_as_string(bars.time[start], "m")).replace("T", " ")
            yield Chart(f"the run's bars from {stamp} on", bars[start:], start)
