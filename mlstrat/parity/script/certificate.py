"""The certificate of an exported script: `pine-certificate.json`, and a page that says the same."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mlstrat import __version__
from mlstrat.engines import engine_of
from mlstrat.files import write_bytes, write_json
from mlstrat.parity.causes import SAME
from mlstrat.parity.script.at_hand import sha256_of_text
from mlstrat.parity.script.measure import TOLERANCE
from mlstrat.parity.script.sentences import sentences
from mlstrat.parity.script.verifying import ENGINE, LATEST, Case, ScriptVerified, Second
from mlstrat.parity.verify import DECISIONS, TRADES
from mlstrat.pine.exported import Exported
from mlstrat.pine.text import TOKEN_BUDGET
from mlstrat.provenance import code_sha256
from mlstrat.reports import tradingview, wording
from mlstrat.reports.tables import Table
from mlstrat.reports.tables import manifest as flattened
from mlstrat.reports.template import fill
from mlstrat.reports.tradingview import tiny

_LISTED, _SHOWN = 1000, 50
_TEMPLATE = "script_certificate.html.j2"


def write(folder: Path, verified: ScriptVerified) -> list[Path]:
    """Write the certificate into a run's folder, each file whole or not at all, and return what was written.

    The same run, code and charts give the same bytes. Each form of the script has a certificate of its own:
    `pine-certificate-latest.json` is that of the newest window alone, `pine-certificate-libraries.json` that
    of one with libraries. The run's report has a section on all windows in one script, and on nothing else.
    The pages are left out where jinja2 is not installed.

    Raises
    ------
    RunFolderError
        The folder cannot be written to.
    """
    content = as_json(verified)
    suffix = _suffix(verified.script)
    plain, page = (Path(name) for name in (tradingview.CERTIFICATE, tradingview.CERTIFICATE_PAGE))
    written = [folder / f"{plain.stem}{suffix}.json"]
    write_json(written[0], content)
    if find_spec("jinja2") is not None:
        written.append(folder / f"{page.stem}{suffix}.html")
        write_bytes(written[1], render(content).encode())
        if not suffix and tradingview.renew(folder):
            written.append(folder / "report.html")
    return written


def _suffix(script: Exported) -> str:
    """Return what a form of the script adds to its certificate's name."""
    return f"{'-latest' if script.mode == LATEST else ''}{'-libraries' if script.libraries else ''}"


def as_json(verified: ScriptVerified) -> dict[str, Any]:
    """Return the content of pine-certificate.json."""
    past, script = verified.run.past, verified.script
    bars, inputs = past.bars, past.manifest["inputs"]
    return {
        "schema": tradingview.SCHEMA,
        "identical": verified.identical,
        "verdict": sentences(verified),
        "bars_with_probability": verified.spoken,
        "mlstrat": __version__,
        "code_sha256": code_sha256(),
        "versions": engine_of(ENGINE).versions(),
        "run": {
            "key": past.manifest["key"],
            "symbol": bars.symbol,
            "timeframe": str(bars.timeframe),
            "bars": len(bars),
            "from": wording.minute(bars.time[0]),
            "to": wording.minute(bars.close_time[-1]),
        },
        "hashes": {
            "data_sha256": inputs["data_sha256"],
            "sentiment_sha256": inputs["sentiment_sha256"],
            "decisions_sha256": past.manifest["decisions_sha256"],
            f"{DECISIONS} sha256": past.manifest["outputs"][DECISIONS],
            f"{TRADES} sha256": past.manifest["outputs"][TRADES],
        },
        "script": {
            "sha256": sha256_of_text(script.text),
            "mode": script.mode,
            "characters": len(script.text),
            "string_characters": script.string_characters,
            "tokens_estimated": script.tokens,
            "tokens_budget": TOKEN_BUDGET,
            "windows": script.windows,
            "features": len(script.features),
            "warmup": script.warmup,
            "libraries": {name: sha256_of_text(text) for name, text in script.libraries.items()},
        },
        "rules": asdict(past.rules),
        "same_within": TOLERANCE,
        "same_trades_within": SAME,
        "charts": [_case(case) for case in verified.cases],
        "second_opinion": _second(verified.second),
    }


def _second(second: Second | None) -> dict[str, Any] | None:
    if second is None:
        return None
    size = None if second.prob_up is None else _finite(second.prob_up)
    return {"pinets": second.version, "largest_difference": {"prob_up": size}, "problem": second.problem}


def _case(case: Case) -> dict[str, Any]:
    found, bars = case.measured, case.chart.bars
    trades, beside = found.comparison, found.from_run
    return {
        "chart": case.chart.name,
        "from": wording.minute(bars.time[0]),
        "to": wording.minute(bars.close_time[-1]),
        "bars_sha256": bars.sha256,
        "identical": found.identical,
        "bars": found.bars,
        "with_probability": found.spoken,
        "with_probability_here_alone": found.loose,
        "without_probability_here_alone": found.mute,
        "signals_alike": found.signals,
        "largest_difference": {
            "prob_up": _finite(found.prob_up),
            "sentiment": _finite(found.mood),
            "fraction": _finite(found.fraction),
        },
        "features": {name: _finite(size) for name, size in found.features.items()},
        "trades": {
            "identical": trades.identical,
            "total": trades.total,
            "largest_difference": {
                name: getattr(trades, name) for name in ("price", "units", "profit", "equity")
            },
            "counters": {name: {"kernel": one, "here": two} for name, (one, two) in trades.counters.items()},
            "causes": trades.causes,
            "differences": [asdict(difference) for difference in trades.differences[:_LISTED]],
        },
        "beside_the_run": None
        if beside is None
        else {
            "bars": beside.bars,
            "prob_up": _finite(beside.prob_up),
            "bars_that_differ": beside.unlike,
        },
    }


def _finite(size: float) -> float | None:
    """Return a difference as strict JSON takes it: null where one of the two has no value."""
    return size if math.isfinite(size) else None


def render(content: Mapping[str, Any]) -> str:
    """Return the page as HTML from the content of the JSON; it stands alone and asks for nothing on the web.

    Raises
    ------
    MissingExtraError
        jinja2 is not installed.
    """
    facts = ("mlstrat", "code_sha256", "versions", "run", "hashes", "script", "rules")
    return fill(
        _TEMPLATE,
        "The page of a certificate",
        content=content,
        run=content["run"],
        charts=tradingview.charts(content),
        later=_later_table(content),
        features=_features_table(content),
        unlike=[
            (case["chart"], len(case["trades"]["differences"]), _differences(case))
            for case in content["charts"]
            if case["trades"]["differences"]
        ],
        shown=_SHOWN,
        facts=flattened({name: content[name] for name in facts}),
    )


def _later_table(content: Mapping[str, Any]) -> Table:
    rows = [
        (
            tradingview.capital(case["chart"]),
            wording.count(beside["bars"]),
            tiny(beside["prob_up"]),
            wording.count(beside["bars_that_differ"]),
        )
        for case in content["charts"]
        if (beside := case["beside_the_run"])
    ]
    head = ("Chart", "Bars compared", "Probability", "Bars that differ")
    return Table(head, rows)


def _features_table(content: Mapping[str, Any]) -> Table:
    charts = content["charts"]
    names = charts[0]["features"]
    rows = [(name, *(tiny(case["features"][name]) for case in charts)) for name in names]
    return Table(("Feature", *(tradingview.capital(case["chart"]) for case in charts)), rows)


def _differences(case: Mapping[str, Any]) -> Table:
    rows = [
        (
            item["time"],
            str(item["trade"] + 1) if item["trade"] >= 0 else wording.NO_VALUE,
            item["cause"],
            item["what"],
        )
        for item in case["trades"]["differences"][:_SHOWN]
    ]
    return Table(("Entry (UTC)", "Trade", "Cause", "Python's value, then the script's"), rows, texts=4)
