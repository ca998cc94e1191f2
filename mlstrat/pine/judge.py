"""Nodes of the decision: the twin of `decide_side`, with the breakers on data behind it.

It assigns what `mlstrat.pine.execution` executes: side, fraction of equity, stop, target and time exit.
"""

from __future__ import annotations

from mlstrat.config import RunConfig
from mlstrat.pine.curves import PAYOFF, THRESHOLD
from mlstrat.pine.expr import (
    Assign,
    Declare,
    Define,
    Expr,
    Kind,
    Na,
    Name,
    Number,
    Program,
    Statement,
    When,
    both,
    call,
    choose,
    compare,
    exact,
    get,
    whole,
)
from mlstrat.pine.packed import Layout
from mlstrat.pine.predict import vote_names
from mlstrat.pine.unpack import NUMBERS, number
from mlstrat.signals.kelly import STANDARD_ERRORS
from mlstrat.signals.quality import (
    AGREEMENT_WEIGHT,
    CONFIDENCE_WEIGHT,
    EDGE_WEIGHT,
    SENTIMENT_WEIGHT,
    least_quality,
)

_CLOSE = Name("close")


def functions(config: RunConfig, tick: float) -> Program:
    """Return the functions that the decision calls."""
    parts: list[Statement] = [_to_tick(tick), _kelly_of(config)]
    if least_quality(config.signals.min_grade) > 0.0:
        parts.append(_quality_of())
    return tuple(parts)


def declared() -> Program:
    """Return the decision of a bar at which there is none."""
    return (
        Declare("int", "decidedSide", Number(0)),
        Declare("float", "decidedFraction", Number(0.0)),
        Declare("float", "decidedUnits", Na()),
        Declare("float", "decidedStop", Na()),
        Declare("float", "decidedTarget", Na()),
        Declare("int", "decidedMaxBars", Number(0)),
    )


def decide(layout: Layout, config: RunConfig, allowed: Expr) -> Program:
    """Return the statements that decide a bar on which a model speaks and ATR is known.

    Parameters
    ----------
    layout : Layout
        Of the numbers.
    config : RunConfig
        The run.
    allowed : Expr
        Whether no breaker on data is open and the conditions for `side` hold.
    """
    side, at = Name("side"), Name("oddsAt")
    score = Name("score")
    own = config.signals.threshold == "auto"
    asked = Name("confidenceThreshold")
    long_at, short_at = (
        _told_or(own, exact(asked, ">", 0.5), given, get(NUMBERS, whole(number(layout, place)) + THRESHOLD))
        for place, given in (("long_at", asked), ("short_at", 1.0 - asked))
    )
    long = both(exact(score, ">=", long_at), exact(score, ">", 0.5))
    short = both(exact(score, "<=", short_at), exact(score, "<", 0.5))
    direction = config.signals.direction
    chosen: Expr = Number(0)
    if direction != "long":
        chosen = choose(short, -1, chosen)
    if direction != "short":
        chosen = choose(long, 1, chosen)
    places = choose(compare(side, ">", 0), number(layout, "long_at"), number(layout, "short_at"))
    stops = config.stops
    entered = [
        exact(Name("fraction"), ">", 0.0),
        exact((Name("target") - Name("stop")) * side, ">", 0.0),
        exact(call("math.min", Name("stop"), Name("target")), ">", 0.0),
    ]
    if config.signals.min_confidence > 0.0:
        confidence = choose(compare(side, ">", 0), Name("probUp"), 1.0 - Name("probUp"))
        entered.append(exact(confidence, ">=", config.signals.min_confidence))
    if least_quality(config.signals.min_grade) > 0.0:
        spoken = vote_names(layout)
        votes = [Name(spoken[k]) if k in spoken else Number(0.0) for k in range(3)]
        arguments = side, Name("probUp"), *votes, get("odds", 0), get("odds", 1), Name("payoff")
        quality = call("qualityOf", *arguments, Name("moodScore"), Name("heard"))
        entered.append(exact(quality, ">=", least_quality(config.signals.min_grade)))
    return (
        Declare("int", "side", chosen),
        When(
            compare(side, "!=", 0),
            (
                Declare("int", "oddsAt", whole(places)),
                Declare("array<float>", "odds", call("oddsOf", Name(NUMBERS), at, side, score)),
                Declare("float", "payoff", get(NUMBERS, at + PAYOFF)),
                Declare("float", "stop", call("toTick", _CLOSE - side * stops.atr * Name("atrPx"))),
                Declare("float", "target", call("toTick", _CLOSE + side * stops.target_atr * Name("atrPx"))),
                Declare(
                    "float",
                    "fraction",
                    call("kellyOf", get("odds", 0), get("odds", 1), Name("payoff"), *_risk_share(config)),
                ),
                When(
                    both(*entered, allowed),
                    (
                        Assign("decidedSide", side),
                        Assign("decidedFraction", Name("fraction")),
                        Assign("decidedStop", Name("stop")),
                        Assign("decidedTarget", Name("target")),
                        Assign("decidedMaxBars", Number(stops.max_bars)),
                    ),
                ),
            ),
        ),
    )


def _told_or(own: bool, overruled: Expr, given: Expr, told: Expr) -> Expr:
    """Return the threshold: the input, or where the run leaves it to the windows, theirs unless overruled."""
    return choose(overruled, given, told) if own else given


def _risk_share(config: RunConfig) -> tuple[Expr, ...]:
    """Return the share of the position lost at the stop, where the run's fraction is what is risked."""
    if config.kelly.basis != "risk":
        return ()
    return (Name("side") * (_CLOSE - Name("stop")) / _CLOSE,)


def _to_tick(tick: float) -> Define:
    counts = call("math.floor", Name("price") / tick + 0.5) * tick
    if tick < 1.0:
        counts = call("math.floor", Name("price") / tick + 0.5) / float(round(1.0 / tick))
    return Define("toTick", (("float", "price"),), (), counts)


def _kelly_of(config: RunConfig) -> Define:
    """Return Kelly's fraction of the shrunken win probability, as a share of equity, capped and floored."""
    p, payoff, by_risk = Name("p"), Name("payoff"), config.kelly.basis == "risk"
    eta: Expr = call("math.log", Name("win") / (1.0 - Name("win")))
    if config.kelly.shrink != "off":
        eta = eta - STANDARD_ERRORS[config.kelly.shrink] * Name("se")
    wanted: Expr = Name("kellyMultiplier") * Name("kelly")
    enough = [exact(Name("kelly"), ">", 0.0), exact(Name("capped"), ">=", config.kelly.min_fraction)]
    if by_risk:
        wanted = wanted / Name("riskShare")
        enough.append(exact(Name("riskShare"), ">", 0.0))
    capped = call("math.min", wanted, Name("maxPosition"))
    shares: tuple[tuple[Kind, str], ...] = (("float", "riskShare"),) if by_risk else ()
    return Define(
        "kellyOf",
        (("float", "win"), ("float", "se"), ("float", "payoff"), *shares),
        (
            Declare("float", "p", call("sigmoid", eta)),
            Declare("float", "kelly", call("math.max", p - (1.0 - p) / payoff, 0.0)),
            Declare("float", "capped", capped),
        ),
        choose(both(*enough), Name("capped"), 0.0),
    )


def _quality_of() -> Define:
    """Return the quality of a signal, 0 to 100; the twin of `quality_score`."""
    side, se = Name("side"), call("math.max", Name("se"), 1e-9)
    margin = call("math.log", Name("win") / (1.0 - Name("win"))) + call("math.log", Name("payoff"))

    def within(value: Expr) -> Expr:
        return call("math.min", call("math.max", value, 0.0), 1.0)

    agree: Expr = Number(0.0)
    for vote, middle in (("forest", 0.5), ("boosting", 0.0), ("lstm", 0.0)):
        agree = agree + choose(exact(side * (Name(vote) - middle), ">", 0.0), 1.0, 0.0)
    sentiment = 0.5 + 0.5 * side * Name("mood") * Name("sure")
    parameters = ("probUp", "forest", "boosting", "lstm", "win", "se", "payoff", "mood", "sure")
    return Define(
        "qualityOf",
        (("int", "side"), *(("float", name) for name in parameters)),
        (
            Declare("float", "edge", within(margin / (2.0 * se))),
            Declare("float", "sureness", within(side * (Name("probUp") - 0.5) / 0.1)),
        ),
        100.0
        * (
            EDGE_WEIGHT * Name("edge")
            + AGREEMENT_WEIGHT * agree / 3.0
            + CONFIDENCE_WEIGHT * Name("sureness")
            + SENTIMENT_WEIGHT * sentiment
        ),
    )
