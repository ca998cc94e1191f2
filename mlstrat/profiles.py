"""What models small enough for one script cost: the same run with profile `pine` and with profile `full`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlstrat.bootstrap import Interval, bootstrap_block, bootstrap_mean
from mlstrat.config import PINE_PROFILE, RunConfig, parse_config
from mlstrat.controls import seed_row
from mlstrat.foldcache import FoldCache
from mlstrat.models.scores import log_losses
from mlstrat.pipeline import Run, Watcher, load_bars, load_others, load_panel, require, run_panel
from mlstrat.reports.controls import SeedRow
from mlstrat.sentiment.series import mood_for


@dataclass(frozen=True)
class ProfileCost:
    """Two runs on the same bars, windows, features and seed.

    Parameters
    ----------
    small, full : SeedRow
        Log loss, trades and return of each.
    loss : Interval
        Log loss of the small one less that of the full one, paired by bar, in nats; above 0 = a cost.
    bars : int
        Bars that are scored in both.
    """

    small: SeedRow
    full: SeedRow
    loss: Interval
    bars: int

    @property
    def sentence(self) -> str:
        """What it comes to."""
        clear = "which is clear of zero" if self.loss.low > 0 or self.loss.high < 0 else "which covers zero"
        return (
            f"Profile pine's log loss is {self.loss.estimate:+.5f} nats beside full's (95 % interval "
            f"{self.loss.low:+.5f} to {self.loss.high:+.5f}, {clear}), over {self.bars:,} bars."
        )


def profile_cost(
    config: RunConfig, watcher: Watcher | None = None, cache: FoldCache | None = None
) -> ProfileCost:
    """Run a configuration with both profiles, in memory.

    Parameters
    ----------
    config : RunConfig
        The run. Sizes that it sets itself and that differ from those of `pine` are kept in both.
    watcher : Watcher, optional
        Told what goes on.
    cache : FoldCache, optional
        Keeps fitted models.

    Raises
    ------
    ConfigError, DataError, ModelError, MissingExtraError
        The run cannot be made.
    """
    watcher = watcher or Watcher()
    require(config, "kernel")
    bars = load_bars(config)
    mood, others = mood_for(bars, config.sentiment), load_others(config)
    panel = load_panel(bars, mood, config, others)
    runs: dict[str, Run] = {}
    for profile in ("pine", "full"):
        watcher.stage(f"running with profile {profile}")
        one = with_profile(config, profile)
        runs[profile] = run_panel(panel, one, watcher=watcher, cache=cache, others=others)
    small, full = runs["pine"], runs["full"]
    up = panel.labels.up
    both = np.isfinite(small.predictions.prob_up) & np.isfinite(full.predictions.prob_up) & np.isfinite(up)
    gap = log_losses(small.predictions.prob_up[both], up[both])
    gap -= log_losses(full.predictions.prob_up[both], up[both])
    block = bootstrap_block(int(both.sum()), config.labels.target_periods)
    rows = seed_row(small), seed_row(full)
    return ProfileCost(*rows, bootstrap_mean(gap, block, config.seed), int(both.sum()))


def with_profile(config: RunConfig, profile: str) -> RunConfig:
    """Return the run with the sizes of a profile where its own are those of `pine`, or not its own."""
    content = config.model_dump(mode="json")
    sizes = content["models"]
    kept = {name: value for name, value in sizes.items() if value != PINE_PROFILE.get(name, sizes)}
    kept.pop("profile")
    usual = type(config.models)().model_dump(mode="json")
    own = {name: value for name, value in kept.items() if value != usual.get(name)}
    return parse_config({**content, "models": {**own, "profile": profile}}, "the run")
