"""The ledger of the purge, against the windows and against plain counts."""

import numpy as np
import pytest

from mlstrat.purged import Split, as_csv, ledger


@pytest.fixture(scope="module")
def rows(tiny_run):
    return list(ledger(tiny_run.panel, tiny_run.schedule, tiny_run.config))


def of(rows, window):
    return {row.split: row for row in rows if row.window == window}


def test_every_window_has_every_split(rows, tiny_run):
    names = ["training", "inner training", "first half", "odds", "odds tail"]
    windows = len(tiny_run.predictions.windows)
    assert [(row.window, row.split) for row in rows] == [(k, name) for k in range(windows) for name in names]
    assert Split._fields == ("window", "split", "known_by", "rows", "purged")


def test_it_agrees_with_what_the_windows_say(rows, tiny_run):
    for window in tiny_run.predictions.windows:
        split = of(rows, window.fold)
        assert split["training"].rows - split["training"].purged == window.n_train
        assert split["training"].purged == window.purged
        assert split["inner training"].purged == window.purged_inner
        assert split["inner training"].rows == window.n_train - window.n_calibration
        assert split["odds tail"].rows == window.n_calibration


def test_it_agrees_with_counts_row_by_row(rows, tiny_run):
    """Which label, of those before a moment, is not known by it: counted in a loop over all bars."""
    panel, config = tiny_run.panel, tiny_run.config
    close, embargo = panel.bars.close_time, config.splits.embargo_bars
    ahead, longest = config.labels.target_periods + 1, config.stops.max_bars + 1
    for window in tiny_run.predictions.windows:
        split = of(rows, window.fold)
        known = max(t for t in range(len(close)) if close[t] <= window.cut)
        assert split["training"].known_by == close[known - embargo]
        before = [
            t for t in range(len(close)) if close[t] < window.cut and panel.bars.time[t] >= window.train_from
        ]
        late = [t for t in before if t + ahead > known - embargo]
        assert (len(before), len(late)) == (split["training"].rows, split["training"].purged)
        trained = [t for t in before if t not in set(late)]
        open_trades = [t for t in trained if t + longest > known - embargo]
        assert split["odds"].purged == len(open_trades)
        tail = trained[-window.n_calibration :]
        assert split["odds tail"].purged == len([t for t in tail if t + longest > known - embargo])
        half = tail[len(tail) // 2]
        assert split["first half"].known_by == close[half - embargo]
        assert split["first half"].purged == len([t for t in tail if t < half and t + ahead > half - embargo])
        early = trained[: -window.n_calibration]
        assert split["inner training"].purged == len([t for t in early if t + ahead > tail[0] - embargo])


def test_no_purge_is_empty(rows):
    assert all(0 < row.purged < row.rows for row in rows)
    assert all(isinstance(row.known_by, np.datetime64) for row in rows)


def test_as_a_file_it_has_one_line_a_split(rows):
    lines = as_csv(rows).decode().splitlines()
    assert lines[0] == "window,split,known_by,rows,purged"
    first = rows[0]
    assert lines[1] == f"0,training,{first.known_by},{first.rows},{first.purged}"
    assert len(lines) == len(rows) + 1
