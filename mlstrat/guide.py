"""The guide's classes, thin over the package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlstrat.data.bars import Bars
from mlstrat.features.matrix import build
from mlstrat.importance import as_bars, get_feature_importance_analysis

if TYPE_CHECKING:
    import pandas as pd

    from mlstrat.live import LiveForecast


def assess_risk(forecast: LiveForecast, bar: int = -1) -> dict[str, float | str | None]:
    """Say what speaks against a trade at a bar of a forecast, and what is done.

    Parameters
    ----------
    forecast : LiveForecast
        From `mlstrat.live.Predictor.forecast`.
    bar : int
        Which bar; by default the last one.

    Returns
    -------
    dict
        volatility, liquidity, drawdown, disagreement, novelty and staleness from 0 to 1 (see
        `mlstrat.signals.risk.RiskColumns`), None where one is not known, as the drawdown of no account is
        not; `action` (enter or skip) and `reason`.
    """
    from mlstrat.signals import risk

    said = asdict(risk.assess_risk(forecast.decisions, forecast.risk, bar))
    return {name: None if value != value else value for name, value in said.items()}


class FeatureEngineering:
    """Features of OHLCV tables, and what they are worth.

    Parameters
    ----------
    names, families : sequence of str
        Features, as for `mlstrat.features.matrix.build`; both empty = every model input.
    **reading
        How tables are read, as for `read_bars`: `symbol`, `timeframe`, `tz` and so on. A table without a
        symbol needs none.
    """

    def __init__(self, names: Sequence[str] = (), families: Sequence[str] = (), **reading: Any) -> None:
        self.names, self.families, self.reading = tuple(names), tuple(families), reading

    def create_features(self, ohlcv: Bars | pd.DataFrame | str | Path) -> pd.DataFrame:
        """Return one row a bar, indexed by its open time (UTC), and one column a feature.

        A row is known at the close of its bar and depends on bars up to it only; NaN before a feature's
        lookback.

        Raises
        ------
        ConfigError, DataError
            A feature is not registered, or the bars cannot be used.
        """
        import pandas as pd

        bars = as_bars(ohlcv, **self.reading)
        made = build(bars, self.names, self.families)
        index = pd.DatetimeIndex(bars.time, tz="UTC", name="time")
        return pd.DataFrame(made.values.copy(), index=index, columns=list(made.names))

    def get_feature_importance_analysis(
        self, ohlcv: Bars | pd.DataFrame | str | Path, target_periods: int = 5, **settings: Any
    ) -> dict[str, Any]:
        """Measure what each feature is worth (see `mlstrat.importance.get_feature_importance_analysis`)."""
        bars = as_bars(ohlcv, **self.reading)
        chosen = {"names": self.names, "families": self.families, **settings}
        return get_feature_importance_analysis(bars, target_periods, **chosen)
