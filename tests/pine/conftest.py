"""Small walk-forwards whose windows are exported."""

from dataclasses import dataclass

import numpy as np
import pytest

from mlstrat.capsule import Capsule, load
from mlstrat.config import parse_config, with_overrides
from mlstrat.features.lookup import find
from mlstrat.foldstore import FoldStore
from mlstrat.inputs import of_bars
from mlstrat.pine.timing import Timing
from mlstrat.pipeline import Run, run
from mlstrat.sentiment.align import SentimentSeries, daily_values

SMALL = {
    "jobs": 1,
    "features": {"names": ["ret_1", "ret_5", "rsi_14", "bb_position", "atr_14", "volume_ratio", "hour"]},
    "splits": {"training_days": 60, "retrain": "month", "embargo_bars": 3, "max_windows": 2},
    "models": {
        "profile": "pine",
        "rf_n_estimators": 5,
        "rf_max_depth": 3,
        "gb_n_estimators": 5,
        "gb_max_leaves": 4,
        "lstm_units": 3,
        "lstm_epochs": 1,
    },
    "signals": {"sentiment_gate": False},
    "kelly": {"shrink": "off"},
    "report": {"seeds": 1},
}
HOUR = 3_600


@dataclass(frozen=True, eq=False)
class Walked:
    """A walk-forward in memory, its stored windows, and when they speak."""

    run: Run
    capsules: tuple[Capsule, ...]
    timing: Timing


@pytest.fixture(scope="session")
def pine_settings():
    """Settings of a small run whose models a script can carry."""
    return SMALL


@pytest.fixture(scope="session")
def mood(walk):
    """A mood of so many days, on the levels of one character; nothing is known on every third day."""
    days = walk.time.astype("datetime64[D]").astype(np.int64)
    codes = np.where(days % 3 == 0, 0, 1 + (days * 7) % 84)
    score, confidence = daily_values(codes)
    return SentimentSeries(walk.time, score, confidence, np.ones(len(walk), np.int64))


@pytest.fixture(scope="session")
def walked(walk, mood, tmp_path_factory):
    """Walk forward with settings; the same ones are walked once."""
    made: dict[tuple[str, ...], Walked] = {}

    def of(*settings: str) -> Walked:
        if settings not in made:
            config = parse_config(with_overrides(SMALL, settings))
            folder = tmp_path_factory.mktemp("windows")
            done = run(config, bars=walk, mood=mood, store=FoldStore(folder, "key"))
            capsules = tuple(load(path) for path in sorted(folder.glob("*/model.capsule")))
            made[settings] = Walked(done, capsules, _timing(done, capsules))
        return made[settings]

    return of


def _timing(done: Run, capsules: tuple[Capsule, ...]) -> Timing:
    bars, fold = done.panel.bars, done.predictions.fold
    slots = bars.time.astype("datetime64[s]").astype(np.int64) // HOUR
    first = [int(slots[np.flatnonzero(fold == k)[0]]) for k in range(len(capsules))]
    end = int(slots[np.flatnonzero(fold >= 0)[-1]]) + 1
    warmup = max(find(name).warmup for name in of_bars(capsules[0].about.features))
    return Timing(tuple(first), end, int(slots[0]), warmup, warmup + 100, tuple(range(len(capsules))))
