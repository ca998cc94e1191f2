"""The Fear & Greed index of the crypto market, https://alternative.me/crypto/fear-and-greed-index/."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from mlstrat.sentiment.items import Item
from mlstrat.sentiment.sources.queries import subject_of
from mlstrat.sentiment.sources.reading import Pile, moment, name, rows
from mlstrat.sentiment.sources.web import Access, Web

BASE_URL = "https://api.alternative.me"


class FearGreed:
    """One value a day, from 0 (fear) to 100 (greed), as polarity -1 to 1; none for what is no coin.

    The stamp of a value is 00:00 UTC of its day, at or after which it is made; the minute is not told. So
    its time counts as unknown, and it is known from the next day on.

    Parameters
    ----------
    access : Access
        Cache, clock and limits.
    base_url : str
        Scheme and host.
    """

    name = "fear_greed"

    def __init__(self, access: Access, base_url: str = BASE_URL) -> None:
        self._url = f"{base_url.rstrip('/')}/fng/"
        self._web = Web(self.name, (base_url,), access, 1.0)

    def fetch(self, symbol: str, since: datetime, until: datetime) -> Sequence[Item]:
        """Return the days' values, oldest first; see `Source.fetch`."""
        if not subject_of(symbol, self.name).is_coin:
            return ()
        pile = Pile(self.name, since, until)
        with self._web.visit() as visit:
            for day in rows(visit.json(self._url, {"limit": "0"}), "data", self.name):
                _add(pile, day)
        return pile.items()


def _add(pile: Pile, day: Mapping[str, Any]) -> None:
    value, stamp = _value(day.get("value")), moment(day.get("timestamp"))
    if value is None or stamp is None:
        return
    mood = name(day.get("value_classification"))
    words = f"Fear & Greed index {value}: {mood}" if mood else f"Fear & Greed index {value}"
    pile.add(
        f"{stamp:%Y-%m-%d}",
        words,
        stamp,
        time_known=False,
        publisher="alternative.me",
        url="https://alternative.me/crypto/fear-and-greed-index/",
        language="en",
        polarity=(value - 50) / 50,
    )


def _value(told: object) -> int | None:
    digits = name(told)
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 3:
        return None
    return int(digits) if int(digits) <= 100 else None
