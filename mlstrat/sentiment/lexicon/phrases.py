"""Phrases: fixed ones, and those that a subject and what happens to it make together."""

from collections.abc import Iterable, Iterator
from itertools import product
from types import MappingProxyType

_FIXED: dict[float, str] = {
    3.2: """
        to the moon, record high, record highs, all time high, all time highs, new ath, record close,
        new record, hits record
    """,
    2.4: """
        record profit, record profits, record revenue, record quarter, record sales, record earnings,
        beats estimates, beat estimates, beats expectations, beat expectations, tops estimates,
        top estimates, tops expectations, topped estimates, topped expectations, tops forecasts,
        beats forecasts, tops views, better than expected, better than forecast, blows past, bull run,
        bull market, stronger than expected, beats by, beats on, profit jumps, swings to profit,
        returns to profit, turns profitable, flips resistance, hits high, new high, new highs, year high,
        month high, week high, multi year high, highest since, highest level, highest close, strong buy,
        top gainers, best day, best week, double upgrade, price target raised, pt raised, target raised,
        raises price target, price target to street high
    """,
    1.8: """
        premarket gainers, premarket gainer, short squeeze, buy the dip, buying the dip, bounces back,
        bounced back, back on track, higher highs, hits milestone, legal tender, etf approval, approves etf,
        etf approved, breaks above, breaks through, breaking out, breaks out, broke out, cuts losses,
        mass adoption, institutional adoption, institutional interest, strong demand, solid demand,
        above estimates, above expectations, above consensus, ahead of estimates, ahead of expectations,
        exceeds expectations, lawsuit dismissed, dismisses lawsuit, drops lawsuit, drops probe, cleared of,
        clears hurdle, ban lifted, lifts ban, wins approval, wins contract, won a contract, wins a contract,
        wins order, won an order, receives order, received an order, clears merger, cleared the merger,
        approves merger, cost savings, gains market share, gained market share, turned a profit,
        awarded contract, gets approval, receives approval, fda approval, priority review,
        meets primary endpoint, met primary endpoint, all primary endpoints, beats the market,
        dividend increase, special dividend, share repurchase, stock buyback, raises dividend,
        hikes dividend, boosts dividend, dividend hike, up sharply, sharply higher, trading higher,
        moving higher, ends higher, closes higher, opens higher, edges up, edges higher, edge higher,
        edge up, ticks up, on the rise, room to run, top pick, buying opportunity, should buy, good news,
        great buy, trade deal hopes, deal optimism, upside potential, positive results, upbeat outlook,
        upbeat guidance, strong results, strong earnings, strong growth, strong quarter, crosses above,
        goes live, in talks to acquire, agrees to acquire, agrees to buy
    """,
    1.2: """
        rate cut, rate cuts, cuts rates, stock split, seed round, funding round, series a, series b,
        series c, cools inflation, lower tax, tax cut, tax cuts, bitcoin payments, crypto payments,
        accepts bitcoin, accept bitcoin, accepts crypto, accept crypto, bitcoin etf, spot etf, files for etf,
        adds bitcoin, buys bitcoin, bought bitcoin, more bitcoin, invest in bitcoin, invests in,
        institutional investors, crypto friendly, live on, support for bitcoin, support for ethereum,
        direct listing, goes public, strategic investment, led by, hash rate recovers, layer 2
    """,
    -1.6: """
        rate hike, rate hikes, raises rates, hikes rates, interest rate hike, price target cut, pt cut,
        pt lowered, target cut, cuts price target, breaks below, falls short, death cross, under pressure,
        job cuts, cuts jobs, cut jobs, to cut jobs, profit taking, under investigation, under fire,
        under scrutiny, lower lows, pulls out, pulls back, low demand, weak demand, trading halt,
        extreme fear, deeper losses, below estimates, below expectations, below consensus,
        short of estimates, short of expectations, rising costs, no longer profitable, tax hike, tax hikes,
        down sharply, sharply lower, trading lower, moving lower, ends lower, closes lower, opens lower,
        edges down, edges lower, edge lower, edge down, ticks down, on the decline, cashing out, weighs on,
        weigh on, hit by, hit with, hard hit, takes a hit, took a hit, going down, short seller,
        short report, short sellers, anti money laundering, enforcement action, cease and desist,
        legal action, shut down, shuts down, to shut, cracks down, crack down, security flaw,
        steps up scrutiny, trade war, trade tensions, tariff threat, store closures, closing stores,
        closes stores, stays away, stay away, time to sell, should sell, sell rating, laid off, lays off,
        lay off, laying off, temporary layoffs, personnel reductions, lost market share, loses market share,
        closes plant, plant closure, cost overruns, cost overrun, dragged down, in jeopardy, at risk,
        in doubt, needs to register, need to register, sold off, failed to impress, unregistered securities,
        supply glut
    """,
    -2.4: """
        record low, record lows, all time low, all time lows, new low, new lows, year low, month low,
        week low, multi year low, lowest since, lowest level, lowest close, bear market, crypto winter,
        misses estimates, missed estimates, misses expectations, missed expectations, misses forecasts,
        misses views, misses by, misses on, worse than expected, worse than feared, weaker than expected,
        less than expected, profit warning, premarket losers, profit falls, swings to loss, posts loss,
        sell off, sells off, loses peg, lost peg, loses its peg, bank run, margin call, margin calls,
        money laundering, halts withdrawals, halted withdrawals, pauses withdrawals, paused withdrawals,
        suspends withdrawals, freezes withdrawals, suspends trading, halts trading, goes dark, going concern,
        flash crash, class action, class actions, dividend cut, cuts dividend, suspends dividend, worst day,
        worst week, credit crunch, clinical hold, complete response letter, fails trial, fails to meet,
        top losers, double downgrade, security breach, data breach, private key compromised,
        short selling ban
    """,
    -3.2: """
        files for bankruptcy, filed for bankruptcy, file for bankruptcy, filing for bankruptcy,
        bankruptcy protection, chapter 11, chapter 7, rug pull, rug pulls, rug pulled, exit scam, exit scams,
        pump and dump, ponzi scheme, pyramid scheme, death spiral, goes bankrupt, goes to zero, hard landing,
        wiped out, wipes out, free fall
    """,
}

# Said together these words have no mood.
_SILENT = """
    from slump, from recession, from crisis, from the crisis, from the slump, bear in mind, cut off,
    high yield, low cost, top news, rate of return, profit and loss, cost of living, gross margin,
    raise awareness, drop in, play down, up to, up for, sign up, set up, start up, up front, back up,
    follow up, catch up, up next, coming up, what's up, wake up, up close, line up, down under, sit down,
    drill down, stock market today, hedge fund, hedge funds, short term, long term, fall season, world bank,
    bull put, market wrap, sell side, buy side, green energy, green bond, red hat, red sea, bear stearns,
    going forward, stop loss, loss of life, fear and greed, fear & greed, beyond meat, best buy,
    dollar general, dollar tree
"""
# Words, and further down phrases, that turn the mood of what follows; none has a mood of its own.
_NEGATING = """
    no, avoid, avoids, avoided, avoiding, avert, averts, averted, dodge, dodges, dodged, prevent, prevents,
    prevented
"""
_TURNING = """
    fails to, failed to, fail to, failing to, unable to, no longer, refuses to, rule out, rules out,
    ruled out, shrugs off, shrug off, shrugged off, shakes off, without any, far from
"""

_GOOD_RATINGS = "buy, outperform, overweight, strong buy, accumulate, conviction buy"
_BAD_RATINGS = "sell, underperform, underweight, reduce"
_MIDDLE_RATINGS = """
    hold, neutral, equal weight, market perform, sector perform, sector weight, in line, peer perform,
    perform, market weight
"""
_PROMISES = """
    guidance, outlook, forecast, forecasts, dividend, price target, target, estimates, view, profit outlook,
    profit forecast, sales forecast, earnings forecast, revenue guidance
"""
_OWNERS = ", its, full year, annual, fy, 2020, quarterly, revenue, earnings, profit, sales"
_LIFTING = "raises, raised, raise, lifts, lifted, boosts, boosted, hikes, hiked, ups, increases, increased"
_CUTTING = (
    "cuts, cut, lowers, lowered, slashes, slashed, trims, trimmed, reduces, reduced, withdraws, suspends"
)
_BURDENS = """
    loss, losses, net loss, operating loss, costs, expenses, debt, unemployment, unemployment rate,
    jobless rate, jobless claims, inflation, deficit, delinquencies, defaults, bad loans, raw material costs,
    input costs, production costs, labour costs, labor costs, provisions, layoffs, outflows
"""
_RISES = """
    rises, rise, rose, widens, widened, grows, grew, increases, increased, jumps, jumped, surges, surged,
    soars, soared, climbs, climbed, higher, up, deepens, deepened, mount, swells, swelled
"""
_FALLS = """
    falls, fall, fell, narrows, narrowed, narrow, shrinks, shrank, drops, dropped, drop, declines, declined,
    decreased, decreases, eases, eased, cools, cooled, slows, slowed, lower, down, halved
"""


_LAUNCHES = """
    launches, launch, launching, launched, adds, add, offers, offer, offering, accepts, accept, accepting,
    supports, support, enables, builds, building, opens, introduces, unveils, rolls out, testing, integrates,
    lists, allows, creating, buys, buy, bought, holds, buying, embraces, backs, tests, hold, explores,
    enters, joins
"""
_FIRSTS = ", a, an, its, its first, first, new, a new, the"
_COINS = """
    bitcoin, btc, crypto, cryptocurrency, nft, nfts, ethereum, ether, blockchain, stablecoin, defi, dogecoin,
    metaverse, web3, ethereum based, bitcoin based, litecoin, cardano, solana, digital asset, digital assets,
    tokenized
"""
_SERVICES = """
    payments, payment, custody, trading, etf, etfs, fund, staking, services, wallet, investment, investments,
    adoption, index fund, futures etf, marketplace, savings, rewards, debit card, credit card, accounts
"""


def _listed(text: str) -> list[str]:
    return [" ".join(part.split()) for part in text.split(",")]


def _pairs(first: str, second: str, third: str = "") -> Iterator[str]:
    for parts in product(_listed(first), _listed(second), _listed(third)):
        yield " ".join(" ".join(parts).split())


def _composed() -> Iterator[tuple[float, Iterable[str]]]:
    """Yield valences and phrases; a later one replaces an earlier one."""
    every_rating = ", ".join((_GOOD_RATINGS, _MIDDLE_RATINGS, _BAD_RATINGS))
    starts = """
        at, starts at, started at, initiated at, initiated with, initiated as, assumed at, resumed at, rated,
        reiterated, maintained at, reinstated at
    """
    yield 1.8, _pairs(starts, _GOOD_RATINGS)
    yield -2.0, _pairs(starts, _BAD_RATINGS)
    yield 0.0, _pairs(starts, _MIDDLE_RATINGS)
    yield 2.4, _pairs("upgraded to, upgrades to, raised to, lifted to, bumped to", every_rating)
    yield -2.6, _pairs("downgraded to, downgrades to, cut to, lowered to, reduced to", every_rating)
    yield 2.2, _pairs(_LIFTING, _OWNERS, _PROMISES)
    yield -2.4, _pairs(_CUTTING, _OWNERS, _PROMISES)
    yield 2.2, _pairs(_PROMISES, _LIFTING)
    yield -2.4, _pairs(_PROMISES, _CUTTING)
    yield 0.0, _pairs("from, from a, from an", every_rating)
    yield 1.1, _pairs(_COINS, _SERVICES)
    yield 1.3, _pairs(_LAUNCHES, _FIRSTS, _COINS)
    yield -1.8, _pairs(_BURDENS, _RISES)
    yield 1.6, _pairs(_BURDENS, _FALLS)
    yield -1.6, _pairs("higher, rising, wider, bigger, larger, growing, mounting, soaring", _BURDENS)
    yield (
        1.4,
        _pairs("lower, falling, narrower, smaller, reduced, easing, cooling, narrows, reduces", _BURDENS),
    )


def _all() -> Iterator[tuple[float, Iterable[str]]]:
    yield from _composed()
    yield from ((valence, _listed(phrases)) for valence, phrases in _FIXED.items())
    yield 0.0, _listed(_SILENT)
    yield 0.0, _listed(_TURNING)


_VALENCES = {phrase: valence for valence, phrases in _all() for phrase in phrases}

PHRASES = MappingProxyType({phrase: valence for phrase, valence in _VALENCES.items() if valence})
SILENT = frozenset(_VALENCES) - set(PHRASES)
NEGATIONS = frozenset((*_listed(_NEGATING), *(said.replace(" ", "") for said in _listed(_TURNING))))
