"""Small inputs that many tests share; the heavy ones are made once a session."""

import pytest

from mlstrat.config import RunConfig, parse_config

TINY = {
    "jobs": 1,
    "features": {"names": ["ret_1", "ret_5", "rsi_14", "bb_position", "atr_14", "volume_ratio", "hour_sin"]},
    "splits": {"training_days": 60, "retrain": "month", "embargo_bars": 3},
    "models": {
        "bins": 15,
        "rf_n_estimators": 5,
        "rf_max_depth": 3,
        "gb_n_estimators": 5,
        "gb_max_leaves": 4,
        "lstm_units": 3,
        "lstm_epochs": 1,
    },
    "kelly": {"shrink": "off"},
    "report": {"seeds": 1},
}


@pytest.fixture(scope="module", autouse=True)
def no_features_left_behind():
    """Take out of the registry what a module's plugins put into it."""
    from mlstrat.features.lookup import registered

    before = set(registered())
    yield
    known = registered()
    for name in set(known) - before:
        del known[name]


@pytest.fixture(scope="session")
def tiny_config() -> RunConfig:
    """A run that fits a window in a fraction of a second."""
    return parse_config(TINY)


@pytest.fixture(scope="session")
def walk():
    """3,600 hourly bars, 0.5 % a bar, with a drift worth trading and no fee, so that trades happen."""
    from dataclasses import replace

    from mlstrat.data.synthetic import random_walk

    bars = random_walk(3600, seed=11, step_ticks=10_000.0, drift=4e-4)
    return replace(bars, instrument=bars.instrument.with_facts(fee_share=0.0))


@pytest.fixture(scope="session")
def tiny_run(walk, tiny_config):
    """The tiny configuration run on the walk by the kernel."""
    from mlstrat.pipeline import run
    from mlstrat.sentiment.align import neutral

    return run(tiny_config, bars=walk, mood=neutral(walk))
