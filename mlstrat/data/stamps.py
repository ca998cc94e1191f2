"""Open times as exporters write them (epoch numbers, ISO text, time zones) -> UTC. Nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray, TimeArray
from mlstrat.data.bars import RowError, count_of
from mlstrat.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

# One range a unit: 1979-07-05 to 2128-06-11. Ranges do not meet, so a number has one meaning.
_EPOCH_FIRST, _EPOCH_LAST = 3e8, 5e9
EPOCH_UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_WITH_OFFSET = re.compile(r":\d{2}(\.\d+)?\s*(Z|z|UTC|[+-]\d{2}(:?\d{2})?)$")
NUMBER = re.compile(r"\d{9,19}(\.0*)?$")
# Inside what datetime64[ns] can hold, with room for a bar's length.
FIRST_YEAR, LAST_YEAR = "1900", "2200"


def to_utc(raw: pd.Series, tz: str, origin: str) -> TimeArray:
    """Convert a column of stamps to UTC.

    Parameters
    ----------
    raw : (n,) Series, n >= 1
        Epoch numbers of one unit (s, ms, us or ns, told by magnitude; numbers in text too), text in ISO 8601,
        or date-times with or without a time zone.
    tz : str
        IANA zone of stamps that carry no offset; not applied to stamps that say their own.
    origin : str
        Name of the source, for messages.

    Returns
    -------
    (n,) datetime64[ns]
        UTC.

    Raises
    ------
    DataError
        Missing, unreadable or mixed stamps; stamps without offset and no `tz`; local times that the zone's
        clock skips or shows twice.
    """
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(raw.dtype):
        return _from_datetimes(pd.DatetimeIndex(raw), tz, origin)
    if pd.api.types.is_numeric_dtype(raw.dtype) and not pd.api.types.is_bool_dtype(raw.dtype):
        return _from_epoch(raw, origin)
    texts = [as_text(value) for value in raw]
    _refuse(np.array([not text for text in texts]), texts, origin, "has no time", "give its open time")
    if all(NUMBER.match(text) for text in texts):
        return _from_epoch(pd.Series([int(text.partition(".")[0]) for text in texts], dtype=object), origin)
    return _fromas_text(texts, tz, origin)


def now_utc(now: datetime | None) -> np.datetime64:
    """Return the clock's moment as datetime64[ns] in UTC; None = the system clock."""
    from datetime import UTC

    moment = datetime.now(UTC) if now is None else now
    if moment.tzinfo is None:
        raise DataError(f"now is {moment}, without a time zone: pass datetime.now(UTC).")
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "ns")


def bound(value: object, name: str) -> np.datetime64 | None:
    """Return a date or moment as datetime64[ns] in UTC (no offset = UTC); None stays None."""
    import pandas as pd

    if value is None:
        return None
    try:
        moment = pd.Timestamp(value)
        if moment.tzinfo is not None:
            moment = moment.tz_convert("UTC").tz_localize(None)
        converted = np.datetime64(moment.to_datetime64(), "ns")
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{name} is {value!r}, which is no date: give one such as 2021-10-01.") from error
    if np.isnat(converted):
        raise DataError(f"{name} is {value!r}, which is no date: give one such as 2021-10-01.")
    return converted


def as_text(value: Any) -> str:
    """Return a cell as stripped text; empty where it is missing."""
    import pandas as pd

    missing = value is None or (pd.api.types.is_scalar(value) and pd.isna(value))
    return "" if missing else str(value).strip()


def _refuse(bad: BoolArray, shown: Sequence[Any], origin: str, what: str, remedy: str) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        where = f"{origin} (time {str(shown[row])[:60]!r})"
        raise RowError(row, where, what + count_of(bad), remedy)


def _from_epoch(raw: pd.Series, origin: str) -> TimeArray:
    remedy = "give epoch seconds, ms, us or ns of 1979 or later, or ISO dates such as 2024-01-31T00:00Z"
    shown = raw.tolist()
    number = as_float(raw)
    _refuse(np.isnan(number), shown, origin, "has no time", "give its open time")
    unit_of = np.array(["", *EPOCH_UNITS])[unit_index(number)]
    _refuse(unit_of == "", shown, origin, "has a time that is no epoch number", remedy)
    unit = str(unit_of[0])
    other = unit_of != unit
    if other.any():
        row = int(np.argmax(other))
        what = f"has a time in epoch {unit_of[row]} where row 0 has {unit}"
        _refuse(other, shown, origin, what, "give all stamps in one unit")
    _refuse(number != np.floor(number), shown, origin, "has a time with a fraction", "give whole numbers")
    whole = np.array([int(value) for value in shown], np.int64)
    return whole.astype(f"datetime64[{unit}]").astype("datetime64[ns]")


def as_float(raw: pd.Series) -> FloatArray:
    """Return epoch numbers as float64, NaN where one is missing."""
    if np.issubdtype(getattr(raw.dtype, "type", object), np.complexfloating):
        raise DataError("the time column holds complex numbers: give epoch numbers or ISO dates.")
    return np.asarray(raw.to_numpy(np.float64, na_value=np.nan), np.float64)


def unit_index(number: FloatArray) -> np.ndarray:
    """Return 1 to 4 where a number is an epoch of s, ms, us or ns (see `EPOCH_UNITS`), 0 where it is none."""
    index = np.zeros(len(number), np.int64)
    for position, scale in enumerate(EPOCH_UNITS.values(), start=1):
        index[(number >= _EPOCH_FIRST * scale) & (number < _EPOCH_LAST * scale)] = position
    return index


def _fromas_text(texts: list[str], tz: str, origin: str) -> TimeArray:
    import pandas as pd

    says_offset = np.array([_WITH_OFFSET.search(text) is not None for text in texts], bool)
    if says_offset.any():
        remedy = "write every stamp with its offset, such as 2024-01-31T00:00:00Z"
        _refuse(~says_offset, texts, origin, "has a time without offset where others have one", remedy)
    plain = [text.removesuffix("UTC").rstrip() + "Z" if text.endswith("UTC") else text for text in texts]
    moments = pd.to_datetime(pd.Series(plain, dtype=object), format="ISO8601", utc=True, errors="coerce")
    remedy = "give epoch numbers or ISO dates such as 2024-01-31T00:00Z"
    _refuse(moments.isna().to_numpy(), texts, origin, "has a time that cannot be read", remedy)
    index = pd.DatetimeIndex(moments)
    return _from_datetimes(index if says_offset.any() else index.tz_localize(None), tz, origin)


def _from_datetimes(index: pd.DatetimeIndex, tz: str, origin: str) -> TimeArray:
    _refuse(np.asarray(index.isna()), index, origin, "has no time", "give its open time")
    if index.tz is None:
        index = _localised(index, tz, origin)
    utc = index.tz_convert("UTC").tz_localize(None).to_numpy()
    far = (utc < np.datetime64(FIRST_YEAR)) | (utc >= np.datetime64(LAST_YEAR))
    _refuse(far, index, origin, f"lies outside the years {FIRST_YEAR} to {LAST_YEAR}", "mend the time")
    return np.asarray(utc.astype("datetime64[ns]"))


def _localised(index: pd.DatetimeIndex, tz: str, origin: str) -> pd.DatetimeIndex:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    if not tz:
        raise DataError(
            f"the times of {origin} carry no time zone (first: {index[0]}): "
            'pass tz, such as tz="UTC" or tz="America/New_York" (--tz on the command line).'
        )
    try:
        zone = ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise DataError(
            f"tz {tz!r} is not a time zone: give an IANA name such as UTC or Europe/Berlin."
        ) from error
    remedy = "export the times with their offset, or in UTC"
    skipped_too = index.tz_localize(zone, ambiguous="NaT", nonexistent="shift_forward").isna()
    _refuse(np.asarray(skipped_too), index, origin, f"has a time that the clock of {tz} shows twice", remedy)
    local = index.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    _refuse(np.asarray(local.isna()), index, origin, f"has a time that the clock of {tz} skips", remedy)
    return local
