"""The tables of the page: numbers in, rows of text out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlstrat.config import RunConfig
from mlstrat.data.bars import Bars
from mlstrat.execution.types import REASON_NAMES, SIDE_NAMES, Result
from mlstrat.reports.numbers import ExitRow, FoldRow, Forecast, Numbers
from mlstrat.reports.story import Story
from mlstrat.reports.wording import NO_VALUE, count, day, minute, number, percent, price

_SHOWN_AT_EITHER_END = 20


@dataclass(frozen=True)
class Table:
    """A table of text.

    Parameters
    ----------
    head : sequence of str
        Column names.
    rows : sequence of sequence of str
        One text a cell.
    texts : int
        How many leading columns are text, aligned left; the others are numbers, aligned right.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int = 1


def forecast(scored: Forecast) -> Table:
    """Return the scores of the forecasts beside those of the base rate."""
    skill = scored.skill
    bounds = f"{number(skill.low, 5, signed=True)} to {number(skill.high, 5, signed=True)}"
    return Table(
        ("Score", "Forecasts", "Base rate", "Gain", "95 % interval of the gain"),
        [
            (
                "Log loss (nats, lower is better)",
                number(scored.log_loss, 5),
                number(scored.base_log_loss, 5),
                number(skill.estimate, 5, signed=True),
                bounds,
            ),
            (
                "Brier score (lower is better)",
                number(scored.brier, 5),
                number(scored.base_brier, 5),
                number(scored.base_brier - scored.brier, 5, signed=True),
                NO_VALUE,
            ),
            (
                "Direction right",
                percent(scored.accuracy, 2),
                percent(scored.base_accuracy, 2),
                percent(scored.accuracy - scored.base_accuracy, 2, signed=True),
                NO_VALUE,
            ),
            (
                "Calibration error (mean distance)",
                percent(scored.calibration_error, 2),
                NO_VALUE,
                NO_VALUE,
                NO_VALUE,
            ),
        ],
    )


def folds(rows: Iterable[FoldRow]) -> Table:
    """Return one row a walk-forward window."""
    head = (
        "Window",
        "Trained from",
        "Fitted at",
        "Valid from",
        "Valid to",
        "Labels",
        "Purged",
        "Base rate",
        "Log loss",
        "Base log loss",
        "Direction right",
        "Trades",
        "Profit",
    )
    return Table(head, [_fold(row) for row in rows])


def _fold(row: FoldRow) -> tuple[str, ...]:
    return (
        str(row.fold + 1),
        day(row.train_from),
        day(row.cut),
        day(row.valid_from),
        day(row.valid_to),
        count(row.n_train),
        count(row.purged),
        percent(row.base_rate),
        number(row.log_loss, 4),
        number(row.base_log_loss, 4),
        percent(row.accuracy),
        count(row.trades),
        number(row.profit, signed=True),
    )


def trades(result: Result, bars: Bars) -> tuple[Table, int]:
    """Return the first and last 20 trades, and how many between them are left out."""
    t = result.trades
    shown = list(range(len(t)))
    hidden = max(0, len(t) - 2 * _SHOWN_AT_EITHER_END)
    if hidden:
        shown = shown[:_SHOWN_AT_EITHER_END] + shown[-_SHOWN_AT_EITHER_END:]
    funding = ("Funding",) if result.charged else ()
    head: tuple[str, ...] = ("#", "Side", "Entered (UTC)", "Left (UTC)", "Why", "Units", "In", "Out")
    head += ("Commission", *funding, "Profit")
    rows: list[tuple[str, ...]] = [
        (
            str(i + 1),
            SIDE_NAMES[int(t.side[i])],
            minute(bars.time[t.entry_bar[i]]),
            minute(bars.time[t.exit_bar[i]]),
            REASON_NAMES[int(t.reason[i])],
            f"{t.units[i]:,.8g}",
            price(float(t.entry_price[i])),
            price(float(t.exit_price[i])),
            number(float(t.commission[i])),
            *(number(float(t.funding[i]), signed=True) for _ in funding),
            number(float(t.profit[i]), signed=True),
        )
        for i in shown
    ]
    if hidden:
        rows.insert(_SHOWN_AT_EITHER_END, ("⋮",) + ("",) * (len(head) - 1))
    return Table(head, rows, texts=5), hidden


def exits(rows: Iterable[ExitRow]) -> Table:
    """Return what each way of leaving a trade brought."""
    return Table(
        ("Ended by", "Trades", "Share", "Average profit", "Profit"),
        [
            (
                row.reason,
                count(row.trades),
                percent(row.share),
                number(row.average_profit, signed=True),
                number(row.profit, signed=True),
            )
            for row in rows
        ],
    )


def costs(performance: Mapping[str, float], judged: Story) -> Table:
    """Return what trading cost."""
    rules, currency = judged.result.rules, judged.bars.instrument.currency
    gross = performance["gross_profit"]
    share = percent(performance["commission_share"]) if gross > 0 else "there was no gross profit"
    costs, funding, rows = "commission", 0.0, []
    if judged.result.charged:
        costs, funding = "commission and funding", performance["funding"]
        rows = [(f"Funding and borrow paid ({currency})", number(funding, signed=True))]
    net = gross - performance["commission"] - funding
    return Table(
        ("Item", "Value"),
        [
            (f"Profit before {costs} ({currency})", number(gross, signed=True)),
            (f"Commission paid ({currency})", number(performance["commission"])),
            *rows,
            (f"Profit after {costs} ({currency})", number(net, signed=True)),
            ("Commission as a share of gross profit", share),
            ("Commission of one fill", percent(rules.fee_share, 3)),
            ("Slippage of market and stop fills (ticks)", number(rules.slippage_ticks, 1)),
            ("Bought and sold in a year, in multiples of equity", number(performance["turnover"], 1)),
        ],
    )


def baselines(numbers: Numbers, judged: Story) -> Table:
    """Return the strategy and its alternatives, side by side."""
    p = numbers.performance
    rows = [("Strategy", _mean_weight(judged, p), p)]
    rows += [(base.name, percent(base.weight), base.summary) for base in numbers.baselines]
    return Table(
        ("", "Mean position", "Return", "A year", "Volatility", "Sharpe", "Sortino", "Deepest drawdown"),
        [
            (
                name,
                weight,
                percent(s["total_return"], 2, signed=True),
                percent(s["annual_return"], 2, signed=True),
                percent(s["annual_volatility"], 2),
                number(s["sharpe"]),
                number(s["sortino"]),
                percent(s["max_drawdown"]),
            )
            for name, weight, s in rows
        ],
    )


def _mean_weight(judged: Story, performance: Mapping[str, float]) -> str:
    both = len(np.unique(judged.result.trades.side)) > 1
    return percent(performance["average_weight"]) + (" either way" if both else "")


def strict(story: Story) -> Table:
    """Return the funnel of the run beside that of strict sizing."""
    own, other = story.funnel.steps(), story.strict.funnel.steps()
    rows = [(name, count(mine), count(theirs)) for (name, mine), (_, theirs) in zip(own, other, strict=True)]
    return Table(("Step", f"This run ({story.config.kelly.shrink})", "Strict"), rows)


def settings(config: RunConfig) -> str:
    """Return the settings as TOML, every default included."""
    content = config.model_dump(mode="json")
    plain = {key: value for key, value in content.items() if not isinstance(value, dict)}
    sections = {name: part for name, part in content.items() if isinstance(part, dict)}
    return "\n\n".join(
        [_toml_lines(plain), *(f"[{name}]\n{_toml_lines(part)}" for name, part in sections.items())]
    )


def manifest(content: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return the manifest as (dotted name, text), nested mappings flattened, without the settings."""
    rows: list[tuple[str, str]] = []
    for key, value in content.items():
        if key == "config" and not prefix:
            continue
        if isinstance(value, Mapping):
            rows += manifest(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            rows.append((f"{prefix}{key}", ", ".join(str(part) for part in value)))
        else:
            rows.append((f"{prefix}{key}", NO_VALUE if value is None else str(value)))
    return rows


def _toml_lines(section: Mapping[str, Any]) -> str:
    return "\n".join(
        f"# {key} is not set" if value is None else f"{key} = {_toml(value)}"
        for key, value in section.items()
    )


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_toml(part) for part in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {_toml(part)}' for key, part in value.items())}}}"
    return json.dumps(value, ensure_ascii=False)
