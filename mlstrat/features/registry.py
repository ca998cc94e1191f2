"""The list of features: what each one is, and how families register theirs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from mlstrat.arrays import FloatArray
from mlstrat.config_sentiment import MOOD_FEATURES
from mlstrat.errors import ConfigError

Step = Callable[[FloatArray, FloatArray, FloatArray], float]
# Takes a DataFrame of bars and the parameters, returns one number a bar.
ArrayFunction = Callable[..., Any]
Count = int | Callable[..., int]
F = TypeVar("F", bound=Callable[..., Any])

FAMILIES = (
    "price",
    "technical",
    "moving_average",
    "volume",
    "momentum",
    "time",
    "lag",
    "statistics",
    "volatility",
    "higher_timeframe",
    "other_symbol",
    "user",
    "ta",
)
INPUTS = ("open", "high", "low", "close", "volume", "time")

REGISTRY: dict[str, Feature] = {}
# The file whose features are being registered, the innermost last.
_origin = [""]

# Largest state that is copied as a whole before each stretch of bars.
_SHORT = 32

# State and parameters that a higher timeframe adds before those of its step (`program`).
HIGHER_STATE, HIGHER_PARAMS = 10, 3


@dataclass(frozen=True)
class Feature:
    """One causal number a bar.

    Parameters
    ----------
    name, family : str
        Unique name, and one of `FAMILIES`.
    step : callable or None
        Compiled `step(state, bar, params) -> value`. `state` (state_size,) float64 starts at zero and is
        changed in place; `bar` is a row of `Bars.matrix`; the value is known at the close of that bar.
    function : callable or None
        Instead of a step: `function(frame, *params)` takes a DataFrame with the columns `inputs` and a UTC
        DatetimeIndex of open times, and returns one number a row. A stream calls it on the last `warmup`
        bars.
    params : tuple of float
        Windows and multipliers of the step.
    inputs : tuple of str
        What the step reads of a bar (`INPUTS`).
    state_size : int
        Length of the state.
    lookback : int
        Bars until the first finite value: NaN before index lookback - 1, finite always from there.
    warmup : int
        Bars, at least `lookback`, after which a ten times longer history changes the value by less than
        1e-9 of its size.
    unit : str
        Unit and range of the value.
    source : str
        Book, paper or definition of the formula.
    pine : str or None
        The same number as the body of a Pine v6 function: an expression, or lines that end in one; or None.
    no_pine : str
        Why there is no Pine twin.
    model_input : bool
        Whether a model may be trained on it; False for values in price, which are not scale-free.
    period : int
        Seconds of the higher timeframe whose bars the step takes; 0 = the bars themselves. Lookback and
        warm-up count these bars until `choose` has bound the feature to a length of bar.
    pair : bool
        Whether the step takes rows of twelve: the bar, then the last known bar of another symbol.
    symbol : str
        The other symbol, where the name has one (`ret_5@BTCUSDT`); empty = the bars' own.
    origin : str
        File that registered it; empty = this package.
    local : int
        Numbers at the front of the state that the step reaches by constant indices only, whatever the
        parameters: batch keeps them in registers. The others are reached by the blocks of `window` and
        `moments` only. 0 = none, or state_size.
    """

    name: str
    family: str
    step: Step | None
    function: ArrayFunction | None
    params: tuple[float, ...]
    inputs: tuple[str, ...]
    state_size: int
    lookback: int
    warmup: int
    unit: str
    source: str
    pine: str | None
    no_pine: str
    model_input: bool
    period: int = 0
    pair: bool = False
    symbol: str = ""
    origin: str = ""
    local: int = 0

    @property
    def needs_volume(self) -> bool:
        """Whether the value is meaningless on bars without volume."""
        return "volume" in self.inputs

    def fits(self, seconds: int) -> bool:
        """Whether it can be computed from bars of this many seconds."""
        return self.period == 0 or (self.period > seconds and self.period % seconds == 0)

    def bound(self, seconds: int) -> Feature:
        """Return the feature with lookback, warm-up, state and parameters for bars of this many seconds."""
        if self.period == 0:
            return self
        bars = self.period // seconds
        # At worst the history begins just after a period did, and that period is left out.
        lookback = (self.lookback + 1) * bars
        return replace(
            self,
            params=(float(self.period), float(seconds), float(lookback), *self.params),
            state_size=HIGHER_STATE + self.state_size,
            lookback=lookback,
            warmup=(self.warmup + 1) * bars,
        )


def decay_bars(length: float) -> int:
    """Bars until a bar's weight in an exponential mean falls to 1e-12.

    `length` is that of an EMA, alpha = 2 / (length + 1); Wilder's mean of n is an EMA of 2 n - 1. The three
    digits below the promised 1e-9 are for features that are small differences of such means.
    """
    return math.ceil(math.log(1e-12) / math.log1p(-2.0 / (length + 1.0)))


def feature(
    name: str,
    family: str = "user",
    *,
    inputs: Sequence[str],
    unit: str = "number",
    source: str = "user",
    each: Sequence[tuple[float, ...]] = ((),),
    state: Count = 0,
    lookback: Count = 1,
    warmup: Count | None = None,
    pine: str | None = None,
    no_pine: str = "",
    model_input: bool = True,
    pair: bool = False,
    local: int = 0,
) -> Callable[[F], F]:
    """Register the decorated step or array function once for each tuple of parameters.

    What numba has compiled is a step, everything else an array function; see `Feature` for both.

    Parameters
    ----------
    name, pine : str
        Templates: `{0}` is the first parameter, `{1}` the second. See `Feature` for the other arguments.
    each : sequence of tuple
        Parameters of each feature; adding a window is adding a tuple.
    state, lookback, warmup : int or callable
        Counts, or functions of the parameters; `warmup` is `lookback` where it is not given.
    local : int
        See `Feature`; a short state of one size for all parameters is local as a whole.

    Raises
    ------
    ConfigError
        The name is taken, or the description contradicts itself.
    """

    def register(target: F) -> F:
        compiled = hasattr(target, "py_func")
        reason = no_pine or ("" if pine else _no_pine(compiled, family))
        for params in each:
            need = _count(lookback, params)
            add(
                Feature(
                    name=name.format(*params),
                    family=family,
                    step=target if compiled else None,
                    function=None if compiled else target,
                    params=tuple(float(value) for value in params),
                    inputs=tuple(inputs),
                    state_size=_count(state, params),
                    lookback=need,
                    warmup=need if warmup is None else _count(warmup, params),
                    unit=unit,
                    source=source,
                    pine=None if pine is None else pine.format(*params),
                    no_pine=reason,
                    model_input=model_input,
                    pair=pair,
                    origin=_origin[-1],
                    local=local or (state if isinstance(state, int) and state <= _SHORT else 0),
                )
            )
        return target

    return register


@contextmanager
def registering(path: str) -> Iterator[None]:
    """Register what is decorated inside as the features of this file, in place of its earlier ones."""
    for name in [name for name, known in REGISTRY.items() if known.origin == path]:
        del REGISTRY[name]
    _origin.append(path)
    try:
        yield
    finally:
        _origin.pop()


def _no_pine(compiled: bool, family: str) -> str:
    if not compiled:
        return "an array function has no Pine form"
    return "its file gives no Pine form" if family == "user" else ""


def _count(count: Count, params: tuple[float, ...]) -> int:
    return count if isinstance(count, int) else count(*params)


def add(new: Feature) -> None:
    """Put a feature into the registry.

    Raises
    ------
    ConfigError
        The name is taken, or the description contradicts itself.
    """
    if new.name in REGISTRY:
        raise ConfigError(f"feature {new.name!r} is registered twice: give the second another name.")
    if new.name in MOOD_FEATURES:
        raise ConfigError(f"feature {new.name!r} has the name of an input of headlines: give it another.")
    if new.family not in FAMILIES:
        raise ConfigError(
            f"feature {new.name!r} has family {new.family!r}: use one of {', '.join(FAMILIES)}."
        )
    unknown = [name for name in new.inputs if name not in INPUTS]
    if unknown or not new.inputs:
        raise ConfigError(f"feature {new.name!r} has inputs {new.inputs}: use some of {', '.join(INPUTS)}.")
    if new.pair and new.step is None:
        raise ConfigError(f"feature {new.name!r} is of pairs and no step: compile it with numba.njit.")
    if not 1 <= new.lookback <= new.warmup:
        raise ConfigError(
            f"feature {new.name!r} has lookback {new.lookback} and warmup {new.warmup}: "
            "give a lookback of at least 1 and a warmup no shorter."
        )
    if (new.pine is None) != bool(new.no_pine):
        raise ConfigError(
            f"feature {new.name!r} must have either a Pine expression or a reason why not: "
            "give one of pine and no_pine."
        )
    REGISTRY[new.name] = new
