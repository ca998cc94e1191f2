"""A finished run, or a model file, as a Pine strategy that carries its fitted models."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlstrat.capsule_manifest import About
from mlstrat.config import RunConfig
from mlstrat.data.timeframe import Timeframe
from mlstrat.pine.assemble import assemble
from mlstrat.pine.budget import Budget, budget_of
from mlstrat.pine.emit import emit
from mlstrat.pine.execution import DecisionSource, execution_script
from mlstrat.pine.expr import Program
from mlstrat.pine.interface import THRESHOLDS, Defaults, display, inputs
from mlstrat.pine.loops import load_of
from mlstrat.pine.predict import X
from mlstrat.pine.source import Mode, Source, of_file, of_folder
from mlstrat.pine.text import quoted
from mlstrat.signals.terms import rules_for

# After so many days without a new model a live script stops entering: twice the longest usual rhythm.
NEVER = 10**9
_DAY, _DAY_MS, _YEAR = 86_400, 86_400_000, 365.25
_MAX_DAYS = {"week": 14, "month": 62, "quarter": 184, "year": 732}


@dataclass(frozen=True)
class Exported:
    """A script, and what there is to know of it.

    Parameters
    ----------
    text : str
        The strategy, Pine v6.
    libraries : mapping
        Text of each library by its name; empty where the data stand in the script.
    mode : {"replay", "latest"}
        All windows of a run, or the newest one.
    symbol, timeframe : str
        The chart it is for.
    features : tuple of str
        Its features, in order.
    warmup : int
        Bars of the chart before it may trade, unless the chart begins at the run's own first bar.
    settled : int
        Bars after which a window that had begun before the chart was warm speaks too; `NEVER` = it does not.
    windows : int
        Models in it.
    budget : Budget
        What it weighs beside TradingView's limits.
    program : tuple of statements
        From prices to the decision, as nodes, for `mlstrat.pine.evaluate`.
    max_days : int or None
        Days after its training on which the model still enters, where nobody changes the input; None = any.
    from_start : bool
        Whether it knows the run's own first bar, from which on it needs no warm-up.
    """

    text: str
    libraries: Mapping[str, str]
    mode: Mode
    symbol: str
    timeframe: str
    features: tuple[str, ...]
    warmup: int
    settled: int
    windows: int
    budget: Budget = field(repr=False)
    program: Program = field(repr=False)
    max_days: int | None = None
    from_start: bool = False

    @property
    def tokens(self) -> int:
        """Estimate of the compiled tokens that TradingView counts in the strategy itself."""
        return self.budget.tokens

    @property
    def string_characters(self) -> int:
        """Characters of its string constants, libraries included."""
        return self.budget.string_characters


def export_run(
    source: Path, mode: Mode = "replay", *, libraries: bool = False, publisher: str = "publisher"
) -> Exported:
    """Return a run as a script.

    Parameters
    ----------
    source : Path
        Folder of a finished run; for `latest` also a model file, as `mlstrat train` writes it.
    mode : {"replay", "latest"}
        All windows out of sample, as they were tested, or the newest one for live alerts.
    libraries : bool
        Whether each window's data stand in a library of its own, for what is too large for one script.
    publisher : str
        TradingView's name of who publishes the libraries.

    Raises
    ------
    RunFolderError
        The folder holds no finished run, or one of its files was changed.
    ModelError
        A model is damaged.
    ConfigError
        Something has no Pine form, or the script is larger than TradingView takes.
    """
    found = of_file(source, mode) if source.is_file() else of_folder(source, mode)
    exported = script_of(found, mode, libraries=libraries, publisher=publisher)
    exported.budget.check(
        exported.windows,
        lambda: script_of(found, mode, libraries=not libraries, publisher=publisher).budget,
    )
    return exported


def script_of(
    found: Source, mode: Mode, *, libraries: bool = False, publisher: str = "publisher"
) -> Exported:
    """Return the script of such windows, whatever it weighs; the rest is as for `export_run`."""
    config, facts = found.capsules[0].about.run_config(), found.capsules[0].about.facts()
    latest = mode == "latest"
    stem = _library_stem(found) if libraries else ""
    made = assemble(found.capsules, found.timing, found.mood, live=latest, libraries=stem)
    names, tested = made.libraries, found.mood
    defaults = Defaults(
        threshold=THRESHOLDS[0] if config.signals.threshold == "auto" else float(config.signals.threshold),
        sentiment_weight=config.signals.sentiment_weight,
        use_sentiment=config.signals.sentiment_weight > 0,
        max_position=config.kelly.max_position,
        multiplier=config.kelly.multiplier,
        max_days=_max_days(config, found.capsules[0].about) if latest else None,
        has_sentiment=tested is not None,
        live_since=tested.end_day * _DAY_MS if latest and tested is not None else None,
        auto=config.signals.threshold == "auto",
    )
    imports = [f"import {publisher}/{name}/1 as {name}" for name in names]
    decision = "\n".join([*imports, inputs(defaults), emit(made.program)])
    text = execution_script(
        rules_for(config, facts),
        f"mlstrat {found.name} {mode}",
        DecisionSource(decision, title="Libraries and inputs" if names else "Inputs"),
        comment=found.told,
        alerts=True,
        display=display(defaults),
    )
    texts = {name: _library(name, data) for name, data in zip(names, made.data, strict=False)}
    about = found.capsules[0].about
    return Exported(
        text=text,
        libraries=texts,
        mode=mode,
        symbol=about.symbol,
        timeframe=about.timeframe,
        features=about.features,
        warmup=found.timing.warmup,
        settled=NEVER if found.timing.settled is None else found.timing.settled,
        windows=len(found.capsules),
        budget=budget_of(text, texts, load_of(made.layout, made.windows, made.program)),
        program=made.program,
        max_days=defaults.max_days,
        from_start=found.timing.data_slot >= 0,
    )


def with_feature_plots(exported: Exported) -> str:
    """Return the same script with a plot for each feature behind it, by name, for whoever compares them."""
    plots = [
        f"plot(array.get({X}, {k}), {quoted(name)}, display=display.data_window)"
        for k, name in enumerate(exported.features)
    ]
    return exported.text + "\n".join(plots) + "\n"


def _library(name: str, data: Program) -> str:
    return "\n".join(["//@version=6", f"library({quoted(name)})", emit(data)]) + "\n"


def _library_stem(found: Source) -> str:
    about = found.capsules[0].about
    chart = f"{about.symbol}_{about.timeframe}"
    return "mlstrat_" + "".join(letter for letter in chart if letter.isalnum() or letter == "_")


def _max_days(config: RunConfig, about: About) -> int:
    """Return twice the longest time between two trainings, in days of the calendar."""
    retrain = config.splits.retrain
    if not isinstance(retrain, int):
        return _MAX_DAYS[retrain]
    facts, seconds = about.facts(), Timeframe(about.timeframe).seconds
    sessions = facts.sessions_per_year or _YEAR
    hours = facts.session_hours if facts.sessions_per_year and seconds < _DAY else 24.0
    bars_a_day = sessions / _YEAR * max(hours * 3600.0 / seconds, 1.0 if seconds < _DAY else 0.0)
    return max(1, math.ceil(2 * retrain / bars_a_day))
