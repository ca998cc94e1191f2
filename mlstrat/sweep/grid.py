"""What a sweep varies: settings by their dotted keys, and the values each of them takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from math import prod
from typing import Any

from mlstrat.config import RunConfig, parse_config
from mlstrat.errors import ConfigError
from mlstrat.sweep.grid_text import ORIGIN

# Settings that come after the candidates: columns that differ in these alone run side by side.
TAKING = (
    "signals.threshold",
    "signals.direction",
    "signals.min_confidence",
    "signals.min_grade",
    "kelly.multiplier",
    "kelly.max_position",
    "kelly.min_fraction",
    "kelly.basis",
    "kelly.shrink",
    "execution.cash",
    "execution.gap_reserve",
    "instrument.step",
    "instrument.min_notional",
    "breakers.max_drawdown",
    "breakers.max_daily_loss",
    "breakers.max_losing_streak",
    "breakers.cooldown_bars",
)
# Sections whose settings reach the fit of a model.
FITTING = ("features", "labels", "splits", "models", "tune", "seed")
_NEVER = {
    "name": "it changes no result",
    "jobs": "it changes no result",
    "plugins": "each file is code of its own",
    "data": "a sweep compares settings on the same bars",
    "report": "it changes no result",
}
# Keys that name files: columns are known by their settings, which do not tell that a file was changed.
_FILES = (
    "models.transfer",
    "features.context",
    "sentiment.source",
    "instrument.funding",
    "instrument.borrow",
)


@dataclass(frozen=True)
class Grid:
    """Keys and their values; a column is one combination, the last key varying fastest.

    Keys that reach the fit of a model come first, then those that reach the odds, then those in `TAKING`,
    so that neighbouring columns share what is costly; otherwise the order is the one given.

    Parameters
    ----------
    keys : tuple of str
        Dotted, such as `stops.atr`.
    values : tuple of tuple
        Of each key, as the configuration holds them.
    """

    keys: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]

    def __len__(self) -> int:
        return prod(len(values) for values in self.values)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values of each key."""
        return tuple(len(values) for values in self.values)

    def settings(self, column: int) -> dict[str, Any]:
        """Return the values of one column, by key."""
        found = {}
        for key, values in zip(reversed(self.keys), reversed(self.values), strict=True):
            column, place = divmod(column, len(values))
            found[key] = values[place]
        return dict(reversed(found.items()))

    def column(self, settings: Mapping[str, Any]) -> int:
        """Return the number of the column with these values.

        Raises
        ------
        ConfigError
            A key is missing or not swept, or has no such value.
        """
        if set(settings) != set(self.keys):
            raise ConfigError(f"a column is told by {', '.join(self.keys)}: give a value for each of these.")
        number = 0
        for key, values in zip(self.keys, self.values, strict=True):
            if settings[key] not in values:
                raise ConfigError(f"{key} is never {settings[key]!r} here: give one of {_listed(values)}.")
            number = number * len(values) + values.index(settings[key])
        return number

    def where(self, keep: Iterable[str]) -> Grid:
        """Return the part of the grid that these keys make."""
        wanted = set(keep)
        pairs = [(k, v) for k, v in zip(self.keys, self.values, strict=True) if k in wanted]
        return Grid(tuple(k for k, _ in pairs), tuple(v for _, v in pairs))

    @property
    def before(self) -> Grid:
        """The part that stands before the candidates: each of its columns is a group."""
        return self.where(key for key in self.keys if key not in TAKING)

    @property
    def taking(self) -> Grid:
        """The part that varies within a group."""
        return self.where(TAKING)

    @property
    def fitting(self) -> Grid:
        """The part that fits models anew."""
        return self.where(key for key in self.keys if _tier(key) == 0)


def make_grid(config: RunConfig, given: Mapping[str, Sequence[Any]]) -> Grid:
    """Check keys and values against a run's settings.

    Parameters
    ----------
    config : RunConfig
        The run whose other settings hold in every column.
    given : mapping
        Values by dotted key.

    Raises
    ------
    ConfigError
        Nothing is varied, a key does not exist or cannot be swept, or a value is impossible or there twice.
    """
    if not given:
        raise ConfigError(
            'a sweep has to vary something: give for example --grid "signals.threshold=0.52:0.60:0.01".'
        )
    checked = {key: _checked(config, key, values) for key, values in given.items()}
    keys = sorted(checked, key=_tier)  # stable: the order given holds within a tier
    return Grid(tuple(keys), tuple(checked[key] for key in keys))


def config_of(config: RunConfig, settings: Mapping[str, Any]) -> RunConfig:
    """Return the run with these settings replaced.

    Raises
    ------
    ConfigError
        A key does not exist, or a value is impossible.
    """
    content = config.model_dump()
    for key, value in settings.items():
        put(content, key, value)
    return parse_config(content, ORIGIN)


def value_at(config: RunConfig, key: str) -> Any:
    """Return a setting by its dotted key."""
    return reduce(lambda place, part: place[part], key.split("."), config.model_dump())


def _checked(config: RunConfig, key: str, values: Sequence[Any]) -> tuple[Any, ...]:
    _refuse(key)
    content, found, seen = config.model_dump(), [], set()
    for value in values:
        put(content, key, value)
        held = value_at(parse_config(content, ORIGIN), key)
        if isinstance(held, Mapping):
            raise ConfigError(f"{ORIGIN} {key}: this is a section; give one of its keys, such as stops.atr.")
        frozen = _frozen(held)
        if frozen in seen:
            raise ConfigError(f"{ORIGIN} {key}: {held!r} is there twice: give each value once.")
        seen.add(frozen)
        found.append(held)
    if not found:
        raise ConfigError(f"{ORIGIN} {key}: there is no value; give at least one.")
    return tuple(found)


def _frozen(value: Any) -> Any:
    """Return a value as one that a set can hold."""
    if isinstance(value, Mapping):
        return frozenset((key, _frozen(part)) for key, part in value.items())
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


def _refuse(key: str) -> None:
    section = key.partition(".")[0]
    if section in _NEVER:
        raise ConfigError(f"{ORIGIN} {key} cannot be swept: {_NEVER[section]}; leave it to the run file.")
    if key in _FILES:
        raise ConfigError(
            f"{ORIGIN} {key} cannot be swept: it names files, and a column would not tell that one of them "
            "was changed; make one sweep for each file."
        )
    if key == "models.profile":
        raise ConfigError(
            f"{ORIGIN} models.profile cannot be swept: it stands for several sizes; sweep these, such as "
            "models.rf_max_depth."
        )


def put(content: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key of nested sections.

    Raises
    ------
    ConfigError
        A part of the key is not a section.
    """
    *parents, leaf = key.split(".")
    place: Any = content
    for parent in parents:
        place = place.setdefault(parent, {})
        if not isinstance(place, dict):
            raise ConfigError(f"{ORIGIN} {key}: {parent} is not a section; write section.key=values.")
    place[leaf] = value


def plain(value: Any) -> Any:
    """Return a value as JSON holds it."""
    return list(value) if isinstance(value, tuple) else value


def _tier(key: str) -> int:
    if key.partition(".")[0] in FITTING or key == "sentiment.features":
        return 0
    return 2 if key in TAKING else 1


def rows_of(grid: Grid) -> Iterator[dict[str, Any]]:
    """Yield the settings of every column, in order."""
    for column in range(len(grid)):
        yield grid.settings(column)


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(map(repr, values[:12])) + (" and so on" if len(values) > 12 else "")
