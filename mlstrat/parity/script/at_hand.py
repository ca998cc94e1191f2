"""A script's file beside the text that would be exported now."""

from __future__ import annotations

import hashlib
from itertools import zip_longest
from pathlib import Path

from mlstrat.errors import DataError
from mlstrat.pine.exported import Exported

# Characters of a line that are told, from shortly before its first difference on.
_TOLD, _BEFORE = 60, 15


def sha256_of_text(text: str) -> str:
    """Return the hash of a script's text, as its file has it."""
    return hashlib.sha256(text.encode()).hexdigest()


def check_file(path: Path, script: Exported) -> None:
    """Check that a file holds a script, and that its libraries lie beside it.

    Ends of lines may be those of any system, since TradingView does not tell them apart.

    Raises
    ------
    DataError
        A file cannot be read, or is another text; the message has the first line that differs.
    """
    _check(path, script.text)
    for name, text in script.libraries.items():
        _check(path.with_name(f"{name}.pine"), text)


def _check(path: Path, text: str) -> None:
    try:
        found = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} cannot be read as a script ({getattr(error, 'strerror', None) or error}): give the file "
            "that mlstrat pine export wrote."
        ) from error
    pairs = zip_longest(_lines(found), _lines(text))
    for number, (here, there) in enumerate(pairs, start=1):
        if here != there:
            raise DataError(
                f"{path} is not the script of this run: line {number:,} {_unlike(here, there)}: export it "
                "again, or verify with the --mode, --libraries and --publisher that it was exported with."
            )


def _lines(text: str) -> list[str]:
    return text.rstrip("\n").split("\n")


def _unlike(here: str | None, there: str | None) -> str:
    """Return in words how a line differs, `None` where a text has ended."""
    if here is None:
        return "is missing"
    if there is None:
        return "is one too many"
    pairs = enumerate(zip(here, there, strict=False))
    first = next((k for k, (one, other) in pairs if one != other), min(len(here), len(there)))
    start = max(first - _BEFORE, 0)
    one, other = (_part(line, start) for line in (here, there))
    return f"has {one} where the export has {other}"


def _part(line: str, start: int) -> str:
    end = start + _TOLD
    return f'"{"..." if start else ""}{line[start:end]}{"..." if len(line) > end else ""}"'
