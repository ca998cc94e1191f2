"""Which coin a headline counts for."""

import pytest

from mlstrat.sentiment.aliases import coin_of, coins_in, concerns, marked, subjects_of


@pytest.mark.parametrize(
    ("symbol", "coin"),
    [
        ("BTCUSDT", "BTC"), ("btc-usd", "BTC"), ("BTC/USDT", "BTC"), ("BTC", "BTC"),
        ("BINANCE:BTCUSDT.P", "BTC"), ("XBTUSD", "BTC"), ("bitcoin", "BTC"), ("ETHBTC", "ETH"),
        ("SOLUSDC", "SOL"), ("BTC/USDT:USDT", "BTC"), ("BINANCE:BTC/USDT:USDT-240329", "BTC"),
        ("BTCUSD_PERP", "BTC"), ("ETH-PERP", "ETH"), ("PEPE/USDT:USDT", "PEPE"),
        ("1000SHIBUSDT", "SHIB"), ("1000000DOGEUSDT", "DOGE"), ("1000PEPEUSDT", "1000PEPE"),
        ("PEPEUSDT", "PEPE"), ("SPY", "SPY"), ("EURUSD", "EURUSD"), ("USDT", "USDT"), ("", ""), ("--", ""),
    ],
)  # fmt: skip
def test_the_coin_of_a_symbol(symbol, coin):
    assert coin_of(symbol) == coin


@pytest.mark.parametrize(
    ("text", "coins"),
    [
        ("Bitcoin's price and ETHEREUM's", {"BTC", "ETH"}),
        ("$btc #eth", {"BTC", "ETH"}),
        ("BTCUSDT, ETH/USD and SOL-USDC", {"BTC", "ETH", "SOL"}),
        ("Bitcoin Cash forks", {"BCH"}),
        ("Bitcoin Cash and bitcoin part", {"BTC", "BCH"}),
        ("Ether up, something altogether else", {"ETH"}),
        ("A LINK to news NEAR you", set()),
        ("$LINK and #near", {"LINK", "NEAR"}),
        ("el sol sale", set()),
        ("Markets calm", set()),
        ("", set()),
    ],
)
def test_the_coins_that_a_text_names(text, coins):
    assert coins_in(text) == coins


@pytest.mark.parametrize(
    ("coin", "text", "counts"),
    [
        ("BTC", "Bitcoin rises", True),
        ("BTC", "Bitcoin and Solana rise", True),
        ("BTC", "Solana rises", False),
        ("BTC", "Regulators meet", True),
        ("SPY", "Regulators meet", True),
        ("SPY", "Solana rises", False),
        ("PEPE", "PEPE overtakes Solana", True),
        ("PEPE", "Solana overtakes PEPEUSD", False),
        ("", "Solana rises", True),
    ],
)
def test_news_about_other_coins_only_does_not_count(coin, text, counts):
    assert concerns(coin, text) is counts


@pytest.mark.parametrize(
    ("words", "tickers"),
    [
        ("bitcoin", ("BTC",)),
        ("Bitcoin Cash, LINK", ("BCH", "LINK")),
        ("BTCUSDT", ("BTC",)),
        ("PEPE 2024", ("PEPE",)),
        ("defi", ()),
        ("", ()),
    ],
)
def test_the_tickers_that_a_subject_names(words, tickers):
    assert subjects_of(words) == tickers
    assert coins_in(marked(tickers)) == {ticker for ticker in tickers if ticker != "PEPE"}
