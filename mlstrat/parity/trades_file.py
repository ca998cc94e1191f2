"""Trades as the file that a run writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlstrat.execution.types import Result

if TYPE_CHECKING:
    import pandas as pd


def trades_bytes(result: Result) -> bytes:
    """Return trades as the content of a run's trades.csv."""
    return csv_bytes(result.trades_frame())


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """Return a frame as CSV, times with their offset from UTC."""
    return bytes(frame.to_csv(index=False, date_format="%Y-%m-%d %H:%M:%S%z").encode())
