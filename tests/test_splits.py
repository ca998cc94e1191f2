"""The schedule and the purge: no label may be known later than the model's first word."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlstrat.errors import ConfigError, DataError, NotEnoughBarsError
from mlstrat.splits import make_schedule, purge

HOUR = np.timedelta64(3_600_000_000_000, "ns")


def hours(n, start="2021-01-01"):
    return np.datetime64(start, "ns") + np.arange(1, n + 1) * HOUR


def schedule(close_time, **changed):
    asked = {"scheme": "rolling", "training_days": 30, "retrain": "month", "embargo": 0, **changed}
    return make_schedule(close_time, asked.pop("ready", 0), **asked)


@settings(max_examples=1000, deadline=None, derandomize=True)
@given(
    horizon=st.integers(1, 60),
    training_days=st.integers(10, 60),
    embargo=st.integers(0, 48),
    retrain=st.sampled_from(["week", "month", "quarter"]),
    scheme=st.sampled_from(["rolling", "expanding"]),
    ready=st.integers(0, 200),
    seed=st.integers(0, 1000),
)
def test_no_training_label_resolves_after_the_window_begins(
    horizon, training_days, embargo, retrain, scheme, ready, seed
):
    kept = np.sort(np.random.default_rng(seed).choice(3600, 3000, replace=False))  # with outages
    close_time = hours(3600)[kept]
    resolved_at = np.full(len(close_time), np.datetime64("NaT", "ns"))
    resolved_at[: -horizon - 1] = close_time[horizon + 1 :]
    plan = schedule(
        close_time,
        training_days=training_days,
        embargo=embargo,
        retrain=retrain,
        scheme=scheme,
        ready=ready,
    )
    seen = []
    for k in range(len(plan)):
        fold = plan.fold(k, close_time, resolved_at, ready)
        seen.append(fold.test)
        if not len(fold.test) or not len(fold.train):
            continue
        known = np.flatnonzero(close_time <= fold.cut)[-1]
        assert resolved_at[fold.train].max() <= close_time[fold.test].min()
        assert np.searchsorted(close_time, resolved_at[fold.train].max()) <= known - embargo
        assert fold.train.max() < fold.test.min()
        assert fold.train.min() >= max(ready, fold.first)
        # The purge removes only what it must: every other bar of the window trains.
        window = np.arange(fold.first, fold.test[0])
        left_out = np.setdiff1d(window, fold.train)
        assert np.all(~(resolved_at[left_out] <= close_time[known - embargo]))
        assert fold.purged == len(left_out) - np.sum(close_time[left_out] > fold.cut)
    tested = np.concatenate(seen)
    np.testing.assert_array_equal(tested, np.arange(tested[0], len(close_time)))


def test_purge_keeps_only_what_was_resolved():
    resolved_at = np.array(["2021-01-02", "2021-01-03", "NaT", "2021-01-01"], "datetime64[ns]")
    kept = purge(np.arange(4), resolved_at, np.datetime64("2021-01-02", "ns"))
    np.testing.assert_array_equal(kept, [0, 3])


@pytest.mark.parametrize(
    ("retrain", "frequency"), [("week", "W-MON"), ("month", "MS"), ("quarter", "QS"), ("year", "YS")]
)
def test_models_are_refitted_at_calendar_starts(retrain, frequency):
    close_time = hours(24 * 900)
    plan = schedule(close_time, retrain=retrain)
    starts = pd.date_range("2021-01-01", close_time[-1], freq=frequency).to_numpy("datetime64[ns]")
    expected = starts[starts >= close_time[0] + np.timedelta64(30, "D")]
    np.testing.assert_array_equal(plan.boundaries, expected[expected <= close_time[-1]])


def test_a_rolling_window_has_the_asked_length_and_an_expanding_one_grows():
    close_time = hours(24 * 200)
    resolved_at = close_time + 2 * HOUR
    rolling, growing = (schedule(close_time, scheme=scheme) for scheme in ("rolling", "expanding"))
    for k in range(len(rolling)):
        fold = rolling.fold(k, close_time, resolved_at, 0)
        assert close_time[fold.first] - (fold.cut - np.timedelta64(30, "D")) == HOUR
        assert growing.fold(k, close_time, resolved_at, 0).first == 0


def test_window_at_names_the_window_that_speaks():
    close_time = hours(24 * 120)
    plan = schedule(close_time)
    for k in range(len(plan)):
        for index in plan.fold(k, close_time, close_time, 0).test:
            assert plan.window_at(close_time[index]) == k
    assert plan.window_at(plan.boundaries[0] - HOUR) == -1
    due = np.datetime64("2021-06-01", "ns")  # the data ends on the first of May
    assert plan.end == due
    assert plan.window_at(due - HOUR) == len(plan) - 1
    assert plan.window_at(due) == -1


@pytest.mark.parametrize("bars", [1, 37, 500])
def test_models_are_refitted_every_so_many_bars(bars):
    close_time = hours(3600)[np.sort(np.random.default_rng(1).choice(3600, 3000, replace=False))]
    plan = schedule(close_time, retrain=bars, ready=50)
    folds = [plan.fold(k, close_time, close_time, 50) for k in range(len(plan))]
    first = int(np.flatnonzero(close_time >= close_time[50] + np.timedelta64(30, "D"))[0])
    np.testing.assert_array_equal(np.concatenate([fold.test for fold in folds]), np.arange(first, 3000))
    assert {len(fold.test) for fold in folds[:-1]} == {bars}
    assert 0 < len(folds[-1].test) <= bars
    assert plan.end > close_time[-1]


@pytest.mark.parametrize("start", ["2021-03-10", "2021-03-11"])
def test_bars_are_counted_from_the_start_asked_for(start):
    close_time = np.delete(hours(24 * 150), slice(1632, 1640))  # no bar closes from 10 March 01:00 to 08:00
    plan = schedule(close_time, retrain=100, start=start)
    folds = [plan.fold(k, close_time, close_time, 0) for k in range(len(plan))]
    assert plan.boundaries[0] == np.datetime64(start, "ns")
    assert folds[0].test[0] == np.flatnonzero(close_time >= plan.boundaries[0])[0]
    assert {len(fold.test) for fold in folds[:-1]} == {100}


@pytest.mark.parametrize("retrain", ["week", "month", "quarter", "year", 300])
def test_bars_to_come_change_no_window_that_is_there(retrain):
    close_time = hours(24 * 700)
    whole = schedule(close_time, retrain=retrain)
    for n in (24 * 400, 24 * 500 + 1, 24 * 600 + 7):
        part = schedule(close_time[:n], retrain=retrain)
        np.testing.assert_array_equal(part.boundaries, whole.boundaries[: len(part)])
        assert part.end == (whole.boundaries[len(part)] if len(part) < len(whole) else whole.end)


def test_max_windows_keeps_the_latest():
    close_time = hours(24 * 400)
    everything, latest = schedule(close_time), schedule(close_time, max_windows=3)
    np.testing.assert_array_equal(latest.boundaries, everything.boundaries[-3:])


def test_max_windows_from_a_start_keeps_the_first_and_ends_with_the_last_of_them():
    close_time = hours(24 * 400)
    plan = schedule(close_time, start="2021-03-10", max_windows=2)
    np.testing.assert_array_equal(plan.boundaries, np.array(["2021-03-10", "2021-04-01"], "datetime64[ns]"))
    assert plan.end == np.datetime64("2021-05-01", "ns")
    assert plan.window_at(plan.end) == -1


def test_a_market_that_closes_keeps_its_embargo_in_bars():
    days = np.arange("2020-01-01", "2022-01-01", dtype="datetime64[D]")
    close_time = (days[np.is_busday(days)] + 1).astype("datetime64[ns]")
    plan = schedule(close_time, embargo=5)
    fold = plan.fold(0, close_time, close_time, 0)
    assert fold.train[-1] == fold.test[0] - 5  # labels known at once: five sessions are left out


def test_too_few_bars_says_how_many_are_missing():
    with pytest.raises(NotEnoughBarsError, match=r"needs .* bars but got 480: load at least"):
        schedule(hours(480))


def test_a_start_before_enough_training_days_is_refused():
    with pytest.raises(NotEnoughBarsError, match="30 training days before its first window needs 5,146 bars"):
        schedule(hours(5000), start="2021-01-25")


def test_a_start_after_the_data_is_refused():
    with pytest.raises(DataError, match=r"splits\.start is 2031-01-01, but the last bar closes at"):
        schedule(hours(5000), start="2031-01-01")


@pytest.mark.parametrize(
    ("given", "told"), [('"fortnight"', "a whole number"), ("0", "a number greater than or equal to 1")]
)
def test_a_retraining_that_is_none_is_refused_in_one_sentence(tmp_path, given, told):
    from mlstrat.config import load_config

    file = tmp_path / "run.toml"
    file.write_text(f"[splits]\nretrain = {given}\n")
    with pytest.raises(ConfigError, match=r"splits\.retrain is") as raised:
        load_config(file)
    periods = "'week', 'month', 'quarter' or 'year'"
    assert str(raised.value) == f"{file}: splits.retrain is {given}; give {periods}, or {told}."
