"""The demo's settings on somebody's own bars: what does not fit is changed and said."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from mlstrat.config import RunConfig, parse_config, with_overrides
from mlstrat.data.bars import Bars

_DATES = (("data", "start"), ("data", "end"), ("splits", "start"))
_BUNDLED = "sample:headlines"


def fit_to(config: RunConfig, pairs: Iterable[str] = ()) -> tuple[RunConfig, list[str]]:
    """Adapt the demo to the bars it now names.

    The fixed dates go; the bundled headlines stay only where the symbol is a coin that they can be about;
    volume features go where there is no volume. The run is named after the symbol.

    Parameters
    ----------
    config : RunConfig
        The demo, with the bars in its section `data`.
    pairs : iterable of str
        `section.key=value` pairs that the user gave; a date among them counts.

    Returns
    -------
    (RunConfig, list of str)
        The run, and a sentence for each change.

    Raises
    ------
    ConfigError
        A pair cannot be used.
    DataError
        The bars cannot be read.
    """
    from mlstrat import pipeline

    undated = config.model_dump(mode="json")
    for section, key in _DATES:
        undated[section][key] = None
    dated = parse_config(with_overrides(undated, pairs), "the demo")
    bars = pipeline.load_bars(dated)
    content = dated.model_dump()
    if dated.name == "demo":
        content["name"] = "demo-" + re.sub(r"[^A-Za-z0-9._-]", "-", bars.symbol)
    said = ["The demo's dates do not apply to your bars: the latest windows that the data allows are used."]
    said += _without_headlines(content, bars)
    said += _without_volume(content, bars)
    return parse_config(content), said


def _without_headlines(content: dict[str, Any], bars: Bars) -> list[str]:
    from mlstrat.sentiment.aliases import COINS, coin_of

    if content["sentiment"]["source"] != _BUNDLED or coin_of(bars.symbol) in COINS:
        return []
    seen = content["sentiment"]["features"]
    said = "sentiment has no vote and no model sees it" if seen else "sentiment has no vote"
    content["sentiment"] |= {"source": "none", "features": False}
    return [f"The bundled headlines are about coins, and {bars.symbol} is none: {said}."]


def _without_volume(content: dict[str, Any], bars: Bars) -> list[str]:
    from mlstrat.features.lookup import resolve
    from mlstrat.plugins import load_plugins

    load_plugins(content["plugins"])
    features = resolve(content["features"]["names"], content["features"]["families"])
    needing = [f.name for f in features if f.needs_volume]
    if bars.has_volume or not needing:
        return []
    content["features"]["names"] = tuple(f.name for f in features if not f.needs_volume)
    return [f"{bars.symbol} has no volume: {', '.join(needing)} left out."]
