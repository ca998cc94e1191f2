"""The account of a Pine strategy: its cash as the rule books it, and the breakers that look at it.

The numbers in brackets are paragraphs of `docs/execution.md`.
"""

from mlstrat.execution.rule import LEAST_LOSS
from mlstrat.execution.types import RiskRules
from mlstrat.pine.text import decimal


def account(rules: RiskRules) -> str:
    """Return `flat` and `cash`, which is kept as the rule books it, from the fills.

    The emulator's own profit has every commission rounded to ten digits, which is enough to change a
    quantity of many small steps; and its prices are ticks times tick, which may miss by one bit what the
    chart shows.
    """
    if rules.tick >= 1.0:
        rounded = f"math.floor(price / {decimal(rules.tick)} + 0.5) * {decimal(rules.tick)}"
    else:
        rounded = f"math.floor(price / {decimal(rules.tick)} + 0.5) / {decimal(round(1.0 / rules.tick))}"
    numbers = {"cash": decimal(rules.cash), "fee": decimal(rules.fee_share), "least": decimal(LEAST_LOSS)}
    return _ACCOUNT.format(**numbers, rounded=rounded)


_ACCOUNT = """roundToTick(float price) => {rounded}
bool flat = strategy.position_size == 0
var float cash = {cash}
var int losses = 0
var int known = 0
while known < strategy.closedtrades
    float held = strategy.closedtrades.size(known)
    float entryPrice = strategy.closedtrades.entry_price(known)
    float exitPrice = strategy.closedtrades.exit_price(known)
    float paid = roundToTick(entryPrice)
    float price = roundToTick(exitPrice)
    float units = math.abs(held)
    float way = math.sign(held)
    cash := cash - units * paid * (way + {fee})
    cash := cash + units * price * (way - {fee})
    // Exact, where Pine's comparisons forgive 0.0000000001
    float gained = way * units * (price - paid) - units * (paid + price) * {fee}
    losses := math.sign(gained + {least}) < 0 ? losses + 1 : 0
    known += 1"""


def breakers(rules: RiskRules) -> str:
    """Return the twin of `breaker_step`, which leaves in `allowed` whether an entry may be made (8).

    `math.sign` compares to the last bit, where Pine's own comparisons forgive 0.0000000001.
    """
    conditions = {
        f"math.sign(cash - peak * (1.0 - {decimal(rules.max_drawdown)})) < 0": rules.max_drawdown,
        f"math.sign(cash - dayStart * (1.0 - {decimal(rules.max_daily_loss)})) < 0": rules.max_daily_loss,
        f"losses >= {rules.max_losing_streak}": rules.max_losing_streak,
    }
    active = [condition for condition, limit in conditions.items() if limit > 0]
    if not active:
        return "bool allowed = true"
    return _BREAKERS.format(
        cash=decimal(rules.cash), tripped=" or ".join(active), cooldown=rules.cooldown_bars
    )


_BREAKERS = """var float peak = {cash}
var float dayStart = 0.0
var float lastCash = {cash}
var int today = -1
var int pausedUntil = -1
bool allowed = true
if flat
    int day = int(math.floor((time / 1000.0 + timeframe.in_seconds() - 1.0) / 86400.0))
    if day != today
        today := day
        dayStart := lastCash
    lastCash := cash
    peak := math.max(peak, cash)
    bool paused = bar_index < pausedUntil
    bool tripped = not paused and ({tripped})
    allowed := not paused and not tripped
    if tripped
        pausedUntil := bar_index + {cooldown}
        peak := cash
        dayStart := cash
        losses := 0"""
