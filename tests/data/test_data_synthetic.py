"""The null case: a walk with honest extremes and no information; and as much as is planted."""

import numpy as np
import pytest

from mlstrat.data.synthetic import gapping, planted, random_walk
from mlstrat.errors import DataError


def test_same_seed_same_bits_and_a_longer_walk_begins_alike() -> None:
    walk = random_walk(300, 5)
    assert walk.sha256 == random_walk(300, 5).sha256
    assert random_walk(500, 5)[:300].sha256 == walk.sha256
    assert random_walk(300, 6).sha256 != walk.sha256


def test_chunks_leave_no_seam() -> None:
    assert random_walk(20_010, 7)[:19_990].sha256 == random_walk(19_990, 7).sha256


def test_steps_are_normal_and_driftless() -> None:
    walk = random_walk(20_000, 8)
    step = np.diff(np.log(walk.close))
    assert np.std(step) * 20_000 / 0.01 == pytest.approx(400, rel=0.02)
    assert abs(step.mean()) < 3 * step.std() / np.sqrt(len(step))
    assert abs(np.corrcoef(step[1:], step[:-1])[0, 1]) < 0.025
    assert np.std(np.diff(walk.close)) / 0.01 >= 240


def test_range_is_that_of_a_fine_path() -> None:
    """Feller 1951: the mean range of Brownian motion is sqrt(8 / pi) = 1.596 standard deviations.

    On m steps it is less by about 2 x 0.5826 / sqrt(m) (Broadie, Glasserman and Kou 1997): 1.445 for 60.
    """
    walk = random_walk(20_000, 9)
    ranges = np.log(walk.high / walk.low)
    assert ranges.mean() / 2e-4 == pytest.approx(np.sqrt(8 / np.pi) - 2 * 0.5826 / np.sqrt(60), rel=0.02)


def test_open_is_the_last_close_and_prices_lie_on_the_tick() -> None:
    walk = random_walk(1000, 10, tick=0.25, start=500_000.0)
    np.testing.assert_array_equal(walk.open[1:], walk.close[:-1])
    np.testing.assert_array_equal(walk.close * 4, np.round(walk.close * 4))
    assert walk.instrument.tick == 0.25


def test_drift_is_the_mean_log_return() -> None:
    walk = random_walk(5000, 11, drift=1e-4)
    plain = random_walk(5000, 11)
    gained = np.log(walk.close[-1] / walk.open[0]) - np.log(plain.close[-1] / plain.open[0])
    assert gained == pytest.approx(0.5, abs=1e-5)


def test_gapping_moves_opens_and_keeps_the_shape_of_bars() -> None:
    walk = random_walk(5000, 12)
    gaps = gapping(walk, 1, share=0.3)
    assert np.mean(gaps.open[1:] != gaps.close[:-1]) == pytest.approx(0.3, abs=0.03)
    np.testing.assert_allclose(gaps.close / gaps.open, walk.close / walk.open, atol=2e-6)
    assert gapping(walk, 1, share=0.3).sha256 == gaps.sha256


def test_impossible_walks() -> None:
    with pytest.raises(DataError, match="walk of 0 bars was asked for: ask for at least 1"):
        random_walk(0, 1)
    with pytest.raises(DataError, match=r"step_ticks is 10: .* give at least 240"):
        random_walk(10, 1, step_ticks=10)
    with pytest.raises(DataError, match=r"the walk of seed 1 fell to .*: raise step_ticks"):
        random_walk(5000, 1, drift=-1e-3)
    with pytest.raises(DataError, match=r"give a share in .* and a gap above 0"):
        gapping(random_walk(10, 1), 1, share=0.0)


def test_planted_bars_rise_as_often_as_they_say_and_neither_part_alone_tells() -> None:
    walk = random_walk(20_000, 4, step_ticks=8000.0)
    bars, prob = planted(walk, 9, edge=0.1)
    rose = bars.close > bars.open
    following = rose[1:]
    for level in (0.4, 0.6):
        rows = np.flatnonzero(np.isclose(prob[:-1], level))
        assert len(rows) > 8000
        assert following[rows].mean() == pytest.approx(level, abs=3.5 * 0.5 / np.sqrt(len(rows)))
    assert (prob[:19] == 0.5).all()
    busy = bars.volume > bars.frame()["volume"].rolling(20).mean().to_numpy()
    for alone in (rose[:-1], busy[:-1]):
        assert following[alone].mean() == pytest.approx(0.5, abs=0.02)
    np.testing.assert_array_equal(bars.open[1:], bars.close[:-1])
    moves, before = np.abs(np.log(bars.close / bars.open)), np.abs(np.log(walk.close / walk.open))
    np.testing.assert_allclose(moves, before, atol=1e-5)


def test_planted_bars_depend_on_no_later_bar() -> None:
    walk = random_walk(600, 4, step_ticks=8000.0)
    whole, prob = planted(walk, 9)
    part, known = planted(walk[:400], 9)
    np.testing.assert_array_equal(part.matrix, whole[:400].matrix)
    np.testing.assert_array_equal(known[:399], prob[:399])
    with pytest.raises(DataError, match=r"edge is 0.5: give a number in \(0, 0.5\)"):
        planted(walk, 9, edge=0.5)
