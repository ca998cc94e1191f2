"""Single words: their valences, and the words of VADER that say nothing in a headline about markets."""

from types import MappingProxyType

# What is left of the valence of VADER's own words: praise and blame of people move markets less.
EVERYDAY_WEIGHT = 0.3

_EVERYDAY = """
    active adventure agree agreed agreement agrees alert alone amazon anti aims art asset assets authority
    award awarded awards awaited backed backing bank battle battles beauty benefits best better block blocks
    bond bonds bored brave bull care cancer cancels capital celebrate celebrates certain challenge challenges
    chance charity clean clear combat commit commitment committee community confidence cool create created
    creates creating credit credits critical critics crude cut dear death debt defence defense demand demands
    diamond dominance dominant domination dynamic dynamics easy easier emergency empty energy engage
    engagement enjoy ensure ensures entertainment escape exclusive exploration exposed exposure extends fair
    fan favorite feeling feelings fight fighting fights fine fire fired fitness focused forget free freedom
    fresh friend friendly friends fun fund fundamental gift giving god good grace grand great greatest gross
    growing gun hand hard heart help helps helping hero hide highlight highlights holiday holidays honor
    important inspired intellectual intelligence interest interested interesting interests join joins justice
    kill killed killing kind kinder l leave legal liberty like likely likes limited liquid liquidity lobby
    lol loser losers love low lowe luck lucky matter matters mature missing natural nice no novel nuclear
    number odd offensive ok okay opportunities original parties partly party passive pay perfect play played
    playing plays please popular pressure pretty prevent prize prominent protect protest protesters protests
    ready reach reached reaches recommended relax resolve responsible reward rewards rich richer richest rig
    risk risks romance safe safety save secured securities security share shared shares significant smart
    solution solutions special spirit stock stop straight strike strikes super supreme support supported
    supports sure surprise swift talent thank thankful thanks tops top treasure treasuries treasury true
    trust trusts truth united value valued values vision vital want wants war warm warming wars waste wealth
    welcome well wellness wells win winner winners winning wins wish won woo worth wow wrong yes
"""

_GROUPS: dict[float, str] = {
    3.0: "skyrocket skyrockets skyrocketed skyrocketing moonshot mooning",
    2.6: """
        soar soars soared soaring surge surges surged surging rocket rockets rocketed rocketing bullish
        breakthrough record-breaking windfall blockbuster
    """,
    2.2: """
        rally rallies rallied rallying jump jumps jumped jumping outperform outperforms outperformed
        outperforming beat beats beating bulls boom booms booming spike spikes spiked upgrade upgrades
        upgraded upgrading ath milestone leap leaps leaped leapt upbeat robust pop pops popped surpass
        surpasses surpassed exceed exceeds exceeded trounce trounces doubled doubles tripled triples
        quadrupled comeback
    """,
    1.8: """
        rise rises rose rising gain gains gained gaining climb climbs climbed climbing rebound rebounds
        rebounded rebounding recover recovers recovered recovering recovery profitable profitability topped
        overweight accumulate accumulates accumulating accumulation breakout undervalued upside uptrend
        higher highs hodl strong stronger strongest positive optimistic optimism constructive improve
        improves improved improving improvement favorable favourable encouraging promising compelling
        attractive reassuring impressive thrive thrives thriving outpace outpaces outpaced accelerate
        accelerates accelerated tailwind tailwinds buoyed outstrip outstrips oversold
    """,
    1.4: """
        grow grows grew expand expands expanded expansion increase increases increased boost boosts boosted
        adopt adopts adopted approve approves approved approval approvals inflow inflows strengthen
        strengthens strengthened strength advance advances advanced bounce bounces bounced lift lifts lifted
        buyback buybacks repurchase halving hopes hopeful solid confident secures settles settle oks accept
        accepts accepting accepted surpassing bargain buoyant resilient resilience
    """,
    1.0: """
        adoption momentum raises raised partner partners partnered partnership partnerships launch launches
        launched invest invests invested funding staking integrate integrates integration backs enables
        awarded scaling innovation donate donates onboard onboards legalize legalizes legalise hire hires
        hiring allows lets
    """,
    0.7: """
        up growth acquisition acquire acquires acquired buys raise settlement unveils opportunity green
        raising profit profits adds growing receives sponsorship endowment grant grants premium inks nets
        fundraise poised winner clarity
    """,
    0.5: "buy dividend",
    -0.7: """
        sell selling low lows probe bad unemployment worst scandal illegal withdrawals police illicit fine
        fines resignation regulator enforcement oversight costs debt risky speculative stop attack attacks
    """,
    -1.0: """
        delay delays delayed halt halts halted concern concerns resistance volatility volatile uncertainty
        uncertain cautious caution slow slows slowing slowed soft softer ease eases eased unregistered
        crackdowns headwind headwinds struggle struggles struggling stops stopped quits exits postpone
        postpones postponed shutdown outage outages
    """,
    -1.4: """
        fall falls fell falling fallen decline declines declined declining drop drops dropped dropping slip
        slips slipped slipping dip dips dipped dipping down lower lowered outflow outflows cut cuts cutting
        trim trims trimmed shortfall slowdown sluggish decrease decreases decreased decreasing retreat
        retreats retreated stall stalls stalled delist delists delisted recall recalls recalled weigh weighs
        worry worries worried fears fear shrink shrinks shrank shrinking unprofitable loses losing lost lose
        loss losses worse worsen worsens worsened worsening suspend suspends suspended suspending suspension
        poses threaten threatens threat reject rejects rejected rejection deteriorate deteriorates
        deteriorated stagnant stagnated squeezed squeeze redundancies redundancy closures bug bugs seize
        seizes seized seizure arrest arrested arrests dives dived dents dented hampers censor censors skids
        waver wavers erase erases erased insolvencies victims pullback freeze freezes froze furlough
        furloughs dispute
    """,
    -1.8: """
        slide slides slid sliding weak weaker weakness weaken weakens weakened underperform underperforms
        underperformed sell-off selloff bear bears bearish tumble tumbles tumbled tumbling downgrade
        downgrades downgraded downgrading miss misses missed underweight layoff layoffs restructuring probes
        probed investigate investigates investigated investigation lawsuit lawsuits sue sues sued suing fined
        penalty penalties ban bans banned banning crackdown subpoena subpoenaed sanction sanctions sanctioned
        overvalued overbought downtrend downside downturn writedown impairment red resign resigns resigned
        negative headache disappoint disappoints disappointing disappointed disappointment pain painful woes
        trouble troubled slash slashes slashed hurting hurt hurts halves halved loss-making lossmaking guilty
        corruption violations violation
    """,
    -2.3: """
        plunge plunges plunged plunging slump slumps slumped slumping sink sinks sank sinking tank tanks
        tanked tanking dump dumps dumped dumping capitulation capitulate capitulates recession crisis default
        defaults defaulted liquidated liquidation liquidations depeg depegs depegged depegging fud warn warns
        warned warning warnings exploit exploits exploited exploiter vulnerability breach breached breaches
        hack hacks hacked hacker hackers attacker attackers indicted indictment charged bribery embezzlement
        panic turmoil bubble phishing malware ransomware
    """,
    -2.8: """
        crash crashes crashed crashing collapse collapses collapsed collapsing plummet plummets plummeted
        plummeting bankrupt bankruptcy insolvent insolvency scam scams scammer scammers ponzi fraud
        fraudulent rugpull rugged rekt stolen theft laundering contagion meltdown bloodbath nosedive
        nosedives nosedived carnage
    """,
}

WORDS = MappingProxyType({word: valence for valence, words in _GROUPS.items() for word in words.split()})
NEUTRAL = frozenset(_EVERYDAY.split()) - set(WORDS)
