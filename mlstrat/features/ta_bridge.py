"""Indicators of the package `ta` as features: `ta.rsi(window=21)`, `ta.kama(window=10)/close`.

What they need to be a feature is measured, once for each name in a process: bars until the first value, bars
of memory, and whether the value is in price or volume. What is known to be unfit is denied with the reason.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.errors import ConfigError, DataError, MissingExtraError
from mlstrat.features.array_function import call, frame_of
from mlstrat.features.audit_bars import HOUR, real, smooth
from mlstrat.features.causality import differs, usual_size, values_of
from mlstrat.features.memory_span import LONGEST, least_warmup
from mlstrat.features.registry import Feature

PREFIX = "ta."
MODULES = ("momentum", "trend", "volatility", "volume", "others")
_BARS = ("open", "high", "low", "close", "volume")
_NAME = re.compile(r"ta\.(?P<indicator>\w+)(?:\((?P<arguments>.*)\))?(?P<by_close>/close)?")
_PLACES = 25
# Bars on which an indicator is measured; the second is for those with long windows.
_LENGTHS = (400, 2 * LONGEST)
_STOP = "ta writes its stop to the wrong bar on pandas 3, and its time grows with the square of the bars"
_MEAN = "it fills its first bars with the mean of all bars, later ones included"
_SUM = "it is cumulative, so that its value depends on where the history begins"
_OWN_STOP = "use psar_100"
_OWN_SUM = "use obv_20 or another of the family volume"

# Indicators that are refused: why, and what to do. A test proves each entry.
DENIED: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "psar_up": (_STOP, _OWN_STOP),
        "psar_down": (_STOP, _OWN_STOP),
        "psar_up_indicator": (_STOP, _OWN_STOP),
        "psar_down_indicator": (_STOP, _OWN_STOP),
        "kst": (_MEAN, "use ta.roc, or roc_20"),
        "kst_sig": (_MEAN, "use ta.roc, or roc_20"),
        "acc_dist_index": (_SUM, _OWN_SUM),
        "on_balance_volume": (_SUM, _OWN_SUM),
        "negative_volume_index": (_SUM, _OWN_SUM),
        "volume_price_trend": (_SUM, _OWN_SUM),
        "cumulative_return": (_SUM, "use roc_20"),
    }
)
# Arguments that are refused for any indicator, for the same reason.
DENIED_ARGUMENTS: Mapping[str, str] = MappingProxyType(
    {"fillna": "it makes up values before the lookback", "visual": _MEAN}
)


@dataclass(frozen=True)
class Asked:
    """What a name asks for: an indicator, its arguments, and whether to divide by the close."""

    indicator: str
    arguments: Mapping[str, Any]
    by_close: bool


@cache
def ta_feature(name: str) -> Feature:
    """Return an indicator of `ta` as a feature; measuring it takes a tenth of a second to two seconds.

    Parameters
    ----------
    name : str
        `ta.` and the name of the function, arguments by keyword in brackets, and `/close` to divide by it.

    Raises
    ------
    MissingExtraError
        `ta` is not installed.
    ConfigError
        There is no such indicator or argument, it is denied, or its memory has no bound.
    """
    asked = parse(name)
    function = functions().get(asked.indicator) or _unknown(asked.indicator)
    refuse_denied(name, asked)
    return measured(name, bridged(name, asked, function))


@cache
def functions() -> dict[str, Callable[..., Any]]:
    """Return the functions of `ta` by name, those that are denied included."""
    import importlib

    found: dict[str, Callable[..., Any]] = {}
    for name in MODULES:
        try:
            module = importlib.import_module(f"ta.{name}")
        except ImportError as error:
            raise MissingExtraError("ta", "ta", "A feature of the form ta.NAME") from error
        members = inspect.getmembers(module, inspect.isfunction)
        found.update({k: f for k, f in members if f.__module__ == module.__name__ and k[0] != "_"})
    return found


def parse(name: str) -> Asked:
    """Read a name such as `ta.bollinger_pband(window=20, window_dev=2)`; arguments are literals."""
    parts = _NAME.fullmatch(name.strip())
    form = "write it like ta.rsi(window=21), with the arguments by keyword as plain numbers."
    if parts is None:
        raise ConfigError(f"{name!r} is not the name of an indicator of ta: {form}")
    try:
        tree = ast.parse(f"f({parts['arguments'] or ''})", mode="eval").body
        if not isinstance(tree, ast.Call) or tree.args or any(k.arg is None for k in tree.keywords):
            raise ValueError
        arguments = {str(k.arg): ast.literal_eval(k.value) for k in tree.keywords}
    except (ValueError, SyntaxError):
        raise ConfigError(f"the arguments of {name!r} cannot be read: {form}") from None
    return Asked(parts["indicator"], arguments, bool(parts["by_close"]))


def refuse_denied(name: str, asked: Asked) -> None:
    """Raise ConfigError for an indicator or argument that is denied, with the reason."""
    if asked.indicator in DENIED:
        reason, remedy = DENIED[asked.indicator]
        raise ConfigError(f"{name} cannot be a feature, because {reason}: {remedy}.")
    denied = next((key for key in asked.arguments if key in DENIED_ARGUMENTS), None)
    if denied:
        raise ConfigError(f"{name}: {denied} is refused, because {DENIED_ARGUMENTS[denied]}: leave it out.")


def bridged(name: str, asked: Asked, function: Callable[..., Any]) -> Feature:
    """Return the indicator as an array function with lookback and warm-up not yet measured."""
    parameters = inspect.signature(function).parameters
    takes = tuple(key for key in parameters if key in _BARS)
    allowed = [key for key in parameters if key not in takes]
    for key in asked.arguments:
        if key not in allowed:
            others = [other for other in allowed if other not in DENIED_ARGUMENTS]
            near = difflib.get_close_matches(key, others, n=1, cutoff=0.0)
            what = f"the nearest is {near[0]!r}" if near else "it takes none"
            raise ConfigError(f"{name}: {asked.indicator} has no argument {key!r}: {what}; correct the name.")

    def indicator(frame: Any) -> Any:
        values = function(**{key: frame[key] for key in takes}, **asked.arguments)
        return values / frame["close"] if asked.by_close else values

    settings = {key: asked.arguments.get(key, parameters[key].default) for key in allowed}
    windows = [value for value in settings.values() if type(value) is int]
    reads = {*takes, "close"} if asked.by_close else set(takes)
    return Feature(
        name=name,
        family="ta",
        step=None,
        function=indicator,
        params=(),
        inputs=tuple(key for key in _BARS if key in reads),
        state_size=0,
        lookback=1,
        warmup=max([1, *windows]),
        unit="number",
        source=f"package ta, {function.__module__}.{asked.indicator}",
        pine=None,
        no_pine="an indicator of ta has no Pine form here",
        model_input=True,
    )


def measured(name: str, f: Feature) -> Feature:
    """Return the feature with its lookback, warm-up and unit as found on random walks and real bars."""
    try:
        lookback = _lookback(f)
        f = replace(f, lookback=lookback, warmup=max(f.warmup, lookback))
        warmup = least_warmup(f, smooth(3 * LONGEST), _PLACES)
        unit = _unit(f)
    except DataError as error:
        raise ConfigError(f"{error} Correct the arguments of {name}, or leave it out.") from error
    if warmup is None:
        raise ConfigError(
            f"{name} cannot be a feature, because {LONGEST:,} bars of history do not settle its value: "
            "use a shorter window, or obv_20 for a cumulative one."
        )
    # A memory that fades is given twice the time: wilder bars than those tried here need more of it.
    enough = warmup if warmup == f.warmup else 2 * warmup
    return replace(f, warmup=enough, unit=unit, model_input=unit == "number")


def _lookback(f: Feature) -> int:
    for n in _LENGTHS:
        columns = [call(f, frame_of(rows, f.inputs)) for rows in (smooth(n), real(n), smooth(n, HOUR, 8))]
        starts = [_start(column) for column in columns]
        if all(start is not None for start in starts):
            known = [start for start in starts if start is not None]
            if all(np.isfinite(column[0]) for column in columns):
                return min(known) + 1
            # Where the first value depends on the data (stc), other bars may need as much again.
            return 2 * max(known) - min(known) + 1
    raise DataError(f"{f.name} has no value that changes within {_LENGTHS[-1]:,} bars.")


def _start(values: FloatArray) -> int | None:
    """Return the index of the first real value: equal ones from bar 0 on are a filling of the warm-up."""
    finite = np.isfinite(values)
    if not finite.any():
        return None
    first = int(np.argmax(finite))
    others = np.flatnonzero(finite & (values != values[first]))
    if not len(others):
        return None
    return first if first else int(others[0])


def _unit(f: Feature) -> str:
    """Return what the value is in, found by doubling prices and volumes."""
    rows = smooth(max(_LENGTHS[0], 2 * f.lookback))
    plain = values_of(f, rows)
    prices, volumes = rows.copy(), rows.copy()
    prices[:, :4] *= 2.0
    volumes[:, 4] *= 2.0
    usual = usual_size(plain)
    in_price = bool(differs(values_of(f, prices), plain, usual).any())
    in_volume = bool(differs(values_of(f, volumes), plain, usual).any())
    if in_price and in_volume:
        return "price and volume"
    return "price" if in_price else "volume" if in_volume else "number"


def _unknown(indicator: str) -> Callable[..., Any]:
    offered = [name for name in functions() if name not in DENIED]
    near = difflib.get_close_matches(indicator, offered, n=1, cutoff=0.0)
    raise ConfigError(f"ta has no indicator {indicator!r}: the nearest is ta.{near[0]}; correct the name.")
