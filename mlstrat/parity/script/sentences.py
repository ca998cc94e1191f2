"""What the certificate of an exported script says in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mlstrat.data.bars import PRICES
from mlstrat.parity.script.measure import TOLERANCE, Measured
from mlstrat.parity.script.verifying import LATEST, LEAST_SPOKEN, Case, ScriptVerified, Second
from mlstrat.pine.text import TOKEN_BUDGET
from mlstrat.reports.tradingview import tiny
from mlstrat.reports.wording import plural

UNCHARGED = (
    "The run charged funding or borrow, which a script cannot: trades, sizes and equity of both sides are "
    "without them here."
)
OFF_GRID = 1e-6  # of a tick: more than rounding leaves


def sentences(verified: ScriptVerified) -> list[str]:
    """Return what the certificate says, the verdict first."""
    said = [_verdict(verified)]
    if verified.enough or verified.differs:
        said.append(f"Compared at {plural(verified.spoken, 'bar')} with a probability.")
    said += [_unlike(case) for case in verified.cases if not case.measured.identical]
    said += [
        f"On {case.chart.name} it never has a probability."
        for case in verified.cases
        if not case.measured.spoken
    ]
    said += [*_of_grid(verified), *_of_features(verified)]
    later = [case for case in verified.cases if case.measured.from_run is not None]
    if later:
        said.append(_of_later(later))
    if verified.run.past.bars.carry is not None:
        said.append(UNCHARGED)
    if verified.second is not None:
        said.append(_of_second(verified.second))
    return [*said, _of_size(verified)]


def _of_grid(verified: ScriptVerified) -> list[str]:
    """Say where prices lie off the tick, to which a chart rounds every fill: a script cannot trade there."""
    tick = verified.run.past.rules.tick
    for case in verified.cases:
        counts = np.concatenate([getattr(case.chart.bars, name) for name in PRICES]) / tick
        if np.abs(counts - np.round(counts)).max() > OFF_GRID:
            return [
                f"Prices of {case.chart.name} are no multiples of the tick {tick:g}, to which a chart rounds "
                "every fill: round the bars' prices, or give instrument.tick, and run again."
            ]
    return []


def _verdict(verified: ScriptVerified) -> str:
    found = [case.measured for case in verified.cases]
    unlike = sum(not measured.identical for measured in found)
    if unlike:
        charts = plural(len(found), "chart")
        return f"Not identical: the script differs from Python on {unlike} of {charts}."
    if not verified.enough:
        return _too_little(verified)
    trades = sum(measured.comparison.total for measured in found)
    made = f"makes {trades:,} of {trades:,} trades as Python does" if trades else "makes no trade, as Python"
    charts = f"{len(found)} charts" if len(found) > 1 else verified.cases[0].chart.name
    bars, worst = sum(measured.bars for measured in found), max(measured.prob_up for measured in found)
    return (
        f"The script {made} on {charts}, has the same signal at {bars:,} of {bars:,} bars, and its "
        f"probability differs by {tiny(worst)} at most."
    )


def _too_little(verified: ScriptVerified) -> str:
    found = f"Nothing to compare: the script has a probability at {plural(verified.spoken, 'bar')}"
    if verified.script.mode != LATEST:
        return f"{found}, and {LEAST_SPOKEN} are needed: test the run on more bars."
    return (
        f"{found} after its model's training, and {LEAST_SPOKEN} are needed: give bars that "
        "begin with the run's own and end later with --bars FILE."
    )


def _unlike(case: Case) -> str:
    found = case.measured
    parts = [
        (found.prob_up > TOLERANCE, f"its probability differs by {_told(found.prob_up)}"),
        (found.mood > TOLERANCE, f"its sentiment differs by {_told(found.mood)}"),
        (found.loose, f"it has a probability at {plural(found.loose, 'bar')} where Python has none"),
        (found.mute, f"it has none at {plural(found.mute, 'bar')} where Python has one"),
        (_strange(found), "its probability is not the run's own"),
        (found.signals < found.bars, f"{found.signals:,} of {found.bars:,} bars have the same signal"),
        (not found.comparison.same, _trades(found)),
    ]
    name = case.chart.name
    return f"On {name}: {'; '.join(text for wrong, text in parts if wrong)}."


def _strange(found: Measured) -> bool:
    return found.from_run is not None and found.from_run.unlike > 0


def _trades(found: Measured) -> str:
    trades = found.comparison
    causes = ", ".join(f"{cause} ({amount:,})" for cause, amount in trades.causes.items())
    return f"{trades.identical:,} of {trades.total:,} trades are identical, and what differs is {causes}"


def _told(size: float) -> str:
    return f"up to {tiny(size)}" if math.isfinite(size) else "where one of the two has no value"


def _of_features(verified: ScriptVerified) -> list[str]:
    worst = [case.measured.feature for case in verified.cases if case.measured.features]
    if not worst:
        return []
    name, size = max(worst, key=lambda item: item[1])
    if not math.isfinite(size):
        return [f"The feature {name} has no value in the script where Python has one."]
    features = plural(len(verified.script.features), "feature")
    return [f"Its {features} differ by {tiny(size)} of their value at most ({name})."]


def _of_later(cases: Sequence[Case]) -> str:
    beside = [case.measured.from_run for case in cases if case.measured.from_run is not None]
    bars, unlike = sum(found.bars for found in beside), sum(found.unlike for found in beside)
    worst = max(found.prob_up for found in beside)
    return (
        f"On charts that begin inside the run its probability is the run's own at {bars - unlike:,} of "
        f"{bars:,} bars, and differs by {tiny(worst)} at most."
    )


def _of_second(second: Second) -> str:
    name = f"PineTS {second.version}, another runtime,"
    if second.prob_up is None:
        return f"{name} gave no second opinion: {second.problem.rstrip('.')}."
    if not math.isfinite(second.prob_up):
        return f"{name} has a probability at other bars of the run than PyneCore."
    return f"{name} has the same probability within {tiny(second.prob_up)} on the run's own bars."


def _of_size(verified: ScriptVerified) -> str:
    script = verified.script
    count = len(script.libraries)
    libraries = f" and {count} {'library' if count == 1 else 'libraries'}" if count else ""
    return (
        f"It holds {plural(script.windows, 'window')} in {script.string_characters:,} characters of string "
        f"constants{libraries}, about {script.tokens:,} compiled tokens of the {TOKEN_BUDGET:,} that it may "
        "have."
    )
