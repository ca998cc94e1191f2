"""What a user of the exported script sees and may change: inputs, lines, shapes and the table of metrics."""

from dataclasses import dataclass

from mlstrat.pine.alerts import SECRET_PLACEHOLDER
from mlstrat.pine.text import decimal, quoted

# The ranges of the inputs, which a run's own value widens.
THRESHOLDS, WEIGHTS, POSITIONS, MULTIPLIERS = (0.5, 0.95), (0.0, 0.5), (0.01, 0.15), (0.1, 1.0)

# Plots of the numbers that other runtimes are compared by.
PROB_UP, SENTIMENT, FRACTION, POSITION = "prob_up", "sentiment", "fraction", "position"


@dataclass(frozen=True)
class Defaults:
    """A run's own values of what a user may change.

    Parameters
    ----------
    threshold : float
        Blended probability that an entry needs; 0.5 where each window has its own.
    sentiment_weight : float
        Weight of sentiment in the blend.
    use_sentiment : bool
        Whether sentiment is blended in at all.
    max_position : float
        Largest share of equity held.
    multiplier : float
        Share of the Kelly size held.
    max_days : int or None
        Days after its training on which a model still enters; None = no such input.
    has_sentiment : bool
        Whether the run has sentiment; without it there are no inputs for it, only its constants.
    live_since : int or None
        Milliseconds since 1970 from which a live value of sentiment may speak; None = no such inputs.
    auto : bool
        Whether each window has its own threshold.
    """

    threshold: float
    sentiment_weight: float
    use_sentiment: bool
    max_position: float
    multiplier: float
    max_days: int | None
    has_sentiment: bool
    live_since: int | None = None
    auto: bool = True


def inputs(defaults: Defaults) -> str:
    """Return the inputs, and `asTested`: whether each that can change a trade has the run's value.

    A value of the run outside the usual range of its input widens that range.
    """
    tip = "0.5: each model's own." if defaults.auto else "Least blended probability."
    lines = [
        _TRADING,
        _share("confidenceThreshold", defaults.threshold, "Confidence threshold", THRESHOLDS, tip),
        _share("maxPosition", defaults.max_position, "Max position size", POSITIONS, "Share of equity."),
        _share("kellyMultiplier", defaults.multiplier, "Kelly multiplier", MULTIPLIERS, "0.5: half Kelly."),
    ]
    if defaults.max_days is not None:
        lines.append(_days(defaults.max_days))
    lines += _sentiment(defaults) if defaults.has_sentiment else _no_sentiment(defaults)
    return "\n".join([*lines, _SECRET, f"bool asTested = {_as_tested(defaults)}"])


# Names for the groups, since every use of a string is paid for.
_TRADING, _MOOD = 'string tradingInputs = "Trading"', 'string moodInputs = "Sentiment"'
_SECRET = (
    f"string alertSecret = input.string({quoted(SECRET_PLACEHOLDER)}, "
    '"Secret", tooltip="Then create the alert again.", group="Alerts", display=display.none)'
)

_LIVE = """float liveScore = input.float(0, "Live score", -1, 1, 0.1, "Never tested.", group=moodInputs)
float liveConfidence = input.float(0, "Its confidence", 0, 1, 0.1, "0: unknown.", group=moodInputs)
int liveSince = input.time({since}, "Known since", "Earlier bars keep what was known.", group=moodInputs)"""


def _share(
    name: str, value: float, title: str, usual: tuple[float, float], tip: str, group: str = "tradingInputs"
) -> str:
    least, most = (decimal(edge).removesuffix(".0") for edge in (min(value, usual[0]), max(value, usual[1])))
    arguments = f"{decimal(value)}, {quoted(title)}, {least}, {most}, 0.01, {quoted(tip)}"
    return f"float {name} = input.float({arguments}, group={group})"


def _days(days: int) -> str:
    arguments = f'{days}, "Max model days", {min(days, 1)}, tooltip="Since training, for an entry."'
    return f"int modelMaxDays = input.int({arguments}, group=tradingInputs)"


def _sentiment(defaults: Defaults) -> list[str]:
    used, tip = _word(defaults.use_sentiment), "At confidence 1."
    lines = [
        _MOOD,
        f'bool useSentiment = input.bool({used}, "Use sentiment", group=moodInputs)',
        _share("sentimentWeight", defaults.sentiment_weight, "Weight", WEIGHTS, tip, "moodInputs"),
    ]
    return lines if defaults.live_since is None else [*lines, _LIVE.format(since=defaults.live_since)]


def _no_sentiment(defaults: Defaults) -> list[str]:
    return [
        f"bool useSentiment = {_word(defaults.use_sentiment)}",
        f"float sentimentWeight = {decimal(defaults.sentiment_weight)}",
    ]


def _as_tested(defaults: Defaults) -> str:
    conditions = [
        f"confidenceThreshold == {decimal(defaults.threshold)}",
        f"maxPosition == {decimal(defaults.max_position)}",
        f"kellyMultiplier == {decimal(defaults.multiplier)}",
    ]
    if defaults.max_days is not None:
        conditions.append(f"modelMaxDays == {defaults.max_days}")
    if defaults.has_sentiment:
        conditions.append(f"useSentiment == {_word(defaults.use_sentiment)}")
        conditions.append(f"sentimentWeight == {decimal(defaults.sentiment_weight)}")
    return " and ".join(conditions)


def _word(value: bool) -> str:
    return "true" if value else "false"


def display(defaults: Defaults) -> str:
    """Return what is drawn, for after the orders: stop, target, entries sent, the table and the plots.

    It reads the inputs, the decision, and of the models `probUp`, `moodScore`, `moodConfidence`, `window`,
    `trainedAt` and `modelHash`. The lines are those of the open trade, from the close of its entry bar on.
    The table stands on the last bar and is amber once an input that can change a trade has another value
    than the run's.
    """
    days = ("", "") if defaults.max_days is None else (" of {7}", ", modelMaxDays")
    state = '"As tested"'
    if defaults.live_since is not None:
        state = f'(liveConfidence > 0 ? "Live sentiment" : {state})'
    plots = "\n".join(
        f"plot({value}, {quoted(title)}, display=display.data_window)"
        for value, title in (
            ("probUp", PROB_UP),
            ("moodScore", SENTIMENT),
            ("decidedFraction", FRACTION),
            ("strategy.position_size", POSITION),
        )
    )
    return f"{_CHART}\n{_TABLE % (*days, state)}\n{plots}"


_CHART = """bool entered = sized and not unpayable
var float tradeStop = na
var float tradeTarget = na
if entered
    tradeStop := decidedStop
    tradeTarget := decidedTarget
plot(flat ? na : tradeStop, "stop", color.red, style=plot.style_linebr)
plot(flat ? na : tradeTarget, "target", color.green, style=plot.style_linebr)
plotshape(entered and decidedSide > 0, "long", shape.triangleup, location.belowbar, color.green)
plotshape(entered and decidedSide < 0, "short", shape.triangledown, location.abovebar, color.red)"""

# Pine writes NaN for what is not known.
_TABLE = r"""var table metrics = table.new(position.top_right, 1, 2, asTested ? color.white : #ffbf00)
if barstate.islast
    string words = "Confidence {0}\nProbability {1}\nSentiment {2}\nKelly size {3}\n"
    words += "Model window {4} {5}\nDays since trained {6}%s"
    float mood = moodConfidence > 0 ? moodScore : na
    float days = math.floor((time_close - trainedAt) / 86400000.0)
    int model = window < 0 ? na : window
    float sure = math.max(probUp, 1 - probUp)
    words := str.format(words, sure, probUp, mood, decidedFraction, model, modelHash, days%s)
    table.cell(metrics, 0, 0, asTested ? %s : "Inputs changed: the certificate no longer applies")
    table.cell(metrics, 0, 1, str.replace_all(words, "NaN", "-"))"""
