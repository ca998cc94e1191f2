"""The tear sheet gets one clean daily series, the right year, and stays silent and offline."""

import logging
import re
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlstrat.data.bars import Bars
from mlstrat.data.instrument import Instrument
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import MissingExtraError
from mlstrat.execution.metrics import sharpe
from mlstrat.execution.types import Result
from mlstrat.reports import tearsheet
from mlstrat.reports.story import Story


def test_daily_returns_compound_the_bars_of_each_utc_day(executed: tuple[Result, Bars]) -> None:
    result, bars = executed
    days: dict[str, float] = {}
    for time, change in zip(bars.time, result.returns, strict=True):
        day = str(time)[:10]
        days[day] = days.get(day, 1.0) * (1.0 + change)
    series = tearsheet.daily_returns(result.equity, bars, result.rules.cash, "Strategy")
    assert [str(day.date()) for day in series.index] == list(days)
    np.testing.assert_allclose(series.to_numpy(), [growth - 1.0 for growth in days.values()], atol=1e-12)


def test_quantstats_finds_the_sharpe_ratio_that_we_find(executed: tuple[Result, Bars]) -> None:
    stats = pytest.importorskip("quantstats").stats
    result, bars = executed
    series = tearsheet.daily_returns(result.equity, bars, result.rules.cash, "Strategy")
    own = sharpe(series.to_numpy(), 365.0)
    assert abs(own) > 0.01
    assert stats.sharpe(series, rf=0.0, periods=365) == pytest.approx(own, abs=1e-6)


@pytest.mark.parametrize(
    ("timeframe", "per_year", "expected"), [("1h", 0.0, 365), ("1d", 252.0, 252), ("1w", 0.0, 52)]
)
def test_the_year_follows_the_market(
    executed: tuple[Result, Bars], timeframe: str, per_year: float, expected: int
) -> None:
    bars = executed[1][:1]
    facts = Instrument("X", sessions_per_year=per_year)
    assert (
        tearsheet.periods_per_year(replace(bars, timeframe=Timeframe(timeframe), instrument=facts))
        == expected
    )


def test_the_page_is_written_silently_and_asks_for_nothing(
    executed: tuple[Result, Bars],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    plt = pytest.importorskip("matplotlib.pyplot")
    result, bars = executed
    opened, level = plt.get_fignums(), logging.getLogger("matplotlib.font_manager").level
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = tearsheet.write(tmp_path, result, bars, "No edge: 0.3 < 0.95.")
    assert path == tmp_path / "quantstats.html"
    html = path.read_text(encoding="utf-8")
    assert "TESTUSD 1h: out of sample, costs included" in html
    assert html.index("No edge: 0.3 &lt; 0.95.") < html.index("<h1>")
    assert "Periods/Year: 365" in html
    assert not re.search(r'<(link|script|img|iframe)\b[^>]*(href|src)="http', html)
    assert capfd.readouterr() == ("", "")
    assert plt.get_fignums() == opened
    assert logging.getLogger("matplotlib.font_manager").level == level


def test_equity_that_never_moves_has_no_tear_sheet(make_story: Callable[..., Story], tmp_path: Path) -> None:
    judged = make_story(trading=False).judged
    (tmp_path / "quantstats.html").write_text("of an earlier run")
    assert tearsheet.write(tmp_path, judged.result, judged.bars) is None
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named(
    executed: tuple[Result, Bars], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "quantstats", None)
    with pytest.raises(MissingExtraError, match="the tear sheet needs the package quantstats"):
        tearsheet.write(tmp_path, *executed)
