"""All features: against the package `ta` as users run it, against TA-Lib, in memory and one bar at a time.

    python benchmarks/features.py [--bars 50000] [--large 1000000] [--stream 20000] [--repeats 5]

One random walk of hourly bars in a frame with a UTC DatetimeIndex. Times are the best of `--repeats`, taken
in turns; `ta` runs once as users have it and `--repeats` times without its parabolic SAR, which is quadratic.
A cell is one bar of one feature or column.

    per_cell_vs_ta           time a cell of `ta.add_all_ta_features` over ours (`build`, every model input)
    per_cell_vs_ta_no_psar   the same without the parabolic SAR and its columns
    vs_talib                 TA-Lib's time over ours for the indicators both have, same outputs
    growth_10x               time at --large bars over time at a tenth of them
    peak_over_output         highest memory of that `build`, by tracemalloc, over the size of its result
    stream_p50_us, _p99_us   microseconds of `FeatureStream.update`, every model input

A peer that is not installed gives null and a note. Ends with one JSON line.
"""

import argparse
import json
import sys
import time
import tracemalloc
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from mlstrat.data.bars import Bars
from mlstrat.data.synthetic import random_walk
from mlstrat.features.matrix import build
from mlstrat.features.stream import FeatureStream

# Our features, and the calls of TA-Lib that give the same outputs.
SHARED: dict[tuple[str, ...], Callable[[Any, Bars], Any]] = {
    ("rsi_7",): lambda ta, b: ta.RSI(b.close, 7),
    ("rsi_14",): lambda ta, b: ta.RSI(b.close, 14),
    ("rsi_21",): lambda ta, b: ta.RSI(b.close, 21),
    ("macd", "macd_signal", "macd_hist"): lambda ta, b: ta.MACD(b.close, 12, 26, 9),
    ("bb_position", "bb_width"): lambda ta, b: ta.BBANDS(b.close, 20, 2.0, 2.0),
    ("atr_14",): lambda ta, b: ta.ATR(b.high, b.low, b.close, 14),
    ("true_range",): lambda ta, b: ta.TRANGE(b.high, b.low, b.close),
    ("adx_14",): lambda ta, b: ta.ADX(b.high, b.low, b.close, 14),
    ("plus_di_14",): lambda ta, b: ta.PLUS_DI(b.high, b.low, b.close, 14),
    ("minus_di_14",): lambda ta, b: ta.MINUS_DI(b.high, b.low, b.close, 14),
    ("aroon_25",): lambda ta, b: ta.AROONOSC(b.high, b.low, 25),
    ("ichimoku_kijun_26",): lambda ta, b: ta.MIDPRICE(b.high, b.low, 26),
    **{(f"sma_{n}",): lambda ta, b, n=n: ta.SMA(b.close, n) for n in (5, 20, 50, 200)},
    **{(f"ema_{n}",): lambda ta, b, n=n: ta.EMA(b.close, n) for n in (5, 20, 50, 200)},
    **{(f"wma_{n}",): lambda ta, b, n=n: ta.WMA(b.close, n) for n in (5, 20, 50, 200)},
    ("stoch_k_14", "stoch_d_14"): lambda ta, b: ta.STOCH(b.high, b.low, b.close, 14, 3, 0, 3, 0),
    ("williams_14",): lambda ta, b: ta.WILLR(b.high, b.low, b.close, 14),
    ("cci_20",): lambda ta, b: ta.CCI(b.high, b.low, b.close, 20),
    ("roc_12",): lambda ta, b: ta.ROC(b.close, 12),
    ("ret_1",): lambda ta, b: ta.ROCP(b.close, 1),
    ("cmo_14",): lambda ta, b: ta.CMO(b.close, 14),
    ("trix_15",): lambda ta, b: ta.TRIX(b.close, 15),
    ("uo_7_14_28",): lambda ta, b: ta.ULTOSC(b.high, b.low, b.close, 7, 14, 28),
    ("mfi_14",): lambda ta, b: ta.MFI(b.high, b.low, b.close, b.volume, 14),
    ("drawdown_50",): lambda ta, b: ta.MAX(b.close, 50),
    ("rise_50",): lambda ta, b: ta.MIN(b.close, 50),
    ("trend_slope_20",): lambda ta, b: ta.LINEARREG_SLOPE(b.close, 20),
}


class NoSar:
    """Stands in for `ta`'s parabolic SAR."""

    def __init__(self, **columns: Any) -> None:
        self._nothing = columns["close"] * np.nan

    def __getattr__(self, name: str) -> Callable[[], Any]:
        return lambda: self._nothing


SAR_COLUMNS = 4


def seconds(task: Callable[[], Any]) -> float:
    began = time.perf_counter()
    task()
    return time.perf_counter() - began


def ours_per_cell(bars: Bars) -> float:
    """Nanoseconds a cell of one `build`, from bars whose matrix is not made yet."""
    fresh = bars[:]
    began = time.perf_counter()
    values = build(fresh).values
    return (time.perf_counter() - began) / values.size * 1e9


def ta_per_cell(bars: Bars, sar: bool) -> float:
    """Nanoseconds a cell of `ta.add_all_ta_features` on a frame with a DatetimeIndex."""
    import ta

    frame = bars.frame()
    given = frame.shape[1]
    own = ta.wrapper.PSARIndicator
    ta.wrapper.PSARIndicator = own if sar else NoSar
    try:
        with np.errstate(all="ignore"):
            spent = seconds(
                lambda: ta.add_all_ta_features(frame, *("open", "high", "low", "close", "volume"))
            )
    finally:
        ta.wrapper.PSARIndicator = own
    columns = frame.shape[1] - given - (0 if sar else SAR_COLUMNS)
    return spent / (len(bars) * columns) * 1e9


def against_ta(bars: Bars, repeats: int) -> dict[str, float | None]:
    pairs = [(ours_per_cell(bars), ta_per_cell(bars, sar=False)) for _ in range(repeats)]
    ours, plain = (min(column) for column in zip(*pairs, strict=True))
    whole = ta_per_cell(bars, sar=True)
    return {
        "ns_per_cell": round(ours, 2),
        "per_cell_vs_ta": round(whole / ours, 1),
        "per_cell_vs_ta_no_psar": round(plain / ours, 1),
    }


def against_talib(bars: Bars, repeats: int) -> float:
    import talib

    names = [name for group in SHARED for name in group]
    build(bars, names=names)

    def theirs() -> None:
        for call in SHARED.values():
            call(talib, bars)

    pairs = [(seconds(theirs), seconds(lambda: build(bars, names=names))) for _ in range(3 * repeats)]
    peer, ours = (min(column) for column in zip(*pairs, strict=True))
    return round(peer / ours, 2)


def growth(large: int) -> tuple[float, float]:
    """Time at `large` bars over that at a tenth of them, and peak memory over the output."""
    bars = random_walk(large, 5, step_ticks=6000.0)
    tenth = bars[: large // 10]
    rounds = [(seconds(lambda: build(tenth)), seconds(lambda: build(bars))) for _ in range(4)]
    small, big = (min(column) for column in zip(*rounds, strict=True))
    tracemalloc.start()
    size = build(bars).values.nbytes
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return round(big / small, 2), round(peak / size, 3)


def stream_microseconds(bars: Bars) -> tuple[float, float]:
    stream = FeatureStream(timeframe="1h")
    clock = time.perf_counter_ns
    spent = []
    for row in bars.matrix:
        began = clock()
        stream.update(row)
        spent.append(clock() - began)
    warm = np.array(spent[stream.warmup :]) / 1000.0
    return round(float(np.percentile(warm, 50)), 2), round(float(np.percentile(warm, 99)), 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bars", type=int, default=50_000)
    parser.add_argument("--large", type=int, default=1_000_000)
    parser.add_argument("--stream", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    bars = random_walk(max(args.bars, args.stream), 3, step_ticks=6000.0)
    matrix = build(bars[: args.bars])
    found: dict[str, Any] = {"bars": args.bars, "features": len(matrix.names), "notes": []}
    found |= {"ns_per_cell": None, "per_cell_vs_ta": None, "per_cell_vs_ta_no_psar": None, "vs_talib": None}
    if find_spec("ta"):
        found |= against_ta(bars[: args.bars], args.repeats)
    else:
        found["ns_per_cell"] = round(min(ours_per_cell(bars[: args.bars]) for _ in range(args.repeats)), 2)
        found["notes"].append("ta is not installed: pip install ta==0.11.0")
    if find_spec("talib"):
        found["vs_talib"] = against_talib(bars[: args.bars], args.repeats)
    else:
        found["notes"].append("TA-Lib is not installed: pip install TA-Lib")
    found["growth_10x"], found["peak_over_output"] = growth(args.large)
    found["stream_p50_us"], found["stream_p99_us"] = stream_microseconds(bars[: args.stream])
    found["command"] = " ".join(["python", "benchmarks/features.py", *sys.argv[1:]])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
