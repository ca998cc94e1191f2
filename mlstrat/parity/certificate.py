"""The parity certificate of a run: `certificate.json`, and a page that says the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mlstrat import __version__
from mlstrat.engines import engine_of
from mlstrat.files import write_bytes, write_json
from mlstrat.parity.causes import SAME
from mlstrat.parity.compare import Comparison
from mlstrat.parity.verify import DECISIONS, REFERENCE, TRADES, Outcome, Verified
from mlstrat.provenance import code_sha256
from mlstrat.reports import wording
from mlstrat.reports.tables import Table
from mlstrat.reports.tables import manifest as flattened
from mlstrat.reports.template import fill

NAME = "certificate"
# Differences listed in the file and on the page; all of them are counted.
_LISTED, _SHOWN = 1000, 50
_TEMPLATE = "certificate.html.j2"


def write(folder: Path, verified: Verified) -> list[Path]:
    """Write the certificate into a folder, each file whole or not at all, and return what was written.

    Engines asked for by name are in the file's name (`certificate-backtrader.json`), so that a certificate
    of some engines never replaces one of all. The same run, code and engines give the same bytes. The page
    is left out where jinja2 is not installed.

    Raises
    ------
    RunFolderError
        The folder cannot be written to.
    """
    content = as_json(verified)
    name = "-".join((NAME, *verified.asked))
    written = [folder / f"{name}.json"]
    write_json(written[0], content)
    if find_spec("jinja2") is not None:
        written.append(folder / f"{name}.html")
        write_bytes(written[1], render(verified).encode())
    return written


def as_json(verified: Verified) -> dict[str, Any]:
    """Return the content of certificate.json."""
    past, inputs = verified.past, verified.past.manifest["inputs"]
    bars, decisions = past.bars, past.decisions
    return {
        "identical": verified.identical,
        "verdict": sentences(verified),
        "mlstrat": __version__,
        "code_sha256": code_sha256(),
        "run": {
            "key": past.manifest["key"],
            "engine": inputs["engine"],
            "symbol": bars.symbol,
            "timeframe": str(bars.timeframe),
            "bars": len(bars),
            "from": wording.minute(bars.time[0]),
            "to": wording.minute(bars.close_time[-1]),
            "decisions": int((decisions.side != 0).sum()),
        },
        "hashes": {
            "data_sha256": inputs["data_sha256"],
            "bars_sha256": bars.sha256,
            "decisions_sha256": past.manifest["decisions_sha256"],
            f"{DECISIONS} sha256": past.manifest["outputs"][DECISIONS],
            f"{TRADES} sha256": past.manifest["outputs"][TRADES],
            **({} if bars.carry is None else {"carry_sha256": bars.carry.sha256}),
        },
        "rules": asdict(past.rules),
        "same_within": SAME,
        "reference": REFERENCE,
        "trades": len(verified.reference.trades),
        TRADES: {**asdict(verified.written), "by_own_engine": verified.own_ran},
        "engines": {outcome.engine.name: _engine(outcome) for outcome in verified.outcomes},
    }


def _engine(outcome: Outcome) -> dict[str, Any]:
    found = outcome.comparison
    head: dict[str, Any] = {"ran": found is not None, "versions": outcome.engine.versions()}
    if found is None:
        return {**head, "why_not": outcome.why}
    names = ("price", "units", "profit", "equity")
    return {
        **head,
        "identical": found.identical,
        "total": found.total,
        "same_trades_csv": outcome.wrote_trades,
        "largest_difference": {name: getattr(found, name) for name in names},
        "counters": {name: {REFERENCE: one, "here": two} for name, (one, two) in found.counters.items()},
        "causes": found.causes,
        "differences": [asdict(difference) for difference in found.differences[:_LISTED]],
    }


def sentences(verified: Verified) -> list[str]:
    """Return what the certificate says, the verdict first."""
    said = [_verdict(verified), _of_written(verified)]
    for outcome in verified.outcomes:
        name = outcome.engine.title
        if outcome.comparison is None:
            said.append(f"{name} was not compared: {outcome.why.rstrip('.')}.")
        elif outcome.comparison.causes:
            said.append(f"{name} differs in {_causes(outcome.comparison)}.")
        if outcome.comparison is not None and not _charged_alike(verified, outcome):
            said.append(
                f"{name} charges neither funding nor borrow: it was compared with the kernel without them."
            )
        if outcome.wrote_trades is not None:
            writes = "writes" if outcome.wrote_trades else "does not write"
            said.append(f"{name}, which executed the run, {writes} the same bytes as the run's {TRADES}.")
    if not verified.own_ran:
        own = engine_of(verified.past.manifest["inputs"]["engine"]).title
        said.append(
            f"{own}, which executed the run, did not run here: that it writes these bytes is not certified."
        )
    return said


def _charged_alike(verified: Verified, outcome: Outcome) -> bool:
    return outcome.engine.charges or verified.past.bars.carry is None


def _of_written(verified: Verified) -> str:
    found = verified.written
    if not found.whole:
        return f"The run's {TRADES} has not the columns of one."
    if found.same:
        return f"The run's {TRADES} holds the {found.total:,} trades of the kernel."
    where = f"; the first difference is the entry of {found.first}" if found.first else ""
    return f"The run's {TRADES} holds {found.identical:,} of {found.total:,} trades of the kernel{where}."


def _verdict(verified: Verified) -> str:
    trades = len(verified.reference.trades)
    names = [outcome.engine.title for outcome in verified.compared]
    if not verified.identical:
        counts = [
            f"{outcome.engine.title} makes {found.identical:,} of {found.total:,} trades as the kernel does"
            for outcome, found in _unlike(verified)
        ]
        return f"Not identical: {'; '.join(counts) or 'the trades are not those that the run wrote'}."
    if not trades:
        return f"No trade follows from these decisions in {_listed(['the kernel', *names])}."
    return f"{trades:,} of {trades:,} trades identical in {_listed(['the kernel', *names])}."


def _causes(found: Comparison) -> str:
    return _listed([f"{cause} ({amount:,})" for cause, amount in found.causes.items()])


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def render(verified: Verified) -> str:
    """Return the page as HTML; it stands alone and asks for nothing on the web.

    Raises
    ------
    MissingExtraError
        jinja2 is not installed.
    """
    content, bars = as_json(verified), verified.past.bars
    facts = {name: content[name] for name in ("mlstrat", "code_sha256", "run", "hashes", "rules")}
    return fill(
        _TEMPLATE,
        "The page of a certificate",
        bars=bars,
        span=(wording.day(bars.time[0]), wording.day(bars.close_time[-1])),
        content=content,
        engines=engines_table(verified),
        counters=_counters(verified),
        unlike=[
            (o.engine.title, len(found.differences), _differences(found)) for o, found in _unlike(verified)
        ],
        shown=_SHOWN,
        facts=flattened(facts),
    )


def _unlike(verified: Verified) -> list[tuple[Outcome, Comparison]]:
    found = [(outcome, outcome.comparison) for outcome in verified.outcomes]
    return [(outcome, comparison) for outcome, comparison in found if comparison and not comparison.same]


def engines_table(verified: Verified) -> Table:
    """Return one row an engine: versions, identical trades and the largest differences."""
    head = ("Engine", "Version", "Trades identical", "Price", "Size", "Profit", "Equity")
    return Table(head, [_engine_row(outcome) for outcome in verified.outcomes], texts=2)


def _engine_row(outcome: Outcome) -> tuple[str, ...]:
    engine, found = outcome.engine, outcome.comparison
    versions = engine.versions()
    version = ", ".join(f"{name} {number}" for name, number in versions.items())
    if found is None:
        return engine.title, version, *(5 * (wording.NO_VALUE,))
    if engine.name == REFERENCE:
        return engine.title, version, f"{found.total:,}, the reference", *(4 * (wording.NO_VALUE,))
    largest = (found.price, found.units, found.profit, found.equity)
    return engine.title, version, f"{found.identical:,} of {found.total:,}", *(tiny(size) for size in largest)


def tiny(size: float) -> str:
    """Return a difference with two digits, such as 3.6e-12; 0 where there is none."""
    return f"{size:.2g}" if size else "0"


def _counters(verified: Verified) -> Table:
    ran = [(outcome.engine.title, outcome.comparison) for outcome in verified.outcomes]
    rows = [
        (title, *(wording.count(found.counters[name][1]) for name in found.counters))
        for title, found in ran
        if found is not None
    ]
    return Table(
        ("Engine", "Candidates while flat", "Blocked by a breaker", "Of zero units", "Cancelled"), rows
    )


def _differences(found: Comparison) -> Table:
    rows = [
        (item.time, str(item.trade + 1) if item.trade >= 0 else wording.NO_VALUE, item.cause, item.what)
        for item in found.differences[:_SHOWN]
    ]
    return Table(("Entry (UTC)", "Trade", "Cause", "The kernel's value, then the engine's"), rows, texts=4)
