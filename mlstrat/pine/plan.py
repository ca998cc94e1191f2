"""How many windows of a run fit a script, told before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from mlstrat.calibration import LEAST_BLOCK, Kind
from mlstrat.config import PINE_PROFILE, RunConfig
from mlstrat.errors import ConfigError
from mlstrat.features.lookup import find
from mlstrat.inputs import of_bars
from mlstrat.pine.budget import Budget, library_budget
from mlstrat.pine.exported import script_of
from mlstrat.pine.largest import Asked, largest_source
from mlstrat.pine.source import Source
from mlstrat.pine.text import TOKEN_BUDGET

_MOST_TREES = 2_000  # as many as the settings take
ONE, LIBRARIES, NEITHER = "one script", "--libraries", "no"


@dataclass(frozen=True)
class Size:
    """Estimates of compiled tokens, at most.

    Parameters
    ----------
    fixed, window : int
        One script: what every script of the run has, and what a window adds.
    fixed_apart, window_apart : int
        The same of a strategy whose windows stand in libraries.
    library : int
        A window's library.
    """

    fixed: int
    window: int
    fixed_apart: int
    window_apart: int
    library: int

    def tokens(self, windows: int) -> int:
        """Return what one script of so many windows takes."""
        return self.fixed + windows * self.window

    @property
    def most(self) -> int:
        """Windows that one script holds."""
        return max(TOKEN_BUDGET - self.fixed, 0) // self.window

    @property
    def most_apart(self) -> int:
        """Windows that a strategy with libraries holds."""
        if self.library > TOKEN_BUDGET:
            return 0
        windows = max(TOKEN_BUDGET - self.fixed_apart, 0) // self.window_apart
        while windows and self.library > library_budget(windows):
            windows -= 1
        return windows

    def verdict(self, windows: int) -> str:
        """Return what holds so many windows: one script, a strategy with libraries, or neither."""
        if windows <= self.most:
            return ONE
        return LIBRARIES if windows <= self.most_apart else NEITHER


def size_of(asked: Asked, kind: Kind | None = None) -> Size:
    """Measure scripts of one and of two largest windows, made as those of a run are.

    Parameters
    ----------
    asked : Asked
        The run.
    kind : {"platt", "beta", "isotonic"}, optional
        Calibration maps, isotonic ones with `most_steps`; by default `usual_map`.

    Raises
    ------
    ConfigError
        Something of the run has no Pine form.
    """
    refuse(asked.config, asked.features)
    maps = kind or usual_map(asked.config)
    made = largest_source(asked, 2, maps, most_steps(asked))
    one, apart = ([_measured(made, windows, libraries) for windows in (1, 2)] for libraries in (False, True))
    window, window_apart = (second.tokens - first.tokens for first, second in (one, apart))
    return Size(
        fixed=one[0].tokens - window,
        window=window,
        fixed_apart=apart[0].tokens - window_apart,
        window_apart=window_apart,
        library=apart[1].library_tokens[-1],
    )


def usual_map(config: RunConfig) -> Kind:
    """Return the map that is counted: the one asked for, or the larger one of those without steps."""
    asked = config.models.calibration
    return "beta" if asked == "auto" else asked


def most_steps(asked: Asked) -> int:
    """Return how many steps an isotonic map may have: each stands for so many independent labels."""
    config = asked.config
    tail = math.ceil(config.splits.calibration_share * asked.rows)
    return max(int(tail / config.labels.target_periods / LEAST_BLOCK), 1)


def refuse(config: RunConfig, features: tuple[str, ...]) -> None:
    """Raise ConfigError for what has no Pine form, all features in one message."""
    missing = [name for name in of_bars(features) if find(name).pine is None or find(name).symbol]
    if missing:
        raise ConfigError(
            f"without a Pine form: {', '.join(missing)}: take them out of features.names; "
            "mlstrat features list --pine shows the features that have one."
        )
    if config.sentiment.source != "none" and config.sentiment.resolution != "1d":
        raise ConfigError(
            "sentiment by the bar has no Pine form, because a script carries one value a day: set "
            'sentiment.resolution = "1d".'
        )
    if config.models.own:
        raise ConfigError(
            f"how large models.{next(iter(config.models.own))} will be shows only in training: run, and then "
            "mlstrat pine export tells what the script weighs."
        )


def alternatives(asked: Asked) -> Iterator[Asked]:
    """Yield the run with other sizes.

    Half of its trees, as many and twice as many, with 2 and with 3 characters; half of its features; and the
    sizes of the profile `pine`, where it has others.
    """
    config = asked.config
    trees = config.models.rf_n_estimators, config.models.gb_n_estimators
    for characters in (2, 3):
        for factor in (0.5, 1.0, 2.0):
            forest, boosting = (min(max(round(count * factor), 1), _MOST_TREES) for count in trees)
            changed = {"rf_n_estimators": forest, "gb_n_estimators": boosting, "characters": characters}
            models = config.models.model_copy(update=changed)
            yield _with(asked, config.model_copy(update={"models": models}), asked.features)
    half = asked.features[: max(len(asked.features) // 2, 1)]
    yield _with(asked, config, half)
    if config.models.profile != "pine":
        models = config.models.model_copy(update=PINE_PROFILE)
        yield _with(asked, config.model_copy(update={"models": models}), asked.features)


def _with(asked: Asked, config: RunConfig, features: tuple[str, ...]) -> Asked:
    place = asked.symbol, asked.timeframe, asked.instrument
    return Asked(config, features, *place, rows=asked.rows, days=asked.days)


def _measured(made: Source, windows: int, libraries: bool) -> Budget:
    timing = made.timing
    first_slots, trained_at = timing.first_slots[:windows], timing.trained_at[:windows]
    timing = replace(timing, first_slots=first_slots, trained_at=trained_at)
    part = replace(made, capsules=made.capsules[:windows], timing=timing)
    return script_of(part, "replay", libraries=libraries).budget
