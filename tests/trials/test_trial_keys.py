"""Which trials are one: a run and its column, and a run with more bars; and what makes another."""

from dataclasses import replace

import numpy as np

from mlstrat.beside import known_beside, trials_beside
from mlstrat.config import parse_config
from mlstrat.data.synthetic import random_walk
from mlstrat.pipeline import Watcher
from mlstrat.runfolder import inputs_of
from mlstrat.sentiment.align import neutral
from mlstrat.sweep.grid import config_of, make_grid, rows_of
from mlstrat.sweep.measures import MEASURES
from mlstrat.sweep.trials import Trials
from mlstrat.trials.keys import trial_key
from mlstrat.trials.ledger import Ledger, Tried


def test_only_what_changes_a_strategy_makes_another_trial(tmp_path):
    bars = random_walk(400, 3)

    def key(part=slice(None), headlines="none", others=(), **sections):
        config = parse_config({**sections, "sentiment": {"source": headlines}})
        inputs = inputs_of(config, "kernel", bars[part], neutral(bars[part]), others)
        return trial_key(inputs.config, inputs.basis_sha256)

    (tmp_path / "one.csv").write_text("time,title\n")
    (tmp_path / "copy.csv").write_text("time,title\n")
    (tmp_path / "two.csv").write_text("title,time\n")
    one, copy, two = (str(tmp_path / f"{name}.csv") for name in ("one", "copy", "two"))
    same = [
        key(),
        key(slice(0, 399)),
        key(name="another", jobs=1, data={"bars": "sample:ETHUSDT_1h", "end": "2024-01-01"}),
        key(report={"controls": True, "seeds": 9}),
    ]
    assert len(set(same)) == 1
    assert key(headlines=one) == key(headlines=copy)
    other = [
        key(slice(1, None)),
        key(headlines=one),
        key(headlines=two),
        key(headlines="sqlite:////one.db"),
        key(headlines="sqlite:////two.db"),
        key(others=(replace(bars, symbol="ETHUSDT"),)),
        key(seed=8),
        key(stops={"atr": 2.0}),
        key(instrument={"fee_share": 0.002}),
        key(models={"profile": "pine"}),
    ]
    assert len({same[0], *other}) == 1 + len(other)


def test_every_column_of_a_sweep_is_the_run_with_its_settings():
    bars, config = random_walk(400, 3), parse_config({"report": {"controls": True}})
    grid = make_grid(
        config,
        {
            "stops.atr": [2, 2.5],
            "models.without": [[], ["lstm", "forest"]],
            "sentiment.half_life_hours": [6, 12.0],
            "instrument.step": [0.1, 0.01],
            "signals.threshold": ["auto", 0.55],
        },
    )
    inputs = inputs_of(config, "kernel", bars, neutral(bars))
    sweep = replace(inputs, config={**inputs.config, "grid": {}, "grid_keys": []})
    table = np.zeros((len(grid), len(MEASURES)))
    columns = [trial.same for trial in Trials("sweep", sweep).of(grid, slice(0, len(grid)), table)]
    alone = []
    for settings in rows_of(grid):
        run = inputs_of(config_of(config, settings), "backtrader", bars, neutral(bars))
        alone.append(trial_key(run.config, run.basis_sha256))
    assert columns == alone
    assert len(set(columns)) == len(grid) == 32


def test_a_run_again_with_a_later_bar_is_no_second_try(tmp_path):
    bars, config = random_walk(400, 3), parse_config({})
    other = parse_config({"seed": 8})
    for part, engine, tried in (
        (bars[:399], "kernel", config),
        (bars, "kernel", config),
        (bars, "backtrader", config),
        (bars, "kernel", other),
    ):
        inputs = inputs_of(tried, engine, part, neutral(part))
        trials_beside(tmp_path / "run", inputs, "name", Watcher())
    book = Ledger(tmp_path / "trials.sqlite")
    assert book.tried(inputs.data_sha256) == Tried(2, 2, 0, 0, looks=2)
    for name, value in (("code_sha256", "new"), ("versions", {"numpy": "9"})):
        trials_beside(tmp_path / "run", replace(inputs, **{name: value}), "name", Watcher())
    assert book.tried(inputs.data_sha256) == Tried(2, 2, 0, 0, looks=2)
    known = known_beside(tmp_path / "run", inputs, bars.close_time, np.zeros(400), 40, Watcher())
    assert known[0] == Tried(2, 2, 0, 0, looks=2)
    assert (known[1].table.shape, known[1].counted) == ((17, 0), 0)


def test_a_ledger_that_cannot_be_read_is_said(tmp_path):
    class Notes(Watcher):
        said = ()

        def note(self, text):
            self.said += (text,)

    (tmp_path / "trials.sqlite").write_bytes(b"no data base " * 200)
    log = Notes()
    bars, config = random_walk(40, 3), parse_config({})
    inputs = inputs_of(config, "kernel", bars, neutral(bars))
    assert known_beside(tmp_path / "run", inputs, bars.close_time, np.zeros(40), 1, log) == (None, None)
    assert log.said[0].startswith("what was tried before is not counted: the trial ledger")
