"""What scripts weigh, by hand; and the weight that is told before training bounds the one after it."""

from dataclasses import replace

import numpy as np
import pytest

from mlstrat.config import parse_config
from mlstrat.errors import ConfigError
from mlstrat.features.lookup import registered
from mlstrat.models.trees import join_trees, predict_trees
from mlstrat.pine.budget import Budget, Weight, library_budget, weight_of
from mlstrat.pine.edges import kept_edges
from mlstrat.pine.exported import script_of
from mlstrat.pine.expr import Twin
from mlstrat.pine.largest import Asked, leaves_of
from mlstrat.pine.loops import Load, load_of
from mlstrat.pine.moods import DailyMood
from mlstrat.pine.packed import Layout, PackedWindow
from mlstrat.pine.passes import forecast_passes
from mlstrat.pine.plan import LIBRARIES, NEITHER, ONE, Size, alternatives, most_steps, refuse, size_of
from mlstrat.pine.source import Source

LIGHT = Weight(tokens=1, source_tokens=1, string_characters=1, longest_string=1, plots=1, variables=1)
IDLE = Load(window=1, bar=1, elements=1)
LAYOUT = Layout(("a",), (1,), (), (), 0, (), 3, frozenset(), {})


@pytest.mark.parametrize(
    ("line", "plots"),
    [
        ("plot(close)", 1),
        ('plot(a ? b : na, "x, y", color.red)', 1),
        ('plot(f(a, b), "x", a > b ? color.red : color.green)', 2),
        ("plot(close, color=#ff0000)", 1),
        ("plot(close, color=mine, linewidth=2)", 2),
        ("plotshape(a == b, style=shape.circle)", 1),
        ('plotshape(a, "x", shape.circle, location.top, mine)', 2),
        ("bgcolor(mine)", 2),
        ('string said = "plot(close)" // plot(close)', 0),
        ("myplot(close)", 0),
    ],
)
def test_a_plot_whose_colour_changes_counts_twice(line, plots):
    assert weight_of(line).plots == plots


def test_variables_are_counted_by_scope():
    script = """var float a = 1.0
array<int> b = array.from(1)
f(float x) =>
    float c = x
    if c > 0
        int d = 1
        int e = 2
        string g = "h = i"
    c
if a == 2
    int j = 3
a := 4
plot(a, title="k = l")"""
    assert weight_of(script).variables == 4  # of the function; outside there are a, b and j
    assert weight_of("int a = 1").variables == 1
    assert weight_of("").variables == 0


def test_strings_are_measured():
    weight = weight_of('a = "four" + "sixsix" // "nothing"')
    assert (weight.string_characters, weight.longest_string) == (10, 6)
    assert weight.source_tokens == 5
    assert weight.tokens == 2 * 10 + 3 * 5


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"tokens": 95_001}, "the strategy takes about 95,001 compiled tokens of 95,000"),
        ({"longest_string": 40_961}, "the longest string has 40,961 characters of 40,960"),
        ({"plots": 65}, "65 plots of 64"),
        ({"variables": 1_001}, "a scope has 1,001 variables of 1,000"),
    ],
)
def test_what_is_over_a_limit_is_refused_with_its_number(changed, told):
    over = Budget(replace(LIGHT, **changed), {}, IDLE)
    with pytest.raises(ConfigError, match=f"this script of 2 windows: {told}: run with fewer windows"):
        over.check(windows=2)
    at_limit = {name: value - 1 for name, value in changed.items()}
    Budget(replace(LIGHT, **at_limit), {}, IDLE).check(windows=2)


def test_the_other_form_is_advised_only_where_it_fits():
    light = Budget(LIGHT, {"w0": LIGHT}, IDLE)
    over = Budget(replace(LIGHT, tokens=95_001), {}, IDLE)
    apart = replace(over, libraries={"w0": LIGHT})
    for form, other, advice in (
        (over, light, "export with --libraries, a library for each window, or run with fewer windows"),
        (apart, Budget(LIGHT, {}, IDLE), "export without --libraries, or run with fewer windows"),
        (over, apart, "of 95,000: run with fewer windows"),
        (over, replace(light, load=replace(IDLE, elements=100_001)), "of 95,000: run with fewer windows"),
    ):
        with pytest.raises(ConfigError, match=advice):
            form.check(1, lambda other=other: other)
    light.check(1, lambda: pytest.fail("a script that fits has no other form weighed"))


def test_libraries_share_what_tradingview_allows_together():
    assert [library_budget(count) for count in (1, 10, 11, 20)] == [95_000, 95_000, 86_363, 47_500]
    heavy = {f"w{k}": replace(LIGHT, tokens=50_000) for k in range(20)}
    with pytest.raises(ConfigError, match="a library takes about 50,000 compiled tokens of 47,500: run with"):
        Budget(LIGHT, heavy, IDLE).check(windows=20)
    Budget(LIGHT, dict(list(heavy.items())[:19]), IDLE).check(windows=19)


def test_arrays_and_loops_have_limits_too():
    with pytest.raises(ConfigError, match="an array may have 100,001 elements of 100,000: run with fewer"):
        Budget(LIGHT, {}, replace(IDLE, elements=100_001)).check(windows=1)
    slow = Load(window=500_000, bar=100_000, elements=1)
    assert slow.loop_seconds == pytest.approx(0.6)
    assert slow.seconds(20) == pytest.approx(2.0)
    assert slow.bars_within(20.0) == 200
    with pytest.raises(ConfigError, match=r"the loops of a bar may take 0\.6 s of 0\.5"):
        Budget(LIGHT, {}, slow).check(windows=1)


@pytest.mark.parametrize(
    ("body", "passes"),
    [
        ("close", 0),
        ("a = 0.0\nfor i = 0 to 20 - 1\n    a += close[i]\na", 20),
        ("for i = 13 to 1\n    a\nfor j = 20 - 2 to 0\n    b", 13 + 19),
    ],
)
def test_loops_of_features_are_counted(body, passes):
    window = PackedWindow(("abc",), (1.0, 2.0), 7)
    idle = load_of(LAYOUT, [window], ())
    assert idle.bar == 7 + 2  # the one feature is looked at twice
    assert idle.elements == 3
    assert load_of(LAYOUT, [window], (Twin("fOf", body),)).bar == idle.bar + passes


def test_every_loop_of_a_registered_feature_has_bounds_that_are_read():
    window = PackedWindow(("",), (), 0)
    for name, feature in registered().items():
        body = feature.pine or ""
        assert "while" not in body, name
        assert body.count("for ") * 2 <= load_of(LAYOUT, [window], (Twin("f", body),)).bar, name


def test_passes_of_a_forecast_by_hand():
    chain = {"feature": [0, -1, 0, -1, -1], "cut": [0] * 5, "left": [1, 0, 3, 0, 0], "right": [2, 0, 4, 0, 0]}
    chain = {name: np.array(part) for name, part in chain.items()} | {"value": np.zeros(5)}
    stump = {name: np.array([-1 if name == "feature" else 0]) for name in chain}
    trees = join_trees([chain, stump], 0.0, 1.0)
    # 15 edges are halved 4 times, one edge once, none never; each feature is a pass itself.
    bisections = (1 + 4) + (1 + 1) + (1 + 0)
    walks = (1 + 2) + (1 + 0)
    lstm = 5 * (1 + 8) + 2 * (1 + 8) + 2
    assert forecast_passes([15, 1, 0], [trees], 5, 2, [3, 0, 4]) == bisections + walks + lstm + 2 * 7


def random_tree(rng, n_features, n_edges, depth):
    nodes = {name: [] for name in ("feature", "cut", "left", "right", "value")}

    def grow(left):
        at = len(nodes["feature"])
        feature = int(rng.integers(n_features)) if left and rng.random() < 0.9 else -1
        row = (feature, int(rng.integers(n_edges + 1)) if feature >= 0 else 0, 0, 0, float(rng.normal()))
        for name, value in zip(nodes, row, strict=True):
            nodes[name].append(value)
        if feature >= 0:
            nodes["left"][at] = grow(left - 1)
            nodes["right"][at] = grow(left - 1)
        return at

    grow(depth)
    return {name: np.array(part) for name, part in nodes.items()}


def test_trees_say_the_same_on_the_edges_that_are_kept():
    rng = np.random.default_rng(3)
    n_features, n_edges = 4, 9
    edges = np.sort(rng.choice(1_000, (n_features, n_edges), replace=False) / 100)
    edges[3, 5:] = np.inf
    trees = join_trees([random_tree(rng, n_features, n_edges, 3) for _ in range(4)], 0.0, 1.0)
    kept = kept_edges(edges, [trees], np.array([1]))
    counts = [len(part.wholes) for part in kept.of]
    assert counts[1] == n_edges  # the LSTM sees the number of the bin
    assert sum(counts) < np.isfinite(edges).sum()
    few = [np.array(part.wholes) / 10.0**part.exponent for part in kept.of]
    inner = trees.feature >= 0
    cuts = np.array([kept.cut(f, c) if f >= 0 else 0 for f, c in zip(trees.feature, trees.cut, strict=True)])
    assert (cuts[inner] <= trees.cut[inner]).all()
    for f, row in enumerate(few):
        finite = edges[f][np.isfinite(edges[f])]
        assert (row[0], row[-1]) == (finite[0], finite[-1])
    values = np.vstack([rng.uniform(-1, 11, (200, n_features)), edges.T[:5], np.nextafter(edges.T[:5], 20)])
    structure = trees.left, trees.right, trees.value, trees.roots
    for x in values:
        all_bins = np.array([(edges[f] < x[f]).sum() for f in range(n_features)])
        few_bins = np.array([(few[f] < x[f]).sum() for f in range(n_features)])
        told = predict_trees(few_bins, trees.feature, cuts.astype(np.int32), *structure)
        assert told == predict_trees(all_bins, trees.feature, trees.cut, *structure)


def asked_of(walked):
    bars, config = walked.run.panel.bars, walked.run.config
    days = int((bars.time[-1] - bars.time[0]) / np.timedelta64(1, "D")) + 1
    names = walked.capsules[0].about.features
    place = bars.symbol, str(bars.timeframe), bars.instrument
    return Asked(config, names, *place, rows=len(bars), days=days)


def weighed(walked, windows, days, libraries=False):
    """Export the run's first windows as `export_run` does."""
    capsules, timing = walked.capsules[:windows], walked.timing
    timing = replace(timing, first_slots=timing.first_slots[:windows])
    source = Source(capsules, timing, DailyMood(0, "a" * days, days), ("header",), walked.run.config.name)
    return script_of(source, "replay", libraries=libraries).budget


@pytest.mark.parametrize(
    "settings",
    [
        (),
        ("models.characters=3", "models.calibration=platt"),
        ('models.without=["lstm"]', "models.calibration=beta"),
        (
            "models.rf_n_estimators=16",
            "models.rf_max_depth=4",
            "models.gb_n_estimators=12",
            "models.lstm_units=4",
        ),
        ("models.bins=63", "features.select=3"),
    ],
)
def test_the_weight_before_training_bounds_the_one_after_it(walked, settings):
    made = walked("sentiment.source=sample:headlines", *settings)
    asked = asked_of(made)
    size = size_of(asked)
    real = weighed(made, 2, asked.days)
    assert real.tokens <= size.tokens(2) <= 1.15 * real.tokens
    assert real.tokens - weighed(made, 1, asked.days).tokens <= size.window
    apart = weighed(made, 2, asked.days, libraries=True)
    assert apart.tokens <= size.fixed_apart + 2 * size.window_apart <= 1.15 * apart.tokens
    assert max(apart.library_tokens) <= size.library


def test_isotonic_maps_have_no_more_steps_than_are_counted(walked):
    made = walked("models.calibration=isotonic")
    most = most_steps(asked_of(made))
    for capsule in made.capsules:
        for curve in (capsule.ensemble.stack.curve, *(odds.curve for odds in capsule.odds)):
            assert 0 < len(curve.knots) <= most


def test_trees_have_no_more_leaves_than_are_counted(walked):
    for capsule in walked().capsules:
        models, config = capsule.ensemble.models, capsule.about.run_config().models
        for trees, most in zip((models.forest, models.boosting), leaves_of(config, 10**6), strict=True):
            sizes = np.diff([*trees.roots, len(trees.feature)])
            assert ((sizes + 1) // 2 <= most).all()


def test_windows_that_fit():
    size = Size(fixed=20_000, window=7_000, fixed_apart=15_000, window_apart=1_000, library=30_000)
    assert size.tokens(3) == 41_000
    assert size.most == 10  # 10 x 7,000 + 20,000 = 90,000
    assert size.most_apart == 31  # 31 x 30,000 = 930,000 of 950,000; the strategy alone would hold 80
    assert [size.verdict(n) for n in (10, 11, 31, 32)] == [ONE, LIBRARIES, LIBRARIES, NEITHER]
    assert replace(size, library=95_001).most_apart == 0
    assert replace(size, fixed=95_001).most == 0


def test_other_sizes_are_of_the_same_run(walked):
    asked = asked_of(walked())
    others = list(alternatives(asked))
    models = [other.config.models for other in others]
    told = {(m.rf_n_estimators, m.gb_n_estimators, m.characters) for m in models[:6]}
    assert told == {(trees, trees, characters) for trees in (2, 5, 10) for characters in (2, 3)}
    assert others[6].features == asked.features[:3]
    assert len(others) == 7
    full = parse_config({"features": {"names": ["ret_1"]}})
    last = list(alternatives(replace(asked, config=full)))[-1].config.models
    assert (last.bins, last.characters, last.rf_max_leaves) == (15, 2, 8)


def test_what_has_no_pine_form_is_told_at_once():
    own = {"models": {"mine": {"class": "lightgbm.LGBMClassifier"}}}
    cases = (
        (
            {"features": {"names": ["ret_1_4h", "ret_1", "rsi_14_4h"]}},
            "form: ret_1_4h, rsi_14_4h: take them out",
        ),
        ({"sentiment": {"source": "sample:headlines"}}, "sentiment by the bar has no Pine form"),
        (own, r"how large models\.mine will be shows only in training"),
    )
    for content, told in cases:
        config = parse_config(content)
        with pytest.raises(ConfigError, match=told):
            refuse(config, config.features.names)
