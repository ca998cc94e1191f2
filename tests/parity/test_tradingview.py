"""TradingView's list of trades: every form it comes in is read, and every way to differ gets its cause."""

from dataclasses import dataclass, replace
from datetime import timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from planted import with_trade, without_trades

from mlstrat.errors import DataError
from mlstrat.execution.kernel import simulate
from mlstrat.execution.types import OPEN, Result
from mlstrat.parity.tradingview.compare import compare
from mlstrat.parity.tradingview.reading import read_trades
from mlstrat.parity.tradingview.report import sentences

FORMS = {
    "2021": "Trade #,Type,Signal,Date/Time,Price USDT,Contracts,Profit USDT,Profit %,Cum. Profit USDT",
    "2024": "Trade #,Type,Date/Time,Signal,Price USD,Position size (qty),Position size (value),Net P&L USD,"
    "Net P&L %,Run-up USD,Drawdown USD,Cumulative P&L USD",
    "2025": "Trade #,Type,Date and time,Signal,Price EUR,Size (qty),Size (value),Net P&L EUR,Net P&L %",
    "2026": "Trade number,Type,Date and time,Signal,Price USD,Size (qty),Size (value),Net PnL USD,Return %,"
    "Commission USD,Cumulative PnL USD,Duration (bars)",
}


@dataclass(frozen=True)
class Way:
    """A way to print a list."""

    form: str = "2026"
    tz: str | timezone = "UTC"
    dates: str = "%Y-%m-%d %H:%M"
    newest_first: bool = False
    exit_first: bool = True
    delimiter: str = ","
    comma: bool = False
    thousands: bool = False
    price_digits: int = 2
    size_digits: int = 8
    profit_digits: int = 2
    mark: str = ""


def printed(result: Result, way: Way = Way()) -> str:
    """A result as TradingView prints it; independent of the reader."""
    trades, zone = result.trades, ZoneInfo(way.tz) if isinstance(way.tz, str) else way.tz

    def number(value: float, digits: int) -> str:
        text = f"{value:,.{digits}f}" if way.thousands else f"{value:.{digits}f}"
        text = text.rstrip("0").rstrip(".") if digits else text
        if way.comma:
            text = text.translate(str.maketrans(",.", ".,"))
        return f'"{text}"' if way.delimiter in text else text

    def stamp(bar: int) -> str:
        moment = pd.Timestamp(result.time[bar], tz="UTC").tz_convert(zone)
        text = moment.strftime(way.dates)
        return f'"{text}"' if way.delimiter in text else text

    names = FORMS[way.form].split(",")
    blocks = []
    for k in range(len(trades)):
        side = "long" if trades.side[k] > 0 else "short"
        reason = {0: "Open", 1: "stop", 2: "target", 3: "time"}[int(trades.reason[k])]
        rows = []
        for kind, bar, price, signal in (
            ("Entry", trades.entry_bar[k], trades.entry_price[k], "trade"),
            ("Exit", trades.exit_bar[k], trades.exit_price[k], reason),
        ):
            cells = {"Type": f"{kind} {side}", "Signal": signal, names[0]: str(k + 1)}
            for name in names:
                if name.startswith("Date"):
                    cells[name] = stamp(int(bar))
                elif name.startswith("Price"):
                    cells[name] = number(price, way.price_digits)
                elif name in ("Contracts", "Position size (qty)", "Size (qty)"):
                    cells[name] = number(trades.units[k], way.size_digits)
                elif name.startswith(("Profit US", "Net P")) and not name.endswith("%"):
                    blank = way.form == "2021" and kind == "Entry"
                    cells[name] = "" if blank else number(trades.profit[k], way.profit_digits)
            rows.append(way.delimiter.join(cells.get(name, "1") for name in names))
        blocks.append(rows[::-1] if way.exit_first else rows)
    blocks = blocks[::-1] if way.newest_first else blocks
    return way.mark + "\n".join([way.delimiter.join(names), *(row for rows in blocks for row in rows)]) + "\n"


@pytest.fixture(scope="module")
def case(tiny_run):
    """Bars, decisions and rules of a small run, with a commission and fine sizes; its kernel result."""
    bars, decisions = tiny_run.panel.bars, tiny_run.decisions
    rules = replace(
        tiny_run.result.rules, fee_share=0.0004, step=0.00001, max_daily_loss=0.0, max_drawdown=0.0
    )
    return bars, decisions, rules, simulate(bars, decisions, rules)


@pytest.fixture
def against(case, tmp_path):
    """Compare the run with a list; by default with its own trades."""
    bars, decisions, rules, own = case

    def run(result=own, way=Way(), tz=None, text=None, **more):
        path = tmp_path / "trades.csv"
        path.write_text(text or printed(result, way), encoding="utf-8")
        return compare(bars, decisions, rules, read_trades(path, tz or way.tz), tz=tz or way.tz, **more)

    return run


def causes_inside(found):
    return {line.cause for line in found.lines if line.inside} - {"equal"}


WAYS = [
    Way("2021"),
    Way("2021", newest_first=True, exit_first=False, dates="%Y-%m-%d %H:%M:%S"),
    Way("2024", newest_first=True, mark="\ufeff"),
    Way("2024", dates="%b %d, %Y, %H:%M", thousands=True),
    Way("2025", delimiter=";", comma=True, thousands=True),
    Way("2025", delimiter=";", comma=True, dates="%d.%m.%Y %H:%M"),
    Way("2026", tz="America/New_York", exit_first=False, mark="\ufeff"),
    Way("2026", tz="Asia/Kolkata", dates="%a %d %b %Y %I:%M %p"),
    Way("2026", tz="Europe/Berlin", dates="%Y-%m-%dT%H:%M:%S%z"),
    Way("2026", delimiter="\t", dates="%m/%d/%Y %H:%M"),
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.form} {way.delimiter!r} {way.dates}")
def test_every_form_of_the_runs_own_trades_is_equal(against, case, way):
    found = against(way=way)
    own = case[3]
    assert found.equal == found.total == len(found.lines) == len(own.trades) > 50
    assert found.all_equal
    assert found.settings == ()
    np.testing.assert_array_equal(found.listed.side, own.trades.side)
    np.testing.assert_array_equal(found.listed.entry_time, own.time[own.trades.entry_bar])
    np.testing.assert_array_equal(found.listed.entry_price, own.trades.entry_price)
    np.testing.assert_allclose(found.listed.units, own.trades.units, rtol=1e-12)


def test_a_run_open_at_the_end(against, case):
    bars, decisions, rules, own = case
    cut = int(own.trades.entry_bar[60]) + 1
    parts = replace(
        decisions, **{n: v[:cut] for n, v in vars(decisions).items() if isinstance(v, np.ndarray)}
    )
    shorter = simulate(bars[:cut], parts, rules)
    assert shorter.trades.reason[-1] == OPEN
    found = against(shorter)
    assert found.equal == found.total == 61
    assert found.listed.is_open.tolist() == [False] * 60 + [True]
    assert found.causes == {"chart end": len(own.trades) - 61}
    unstamped = printed(shorter).replace(",Open,", ",,").splitlines()
    unstamped = "\n".join(line for line in unstamped if ",," not in line)
    assert against(text=unstamped).equal == 61


# Each entry: what TradingView executed otherwise, and the cause that has to be found for every difference.
def rules_of(case, **changed):
    bars, decisions, rules, _ = case
    return simulate(bars, decisions, replace(rules, **changed))


@pytest.mark.parametrize(
    ("changed", "cause", "clause"),
    [
        ({"fee_share": 0.001}, "commission", "The commission is 0.1 % there and 0.04 % in the run"),
        ({"fee_share": 0.0}, "commission", "The commission is 0 % there"),
        ({"slippage_ticks": 3.0}, "slippage", "Slippage is 3 ticks there and 0 in the run"),
        ({"cash": 25_000.0}, "capital", "The initial capital is 25,000 there and 10,000 in the run"),
        ({"step": 0.001}, "contract step", "cut to a step of 0.001 there and 1e-05 in the run"),
    ],
)
def test_another_setting_explains_every_trade(against, case, changed, cause, clause):
    found = against(rules_of(case, **changed), Way(profit_digits=4))
    assert set(found.causes) == {cause}
    assert found.equal < found.total
    assert any(clause in sentence for sentence in found.settings)


def test_two_settings_at_once_leave_nothing_unexplained(against, case):
    found = against(rules_of(case, slippage_ticks=2.0, fee_share=0.001), Way(profit_digits=4))
    assert set(found.causes) <= {"slippage", "commission"}
    assert len(found.settings) == 2


def test_another_multiplier_of_the_sizes(against, case):
    bars, decisions, rules, _ = case
    halved = simulate(bars, replace(decisions, fraction=decisions.fraction * 0.5), rules)
    found = against(halved)
    assert set(found.causes) == {"sizes"}
    assert "0.5 times the run's" in found.settings[0]


def test_a_chart_that_begins_later_and_ends_earlier(against, case):
    bars, decisions, rules, own = case
    side = decisions.side.copy()
    first, last = int(own.trades.signal_bar[20]), int(own.trades.signal_bar[70])
    side[:first] = 0
    side[last:] = 0
    found = against(simulate(bars, replace(decisions, side=side), rules))
    outside = [line.cause for line in found.lines if not line.inside]
    assert outside.count("chart start") == 20
    assert outside.count("chart end") == len(own.trades) - 70
    assert found.total == 50
    assert causes_inside(found) <= {"chart start"}
    cut = own.trades.entry_bar[20]
    assert str(own.time[cut].astype("datetime64[m]")).replace("T", " ") in found.settings[0]


def test_a_script_of_the_newest_window_only(against, case):
    bars, decisions, rules, own = case
    begin = int(own.trades.exit_bar[39]) + 1
    side = decisions.side.copy()
    side[:begin] = 0
    found = against(simulate(bars, replace(decisions, side=side), rules), newest=bars.time[begin])
    assert {line.cause for line in found.lines if not line.inside} == {"newest window"}
    assert set(found.causes) == {"newest window"}


def test_trades_after_the_runs_last_bar(against, case):
    own = case[3]
    later = printed(own) + "900,Exit long,2099-01-02 00:00,time,100,1,1,0,0,1,1,1\n"
    later += "900,Entry long,2099-01-01 00:00,trade,100,1,1,0,0,1,1,1\n"
    found = against(text=later)
    assert found.causes == {"after the run": 1}
    assert found.all_equal


def test_the_limit_of_orders(tmp_path):
    from mlstrat.data.synthetic import random_walk
    from mlstrat.execution.types import Decisions, RiskRules

    bars = random_walk(20_000, 5)
    n = len(bars)
    side = np.zeros(n, np.int8)
    side[1:-5:4] = 1
    decisions = Decisions(
        bars.symbol,
        bars.time,
        side,
        np.full(n, 0.01),
        np.full(n, np.nan),
        np.full(n, 0.01),
        np.full(n, 1e6),
        np.ones(n, np.int64),
        np.zeros(n, np.int8),
        np.zeros(n),
    )
    rules = RiskRules(cash=1e6)
    own = simulate(bars, decisions, rules)
    kept = without_trades(own, *range(len(own.trades) - 4_500))
    assert len(kept.trades) == 4_500 < len(own.trades)
    path = tmp_path / "trades.csv"
    path.write_text(printed(kept))
    found = compare(bars, decisions, rules, read_trades(path))
    assert found.causes == {"order limit": len(own.trades) - 4_500}
    assert found.all_equal


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("Europe/Berlin", "give --tz Europe/Berlin"),
        ("Asia/Kolkata", "give --tz Asia/Kolkata"),
        ("America/New_York", "give --tz America/New_York"),
        ("Pacific/Chatham", "give --tz"),
        (timezone(timedelta(hours=-7, minutes=-15)), "the times are 7:15 h earlier"),
    ],
)
def test_another_time_zone_is_named(against, case, zone, said):
    found = against(way=Way(tz=zone), tz="UTC")
    assert set(found.causes) == {"time zone"}
    assert found.causes["time zone"] == len(case[3].trades)
    assert said.casefold() in found.settings[0].casefold()
    assert not found.all_equal


def test_a_coarser_chart_and_one_of_other_candles(against, case):
    own = case[3]
    hour = own.time.astype("datetime64[h]").astype(np.int64) % 4
    bar = own.trades.entry_bar - hour[own.trades.entry_bar]
    leave = own.trades.exit_bar - hour[own.trades.exit_bar] + 4
    keep = np.flatnonzero(leave < len(own.time))
    coarse = replace(
        own, trades=replace(own.trades, entry_bar=bar, exit_bar=np.minimum(leave, len(own.time) - 1))
    )
    coarse = without_trades(coarse, *np.setdiff1d(np.arange(len(own.trades)), keep))
    assert "timeframe" in against(coarse).causes
    rng = np.random.default_rng(1)
    bars = np.sort(rng.choice(np.setdiff1d(np.arange(10, 3400), own.trades.entry_bar), 80, replace=False))
    other = replace(
        own,
        trades=replace(
            own.trades,
            entry_bar=np.r_[bars, own.trades.entry_bar[80:] * 0 + 3500],
        ),
    )
    other = without_trades(other, *range(80, len(own.trades)))
    found = against(other)
    assert found.equal == 0
    assert {line.cause for line in found.lines if line.inside} == {"other chart"}
    assert "Heikin-Ashi" in found.settings[0]


def times_price(result, factor):
    trades = result.trades
    prices = {name: getattr(trades, name) * factor for name in ("entry_price", "exit_price")}
    return replace(result, trades=replace(trades, **prices))


@pytest.mark.parametrize(
    ("factor", "told"),
    [
        (0.06, "about 0.06 times"),
        (2.5, "about 2.5 times"),
        (1.4, "about 1.4 times"),
        (0.7, "about 0.7 times"),
    ],
)
def test_a_list_of_another_symbol(against, case, factor, told):
    """Even where every entry is at the time of one of the run's."""
    own = case[3]
    part = times_price(without_trades(own, *range(5), *range(60, len(own.trades))), factor)
    found = against(part)
    assert found.causes == {"other chart": len(own.trades)}
    assert found.total == 55
    assert len(found.settings) == 1
    assert told in found.settings[0]
    assert "put the script on" in found.settings[0]


@pytest.mark.parametrize("factor", [0.95, 1.05])
def test_adjusted_prices_are_no_other_symbol(against, case, factor):
    found = against(times_price(case[3], factor), Way(price_digits=6))
    assert "other chart" not in found.causes


def test_one_far_price_tells_no_other_symbol_by_itself(against, case):
    own = case[3]
    one = with_trade(
        without_trades(own, *range(1, len(own.trades))), 0, entry_price=own.trades.entry_price[0] * 1.3
    )
    assert "price data" in against(one).causes


def test_other_prices_and_another_tick(against, case):
    own = case[3]
    moved = with_trade(own, 7, entry_price=own.trades.entry_price[7] * 1.002)
    found = against(moved)
    assert found.causes["price data"] == 1
    assert "0.200% apart" in next(line.sentence for line in found.lines if line.cause == "price data")
    coarse = replace(
        own,
        trades=replace(
            own.trades,
            entry_price=np.round(own.trades.entry_price, 1),
            exit_price=np.round(own.trades.exit_price, 1),
        ),
    )
    found = against(coarse, Way(price_digits=1))
    assert set(found.causes) == {"tick"}


def test_a_bar_missing_on_the_chart(against, case):
    bars, decisions, _, own = case
    trades = own.trades
    bar = trades.entry_bar + 1
    again = decisions.side[trades.entry_bar] == trades.side
    at_its_stop = (
        (trades.reason == 1)
        & (trades.exit_bar > bar)
        & (trades.exit_price == decisions.stop[trades.signal_bar])
    )
    timed = (trades.reason == 3) & (trades.exit_bar + 1 < np.r_[trades.entry_bar[1:], 0])
    k = int(np.flatnonzero(at_its_stop)[0])
    found = against(with_trade(own, k, entry_bar=bar[k], entry_price=bars.open[bar[k]]))
    assert found.causes == {"missing bar": 1}
    k = int(np.flatnonzero(again & (trades.reason == 3))[0])
    found = against(with_trade(own, k, entry_bar=bar[k], entry_price=bars.open[bar[k]]))
    assert found.causes == {"later decision": 1}
    for k in np.flatnonzero(timed)[:1]:
        leave = int(trades.exit_bar[k]) + 1
        found = against(with_trade(own, int(k), exit_bar=leave, exit_price=bars.open[leave]))
        assert found.causes == {"missing bar": 1}


def test_first_trades_that_are_missing_do_not_pass_for_a_later_chart(against, case):
    bars, decisions, rules, own = case
    side = decisions.side.copy()
    side[::3] = 0
    side[: int(own.trades.signal_bar[0]) + 1] = 0
    found = against(simulate(bars, replace(decisions, side=side), rules))
    if "chart start" in found.causes:
        assert sum(not line.inside for line in found.lines) >= 3
    assert found.equal < found.total


def test_a_missing_trade_is_not_explained_away(against, case):
    found = against(without_trades(case[3], 30))
    assert found.causes == {"not explained": 1}
    assert "did not enter" in next(line.sentence for line in found.lines if line.cause == "not explained")


def test_an_extra_trade_is_put_down_to_inputs(case, tmp_path):
    bars, decisions, rules, own = case
    side = decisions.side.copy()
    side[own.trades.signal_bar[30] : own.trades.exit_bar[30]] = 0
    fewer = replace(decisions, side=side)
    without = simulate(bars, fewer, rules)
    entry, leave = own.trades.entry_bar[30], own.trades.exit_bar[30]
    assert entry not in without.trades.entry_bar
    rows = [
        f"901,{kind} long,{pd.Timestamp(bars.time[bar]):%Y-%m-%d %H:%M},x,{price},1,1,0,0,1,1,1\n"
        for kind, bar, price in (("Entry", entry, bars.open[entry]), ("Exit", leave, bars.close[leave]))
    ]
    path = tmp_path / "trades.csv"
    path.write_text(printed(without) + "".join(rows))
    found = compare(bars, fewer, rules, read_trades(path))
    assert found.causes == {"inputs": 1}
    assert "decided no long" in next(line.sentence for line in found.lines if line.cause == "inputs")


def test_an_entry_that_the_account_cannot_pay(case, tmp_path):
    bars, decisions, rules, _ = case
    everything = replace(decisions, fraction=np.where(decisions.side != 0, 1.0, 0.0))
    own = simulate(bars, everything, rules)
    path = tmp_path / "trades.csv"
    path.write_text(printed(without_trades(own, 12)))
    found = compare(bars, everything, rules, read_trades(path))
    assert found.causes == {"margin": 1}
    assert "TradingView rejects" in next(line.sentence for line in found.lines if line.cause == "margin")


def test_a_trade_that_follows_from_another(against, case):
    own = case[3]
    k = int(np.argmax(own.trades.entry_bar[1:] - own.trades.exit_bar[:-1] < 6))
    held = with_trade(without_trades(own, k + 1), k, exit_bar=int(own.trades.entry_bar[k + 1]) + 1)
    found = against(held)
    assert found.causes.get("follows") == 1


def test_what_the_list_does_not_print_is_said(against, case):
    found = against(way=Way(size_digits=3))
    assert found.all_equal
    assert "Sizes are printed to 0.001, and the run's step is 1e-05" in " ".join(sentences(found))
    lines = [line.split(",") for line in printed(case[3]).splitlines()]
    bare = "\n".join(",".join(cells[:5]) for cells in lines)
    found = against(text=bare)
    assert found.all_equal
    assert "The list has no sizes" in " ".join(sentences(found))
    assert "The list has no profits" in " ".join(sentences(found))


def test_the_opposite_side(against, case):
    own = case[3]
    found = against(with_trade(own, 9, side=-own.trades.side[9]))
    assert found.causes == {"inputs": 1}


HEAD = FORMS["2026"] + "\n"
PAIR = "1,Entry long,2024-01-01 00:00,a,10,1,1,0,0,1,1,1\n1,Exit long,2024-01-01 05:00,b,11,1,1,1,0,1,1,1\n"


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "this is empty"),
        (b"\n \n", "this is empty"),
        (b"date,pnl\n2024-01-01,1\n", "begins with 'date,pnl'"),
        ("取引,種類\n1,2\n".encode(), "set TradingView to English"),
        (b"PK\x03\x04rest", "is a workbook: save its sheet"),
        (b"\x89PNG\xff\xfe\x00", "is no text in UTF-8"),
        (HEAD.encode() + b"\x00\x00", "is no text"),
        (HEAD.encode(), "no trades below its headings"),
        (
            (HEAD + "1,Exit long,2024-01-01 00:00,a,10,1,1,0,0,1,1,1").encode(),
            "ends trade 1, whose entry is missing",
        ),
        ((HEAD + PAIR + PAIR).encode(), "lines 2 and 4 are the same side of trade 1"),
        (
            (HEAD + PAIR.replace("2024-01-01 05", "some day 05")).encode(),
            "line 3 has the date 'some day 05:00'",
        ),
        ((HEAD + PAIR.replace("2024-01-01 05:00", "0001-01-01 05:00")).encode(), "line 3 has the date"),
        ((HEAD + PAIR.replace(",10,", ",ten,")).encode(), "line 2 has 'ten' in the column 'Price USD'"),
        ((HEAD + PAIR.replace(",10,", ",,")).encode(), "line 2 has no entry price above zero"),
        ((HEAD + PAIR.replace("Exit long", "Exit short")).encode(), "ends trade 1 with the other side"),
        ((HEAD + PAIR.replace("Exit long", "Buy")).encode(), "line 3 has the type 'Buy'"),
        ((HEAD + PAIR.replace("1,Entry", "x,Entry")).encode(), "line 2 has the trade number 'x'"),
        ((HEAD + PAIR + "2,Entry long\n").encode(), "line 4 has 2 fields where the headings have 12"),
        ((HEAD + PAIR.replace("2024-01-01", "03/04/2024")).encode(), "may have the day or the month first"),
        ((HEAD + PAIR.replace(",11,", "," + "9" * 400 + ",")).encode(), "too large"),
    ],
)
def test_a_hostile_file_ends_in_one_sentence(tmp_path, content, match):
    path = tmp_path / "trades.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=match) as caught:
        read_trades(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_zone(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_trades(tmp_path / "none.csv")
    with pytest.raises(DataError, match="is not a time zone"):
        read_trades(tmp_path / "none.csv", "Mars/Base")


def test_hours_that_a_clock_skips_or_shows_twice(tmp_path):
    path = tmp_path / "trades.csv"
    path.write_text(HEAD + PAIR.replace("2024-01-01 05:00", "2024-03-31 02:30"))
    with pytest.raises(DataError, match="the clock of Europe/Berlin skips 2024-03-31 02:30:00"):
        read_trades(path, "Europe/Berlin")
    twice = PAIR.replace("2024-01-01 00:00", "2024-10-27 02:45").replace(
        "2024-01-01 05:00", "2024-10-27 02:15"
    )
    path.write_text(HEAD + twice)
    listed = read_trades(path, "Europe/Berlin")
    assert listed.entry_time[0] == np.datetime64("2024-10-27T00:45")
    assert listed.exit_time[0] == np.datetime64("2024-10-27T01:15")


def test_spreadsheets_and_signs(tmp_path):
    path = tmp_path / "trades.csv"
    path.write_bytes((HEAD + PAIR).replace(",", "\t").encode("utf-16"))
    assert read_trades(path).exit_price[0] == 11.0
    text = PAIR.replace(",11,1,1,1,", ',"11,000.5 USD",1,1,(1 234.25),')
    path.write_text(HEAD + text.replace("(1 2", "\u2212$1 2").replace("25)", "25"))
    listed = read_trades(path)
    assert (listed.exit_price[0], listed.profit[0], listed.profit_step) == (11000.5, -1234.25, 0.01)
    path.write_text(HEAD + text)
    assert read_trades(path).profit[0] == -1234.25
