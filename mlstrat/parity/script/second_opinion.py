"""The same Pine script in PineTS, a runtime of other authors, where the machine has it.

PineTS (npm `pinets`) is a test tool in a process of its own and no dependency: nothing here installs it.
What it plots is a second opinion on what PyneCore plots. Its trades are one only on scripts without slippage
whose entries never open beyond their own bracket: it cuts quantities to six decimals, it slips targets too,
and it ignores a stop or a target that the entry's open had passed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.data.bars import Bars
from mlstrat.execution.types import STOP, TARGET, TIME, RiskRules, Trades
from mlstrat.pine.execution import STOP_COMMENT, TARGET_COMMENT

FOLDER_VARIABLE = "MLSTRAT_PINETS"
TIME_LIMIT_S = 600.0

_RUNNER = Path(__file__).with_name("pinets_run.mjs")
_REASONS = {STOP_COMMENT: STOP, TARGET_COMMENT: TARGET}
_N_TRADE_COLUMNS = 7


@dataclass(frozen=True)
class PineTS:
    """A PineTS that can be asked.

    Parameters
    ----------
    node : Path
        The program `node`.
    folder : Path
        Folder of the package `pinets`.
    version : str
        Version of the package.
    """

    node: Path
    folder: Path
    version: str


@dataclass(frozen=True, eq=False)
class SecondOpinion:
    """What PineTS made of a script.

    Parameters
    ----------
    version : str
        Version of PineTS.
    plots : mapping
        (n_bars,) float64 by title, NaN = na; a plot that PineTS did not make is missing.
    trades : Trades
        The closed trades in order of exit; none where the script is no strategy.
    problem : str
        A sentence where PineTS could not run the script, or left plots out; else empty.
    """

    version: str
    plots: Mapping[str, FloatArray] = field(default_factory=dict)
    trades: Trades = field(default_factory=lambda: _trades([], []))
    problem: str = ""


def find_pinets(environ: Mapping[str, str] = os.environ, here: Path = Path()) -> PineTS | None:
    """Return the PineTS of this machine, or None.

    The package is looked for in the folder named by MLSTRAT_PINETS, in those of NODE_PATH, and in
    `node_modules` of the current folder, in this order.

    Parameters
    ----------
    environ : mapping
        The environment's variables.
    here : Path
        The current folder.
    """
    node = shutil.which("node", path=environ.get("PATH", ""))
    if node is None:
        return None
    given = [Path(environ[FOLDER_VARIABLE])] if environ.get(FOLDER_VARIABLE) else []
    shared = [Path(part) for part in environ.get("NODE_PATH", "").split(os.pathsep) if part]
    for root in (*given, *shared, here / "node_modules"):
        for folder in (root, root / "pinets", root / "node_modules" / "pinets"):
            version = _version(folder)
            if version is not None:
                return PineTS(Path(node), folder.resolve(), version)
    return None


def _version(folder: Path) -> str | None:
    """Return the version of the package in this folder, or None where it holds no `pinets`."""
    try:
        about = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return str(about.get("version")) if isinstance(about, dict) and about.get("name") == "pinets" else None


def second_opinion(
    script: str,
    bars: Bars,
    rules: RiskRules,
    plots: Sequence[str],
    *,
    pinets: PineTS | None = None,
    limit_s: float = TIME_LIMIT_S,
) -> SecondOpinion | None:
    """Run a Pine script in PineTS over the bars.

    Parameters
    ----------
    script : str
        Pine v6.
    bars : Bars
        What the chart shows.
    rules : RiskRules
        Price and quantity grid of the chart's symbol.
    plots : sequence of str
        Titles of the plots wanted.
    pinets : PineTS, optional
        Which one to ask; by default the machine's own.
    limit_s : float
        After so many seconds it is stopped.

    Returns
    -------
    SecondOpinion or None
        None where node or PineTS is not there. Whatever goes wrong in PineTS is a sentence in `problem`.
    """
    found = pinets or find_pinets()
    if found is None:
        return None
    asked = {
        "script": script,
        "bars": _rows(bars),
        "symbol": _symbol(bars, rules),
        "timeframe": _period(bars),
        "plots": list(plots),
    }
    with tempfile.TemporaryDirectory(prefix="mlstrat-pinets-") as name:
        answer = _asked(found, asked, Path(name), limit_s)
    return _opinion(found.version, answer, plots, len(bars))


def _rows(bars: Bars) -> list[list[float]]:
    """Return a row a bar: prices, volume, open and close time in epoch milliseconds; it trades all day."""
    length = bars.timeframe.seconds * 1000.0
    return [[*row[:5], row[5] * 1000.0, row[5] * 1000.0 + length] for row in bars.matrix.tolist()]


def _symbol(bars: Bars, rules: RiskRules) -> dict[str, Any]:
    """Return the chart's symbol, with the rules' grids."""
    return {
        "prefix": "MLSTRAT",
        "description": bars.symbol,
        "ticker": bars.symbol,
        "root": bars.symbol,
        "tickerid": f"MLSTRAT:{bars.symbol}",
        "main_tickerid": f"MLSTRAT:{bars.symbol}",
        "currency": "USD",
        "type": "crypto",
        "timezone": "Etc/UTC",
        "session": "24x7",
        "volumetype": "base",
        "mintick": rules.tick,
        "pricescale": 1 if rules.tick >= 1.0 else round(1.0 / rules.tick),
        "minmove": round(rules.tick) if rules.tick >= 1.0 else 1,
        "pointvalue": 1.0,
        "mincontract": min(rules.step, 1.0),
    }


def _period(bars: Bars) -> str:
    from mlstrat.engines.on_pynecore.runtime import pine_period

    return pine_period(bars.timeframe)


def _asked(pinets: PineTS, asked: Mapping[str, Any], folder: Path, limit_s: float) -> Any:
    """Return the answer of a child process, or `{"problem": reason}`."""
    question, answer = folder / "asked.json", folder / "answer.json"
    question.write_text(json.dumps(asked), encoding="utf-8")
    command = [str(part) for part in (pinets.node, _RUNNER, pinets.folder, question, answer)]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, cwd=folder, timeout=limit_s, check=False
        )
    except subprocess.TimeoutExpired:
        return {"problem": f"it was stopped after {limit_s:g} seconds"}
    except OSError as error:
        return {"problem": str(error)}
    try:
        return json.loads(answer.read_bytes())
    except (OSError, ValueError):
        return {"problem": f"node ended with code {done.returncode} and no answer"}


def _opinion(version: str, answer: Any, titles: Sequence[str], n_bars: int) -> SecondOpinion:
    if "problem" in answer:
        first, *_ = str(answer["problem"]).strip().splitlines() or ["no reason given"]
        return SecondOpinion(version, problem=f"PineTS could not run it: {first.rstrip('.')}.")
    plots = {title: np.array(column, np.float64) for title, column in answer["plots"].items()}
    left_out = [title for title in titles if title not in plots or plots[title].shape != (n_bars,)]
    whole = {title: column for title, column in plots.items() if title not in left_out}
    problem = f"PineTS ran it, but did not plot {', '.join(left_out)} on every bar." if left_out else ""
    return SecondOpinion(version, whole, _trades(answer["trades"], answer["exits"]), problem)


def _trades(rows: Sequence[Sequence[float]], comments: Sequence[str]) -> Trades:
    """Return the trades; a comment that names neither stop nor target is an exit by time."""
    entry, end, size, paid, price, fees, profit = np.array(rows, np.float64).reshape(-1, _N_TRADE_COLUMNS).T
    return Trades(
        signal_bar=entry.astype(np.int64) - 1,
        entry_bar=entry.astype(np.int64),
        exit_bar=end.astype(np.int64),
        side=np.sign(size).astype(np.int8),
        units=np.abs(size),
        entry_price=paid,
        exit_price=price,
        commission=fees,
        profit=profit,
        reason=np.array([_REASONS.get(comment, TIME) for comment in comments], np.int8),
    )
