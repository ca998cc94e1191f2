"""The list of features: what each one is, and how families register theirs."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module

from mlstrat.arrays import FloatArray
from mlstrat.errors import ConfigError

Step = Callable[[FloatArray, FloatArray, FloatArray], float]
Count = int | Callable[..., int]

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
)
# The modules that register them; a large family has two.
_MODULES = (*FAMILIES, "channel", "trailing", "adaptive", "oscillator", "place", "memory")
INPUTS = ("open", "high", "low", "close", "volume", "time")

REGISTRY: dict[str, Feature] = {}


@dataclass(frozen=True)
class Feature:
    """One causal number a bar.

    Parameters
    ----------
    name, family : str
        Unique name, and one of `FAMILIES`.
    step : callable
        Compiled `step(state, bar, params) -> value`. `state` (state_size,) float64 starts at zero and is
        changed in place; `bar` is a row of `Bars.matrix`; the value is known at the close of that bar.
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
        The same number as a Pine v6 expression, or None.
    no_pine : str
        Why there is no Pine expression.
    model_input : bool
        Whether a model may be trained on it; False for values in price, which are not scale-free.
    """

    name: str
    family: str
    step: Step
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

    @property
    def needs_volume(self) -> bool:
        """Whether the value is meaningless on bars without volume."""
        return "volume" in self.inputs


def decay_bars(length: float) -> int:
    """Bars until a bar's weight in an exponential mean falls to 1e-12.

    `length` is that of an EMA, alpha = 2 / (length + 1); Wilder's mean of n is an EMA of 2 n - 1. The three
    digits below the promised 1e-9 are for features that are small differences of such means.
    """
    return math.ceil(math.log(1e-12) / math.log1p(-2.0 / (length + 1.0)))


def feature(
    name: str,
    family: str,
    *,
    inputs: Sequence[str],
    unit: str,
    source: str,
    each: Sequence[tuple[float, ...]] = ((),),
    state: Count = 0,
    lookback: Count = 1,
    warmup: Count | None = None,
    pine: str | None = None,
    no_pine: str = "",
    model_input: bool = True,
) -> Callable[[Step], Step]:
    """Register the decorated step once for each tuple of parameters.

    Parameters
    ----------
    name, pine : str
        Templates: `{0}` is the first parameter, `{1}` the second. See `Feature` for the other arguments.
    each : sequence of tuple
        Parameters of each feature; adding a window is adding a tuple.
    state, lookback, warmup : int or callable
        Counts, or functions of the parameters; `warmup` is `lookback` where it is not given.

    Raises
    ------
    ConfigError
        The name is taken, or the description contradicts itself.
    """

    def register(step: Step) -> Step:
        for params in each:
            need = _count(lookback, params)
            _add(
                Feature(
                    name=name.format(*params),
                    family=family,
                    step=step,
                    params=tuple(float(value) for value in params),
                    inputs=tuple(inputs),
                    state_size=_count(state, params),
                    lookback=need,
                    warmup=need if warmup is None else _count(warmup, params),
                    unit=unit,
                    source=source,
                    pine=None if pine is None else pine.format(*params),
                    no_pine=no_pine,
                    model_input=model_input,
                )
            )
        return step

    return register


def registered() -> dict[str, Feature]:
    """Return every feature by name, the built-in families included. Compiles nothing."""
    for module in _MODULES:
        import_module(f"mlstrat.features.{module}")
    return REGISTRY


def resolve(names: Sequence[str] = (), families: Sequence[str] = ()) -> tuple[Feature, ...]:
    """Return the features asked for, in a fixed order without repeats.

    Parameters
    ----------
    names : sequence of str
        Features by name, in the order wanted; these may be ones that are not model inputs.
    families : sequence of str
        Families whose model inputs are wanted too, after the named ones. Both empty = every model input.

    Raises
    ------
    ConfigError
        A name or family is unknown; the message gives the nearest spelling.
    """
    known = registered()
    for name in names:
        _check_known("feature", name, known)
    for family in families:
        _check_known("feature family", family, FAMILIES)
    chosen = {name: known[name] for name in names}
    wanted = families if names or families else FAMILIES
    for family in wanted:
        chosen.update({f.name: f for f in known.values() if f.family == family and f.model_input})
    return tuple(chosen.values())


def _count(count: Count, params: tuple[float, ...]) -> int:
    return count if isinstance(count, int) else count(*params)


def _check_known(what: str, name: str, known: Sequence[str] | dict[str, Feature]) -> None:
    if name in known:
        return
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
    raise ConfigError(
        f"{what} {name!r} is not registered: the nearest is {near[0]!r}; correct the name, or register it."
    )


def _add(new: Feature) -> None:
    if new.name in REGISTRY:
        raise ConfigError(f"feature {new.name!r} is registered twice: give the second another name.")
    if new.family not in FAMILIES:
        raise ConfigError(
            f"feature {new.name!r} has family {new.family!r}: use one of {', '.join(FAMILIES)}."
        )
    unknown = [name for name in new.inputs if name not in INPUTS]
    if unknown or not new.inputs:
        raise ConfigError(f"feature {new.name!r} has inputs {new.inputs}: use some of {', '.join(INPUTS)}.")
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
