"""Trades as the file that a run writes."""

from mlstrat.execution.types import Result


def trades_bytes(result: Result) -> bytes:
    """Return trades as the content of a run's trades.csv."""
    frame = result.trades_frame()
    return bytes(frame.to_csv(index=False, date_format="%Y-%m-%d %H:%M:%S%z").encode())
