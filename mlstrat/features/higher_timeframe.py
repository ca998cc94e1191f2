"""Higher timeframe: the same features of 4-hour and daily bars, known from the close of those bars.

A period begins at a multiple of its length since 1970 (UTC), so a day begins at midnight UTC. Its bar is
gathered from the bars that open in it and is known at the close of the last of them: of the one that ends
the period, or, where that one is missing, of the first bar that opens after the period. A period that had
begun before the history is left out. Between two closes the last value stays.
"""

from dataclasses import replace

from mlstrat.features import channel, moving_average, place, price, technical, volume  # noqa: F401 - register
from mlstrat.features.registry import REGISTRY, Feature, add

PERIODS = {"4h": 14_400, "1d": 86_400}
# One or two of each kind; windows of at most 20, because 20 days are 480 hourly bars.
BASES = (
    "ret_1",
    "ret_5",
    "ret_20",
    "close_position",
    "sma_20",
    "ema_10",
    "rsi_14",
    "bb_position",
    "atr_14",
    "donchian_position_20",
    "volume_ratio",
)


def _of_period(base: Feature, label: str, seconds: int) -> Feature:
    return replace(
        base,
        name=f"{base.name}_{label}",
        family="higher_timeframe",
        inputs=tuple(dict.fromkeys((*base.inputs, "time"))),
        source=f"{base.name} of {label} bars (UTC); {base.source}",
        pine=None,
        no_pine="bars of a higher timeframe are not built in an exported script",
        period=seconds,
    )


for _label, _seconds in PERIODS.items():
    for _name in BASES:
        add(_of_period(REGISTRY[_name], _label, _seconds))
