"""The demo's settings on somebody's own bars: what does not fit is changed and said."""

from __future__ import annotations

import re
from typing import Any

from mlstrat.config import RunConfig, parse_config
from mlstrat.data.bars import Bars


def fit_to(config: RunConfig) -> tuple[RunConfig, list[str]]:
    """Adapt the demo to the bars it now names.

    The fixed dates go; headlines stay only where the symbol is a coin that they can be about; volume
    features go where there is no volume. The run is named after the symbol.

    Returns
    -------
    (RunConfig, list of str)
        The run, and a sentence for each change.

    Raises
    ------
    DataError
        The bars cannot be read.
    """
    from mlstrat import pipeline

    content: dict[str, Any] = config.model_dump()
    content["data"] |= {"start": None, "end": None}
    content["splits"] |= {"start": None}
    bars = pipeline.load_bars(parse_config(content))
    content["name"] = "demo-" + re.sub(r"[^A-Za-z0-9._-]", "-", bars.symbol)
    said = ["The demo's dates do not apply to your bars: the first windows that the data allows are used."]
    said += _without_headlines(content, bars)
    said += _without_volume(content, bars)
    return parse_config(content), said


def _without_headlines(content: dict[str, Any], bars: Bars) -> list[str]:
    from mlstrat.sentiment.aliases import COINS, coin_of

    if content["sentiment"]["source"] == "none" or coin_of(bars.symbol) in COINS:
        return []
    content["sentiment"]["source"] = "none"
    return [f"The bundled headlines are about coins, and {bars.symbol} is none: sentiment has no vote."]


def _without_volume(content: dict[str, Any], bars: Bars) -> list[str]:
    from mlstrat.features.registry import resolve

    features = resolve(content["features"]["names"], content["features"]["families"])
    needing = [f.name for f in features if f.needs_volume]
    if bars.has_volume or not needing:
        return []
    content["features"]["names"] = tuple(f.name for f in features if not f.needs_volume)
    return [f"{bars.symbol} has no volume: {', '.join(needing)} left out."]
