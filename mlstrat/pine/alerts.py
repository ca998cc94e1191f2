"""What an order says when it fills: one JSON object an order, as TradingView's alert sends it.

`docs/pine-alerts.md` gives every field. A trade's messages are made at the close that decides it, so that its
exits name the model that entered, whichever window speaks by then.
"""

from typing import NamedTuple

VERSION = 1
SECRET_PLACEHOLDER = "change-me"

# What the text of a decision must assign besides, where orders send alerts.
ALERT_NAMES = ("alertSecret", "modelHash", "probUp", "moodScore", "moodConfidence")

_MESSAGE_FIELD = "{{strategy.order.alert_message}}"
# An annotation of Pine's that fills the field in; the notes tell who clears it what belongs there.
ANNOTATION = f"//@strategy_alert_message {_MESSAGE_FIELD}"
NOTES = (
    f"Alerts: one alert on this strategy, order fills only, with the message {_MESSAGE_FIELD}",
    "TradingView runs a frozen copy of the script, its inputs and the chart's symbol and timeframe:",
    "after each export, and after a change of an input, delete the alert and create it again.",
)


class OrderAlerts(NamedTuple):
    """Pine that the orders take in, empty where they send nothing.

    `functions` and `made` are whole lines, the first at global scope and the second where an entry is sent;
    the others are arguments of the entry, of its bracket and of the time exit.
    """

    functions: str
    made: str
    entry: str
    bracket: str
    close: str


SILENT = OrderAlerts("", "", "", "", "")

_FUNCTIONS = r"""jsonText(string words) => str.replace_all(str.replace_all(words, "\\", "\\\\"), "\"", "\\\"")
jsonNumber(string key, float number) => ",\"" + key + "\":" + (na(number) ? "null" : str.tostring(number))
exitAlert(string stem, string reason, float price) =>
    stem + reason + "\",\"action\":\"close\",\"reason\":\"" + reason + "\"" + jsonNumber("price", price) + "}"
var string alertStem = ""
"""

# The stem ends inside the value of alert_id, whose last part every order writes itself.
_MADE = r"""    string symbol = jsonText(syminfo.ticker)
    alertStem := "{\"version\":%d,\"secret\":\"" + jsonText(alertSecret) + "\",\"symbol\":\"" + symbol
    alertStem += "\",\"model_hash\":\"" + modelHash + "\"" + jsonNumber("bar_time", time)
    alertStem += jsonNumber("quantity", quantity) + ",\"alert_id\":\"" + symbol + "-" + timeframe.period
    alertStem += "-" + str.tostring(time) + "-"
    string entryAlert = alertStem + "entry\",\"action\":\"" + (decidedSide > 0 ? "buy\"" : "sell\"")
    entryAlert += jsonNumber("ml_confidence", decidedSide > 0 ? probUp : 1 - probUp)
    entryAlert += jsonNumber("kelly_fraction", decidedFraction)
    entryAlert += jsonNumber("sentiment_score", moodConfidence > 0 ? moodScore : na)
    entryAlert += jsonNumber("stop", decidedStop) + jsonNumber("target", decidedTarget)
    entryAlert += jsonNumber("time_exit", decidedMaxBars > 0 ? decidedMaxBars : na) + "}"
"""


def order_alerts(stop: str, target: str, time: str) -> OrderAlerts:
    """Return the alerts of entry, stop, target and time exit; the arguments are their `reason`."""
    return OrderAlerts(
        functions=_FUNCTIONS,
        made=_MADE % VERSION,
        entry=", alert_message=entryAlert",
        bracket=f', alert_loss=exitAlert(alertStem, "{stop}", decidedStop)'
        f', alert_profit=exitAlert(alertStem, "{target}", decidedTarget)',
        close=f', alert_message=exitAlert(alertStem, "{time}", na)',
    )
