"""A small grammar of figures in headlines: what got better or worse, and by how much.

Two forms are read: an amount beside an earlier or expected one ("to 13.1 mn from 8.7 mn", "from $80 to $90",
"EPS $0.45 vs $0.41 est."), and a change in per cent ("+5.4 %", "down 12%"). Each is replaced by one word of
`FIGURES`, whose valence says the rest. More of a burden, such as a loss, costs or unemployment, is worse.
"""

from __future__ import annotations

import re
from types import MappingProxyType

FIGURES = MappingProxyType(
    {
        "figuresslightlybetter": 1.6,
        "figuresbetter": 2.6,
        "figuresmuchbetter": 3.2,
        "figuresslightlyworse": -1.6,
        "figuresworse": -2.6,
        "figuresmuchworse": -3.2,
    }
)
LOSSES = frozenset({"loss", "losses", "deficit", "deficits", "shortfall"})
_BURDENS = """
    cost costs expense expenses debt debts unemployment jobless claims layoffs defaults delinquencies
    provisions churn vacancies deaths emissions outflows liquidations charges impairments
"""
BURDENS = frozenset(_BURDENS.split())
_GAINS = frozenset({"profit", "profits", "gain", "gains", "income", "earnings", "surplus"})
# Relative changes from which amounts, and per cents from which moves, count as clear and as strong.
_CLEAR_CHANGE, _STRONG_CHANGE = 0.02, 0.2
_CLEAR_MOVE, _STRONG_MOVE = 1.0, 5.0
_CONTEXT = 60

_SCALES = MappingProxyType(
    {
        **dict.fromkeys(("k", "thousand"), 1e3),
        **dict.fromkeys(("m", "mn", "mln", "mm", "million"), 1e6),
        **dict.fromkeys(("b", "bn", "bln", "billion"), 1e9),
        **dict.fromkeys(("t", "tn", "trillion"), 1e12),
    }
)
_UNIT = r"(?:million|billion|trillion|thousand|mln|bln|mn|bn|mm|tn|[kmbt])"
_PER_CENT = r"(?:%|pct\b|percent\b|per\s?cent\b|p\.?c\.)"
_NUMBER = r"\d{1,12}(?:,\d{3}){0,4}(?:\.\d{1,9})?"


def _amount(name: str) -> str:
    return (
        rf"(?P<{name}_minus>[-\u2212])?(?:(?:eur|usd|gbp|sek|dkk|nok|inr|rs\.?)\s?|[a-z]{{0,2}}[$\u20ac\xa3\xa5])?"
        rf"(?P<{name}_minus_too>[-\u2212])?(?P<{name}>{_NUMBER})"
        rf"(?:\s?(?P<{name}_unit>{_UNIT}\b|{_PER_CENT}|cents?\b|c\b|euros?\b|dollars?\b))?"
    )


_FILLER = r"(?:[a-z&'.]{1,15},?\s){0,4}?"
_BESIDE = re.compile(
    rf"(?<![\w.,$-]){_amount('new')}\s?,?\s?\(?"
    rf"(?:{_FILLER})(?:from|vs\.?|v\.|versus|against|compared\s(?:to|with))\s"
    rf"(?P<of>{_FILLER}){_amount('old')}(?![\d%])",
    re.IGNORECASE,
)
_FROM_TO = re.compile(
    rf"\bfrom\s(?P<of>{_FILLER}){_amount('old')}\sto\s(?:{_FILLER}){_amount('new')}(?![\d%])", re.IGNORECASE
)
_MOVE = re.compile(
    r"(?:(?<![\w.,%)])(?P<sign>[+\-\u2212])\s?|\b(?P<way>up|down)\s(?:(?:by|about|around|nearly|almost|over|some"
    rf"|roughly|more\sthan|as\smuch\sas)\s)?)(?P<size>{_NUMBER})\s?{_PER_CENT}",
    re.IGNORECASE,
)
_AMOUNTS = re.compile(r"\d[\d,.]*")
_WORD = re.compile(r"[a-z]+")


def read_figures(text: str) -> str:
    """Return the text with each comparison and each move replaced by a word of `FIGURES`.

    Equal amounts and pairs of years are taken out or left as they are, without a valence.
    """
    amounts = len(_AMOUNTS.findall(text))
    if amounts > 1:
        text = _FROM_TO.sub(_compared, _BESIDE.sub(_compared, text))
    return _MOVE.sub(_moved, text) if amounts else text


def _compared(match: re.Match[str]) -> str:
    if _is_year(match, "new") and _is_year(match, "old"):
        return match[0]
    before = _words(match.string[max(0, match.start() - _CONTEXT) : match.start()])
    between = _words(match["of"])
    new, old = _values(match)
    lost_now = bool(LOSSES & before)
    lost_then = bool(LOSSES & between) or (lost_now and not _GAINS & between)
    new, old = (-new if lost_now else new), (-old if lost_then else old)
    change = (new - old) / abs(old) if old else new
    return _figure(-change if BURDENS & before else change, _CLEAR_CHANGE, _STRONG_CHANGE)


def _moved(match: re.Match[str]) -> str:
    size = float(match["size"].replace(",", ""))
    up = match["sign"] == "+" or (match["way"] or "").lower() == "up"
    before = _words(match.string[max(0, match.start() - _CONTEXT // 2) : match.start()])
    return _figure(size if up != bool((BURDENS | LOSSES) & before) else -size, _CLEAR_MOVE, _STRONG_MOVE)


def _figure(change: float, clear: float, strong: float) -> str:
    if change == 0.0:
        return " "
    size = abs(change)
    degree = "slightly" if size < clear else "" if size < strong else "much"
    return f" figures{degree}{'better' if change > 0 else 'worse'} "


def _values(match: re.Match[str]) -> tuple[float, float]:
    """Return both amounts; one without a scale takes that of the other ("$3.22 vs. $3.32 bln")."""
    scales = [_SCALES.get((match[f"{name}_unit"] or "").lower()) for name in ("new", "old")]
    shared = scales[0] or scales[1] or 1.0
    new, old = (
        _signed(match, name) * (scale or (1.0 if match[f"{name}_unit"] else shared))
        for name, scale in zip(("new", "old"), scales, strict=True)
    )
    return new, old


def _signed(match: re.Match[str], name: str) -> float:
    size = float(match[name].replace(",", ""))
    return -size if match[f"{name}_minus"] or match[f"{name}_minus_too"] else size


def _is_year(match: re.Match[str], name: str) -> bool:
    plain = len(match[name]) == 4 and match[name].startswith(("19", "20"))
    return plain and not match[f"{name}_unit"]


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))
