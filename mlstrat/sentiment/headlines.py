"""Headlines from a file: texts, and from when each may be known."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray, TimeArray, read_only
from mlstrat.errors import DataError
from mlstrat.sentiment.aliases import coin_of, concerns, marked, subjects_of
from mlstrat.sentiment.days import at_midnight, day_stamps, next_days

if TYPE_CHECKING:
    import pandas as pd

_OFFSET = r"(?:Z|[+-]\d\d(?::?\d\d)?)$"
_WITH_OFFSET = re.compile(rf"\d[T ]\d\d.*{_OFFSET}")
# Endings of the files that stores lie in.
_DATABASES = (".db", ".sqlite", ".sqlite3")
_OPTIONAL_COLUMNS = (
    ("seen_at", "datetime64[ns]", np.datetime64("NaT")),
    ("reach", "float64", 0.0),
    ("given_polarity", "float64", np.nan),
)
_TRUTH = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, eq=False)
class Headlines:
    """Headlines of one symbol, sorted by publication; equal stamps keep the order of the file.

    Parameters
    ----------
    published_at : (n,) datetime64[ns]
        Publication as stamped, UTC, never decreasing.
    time_known : (n,) bool
        False where only the day of `published_at` is known.
    texts : tuple of str, n long
        The titles; none is blank.
    source : tuple of str, n long
        Who published each, "" where the file does not say.
    seen_at : (n,) datetime64[ns], optional
        When each was first fetched, UTC; NaT where nobody kept it. Default: NaT everywhere.
    reach : (n,) float64, optional
        How many people it reached, as its source counts them: followers, votes; 0 where unknown. Default: 0.
    given_polarity : (n,) float64, optional
        What the source itself says of the mood, in [-1, 1], which then replaces a score of the text; NaN
        where it says nothing. Default: NaN everywhere.
    subjects : tuple of str, n long, optional
        Tickers that the source itself attaches, with blanks between. Default: "" everywhere.
    origin : str
        The file or sample that was read.
    untitled, off_topic : int
        Rows left out because they have no title, or name other coins only.

    Raises
    ------
    DataError
        Columns of unlike length, a missing stamp, or stamps out of order.
    """

    published_at: TimeArray
    time_known: BoolArray
    texts: tuple[str, ...]
    source: tuple[str, ...]
    origin: str = ""
    untitled: int = 0
    off_topic: int = 0
    seen_at: TimeArray = field(default_factory=lambda: np.empty(0, "datetime64[ns]"))
    reach: FloatArray = field(default_factory=lambda: np.empty(0))
    given_polarity: FloatArray = field(default_factory=lambda: np.empty(0))
    subjects: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.published_at)
        for name, kind, unknown in _OPTIONAL_COLUMNS:
            given = np.asarray(getattr(self, name), kind)
            object.__setattr__(self, name, read_only(given if len(given) else np.full(n, unknown, kind)))
        object.__setattr__(self, "published_at", read_only(np.asarray(self.published_at, "datetime64[ns]")))
        object.__setattr__(self, "time_known", read_only(np.asarray(self.time_known, bool)))
        object.__setattr__(self, "subjects", self.subjects or ("",) * n)
        lengths = {len(column) for column in (self.published_at, self.time_known, self.texts, self.source)}
        lengths |= {len(self.subjects), *(len(getattr(self, name)) for name, _, _ in _OPTIONAL_COLUMNS)}
        if len(lengths) > 1:
            raise DataError(
                f"headlines have columns of unlike length {sorted(lengths)}: give one value a headline."
            )
        if np.isnat(self.published_at).any():
            raise DataError("a headline has no publication time: drop it or give its time.")
        if (np.diff(self.published_at) < np.timedelta64(0)).any():
            raise DataError("headlines are not in order of publication: sort them by time.")
        if not ((self.reach >= 0) & (self.reach < np.inf)).all():
            raise DataError("a headline's reach is not a number of people: give 0 or more, 0 where unknown.")
        if (np.abs(self.given_polarity) > 1).any():
            raise DataError("a headline's given polarity is out of range: give a number in [-1, 1] or none.")

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def known_from(self) -> TimeArray:
        """(n,) datetime64[ns]: when each can be known at the earliest, before any latency, UTC.

        The publication where its time is known, else 00:00 UTC of the next day. Not sorted.
        """
        return np.where(self.time_known, self.published_at, next_days(self.published_at))

    def known_by(self, rule: str) -> TimeArray:
        """Return from when each can be known, before any latency, by one of two rules.

        Parameters
        ----------
        rule : {"published", "seen"}
            `published` is `known_from`; `seen` is the later of that and of `seen_at`, so that a headline
            which was stamped earlier than anybody could read it does not count before.

        Returns
        -------
        (n,) datetime64[ns]
            UTC, not sorted.

        Raises
        ------
        DataError
            An unknown rule, or `seen` where a first-seen time is missing.
        """
        if rule not in ("published", "seen"):
            raise DataError(f"sentiment.known_by is {rule!r}: give published or seen.")
        if rule == "published":
            return self.known_from
        unseen = int(np.isnat(self.seen_at).sum())
        if unseen:
            place = f" of {Path(self.origin).name}" if self.origin else ""
            raise DataError(
                f"{unseen:,} of {len(self):,} headlines{place} do not tell when they were "
                'first seen: set sentiment.known_by = "published", or read them from a store.'
            )
        return np.maximum(self.known_from, self.seen_at)

    def __str__(self) -> str:
        return (
            f"{len(self):,} headlines of {Path(self.origin).name} ({self.untitled:,} without a title and "
            f"{self.off_topic:,} about other coins only were left out)"
        )


def read_headlines(source: str | Path, symbol: str = "") -> Headlines:
    """Read headlines from a Parquet, CSV or JSON Lines file, or from the bundled sample.

    Parameters
    ----------
    source : str or Path
        A `.parquet`, `.csv` or `.jsonl` file, or `sample:headlines`. Columns: `time` or `timestamp` (with
        an offset: a stamp without one is refused); `title` or `text`; optionally `time_known` (without it, a
        stamp at exactly 00:00:00, in UTC or by its own offset, counts as a day without a time: see
        `mlstrat.sentiment.days.day_stamps`), `source` and `subject`.
    symbol : str
        Keep the headlines that count for this symbol: those whose title or subject names it, and those
        that name no coin at all. Empty keeps all.

    Raises
    ------
    DataError
        The file cannot be read, lacks a column, or has a stamp without an offset; the message names the
        first row (0-based) and what to do.
    """
    frame = _read(source)
    times, local = _times(_column(frame, ("time", "timestamp"), source), source)
    titles = _texts(_column(frame, ("title", "text"), source))
    known = _time_known(frame, at_midnight(times, local), source)
    times = np.where(known, times, day_stamps(times, local))
    publishers, subjects = _optional(frame, "source"), [*map(subjects_of, _optional(frame, "subject"))]
    coin = coin_of(symbol)
    titled = [row for row, title in enumerate(titles) if title.strip()]
    kept = [row for row in titled if concerns(coin, f"{titles[row]} {marked(subjects[row])}")]
    order = np.array(kept, np.int64)[np.argsort(times[kept], kind="stable")]
    return Headlines(
        published_at=times[order],
        time_known=known[order],
        texts=tuple(titles[row] for row in order),
        source=tuple(publishers[row] for row in order),
        origin=str(source),
        untitled=len(titles) - len(titled),
        off_topic=len(titled) - len(kept),
        subjects=tuple(" ".join(subjects[row]) for row in order),
    )


def _read(source: str | Path) -> pd.DataFrame:
    """Return the file as it is: a CSV's cells as text, and only its empty cells as missing."""
    import pandas as pd

    path = _path(source)
    try:
        if path.suffix.lower() == ".parquet":
            return pd.read_parquet(path)
        if path.suffix.lower() == ".jsonl":
            return pd.read_json(path, lines=True, dtype=False, convert_dates=False, convert_axes=False)
        table = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])
    except OSError as error:
        raise DataError(
            f"headlines {source} cannot be read ({error.strerror or error}): give the path of a "
            "readable .parquet, .csv or .jsonl file."
        ) from error
    except ValueError as error:
        # pandas' ParserError and EmptyDataError, pyarrow's ArrowInvalid and UnicodeDecodeError.
        raise DataError(
            f"headlines {source} are not a readable {path.suffix} table ({error}): write the file again, "
            "a CSV in UTF-8 with a header row, JSON Lines with one object a line."
        ) from error
    if not isinstance(table.index, pd.RangeIndex):
        raise DataError(
            f"headlines {source} have rows with more cells than the header names: put quotes around titles "
            "that hold commas."
        )
    return table


def _path(source: str | Path) -> Path:
    if str(source).startswith("sample:"):
        from mlstrat.data import samples

        if str(source) != samples.PREFIX + samples.HEADLINES:
            raise DataError(
                f"{source} holds no headlines: set sentiment.source to "
                f"{samples.PREFIX + samples.HEADLINES}, to a file, or to none."
            )
        return samples.headlines_path()
    path = Path(source)
    if path.suffix.lower() in _DATABASES:
        raise DataError(f"headlines {source} are no table: give sqlite:///{source} to read a store.")
    if path.suffix.lower() not in (".parquet", ".csv", ".jsonl"):
        raise DataError(f"headlines {source} end in {path.suffix!r}: give a .parquet, .csv or .jsonl file.")
    return path


def _column(frame: pd.DataFrame, names: tuple[str, ...], source: str | Path) -> pd.Series:
    for name in names:
        if name in frame.columns:
            return frame[name]
    raise DataError(
        f"headlines {source} have no column {' or '.join(names)} (they have "
        f"{', '.join(map(str, frame.columns))}): rename the column that holds it."
    )


def _times(stamps: pd.Series, source: str | Path) -> tuple[TimeArray, TimeArray]:
    """Return the stamps in UTC, and as written with the offset left out."""
    import pandas as pd

    if isinstance(stamps.dtype, pd.DatetimeTZDtype):
        utc, local = stamps.dt.tz_convert("UTC").dt.tz_localize(None), stamps.dt.tz_localize(None)
    else:
        utc, local = _parsed(stamps, source)
    if utc.isna().any():
        raise _stamp_error(source, stamps, int(np.argmax(utc.isna())), "is not a time")
    return np.asarray(utc.to_numpy(), "datetime64[ns]"), np.asarray(local.to_numpy(), "datetime64[ns]")


def _parsed(stamps: pd.Series, source: str | Path) -> tuple[pd.Series, pd.Series]:
    import pandas as pd

    for row, stamp in enumerate(stamps):
        if not isinstance(stamp, str) or not _WITH_OFFSET.search(stamp.strip()):
            raise _stamp_error(source, stamps, row, "does not say its offset from UTC")
    utc = pd.to_datetime(stamps.str.strip(), format="ISO8601", utc=True, errors="coerce").dt.tz_localize(None)
    written = stamps.str.strip().str.replace(_OFFSET, "", regex=True)
    return utc, pd.to_datetime(written, format="ISO8601", errors="coerce")


def _stamp_error(source: str | Path, stamps: pd.Series, row: int, what: str) -> DataError:
    return DataError(
        f"row {row} of headlines {source}: {str(stamps.iloc[row])!r} {what}: write stamps such as "
        "2021-10-12T20:00:00Z or 2021-10-12T16:00:00-04:00; in Parquet, give the column a time zone."
    )


def _texts(column: pd.Series) -> list[str]:
    return ["" if missing else str(text) for text, missing in zip(column, column.isna(), strict=True)]


def _optional(frame: pd.DataFrame, name: str) -> list[str]:
    return _texts(frame[name]) if name in frame.columns else [""] * len(frame)


def _time_known(frame: pd.DataFrame, midnight: BoolArray, source: str | Path) -> BoolArray:
    if "time_known" not in frame.columns:
        return ~midnight
    words = [str(word).strip().lower() for word in frame["time_known"]]
    for row, word in enumerate(words):
        if word not in _TRUTH:
            raise DataError(
                f"row {row} of headlines {source}: time_known is {word!r}: write true or false, or leave the "
                "column out."
            )
    return np.array([_TRUTH[word] for word in words], bool)
