"""Which coin a headline is about, by a table of names and tickers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from types import MappingProxyType

# Ticker -> names. A name counts in any case; a ticker in capitals, alone or in a pair (BTC, BTCUSDT), or in
# any case behind $ or #.
COINS = MappingProxyType(
    {
        "BTC": ("bitcoin", "bitcoins"),
        "ETH": ("ethereum", "ether"),
        "SOL": ("solana",),
        "BNB": ("binance coin", "bnb chain"),
        "XRP": ("ripple",),
        "ADA": ("cardano",),
        "DOGE": ("dogecoin",),
        "SHIB": ("shiba inu",),
        "DOT": ("polkadot",),
        "AVAX": ("avalanche",),
        "LUNA": ("terra luna", "terra"),
        "MATIC": ("polygon",),
        "LTC": ("litecoin",),
        "LINK": ("chainlink",),
        "TRX": ("tron",),
        "XLM": ("stellar lumens",),
        "XMR": ("monero",),
        "ATOM": ("cosmos hub",),
        "NEAR": ("near protocol",),
        "UNI": ("uniswap",),
        "BCH": ("bitcoin cash",),
        "ETC": ("ethereum classic",),
        "ALGO": ("algorand",),
        "XTZ": ("tezos",),
        "FIL": ("filecoin",),
        "APE": ("apecoin",),
        "SAND": ("the sandbox",),
        "MANA": ("decentraland",),
    }
)

# Tickers that are words too, so that capitals alone do not say that a coin is meant.
_WORDS = frozenset({"ADA", "APE", "ATOM", "DOT", "ETC", "LINK", "LUNA", "MANA", "NEAR", "SAND", "UNI"})
_STABLE = ("USDT", "USDC", "BUSD", "TUSD")
_QUOTES = (*_STABLE, "USD", "EUR", "GBP", "JPY", "PERP", "BTC", "ETH")
# How exchanges name a perpetual contract, and what one of a thousand or a million coins begins with.
_PERPETUAL = re.compile(r"(?:\.P|[_-]PERP)$")
_MULTIPLIER = re.compile(r"^1000(?:000)?(?=[A-Z])")
_CAPITALS = re.compile(r"(?<!\w)[A-Z0-9]*[A-Z][A-Z0-9]*(?!\w)")


def coin_of(symbol: str) -> str:
    """Return the ticker of what is traded: BTC for BTCUSDT, BTC-USD, BINANCE:BTCUSDT.P, XBTUSD and bitcoin.

    So too for BTC/USDT:USDT, where what follows the colon is the currency of settlement, for BTCUSD_PERP, and
    for contracts of 1,000 or 1,000,000 coins of the table: 1000SHIBUSDT is SHIB. A symbol that is not in the
    table is its own ticker; text without a letter gives the empty ticker.
    """
    parts = symbol.strip().upper().split(":")
    plain = _PERPETUAL.sub("", next((part for part in parts if "/" in part), parts[-1]))
    plain = re.sub(r"[^A-Z0-9]", "", plain)
    plain = re.sub(r"^XBT", "BTC", plain)
    named = _COIN_OF.get(plain.lower())
    if named:
        return named
    for quote in ("", *_QUOTES):
        base = plain.removesuffix(quote)
        one = _MULTIPLIER.sub("", base)
        if one in COINS:
            return one
        if quote in _STABLE and base not in ("", plain):
            return base
    return plain


def coins_in(text: str) -> frozenset[str]:
    """Return the tickers of the coins of the table that a text names."""
    found = _PATTERN.finditer(text)
    return frozenset(_COIN_OF[next(filter(None, match.groups())).lower()] for match in found)


def subjects_of(text: str) -> tuple[str, ...]:
    """Return the tickers that a source's own words on what a text is about name, in alphabetical order.

    These are the coins that `coins_in` finds and the words in capitals, for LINK is a ticker there.
    """
    return tuple(sorted(coins_in(text) | {coin_of(word) for word in _CAPITALS.findall(text)}))


def marked(tickers: Iterable[str]) -> str:
    """Return tickers as text that names their coins, even where a ticker is a word too, such as NEAR."""
    return " ".join(f"${ticker}" if ticker in COINS else ticker for ticker in tickers)


def concerns(coin: str, text: str) -> bool:
    """Whether a headline counts for a coin: it names the coin, or names no coin of the table at all.

    So news about the market in general counts for every coin, and news about other coins only does not.
    The empty coin takes everything.
    """
    named = coins_in(text)
    if not coin or not named or coin in named:
        return True
    return re.search(rf"(?<!\w){re.escape(coin)}(?!\w)", text) is not None


_COIN_OF = MappingProxyType(
    {alias.lower(): ticker for ticker, names in COINS.items() for alias in (ticker, *names)}
)


def _pattern() -> re.Pattern[str]:
    tickers = "|".join(sorted(COINS))
    plain = "|".join(sorted(set(COINS) - _WORDS))
    longest_first = sorted((name for names in COINS.values() for name in names), key=lambda n: (-len(n), n))
    names = "|".join(map(re.escape, longest_first))
    pair = f"(?:[/-]?(?:{'|'.join(_QUOTES)}))?"
    return re.compile(
        rf"(?:(?i:[$#]({tickers}){pair})|(?<![\w$#])({plain}){pair}|(?<!\w)(?i:({names})))(?!\w)",
    )


_PATTERN = _pattern()
