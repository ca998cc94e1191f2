"""The run's own page, `report.html`, and the numbers behind it, `metrics.json`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlstrat.files import write_bytes, write_json
from mlstrat.reports import (
    control_tables,
    evidence_figures,
    evidence_tables,
    figures,
    mood_figure,
    returns_file,
    risk_tables,
    tables,
    tearsheet,
    tiles,
    tradingview,
    wording,
)
from mlstrat.reports.numbers import Numbers, as_json, measure
from mlstrat.reports.story import Story
from mlstrat.reports.template import fill
from mlstrat.sentiment.coverage import unknown_months

PAGE_NAME = "report.html"
METRICS_NAME = "metrics.json"
TRADES_NAME = "trades.csv"
RISK_NAME = "risk.csv"
_TEMPLATE = "report.html.j2"
_LINKS = {
    TRADES_NAME: "all trades as CSV",
    RISK_NAME: "the risk of each at the close that decided it",
    returns_file.FILE_NAME: "the return of each bar as CSV; mlstrat evidence reads it",
    tearsheet.FILE_NAME: "the QuantStats tear sheet (daily returns)",
}


def write(folder: Path, story: Story, numbers: Numbers | None = None) -> None:
    """Write `report.html` and `metrics.json` into the run folder.

    The page stands alone: style and figures are inside it, and it asks for nothing on the web. It links
    `trades.csv` and other files where the folder already holds them, so write those first. It has a section
    on TradingView where the certificate of this run's exported script lies beside it.

    Parameters
    ----------
    folder : Path
        An existing folder.
    story : Story
        The run.
    numbers : Numbers, optional
        `measure(story)`, where it is at hand.

    Raises
    ------
    MissingExtraError
        jinja2 or matplotlib is not installed.
    DataError
        The story's trades begin before its predictions.
    RunFolderError
        The folder cannot be written to.
    """
    numbers = numbers or measure(story)
    page = render(story, numbers, links=[name for name in _LINKS if (folder / name).exists()])
    write_json(folder / METRICS_NAME, as_json(numbers, story))
    write_bytes(folder / PAGE_NAME, tradingview.placed(page, folder, story.manifest.get("key")).encode())


def render(story: Story, numbers: Numbers, links: list[str]) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    story : Story
        The run.
    numbers : Numbers
        `measure(story)`.
    links : list of str
        Files beside the page to link, such as `trades.csv` and `quantstats.html`.
    """
    judged = story.judged
    context = {
        "story": story,
        "bars": judged.bars,
        "predicted": int(judged.predictions.known.sum()),
        "numbers": numbers,
        "span": (wording.day(judged.bars.close_time[0]), wording.day(judged.bars.close_time[-1])),
        "headline": tiles.headline(numbers, judged.bars.bars_per_year),
        "evidence": _evidence(story, numbers),
        "forecast": tables.forecast(numbers.forecast),
        "folds": tables.folds(numbers.folds),
        "trades": tables.trades(judged.result, judged.bars),
        "exits": tables.exits(numbers.exits),
        "costs": tables.costs(numbers.performance, judged),
        "baselines": tables.baselines(numbers, judged),
        "strict": tables.strict(story),
        "unknown": unknown_months(judged.mood) if judged.mood is not None else "",
        "overlap": story.overlap.sentences() if story.overlap else [],
        "flags": risk_tables.flags(story),
        "risk": risk_tables.at_entry(story),
        **_controls(story),
        "settings": tables.settings(story.config),
        "manifest": tables.manifest(story.manifest),
        "figure": _drawn(story, numbers),
        "links": {name: _LINKS[name] for name in links},
        "word": wording,
    }
    return fill(_TEMPLATE, "the report page", **context)


def _evidence(story: Story, numbers: Numbers) -> dict[str, Any]:
    """Return what the section on evidence shows."""
    from mlstrat.reports import fill_tables

    found, ahead = numbers.evidence, story.config.labels.target_periods
    return {
        "rule": evidence_tables.rule(found),
        "tiles": tiles.of_evidence(found, numbers.baselines[0].summary["sharpe"]),
        "ranges": evidence_tables.ranges(found),
        "block": wording.count(found.block),
        "order": evidence_tables.order_words(found),
        "entry": evidence_tables.entry_words(found),
        "decay": evidence_tables.decay_words(found, ahead),
        "fill_words": evidence_tables.fill_words(found),
        "fills": fill_tables.fills(found.fills),
        "break_even": fill_tables.break_even(found.break_even),
        "beside": evidence_tables.beside_sharpe(found),
    }


def _controls(story: Story) -> dict[str, tables.Table | None]:
    made = story.controls
    return {
        "permuted": control_tables.permuted(made.permuted) if made and made.permuted else None,
        "seeds": control_tables.seeds(made.seeds) if made and made.seeds else None,
        "ablation": control_tables.ablation(story.ablation) if story.ablation else None,
        "gates": control_tables.gates(story.predictions.windows) if story.ablation else None,
    }


def _drawn(story: Story, numbers: Numbers) -> dict[str, list[tuple[str, str]]]:
    """Every figure at both widths, as (CSS class, svg)."""
    judged = story.judged
    bars, result, forecast = judged.bars, judged.result, numbers.forecast
    drawers: dict[str, Callable[[int], str]] = {
        "equity": lambda width: figures.equity(
            bars.close_time, result.equity, numbers.baselines[:2], result.rules.cash, width
        ),
        "funnel": lambda width: figures.funnel(story.funnel.steps(), width),
    }
    mood = judged.mood
    if mood is not None:
        drawers["sentiment"] = lambda width: mood_figure.sentiment(bars, mood, width)
    drawers |= evidence_figures.drawers(numbers.evidence, story.config.labels.target_periods)
    if forecast.scored:
        scored = [row for row in numbers.folds if row.scored]
        drawers["reliability"] = lambda width: figures.reliability(forecast.curve, forecast.up_share, width)
        drawers["skill"] = lambda width: figures.skill(scored, width)
    return {
        name: [("wide", draw(figures.WIDE)), ("narrow", draw(figures.NARROW))]
        for name, draw in drawers.items()
    }
