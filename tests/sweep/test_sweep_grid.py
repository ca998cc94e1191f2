"""What a grid is: exact steps, checked keys, numbered columns."""

import pytest

from mlstrat.config import RunConfig, parse_config
from mlstrat.errors import ConfigError
from mlstrat.sweep.grid import config_of, make_grid, rows_of
from mlstrat.sweep.grid_text import parse_grid

BASE = RunConfig()


def grid(*texts):
    return make_grid(BASE, parse_grid(texts))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("signals.threshold=0.52:0.60:0.01", (0.52, 0.53, 0.54, 0.55, 0.56, 0.57, 0.58, 0.59, 0.6)),
        ("stops.atr=1:4:0.5", (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)),
        ("stops.max_bars=12:48:12", (12, 24, 36, 48)),
        ("stops.max_bars=12:12:5", (12,)),
        ("kelly.min_fraction=1e-3:3e-3:1e-3", (0.001, 0.002, 0.003)),
        ("signals.threshold=auto, 0.55", ("auto", 0.55)),
        ("signals.direction=long,short,both", ("long", "short", "both")),
        ('signals.direction="long","both"', ("long", "both")),
        ("features.families=[],['time']", ((), ("time",))),
        ("splits.retrain=month,336", ("month", 336)),
        ("kelly.max_position=0.5", (0.5,)),
    ],
)
def test_values_are_exact_and_as_the_configuration_holds_them(text, values):
    made = grid(text)
    assert made.values == (values,)
    assert [type(value) for value in made.values[0]] == [type(value) for value in values]


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        ([], "a sweep has to vary something: give for example"),
        (["stops.atr"], "'stops.atr' is not key=values: write for example stops.atr=1:4:0.5"),
        (["stops.atr=4:1:0.5"], "'stops.atr=4:1:0.5' holds no value: write from:to:step with from <= to"),
        (["stops.atr=1:4:0"], "holds no value: write"),
        (
            ["signals.threshold=0.52:0.605:0.01"],
            "'signals.threshold=0.52:0.605:0.01' does not end on a step: end it at 0.60 or at 0.61.",
        ),
        (["stops.max_bars=12:47:12"], "does not end on a step: end it at 36 or at 48."),
        (["stops.atr=1:1e999999999:1"], "is no range of numbers: write from:to:step"),
        (["stops.atr=1:1e99:1e-99"], "columns, more than 10,000,000: give fewer values."),
        (["stops.atr=1:2"], "is a range without a step: write stops.atr=1:2:STEP."),
        (["signals.threshold=0.5: 0.6"], "is a range without a step: write signals.threshold=0.5:0.6:STEP."),
        (
            ["stops.atr=1:100000000:0.5"],
            "this grid has 199,999,999 columns, more than 10,000,000: give fewer",
        ),
        (["seed=1:9999:1", "stops.atr=1:9999:1"], "this grid has 99,980,001 columns, more than 10,000,000"),
        (["stops.atr=a:b:c"], "is no range of numbers: write from:to:step"),
        (["stops.atr=1,2", "stops.atr=3"], "names stops.atr twice: give all its values in one"),
        (["stops.atr=1,1.0"], "1.0 is there twice: give each value once"),
        (["stops.art=1,2"], "unknown key stops.art; did you mean stops.atr?"),
        (["stop.atr=1,2"], "unknown key stop; did you mean stops?"),
        (["stops.atr=-1,2"], "stops.atr is -1; give a number greater than 0"),
        (["stops.atr=wide"], 'stops.atr is "wide"; give a number'),
        (["stops=1,2"], "stops is 1; give"),
        (["seed.x=1"], "seed is not a section; write section.key=values"),
        (["data.bars=a,b"], "data.bars cannot be swept: a sweep compares settings on the same bars"),
        (["jobs=1,2"], "jobs cannot be swept: it changes no result; leave it"),
        (["models.transfer=a.capsule,b.capsule"], "models.transfer cannot be swept: it names files, and"),
        (["features.context=['a.csv'],[]"], "a column would not tell that one of them was changed; make one"),
        (["sentiment.source=a.csv,none"], "sentiment.source cannot be swept: it names files, and a column"),
        (["models.profile=full,pine"], "models.profile cannot be swept: it stands for several sizes"),
    ],
)
def test_what_cannot_be_swept_is_said(texts, says):
    with pytest.raises(ConfigError) as error:
        grid(*texts)
    assert says in str(error.value)


def test_columns_are_every_combination_and_what_is_costly_varies_slowest():
    made = grid("signals.threshold=0.5,0.6", "stops.atr=1,2,3", "models.rf_max_depth=3,4", "seed=1,2")
    assert made.keys == ("models.rf_max_depth", "seed", "stops.atr", "signals.threshold")
    assert (len(made), made.shape) == (24, (2, 2, 3, 2))
    rows = list(rows_of(made))
    assert rows[0] == {"models.rf_max_depth": 3, "seed": 1, "stops.atr": 1.0, "signals.threshold": 0.5}
    assert rows[1]["signals.threshold"] == 0.6
    assert len({tuple(row.items()) for row in rows}) == 24
    assert [made.column(row) for row in rows] == list(range(24))
    assert (made.before.keys, made.taking.keys, made.fitting.keys) == (
        made.keys[:3],
        ("signals.threshold",),
        made.keys[:2],
    )


def test_a_column_that_is_not_there_is_refused():
    made = grid("stops.atr=1,2")
    with pytest.raises(ConfigError, match=r"stops.atr is never 3 here: give one of 1.0, 2.0"):
        made.column({"stops.atr": 3})
    with pytest.raises(ConfigError, match=r"a column is told by stops.atr: give a value for each"):
        made.column({"seed": 3})


def test_settings_become_a_run():
    config = config_of(BASE, {"stops.atr": 1.5, "signals.direction": "long", "seed": 3})
    same = parse_config({"stops": {"atr": 1.5}, "signals": {"direction": "long"}, "seed": 3})
    assert config == same
    own = parse_config({"models": {"mine": {"class": "a.B", "params": {"depth": 1}}}})
    made = make_grid(own, {"models.mine.params.depth": [1, 2]})
    assert config_of(own, made.settings(1)).models.own["mine"].params["depth"] == 2


def test_lists_are_told_apart_by_their_values():
    own = parse_config({"models": {"mine": {"class": "a.B", "params": {"sizes": [1]}}}})
    assert make_grid(own, {"models.mine.params.sizes": [[1], [1, 2]]}).shape == (2,)
    with pytest.raises(ConfigError, match=r"\(1,\) is there twice: give each value once"):
        make_grid(own, {"models.mine.params.sizes": [[1], [1, 2], [1]]})
