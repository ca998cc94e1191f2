"""A finished run's decisions in every engine, compared with the kernel: what a parity certificate says."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlstrat.config import RunConfig, parse_config
from mlstrat.config_places import names_file
from mlstrat.data.bars import Bars
from mlstrat.data.carry import BORROW, FUNDING
from mlstrat.engines import ENGINES, Engine, engine_of
from mlstrat.errors import ConfigError, DataError, MissingExtraError, ReproductionError, RunFolderError
from mlstrat.execution.types import Decisions, Result, RiskRules
from mlstrat.files import sha256_of
from mlstrat.parity.compare import Comparison, compare
from mlstrat.parity.decision_file import read_decisions
from mlstrat.parity.trades_file import trades_bytes
from mlstrat.parity.written_trades import Written, compare_written
from mlstrat.pipeline import Watcher, load_bars, load_others
from mlstrat.runfolder import MANIFEST, data_sha256_of, read_manifest
from mlstrat.signals.terms import risk_rules

REFERENCE = "kernel"
DECISIONS, TRADES = "decisions.parquet", "trades.csv"


@dataclass(frozen=True, eq=False)
class Past:
    """What a finished run executed: its bars, decisions and rules, and how it came to them.

    Parameters
    ----------
    folder : Path
        The run's folder.
    manifest : mapping
        Its manifest.
    bars : Bars
        The same as then.
    decisions : Decisions
        As the run wrote them.
    rules : RiskRules
        Those of the run.
    """

    folder: Path
    manifest: Mapping[str, Any]
    bars: Bars
    decisions: Decisions
    rules: RiskRules


@dataclass(frozen=True)
class Outcome:
    """What became of one engine.

    Parameters
    ----------
    engine : Engine
        The engine.
    comparison : Comparison or None
        With the kernel; None where it did not run.
    why : str
        Why it did not run; empty where it did.
    wrote_trades : bool or None
        Whether its trades, written as the run writes them, are the bytes of the run's trades.csv; None where
        the run was executed by another engine.
    seconds : float
        How long it took.
    """

    engine: Engine
    comparison: Comparison | None
    why: str = ""
    wrote_trades: bool | None = None
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether it ran, and something differs."""
        unlike = self.comparison is not None and not self.comparison.same
        return unlike or self.wrote_trades is False


@dataclass(frozen=True, eq=False)
class Verified:
    """The reference's result on a run's decisions, and what became of every engine.

    Parameters
    ----------
    past : Past
        The run.
    reference : Result
        The kernel's.
    outcomes : tuple of Outcome
        The reference first.
    written : Written
        The trades of the run's trades.csv beside the reference's.
    asked : tuple of str
        Engines asked for by name; empty = all that there are.
    """

    past: Past
    reference: Result
    outcomes: tuple[Outcome, ...]
    written: Written
    asked: tuple[str, ...] = ()

    @property
    def compared(self) -> tuple[Outcome, ...]:
        """The engines that ran, without the reference."""
        return tuple(outcome for outcome in self.outcomes[1:] if outcome.comparison is not None)

    @property
    def own_ran(self) -> bool:
        """Whether the engine that executed the run is among those executed."""
        return any(outcome.wrote_trades is not None for outcome in self.outcomes)

    @property
    def identical(self) -> bool:
        """Whether all engines that ran make the trades alike, and those that the run wrote."""
        return self.written.same and not any(outcome.failed for outcome in self.outcomes)


def verify(
    folder: Path,
    *,
    engines: Sequence[str] = (),
    bars: str | None = None,
    watcher: Watcher | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Verified:
    """Execute a finished run's decisions in every engine and compare the trades with the kernel's.

    An engine that charges no funding is compared with the kernel without it.

    Parameters
    ----------
    folder : Path
        The run's folder; nothing in it is changed.
    engines : sequence of str
        Which engines; by default all, where those that are not installed, or that cannot follow the run's
        rules, are listed with the reason.
    bars : str, optional
        Where its bars lie now; by default where they lay then.
    watcher : Watcher, optional
        Told what goes on.
    clock : callable
        Seconds of a clock that never goes back.

    Raises
    ------
    RunFolderError
        The folder holds no finished run, or its decisions or trades were changed.
    ReproductionError
        The bars, or the facts of their instrument, are other ones than then.
    ConfigError, DataError
        An engine is not known, or cannot execute the decisions though it was asked for by name; or none
        besides the kernel can execute them.
    MissingExtraError
        An engine asked for by name is not installed; or none besides the kernel ran, and one of them is not
        installed.
    """
    watcher = watcher or Watcher()
    chosen = _chosen(engines)
    watcher.stage("reading the run and its bars")
    past = read_past(folder, bars)
    bare, outcomes, reference = past.bars.without_carry(), [], None
    for engine in (ENGINES[REFERENCE], *chosen):
        if engine.missing is not None:
            outcomes.append(Outcome(engine, None, f"not installed: {_install(engine)}"))
            continue
        watcher.stage(f"executing in {engine.title}")
        began = clock()
        try:
            result = engine.run(past.bars if engine.charges else bare, past.decisions, past.rules)
        except (ConfigError, DataError) as error:
            if engines:
                raise
            outcomes.append(Outcome(engine, None, f"cannot execute this run: {error}"))
            continue
        seconds = clock() - began
        reference = reference or result
        beside = reference
        if past.bars.carry is not None and not engine.charges:
            beside = ENGINES[REFERENCE].run(bare, past.decisions, past.rules)
        comparison = compare(beside, result, past.bars)
        outcomes.append(Outcome(engine, comparison, "", _wrote(past, engine, result), seconds))
    if reference is None:
        raise AssertionError("the kernel executes whatever a run decided")
    if all(outcome.comparison is None for outcome in outcomes[1:]):
        raise _nothing_compared(outcomes[1:])
    written = compare_written((past.folder / TRADES).read_bytes(), reference)
    asked = tuple(name for name in ENGINES if name in engines)
    return Verified(past, reference, tuple(outcomes), written, asked)


def _nothing_compared(outcomes: Sequence[Outcome]) -> Exception:
    """Return why no engine besides the reference ran: what is not installed, else what each says."""
    for outcome in outcomes:
        missing = outcome.engine.missing
        if missing is not None:
            step = f"Nothing can be compared: the {outcome.engine.title} engine"
            return MissingExtraError(outcome.engine.extra, missing.distribution, step)
    reasons = "; ".join(f"{outcome.engine.title} {outcome.why.rstrip('.')}" for outcome in outcomes)
    return ConfigError(
        f"nothing can be compared, because no engine besides the kernel can execute this run ({reasons}): "
        "change these settings and run again."
    )


def _chosen(names: Sequence[str]) -> list[Engine]:
    if REFERENCE in names:
        raise ConfigError(f"the engine {REFERENCE} is what the others are compared with: name another one.")
    chosen = [engine_of(name) for name in dict.fromkeys(names)]
    for engine in chosen:
        engine.require()
    others = chosen or [engine for engine in ENGINES.values() if engine.name != REFERENCE]
    if all(engine.missing is not None for engine in others):
        others[0].require()
    return others


def _install(engine: Engine) -> str:
    return f'pip install "mlstrat[{engine.extra}]"'


def _wrote(past: Past, engine: Engine, result: Result) -> bool | None:
    if engine.name != past.manifest["inputs"]["engine"]:
        return None
    return trades_bytes(result) == (past.folder / TRADES).read_bytes()


def read_past(folder: Path, bars: str | None = None) -> Past:
    """Read what a finished run executed; parameters and errors as for `verify`."""
    manifest = read_manifest(folder)
    if manifest["state"] != "complete" or "sources" not in manifest:
        raise RunFolderError(
            f"{folder / MANIFEST} is not that of a finished run: run the same command again to finish it."
        )
    for name in (DECISIONS, TRADES):
        path = folder / name
        if not path.exists() or sha256_of(path) != manifest["outputs"].get(name):
            raise RunFolderError(
                f"{path} is missing or changed since the run wrote it, so nothing can be certified: restore "
                "it, or run again."
            )
    config = _config_of(folder, manifest, bars)
    read, others = load_bars(config), load_others(config)
    if data_sha256_of(read, others) != manifest["inputs"]["data_sha256"]:
        raise ReproductionError(
            f"the bars in {config.data.bars}, the facts or rates of {read.symbol} or the bars of other "
            f"symbols are not those that {folder} was made from: bring them back, or give their place with "
            "--bars."
        )
    rules = risk_rules(config, read)
    decisions = read_decisions(folder / DECISIONS, read, rules.tick).decisions
    return Past(folder, manifest, read, decisions, rules)


def _config_of(folder: Path, manifest: Mapping[str, Any], bars: str | None) -> RunConfig:
    content, sources = manifest["config"], manifest["sources"]
    rates = {name: sources.get(name, "") for name in (FUNDING, BORROW)}
    content = {
        **content,
        "data": {**content["data"], "bars": bars or sources["bars"]},
        "instrument": {**content["instrument"], **rates},
        "features": {**content["features"], "context": sources["context"]},
    }
    try:
        config = parse_config(content, str(folder / MANIFEST))
    except ConfigError as error:
        raise ReproductionError(
            f"this version does not know the settings of the run: install mlstrat {manifest['mlstrat']} "
            f"({error})"
        ) from error
    for place in (config.data.bars, *rates.values(), *config.features.context):
        if names_file(place) and not Path(place).exists():
            remedy = "give its place with --bars" if place == config.data.bars else "put it back"
            raise DataError(f"{folder} was made from {place}, which is not there: {remedy}.")
    return config
