"""Features by name: those of this package, of the files named in plugins, of `ta`, and of other symbols."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module

from mlstrat.config_sentiment import MOOD_FEATURES
from mlstrat.errors import ConfigError
from mlstrat.features.registry import FAMILIES, REGISTRY, Feature

# The modules that register them; a large family has two.
_MODULES = (
    "price",
    "technical",
    "moving_average",
    "volume",
    "momentum",
    "time",
    "lag",
    "statistics",
    "volatility",
    "channel",
    "trailing",
    "adaptive",
    "levels",
    "oscillator",
    "place",
    "memory",
    "other_symbol",
    "higher_timeframe",
)


def registered() -> dict[str, Feature]:
    """Return every feature by name, the built-in families included. Compiles nothing."""
    for module in _MODULES:
        import_module(f"mlstrat.features.{module}")
    return REGISTRY


def find(name: str) -> Feature:
    """Return the feature of a name, with the symbol that the name may carry after an @.

    Raises
    ------
    ConfigError
        There is no such feature; the message gives the nearest spelling. Or an indicator of `ta` is refused.
    """
    if name in MOOD_FEATURES:
        raise ConfigError(
            f"{name} is of headlines, not of bars: set sentiment.features = true, so that the models see it."
        )
    base, at, symbol = name.partition("@")
    found = _of_base(base)
    if bool(at) != bool(symbol) or found.pair > bool(symbol):
        raise ConfigError(
            f"feature {name!r} needs another symbol: write {base}@BTCUSDT, "
            "and name the file of its bars in features.context."
        )
    return replace(found, name=name, symbol=symbol) if symbol else found


def _of_base(base: str) -> Feature:
    if base.startswith("ta."):
        from mlstrat.features.ta_bridge import ta_feature

        return ta_feature(base)
    known = registered()
    _check_known("feature", base, known)
    return known[base]


def resolve(names: Sequence[str] = (), families: Sequence[str] = ()) -> tuple[Feature, ...]:
    """Return the features asked for, in a fixed order without repeats.

    Parameters
    ----------
    names : sequence of str
        Features by name, in the order wanted; these may be ones that are not model inputs.
    families : sequence of str
        Families whose model inputs are wanted too, after the named ones. Both empty = every model input of
        the bars' own symbol.

    Raises
    ------
    ConfigError
        A name or family is unknown; the message gives the nearest spelling.
    """
    for family in families:
        _check_known("feature family", family, FAMILIES)
        if not any(f.family == family for f in registered().values()):
            raise ConfigError(
                f"the feature family {family!r} is empty: name its features in features.names, "
                "or register them in a file named in plugins."
            )
    chosen = {name: find(name) for name in names}
    wanted = families if names or families else FAMILIES
    for family in wanted:
        members = (f for f in registered().values() if f.family == family and f.model_input and not f.pair)
        chosen.update({f.name: f for f in members})
    return tuple(chosen.values())


def _check_known(what: str, name: str, known: Sequence[str] | dict[str, Feature]) -> None:
    if name in known:
        return
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"the nearest is {near[0]!r}" if near else "mlstrat features list shows what there is"
    raise ConfigError(f"{what} {name!r} is not registered: {hint}; correct the name, or register it.")
