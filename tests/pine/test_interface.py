"""Inputs, drawings and alerts of a script, run by PyneCore on bars whose trades were worked out by hand."""

from __future__ import annotations

import json
import re
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlstrat.data.bars import Bars
from mlstrat.data.instrument import Instrument
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import ConfigError
from mlstrat.execution.types import RiskRules
from mlstrat.pine.alerts import ANNOTATION, NOTES
from mlstrat.pine.execution import DecisionSource, execution_script
from mlstrat.pine.interface import Defaults, display, inputs
from mlstrat.pine.text import estimated_tokens

DEFAULTS = Defaults(
    threshold=0.5,
    sentiment_weight=0.4,
    use_sentiment=True,
    max_position=0.08,
    multiplier=0.5,
    max_days=90,
    has_sentiment=True,
    live_since=1_704_067_200_000,
)
RULES = RiskRules(cash=10_000.0, step=0.001)
START = 1_704_067_200_000
HOUR = 3_600_000

# Long at bar 5 to its target on bar 8, short at 12 to its stop on 14, long at 20 to the time exit asked for
# at 23; another model speaks from bar 22 on.
DECIDED = """
float probUp = bar_index < 2 ? na : bar_index == 12 ? 0.375 : 0.625
float score = probUp
float moodScore = bar_index < 2 ? na : -0.25
float moodConfidence = bar_index == 12 ? 0.0 : 0.5
int window = bar_index < 2 ? -1 : bar_index < 22 ? 3 : 4
int trainedAt = bar_index < 2 ? na : 1703100000000
string modelHash = bar_index < 2 ? "" : bar_index < 22 ? "0123456789ab" : "ba9876543210"
int decidedSide = bar_index == 5 or bar_index == 20 ? 1 : bar_index == 12 ? -1 : 0
float decidedFraction = 0.05
float decidedUnits = na
float decidedStop = decidedSide < 0 ? 101.0 : 99.0
float decidedTarget = decidedSide < 0 ? 98.0 : 102.0
int decidedMaxBars = bar_index == 20 ? 3 : 0
"""
HIGHS, LOWS = {8: 102.5, 14: 101.5}, {}
# 10,000 x 0.05 / 100; then 10 more in cash, then 5.005 less.
QUANTITIES = {5: 5.0, 12: 5.005, 20: 5.002}


def flat_bars(n: int = 30, symbol: str = "TEST") -> Bars:
    level = np.full(n, 100.0)
    high = np.array([HIGHS.get(k, 100.0) for k in range(n)])
    time = (START + HOUR * np.arange(n)).astype("datetime64[ms]").astype("datetime64[ns]")
    return Bars(time, level, high, level, level, np.ones(n), symbol, Timeframe("1h"), Instrument("TEST"))


def script_of(decided: str = DECIDED, defaults: Defaults = DEFAULTS, rules: RiskRules = RULES) -> str:
    source = DecisionSource(inputs(defaults) + decided)
    return execution_script(rules, "x", source, comment=["One."], alerts=True, display=display(defaults))


@dataclass(frozen=True)
class Seen:
    """What a run left: orders' messages as (bar, argument, JSON), plots, trades, and the table."""

    messages: list[tuple[int, str, dict[str, Any]]]
    plots: list[dict[str, Any]]
    exits: list[tuple[int, str]]
    table: Any

    def column(self, title: str) -> list[float]:
        return [float(plotted[title]) for plotted in self.plots]


def refuse_constants(text: str) -> None:
    raise AssertionError(f"{text} is no JSON")


def run(
    folder: Path,
    script: str,
    bars: Bars | None = None,
    given: dict[str, Any] | None = None,
    rules: RiskRules = RULES,
) -> Seen:
    pine2pyne = pytest.importorskip("pine2pyne", reason="needs pip install 'mlstrat[pine]'")
    pytest.importorskip("pynecore", reason="needs pip install 'mlstrat[pine]'")
    from pynecore.core.script_runner import ScriptRunner
    from pynecore.lib import table
    from pynecore.types.ohlcv import OHLCV

    from mlstrat.engines.on_pynecore.runtime import _symbol

    bars = flat_bars() if bars is None else bars
    path = folder / "strategy.py"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path.write_text(pine2pyne.transpile(script), encoding="utf-8")
    rows = [OHLCV(round(row[5] * 1000.0), *row[:5]) for row in bars.matrix.tolist()]
    runner = ScriptRunner(path, rows, _symbol(bars, rules), lossless_prices=True, inputs=given)
    messages, plots, exits, known = [], [], [], set()
    for bar, (_, plotted, closed) in enumerate(runner.run_iter()):
        plots.append(plotted)
        exits += [(int(trade.exit_bar_index), trade.exit_comment) for trade in closed]
        position = runner.script.position
        for order in (*position.entry_orders.values(), *position.exit_orders.values()):
            for argument in ("alert_message", "alert_loss", "alert_profit"):
                text = getattr(order, argument)
                if text and text not in known:
                    known.add(text)
                    messages.append((bar, argument, json.loads(text, parse_constant=refuse_constants)))
    (drawn,) = table.all()
    return Seen(messages, plots, exits, drawn)


def expected(bar: int, suffix: str, symbol: str = "MLSTRAT:TEST", secret: str = "change-me", **more: Any):
    """The JSON of one order; PyneCore, unlike TradingView, writes the exchange into a ticker."""
    time = START + bar * HOUR
    common = {
        "version": 1,
        "secret": secret,
        "symbol": symbol,
        "model_hash": "0123456789ab",
        "bar_time": time,
        "quantity": QUANTITIES[bar],
        "alert_id": f"{symbol}-60-{time}-{suffix}",
    }
    return common | more


def closing(bar: int, reason: str, price: float | None, **more: Any) -> dict[str, Any]:
    return expected(bar, reason, action="close", reason=reason, price=price, **more)


def opening(bar: int, action: str, mood: float | None, stop: float, target: float, bars: int | None):
    more = {"ml_confidence": 0.625, "kelly_fraction": 0.05, "sentiment_score": mood}
    return expected(bar, "entry", action=action, stop=stop, target=target, time_exit=bars, **more)


def test_every_order_says_what_it_is(tmp_path):
    seen = run(tmp_path, script_of())
    assert seen.exits == [(8, "target"), (14, "stop"), (24, "time")]
    assert seen.messages == [
        (5, "alert_message", opening(5, "buy", -0.25, 99.0, 102.0, None)),
        (5, "alert_loss", closing(5, "stop", 99.0)),
        (5, "alert_profit", closing(5, "target", 102.0)),
        (12, "alert_message", opening(12, "sell", None, 101.0, 98.0, None)),
        (12, "alert_loss", closing(12, "stop", 101.0)),
        (12, "alert_profit", closing(12, "target", 98.0)),
        (20, "alert_message", opening(20, "buy", -0.25, 99.0, 102.0, 3)),
        (20, "alert_loss", closing(20, "stop", 99.0)),
        (20, "alert_profit", closing(20, "target", 102.0)),
        (23, "alert_message", closing(20, "time", None)),
    ]


@pytest.mark.parametrize("text", ['BTC"USDT', "A\\B", '\\"', "{0}{{close}}", "O'Brien", "€uro ☃", "~`|<>&"])
def test_hostile_symbols_and_secrets_come_back_whole(tmp_path, text):
    seen = run(tmp_path, script_of(), flat_bars(symbol=text), {"alertSecret": text + "x"})
    assert len(seen.messages) == 10
    for _, _, message in seen.messages:
        assert (message["secret"], message["symbol"]) == (text + "x", f"MLSTRAT:{text}")
        assert message["alert_id"].startswith(f"MLSTRAT:{text}-60-")


def test_what_is_not_known_is_null(tmp_path):
    unknown = DECIDED.replace("bar_index < 2 ? na : bar_index == 12 ? 0.375 : 0.625", "na")
    seen = run(tmp_path, script_of(unknown.replace("bar_index < 2 ? na : -0.25", "na")))
    entries = [message for _, _, message in seen.messages if message["action"] != "close"]
    assert len(entries) == 3
    assert all(entry["ml_confidence"] is None and entry["sentiment_score"] is None for entry in entries)


def test_small_numbers_keep_their_digits(tmp_path):
    tiny = DECIDED.replace("float decidedUnits = na", "float decidedUnits = 0.00000003")
    tiny = tiny.replace("decidedFraction = 0.05", "decidedFraction = 0.0000012")
    rules = replace(RULES, step=1e-8)
    seen = run(tmp_path, script_of(tiny, rules=rules), rules=rules)
    _, _, entry = seen.messages[0]
    assert (entry["quantity"], entry["kelly_fraction"]) == (3e-8, 1.2e-6)


def test_alerts_and_drawings_leave_the_trades_alone(tmp_path):
    source = DecisionSource(inputs(DEFAULTS) + DECIDED)
    silent = run(tmp_path, execution_script(RULES, "x", source, display=display(DEFAULTS)))
    loud = run(tmp_path, script_of())
    assert (len(silent.messages), len(loud.messages)) == (0, 10)
    assert silent.exits == loud.exits
    assert [row["equity"] for row in silent.plots] == [row["equity"] for row in loud.plots]


def test_lines_shapes_and_plots(tmp_path):
    seen = run(tmp_path, script_of())
    stop, target, position = (np.array(seen.column(name)) for name in ("stop", "target", "position"))
    held = np.isin(np.arange(30), [6, 7, 12 + 1, 21, 22, 23])
    np.testing.assert_array_equal(np.isnan(stop), ~held)
    np.testing.assert_array_equal(stop[held], [99, 99, 101, 99, 99, 99])
    np.testing.assert_array_equal(target[held], [102, 102, 98, 102, 102, 102])
    np.testing.assert_array_equal(position[held], [5, 5, -5.005, 5.002, 5.002, 5.002])
    np.testing.assert_array_equal(position[~held], 0.0)
    assert np.flatnonzero(seen.column("long")).tolist() == [5, 20]
    assert np.flatnonzero(seen.column("short")).tolist() == [12]
    np.testing.assert_array_equal(
        seen.column("prob_up"), [np.nan] * 2 + [0.625] * 10 + [0.375] + [0.625] * 17
    )
    np.testing.assert_array_equal(seen.column("sentiment"), [np.nan] * 2 + [-0.25] * 28)
    assert set(seen.column("fraction")) == {0.05}


def test_an_entry_that_is_not_sent_is_not_drawn(tmp_path):
    none = DECIDED.replace("decidedFraction = 0.05", "decidedFraction = 0.0")
    seen = run(tmp_path, script_of(none))
    assert seen.messages == seen.exits == []
    assert not any(seen.column("long"))
    assert np.isnan(seen.column("stop")).all()


def words_of(table: Any) -> tuple[str, str]:
    return table.cells[0, 0].text, table.cells[0, 1].text


def colour_of(table: Any) -> str:
    """Red, green and blue; PyneCore writes the opacity after them where it was computed."""
    (colour,) = re.findall("#[0-9a-f]{6}", str(table.bgcolor).lower())
    return colour


def test_the_table(tmp_path):
    seen = run(tmp_path, script_of())
    heading, numbers = words_of(seen.table)
    assert heading == "As tested"
    # Bar 29 ends at START + 30 hours, 12.4 days after the cut.
    assert numbers.splitlines() == [
        "Confidence 0.625",
        "Probability 0.625",
        "Sentiment -0.25",
        "Kelly size 0.05",
        "Model window 4 ba9876543210",
        "Days since trained 12 of 90",
    ]
    assert colour_of(seen.table) == "#ffffff"


def test_the_table_where_no_window_speaks(tmp_path):
    seen = run(tmp_path, script_of(), flat_bars(2))
    assert words_of(seen.table)[1].splitlines() == [
        "Confidence -",
        "Probability -",
        "Sentiment -",
        "Kelly size 0.05",
        "Model window - ",
        "Days since trained - of 90",
    ]


CHANGES = {
    "confidenceThreshold": 0.51,
    "useSentiment": False,
    "sentimentWeight": 0.39,
    "maxPosition": 0.07,
    "kellyMultiplier": 0.6,
    "modelMaxDays": 91,
}
LIVE = {"liveScore": 0.5, "liveConfidence": 1.0, "alertSecret": "mine"}


@pytest.mark.parametrize(("name", "value"), [*CHANGES.items(), *LIVE.items()])
def test_a_changed_input_turns_the_table_amber_unless_it_is_live(tmp_path, name, value):
    heading, colour = "As tested", "#ffffff"
    if name in CHANGES:
        heading, colour = "Inputs changed: the certificate no longer applies", "#ffbf00"
    elif name == "liveConfidence":
        heading = "Live sentiment"
    table = run(tmp_path, script_of(), given={name: value}).table
    assert (words_of(table)[0], colour_of(table)) == (heading, colour)


def test_without_sentiment_and_without_a_limit_of_days(tmp_path):
    bare = replace(DEFAULTS, has_sentiment=False, use_sentiment=False, max_days=None, live_since=None)
    text = inputs(bare)
    assert re.findall(r"^\w+ (\w+) = input", text, re.MULTILINE) == [
        "confidenceThreshold",
        "maxPosition",
        "kellyMultiplier",
        "alertSecret",
    ]
    assert "liveScore" not in text
    for name in ("useSentiment", "sentimentWeight"):
        assert re.search(rf"^\w+ {name} = [\w.]+$", text, re.MULTILINE)
    assert "modelMaxDays" not in text + display(bare)
    numbers = words_of(run(tmp_path, script_of(defaults=bare)).table)[1]
    assert numbers.endswith("\nDays since trained 12")


def ranges(text: str) -> dict[str, tuple[float, ...]]:
    number = r"(-?[\d.]+)"
    pattern = rf'^float (\w+) = input\.float\({number}, "[^"]+", {number}, {number}, {number}, "'
    return {found[0]: tuple(map(float, found[1:])) for found in re.findall(pattern, text, re.MULTILINE)}


def test_default_and_range_of_each_input():
    assert ranges(inputs(DEFAULTS)) == {
        "confidenceThreshold": (0.5, 0.5, 0.95, 0.01),
        "sentimentWeight": (0.4, 0.0, 0.5, 0.01),
        "maxPosition": (0.08, 0.01, 0.15, 0.01),
        "kellyMultiplier": (0.5, 0.1, 1.0, 0.01),
        "liveScore": (0.0, -1.0, 1.0, 0.1),
        "liveConfidence": (0.0, 0.0, 1.0, 0.1),
    }


@pytest.mark.parametrize(
    ("name", "field", "value", "allowed"),
    [
        ("confidenceThreshold", "threshold", 0.97, (0.5, 0.97)),
        ("sentimentWeight", "sentiment_weight", 0.75, (0.0, 0.75)),
        ("maxPosition", "max_position", 0.005, (0.005, 0.15)),
        ("maxPosition", "max_position", 1.0, (0.01, 1.0)),
        ("kellyMultiplier", "multiplier", 0.0001, (0.0001, 1.0)),
    ],
)
def test_a_run_outside_the_usual_range_widens_it(name, field, value, allowed):
    text = inputs(replace(DEFAULTS, **{field: value}))
    assert ranges(text)[name][:3] == (value, *allowed)
    (condition,) = re.findall(rf"{name} == ([\d.]+)", text)
    assert float(condition) == value


def test_the_threshold_of_each_window_is_told_only_where_there_is_one():
    assert "each model's own" in inputs(DEFAULTS)
    assert "each model's own" not in inputs(replace(DEFAULTS, threshold=0.55, auto=False))
    assert "each model's own" not in inputs(replace(DEFAULTS, auto=False))


def test_the_secret_is_not_shown_on_the_chart():
    (line,) = re.findall(r"^string alertSecret.*$", inputs(DEFAULTS), re.MULTILINE)
    assert "display=display.none" in line


def test_the_header_says_how_to_make_the_alert():
    lines = script_of().splitlines()
    assert lines[:2] == ["//@version=6", "// One."]
    assert lines[2 : 2 + len(NOTES)] == [f"// {note}" for note in NOTES]
    assert lines[2 + len(NOTES)] == ANNOTATION == "//@strategy_alert_message {{strategy.order.alert_message}}"
    assert lines[3 + len(NOTES)].startswith("strategy(")


def test_alerts_need_the_models_names():
    text = (inputs(DEFAULTS) + DECIDED).replace("modelHash", "otherHash")
    with pytest.raises(ConfigError, match="does not assign modelHash: assign decidedSide,"):
        execution_script(RULES, "x", DecisionSource(text), alerts=True)


def random_defaults(rng: np.random.Generator) -> Defaults:
    return Defaults(
        threshold=float(rng.choice([0.5, rng.uniform(0.5, 1.0)])),
        sentiment_weight=float(rng.choice([0.0, rng.uniform(0, 1), 1e-7])),
        use_sentiment=bool(rng.integers(2)),
        max_position=float(rng.choice([1.0, rng.uniform(0, 1), 1e-9])),
        multiplier=float(rng.choice([1.0, rng.uniform(0, 1)])),
        max_days=None if rng.integers(2) else int(rng.integers(0, 1_000)),
        has_sentiment=bool(rng.integers(2)),
    )


def test_a_thousand_interfaces_hold_nothing_that_a_compiler_refuses():
    rng = np.random.default_rng(4)
    for _ in range(1_000):
        script = script_of(defaults=random_defaults(rng))
        assert script.isascii()
        assert not re.search(r"\bnan\b|\binf\b|\d[eE][-+]?\d+\b(?<![0-9a-f]{12})|\balert\(|\?\?|None", script)
        assert max(map(len, script.splitlines())) < 1_000
        assert all(len(re.findall(r'(?<!\\)(?:\\\\)*"', line)) % 2 == 0 for line in script.splitlines())


def kind_of(value: Any) -> str:
    return {str: "text", int: "number", float: "number"}.get(type(value), "null")


def test_the_examples_of_the_page_are_what_is_sent(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "pine-alerts.md").read_text(encoding="utf-8")
    told = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL)]
    messages = [message for _, _, message in run(tmp_path, script_of()).messages]
    sent = [*messages[6:9], messages[9]]
    assert [example.get("reason", example["action"]) for example in told] == ["buy", "stop", "target", "time"]
    for example, message in zip(told, sent, strict=True):
        assert list(example) == list(message)
        known = {key for key, value in example.items() if value is not None}
        assert all(kind_of(example[key]) == kind_of(message[key]) for key in known)
        assert all(f"| `{key}` |" in page for key in message)


def test_what_the_parts_cost():
    alerted = execution_script(RULES, "x", DecisionSource(DECIDED + inputs(DEFAULTS)), alerts=True)
    silent = execution_script(RULES, "x", DecisionSource(DECIDED + inputs(DEFAULTS)))
    assert estimated_tokens(inputs(DEFAULTS)) < 1_700
    assert estimated_tokens(display(DEFAULTS)) < 1_450
    assert estimated_tokens(alerted) - estimated_tokens(silent) < 1_550
