"""Returns of what was tried: kept by days, found again on data that overlap, and paid for by the test."""

import numpy as np
import pytest

from mlstrat.errors import ConfigError
from mlstrat.evidence import Others, judge, superior_ability
from mlstrat.trials.ledger import Ledger, Span, Trial
from mlstrat.trials.returns import Kept, by_day, days_of, keep, others_of

DAY = 20_000  # 2024-10-04
YEAR = Span("BTCUSDT", "1h", "2024-01-01T00:00:00.000000000", "2024-12-31T23:00:00.000000000")
LATER = Span("BTCUSDT", "1h", "2024-06-01T00:00:00.000000000", "2025-06-30T23:00:00.000000000")
OTHER = Span("ETHUSDT", "1h", *YEAR[2:])


def noted(path, *trials):
    """Enter trials, (data, same, span), and return the ledger."""
    book = Ledger(path / "trials.sqlite")
    for data, same, span in trials:
        book.extend(data, [Trial("sweep", f"key of {same}", {}, same, span)])
    return book


def test_a_bar_belongs_to_the_day_it_ends_on_and_midnight_to_the_day_before():
    ends = np.array(["2024-03-01T00:00", "2024-03-01T01:00", "2024-03-02T00:00"], "datetime64[ns]")
    assert days_of(ends).tolist() == [19_782, 19_783, 19_783]
    assert np.datetime64("1970-01-01") + 19_783 == np.datetime64("2024-03-01")


def test_returns_are_added_up_by_day_and_a_day_without_bars_is_zero():
    returns = np.array([[1.0, 0.5], [2.0, 0.0], [4.0, 0.25]])
    np.testing.assert_array_equal(by_day(returns, np.array([3, 3, 6])), [[3, 0.5], [0, 0], [0, 0], [4, 0.25]])


def test_what_was_tried_on_data_that_overlap_is_found_with_its_days_in_place(tmp_path):
    book = noted(tmp_path, ("a", "one", YEAR), ("b", "two", LATER), ("c", "three", OTHER), ("a", "own", YEAR))
    days = np.arange(1.0, 6.0)
    keep(book, [Kept(name, 40, DAY, days) for name in ("one", "two", "three", "own")])
    keep(book, [Kept("one", 40, DAY - 2, 10.0 * np.arange(1.0, 8.0))])
    # Of a trial that is repeated on a part of its bars, what it did on all of them stays.
    keep(book, [Kept("one", 3, DAY - 2, days[:2])])
    found = others_of(book, "a", {"own"}, np.array([DAY - 1, DAY - 1, DAY, DAY + 1, DAY + 3]))
    assert found.counted == 2
    assert found.row.tolist() == [0, 0, 1, 2, 4]
    np.testing.assert_array_equal(found.table, [[20, 0], [30, 1], [40, 2], [50, 3], [60, 4]])


def test_few_trades_and_copies_count_and_take_no_column(tmp_path):
    book = noted(tmp_path, *(("a", name, YEAR) for name in ("one", "copy", "few", "unknown")))
    days = np.array([0.01, -0.02, 0.03])
    keep(book, [Kept("one", 30, DAY, days), Kept("copy", 50, DAY, days), Kept("few", 29, DAY, days)])
    found = others_of(book, "a", set(), np.arange(DAY, DAY + 3))
    np.testing.assert_allclose(found.table, days[:, None], rtol=1e-7)
    assert (found.counted, book.tried("a").distinct) == (3, 4)


def test_a_ledger_without_returns_knows_of_none(tmp_path):
    nowhere = others_of(Ledger(tmp_path / "none.sqlite"), "a", set(), np.arange(5))
    counting = others_of(noted(tmp_path, ("a", "one", YEAR)), "a", set(), np.arange(5))
    for found in (nowhere, counting):
        assert (found.table.shape, found.counted) == ((5, 0), 0)


def returns_of(n_days, n_columns, seed=5):
    return np.random.default_rng(seed).normal(0.0, 0.01, (24 * n_days, n_columns))


def test_a_verdict_pays_for_others_with_their_own_returns():
    returns, row = returns_of(200, 41), np.repeat(np.arange(200), 24)
    returns[:, 0] += 1.2 / np.sqrt(len(returns)) * 0.01 * 3.0
    days = returns.reshape(200, 24, -1).sum(axis=1)
    trades = np.array([100])
    found = judge(returns[:, :1], trades, 41, others=Others(days[:, 1:], row, 40))
    alone = judge(returns[:, :1], trades)
    wanted = superior_ability(days[:, :1], beside=days[:, 1:], block=max(alone.spa.block / 24.0, 1.0))
    assert (found.p, found.spa.naive_p, found.basis) == (wanted.p, wanted.naive_p, "spa")
    assert found.spa.block == alone.spa.block
    assert found.spa.naive_p == pytest.approx(alone.p, abs=0.02)
    assert (found.columns, found.beside, found.trials) == (1, 40, 41)
    assert found.effective_trials == pytest.approx(41, rel=0.1)
    assert found.moments.n_bars == len(returns)
    # Forty more of which nothing is known but the number are paid for by a bound.
    more = judge(returns[:, :1], trades, 81, others=Others(days[:, 1:], row, 40))
    assert (more.p, more.basis) == (min(1.0, 41 * more.spa.p), "spa with a bound")
    # Copies and columns with few trades are known too, and cost nothing.
    assert judge(returns[:, :1], trades, 81, others=Others(days[:, 1:], row, 80)).p == found.p


def test_others_over_too_few_rows_only_count():
    returns, row = returns_of(31, 3), np.repeat(np.arange(31), 24)
    days = returns.reshape(31, 24, -1).sum(axis=1)
    found = judge(returns[:, 0], np.array([100]), 3, others=Others(days[:, 1:], row, 2))
    assert (found.beside, found.trials) == (0, 3)


def test_others_and_a_benchmark_do_not_go_together():
    returns = returns_of(40, 1)
    others = Others(np.zeros((40, 1)), np.repeat(np.arange(40), 24), 1)
    with pytest.raises(ConfigError, match="has returns above 0: leave out the benchmark"):
        judge(returns, np.array([100]), 2, np.zeros(len(returns)), others=others)


def test_more_columns_than_are_read_are_paid_for_by_the_bound(tmp_path, monkeypatch):
    book = noted(tmp_path, *(("a", f"trial {k}", YEAR) for k in range(5)))
    keep(book, [Kept(f"trial {k}", 10 if k == 4 else 40, DAY, np.arange(3.0) + k) for k in range(5)])
    monkeypatch.setattr("mlstrat.trials.returns.MOST", 2)
    found = others_of(book, "a", set(), np.arange(DAY, DAY + 3))
    assert (found.table.shape, found.counted) == ((3, 2), 3)


def test_looks_at_growing_data_are_told(tmp_path):
    book = noted(tmp_path, ("a", "one", YEAR), ("b", "one", LATER), ("b", "two", LATER), ("c", "one", OTHER))
    assert [book.tried(data).looks for data in "abc"] == [2, 2, 1]
    assert "judged on 2 states of growing data" in book.tried("a").sentence()
    assert "growing" not in book.tried("c").sentence()
