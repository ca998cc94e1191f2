"""Controls: permuted labels lose every edge, blocks keep the labels, and seeds give rows of their own."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mlstrat.backtest import backtest
from mlstrat.config import parse_config
from mlstrat.controls import controls_of, permuted_panel, permuted_skill, seed_row
from mlstrat.execution.types import OPEN
from mlstrat.models.scores import log_loss
from mlstrat.pipeline import run_panel
from mlstrat.reports import control_tables
from mlstrat.reports.controls import SeedRow


@pytest.fixture(scope="module")
def planted(tiny_run):
    """The tiny run on labels of which one feature knows four in five."""
    panel = tiny_run.panel
    random = np.random.default_rng(3)
    signal = panel.features.column("rsi_14") > 50.0
    up = np.where(random.random(len(signal)) < 0.8, signal, ~signal).astype(float)
    up[np.isnan(panel.labels.up)] = np.nan
    ret = np.where(up > 0.5, 0.01, -0.01)
    ret[np.isnan(up)] = np.nan
    return run_panel(replace(panel, labels=replace(panel.labels, ret=ret, up=up)), tiny_run.config)


def test_an_edge_vanishes_when_labels_are_permuted(planted):
    own = seed_row(planted)
    assert own.skill > 0.1
    skill = permuted_skill(planted.panel, planted.schedule, planted.config)
    assert abs(skill.estimate) < 0.05 * own.skill
    assert skill.low <= 0.0 or skill.estimate < 1e-3


def test_only_training_labels_are_permuted_and_in_blocks(planted):
    panel, labels = planted.panel, planted.panel.labels
    fold = planted.schedule.fold(0, panel.bars.close_time, labels.resolved_at, panel.features.ready)
    tagged = replace(labels, ret=np.arange(len(labels.ret), dtype=float))
    made = permuted_panel(replace(panel, labels=tagged), fold, planted.config).labels
    others = np.setdiff1d(np.arange(len(labels.ret)), fold.train)
    np.testing.assert_array_equal(made.ret[others], tagged.ret[others])
    taken = made.ret[fold.train].astype(int)
    assert sorted(taken) == fold.train.tolist()
    assert (taken != fold.train).mean() > 0.8
    np.testing.assert_array_equal(made.up[fold.train], labels.up[taken])
    jumps = int((np.diff(taken) != 1).sum())
    assert jumps <= len(taken) / (5 * planted.config.labels.target_periods) + 1
    again = permuted_panel(panel, fold, planted.config).labels
    np.testing.assert_array_equal(again.up, made.up)


def test_each_seed_is_a_run_of_its_own(tiny_run):
    report = tiny_run.config.report.model_copy(update={"seeds": 2})
    config = tiny_run.config.model_copy(update={"report": report})
    made = controls_of(replace(tiny_run, config=config))
    assert made.permuted is None
    assert [row.seed for row in made.seeds] == [7, 8]
    other = run_panel(tiny_run.panel, config.model_copy(update={"seed": 8}))
    for row, run in zip(made.seeds, (tiny_run, other), strict=True):
        said, up = run.predictions.prob_up, run.panel.labels.up
        known = np.isfinite(said) & np.isfinite(up)
        assert row.log_loss == pytest.approx(log_loss(said[known], up[known]))
        assert row.trades == int((run.result.trades.reason != OPEN).sum())
        assert row.total_return == pytest.approx(run.result.equity[-1] / 10_000.0 - 1.0)
    assert made.seeds[0].log_loss != made.seeds[1].log_loss


def test_nothing_is_done_unasked(tiny_run):
    assert controls_of(tiny_run) is None


def test_the_spread_is_the_sample_standard_deviation():
    rows = [SeedRow(7, 0.69, 0.01, 1.0, 0.1, 10), SeedRow(8, 0.71, -0.01, 3.0, 0.3, 13)]
    last = control_tables.seeds(rows).rows[-1]
    assert last[0] == "Standard deviation"
    assert (last[1], last[3], last[5]) == ("0.01414", "1.41", "2.1")


def test_the_report_and_metrics_show_them(tiny_config, tmp_path):
    sections = tiny_config.model_dump()
    sections["data"] |= {"start": "2023-01-01", "end": "2023-04-15"}
    sections["report"] |= {"controls": True, "seeds": 2}
    sections["signals"] |= {"conformal": 0.6}
    config = parse_config(sections)
    finished = backtest(config, tmp_path / "run", engine="kernel")
    told = json.loads((finished.folder / "metrics.json").read_text())
    assert set(told["controls"]["permuted"]) == {"estimate", "low", "high"}
    assert [row["seed"] for row in told["controls"]["seeds"]] == [7, 8]
    assert told["conformal"]["asked"] == 0.6
    assert told["conformal"]["coverage"] == pytest.approx(0.6, abs=0.1)
    assert any("The conformal set held the realised direction" in note for note in told["notes"])
    page = (finished.folder / "report.html").read_text()
    assert "permuted labels" in page
    assert "Standard deviation" in page
