"""What a comparison with TradingView's list says: sentences, counts by cause, and a table of every trade."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlstrat.execution.types import SIDE_NAMES
from mlstrat.files import make_folder, sha256_of, write_bytes, write_json
from mlstrat.parity.trades_file import csv_bytes
from mlstrat.parity.tradingview.causes import UNEXPLAINED
from mlstrat.parity.tradingview.compare import Compared, Line
from mlstrat.parity.verify import Past
from mlstrat.reports.wording import plural

if TYPE_CHECKING:
    import pandas as pd

NAME = "tradingview"
# Examples of each cause in the JSON; the CSV has every trade.
_EXAMPLES = 3


def sentences(found: Compared) -> list[str]:
    """Return what was found, the verdict first."""
    outside = len(found.lines) - found.total
    if found.total == 0:
        verdict = "Nothing can be compared: no trade lies inside the spans of both the run and the list."
    else:
        verdict = f"{found.equal:,} of {found.total:,} trades equal in the run and in TradingView."
    said = [verdict, *found.settings, *_coarse(found)]
    if outside:
        said.append(f"Outside the span of the other, and not counted: {plural(outside, 'trade')}.")
    unexplained = found.causes.get(UNEXPLAINED, 0)
    if unexplained:
        said.append(f"Not explained: {plural(unexplained, 'difference')}.")
    return said


def _coarse(found: Compared) -> list[str]:
    """Say where the list prints less than there is to compare."""
    listed, step = found.listed, found.ours.rules.step
    said = [
        f"The list has no {name}s, so that they are not compared."
        for name, column in (("size", listed.units), ("profit", listed.profit))
        if np.isnan(column).all()
    ]
    if not said and listed.units_step > step * (1 + 1e-6):
        said.append(
            f"Sizes are printed to {listed.units_step:g}, and the run's step is {step:g}: they are compared "
            "no finer than printed."
        )
    return said


def write(folder: Path, trades: Path, tz: str, past: Past, found: Compared) -> list[Path]:
    """Write tradingview.json and tradingview.csv, each whole or not at all; return the paths.

    Raises
    ------
    RunFolderError
        The folder cannot be written to.
    """
    make_folder(folder)
    written = [folder / f"{NAME}.json", folder / f"{NAME}.csv"]
    content = {"list": {"sha256": sha256_of(trades), "tz": tz}, "run": past.manifest["key"], **as_json(found)}
    write_json(written[0], content)
    write_bytes(written[1], csv_bytes(frame(found)))
    return written


def as_json(found: Compared) -> dict[str, Any]:
    """Return the counts and the first examples of each cause."""
    listed, causes = found.listed, found.causes
    return {
        "all_equal": found.all_equal,
        "equal": found.equal,
        "total": found.total,
        "verdict": sentences(found),
        "trades": {"run": len(found.ours.trades), "list": len(listed)},
        "printed": {name: getattr(listed, f"{name}_step") for name in ("price", "units", "profit")},
        "causes": {
            cause: {
                "trades": amount,
                "inside": sum(line.inside for line in found.lines if line.cause == cause),
                "first": [f"{when(found, line)}: {line.sentence}" for line in examples(found, cause)],
            }
            for cause, amount in causes.items()
        },
    }


def examples(found: Compared, cause: str, most: int = _EXAMPLES) -> list[Line]:
    """Return the first trades with a cause."""
    return [line for line in found.lines if line.cause == cause][:most]


def when(found: Compared, line: Line) -> str:
    """Return the entry time of a line's trade, the run's where it has it."""
    run = found.ours
    time = (
        run.time[run.trades.entry_bar[line.ours]] if line.ours >= 0 else found.listed.entry_time[line.theirs]
    )
    return str(np.datetime_as_string(time, "m")).replace("T", " ")


def frame(found: Compared) -> pd.DataFrame:
    """Return one row a trade: cause, sentence, and both sides (times UTC)."""
    import pandas as pd

    ours, listed = found.ours.trades_frame(), found.listed
    theirs = pd.DataFrame(
        {
            "number": pd.array(listed.number, dtype="Int64"),
            "side": [SIDE_NAMES[int(side)] for side in listed.side],
            "units": listed.units,
            "entry_time": pd.DatetimeIndex(listed.entry_time, tz="UTC"),
            "exit_time": pd.DatetimeIndex(listed.exit_time, tz="UTC"),
            "entry_price": listed.entry_price,
            "exit_price": listed.exit_price,
            "profit": listed.profit,
            "exit": [
                ("open" if is_open else signal)
                for is_open, signal in zip(listed.is_open, listed.exit_signal, strict=True)
            ],
        }
    )
    columns = [name for name in theirs.columns if name in ours.columns]
    said = pd.DataFrame(
        [(line.cause, line.sentence, line.inside) for line in found.lines],
        columns=["cause", "sentence", "inside"],
    )
    run = ours[[*columns, "reason"]].reindex([line.ours if line.ours >= 0 else None for line in found.lines])
    tv = theirs.reindex([line.theirs if line.theirs >= 0 else None for line in found.lines])
    sides = [run.add_prefix("run_").reset_index(drop=True), tv.add_prefix("tv_").reset_index(drop=True)]
    return pd.concat([said, *sides], axis=1)
