"""What the small profile costs: two runs on the same windows, paired by bar."""

import numpy as np
import pytest

from mlstrat import profiles
from mlstrat.config import PINE_PROFILE, parse_config
from mlstrat.models.scores import log_loss
from mlstrat.pipeline import run
from mlstrat.profiles import profile_cost, with_profile

CONTENT = {
    "jobs": 1,
    "data": {"bars": "sample:BTCUSDT_1h", "start": "2023-01-01", "end": "2023-04-10"},
    "features": {"names": ["ret_1", "rsi_14", "bb_position"]},
    "splits": {"training_days": 60, "retrain": "month", "max_windows": 1},
    "models": {"profile": "pine", "lstm_epochs": 1, "gb_n_estimators": 9, "rf_max_depth": 3},
    "report": {"seeds": 1},
}


@pytest.mark.parametrize("profile", ["pine", "full"])
def test_a_profile_keeps_what_the_run_says_itself(profile):
    models = with_profile(parse_config(CONTENT), profile).models
    assert (models.profile, models.lstm_epochs, models.gb_n_estimators, models.rf_max_depth) == (
        profile,
        1,
        9,
        3,
    )
    assert models.characters == (PINE_PROFILE["characters"] if profile == "pine" else 0)
    assert models.lstm_units == (PINE_PROFILE["lstm_units"] if profile == "pine" else 32)


def test_a_full_run_becomes_a_small_one():
    content = CONTENT | {"models": {"profile": "full", "lstm_epochs": 1}}
    models = with_profile(parse_config(content), "pine").models
    assert (models.bins, models.lstm_epochs, models.rf_n_estimators) == (
        15,
        1,
        PINE_PROFILE["rf_n_estimators"],
    )


def test_the_two_runs_are_compared_bar_by_bar(monkeypatch):
    monkeypatch.setattr(profiles, "bootstrap_block", lambda bars, ahead: 25.0)
    config = parse_config(CONTENT)
    cost = profile_cost(config)
    small, full = (run(with_profile(config, name)) for name in ("pine", "full"))
    up = small.panel.labels.up
    both = np.isfinite(small.predictions.prob_up) & np.isfinite(up)
    losses = [log_loss(one.predictions.prob_up[both], up[both]) for one in (small, full)]
    assert cost.loss.estimate == pytest.approx(losses[0] - losses[1], abs=1e-12)
    assert cost.loss.low < cost.loss.estimate < cost.loss.high
    assert cost.bars == both.sum()
    assert cost.small.trades == len(small.result.trades) - np.sum(small.result.trades.reason == 0)
    assert f"over {cost.bars:,} bars" in cost.sentence
