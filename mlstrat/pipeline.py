"""The composition root: bars and headlines in, decisions and their result out. It holds no maths."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from mlstrat.arrays import BoolArray
from mlstrat.config import RunConfig
from mlstrat.data.bars import Bars
from mlstrat.data.carry import BORROW, FUNDING
from mlstrat.data.rates import with_rates
from mlstrat.data.sources import read_bars
from mlstrat.engines import engine_of
from mlstrat.errors import ConfigError, MissingExtraError
from mlstrat.execution.types import Decisions, Result
from mlstrat.features.choose import market_of, refuse_unfit_inputs
from mlstrat.features.lookup import resolve
from mlstrat.features.matrix import build
from mlstrat.foldcache import FoldCache
from mlstrat.foldstore import FoldStore
from mlstrat.inputs import build_inputs, check_headlines, input_names
from mlstrat.models.own import make_estimator
from mlstrat.panel import Panel, make_panel
from mlstrat.plugins import load_plugins
from mlstrat.predictions import Predictions
from mlstrat.sentiment.align import SentimentSeries
from mlstrat.sentiment.choice import ScorerChoice
from mlstrat.sentiment.series import mood_for
from mlstrat.signals.confirmation import confirmation_of, confirmed_at
from mlstrat.signals.decide import decide
from mlstrat.signals.funnel import Funnel, funnel_of
from mlstrat.signals.risk import RiskColumns, risk_columns
from mlstrat.signals.terms import risk_rules
from mlstrat.splits import Schedule
from mlstrat.transfer import load_start, read_capsule
from mlstrat.walkforward import ATR_FEATURE, Fits, check_windows, schedule_for, walk_forward

if TYPE_CHECKING:
    import pandas as pd

# Where a run can be executed. Pine, which cannot follow every rule, replays the decisions of finished runs.
ENGINES = ("kernel", "backtrader", "vectorbt")
# (package, extra, what needs it), asked for before any work is done.
_ALWAYS = (("torch", "torch", "The LSTM"),)
_TUNING = (("optuna", "tune", "The search for hyper-parameters"),)
_BY_SCORER: dict[str, tuple[tuple[str, str, str], ...]] = {
    "finbert": (
        ("transformers", "transformers", "The scorer finbert"),
        ("torch", "transformers", "The scorer finbert"),
    ),
    "learned": (),
    "vader": (("nltk", "sentiment", "The scorer vader"), ("vaderSentiment", "sentiment", "The scorer vader")),
}


class Watcher:
    """What a run tells while it works; the default keeps silent."""

    def stage(self, text: str) -> None:
        """Begin a stage, described by a few words."""

    def note(self, text: str) -> None:
        """Say what the user should know before the run goes on."""

    def windows(self, done: int, total: int, cached: int = 0) -> None:
        """Report the windows done so far, and for how many of them the models came from the cache."""


@dataclass(frozen=True, eq=False)
class Run:
    """A run in memory.

    Parameters
    ----------
    config : RunConfig
        Its settings.
    panel : Panel
        Bars, features, sentiment and labels.
    schedule : Schedule
        Its windows.
    predictions : Predictions
        Out of sample.
    decisions : Decisions
        One candidate a bar.
    result : Result
        From the engine asked for.
    funnel : Funnel
        How far the bars came.
    risk : RiskColumns
        What spoke against a trade at each bar.
    confirmed : (n_bars, 2) bool, optional
        Where its conditions held, for a long and for a short; None where it has none.
    """

    config: RunConfig
    panel: Panel
    schedule: Schedule
    predictions: Predictions
    decisions: Decisions
    result: Result
    funnel: Funnel
    risk: RiskColumns
    confirmed: BoolArray | None = None


def load_bars(config: RunConfig, source: pd.DataFrame | str | Path | None = None) -> Bars:
    """Read the run's bars, or with its settings another source, and what holding a position on them costs."""
    data = config.data
    bars = read_bars(
        data.bars if source is None else source,
        symbol=data.symbol,
        timeframe=data.timeframe,
        tz=data.tz,
        start=data.start,
        end=data.end,
        instrument=config.instrument.facts(),
    )
    return with_rates(bars, **_rates(config))


def bars_of(config: RunConfig, bars: Bars | pd.DataFrame | str | Path | None) -> Bars:
    """Return given bars with the run's rates where they have none, or read them as `load_bars` does."""
    if not isinstance(bars, Bars):
        return load_bars(config, bars)
    return with_rates(bars, **_rates(config)) if bars.carry is None else bars


def _rates(config: RunConfig) -> dict[str, str]:
    return {FUNDING: config.instrument.funding, BORROW: config.instrument.borrow}


def load_others(config: RunConfig) -> tuple[Bars, ...]:
    """Read the bars of the other symbols that the run's features may look at."""
    return tuple(read_bars(source, tz=config.data.tz) for source in config.features.context)


def load_panel(bars: Bars, mood: SentimentSeries, config: RunConfig, others: Sequence[Bars] = ()) -> Panel:
    """Compute the models' inputs and labels of the bars.

    Raises
    ------
    ConfigError, DataError, ModelError, NotEnoughBarsError
        A feature cannot be computed, `sentiment.features` is asked for without headlines, or the model that
        the run starts from does not fit.
    """
    check_headlines(config, mood)
    features = build_inputs(bars, input_names(market_of(bars, others), config), mood, others)
    atr_px = build(bars, [ATR_FEATURE]).column(ATR_FEATURE).copy()
    start = load_start(config, features.names, bars.timeframe)
    return make_panel(bars, features, atr_px, mood, config, start)


def run(
    config: RunConfig,
    *,
    bars: Bars | pd.DataFrame | str | Path | None = None,
    engine: str = "kernel",
    store: FoldStore | None = None,
    watcher: Watcher | None = None,
    mood: SentimentSeries | None = None,
    cache: FoldCache | None = None,
    fits: Fits | None = None,
) -> Run:
    """Run a configuration in memory: bars to result, nothing written.

    Parameters
    ----------
    config : RunConfig
        The run.
    bars : Bars, DataFrame or path, optional
        Instead of those the configuration names; a frame or file is read with the configuration's symbol,
        timeframe, time zone, dates and instrument. Bars that have a carry keep it.
    engine : {"kernel", "backtrader", "vectorbt"}
        Where the decisions are executed; the trades are the same.
    store : FoldStore, optional
        Keeps finished windows.
    watcher : Watcher, optional
        Told what goes on.
    mood : SentimentSeries, optional
        Instead of the headlines the configuration names; aligned with `bars`.
    cache : FoldCache, optional
        Keeps fitted models for other runs.
    fits : callable, optional
        Fits models elsewhere than in processes of this machine, such as `mlstrat.cluster.OnCluster`.

    Raises
    ------
    ConfigError, DataError, ModelError, MissingExtraError
        The run cannot be made; the message says what to do.
    """
    watcher = watcher or Watcher()
    require(config, engine)
    bars = bars_of(config, bars)
    if mood is None:
        watcher.stage("scoring headlines")
        mood = mood_for(bars, config.sentiment)
    watcher.stage("computing features and labels (compiled once, then cached)")
    others = load_others(config)
    panel = load_panel(bars, mood, config, others)
    return run_panel(
        panel,
        config,
        engine=engine,
        store=store,
        watcher=watcher,
        cache=cache,
        fits=fits,
        others=others,
    )


def load_confirmed(bars: Bars, config: RunConfig, others: Sequence[Bars] = ()) -> BoolArray | None:
    """Return where the run's conditions hold on the bars, as `decide` takes it.

    `others` are bars of the other symbols that they name, by default those of the run's settings.
    """
    if not others and any("@" in name for name in confirmation_of(config.signals).features):
        others = load_others(config)
    return confirmed_at(bars, config, others)


def run_panel(
    panel: Panel,
    config: RunConfig,
    *,
    engine: str = "kernel",
    store: FoldStore | None = None,
    watcher: Watcher | None = None,
    cache: FoldCache | None = None,
    fits: Fits | None = None,
    others: Sequence[Bars] = (),
) -> Run:
    """Run on features and labels that are already there; parameters as for `run` and `load_confirmed`."""
    watcher = watcher or Watcher()
    confirmed = load_confirmed(panel.bars, config, others)
    schedule = schedule_for(panel.bars, panel.features.ready, config)
    check_windows(panel, schedule, config)
    watcher.stage("walking forward")
    predictions = walk_forward(panel, schedule, config, store, watcher.windows, cache, fits)
    watcher.stage(f"executing in {engine}")
    decisions = decide(panel.bars, predictions, panel.mood, panel.atr_px, config, confirmed=confirmed)
    result = execute(panel.bars, decisions, config, engine)
    funnel = funnel_of(decisions, result)
    risk = risk_columns(panel.bars, panel.atr_px, predictions).with_account(result)
    return Run(config, panel, schedule, predictions, decisions, result, funnel, risk, confirmed)


def require(config: RunConfig, engine: str) -> None:
    """Check names, and that what the run needs is installed, before any work is done.

    Raises
    ------
    ConfigError
        There is no such engine, no such feature, or no such condition.
    MissingExtraError
        An optional package is missing; the message names the extra.
    ModelError
        The model that the run starts from cannot be read.
    """
    if engine not in ENGINES:
        raise ConfigError(f"there is no engine {engine!r}: use one of {', '.join(ENGINES)}.")
    scorers = ScorerChoice.of(config.sentiment).names if config.sentiment.source != "none" else ()
    own = config.models.own
    always = () if "lstm" in config.models.silent else _ALWAYS
    tuning = _TUNING if config.tune.trials else ()
    scoring = (need for name in scorers for need in _BY_SCORER[name])
    refuse_missing((*always, *scoring, *tuning))
    engine_of(engine).require()
    load_plugins(config.plugins)
    for name, model in own.items():
        make_estimator(name, model, config.seed)
    read_capsule(config)
    refuse_unfit_inputs(resolve(config.features.names, config.features.families))
    confirmation_of(config.signals)


def refuse_missing(needs: Iterable[tuple[str, str, str]]) -> None:
    """Raise MissingExtraError for the first (package, extra, what needs it) that is not installed."""
    for package, extra, step in needs:
        if find_spec(package) is None:
            raise MissingExtraError(extra, package, step)


def execute(bars: Bars, decisions: Decisions, config: RunConfig, engine: str) -> Result:
    """Execute decisions in one of `ENGINES`."""
    return engine_of(engine).run(bars, decisions, risk_rules(config, bars))
