"""Purged cross-validation, for comparing models: index arrays, and scikit-learn's splitter protocol.

Labels that span several bars make neighbouring rows share their answer. A plain k-fold trains on rows whose
label was still open when the test began, and on rows that were decided while a test label was open; both
are left out here. Later data trains the models of earlier tests, so these scores compare models and say
nothing about what trading them would have brought: that is the walk-forward's task.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from math import comb
from typing import Any

import numpy as np

from mlstrat.arrays import IntArray, TimeArray
from mlstrat.errors import ConfigError, DataError
from mlstrat.splits import purge


class _Purged:
    """What both splitters share: groups of consecutive rows, of which some test and the others train."""

    def __init__(
        self, n_groups: int, n_tested: int, close_time: TimeArray, resolved_at: TimeArray, embargo: int
    ) -> None:
        self.close_time = np.asarray(close_time, "datetime64[ns]")
        self.resolved_at = np.asarray(resolved_at, "datetime64[ns]")
        self.embargo = embargo
        if len(self.close_time) != len(self.resolved_at) or not (np.diff(self.close_time) > 0).all():
            raise DataError(
                f"{len(self.close_time):,} close times and {len(self.resolved_at):,} moments of resolution: "
                "give one of each a row, close times ascending."
            )
        if embargo < 0:
            raise ConfigError(f"the embargo is {embargo} bars: give 0 or more.")
        # A row whose label is not within the data neither trains nor tests.
        labelled = np.flatnonzero(~np.isnat(self.resolved_at))
        if len(labelled) < n_groups:
            raise DataError(f"{len(labelled):,} labelled rows make no {n_groups} groups: give more rows.")
        self._groups = np.array_split(labelled, n_groups)
        self._tested = tuple(combinations(range(n_groups), n_tested))

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of splits."""
        return len(self._tested)

    def split(self, X: Any = None, y: Any = None, groups: Any = None) -> Iterator[tuple[IntArray, IntArray]]:
        """Yield training and test rows of each split, ascending.

        Parameters
        ----------
        X : (n_rows, ...) array-like, optional
            Only its length is looked at: one row for each close time.
        y, groups : optional
            Not read.

        Raises
        ------
        DataError
            `X` has another number of rows, or the purge leaves no row to train on.
        """
        if X is not None and np.shape(X)[0] != len(self.close_time):
            raise DataError(
                f"there are {np.shape(X)[0]:,} rows and {len(self.close_time):,} close times: give as many."
            )
        for tested in self._tested:
            yield self._train(tested), np.concatenate([self._groups[k] for k in tested])

    def _train(self, tested: Sequence[int]) -> IntArray:
        others = [rows for k, rows in enumerate(self._groups) if k not in tested]
        train = np.concatenate(others) if others else np.empty(0, np.int64)
        for k in tested:
            train = self._apart(train, self._groups[k])
        if not len(train):
            raise DataError(
                "the purge leaves no row to train on: give more rows, fewer splits or a smaller embargo."
            )
        return train

    def _apart(self, train: IntArray, test: IntArray) -> IntArray:
        """Keep the rows whose label was known when the test began, or that were decided once it was over."""
        before = purge(train[train < test[0]], self.resolved_at, self.close_time[test[0]])
        over = int(np.searchsorted(self.close_time, self.resolved_at[test].max())) + self.embargo
        return np.concatenate([before, train[(train > test[-1]) & (train >= over)]])


class PurgedKFold(_Purged):
    """K folds of consecutive rows; each tests once, and the rest trains after a purge on both sides.

    A training row before the test is kept if its label was resolved by the close of the first test row; one
    after it, if it closes no earlier than the last test label resolved and `embargo` bars have passed since.

    Parameters
    ----------
    n_splits : int
        Folds, at least 2.
    close_time : (n_rows,) datetime64[ns]
        When each row is known and decided on, ascending.
    resolved_at : (n_rows,) datetime64[ns]
        When its label is known; NaT = not within the data, so the row neither trains nor tests.
    embargo : int
        Bars left out after the test, for features that look back into it.

    Raises
    ------
    ConfigError, DataError
        The arguments do not fit each other.

    References
    ----------
    Lopez de Prado, Advances in Financial Machine Learning, 2018, section 7.4.
    """

    def __init__(
        self, n_splits: int = 5, *, close_time: TimeArray, resolved_at: TimeArray, embargo: int = 0
    ) -> None:
        if n_splits < 2:
            raise ConfigError(f"n_splits is {n_splits}: give 2 or more.")
        self.n_splits = n_splits
        super().__init__(n_splits, 1, close_time, resolved_at, embargo)


class CombinatorialPurgedCV(_Purged):
    """Every choice of test groups among groups of consecutive rows, purged as in `PurgedKFold`.

    Parameters
    ----------
    n_groups : int
        Groups of consecutive rows, at least 2.
    n_test_groups : int
        How many of them test in a split, from 1 to `n_groups` - 1.
    close_time, resolved_at, embargo
        As for `PurgedKFold`.

    Raises
    ------
    ConfigError, DataError
        The arguments do not fit each other.

    References
    ----------
    Lopez de Prado, Advances in Financial Machine Learning, 2018, section 12.4.
    """

    def __init__(
        self,
        n_groups: int = 6,
        n_test_groups: int = 2,
        *,
        close_time: TimeArray,
        resolved_at: TimeArray,
        embargo: int = 0,
    ) -> None:
        if not 1 <= n_test_groups < n_groups:
            raise ConfigError(
                f"{n_test_groups} of {n_groups} groups cannot test: give n_test_groups from 1 to "
                f"{n_groups - 1}."
            )
        self.n_groups, self.n_test_groups = n_groups, n_test_groups
        super().__init__(n_groups, n_test_groups, close_time, resolved_at, embargo)

    @property
    def n_paths(self) -> int:
        """How many times each row is tested: so many whole histories can be put together."""
        return comb(self.n_groups - 1, self.n_test_groups - 1)

    def paths(self) -> IntArray:
        """(n_paths, n_groups) int64: the split whose test on the group belongs to the path."""
        by_group = [[s for s, tested in enumerate(self._tested) if k in tested] for k in range(self.n_groups)]
        return np.array(by_group, np.int64).T

    def group_rows(self, group: int) -> IntArray:
        """Return the rows of a group."""
        return self._groups[group]
