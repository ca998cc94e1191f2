"""The one execution rule as a Pine v6 strategy, with a hole for where the decision of a bar comes from.

`docs/execution.md` states the rule; the numbers in the comments are its paragraphs. Each piece of text is the
twin of a function of `mlstrat.execution.rule`. Entry, stop, target and time exit are orders of Pine's own
broker emulator, which fills them by that rule when the header sets it so.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mlstrat.errors import ConfigError
from mlstrat.execution.types import RiskRules
from mlstrat.pine.account import account, breakers
from mlstrat.pine.alerts import ALERT_NAMES, ANNOTATION, NOTES, SILENT, order_alerts
from mlstrat.pine.text import decimal, quoted

# What the text of a decision must assign on every bar; na in `decidedUnits` means: from the fraction.
DECISION_NAMES = (
    "decidedSide",
    "decidedFraction",
    "decidedUnits",
    "decidedStop",
    "decidedTarget",
    "decidedMaxBars",
)
NEXT_OPEN = "decidedNextOpen"

# What the script plots for whoever runs it, by name.
EQUITY, SENT, BLOCKED, ZERO_UNITS, CANCELLED = "equity", "sent", "blocked", "zero units", "cancelled"

# Comments of exit orders, by which a trade's reason is read back.
STOP_COMMENT, TARGET_COMMENT, TIME_COMMENT = "stop", "target", "time"


@dataclass(frozen=True)
class DecisionSource:
    """Where the decision of a bar comes from.

    Parameters
    ----------
    text : str
        Pine that assigns `DECISION_NAMES` on every bar, at its close, as if flat: side 1, -1 or 0, share of
        equity, quantity (na = from the share), stop and target on the tick grid, bars until the time exit
        (0 = none).
    knows_next_open : bool
        Whether it assigns `decidedNextOpen` too: the open at which the entry would fill where that may be
        too dear to pay, else na. Only a replay of past decisions can; the script then cancels unpayable
        entries itself, to the cent, and asks the emulator for no margin.
    title : str
        Comment above the text.
    """

    text: str
    knows_next_open: bool = False
    title: str = "Decision of this bar"


def execution_script(
    rules: RiskRules,
    name: str,
    decision: DecisionSource,
    *,
    currency: str = "NONE",
    comment: Sequence[str] = (),
    alerts: bool = False,
    display: str = "",
) -> str:
    """Return a whole strategy that executes these decisions under these rules.

    Parameters
    ----------
    rules : RiskRules
        Cash, costs, grids and breakers. `tick` is the tick of the chart's symbol.
    name : str
        Title of the strategy.
    decision : DecisionSource
        Where the decision of a bar comes from.
    currency : str
        Pine's constant for the account's currency; NONE = that of the chart's symbol, so that nothing is
        converted.
    comment : sequence of str
        Lines for the reader of the script, at its top.
    alerts : bool
        Whether every order carries a JSON message (`mlstrat.pine.alerts`); the decision's text then assigns
        `ALERT_NAMES` too.
    display : str
        Pine that draws, for after the orders.

    Raises
    ------
    ConfigError
        Rules that Pine's emulator cannot follow: slippage in parts of a tick, or a quantity step that is no
        multiple of 1e-8; a decision that leaves a name unassigned; or a comment of more than one line.
    """
    check_rules(rules)
    _check_source(decision, alerts)
    parts = [
        "//@version=6",
        *_comment((*comment, *NOTES) if alerts else comment),
        *([ANNOTATION] if alerts else []),
        header(rules, name, decision.knows_next_open, currency),
        "",
        f"// {decision.title}",
        decision.text,
        "",
        "// Quantity of an entry, fixed at the deciding close",
        sizing(rules),
        "",
        "// Account at this close",
        account(rules),
        breakers(rules),
        "",
        "// Orders",
        orders(rules, decision.knows_next_open, alerts),
        "",
        _PLOTS,
        *(["", "// Display", display] if display else []),
    ]
    return "\n".join(parts) + "\n"


def check_rules(rules: RiskRules) -> None:
    """Raise ConfigError where Pine's emulator cannot follow the rules."""
    if rules.slippage_ticks != round(rules.slippage_ticks):
        raise ConfigError(
            f"slippage_ticks is {rules.slippage_ticks:g}, and Pine slips by whole ticks: give a whole number."
        )
    # TradingView carries a quantity as a whole number of 1e-8.
    lots = rules.step * 1e8
    if lots < 0.5 or abs(lots - round(lots)) > 1e-6:
        raise ConfigError(
            f"step is {rules.step:g}, and Pine counts quantities in units of 0.00000001: "
            "give a step that is a multiple of it, such as 0.00001."
        )


def header(rules: RiskRules, name: str, knows_next_open: bool, currency: str = "NONE") -> str:
    """Return the `strategy()` call with every setting that bears on a fill, since defaults differ (7).

    The emulator's margin at 100 % rejects a long that the open has made too dear, all but the commission,
    and never calls it again. For shorts it would also liquidate, which the rule does not, so theirs is 0.
    """
    settings = {
        "overlay": "true",
        "initial_capital": decimal(rules.cash),
        "currency": f"currency.{currency}",
        "default_qty_type": "strategy.fixed",
        "default_qty_value": "1",
        "pyramiding": "0",
        "commission_type": "strategy.commission.percent",
        "commission_value": decimal(_percent(rules.fee_share)),
        "slippage": str(round(rules.slippage_ticks)),
        "process_orders_on_close": "false",
        "calc_on_every_tick": "false",
        "calc_on_order_fills": "false",
        "close_entries_rule": quoted("FIFO"),
        "margin_long": "0" if knows_next_open else "100",
        "margin_short": "0",
        "use_bar_magnifier": "false",
        "fill_orders_on_standard_ohlc": "true",
        "backtest_fill_limits_assumption": "0",
    }
    listed = ", ".join(f"{key}={value}" for key, value in settings.items())
    return f"strategy({quoted(name)}, {listed})"


def sizing(rules: RiskRules) -> str:
    """Return `quantityOf(equity, fraction, units)`, the twin of `units_for` (2)."""
    if rules.step >= 1.0:
        step = decimal(rules.step)
        rounded = f"math.floor(quantity / {step} + 0.000000001) * {step}"
    else:
        inverse = decimal(round(1.0 / rules.step))
        rounded = f"math.floor(quantity * {inverse} + 0.000000001) / {inverse}"
    # math.sign is exact where Pine's comparisons forgive 1e-10, which may be a quantity.
    return f"""quantityOf(float equity, float fraction, float units) =>
    float wanted = na(units) ? equity * fraction / close : units
    float payable = equity / (close * (1.0 + {decimal(rules.fee_share)} + {decimal(rules.gap_reserve)}))
    float quantity = math.min(wanted, payable)
    float rounded = {rounded}
    float beyondLeast = rounded * close - {decimal(rules.min_notional)}
    math.sign(rounded) > 0 and math.sign(beyondLeast) >= 0 ? rounded : 0.0"""


def orders(rules: RiskRules, knows_next_open: bool, alerts: bool = False) -> str:
    """Return the orders of a close: entry with its bracket in one pass, or the time exit (1, 3, 5)."""
    reasons = {"stop": STOP_COMMENT, "target": TARGET_COMMENT, "time": TIME_COMMENT}
    return _ORDERS.format(
        unpayable=_unpayable(rules) if knows_next_open else "false",
        said=order_alerts(**reasons) if alerts else SILENT,
        **reasons,
    )


def _unpayable(rules: RiskRules) -> str:
    """Return the twin of `payable` at the slipped open, denied; `math.sign` compares to the last bit (2)."""
    slip = decimal(rules.slippage_ticks * rules.tick)
    price = "decidedNextOpen" if rules.slippage_ticks == 0 else f"(decidedNextOpen + decidedSide * {slip})"
    cost = f"quantity * {price} * (1.0 + {decimal(rules.fee_share)})"
    return f"not na(decidedNextOpen) and math.sign({cost} - cash) > 0"


_ORDERS = """{said.functions}var int sent = 0
var int blocked = 0
var int zeroUnits = 0
var int cancelled = 0
var int timeExitBar = na
bool asked = flat and decidedSide != 0
float quantity = asked and allowed ? quantityOf(cash, decidedFraction, decidedUnits) : 0.0
bool sized = math.sign(quantity) > 0
bool unpayable = {unpayable}
sent += asked ? 1 : 0
blocked += asked and not allowed ? 1 : 0
zeroUnits += asked and allowed and not sized ? 1 : 0
cancelled += sized and unpayable ? 1 : 0
if sized and not unpayable
{said.made}    strategy.entry("trade", decidedSide > 0 ? strategy.long : strategy.short, \
qty=quantity{said.entry})
    strategy.exit("bracket", "trade", stop=decidedStop, limit=decidedTarget, \
comment_loss="{stop}", comment_profit="{target}"{said.bracket})
    timeExitBar := decidedMaxBars > 0 ? bar_index + decidedMaxBars : na
if not flat and not na(timeExitBar) and bar_index >= timeExitBar
    strategy.close("trade", comment="{time}"{said.close})"""

_PLOTS = "\n".join(
    f"plot({value}, {quoted(title)}, display=display.data_window)"
    for value, title in (
        ("strategy.equity", EQUITY),
        ("sent", SENT),
        ("blocked", BLOCKED),
        ("zeroUnits", ZERO_UNITS),
        ("cancelled", CANCELLED),
    )
)


def _percent(share: float) -> float:
    """Return the share in percent, rounded to what a float's decimal text can hold."""
    return float(f"{share * 100.0:.15g}")


def _comment(lines: Iterable[str]) -> list[str]:
    listed = [f"// {line}".rstrip() for line in lines]
    for line in listed:
        if not line.isprintable():
            raise ConfigError(f"{line!r} is no comment of one line: give text without control characters.")
    return listed


def _check_source(decision: DecisionSource, alerts: bool) -> None:
    names = DECISION_NAMES + (NEXT_OPEN,) * decision.knows_next_open + ALERT_NAMES * alerts
    missing = [name for name in names if name not in decision.text]
    if missing:
        raise ConfigError(
            f"the text of a decision does not assign {missing[0]}: assign {', '.join(names)} on every bar."
        )
