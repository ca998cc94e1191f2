"""The page of a sweep: which column it marks as the best, and what lies beside it."""

import json
import re
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from mlstrat.runfolder import inputs_of
from mlstrat.sentiment.align import neutral
from mlstrat.sweep.grid import make_grid
from mlstrat.sweep.judged import Returns
from mlstrat.sweep.measures import MEASURES
from mlstrat.sweep.page import marked, render
from mlstrat.sweep.result import Sweep

pytest.importorskip("jinja2")
pytest.importorskip("plotly")

MEANS = np.array([-0.0002, 0.0003, 0.0001, 0.0006])  # a bar; the last column is the best of all
VALUES = [0.1, 0.2, 0.5, 1.0]
PER_YEAR = 8760.0
THOSE = ", of those with 30 trades or more (others may lie beyond)"


def made(config, trades):
    """A sweep of four columns with these numbers of trades; without trades there is no Sharpe ratio."""
    returns = np.random.default_rng(5).normal(0.0, 0.004, (2000, 4))
    returns += MEANS - returns.mean(axis=0)
    table, trades = np.zeros((4, len(MEASURES))), np.array(trades)
    ratio = np.sqrt(PER_YEAR) * returns.mean(axis=0) / returns.std(axis=0)
    table[:, MEASURES.index("sharpe")] = np.where(trades > 0, ratio, np.nan)
    table[:, MEASURES.index("trades")] = trades
    grid = make_grid(config, {"kelly.multiplier": VALUES})
    day = np.arange(2000) // 24 + (date(2023, 1, 1) - date(1970, 1, 1)).days
    return Sweep(config, grid, table, None, (), Returns(returns, 1, day), PER_YEAR)


@pytest.fixture(scope="module")
def inputs(tiny_config, walk):
    return inputs_of(tiny_config, "kernel", walk, neutral(walk))


@pytest.mark.parametrize(
    ("trades", "best", "caption"),
    [
        ([40, 60, 50, 12], 1, f"that the test found best{THOSE}"),
        ([40, 60, 50, 30], 3, f"that the test found best{THOSE}"),
        ([12, 9, 3, 5], 3, "with the best Sharpe ratio"),
        ([12, 9, 3, 0], 1, "with the best Sharpe ratio"),
        ([0, 0, 0, 0], None, "with the best Sharpe ratio"),
    ],
)
def test_the_histogram_marks_the_best_that_was_tested(tiny_config, walk, inputs, trades, best, caption):
    sweep = made(tiny_config, trades)
    judged = sweep.judged()
    html = render(sweep, judged, walk, inputs)
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', html)
    assert json.loads(data[1])["best"] == best
    assert f"The orange line marks the column {caption};" in html
    named = re.findall(r"The column that it found best has kelly.multiplier = ([\d.]+)\.</p>", html)
    assert named == ([str(VALUES[best])] if max(trades) >= 30 else [])


def test_columns_that_no_test_could_judge_are_marked_by_the_ratio_of_those_with_trades_enough(tiny_config):
    sweep = made(tiny_config, [40, 60, 50, 12])
    untested = replace(sweep, returns=None)
    judged = untested.judged()
    assert judged.evidence is None
    assert marked(untested, judged) == (1, f"the column with the best Sharpe ratio{THOSE}")


def test_all_files_of_a_sweep_are_linked(tiny_config, walk, inputs):
    sweep = made(tiny_config, [40, 60, 50, 12])
    page, _ = render(sweep, sweep.judged(), walk, inputs).split("<script>", 1)
    assert set(re.findall(r'<a href="([^"]+)"', page)) == {"columns.parquet", "evidence.json"}
