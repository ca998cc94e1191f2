"""The daily sentiment that was tested, as nodes, and the live value of the days after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mlstrat.config_sentiment import MOOD_FEATURES
from mlstrat.pine import unpack
from mlstrat.pine.expr import (
    Assign,
    Declare,
    Expr,
    Name,
    Number,
    Program,
    Statement,
    Text,
    When,
    both,
    call,
    choose,
    compare,
)
from mlstrat.sentiment.align import CONFIDENCE_STEPS, SCORE_STEPS

# What a script's models see of sentiment, by the name of the input; no window's gate has a say in it.
_SCORE, _CONFIDENCE = Name("moodScore"), Name("moodConfidence")
NODES: Mapping[str, Expr] = dict(zip(MOOD_FEATURES, (_SCORE, _CONFIDENCE, _SCORE * _CONFIDENCE), strict=True))


@dataclass(frozen=True)
class DailyMood:
    """The sentiment that was tested: a digit for each day from the first one known to the last.

    `first_day` and `end_day` are days since 1970; at the second one the tested bars have ended.
    """

    first_day: int
    codes: str
    end_day: int


def statements(mood: DailyMood | None, live: bool) -> Iterator[Statement]:
    """Return what assigns `moodScore` and `moodConfidence`: 0 where nothing is known.

    Parameters
    ----------
    mood : DailyMood or None
        What was tested; None = there is no sentiment.
    live : bool
        Whether the inputs `liveScore` and `liveConfidence` speak for bars from the input `liveSince` on,
        of those that were not tested.
    """
    yield Declare("float", "moodScore", Number(0.0))
    yield Declare("float", "moodConfidence", Number(0.0))
    if mood is None:
        return
    day, days = Name("moodDay"), mood.end_day - mood.first_day
    inside = both(compare(Name("moodDay"), ">=", 0), compare(Name("moodDay"), "<", len(mood.codes)))
    code = call("str.pos", Name(unpack.DIGITS), call("str.substring", Name("moodCodes"), day, day + 1))
    known = Name("moodCode") - 1
    yield Declare("string", "moodCodes", Text(mood.codes), keeps=True)
    yield Declare(
        "int", "moodDay", call("int", call("math.floor", Name("time") / 86_400_000.0)) - mood.first_day
    )
    yield When(
        compare(day, "<", days),
        (
            Declare("int", "moodCode", choose(inside, code, 0)),
            Declare("int", "level", call("int", call("math.floor", known / float(CONFIDENCE_STEPS)))),
            Declare("bool", "told", compare(Name("moodCode"), ">", 0)),
            Assign(
                "moodScore", choose(Name("told"), (Name("level") - SCORE_STEPS) / float(SCORE_STEPS), 0.0)
            ),
            Assign(
                "moodConfidence",
                choose(Name("told"), (known % CONFIDENCE_STEPS + 1) / float(CONFIDENCE_STEPS), 0.0),
            ),
        ),
        _live() if live else (),
    )


def _live() -> Program:
    since = compare(Name("time"), ">=", Name("liveSince"))
    return (
        When(
            since,
            (Assign("moodScore", Name("liveScore")), Assign("moodConfidence", Name("liveConfidence"))),
        ),
    )
