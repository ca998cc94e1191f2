"""The contracts of a scorer, from texts to moods, and of a source of headlines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlstrat.arrays import FloatArray

_HOSTILE = 1000
_PLAIN = (
    "Bitcoin soars to a record high as demand surges",
    "Exchange hacked, millions stolen in a devastating breach",
    "Weekly report published",
    "Regulator bans the token and investors panic",
)
_ODD = (
    "\x00\x01\x02",
    "\ud800",
    "😀" * 300,
    "A" * 5000,
    "(" * 500,
    "!" * 1000,
    "\u202e\u200b\ufeff",
    "<script>alert(1)</script>",
    "'; DROP TABLE bars; --",
    "%s %n {} {0} \\",
    "\t\r\n \u2028\u2029",
    "ﷺ٣۵Ω≈ç√",
    "-1e309 nan inf",
)


def check_scorer(scorer: Any, *, seed: int = 0) -> None:
    """Check what scores texts (`mlstrat.sentiment.scorers.Scorer`).

    Polarity must be in [-1, 1] and confidence in [0, 1], never NaN, both 0 for an empty text; the same text
    must get the same score, whatever texts stand beside it; and 1,000 hostile texts must do no harm.

    Parameters
    ----------
    scorer : object
        With `score(texts) -> (polarity, confidence)`.
    seed : int
        Of the hostile texts.

    Raises
    ------
    AssertionError
        The first thing that it does not keep, as a sentence.
    """
    texts = (*_PLAIN, "", *hostile_texts(seed))
    polarity, confidence = _scored(scorer, texts)
    _check_range(texts, "polarity", polarity, -1.0)
    _check_range(texts, "confidence", confidence, 0.0)
    empty = len(_PLAIN)
    if not (polarity[empty] == 0.0 and confidence[empty] == 0.0):
        raise AssertionError("an empty text must have score 0 and 0.")
    again = _scored(scorer, texts)
    if not _same(again, (polarity, confidence)):
        raise AssertionError("the scorer gives other scores for the same texts: fix its seed.")
    turned = _scored(scorer, texts[::-1])
    if not _same((turned[0][::-1], turned[1][::-1]), (polarity, confidence)):
        raise AssertionError(
            "the scorer gives a text another score beside other texts: score each on its own."
        )
    one = _scored(scorer, texts[:1])
    if not _same(one, (polarity[:1], confidence[:1])):
        raise AssertionError(
            "the scorer gives a text another score alone than among others: score each on its own."
        )
    if len(_scored(scorer, ())[0]) != 0:
        raise AssertionError("no texts must give no scores.")


def hostile_texts(seed: int, count: int = _HOSTILE) -> tuple[str, ...]:
    """Return texts that programs stumble over: control and odd characters, great length, emoji, markup."""
    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(count - len(_ODD)):
        codes = random.integers(1, 0x11000, random.integers(0, 60))
        drawn.append("".join(chr(code) for code in codes if not 0xD800 <= code < 0xE000))
    return (*_ODD, *drawn)[:count]


def _scored(scorer: Any, texts: Sequence[str]) -> tuple[FloatArray, FloatArray]:
    try:
        polarity, confidence = scorer.score(texts)
    except Exception as error:
        worst = next((text for text in texts if _fails(scorer, text)), "")
        raise AssertionError(
            f"the scorer fails on {len(texts):,} texts, such as {worst[:40]!r} ({type(error).__name__}: "
            f"{error}): give 0 and 0 for what it cannot read."
        ) from error
    for name, values in (("polarity", polarity), ("confidence", confidence)):
        found = np.shape(values)
        if found != (len(texts),):
            raise AssertionError(f"{name} has shape {found} for {len(texts):,} texts: give one each.")
    return np.asarray(polarity, np.float64), np.asarray(confidence, np.float64)


def _fails(scorer: Any, text: str) -> bool:
    try:
        scorer.score((text,))
    except Exception:  # noqa: BLE001 - any failure is the finding
        return True
    return False


def _check_range(texts: Sequence[str], name: str, values: FloatArray, least: float) -> None:
    bad = np.flatnonzero(~((values >= least) & (values <= 1.0)))
    if len(bad):
        raise AssertionError(
            f"{name} of {texts[bad[0]][:40]!r} is {values[bad[0]]}: give a number in [{least:g}, 1]."
        )


def _same(actual: tuple[FloatArray, FloatArray], expected: tuple[FloatArray, FloatArray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(actual, expected, strict=True))


def check_source(
    source: Callable[[str], Any], *, symbol: str = "BTCUSDT", now: np.datetime64 | None = None
) -> None:
    """Check what reads headlines (`mlstrat.sentiment.headlines.Headlines`).

    There must be one stamp, one text and one publisher a headline; stamps in UTC, in order and none missing;
    no headline may be known before it was published, or before the end of its day where only the day is
    known; no text may be blank; and reading twice must give the same.

    Parameters
    ----------
    source : callable
        From a symbol to `Headlines`, such as `lambda symbol: read_headlines(path, symbol)`.
    symbol : str
        For which to ask.
    now : datetime64, optional
        The present, UTC: no headline may be published after it.

    Raises
    ------
    AssertionError
        The first thing that it does not keep, as a sentence.
    """
    first = _read(source, symbol)
    published, n = np.asarray(first.published_at), len(first.texts)
    for name in ("published_at", "time_known", "known_from", "source"):
        found = len(getattr(first, name))
        if found != n:
            raise AssertionError(f"{name} has {found:,} values for {n:,} headlines: give one each.")
    if not n:
        raise AssertionError(
            f"the source has no headlines for {symbol}: check it with a symbol that it knows."
        )
    if published.dtype != np.dtype("datetime64[ns]"):
        raise AssertionError(f"published_at is of type {published.dtype}: give datetime64[ns], UTC.")
    if np.isnat(published).any():
        raise AssertionError("a headline has no stamp: drop it, or give its time.")
    if not ((np.diff(published) >= np.timedelta64(0)).all()):
        raise AssertionError("headlines are not in order: sort them by time.")
    blank = next(
        (k for k, text in enumerate(first.texts) if not isinstance(text, str) or not text.strip()), -1
    )
    if blank >= 0:
        raise AssertionError(f"headline {blank} has no text: drop it.")
    _check_known(first, published)
    if now is not None and not (published[-1] <= now):
        raise AssertionError(f"a headline is of {published[-1]}, after {now}: check its time zone.")
    second = _read(source, symbol)
    same = second.texts == first.texts and np.array_equal(second.published_at, published)
    if not same:
        raise AssertionError("the source gives other headlines when it is read again: read what is stored.")


def _read(source: Callable[[str], Any], symbol: str) -> Any:
    try:
        return source(symbol)
    except Exception as error:
        raise AssertionError(
            f"the source fails for {symbol} ({type(error).__name__}: {error}): make it return headlines."
        ) from error


def _check_known(headlines: Any, published: Any) -> None:
    known = np.asarray(headlines.known_from)
    early = np.flatnonzero(known < published)
    if len(early):
        raise AssertionError(
            f"headline {early[0]} is known before it was published: known_from must not be "
            "earlier than published_at."
        )
    day_only = ~np.asarray(headlines.time_known, bool)
    next_day = published.astype("datetime64[D]") + np.timedelta64(1, "D")
    early = np.flatnonzero(day_only & (known < next_day))
    if len(early):
        raise AssertionError(
            f"headline {early[0]} has a day and no time, and is known before that day has "
            "ended: let known_from be the next day."
        )
