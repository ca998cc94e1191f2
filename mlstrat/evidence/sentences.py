"""The verdict in plain words: the conclusion first, then what it rests on and what it does not say."""

from __future__ import annotations

import math

from mlstrat.evidence.verdict import FEW_TRADES, LEVEL, Evidence

_LEAST_SHOWN = 0.0005  # what three digits would round to 0


def plain_words(evidence: Evidence, row: str = "bar", *, drift: bool = True) -> list[str]:
    """Return 1 to 6 sentences for a reader who knows none of the tests' names.

    Parameters
    ----------
    evidence : Evidence
        What was found.
    row : str
        What has a return: a bar, or where several were added up or a table is of another kind, a row.
    drift : bool
        Whether to say of an edge against 0 that a market that rose may have brought it; a page that compares
        with holding the market says it better.
    """
    if evidence.conclusion == "too few trades":
        return _too_few(evidence, row)
    return [
        _headline(evidence),
        *_beside(evidence),
        *_not_at_hand(evidence),
        *_left_out(evidence),
        *_naive(evidence),
        _limits(evidence, row),
        *(_market(evidence) if drift else []),
    ]


def _too_few(evidence: Evidence, row: str) -> list[str]:
    most = f"it has {evidence.trades:,}" if evidence.columns == 1 else f"the most is {evidence.trades:,}"
    who = "the strategy has" if evidence.columns == 1 else f"none of {evidence.columns:,} columns has"
    if evidence.trades >= FEW_TRADES:
        return [f"There is nothing to test: the returns do not differ from the benchmark's at any {row}."]
    missing = f"fewer than {FEW_TRADES} trades" if evidence.columns == 1 else f"{FEW_TRADES} trades"
    return [
        f"There are too few trades to say anything: {who} {missing} ({most}).",
        "Below that luck decides, whatever the returns look like.",
    ]


def _headline(evidence: Evidence) -> str:
    better = "beat the benchmark" if evidence.benchmark else "earned money"
    who = "the strategy" if evidence.columns == 1 else f"the best of {evidence.columns:,} columns"
    if evidence.conclusion == "edge":
        return f"There is evidence of an edge: {who} {better} beyond what luck explains ({_shown(evidence)})."
    return f"There is no evidence of an edge: luck alone does as well as {who} ({_shown(evidence)})."


def _shown(evidence: Evidence) -> str:
    p = "below 0.001" if evidence.p < _LEAST_SHOWN else f"= {evidence.p:.3f}"
    return f"SPA p {p}; an edge is said up to {LEVEL:.2f}"


def _beside(evidence: Evidence) -> list[str]:
    if not evidence.beside:
        return []
    one, told = evidence.beside == 1, f"{evidence.beside:,} other{'s' * (evidence.beside != 1)}"
    alone = "nothing else had been" if evidence.columns == 1 else "that column had been the only thing"
    return [
        f"It is judged together with {told} that {'was' if one else 'were'} tried on these data. Tested as "
        f"if {alone} tried, it would have p = {evidence.spa.naive_p:.3f}."
    ]


def _not_at_hand(evidence: Evidence) -> list[str]:
    unseen = evidence.trials - evidence.columns - evidence.beside
    if not unseen:
        return []
    return [
        f"On these data {unseen:,} more {'thing was' if unseen == 1 else 'things were'} tried whose returns "
        f"are not part of this test{_why_apart(evidence.apart, unseen)}; the p-value pays for "
        f"{'it' if unseen == 1 else 'them'} by a bound: it is {evidence.spa.p:.3f} without."
    ]


def _why_apart(apart: int, unseen: int) -> str:
    if not apart:
        return ""
    which = "" if apart >= unseen else f"{apart:,} of them "
    return f", {which}because there are too few days to test them together"


def _left_out(evidence: Evidence) -> list[str]:
    few = evidence.columns - evidence.spa.tested
    if not few:
        return []
    were = "1 column was" if few == 1 else f"{few:,} columns were"
    return [f"{were} left out, with fewer than {FEW_TRADES} trades or returns that never move."]


def _naive(evidence: Evidence) -> list[str]:
    told = evidence.columns == 1 or evidence.beside > 0
    if told or evidence.spa.naive_p > LEVEL or evidence.conclusion == "edge":
        return []
    return [
        f"Tested alone, that column would have looked like an edge (p = {evidence.spa.naive_p:.3f}), because "
        "that forgets the others."
    ]


def _market(evidence: Evidence) -> list[str]:
    if evidence.conclusion != "edge" or evidence.benchmark:
        return []
    return [
        "The test is against earning nothing: whoever held a market that rose may pass too, so look at what "
        "holding it would have earned."
    ]


def _limits(evidence: Evidence, row: str) -> str:
    if evidence.conclusion == "edge":
        return (
            "Of strategies without an edge one in twenty passes this test, and one stretch of history does "
            "not say that an edge lasts."
        )
    if not evidence.track_record > evidence.moments.n_bars:
        return "That is no proof that there is none, but these returns do not show it."
    return (
        "That is no proof that there is none: at this Sharpe ratio, were nothing else tried, it would take "
        f"{math.ceil(evidence.track_record):,} {row}s to tell; there are {evidence.moments.n_bars:,}."
    )
