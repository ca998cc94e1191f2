"""Purged cross-validation against its definition, row by row in plain loops."""

from math import comb

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mlstrat.crossval import CombinatorialPurgedCV, PurgedKFold
from mlstrat.errors import ConfigError, DataError

HOUR = np.timedelta64(3_600_000_000_000, "ns")


def rows_of(n, seed, longest):
    """Close times with outages, and labels of unlike length; the last ones are not resolved."""
    rng = np.random.default_rng(seed)
    kept = np.sort(rng.choice(2 * n, n, replace=False))
    close_time = np.datetime64("2021-01-01", "ns") + kept * HOUR
    ends = np.arange(n) + 1 + rng.integers(0, longest + 1, n)
    resolved_at = np.full(n, np.datetime64("NaT", "ns"))
    resolved_at[ends < n] = close_time[ends[ends < n]]
    return close_time, resolved_at


def may_train(row, test, close_time, resolved_at, embargo):
    """The definition: apart from every single test row, before it or after it."""
    for tested in test:
        if row == tested:
            return False
        if row < tested and not resolved_at[row] <= close_time[tested]:
            return False
        if row > tested:
            bars_since = sum(resolved_at[tested] <= close_time[k] for k in range(row + 1))
            if close_time[row] < resolved_at[tested] or bars_since - 1 < embargo:
                return False
    return True


def check(splitter, close_time, resolved_at, embargo):
    labelled = np.flatnonzero(~np.isnat(resolved_at))
    for train, test in splitter.split():
        expected = [row for row in labelled if may_train(row, test, close_time, resolved_at, embargo)]
        np.testing.assert_array_equal(train, expected)
        assert (np.diff(test) > 0).all()
    assert splitter.get_n_splits() == sum(1 for _ in splitter.split())


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    n=st.integers(24, 50),
    n_splits=st.integers(2, 5),
    longest=st.integers(0, 5),
    embargo=st.integers(0, 4),
    seed=st.integers(0, 10_000),
)
def test_k_fold_is_its_definition(n, n_splits, longest, embargo, seed):
    close_time, resolved_at = rows_of(n, seed, longest)
    folds = PurgedKFold(n_splits, close_time=close_time, resolved_at=resolved_at, embargo=embargo)
    try:
        tested = np.concatenate([test for _, test in folds.split()])
    except DataError:
        assume(False)
    check(folds, close_time, resolved_at, embargo)
    np.testing.assert_array_equal(tested, np.flatnonzero(~np.isnat(resolved_at)))  # each row tests once


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    n=st.integers(60, 80),
    shape=st.sampled_from([(4, 1), (4, 2), (5, 2), (5, 3)]),
    longest=st.integers(0, 3),
    embargo=st.integers(0, 3),
    seed=st.integers(0, 10_000),
)
def test_the_combinations_are_their_definition(n, shape, longest, embargo, seed):
    close_time, resolved_at = rows_of(n, seed, longest)
    splits = CombinatorialPurgedCV(*shape, close_time=close_time, resolved_at=resolved_at, embargo=embargo)
    assert splits.get_n_splits() == comb(*shape)
    check(splits, close_time, resolved_at, embargo)


@pytest.mark.parametrize(("n_groups", "n_test_groups"), [(6, 2), (5, 3), (4, 1)])
def test_paths_use_every_tested_group_once(n_groups, n_test_groups):
    close_time, resolved_at = rows_of(300, 1, 2)
    splits = CombinatorialPurgedCV(n_groups, n_test_groups, close_time=close_time, resolved_at=resolved_at)
    paths = splits.paths()
    assert paths.shape == (splits.n_paths, n_groups)
    assert splits.n_paths == comb(n_groups, n_test_groups) * n_test_groups // n_groups
    tests = [set(test) for _, test in splits.split()]
    used = {(int(split), group) for path in paths for group, split in enumerate(path)}
    assert len(used) == paths.size
    for split, group in used:
        assert set(splits.group_rows(group)) <= tests[split]


def test_scikit_learn_takes_both():
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score

    close_time, resolved_at = rows_of(400, 2, 3)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 2))
    y = (x[:, 0] + 0.1 * rng.normal(size=400) > 0).astype(int)
    for cv in (
        PurgedKFold(4, close_time=close_time, resolved_at=resolved_at, embargo=2),
        CombinatorialPurgedCV(5, 2, close_time=close_time, resolved_at=resolved_at, embargo=2),
    ):
        scores = cross_val_score(LogisticRegression(), x, y, cv=cv)
        assert len(scores) == cv.get_n_splits()
        assert scores.min() > 0.8


def test_what_a_leak_would_win_is_not_won():
    """Labels that neighbours share, features that say only when: a plain k-fold believes in them."""
    from sklearn.model_selection import KFold, cross_val_score
    from sklearn.neighbors import KNeighborsRegressor

    span, rng = 20, np.random.default_rng(4)
    n = 2000
    close_time = np.datetime64("2021-01-01", "ns") + np.arange(n) * HOUR
    resolved_at = np.full(n, np.datetime64("NaT", "ns"))
    resolved_at[:-span] = close_time[span:]
    y = np.convolve(rng.normal(size=n + span - 1), np.ones(span), "valid")
    x = np.arange(n, dtype=float)[:, None]
    labelled = n - span
    nearest, squared = KNeighborsRegressor(1), "neg_mean_squared_error"
    leaking = cross_val_score(nearest, x[:labelled], y[:labelled], cv=KFold(100), scoring=squared)
    folds = PurgedKFold(100, close_time=close_time, resolved_at=resolved_at)
    purged = cross_val_score(nearest, x, y, cv=folds, scoring=squared)
    unrelated = 2.0 * y.var()  # the mean squared difference of two answers that share nothing
    assert -leaking.mean() < 0.75 * unrelated
    assert -purged.mean() > 0.9 * unrelated


def test_arguments_that_do_not_fit_are_refused():
    close_time, resolved_at = rows_of(40, 3, 2)
    times = {"close_time": close_time, "resolved_at": resolved_at}
    with pytest.raises(ConfigError, match="n_splits is 1: give 2 or more"):
        PurgedKFold(1, **times)
    with pytest.raises(ConfigError, match="3 of 3 groups cannot test: give n_test_groups from 1 to 2"):
        CombinatorialPurgedCV(3, 3, **times)
    with pytest.raises(ConfigError, match="the embargo is -1 bars: give 0 or more"):
        PurgedKFold(2, embargo=-1, **times)
    with pytest.raises(DataError, match="40 close times and 39 moments of resolution: give one of each"):
        PurgedKFold(2, close_time=close_time, resolved_at=resolved_at[1:])
    with pytest.raises(DataError, match=r"40 close times and 40 moments .* close times ascending"):
        PurgedKFold(2, close_time=close_time[::-1], resolved_at=resolved_at)
    with pytest.raises(DataError, match="labelled rows make no 50 groups: give more rows"):
        PurgedKFold(50, **times)
    with pytest.raises(DataError, match="there are 39 rows and 40 close times: give as many"):
        next(PurgedKFold(2, **times).split(np.zeros(39)))
    with pytest.raises(DataError, match="leaves no row to train on: give more rows, fewer splits or a small"):
        list(PurgedKFold(2, embargo=40, **times).split())
