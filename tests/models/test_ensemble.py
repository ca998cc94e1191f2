"""The ensemble: batch = row, purged tail, and no more belief in a vote than the tail supports."""

import subprocess
import sys

import numpy as np
import pytest

from mlstrat.config import ModelsConfig
from mlstrat.errors import NotEnoughBarsError
from mlstrat.logistic import PRIOR_SD, fit_slopes, logit, sigmoid
from mlstrat.models.ensemble import (
    MAGNITUDE,
    PROB_UP,
    ensemble_sha256,
    predict_block,
    predict_row,
    start_state,
    to_tensors,
)
from mlstrat.models.fitting import fit_ensemble
from mlstrat.models.sample import Sample
from mlstrat.models.soundness import sound_ensemble

HOUR = np.timedelta64(3_600_000_000_000, "ns")
SIZES = ModelsConfig(
    bins=15, rf_n_estimators=10, rf_max_depth=4, gb_n_estimators=10, lstm_units=4, lstm_epochs=2
)


def sample_of(strength, n=3000, seed=0, overlap=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 5))
    ret = 0.01 * (strength * x[:, 2] + rng.normal(size=n))
    close_time = np.datetime64("2021-01-01", "ns") + np.arange(1, n + 1) * HOUR
    resolved_at = close_time + (overlap + 1) * HOUR
    up = (ret > 0).astype(float)
    train = np.arange(20, n - overlap - 1)
    return Sample(x, ret, up, resolved_at, close_time, 20, train, float(overlap), 2)


@pytest.fixture(scope="module")
def fitted():
    return fit_ensemble(sample_of(0.5), SIZES, 0.3, (1, 2, 3))


def test_batch_is_the_loop_over_rows_bit_for_bit(fitted):
    ensemble, _ = fitted
    x = sample_of(0.5, seed=9).x
    batch_state, row_state = start_state(ensemble.models), start_state(ensemble.models)
    block = predict_block(x, batch_state, ensemble)
    rows = np.empty_like(block)
    for t in range(len(x)):
        predict_row(x[t].copy(), row_state, ensemble, rows[t])
    np.testing.assert_array_equal(block, rows)
    np.testing.assert_array_equal(batch_state, row_state)
    halves = np.concatenate(
        [
            predict_block(part, state, ensemble)
            for state in [start_state(ensemble.models)]
            for part in (x[:700], x[700:])
        ]
    )
    np.testing.assert_array_equal(block, halves)


def test_an_unknown_feature_gives_no_prediction_and_keeps_the_state(fitted):
    ensemble, _ = fitted
    state, out = start_state(ensemble.models) + 0.25, np.zeros(5)
    predict_row(np.array([1.0, np.nan, 0.0, 0.0, 0.0]), state, ensemble, out)
    assert np.isnan(out).all()
    assert (state == 0.25).all()


def test_tail_predictions_come_from_models_that_never_saw_the_tail():
    """Scrambling the labels of the tail changes the stack, but no vote on the tail."""
    plain = sample_of(0.5)
    _, inner = fit_ensemble(plain, SIZES, 0.3, (1, 2, 3))
    scrambled = sample_of(0.5)
    tail = inner.rows
    scrambled.ret[tail] = scrambled.ret[tail][::-1].copy()
    scrambled.up[tail] = scrambled.up[tail][::-1].copy()
    _, other = fit_ensemble(scrambled, SIZES, 0.3, (1, 2, 3))
    np.testing.assert_array_equal(inner.block[:, 2:], other.block[:, 2:])
    assert not np.array_equal(inner.stacked, other.stacked)


def test_no_row_of_the_tail_is_stacked_by_what_was_fitted_on_it():
    """Scrambling the labels of one half changes how the other half is stacked, and only that."""
    _, inner = fit_ensemble(sample_of(0.5), SIZES, 0.3, (1, 2, 3))
    for own in (0, 1):
        rows = inner.rows[inner.half == own]
        changed = sample_of(0.5)
        changed.up[rows] = changed.up[rows][::-1].copy()
        _, other = fit_ensemble(changed, SIZES, 0.3, (1, 2, 3))
        same = inner.block[:, PROB_UP] == other.block[:, PROB_UP]
        assert same[inner.half == own].all()
        assert not same[inner.half == 1 - own].any()


@pytest.mark.parametrize("overlap", [1, 12])
def test_the_tail_is_purged_by_resolution_and_embargo(overlap):
    sample = sample_of(0.5, overlap=overlap)
    _, inner = fit_ensemble(sample, SIZES, 0.3, (1, 2, 3))
    # A label spans overlap + 1 bars, the embargo two more; one of them is the tail's own first bar.
    assert inner.purged == overlap + 2
    assert len(inner.rows) == int(len(sample.train) * 0.3)


def test_a_planted_signal_is_found_and_noise_is_not_believed():
    for strength, least, most in ((0.6, 0.5, 1.0), (0.0, 0.0, 0.15)):
        ensemble, _ = fit_ensemble(sample_of(strength), SIZES, 0.3, (1, 2, 3))
        fresh = sample_of(strength, n=6000, seed=77)
        block = predict_block(fresh.x, start_state(ensemble.models), ensemble)
        true = sigmoid(1.702 * strength * fresh.x[:, 2])
        spread = np.std(logit(block[:, PROB_UP])) / max(np.std(logit(true)), 1.0)
        assert least <= spread <= most
        loss = -np.mean(fresh.up * np.log(block[:, PROB_UP]) + (1 - fresh.up) * np.log(1 - block[:, PROB_UP]))
        base = np.log(2)
        assert loss < (base - 0.05 if strength else base + 0.003)
        assert np.isfinite(block[:, MAGNITUDE]).all()


def test_slopes_maximise_the_posterior():
    rng = np.random.default_rng(2)
    z = rng.normal(size=(400, 1))
    y = (rng.random(400) < sigmoid(0.2 + 0.4 * z[:, 0])).astype(float)
    grid = np.linspace(0, 1, 2001)
    eta = 0.2 + z * grid
    log_posterior = (y[:, None] * eta - np.log1p(np.exp(eta))).sum(axis=0) / 3.0 - 0.5 * (
        grid / PRIOR_SD
    ) ** 2
    assert fit_slopes(z, y, 0.2, 3.0)[0] == pytest.approx(grid[np.argmax(log_posterior)], abs=1e-3)
    assert fit_slopes(-z, y, 0.2, 3.0)[0] == 0.0  # a vote against the truth is not turned round


def test_tensors_rebuild_the_same_model(fitted):
    ensemble, _ = fitted
    tensors = to_tensors(ensemble) | {"state": start_state(ensemble.models)}
    again, _ = sound_ensemble(tensors, len(ensemble.models.edges))
    assert ensemble_sha256(again) == ensemble_sha256(ensemble)
    x = sample_of(0.5).x[:50]
    np.testing.assert_array_equal(
        predict_block(x, start_state(again.models), again),
        predict_block(x, start_state(ensemble.models), ensemble),
    )


def test_a_short_window_is_refused():
    with pytest.raises(NotEnoughBarsError, match="A training window needs 834 bars but got"):
        fit_ensemble(sample_of(0.5, n=500), SIZES, 0.3, (1, 2, 3))


def test_the_same_seeds_give_the_same_model_in_another_process(fitted):
    code = (
        "from tests.models.test_ensemble import *;"
        "print(ensemble_sha256(fit_ensemble(sample_of(0.5), SIZES, 0.3, (1, 2, 3))[0]))"
    )
    for hash_seed in ("0", "7"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": hash_seed},
        )
        assert done.stdout.strip() == ensemble_sha256(fitted[0])
