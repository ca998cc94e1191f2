"""What to ask a source about a symbol, by the table of names."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlstrat.sentiment.aliases import COINS, coin_of, coins_in, concerns
from mlstrat.sentiment.items import SourceError


@dataclass(frozen=True)
class Subject:
    """What is traded, in words.

    Parameters
    ----------
    ticker : str
        Such as BTC or SPY; letters and digits only.
    names : tuple of str
        Names of a coin of the table; empty for anything else.
    """

    ticker: str
    names: tuple[str, ...]

    @property
    def is_coin(self) -> bool:
        """Whether it is a coin of the table."""
        return bool(self.names)

    @property
    def words(self) -> tuple[str, ...]:
        """Names, and the ticker where it is no word of its own: not LINK, but BTC and SPY."""
        plain = not self.is_coin or self.ticker in coins_in(self.ticker)
        return (*self.names, self.ticker) if plain else self.names

    def concerns(self, text: str) -> bool:
        """Whether a text counts: as in `aliases.concerns`; what is no coin has to be named."""
        if self.is_coin:
            return concerns(self.ticker, text)
        return re.search(rf"(?<!\w){re.escape(self.ticker)}(?!\w)", text) is not None


def subject_of(symbol: str, source: str) -> Subject:
    """Return what a symbol stands for.

    Raises
    ------
    SourceError
        It holds no letter.
    """
    ticker = coin_of(symbol)
    if not ticker:
        raise SourceError(f"{source} cannot be asked about {symbol!r}: give a symbol such as BTCUSDT.")
    return Subject(ticker, COINS.get(ticker, ()))


def quoted(words: tuple[str, ...]) -> str:
    """Return words joined by OR, in quotes."""
    return " OR ".join(f'"{word}"' for word in words)
