"""Packed decisions, read back by a reader of their own, to the last bit."""

import re
from dataclasses import replace

import numpy as np
import pytest

from mlstrat.data.bars import Bars
from mlstrat.data.instrument import Instrument
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import DataError
from mlstrat.execution.types import Decisions, RiskRules
from mlstrat.pine.packing import ALPHABET, CHUNK_CHARACTERS, amount, chunks, digits, width_of
from mlstrat.pine.replay import replay_script

HOUR = np.timedelta64(3_600_000_000_000, "ns")


def number(text: str) -> int:
    return sum(ALPHABET.index(char) * 88**place for place, char in enumerate(reversed(text)))


def flat_bars(n: int, price: float = 100.0) -> Bars:
    time = np.datetime64("2024-01-01T00:00", "ns") + np.arange(n) * HOUR
    level = np.full(n, price)
    return Bars(time, level, level, level, level, np.ones(n), "TEST", Timeframe("1h"), Instrument("TEST"))


def decisions_on(bars: Bars, side: np.ndarray, stop: np.ndarray, target: np.ndarray) -> Decisions:
    n = len(bars)
    return Decisions(
        "TEST",
        np.array(bars.time),
        side.astype(np.int8),
        np.full(n, 0.1),
        np.full(n, np.nan),
        stop,
        target,
        np.zeros(n, np.int64),
        np.zeros(n, np.int8),
        np.full(n, np.nan),
    )


def always_long(bars: Bars) -> Decisions:
    n = len(bars)
    return decisions_on(bars, np.ones(n), np.full(n, 95.0), np.full(n, 105.0))


def test_the_alphabet_needs_no_escape():
    assert len(set(ALPHABET)) == len(ALPHABET) == 88
    assert not set(ALPHABET) & set("\"'\\{}~ ")


@pytest.mark.parametrize("value", [0, 1, 87, 88, 88**3 - 1, 2**53 - 1])
def test_whole_numbers_come_back(value):
    assert number(digits(value, width_of(value))) == value
    assert len(digits(value, width_of(value) + 2)) == width_of(value) + 2


def test_amounts_come_back_to_the_bit():
    rng = np.random.default_rng(3)
    values = [*rng.random(2_000), *(rng.random(500) * 10.0 ** rng.integers(-300, 300, 500)), 0.0, 1.0, 1e-7]
    for value in values:
        text = amount(float(value))
        assert len(text) == 11
        back = float(number(text[2:])) * 2.0 ** (number(text[:2]) - 1_153)
        assert back == value


def test_no_string_is_too_long_and_no_record_is_cut():
    records = [ALPHABET[k % 88] * 31 for k in range(1_000)]
    strings = list(chunks(records))
    assert "".join(strings) == "".join(records)
    assert all(0 < len(string) <= CHUNK_CHARACTERS and len(string) % 31 == 0 for string in strings)


def test_strings_of_a_script_stay_below_the_limit():
    bars = flat_bars(3_000)
    replay = replay_script(bars, always_long(bars), RiskRules(), "x")
    strings = [len(text) for text in re.findall(r'array\.push\(packed, "([^"]*)"\)', replay.script)]
    assert replay.n_decisions == 3_000
    assert max(strings) <= CHUNK_CHARACTERS
    assert replay.string_characters == pytest.approx(sum(strings), abs=200)
    assert not replay.fits_tradingview
    assert replay_script(bars[:1_000], always_long(bars[:1_000]), RiskRules(), "x").fits_tradingview


def test_the_same_decisions_make_the_same_text():
    bars = flat_bars(50)
    one, two = (replay_script(bars, always_long(bars), RiskRules(), "x") for _ in range(2))
    assert one == two


def test_only_an_open_that_may_be_too_dear_is_told():
    opens = np.array([100.0, 100.0, 100.9, 101.1, 100.0])
    bars = flat_bars(5)
    bars = replace(bars, open=opens, high=np.maximum(opens, 100.0))
    rules = RiskRules(fee_share=0.0, gap_reserve=0.01)
    script = replay_script(bars, always_long(bars), rules, "x").script
    (packed,) = re.findall(r'array\.push\(packed, "([^"]*)"\)', script)
    # Head, slot, amount, stop, target, bars: 20 digits; 3 more where the next open follows: bar 2 alone.
    heads = [packed[0], packed[20], packed[40], packed[63], packed[83]]
    assert [number(head) for head in heads] == [1, 1, 5, 1, 1]
    assert number(packed[60:63]) == 10_110
    assert len(packed) == 103


def test_a_stop_off_the_grid_is_named():
    bars = flat_bars(3)
    off = decisions_on(bars, np.array([0, 1, 0]), np.full(3, 95.004), np.full(3, 105.0))
    with pytest.raises(DataError, match=r"stop of decision 1 of TEST .* round stops and targets to the tick"):
        replay_script(bars, off, RiskRules(), "x")
