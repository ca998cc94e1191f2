"""Which features are computed for some bars: those asked for, less those that the bars have no data for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mlstrat.data.bars import Bars
from mlstrat.errors import ConfigError, DataError
from mlstrat.features.lookup import find, registered, resolve
from mlstrat.features.other_symbol import OF_OTHER
from mlstrat.features.registry import Feature


@dataclass(frozen=True)
class Market:
    """What choosing features needs to know of bars.

    Parameters
    ----------
    symbol : str
        Name of the instrument.
    seconds : int
        Length of a bar.
    has_volume : bool
        Whether any bar has volume.
    others : tuple of Market
        Other symbols whose bars are at hand.
    """

    symbol: str
    seconds: int
    has_volume: bool
    others: tuple[Market, ...] = ()


def market_of(bars: Bars, others: Sequence[Bars] = ()) -> Market:
    """Describe bars and those of other symbols.

    Raises
    ------
    DataError
        Two of them have the same symbol.
    """
    return Market(bars.symbol, bars.timeframe.seconds, bars.has_volume, markets_of(bars.symbol, others))


def markets_of(symbol: str, others: Sequence[Bars]) -> tuple[Market, ...]:
    """Describe the bars of other symbols; raises DataError where two of all have the same symbol."""
    symbols = [symbol, *(other.symbol for other in others)]
    twice = next((name for name in symbols if symbols.count(name) > 1), None)
    if twice:
        raise DataError(f"the bars of {twice} are given twice: give each other once in features.context.")
    return tuple(market_of(other) for other in others)


def choose(market: Market, names: Sequence[str] = (), families: Sequence[str] = ()) -> tuple[Feature, ...]:
    """Return the features to compute, bound to the length of the bars.

    Without names and families these are all model inputs, with those of the other symbols. Left out are
    volume features where there is no volume, and higher timeframes that are none for these bars; named ones
    are refused.

    Raises
    ------
    ConfigError
        A name or family is not registered, or a named feature does not fit the length of the bars.
    DataError
        A named feature needs volume or another symbol's bars, and there are none.
    """
    asked = _asked(market, names, families)
    chosen = [f for f in asked if f.name in names or not _obstacle(f, market)]
    for f in chosen:
        obstacle = _obstacle(f, market)
        if obstacle:
            raise obstacle
    if not chosen:
        raise DataError(
            f"no feature is left for {market.symbol}, which has no volume: "
            "choose another family than volume, or load bars with volume."
        )
    return tuple(f.bound(_seconds(f, market)) for f in chosen)


def left_out(market: Market, names: Sequence[str] = (), families: Sequence[str] = ()) -> tuple[str, ...]:
    """Say how many features `choose` leaves out, and why."""
    unnamed = [f for f in _asked(market, names, families) if f.name not in names]
    why = [type(obstacle) for f in unnamed if (obstacle := _obstacle(f, market))]
    told = (
        (DataError, "need volume, and the bars have none"),
        (ConfigError, "are of a timeframe that these bars do not add up to"),
    )
    counts = ((why.count(kind), reason) for kind, reason in told)
    return tuple(f"{count} features were left out: they {reason}." for count, reason in counts if count)


def _asked(market: Market, names: Sequence[str], families: Sequence[str]) -> tuple[Feature, ...]:
    asked = {f.name: f for f in resolve(names, families)}
    if "other_symbol" in families or not (names or families):
        asked.update({f.name: f for other in market.others for f in _of_other(other)})
    return tuple(asked.values())


def refuse_unfit_inputs(features: Sequence[Feature]) -> None:
    """Refuse features that no model may be trained on.

    Raises
    ------
    ConfigError
        One of them is in price or volume, by name.
    """
    for f in features:
        if not f.model_input:
            ratio = f.family == "ta" and f.unit == "price" and not f.symbol
            remedy = f"write {f.name}/close" if ratio else "take it out of features.names"
            raise ConfigError(f"{f.name} cannot feed a model, because its unit is {f.unit}: {remedy}.")


def _of_other(other: Market) -> list[Feature]:
    pairs = [f.name for f in registered().values() if f.pair]
    return [find(f"{name}@{other.symbol}") for name in (*pairs, *OF_OTHER)]


def _seconds(f: Feature, market: Market) -> int:
    if f.symbol and not f.pair:
        return next(other.seconds for other in market.others if other.symbol == f.symbol)
    return market.seconds


def _obstacle(f: Feature, market: Market) -> ConfigError | DataError | None:
    """Return why the feature cannot be computed; None where it can."""
    if f.symbol:
        other = next((other for other in market.others if other.symbol == f.symbol), None)
        if other is None:
            return DataError(
                f"{f.name} needs bars of {f.symbol}: name their file in features.context, or leave it out."
            )
        return None if f.pair else _obstacle(replace(f, symbol=""), other)
    if f.needs_volume and not market.has_volume:
        return DataError(
            f"{f.name} cannot be computed, because {market.symbol} has no volume: "
            "take it out of features.names, or load bars with volume."
        )
    if not f.fits(market.seconds):
        return ConfigError(
            f"{f.name} cannot be computed from bars of {market.seconds:,} seconds: "
            "take a longer timeframe that is a multiple of theirs, or shorter bars."
        )
    return None
