"""Verdicts on folders and files: the same test as the report, with what is counted by now."""

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mlstrat.errors import ConfigError, DataError, RunFolderError
from mlstrat.evidence import Others, judge, plain_words, with_trials
from mlstrat.evidence.sharpe import deflated_sharpe
from mlstrat.evidence.stored import as_plain, from_plain
from mlstrat.files import sha256_of
from mlstrat.judging import judge_folder, judge_returns
from mlstrat.judging.files import entries
from mlstrat.sweep.judged import Returns, judged
from mlstrat.sweep.measures import MEASURES
from mlstrat.trials.keys import trial_key
from mlstrat.trials.ledger import Ledger, Trial
from mlstrat.trials.returns import Kept, keep

BARS = 1200
INPUTS = {
    "engine": "kernel",
    "data_sha256": "data",
    "sentiment_sha256": "",
    "code_sha256": "",
    "versions": {},
    "span": ["X", "1h", "2023-01-01T00:00:00.000000000", "2024-02-19T23:00:00.000000000"],
    "basis_sha256": "basis",
}
OWN = {"stops": {"atr": 9}, "signals": {"direction": "auto", "threshold": 0.5}, "seed": 11}
SIDES = ("long", "short", "both", "none")
FIRST = int(np.datetime64("2024-01-01", "D").astype(int))
DAYS = BARS // 24


def returns(columns, strength=0.0, seed=1):
    """In the market in 5 of 10 bars; the last column has a mean of so many standard errors."""
    table = 0.01 * np.random.default_rng(seed).normal(size=(BARS, columns))
    table[np.arange(BARS) // 5 % 2 == 1] = 0.0
    held = table[:, -1] != 0.0
    table[held, -1] += strength * 0.01 / math.sqrt(held.sum()) - table[held, -1].mean()
    return table


def forged(folder, trades=100, strength=5.0):
    """A folder as a run leaves it, with what a verdict reads."""
    folder.mkdir()
    times = pd.date_range("2024-01-01 01:00", periods=BARS, freq="h", tz="UTC").strftime("%Y-%m-%dT%H:%M:%SZ")
    series = returns(1, strength)[:, 0]
    rows = "".join(f"{time},{value!r}\n" for time, value in zip(times, series.tolist(), strict=True))
    (folder / "returns.csv").write_text("time,return\n" + rows)
    (folder / "metrics.json").write_text(json.dumps({"performance": {"trades": trades}}))
    manifest = {
        "state": "complete",
        "windows": ["a"],
        "inputs": {"config": {}, **INPUTS},
        "config": {"seed": 11},
        "instrument": {"bars_per_year_used": 8766.0},
    }
    signed(folder, manifest)
    return folder, series


def signed(folder, manifest=None):
    """Let the manifest name what the folder holds now."""
    manifest = manifest or json.loads((folder / "manifest.json").read_text())
    files = [path for path in folder.iterdir() if path.name != "manifest.json"]
    manifest["outputs"] = {path.name: sha256_of(path) for path in files}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def swept(folder, found, every=1, trades=60):
    """A folder as a sweep of 5 x 4 columns leaves it."""
    folder.mkdir()
    grid = {"stops.atr": [1, 2, 3, 4, 5], "signals.direction": list(SIDES)}
    config = {**OWN, "grid": grid, "grid_keys": list(grid)}
    manifest = {"state": "complete", "inputs": {"config": config, **INPUTS}}
    stored = {
        "evidence": as_plain(found),
        "bars_per_period": every,
        "periods_per_year": 8766.0 / every,
        "tried": None,
        "sentences": plain_words(found),
    }
    (folder / "evidence.json").write_text(json.dumps(stored))
    rows = [(atr, side) for atr in range(1, 6) for side in SIDES]
    frame = pd.DataFrame(rows, columns=list(grid)).assign(**dict.fromkeys(MEASURES, math.nan))
    frame.assign(trades=trades).to_parquet(folder / "columns.parquet")
    signed(folder, manifest)
    return folder


def column_keys():
    """What the ledger calls the columns of that sweep."""
    settings = [
        {**OWN, "stops": {"atr": atr}, "signals": {"direction": side, "threshold": 0.5}}
        for atr in range(1, 6)
        for side in SIDES
    ]
    return [trial_key(content, "basis") for content in settings]


def by_days(table):
    """Sums of hours, each closing at its end, as the ledger keeps them: with 24 bits."""
    return table.reshape(DAYS, 24, -1).sum(axis=1).astype(np.float32).astype(float)


def noted(folder, days, first=FIRST):
    """Count the columns of that sweep, with what they returned on each day."""
    book, own = Ledger(folder / "trials.sqlite"), column_keys()
    book.extend("data", [Trial("sweep", f"own {k}", {}, same) for k, same in enumerate(own)])
    keep(book, [Kept(same, 60, first, column) for same, column in zip(own, days.T, strict=True)])
    return book


def tried_later(book, days):
    """Count runs, each with what it returned."""
    book.extend("data", [Trial("run", f"later {k}", {}, f"later {k}") for k in range(days.shape[1])])
    keep(book, [Kept(f"later {k}", 60, FIRST, column) for k, column in enumerate(days.T)])


def count(folder, number, kind="sweep"):
    trials = [Trial(kind, f"{kind} {k}", {}, f"same {k}") for k in range(number)]
    Ledger(folder / "trials.sqlite").extend("data", trials)


def test_a_verdict_stored_and_read_is_the_same():
    for found in (judge(returns(6, 3.0), np.full(6, 50), 9), judge(returns(1), np.array([3]))):
        again = from_plain(json.loads(json.dumps(as_plain(found))))
        assert repr(again) == repr(found)
    earlier = {name: value for name, value in as_plain(found).items() if name != "apart"}
    assert from_plain(earlier).apart == 0
    with pytest.raises(DataError, match=r"not a whole one \(SuperiorAbility\): make it again"):
        from_plain({**as_plain(found), "spa": {"p": 0.1}})


@pytest.mark.parametrize("columns", [1, 12])
@pytest.mark.parametrize("strength", [0.0, 3.5, 6.0])
def test_another_number_of_trials_gives_what_judging_with_it_gives(columns, strength):
    table, trades = returns(columns, strength), np.full(columns, 60)
    for before, now in ((None, 20), (20, columns), (15, 23)):
        first, wanted = judge(table, trades, before), judge(table, trades, now)
        assert repr(with_trials(first, now)) == repr(wanted)
    few = judge(table, trades // 10)
    assert repr(with_trials(few, 20)) == repr(judge(table, trades // 10, 20))
    with pytest.raises(ConfigError, match="0 trials were counted: give at least 1"):
        with_trials(few, 0)


def test_a_run_is_judged_as_in_its_report_by_what_the_ledger_counts(tmp_path):
    folder, series = forged(tmp_path / "run")
    alone = judge_folder(folder)
    assert alone.evidence == judge(series, np.array([100]), 1, seed=11)
    assert alone.evidence.conclusion == "edge"
    assert "whoever held a market that rose may pass too" in alone.sentences[-1]
    assert alone.notes[0].startswith("No trial ledger beside the folder knows these data, so that this run")
    count(tmp_path, 1, "run")
    count(tmp_path, 400)
    found = judge_folder(folder)
    assert found.evidence == judge(series, np.array([100]), 400, seed=11)
    assert found.evidence.basis == "spa with a bound"
    assert found.sentences == tuple(plain_words(found.evidence))
    assert found.notes == (
        "The trial ledger counts 400 things tried on these data: 1 run and 400 columns of sweeps, of which "
        "1 is both.",
    )
    assert (found.rows_per_year, found.row, found.best) == (8766.0, "bar", "")
    given = judge_folder(folder, trials=3, seed=5)
    assert given.evidence == judge(series, np.array([100]), 3, seed=5)
    assert given.notes == ("Trials are those given, 3, and not what the trial ledger counts.",)


def test_what_else_was_tried_is_tested_beside_a_run_where_its_returns_are_known(tmp_path):
    folder, series = forged(tmp_path / "run")
    book, own = Ledger(tmp_path / "trials.sqlite"), trial_key({}, "basis")
    count(tmp_path, 30)
    book.extend("data", [Trial("run", "this", {}, own)])
    table, days = returns(30, seed=4), np.arange(BARS) // 24  # hours, each closing at its end
    sums = np.array([[table[days == day, k].sum() for k in range(30)] for day in range(days[-1] + 1)])
    first = int(np.datetime64("2024-01-01", "D").astype(int))
    keep(book, [Kept(own, 100, first, sums[:, 0])])
    keep(book, [Kept(f"same {k}", 60, first, sums[:, k]) for k in range(30)])
    found = judge_folder(folder).evidence
    assert (found.columns, found.beside, found.trials, found.basis) == (1, 30, 31, "spa")
    # Returns are kept with 24 bits.
    others = Others(sums.astype(np.float32).astype(float), days, 30)
    assert found.p == judge(series, np.array([100]), 31, others=others, seed=11).p
    assert judge_folder(folder, trials=1).evidence.beside == 0


def test_a_run_without_its_returns_is_refused(tmp_path):
    folder, _ = forged(tmp_path / "run")
    (folder / "returns.csv").write_text("time,return\n2024-01-01T00:00:00Z,0.5\n")
    with pytest.raises(RunFolderError, match=r"returns.csv is not what the run wrote: judge it by --returns"):
        judge_folder(folder)
    (folder / "returns.csv").unlink()
    with pytest.raises(RunFolderError, match=r"holds no returns.csv, .*: run mlstrat backtest again"):
        judge_folder(folder)
    with pytest.raises(RunFolderError, match="holds no finished run: give the folder"):
        judge_folder(tmp_path)


@pytest.mark.parametrize("name", ["metrics.json", "evidence.json", "columns.parquet"])
def test_what_was_changed_by_hand_is_not_believed(tmp_path, name):
    made = judge(returns(20, 1.0), np.full(20, 60))
    folder = forged(tmp_path / "run")[0] if name == "metrics.json" else swept(tmp_path / "sweep", made)
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content.replace(b'"p": 0.', b'"p": 0.0').replace(b"100", b"101") + b" ")
    command = "mlstrat backtest" if name == "metrics.json" else "mlstrat sweep"
    with pytest.raises(RunFolderError, match=rf"{name} is not what the .* wrote: run {command} again"):
        judge_folder(folder)


def test_what_was_tried_since_is_tested_with_a_sweep_where_returns_are_known(tmp_path):
    table, later = returns(20, 3.4), by_days(returns(3, seed=8))
    made = judge(table, np.full(20, 60), 20)
    folder, days = swept(tmp_path / "sweep", made), by_days(table)
    book = noted(tmp_path, days)
    assert repr(judge_folder(folder).evidence) == repr(made)
    tried_later(book, later)
    found = judge_folder(folder)
    wanted = judge(days, np.full(20, 60), 23, others=Others(later, np.arange(DAYS), 3), seed=11)
    assert (found.evidence.basis, found.evidence.beside, found.evidence.trials) == ("spa", 3, 23)
    assert (found.evidence.p, found.evidence.effective_trials) == (wanted.p, wanted.effective_trials)
    assert wanted.p < 4.0 * made.spa.p  # which a bound would have made of it
    # The same column is the best: what the others do not touch stays that of its bars.
    assert wanted.best == made.best == 19
    for name in ("moments", "intervals", "overfitting", "track_record", "probabilistic"):
        assert repr(getattr(found.evidence, name)) == repr(getattr(made, name))
    error = made.moments.standard_error
    assert found.evidence.deflated == deflated_sharpe(made.moments, wanted.effective_trials, error)
    assert (found.row, found.rows_per_year) == ("bar", 8766.0)
    assert "It is judged together with 3 others that were tried on these data" in found.sentences[1]
    assert found.notes[1] == (
        "When the sweep was made 20 trials were counted; 23 are counted now, and the verdict is the one for "
        "these: all columns were tested again, on days, together with what the ledger keeps."
    )
    count(tmp_path, 2)  # without returns
    more = judge_folder(folder).evidence
    assert (more.basis, more.trials, more.p) == ("spa with a bound", 25, min(1.0, 3.0 * more.spa.p))


def test_a_column_run_again_with_more_bars_is_tested_on_the_days_of_the_sweep(tmp_path):
    table, later = returns(20, 3.4), by_days(returns(1, seed=8))
    few = np.r_[np.full(19, 60), 12]
    made = judge(table, few)
    for name, days in (
        ("as made", by_days(table)),
        ("longer", np.vstack([by_days(table), np.ones((9, 20))])),
    ):
        (tmp_path / name).mkdir()
        folder = swept(tmp_path / name / "sweep", made, trades=few)
        tried_later(noted(tmp_path / name, days), later)
        found = judge_folder(folder).evidence
        wanted = judge(by_days(table), few, 21, others=Others(later, np.arange(DAYS), 1), seed=11)
        assert (found.p, found.spa.tested) == (wanted.p, 19)


def test_another_column_that_is_the_best_on_days_has_its_numbers_of_days(tmp_path):
    made = judge(returns(20, 3.4), np.full(20, 60), 20)
    folder, days, later = swept(tmp_path / "sweep", made), by_days(returns(20, seed=3)), by_days(returns(1))
    days[:, 5] += 0.5 * days[:, 5].std()
    days = days.astype(np.float32).astype(float)
    tried_later(noted(tmp_path, days), later)
    found = judge_folder(folder)
    wanted = judge(days, np.full(20, 60), 21, others=Others(later, np.arange(DAYS), 1), seed=11)
    assert repr(found.evidence) == repr(wanted)
    assert (found.best, found.row) == ("stops.atr = 2, signals.direction = short", "day")
    assert found.rows_per_year == 365.25
    assert found.notes[-1] == "Another column is the best on days; its numbers are those of days."


def test_of_a_sweep_without_all_its_returns_what_came_since_is_paid_for_by_a_bound(tmp_path):
    table, later = returns(20, 3.4), by_days(returns(1, seed=8))
    made = judge(table, np.full(20, 60), 20)
    short = by_days(table)[:20]
    for name, days in (("short", short), ("none", None)):
        (tmp_path / name).mkdir()
        folder = swept(tmp_path / name / "sweep", made)
        book = Ledger(tmp_path / name / "trials.sqlite") if days is None else noted(tmp_path / name, days)
        count(tmp_path / name, 20 if days is None else 0)
        tried_later(book, later)
        found = judge_folder(folder)
        assert (found.evidence.basis, found.evidence.p) == ("spa with a bound", 2.0 * made.spa.p)
        assert found.notes[1].endswith(
            "1 was tried since and is paid for by a bound: sweep again, with another --out, for the sharper "
            "test."
        )
        assert "1 more thing was tried whose returns are not part of this test; the" in found.sentences[1]


def test_a_sweep_says_of_an_edge_that_the_market_may_have_brought_it(tmp_path):
    table = np.column_stack([returns(19), returns(1, 6.0)])
    measured = np.full((20, len(MEASURES)), 60.0)
    said = judged(Returns(table, 1, np.arange(BARS) // 24), measured, 8766.0, 7).sentences
    assert said[0].startswith("There is evidence of an edge")
    assert "whoever held a market that rose may pass too" in said[-1]
    assert said == tuple(plain_words(judge(table, np.full(20, 60), seed=7)))


def test_a_sweep_is_told_again_with_what_was_tried_since(tmp_path):
    made = judge(returns(20, 4.6), np.full(20, 60), 20)
    folder = swept(tmp_path / "sweep", made)
    count(tmp_path, 20)
    same = judge_folder(folder)
    assert repr(same.evidence) == repr(made)
    assert same.best == "stops.atr = 5, signals.direction = none"
    assert same.sentences == tuple(plain_words(made))
    assert same.notes == ("The trial ledger counts 20 columns of sweeps on these data.",)
    count(tmp_path, 900)
    more = judge_folder(folder)
    assert (more.evidence.trials, more.evidence.basis) == (900, "spa with a bound")
    assert more.evidence.p == pytest.approx(min(1.0, made.spa.p * 881))
    assert more.evidence.conclusion == "no evidence"
    assert more.notes[1] == (
        "When the sweep was made 20 trials were counted; 900 are counted now, and the verdict is the one for "
        "these. 880 were tried since and are paid for by a bound: sweep again, with another --out, for the "
        "sharper test."
    )
    given = judge_folder(folder, trials=21)
    assert given.evidence.p == pytest.approx(2.0 * made.spa.p)
    (tmp_path / "trials.sqlite").unlink()
    assert repr(judge_folder(folder).evidence) == repr(made)
    with pytest.raises(ConfigError, match="which is judged by its own seed: leave out the seed"):
        judge_folder(folder, seed=3)
    (folder / "evidence.json").unlink()
    with pytest.raises(RunFolderError, match=r"holds no evidence.json, .*: run mlstrat sweep again"):
        judge_folder(folder)


def test_returns_added_up_and_verdicts_that_could_not_be_made_are_said(tmp_path):
    made = judge(returns(20, 4.6), np.full(20, 60))
    folder = swept(tmp_path / "sweep", made, every=7)
    found = judge_folder(folder)
    assert (found.row, found.notes[-1]) == (
        "period",
        "The returns of 7 bars at a time were added up to one period.",
    )
    stored = json.loads((folder / "evidence.json").read_text())
    none = {**stored, "evidence": None, "bars_per_period": 0, "periods_per_year": 0.0, "sentences": ["None."]}
    (folder / "evidence.json").write_text(json.dumps(none))
    signed(folder)
    found = judge_folder(folder)
    assert (found.evidence, found.sentences, found.rows_per_year) == (None, ("None.",), None)


def written(path, table, names=("a", "b", "c"), start="2020-01-01", freq="D"):
    time = pd.date_range(start, periods=len(table), freq=freq)
    frame = pd.DataFrame(table, columns=list(names[: table.shape[1]]))
    frame.insert(0, "time", time)
    frame.to_parquet(path)
    return path


def test_a_file_is_judged_by_its_columns_or_by_all_that_is_said_to_have_been_tried(tmp_path):
    table = returns(3, 4.0)
    path = written(tmp_path / "my.parquet", table)
    found = judge_returns(path, seed=3)
    assert found.evidence == judge(table, np.full(3, 120), seed=3)
    assert (found.best, found.row) == ("c", "row")
    assert found.rows_per_year == pytest.approx(365.25)
    assert found.notes == (
        "Only the 3 columns of the file are counted as tried: give --trials N with all that was ever tried "
        "on these data, or a column for each of them.",
        "Trades were not given and are counted as how often returns leave 0: 120. Give --trades if you know "
        "better.",
        "The times, 2020-01-01 to 2023-04-14, have 365.2 rows a year.",
    )
    more = judge_returns(path, trials=30, trades=[10, 40, 50], periods_per_year=252, seed=3)
    assert more.evidence == judge(table, np.array([10, 40, 50]), 30, seed=3)
    assert more.rows_per_year == 252.0
    assert more.notes == (
        "Trials are those given, 30, and at least the columns.",
        "Numbers of trades are those given.",
        "A year has 252 rows, as given.",
    )


def test_entries_are_rows_at_which_returns_leave_nought():
    table = np.array([[0.1, 0.0, 0.0], [0.1, 0.0, 0.2], [0.0, 0.0, 0.0], [-0.1, 0.0, 0.1], [0.1, 0.0, 0.0]])
    assert entries(table).tolist() == [2, 0, 2]


def test_months_stand_in_for_trades_of_who_is_always_in_the_market(tmp_path):
    table = np.column_stack([returns(1), returns(1, seed=2) + 0.0001])
    path = written(tmp_path / "my.parquet", table)
    found = judge_returns(path)
    assert found.notes[1] == (
        "Trades were not given and are counted as how often returns leave 0: 120. The returns of b are "
        "hardly ever 0, so that no trade can be seen in them: months stand in for trades, and there are 39. "
        "Give --trades if you know better."
    )
    assert found.evidence.spa.tested == 2
    short = judge_returns(path, periods_per_year=365.25 * 2)
    assert short.evidence.spa.tested == 1  # 19 months
    bare = tmp_path / "bare.csv"
    pd.DataFrame(table).to_csv(bare, index=False)
    with pytest.raises(
        DataError, match=r"the returns of '1' are hardly ever 0, .*: give --trades, or --periods"
    ):
        judge_returns(bare)
    assert judge_returns(bare, trades=[50, 50]).rows_per_year is None


def test_a_benchmark_is_a_column_or_a_file_of_the_same_times(tmp_path):
    market = 0.002 + 0.01 * np.random.default_rng(9).normal(size=BARS)
    table = returns(2, 3.0) + 0.5 * market[:, None]
    wanted = judge(table, np.full(2, 40), benchmark=market)
    path = written(tmp_path / "all.parquet", np.column_stack([table[:, 0], market, table[:, 1]]))
    found = judge_returns(path, benchmark="b", trades=[40, 40])
    assert found.evidence == wanted
    assert (found.best, found.evidence.benchmark) == ("ac"[wanted.best], True)
    two = written(tmp_path / "two.parquet", table)
    longer = np.r_[0.5, market, 0.5][:, None]
    other = written(tmp_path / "market.parquet", longer, ("m",), start="2019-12-31")
    assert judge_returns(two, benchmark=str(other), trades=[40, 40]).evidence == wanted
    late = written(tmp_path / "late.parquet", longer, ("m",), start="2020-01-02")
    with pytest.raises(DataError, match=r"has no return at 2020-01-01.* and 0 other times of"):
        judge_returns(two, benchmark=str(late), trades=[40, 40])
    bare = tmp_path / "bare.csv"
    pd.DataFrame({"m": market}).to_csv(bare, index=False)
    assert judge_returns(two, benchmark=str(bare), trades=[40, 40]).evidence == wanted
    pd.DataFrame({"m": market[1:]}).to_csv(bare, index=False)
    with pytest.raises(DataError, match=r"has 1,199 rows and .* 1,200: give both the same rows"):
        judge_returns(two, benchmark=str(bare), trades=[40, 40])
    with pytest.raises(DataError, match=r"'x' is no file and no column of .* \(a, b\): give one"):
        judge_returns(two, benchmark="x")
    with pytest.raises(DataError, match="holds 2 columns of returns: give a benchmark of one"):
        judge_returns(two, benchmark=str(two))
    one = written(tmp_path / "one.parquet", table[:, :1])
    with pytest.raises(DataError, match="holds the benchmark 'a' alone: add a strategy"):
        judge_returns(one, benchmark="a")


def test_numbers_that_do_not_fit_are_refused(tmp_path):
    path = written(tmp_path / "my.parquet", returns(2))
    with pytest.raises(ConfigError, match="1 numbers of trades do not go with 2 columns: give one for each"):
        judge_returns(path, trades=[40])
    with pytest.raises(DataError, match="a number of trades is below 0: give each column's number of closed"):
        judge_returns(path, trades=[40, -5])
    with pytest.raises(ConfigError, match="there are no -1 rows a year: give a number above 0"):
        judge_returns(path, periods_per_year=-1.0)


def test_a_verdict_can_be_written_as_json(tmp_path):
    found = judge_returns(written(tmp_path / "my.parquet", returns(1)), trades=[5])
    content = json.loads(json.dumps(found.as_plain(), allow_nan=False))
    assert content["evidence"]["conclusion"] == "too few trades"
    assert content["evidence"]["p"] is None
    assert set(content) == {"evidence", "best", "rows_per_year", "row", "tried", "sentences", "notes"}
    assert replace(found, tried=None).as_plain() == found.as_plain()
