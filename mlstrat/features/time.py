"""Time: hour, weekday, day and month of the bar's open, UTC."""

import math

from mlstrat.arrays import FloatArray, njit
from mlstrat.features.registry import feature
from mlstrat.features.window import part_of_step

_DAY = 86_400.0
# In half turns.
_HOUR_TURN = '(hour(time, "UTC") + minute(time, "UTC") / 60.0 + second(time, "UTC") / 3600.0) / 12.0'
_WEEKDAY_TURN = '(dayofweek(time, "UTC") + 5) % 7 / 3.5'
_MONTH_TURN = '(month(time, "UTC") - 1) / 6.0'


def _twin(turn: str, divisor: str, result: str) -> str:
    """Return the power series of pi less the angle, which lies in [-pi, pi], from its last term inwards.

    math.sin differs between Pine runtimes in the last digits; four operations do not. 13 terms leave 3e-16.
    """
    return (
        f"angle = math.pi * (1.0 - {turn})\n"
        "ratio = 1.0\n"
        "for i = 13 to 1\n"
        f"    ratio := 1.0 - angle * angle / ({divisor}) * ratio\n"
        f"{result}"
    )


def _sine_twin(turn: str) -> str:
    return _twin(turn, "2.0 * i * (2.0 * i + 1.0)", "angle * ratio")  # sin(a) = sin(pi - a)


def _cosine_twin(turn: str) -> str:
    return _twin(turn, "2.0 * i * (2.0 * i - 1.0)", "-ratio")  # cos(a) = -cos(pi - a)


@part_of_step
def day_hours(seconds: float) -> float:
    """Hours since midnight UTC, 0 to below 24."""
    return (seconds - math.floor(seconds / _DAY) * _DAY) / 3600.0


@part_of_step
def weekday_of(seconds: float) -> float:
    """Day of the week, Monday = 0; 1970-01-01 was a Thursday."""
    days = math.floor(seconds / _DAY) + 3.0
    return float(days - math.floor(days / 7.0) * 7.0)


@part_of_step
def month_day(seconds: float) -> tuple[float, float]:
    """Month 1..12 and day 1..31 of the Gregorian calendar (Hinnant 2014, days_from_civil inverted)."""
    days = math.floor(seconds / _DAY) + 719_468.0
    era_day = days - math.floor(days / 146_097.0) * 146_097.0
    leaps = math.floor(era_day / 1_460.0) - math.floor(era_day / 36_524.0) + math.floor(era_day / 146_096.0)
    year = math.floor((era_day - leaps) / 365.0)
    year_day = era_day - (365.0 * year + math.floor(year / 4.0) - math.floor(year / 100.0))
    from_march = math.floor((5.0 * year_day + 2.0) / 153.0)
    day = year_day - math.floor((153.0 * from_march + 2.0) / 5.0) + 1.0
    return from_march + 3.0 if from_march < 10.0 else from_march - 9.0, day


@part_of_step
def _same_day(state: FloatArray, seconds: float) -> bool:
    """Whether this bar opens on the day of the one before; remembers the day, counted from year 0."""
    day = math.floor(seconds / _DAY) + 719_468.0
    same = state[0] == day
    state[0] = day
    return bool(same)


@feature(
    "hour",
    "time",
    inputs=("time",),
    unit="hours, 0 to below 24",
    source="definition: open time, UTC",
    pine='hour(time, "UTC") + minute(time, "UTC") / 60.0 + second(time, "UTC") / 3600.0',
)
@njit
def hour_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Hour of the day."""
    return day_hours(bar[5])


@feature(
    "hour_sin",
    "time",
    inputs=("time",),
    unit="-1..1",
    source="definition: sine of the hour as an angle",
    pine=_sine_twin(_HOUR_TURN),
)
@njit
def hour_sin_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Sine of the hour."""
    return math.sin(2.0 * math.pi * day_hours(bar[5]) / 24.0)


@feature(
    "hour_cos",
    "time",
    inputs=("time",),
    unit="-1..1",
    source="definition: cosine of the hour as an angle",
    pine=_cosine_twin(_HOUR_TURN),
)
@njit
def hour_cos_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Cosine of the hour."""
    return math.cos(2.0 * math.pi * day_hours(bar[5]) / 24.0)


@feature(
    "weekday",
    "time",
    inputs=("time",),
    unit="days, Monday = 0",
    source="definition: open time, UTC",
    pine='(dayofweek(time, "UTC") + 5) % 7',
)
@njit
def weekday_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Day of the week."""
    return weekday_of(bar[5])


@feature(
    "weekday_sin",
    "time",
    inputs=("time",),
    state=2,
    unit="-1..1",
    source="definition: sine of the day of the week as an angle",
    pine=_sine_twin(_WEEKDAY_TURN),
)
@njit
def weekday_sin_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Sine of the day of the week."""
    if not _same_day(state, bar[5]):
        state[1] = math.sin(2.0 * math.pi * weekday_of(bar[5]) / 7.0)
    return float(state[1])


@feature(
    "weekday_cos",
    "time",
    inputs=("time",),
    state=2,
    unit="-1..1",
    source="definition: cosine of the day of the week as an angle",
    pine=_cosine_twin(_WEEKDAY_TURN),
)
@njit
def weekday_cos_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Cosine of the day of the week."""
    if not _same_day(state, bar[5]):
        state[1] = math.cos(2.0 * math.pi * weekday_of(bar[5]) / 7.0)
    return float(state[1])


@feature(
    "day",
    "time",
    inputs=("time",),
    unit="days, 1..31",
    source="definition: open time, UTC",
    pine='dayofmonth(time, "UTC")',
)
@njit
def day_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Day of the month."""
    return month_day(bar[5])[1]


@feature(
    "month",
    "time",
    inputs=("time",),
    unit="months, 1..12",
    source="definition: open time, UTC",
    pine='month(time, "UTC")',
)
@njit
def month_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Month of the year."""
    return month_day(bar[5])[0]


@feature(
    "month_sin",
    "time",
    inputs=("time",),
    state=2,
    unit="-1..1",
    source="definition: sine of the month as an angle",
    pine=_sine_twin(_MONTH_TURN),
)
@njit
def month_sin_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Sine of the month."""
    if not _same_day(state, bar[5]):
        state[1] = math.sin(2.0 * math.pi * (month_day(bar[5])[0] - 1.0) / 12.0)
    return float(state[1])


@feature(
    "month_cos",
    "time",
    inputs=("time",),
    state=2,
    unit="-1..1",
    source="definition: cosine of the month as an angle",
    pine=_cosine_twin(_MONTH_TURN),
)
@njit
def month_cos_step(state: FloatArray, bar: FloatArray, params: FloatArray) -> float:
    """Cosine of the month."""
    if not _same_day(state, bar[5]):
        state[1] = math.cos(2.0 * math.pi * (month_day(bar[5])[0] - 1.0) / 12.0)
    return float(state[1])
