"""An exported script run on charts and compared with Python: what its certificate says."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.engines import engine_of
from mlstrat.parity.frozen import Frozen, FrozenRun, read_run
from mlstrat.parity.script.charts import OWN, Chart, later_charts
from mlstrat.parity.script.measure import Measured, Plotted, blanked, from_run, largest, measure
from mlstrat.parity.script.second_opinion import find_pinets, second_opinion
from mlstrat.pine.exported import Exported, with_feature_plots
from mlstrat.pine.interface import FRACTION, POSITION, PROB_UP, SENTIMENT
from mlstrat.pipeline import Watcher

ENGINE = "pine"
LATEST = "latest"
# A comparison at fewer bars with a probability certifies nothing.
LEAST_SPOKEN = 100
_PUBLISHER = re.compile(r"^import [\w-]+/", re.MULTILINE)
_NEVER = np.datetime64("2200-01-01", "ns")


class Watching(Watcher):
    """What a verification tells besides; the default keeps silent."""

    def bars(self, done: int, total: int) -> None:
        """Report the bars of a chart done so far."""


@dataclass(frozen=True, eq=False)
class Case:
    """A chart, what was measured on it, the script's probabilities there, and how long it took."""

    chart: Chart
    measured: Measured
    prob_up: FloatArray
    seconds: float


@dataclass(frozen=True)
class Second:
    """What another runtime says on the run's own bars.

    Parameters
    ----------
    version : str
        Of PineTS.
    prob_up : float or None
        Largest difference of the probability from PyneCore's; None where it plotted none.
    problem : str
        Why it plotted none; else empty.
    """

    version: str
    prob_up: float | None
    problem: str


@dataclass(frozen=True, eq=False)
class ScriptVerified:
    """What became of a script.

    Parameters
    ----------
    run : FrozenRun
        The run that it was exported from.
    script : Exported
        The script.
    cases : tuple of Case
        One a chart, the run's own bars first.
    second : Second or None
        A second opinion, which has no part in the verdict; None where PineTS is not there.
    """

    run: FrozenRun
    script: Exported
    cases: tuple[Case, ...]
    second: Second | None = None

    @property
    def spoken(self) -> int:
        """Bars with a probability; one that several charts show counts once."""
        times = [case.chart.bars.time[np.isfinite(case.prob_up)] for case in self.cases]
        return len(np.unique(np.concatenate(times)))

    @property
    def enough(self) -> bool:
        """Whether there was enough to compare."""
        return self.spoken >= LEAST_SPOKEN

    @property
    def differs(self) -> bool:
        """Whether it says or trades something else than Python, on any chart."""
        return not all(case.measured.identical for case in self.cases)

    @property
    def identical(self) -> bool:
        """Whether it says and trades what Python does, on every chart and at enough bars."""
        return self.enough and not self.differs


def verify_script(
    folder: Path,
    script: Exported,
    *,
    starts: bool = True,
    others: Sequence[Chart] = (),
    watcher: Watching | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> ScriptVerified:
    """Run an exported script on charts, and compare everything it plots and trades with Python.

    What the script should say comes from the run's stored windows, asked on the same bars; nothing is fitted
    and nothing in the folder is changed. The charts are the run's own bars and, beginning later, parts of
    them.

    Parameters
    ----------
    folder : Path
        The run's folder.
    script : Exported
        Exported from it.
    starts : bool
        Whether to run it on charts that begin inside the run, too.
    others : sequence of Chart
        More charts.
    watcher : Watching, optional
        Told what goes on.
    clock : callable
        Seconds of a clock that never goes back.

    Raises
    ------
    MissingExtraError
        PyneCore or its compiler is not installed.
    RunFolderError, ReproductionError, DataError, ModelError
        The run cannot be read (see `mlstrat.parity.frozen.read_run`), or a chart is of another symbol.
    """
    watcher = watcher or Watching()
    check_installed()
    watcher.stage("reading the run and its windows")
    run = _spoken(read_run(folder), script)
    charts = [Chart(OWN, run.past.bars, 0), *(later_charts(run, script) if starts else ()), *others]
    bench = _Bench(run, script, _importable(with_feature_plots(script)), watcher, clock)
    cases = tuple(map(bench.case, charts))
    return ScriptVerified(run, script, cases, bench.second(cases[0]))


def _importable(text: str) -> str:
    """Return a script whose libraries' publisher has a name that a Python package can have."""
    return _PUBLISHER.sub("import publisher/", text)


def _spoken(run: FrozenRun, script: Exported) -> FrozenRun:
    """Return the windows that a script holds, as long as each speaks in it."""
    if script.mode == LATEST:
        return run.latest().until(_NEVER)
    own = run.past.bars
    known = run.on(own).predictions.known
    return run.until(own.close_time[np.flatnonzero(known)[-1]] + np.timedelta64(1, "ns"))


def _while_fresh(expected: Frozen, script: Exported) -> Frozen:
    """Return what Python says, without entries of a model that is older than the script lets it be."""
    if script.max_days is None:
        return expected
    oldest = np.timedelta64(script.max_days, "D")
    stale = expected.bars.time - expected.predictions.windows[-1].cut > oldest
    return replace(expected, decisions=blanked(expected.decisions, stale))


def check_installed() -> None:
    """Check that a script can be run, before any work is done.

    Raises
    ------
    MissingExtraError
        PyneCore or its compiler is not installed.
    """
    engine_of(ENGINE).require()


@dataclass(frozen=True, eq=False)
class _Bench:
    """What all charts share; `text` is the script with a plot of each feature."""

    run: FrozenRun
    script: Exported
    text: str
    watcher: Watching
    clock: Callable[[], float]

    def case(self, chart: Chart) -> Case:
        self.watcher.stage(f"running the script on {chart.name}")
        run, expected = self.run, _while_fresh(self.run.on(chart.bars), self.script)
        began = self.clock()
        plotted = self._plotted(expected)
        seconds = self.clock() - began
        own = run.past.bars
        from_start = expected.bars.time[0] == own.time[0]
        silent = (0, 0) if from_start else (self.script.warmup, self.script.settled)
        measured = measure(plotted, expected, *silent)
        if chart.first:
            said = run.on(own).predictions.prob_up[chart.first :]
            measured = replace(measured, from_run=from_run(plotted.prob_up, said))
        return Case(chart, measured, plotted.prob_up, seconds)

    def second(self, own: Case) -> Second | None:
        """Ask another runtime about the run's own bars; it takes no libraries."""
        if find_pinets() is None or self.script.libraries:
            return None
        self.watcher.stage(f"running the script in PineTS on {own.chart.name}")
        past = self.run.past
        told = second_opinion(self.script.text, past.bars, past.rules, [PROB_UP])
        if told is None:
            return None
        if PROB_UP not in told.plots:
            return Second(told.version, None, told.problem)
        there = told.plots[PROB_UP]
        either = np.isfinite(own.prob_up) | np.isfinite(there)
        return Second(told.version, largest(own.prob_up, there, either), "")

    def _plotted(self, expected: Frozen) -> Plotted:
        from mlstrat.engines.on_pynecore.booked import result_of
        from mlstrat.engines.on_pynecore.runtime import run_strategy

        bars, rules, script = expected.bars, self.run.past.rules, self.script

        def told(done: int) -> None:
            self.watcher.bars(done, len(bars))

        with tempfile.TemporaryDirectory(prefix="mlstrat-pine-") as folder:
            made = run_strategy(self.text, bars, rules, Path(folder), script.libraries, told)
        return Plotted(
            prob_up=made.column(PROB_UP),
            mood=made.column(SENTIMENT),
            fraction=made.column(FRACTION),
            position=made.column(POSITION),
            features={name: made.column(name) for name in script.features},
            result=result_of(made, bars, expected.decisions.stop, rules),
        )
