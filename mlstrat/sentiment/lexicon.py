"""Finance and crypto vocabulary laid over VADER's, which was made for social chatter.

Valences are ours, on VADER's scale from -4 (most negative) to 4; single words are lower case, phrases are
lower case with single spaces. VADER alone scores "soars to a record high" and "to the moon" 0.0, and takes
"shares", "interest" and "securities" for praise.

The words were chosen by hand with an eye on which ones mislead on labelled headlines of 2018 to 2022, so a
score measured on headlines of that kind flatters them a little.
"""

from types import MappingProxyType

# Words that VADER scores for their everyday sense and that say nothing in a headline about markets.
_EVERYDAY = """
    alert amazon asset assets authority backed backing bank beauty block bond bonds capital care
    challenge challenges chance commit commitment committee community create credit credits crude
    defence defense demand demands dominance dominant domination energy ensure ensures entertainment
    exclusive exposed exposure fair feeling feelings fine focused free fund giving gross hand help
    helps highlight highlights holiday holidays important intelligence interest interested
    interesting interests l legal like likely limited liquid liquidity matter matters mature natural
    no novel nuclear number ok okay party pay play plays please popular pretty protect ready
    responsible safety save secured securities security share shared shares significant smart
    solution solutions special stock straight supreme sure top treasure treasury true trust united
    value values vision want wants well yes
"""
NEUTRAL = frozenset(_EVERYDAY.split())

_GROUPS: dict[float, str] = {
    3.0: "skyrockets skyrocketed skyrocketing moonshot mooning",
    2.6: """
        soar soars soared soaring surge surges surged surging rocket rockets rocketed rocketing bullish
        breakthrough record-breaking windfall
        """,
    2.2: """
        rally rallies rallied rallying jump jumps jumped jumping outperform outperforms outperformed
        outperforming beat beats bull bulls boom booms booming spike spikes spiked upgrade upgrades upgraded
        upgrading ath milestone
        """,
    1.8: """
        rise rises rose rising gain gains gained gaining climb climbs climbed climbing rebound rebounds
        rebounded rebounding recover recovers recovered recovering recovery profit profits profitable
        profitability tops topped exceed exceeds exceeded overweight buy buys accumulate accumulates
        accumulating accumulation breakout undervalued upside upbeat uptrend higher highs hodl
        """,
    1.4: """
        grow grows grew growth expand expands expanded expansion raise raises raised boost boosts boosted
        adopt adopts adopted adoption approve approves approved approval partner partners partnered
        partnership partnerships invest invests invested backs inflow inflows up green strengthen
        strengthens strengthened advance advances advanced bounce bounces bounced launch launches launched
        lift lifts lifted funding buyback buybacks halving staking integrate integrates integration
        """,
    -1.4: """
        fall falls fell falling decline declines declined declining drop drops dropped dropping slip slips
        slipped slipping dip dips dipped dipping down lower lowers lowered lows ease eases eased retreat
        retreats retreated outflow outflows delay delays delayed cut cuts cutting trim trims trimmed slide
        slides slid sliding shortfall slowdown slows slowing soft sluggish weak weaker weakness weakens
        underperform underperforms underperformed volatility uncertainty halt halts halted concern concerns
        stall stalls stalled delist delists delisted resistance
        """,
    -1.8: """
        sell sells selling selloff bear bears bearish tumble tumbles tumbled tumbling downgrade downgrades
        downgraded downgrading misses missed underweight layoff layoffs restructuring probe probes probed
        investigate investigates investigated investigation lawsuit lawsuits sue sues sued suing fined
        penalty penalties ban bans banned banning crackdown subpoena sanction sanctions sanctioned overvalued
        downtrend downside deficit writedown impairment inflation red resign resigns resigned
        """,
    -2.3: """
        plunge plunges plunged plunging slump slumps slumped slumping sink sinks sank sinking tank tanks
        tanked tanking dump dumps dumped dumping capitulation capitulate capitulates recession default
        defaults defaulted liquidated liquidation liquidations depeg depegs depegged depegging fud warn warns
        warned warning exploit exploits exploited vulnerability breach breached hack hacks hacked hacker
        hackers indicted charged
        """,
    -2.8: """
        crash crashes crashed crashing collapse collapses collapsed collapsing plummet plummets plummeted
        plummeting bankrupt bankruptcy insolvent insolvency scam scams scammer scammers ponzi fraud
        fraudulent rugpull rugged rekt stolen theft laundering contagion meltdown bloodbath
        """,
}

PHRASES = MappingProxyType(
    {
        phrase: valence
        for valence, phrases in {
            3.2: ("to the moon", "record high", "record highs", "all time high", "all time highs", "new ath"),
            2.4: (
                "record profit",
                "record profits",
                "record revenue",
                "record quarter",
                "beats estimates",
                "beat estimates",
                "beats expectations",
                "beat expectations",
                "tops estimates",
                "tops expectations",
                "better than expected",
                "blows past",
                "bull run",
                "bull market",
                "raises guidance",
                "raised guidance",
                "raises outlook",
                "raises dividend",
                "price target raised",
                "raises price target",
                "hits high",
                "new high",
                "new highs",
                "flips resistance",
            ),
            1.6: (
                "rate cut",
                "rate cuts",
                "cuts rates",
                "stock split",
                "short squeeze",
                "buy the dip",
                "buying the dip",
                "bounces back",
                "bounced back",
                "higher highs",
                "hits milestone",
                "pt raised",
                "raised at",
                "raised to buy",
                "legal tender",
                "etf approval",
                "approves etf",
                "etf approved",
                "breaks above",
                "breaks through",
                "cuts losses",
                "narrows loss",
                "narrower loss",
                "mass adoption",
                "institutional adoption",
                "institutional interest",
                "strong demand",
                "cools inflation",
                "seed round",
                "funding round",
                "above estimates",
                "above expectations",
            ),
            -1.6: (
                "rate hike",
                "rate hikes",
                "raises rates",
                "hikes rates",
                "interest rate hike",
                "profit warning",
                "price target cut",
                "cuts price target",
                "pt cut",
                "pt lowered",
                "cut to neutral",
                "cut to hold",
                "breaks below",
                "falls short",
                "death cross",
                "under pressure",
                "job cuts",
                "cuts jobs",
                "profit taking",
                "under investigation",
                "under fire",
                "under scrutiny",
                "lower lows",
                "pulls out",
                "steps down",
                "low demand",
                "weak demand",
                "trading halt",
                "extreme fear",
                "sharply lower",
                "deeper losses",
                "below estimates",
                "below expectations",
                "rising costs",
            ),
            -2.4: (
                "record low",
                "record lows",
                "all time low",
                "all time lows",
                "new low",
                "new lows",
                "bear market",
                "crypto winter",
                "cuts guidance",
                "cut guidance",
                "lowers guidance",
                "cuts outlook",
                "cuts dividend",
                "misses estimates",
                "missed estimates",
                "misses expectations",
                "worse than expected",
                "cut to sell",
                "cut to underperform",
                "sell off",
                "sells off",
                "loses peg",
                "lost peg",
                "loses its peg",
                "bank run",
                "margin call",
                "margin calls",
                "money laundering",
                "halts withdrawals",
                "halted withdrawals",
                "pauses withdrawals",
                "suspends withdrawals",
                "freezes withdrawals",
                "suspends trading",
                "goes dark",
                "wider loss",
                "going concern",
                "flash crash",
                "class action",
            ),
            -3.2: (
                "files for bankruptcy",
                "filed for bankruptcy",
                "file for bankruptcy",
                "filing for bankruptcy",
                "chapter 11",
                "rug pull",
                "rug pulls",
                "rug pulled",
                "exit scam",
                "exit scams",
                "pump and dump",
                "ponzi scheme",
                "pyramid scheme",
                "death spiral",
                "goes bankrupt",
                "goes to zero",
                "hard landing",
            ),
        }.items()
        for phrase in phrases
    }
)

WORDS = MappingProxyType({word: valence for valence, words in _GROUPS.items() for word in words.split()})
