"""The tested slope, against nested least squares, and how often it is wrong and right on drawn moods."""

import numpy as np
import pytest
from scipy import stats

from mlstrat.sentiment.analysis.trend import CRITICAL_T, MIN_BLOCKS, N_BLOCKS, WAVES, trend

SPAN = np.linspace(-0.5, 0.5, N_BLOCKS)
SURE = np.ones(N_BLOCKS)


def drawn(rng, persistence=0.0, rise=0.0, noise=0.1):
    """Moods of one window: an AR(1) around a line that rises by `rise` from end to end."""
    shocks = rng.normal(size=N_BLOCKS + 60)
    mood = np.zeros_like(shocks)
    for i in range(1, len(shocks)):
        mood[i] = persistence * mood[i - 1] + np.sqrt(1 - persistence**2) * shocks[i]
    return np.clip(noise * mood[60:] + rise * SPAN, -1, 1)


def squares_left(score, confidence, columns):
    root = np.sqrt(confidence)
    fitted = np.linalg.lstsq(np.column_stack(columns) * root[:, None], score * root, rcond=None)[0]
    return float(np.sum((score * root - np.column_stack(columns) @ fitted * root) ** 2)), fitted


def by_nested_regressions(score, confidence):
    """The same test by what is left of three regressions: level; level and line; and the waves besides."""
    known = np.flatnonzero(confidence > 0)
    score, confidence = score[known], confidence[known]
    x = (known - known[0]) / (known[-1] - known[0])
    one = np.ones_like(x)
    waves = [np.cos(2 * np.pi * k * x / 2) for k in range(2, 6)]
    level, _ = squares_left(score, confidence, [one])
    line, fitted = squares_left(score, confidence, [one, x])
    full, _ = squares_left(score, confidence, [one, x, *waves])
    ratio = (level - line) / ((line - full) / 4)
    if stats.f.sf(ratio, 1, 4) >= 0.05:
        return "stable"
    return "improving" if fitted[1] > 0 else "declining"


def test_the_critical_value_is_students():
    assert stats.t.ppf(0.975, WAVES) == pytest.approx(CRITICAL_T, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_the_slope_agrees_with_nested_regressions(seed):
    rng = np.random.default_rng(seed)
    seen = set()
    for _ in range(60):
        score = drawn(rng, 0.3, rng.choice([-0.3, 0.0, 0.3]))
        confidence = np.where(rng.random(N_BLOCKS) < 0.25, 0.0, rng.uniform(0.05, 1, N_BLOCKS))
        if (confidence > 0).sum() < MIN_BLOCKS:
            continue
        expected = by_nested_regressions(score, confidence)
        assert trend(score, confidence) == expected
        seen.add(expected)
    assert seen == {"improving", "stable", "declining"}


def share_of_trends(seed, runs, **kind):
    rng = np.random.default_rng(seed)
    said = [trend(drawn(rng, **kind), SURE) for _ in range(runs)]
    return said.count("improving") / runs, said.count("declining") / runs


def test_false_alarms_on_independent_moods_are_five_in_a_hundred():
    up, down = share_of_trends(1, 4000)
    assert up + down <= 0.06
    assert abs(up - down) < 0.02


def test_false_alarms_stay_few_where_moods_persist():
    up, down = share_of_trends(2, 2000, persistence=0.3)
    assert up + down <= 0.07


def test_a_planted_slope_is_found_and_has_its_sign():
    up, down = share_of_trends(3, 500, rise=0.4)
    assert up >= 0.9
    assert down == 0.0
    up, down = share_of_trends(4, 500, rise=-0.4)
    assert down >= 0.9
    assert up == 0.0


def test_uncertain_blocks_hardly_matter():
    score, confidence = 0.4 * SPAN + 0.02 * np.cos(np.arange(N_BLOCKS) ** 2), SURE.copy()
    score[[3, 20]], confidence[[3, 20]] = (1.0, -1.0), 1e-9
    assert trend(score, confidence) == "improving"
    assert trend(score, SURE) == "stable"


@pytest.mark.parametrize("known", [0, 1, MIN_BLOCKS - 1])
def test_few_known_blocks_are_stable(known):
    confidence = np.zeros(N_BLOCKS)
    confidence[:known] = 1.0
    assert trend(SPAN, confidence) == "stable"


@pytest.mark.parametrize("level", [-1.0, 0.0, 1 / 3, 1.0])
def test_a_constant_mood_is_stable(level):
    assert trend(np.full(N_BLOCKS, level), SURE) == "stable"
    assert trend(np.full(N_BLOCKS, level), np.random.default_rng(0).uniform(0.1, 1, N_BLOCKS)) == "stable"


def test_an_exact_line_is_a_trend():
    assert trend(SPAN, SURE) == "improving"
    assert trend(-SPAN, SURE) == "declining"
